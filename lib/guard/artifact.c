/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "artifact.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/fd.h"
#include "../base/spawn.h"
#include "../base/str.h"
#include "../fs/move.h"

/* ---- what is asked for --------------------------------------------------------- */

static size_t without_slashes(const char *path)
{
	size_t n = strlen(path);

	while (n > 1 && path[n - 1] == '/')
		n--;
	return n;
}

/* The last name of @path[0..n). */
static const char *last_name(const char *path, size_t n)
{
	const char *slash = memrchr(path, '/', n);

	return slash ? slash + 1 : path;
}

static bool is_name(const char *name, size_t n)
{
	return n && n <= NAME_MAX && !(n == 1 && *name == '.') &&
	       !(n == 2 && name[0] == '.' && name[1] == '.');
}

static const char *skip_dots(const char *s)
{
	while (*s == '/' || (*s == '.' && (s[1] == '/' || !s[1])))
		s++;
	return s;
}

/* As far as the words say; links are for the end, when they are looked at. */
static bool same_place(const char *a, const char *b)
{
	size_t n;

	if ((*a == '/') != (*b == '/'))
		return false;
	do {
		a = skip_dots(a);
		b = skip_dots(b);
		n = strcspn(a, "/");
		if (n != strcspn(b, "/") || memcmp(a, b, n) != 0)
			return false;
		a += n;
		b += n;
	} while (n);
	return true;
}

int artifacts_add(struct artifacts *a, const char *path, const char *dest,
		  struct cis_error *err)
{
	size_t n = without_slashes(path), dest_len;
	struct artifact one = {0};
	const char *name;

	if (*path != '/')
		return cis_fail_plain(err, EINVAL, "artifact %s: its path inside is not absolute",
				      path);
	if (!dest)
		dest = last_name(path, n);
	dest_len = dest >= path && dest <= path + n ? (size_t)(path + n - dest)
						    : without_slashes(dest);
	name = last_name(dest, dest_len);
	if (!is_name(name, dest_len - (size_t)(name - dest)))
		return cis_fail_plain(err, EINVAL,
				      "artifact %s: name what it is to become, as in %s:NAME", path,
				      path);
	if (a->n == ARTIFACTS_MAX)
		return cis_fail_plain(err, E2BIG, "artifact %s: more than %d", path, ARTIFACTS_MAX);
	if (str_format(&one.path, "%.*s", (int)n, path) < 0 ||
	    str_format(&one.dest, "%.*s", (int)dest_len, dest) < 0) {
		free(one.path);
		return cis_fail(err, ENOMEM, "artifact %s", path);
	}
	for (size_t i = 0; i < a->n; i++)
		if (same_place(a->v[i].dest, one.dest)) {
			free(one.path);
			free(one.dest);
			return cis_fail_plain(err, EEXIST, "artifact %s: another goes to %s", path,
					      a->v[i].dest);
		}
	a->v[a->n++] = one;
	return 0;
}

void artifacts_done(struct artifacts *a)
{
	for (size_t i = 0; i < a->n; i++) {
		free(a->v[i].path);
		free(a->v[i].dest);
	}
	*a = (struct artifacts){0};
}

/* ---- destinations -------------------------------------------------------------- */

void collector_init(struct collector *c)
{
	*c = (struct collector){.root = -1, .copier = COPIER_CLOSED, .temp = -1};
}

static const char *dest_name(const struct artifact *a)
{
	return last_name(a->dest, strlen(a->dest));
}

static int open_parent(const struct artifact *a, struct cis_error *err)
{
	const char *name = dest_name(a);
	cleanup_free char *dir = NULL;
	cleanup_close int fd = -1;

	if (str_format(&dir, "%.*s", (int)(name - a->dest), a->dest) < 0)
		return cis_fail(err, ENOMEM, "artifact %s", a->path);
	fd = open(*dir ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return cis_fail(err, errno, "artifact %s: directory %s", a->path, *dir ? dir : ".");
	if (faccessat(fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return cis_fail_plain(err, EEXIST, "artifact %s: %s is there already", a->path,
				      a->dest);
	if (errno != ENOENT)
		return cis_fail(err, errno, "artifact %s: %s", a->path, a->dest);
	return steal_fd(&fd);
}

int collector_open(struct collector *c, const struct artifacts *a, struct cis_error *err)
{
	c->parents = calloc(a->n, sizeof *c->parents);
	if (!c->parents)
		return cis_fail(err, ENOMEM, "artifacts");
	c->n = a->n;
	for (size_t i = 0; i < c->n; i++)
		c->parents[i] = -1;
	for (size_t i = 0; i < c->n; i++) {
		c->parents[i] = open_parent(&a->v[i], err);
		if (c->parents[i] < 0)
			return c->parents[i];
	}
	return 0;
}

void collector_done(struct collector *c)
{
	collector_drop(c);
	for (size_t i = 0; i < c->n; i++)
		fd_close(c->parents[i]);
	free(c->parents);
	c->root = fd_close(c->root);
	collector_init(c);
}

/* ---- the temporary directory --------------------------------------------------- */

int collector_name_temp(struct collector *c, char **ret)
{
	char link[64], dir[PATH_MAX];
	uint64_t number;
	ssize_t n;

	if (getrandom(&number, sizeof number, 0) != sizeof number)
		return -EIO;
	snprintf(c->temp_name, sizeof c->temp_name, ARTIFACT_TEMP "%016llx",
		 (unsigned long long)number);
	snprintf(link, sizeof link, "/proc/self/fd/%d", c->parents[c->next]);
	n = readlink(link, dir, sizeof dir - 1);
	if (n < 0)
		return -errno;
	return str_format(ret, "%.*s/%s", (int)n, dir, c->temp_name);
}

/* Nobody can have guessed its name: one that is there already is an error. */
static int make_temp(struct collector *c, int parent)
{
	if (mkdirat(parent, c->temp_name, 0700) < 0)
		return -errno;
	c->temp = openat(parent, c->temp_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return c->temp < 0 ? -errno : 0;
}

int artifact_empty_temp(int dir)
{
	char path[64];
	char *const argv[] = {"rm", "-rf", "--one-file-system", "--", path, NULL};

	snprintf(path, sizeof path, "/proc/self/fd/%d/" ARTIFACT_TOP, dir);
	return spawn_wait(argv, dir, "coreutils", NULL);
}

/* By its name goes only what is empty: whose the parent is may have put another there. */
static void remove_temp(struct collector *c, int parent)
{
	if (c->temp < 0)
		return;
	if (unlinkat(parent, c->temp_name, AT_REMOVEDIR) < 0) {
		artifact_empty_temp(c->temp);
		unlinkat(parent, c->temp_name, AT_REMOVEDIR);
	}
	c->temp = fd_close(c->temp);
}

/* ---- the helper ---------------------------------------------------------------- */

static int start(struct collector *c, const struct artifacts *a, uint32_t base, uint32_t count)
{
	const struct copier_order order = {
		.root = c->root,
		.path = a->v[c->next].path,
		.top = ARTIFACT_TOP,
		.max = (a->max ? a->max : ARTIFACT_MAX_DEFAULT) - c->bytes,
		.entries = ARTIFACT_ENTRIES_MAX,
		.base = base,
		.count = count,
	};
	int r = make_temp(c, c->parents[c->next]);

	return r < 0 ? r : copier_start(&c->copier, &order, c->temp);
}

int collector_start(struct collector *c, const struct artifacts *a, uint32_t base,
		    uint32_t count, struct cis_error *err)
{
	int r = start(c, a, base, count);

	if (r >= 0)
		return 0;
	collector_drop(c);
	c->failed++;
	cis_fail(err, -r, "artifact %s: start to copy it to %s", a->v[c->next].path,
		 a->v[c->next].dest);
	c->parents[c->next] = fd_close(c->parents[c->next]);
	c->next++;
	return r;
}

/* ---- its end ------------------------------------------------------------------- */

void collector_drop(struct collector *c)
{
	copier_drop(&c->copier);
	if (c->temp >= 0)
		remove_temp(c, c->parents[c->next]);
}

static int explain(const struct artifact *a, const struct artifacts *all,
		   const struct copier_report *r, struct cis_error *err)
{
	const char *path = strcmp(a->path, "/") == 0 ? "" : a->path;
	unsigned long long max = all->max ? all->max : ARTIFACT_MAX_DEFAULT;
	int errnum = r->error > 0 && r->error < 4096 ? r->error : EIO;

	switch ((enum copier_step)r->step) {
	case COPIER_FIND:
		return cis_fail(err, errnum, "artifact %s", a->path);
	case COPIER_KIND:
		return cis_fail_plain(err, EINVAL, "artifact %s: neither a file nor a directory",
				      a->path);
	case COPIER_READ:
		return cis_fail(err, errnum, "artifact %s: read %s%s", a->path, path, r->at);
	case COPIER_LOST:
		return cis_fail(err, errnum,
				"artifact %s: the sandbox's disk lost some of what was written to "
				"it", a->path);
	case COPIER_WRITE:
		return cis_fail(err, errnum, "artifact %s: write %s%s", a->path, a->dest, r->at);
	case COPIER_SIZE:
		return cis_fail_plain(err, EFBIG,
				      "artifact %s: with %s%s more than %llu%s (raise "
				      "--artifact-max)",
				      a->path, path, r->at, max >> 20 ? max >> 20 : max,
				      max >> 20 ? "M" : " bytes");
	case COPIER_ENTRIES:
		return cis_fail_plain(err, E2BIG, "artifact %s: more than %u files (pack them)",
				      a->path, ARTIFACT_ENTRIES_MAX);
	case COPIER_DEPTH:
		return cis_fail_plain(err, ELOOP,
				      "artifact %s: deeper than %d directories (pack it)", a->path,
				      COPIER_DEPTH_MAX);
	default:
		return cis_fail(err, errnum, "artifact %s: confine the helper", a->path);
	}
}

static int put_in_place(const struct collector *c, const struct artifact *a, int parent,
			struct cis_error *err)
{
	int r = move_new(c->temp, ARTIFACT_TOP, parent, dest_name(a));

	if (r == -EOPNOTSUPP)
		return cis_fail_plain(err, EOPNOTSUPP,
				      "artifact %s: move it to %s: its file system has neither "
				      "links nor renames that replace nothing (choose another)",
				      a->path, a->dest);
	return r < 0 ? cis_fail(err, -r, "artifact %s: move it to %s", a->path, a->dest) : 0;
}

int collector_finish(struct collector *c, const struct artifacts *a,
		     struct copier_report *ret, struct cis_error *err)
{
	const struct artifact *one = &a->v[c->next];
	int parent = c->parents[c->next], r;
	siginfo_t info = {0};

	copier_finish(&c->copier, ret, &info);
	if (copier_is_well(ret, &info)) {
		r = put_in_place(c, one, parent, err);
		/* The helper's word: no more than what it may say. */
		c->bytes += MIN(ret->bytes, (a->max ? a->max : ARTIFACT_MAX_DEFAULT) - c->bytes);
	} else if (ret->error) {
		r = explain(one, a, ret, err);
	} else {
		r = cis_fail_plain(err, EIO, "artifact %s: the helper that copies it died (%s %d)",
				   one->path,
				   info.si_code == CLD_EXITED ? "status" : "signal",
				   info.si_status);
	}
	remove_temp(c, parent);
	c->parents[c->next++] = fd_close(parent);
	c->failed += r < 0;
	return r;
}
