/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The part of a seed that each job has of its own. In the caller, beside the making of
 * namespaces: some hundred small files, a few milliseconds.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/io.h"
#include "base/sys.h"
#include "fs/path.h"
#include "image-tree.h"
#include "seed.h"

struct copy {
	uid_t owner;
	unsigned int left, depth;
};

/* On a disk whose owners are 0-based everything we make is root's already. */
static int own(const struct copy *c, int dir, const char *name)
{
	return c->owner && fchownat(dir, name, c->owner, c->owner, AT_SYMLINK_NOFOLLOW) < 0
		       ? -errno
		       : 0;
}

static int copy_link(const struct copy *c, int from, int to, const char *name)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(from, name, target, sizeof target - 1);

	if (n < 0)
		return -errno;
	target[n] = '\0';
	return symlinkat(target, to, name) < 0 ? -errno : own(c, to, name);
}

static int copy_bytes(int in, int out)
{
	char buf[65536];

	for (;;) {
		ssize_t n = read(in, buf, sizeof buf);
		int r;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		r = io_write_all(out, buf, (size_t)n);
		if (r < 0)
			return r;
	}
}

static int copy_file(const struct copy *c, int from, int to, const char *name,
		     const struct stat *st)
{
	cleanup_close int in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	cleanup_close int out = -1;
	int r;

	if (in < 0)
		return -errno;
	out = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (out < 0)
		return -errno;
	r = copy_bytes(in, out);
	if (r == 0 && (st->st_mode & 0777) != 0600 && fchmod(out, st->st_mode & 0777) < 0)
		r = -errno;
	return r < 0 ? r : own(c, to, name);
}

static int copy_dir(struct copy *c, int from, int to);

static int copy_sub(struct copy *c, int from, int to, const char *name, const struct stat *st)
{
	cleanup_close int in = tree_open_dir(from, name), out = -1;
	int r;

	if (in < 0)
		return in;
	if (mkdirat(to, name, 0700) < 0)
		return -errno;
	r = out = tree_open_dir(to, name);
	if (r >= 0)
		r = copy_dir(c, in, out);
	if (r >= 0 && (st->st_mode & 0777) != 0700 && fchmod(out, st->st_mode & 0777) < 0)
		r = -errno;
	return r < 0 ? r : own(c, to, name);
}

static int copy_entry(struct copy *c, int from, int to, const char *name)
{
	struct stat st;

	if (c->left-- == 0)
		return -E2BIG;
	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	switch (st.st_mode & S_IFMT) {
	case S_IFDIR:
		return copy_sub(c, from, to, name, &st);
	case S_IFLNK:
		return copy_link(c, from, to, name);
	case S_IFREG:
		return copy_file(c, from, to, name, &st);
	default:
		return -EINVAL;
	}
}

static int copy_dir(struct copy *c, int from, int to)
{
	cleanup(dir_closep) DIR *list = tree_list(from);
	struct dirent *e;
	int r = list ? 0 : -errno;

	if (++c->depth > SEED_DEPTH_MAX)
		return -ELOOP;
	while (r >= 0 && (e = readdir(list)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			r = copy_entry(c, from, to, e->d_name);
	c->depth--;
	return MIN(r, 0);
}

int seed_copy(int from, int scratch, const char *to, uid_t owner, struct cis_error *err)
{
	struct copy c = {.owner = owner, .left = SEED_INDEX_FILES_MAX};
	cleanup_close int dir = -1;
	int r = path_make(scratch, to, false);

	if (r >= 0)
		r = dir = sys_openat2(scratch, to, O_RDONLY | O_DIRECTORY, 0,
				      RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
	if (r >= 0)
		r = copy_dir(&c, from, dir);
	return r < 0 ? cis_fail(err, -r, "copy the seed's index to the disk%s",
				r == -ENOSPC || r == -EDQUOT ? " (raise --disk)" : "")
		     : 0;
}
