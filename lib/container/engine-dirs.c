/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Two dockerds in one directory destroy each other's data, and neither sees the other's lock
 * through its mount. So who has a directory is written down: in the state root, for all
 * engines of a host, a file named after the directory's device and inode, with the path
 * of a container in it. Whether that still lives is asked of it, not of the file.
 */
#include "engine-dirs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/mount.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "../base/fd.h"
#include "../base/io.h"
#include "../fs/rooted.h"
#include "../state.h"
#include "container.h"

#define CLAIM_MAX 8192 /* a path */

static const struct {
	const char *name, *path;
} engine_dirs[] = {
	{"docker", "/var/lib/docker"},     {"containerd", "/var/lib/containerd"},
	{"buildkit", "/var/lib/buildkit"}, {"containers", "/var/lib/containers"},
	{"kubelet", "/var/lib/kubelet"},   {"rancher", "/var/lib/rancher"},
};

/* ---- adding ------------------------------------------------------------------------- */

static bool is_taken(const struct config *c, const char *path)
{
	for (size_t i = 0; i < c->n_mounts; i++)
		if (strcmp(c->mounts[i].destination, path) == 0)
			return true;
	return false;
}

static int add_mount(struct config *c, struct config_mount m, const char *type,
		     const char *destination)
{
	struct config_mount *bigger =
		reallocarray(c->mounts, c->n_mounts + 1, sizeof *bigger);
	int r;

	if (!bigger) {
		free(m.source);
		return -ENOMEM;
	}
	c->mounts = bigger;
	r = str_set(&m.destination, destination);
	if (r >= 0)
		r = str_set(&m.type, type);
	c->mounts[c->n_mounts++] = m;
	return r;
}

static int add_dir(struct config *c, int dir, const char *host, size_t i)
{
	struct config_mount m = {.bind = true, .idmap = true};
	int r;

	if (mkdirat(dir, engine_dirs[i].name, 0711) < 0 && errno != EEXIST)
		return -errno;
	r = str_format(&m.source, "%s/%s", host, engine_dirs[i].name);
	return r < 0 ? r : add_mount(c, m, "bind", engine_dirs[i].path);
}

/* What dockerd and podman write besides; with what the image has there. */
static int add_tmpfs(struct config *c, int root)
{
	static const char *const paths[][2] = {
		{"/run", "mode=755"}, {"/tmp", "mode=1777"}, {"/etc/docker", "mode=755"},
	};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(paths) && r >= 0; i++) {
		struct config_mount m = {
			.tmpcopyup = true,
			.set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV,
		};
		cleanup_close int there =
			rooted_open(root, paths[i][0], O_PATH | O_DIRECTORY);

		if (there < 0 || is_taken(c, paths[i][0]))
			continue;
		r = str_set(&m.data, paths[i][1]);
		if (r >= 0)
			r = add_mount(c, m, "tmpfs", paths[i][0]);
	}
	return r;
}

int engine_dirs_add(struct config *c, const char *rootfs, const char *dir,
		    struct cis_error *err)
{
	cleanup_close int fd = -1, root = -1, parent = -1;
	int r = 0;

	/* An image too small to have that directory has no engine either. */
	root = open(rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
	parent = root < 0 ? root : rooted_open(root, "/var/lib", O_PATH | O_DIRECTORY);
	if (parent < 0)
		return 0;
	if (mkdir(dir, 0711) < 0 && errno != EEXIST)
		return cis_fail(err, errno, "make directory %s", dir);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return cis_fail(err, errno, "open %s", dir);
	for (size_t i = 0; i < ARRAY_SIZE(engine_dirs) && r >= 0; i++)
		if (!is_taken(c, engine_dirs[i].path))
			r = add_dir(c, fd, dir, i);
	if (r >= 0 && c->root_readonly)
		r = add_tmpfs(c, root);
	return r < 0 ? cis_fail(err, -r, "directories for engines in %s", dir) : 0;
}

/* ---- whose they are ------------------------------------------------------------------ */

static bool is_for_engines(const char *destination)
{
	for (size_t i = 0; i < ARRAY_SIZE(engine_dirs); i++)
		if (strcmp(engine_dirs[i].path, destination) == 0)
			return true;
	return false;
}

/* Its init lives, or somebody is making it at this moment. */
static bool is_alive(const char *path)
{
	cleanup_free char *copy = strdup(path), *root = copy ? strdup(copy) : NULL;
	cleanup(container_done) struct container ct;
	enum container_status status;

	container_init(&ct);
	if (!root || container_open(&ct, &(struct cis_oci){.root = dirname(root)},
				    basename(copy), false, NULL) < 0)
		return false;
	status = container_status(&ct);
	if (status == STATUS_CREATING)
		return flock(ct.lock, LOCK_SH | LOCK_NB) < 0;
	return status != STATUS_STOPPED;
}

static int claim_one(int claims, const struct config_mount *m, const char *path, int bundle,
		     struct cis_error *err)
{
	cleanup_free char *owner = NULL;
	cleanup_close int fd = -1;
	struct stat st;
	char name[64];
	int r;

	/* One that is not there will be refused soon, in words of its own. */
	if (fstatat(bundle, m->source, &st, 0) < 0)
		return 0;
	snprintf(name, sizeof name, "%u:%u:%llu", major(st.st_dev), minor(st.st_dev),
		 (unsigned long long)st.st_ino);
	r = io_read_file_at(claims, name, CLAIM_MAX, &owner, NULL);
	if (r >= 0 && strcmp(owner, path) != 0 && is_alive(owner))
		return cis_fail_plain(err, EBUSY,
				      "%s at %s is in use by container %s: two engines would "
				      "destroy each other's data (stop that one first)",
				      m->source, m->destination, basename(owner));
	fd = openat(claims, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	r = fd < 0 ? -errno : io_write_all(fd, path, strlen(path));
	return r < 0 ? cis_fail(err, -r, "note who uses %s", m->source) : 0;
}

int engine_dirs_claim(const struct config *c, const char *path, int bundle,
		      struct cis_error *err)
{
	/* Others have other working directories. */
	cleanup_free char *whole = realpath(path, NULL);
	cleanup_close int claims = -1;
	int r = whole ? 0 : cis_fail(err, errno, "find %s", path);

	for (size_t i = 0; i < c->n_mounts && r >= 0; i++) {
		const struct config_mount *m = &c->mounts[i];

		/* What cannot be written to may be shared. */
		if (!m->bind || !m->source || !is_for_engines(m->destination) ||
		    (m->set | m->rec_set) & MOUNT_ATTR_RDONLY)
			continue;
		if (claims < 0) {
			claims = r = state_open_claims(err);
			if (r >= 0 && flock(claims, LOCK_EX) < 0)
				r = cis_fail(err, errno, "lock the table of directories");
		}
		if (r >= 0)
			r = claim_one(claims, m, whole, bundle, err);
	}
	return MIN(r, 0);
}

void engine_dirs_release(const char *path)
{
	cleanup_close int claims = state_open_claims(NULL);
	cleanup_free char *whole = realpath(path, NULL);
	int copy = claims < 0 || flock(claims, LOCK_EX) < 0
			   ? -1
			   : openat(claims, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *e;

	while (dir && whole && (e = readdir(dir))) {
		cleanup_free char *owner = NULL;

		if (strchr(e->d_name, ':') &&
		    io_read_file_at(claims, e->d_name, CLAIM_MAX, &owner, NULL) == 0 &&
		    strcmp(owner, whole) == 0)
			unlinkat(claims, e->d_name, 0);
	}
	if (dir)
		closedir(dir);
}
