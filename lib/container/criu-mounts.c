/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which mounts of a container are the host's: binds of the config and what is mounted below
 * them, devices of the host (where nobody may make one), the host's /dev/null over masked
 * files. At the dump each is found by its mount id, since its path has gone through the
 * container's links; in the images it is called by what the config has:
 *
 *	dump      mnt[/srv/data]:/data          mnt[/proc/keys]:mask=/proc/keys
 *	restore   mnt[/data]:/the/source        mnt[mask=/proc/keys]:/dev/null
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/fd.h"
#include "../base/io.h"
#include "../fs/rooted.h"
#include "criu.h"
#include "profile.h"

#define MAX_MOUNTINFO (8UL << 20)

static const char *const devices[] = {"/dev/null", "/dev/random", "/dev/full",
				      "/dev/tty",  "/dev/zero",   "/dev/urandom"};

/* ---- mountinfo ------------------------------------------------------------------------- */

void criu_mounts_done(struct criu_mounts *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i].place);
	free(l->v);
	*l = (struct criu_mounts){0};
}

/* Blanks and the like stand there as \040. */
static void unescape(char *s)
{
	char *to = s;

	for (; *s; s++) {
		if (s[0] == '\\' && s[1] && s[2] && s[3]) {
			*to++ = (char)((s[1] - '0') * 64 + (s[2] - '0') * 8 + (s[3] - '0'));
			s += 3;
		} else {
			*to++ = *s;
		}
	}
	*to = '\0';
}

/* "36 35 0:22 / /proc rw,nosuid shared:5 - proc proc rw" */
static int take_line(struct criu_mounts *l, char *line)
{
	struct criu_mount m = {0}, *v;
	char *place = NULL, *save = NULL;

	m.id = strtoull(line, &line, 10);
	m.parent = strtoull(line, &line, 10);
	strtok_r(line, " ", &save);
	strtok_r(NULL, " ", &save);
	place = strtok_r(NULL, " ", &save);
	if (!place)
		return 0;
	unescape(place);
	v = reallocarray(l->v, l->n + 1, sizeof *v);
	m.place = v ? strdup(place) : NULL;
	if (v)
		l->v = v;
	if (!m.place)
		return -ENOMEM;
	l->v[l->n++] = m;
	return 0;
}

int criu_mounts_read(struct criu_mounts *l, pid_t pid, struct cis_error *err)
{
	cleanup_free char *text = NULL;
	char path[40], *save = NULL;
	int r;

	snprintf(path, sizeof path, "/proc/%d/mountinfo", pid);
	r = io_read_file_at(AT_FDCWD, path, MAX_MOUNTINFO, &text, NULL);
	if (r < 0)
		return cis_fail(err, -r, "read %s", path);
	for (char *line = strtok_r(text, "\n", &save); line && r >= 0;
	     line = strtok_r(NULL, "\n", &save))
		r = take_line(l, line);
	return r < 0 ? cis_fail(err, -r, "read %s", path) : 0;
}

static const struct criu_mount *find(const struct criu_mounts *l, uint64_t id)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->v[i].id == id)
			return &l->v[i];
	return NULL;
}

bool criu_mounts_have(const struct criu_mounts *l, uint64_t id)
{
	return find(l, id);
}

/* ---- dump -------------------------------------------------------------------------------- */

/* The one on top at @path; NULL if that is not the place of a mount. */
static const struct criu_mount *mount_at(const struct criu_mounts *l, int root,
					 const char *path, bool *ret_is_dir)
{
	cleanup_close int at = rooted_open(root, path, O_PATH);
	struct statx st;

	if (at < 0 || statx(at, "", AT_EMPTY_PATH, STATX_MNT_ID | STATX_TYPE, &st) < 0 ||
	    !(st.stx_attributes & STATX_ATTR_MOUNT_ROOT))
		return NULL;
	*ret_is_dir = S_ISDIR(st.stx_mode);
	return find(l, st.stx_mnt_id);
}

static bool is_named(const struct criu_mounts *l, const bool *named, uint64_t id)
{
	const struct criu_mount *m = find(l, id);

	return m && named[m - l->v];
}

/* What is mounted below a recursive bind came with it, unless the config has it, too. */
static void add_below(struct criu *c, const struct criu_mounts *l, bool *named,
		      const struct criu_mount *bind, const char *key)
{
	size_t len = strlen(bind->place);

	for (size_t i = 0; i < l->n; i++) {
		const struct criu_mount *m = &l->v[i];

		if (named[i] || !is_named(l, named, m->parent) ||
		    !profile_is_below(m->place, bind->place) || !m->place[len])
			continue;
		named[i] = true;
		criu_add(c, "--external=mnt[%s]:%s%s", m->place, key, m->place + len);
	}
}

static void name(struct criu *c, const struct criu_mounts *l, bool *named,
		 const struct criu_mount *m, const char *kind, const char *key)
{
	if (!m || named[m - l->v])
		return;
	named[m - l->v] = true;
	criu_add(c, "--external=mnt[%s]:%s%s", m->place, kind, key);
}

int criu_mounts_dump(struct criu *c, const struct config *config, pid_t pid,
		     const struct criu_mounts *l, struct cis_error *err)
{
	cleanup_close int root = -1;
	cleanup_free bool *named = calloc(l->n + 1, sizeof *named);
	const struct criu_mount **binds = calloc(config->n_mounts + 1, sizeof *binds);
	cleanup_free void *binds_owner = binds;
	char path[40];
	bool is_dir;

	snprintf(path, sizeof path, "/proc/%d/root", pid);
	root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0 || !named || !binds)
		return cis_fail(err, root < 0 ? errno : ENOMEM, "look at the container's root");
	for (size_t i = 0; i < config->n_mounts; i++) {
		const struct config_mount *m = &config->mounts[i];

		if (!m->bind || m->remount)
			continue;
		binds[i] = mount_at(l, root, m->destination, &is_dir);
		name(c, l, named, binds[i], "", m->destination);
	}
	for (size_t i = 0; i < config->masked_paths.n; i++) {
		const char *masked = config->masked_paths.v[i];
		const struct criu_mount *m = mount_at(l, root, masked, &is_dir);

		if (m && !is_dir)
			name(c, l, named, m, "mask=", masked);
	}
	for (size_t i = 0; i < ARRAY_SIZE(devices) + config->n_devices; i++) {
		const char *device = i < ARRAY_SIZE(devices)
					     ? devices[i]
					     : config->devices[i - ARRAY_SIZE(devices)].path;
		const struct criu_mount *m = mount_at(l, root, device, &is_dir);

		if (m && !is_dir && strcmp(m->place, device) == 0)
			name(c, l, named, m, "device=", device);
	}
	/* Parents stand before their children, mostly: until nothing is found any more. */
	for (size_t i = 0; i < config->n_mounts; i++)
		if (binds[i] && config->mounts[i].recursive)
			add_below(c, l, named, binds[i], config->mounts[i].destination);
	return 0;
}

/* ---- restore ------------------------------------------------------------------------------ */

static bool is_covered(const struct config *c, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if ((c->mounts[k].bind || strcmp(c->mounts[k].type, "tmpfs") == 0) &&
		    strcmp(c->mounts[k].destination, c->mounts[i].destination) != 0 &&
		    profile_is_below(c->mounts[i].destination, c->mounts[k].destination))
			return true;
	return false;
}

/*
 * create does that, in a root that this one need not be. Where a tmpfs of the container
 * comes first, criu fills that; where a bind does, what is there is the host's matter.
 */
static int make_places(const struct criu *c, const struct config *config, struct cis_error *err)
{
	cleanup_close int root = open(c->rootfs, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (root < 0)
		return cis_fail(err, errno, "rootfs %s", c->rootfs);
	for (size_t i = 0; i < config->n_mounts; i++) {
		const struct config_mount *m = &config->mounts[i];
		struct stat st;
		bool file = m->bind && m->source && stat(m->source, &st) == 0 &&
			    !S_ISDIR(st.st_mode);
		cleanup_close int at = -1;

		if (strncmp(m->type, "cgroup", 6) == 0 || is_covered(config, i))
			continue;
		at = rooted_make(root, m->destination, file);
		if (at < 0 && at != -EROFS)
			return cis_fail(err, -at, "make %s in the rootfs", m->destination);
	}
	return 0;
}

static int add_bind(struct criu *c, const struct config_mount *m, const char *bundle,
		    const struct criu_mounts *ours, struct cis_error *err)
{
	cleanup_free char *path = NULL, *source = NULL;
	size_t len;
	int r = m->source[0] == '/' ? str_set(&path, m->source)
				    : str_format(&path, "%s/%s", bundle, m->source);

	if (r < 0)
		return cis_fail(err, ENOMEM, "mounts");
	source = realpath(path, NULL);
	if (!source)
		return cis_fail(err, errno, "error mounting \"%s\" to rootfs at \"%s\"", m->source,
				m->destination);
	criu_add(c, "--external=mnt[%s]:%s", m->destination, source);
	len = strcmp(source, "/") == 0 ? 0 : strlen(source);
	for (size_t i = 0; i < ours->n && m->recursive; i++)
		if (profile_is_below(ours->v[i].place, source) && ours->v[i].place[len] == '/')
			criu_add(c, "--external=mnt[%s%s]:%s", m->destination,
				 ours->v[i].place + len, ours->v[i].place);
	return 0;
}

int criu_mounts_restore(struct criu *c, const struct config *config, const char *bundle,
			struct cis_error *err)
{
	cleanup(criu_mounts_done) struct criu_mounts ours = {0};
	int r = criu_mounts_read(&ours, getpid(), err);

	if (r >= 0)
		r = make_places(c, config, err);
	for (size_t i = 0; i < config->n_mounts && r >= 0; i++)
		if (config->mounts[i].bind && !config->mounts[i].remount &&
		    config->mounts[i].source)
			r = add_bind(c, &config->mounts[i], bundle, &ours, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < config->masked_paths.n; i++)
		criu_add(c, "--external=mnt[mask=%s]:/dev/null", config->masked_paths.v[i]);
	for (size_t i = 0; i < ARRAY_SIZE(devices); i++)
		criu_add(c, "--external=mnt[device=%s]:%s", devices[i], devices[i]);
	for (size_t i = 0; i < config->n_devices; i++)
		criu_add(c, "--external=mnt[device=%s]:%s", config->devices[i].path,
			 config->devices[i].path);
	return 0;
}
