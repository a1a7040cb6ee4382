/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where an entry belongs. Paths are walked part by part from the root, by descriptors and
 * without following any link, and the directory of the last name is kept open, since
 * archives tell of one directory after the other.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "image/tree.h"
#include "unpack.h"

void name_clean(const char *raw, char ret[static UNPACK_PATH_MAX + 1])
{
	size_t n = 0;

	while (*raw) {
		size_t k = strcspn(raw, "/");

		if (k == 2 && raw[0] == '.' && raw[1] == '.')
			fail(EINVAL, "the name \"%.500s\" leads up by \"..\"", raw);
		if (k > 0 && !(k == 1 && raw[0] == '.')) {
			if (k > 255 || n + k + 1 > UNPACK_PATH_MAX)
				fail(ENAMETOOLONG, "the name \"%.200s...\" is too long", raw);
			if (n > 0)
				ret[n++] = '/';
			memcpy(ret + n, raw, k);
			n += k;
		}
		raw += k;
		raw += strspn(raw, "/");
	}
	ret[n] = '\0';
}

const char *name_last(const char *name)
{
	const char *slash = strrchr(name, '/');

	return slash ? slash + 1 : name;
}

static bool is_whiteout(int dir, const char *name)
{
	struct stat st;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISCHR(st.st_mode);
}

static int open_part(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static char **implied;
static size_t n_implied;

static void remember_implied(const char *path)
{
	if ((n_implied & (n_implied - 1)) == 0) {
		char **bigger = reallocarray(implied, n_implied ? 2 * n_implied : 1,
					     sizeof *bigger);

		if (!bigger)
			fail_errno(ENOMEM, "%s", path);
		implied = bigger;
	}
	implied[n_implied] = strdup(path);
	if (!implied[n_implied++])
		fail_errno(ENOMEM, "%s", path);
}

/* One name implies up to two thousand, and each costs what an entry does. */
static void count_implied(const char *path)
{
	static size_t n, bytes;

	bytes += strlen(path);
	if (++n > UNPACK_ENTRIES_MAX || bytes > UNPACK_NAMES_MAX)
		fail(E2BIG, "too many directories that no entry tells of");
}

/* Missing ones are root's, 0755, as long as no layer below says otherwise. */
static int make_part(struct place *p, int dir, const char *part, const char *path)
{
	int fd = open_part(dir, part);

	if (fd == -ENOTDIR && p->is_layer && is_whiteout(dir, part)) {
		if (unlinkat(dir, part, 0) < 0)
			fail_errno(errno, "replace the whiteout of %s", path);
		place_tell(WIRE_OPAQUE, path);
		fd = -ENOENT;
	}
	if (fd == -ENOENT) {
		if (mkdirat(dir, part, 0755) < 0)
			fail_errno(errno, "make the directory %s", path);
		count_implied(path);
		if (p->is_layer)
			remember_implied(path);
		fd = open_part(dir, part);
	}
	return fd;
}

static int walk(struct place *p, const char *path, bool make)
{
	cleanup_close int dir = fcntl(WIRE_ROOT, F_DUPFD_CLOEXEC, WIRE_END);
	char part[UNPACK_PATH_MAX + 1], upto[UNPACK_PATH_MAX + 1];
	size_t at = 0;

	if (dir < 0)
		fail_errno(errno, "open the root");
	while (path[at]) {
		size_t n = strcspn(path + at, "/");
		int next;

		memcpy(part, path + at, n);
		part[n] = '\0';
		memcpy(upto, path, at + n);
		upto[at + n] = '\0';
		next = make ? make_part(p, dir, part, upto) : open_part(dir, part);
		if (next == -ENOENT)
			return next;
		if (next == -ELOOP || next == -ENOTDIR)
			fail(EINVAL, "a name leads through %s, which is a link or file", upto);
		if (next < 0)
			fail_errno(-next, "open the directory %s", upto);
		fd_close(dir);
		dir = next;
		at += n;
		at += path[at] == '/';
	}
	return steal_fd(&dir);
}

static int parent(struct place *p, const char *name, bool make)
{
	char path[UNPACK_PATH_MAX + 1];
	const char *slash = strrchr(name, '/');
	size_t n = slash ? (size_t)(slash - name) : 0;
	int fd;

	memcpy(path, name, n);
	path[n] = '\0';
	if (p->dir >= 0 && strcmp(path, p->at) == 0)
		return p->dir;
	fd = walk(p, path, make);
	if (fd < 0)
		return fd;
	fd_close(p->dir);
	p->dir = fd;
	memcpy(p->at, path, n + 1);
	return fd;
}

int place_parent(struct place *p, const char *name)
{
	return parent(p, name, true);
}

int place_find_parent(struct place *p, const char *name)
{
	return parent(p, name, false);
}

void place_clear(int dir, const char *name, bool keep_dir)
{
	struct stat st;
	int r = 0;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		if (errno != ENOENT)
			fail_errno(errno, "look at %s", name);
		return;
	}
	if (!S_ISDIR(st.st_mode)) {
		r = unlinkat(dir, name, 0) < 0 ? -errno : 0;
	} else if (!keep_dir) {
		r = tree_remove(dir, name);
	}
	if (r < 0)
		fail_errno(-r, "replace %s", name);
}

void place_tell(char key, const char *path)
{
	static size_t told, opaque;

	told += strlen(path) + 2;
	opaque += key == WIRE_OPAQUE;
	if (told > UNPACK_TOLD_MAX || opaque > UNPACK_OPAQUE_MAX)
		fail(E2BIG, "too many opaque or implied directories, or links to layers below");
	report(key, "%s", path);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void place_tell_implied(char *const known[], size_t n_known)
{
	const char *const root = ".";

	if (!n_known || !bsearch(&root, known, n_known, sizeof *known, by_text))
		place_tell(WIRE_IMPLIED, "");
	for (size_t i = 0; i < n_implied; i++)
		if (!n_known || !bsearch(&implied[i], known, n_known, sizeof *known, by_text))
			place_tell(WIRE_IMPLIED, implied[i]);
}
