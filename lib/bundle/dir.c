/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "dir.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/fd.h"
#include "../base/str.h"
#include "../image/store.h"
#include "../image/tree.h"

/* ---- where ------------------------------------------------------------------------------- */

static int split(struct bundle_dir *d, struct cis_error *err)
{
	cleanup_free char *path = strdup(d->path);
	char *slash;
	size_t n = path ? strlen(path) : 0;

	if (!path)
		return cis_fail(err, ENOMEM, "bundle");
	while (n > 1 && path[n - 1] == '/')
		path[--n] = '\0';
	slash = strrchr(path, '/');
	snprintf(d->name, sizeof d->name, "%s", slash ? slash + 1 : path);
	if (!*d->name || strcmp(d->name, ".") == 0 || strcmp(d->name, "..") == 0 ||
	    strlen(slash ? slash + 1 : path) >= sizeof d->name)
		return cis_fail_plain(err, EINVAL,
				      "bundle \"%s\": its last part must be the name of what is "
				      "to be made", d->path);
	if (slash)
		slash[slash == path] = '\0';
	d->parent = open(slash ? path : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return d->parent < 0 ? cis_fail(err, errno, "bundle %s: directory %s", d->path,
					slash ? path : ".")
			     : 0;
}

static bool is_empty(int dir)
{
	cleanup(dir_closep) DIR *list = dir < 0 ? NULL : tree_list(dir);
	struct dirent *e;
	size_t n = 0;

	if (!list)
		return false;
	while ((e = readdir(list)))
		n++;
	return n == 2;
}

/* The rename will say so for certain; but not after a copy that takes minutes. */
static int check_free(const struct bundle_dir *d, struct cis_error *err)
{
	cleanup_close int there = -1;
	struct stat st;

	if (fstatat(d->parent, d->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : cis_fail(err, errno, "bundle %s", d->path);
	there = tree_open_dir(d->parent, d->name);
	if (is_empty(there))
		return 0;
	return cis_fail_plain(err, EEXIST, "bundle %s: it is there already, and %s", d->path,
			      S_ISDIR(st.st_mode) ? "not empty" : "no directory");
}

/* ---- under another name ------------------------------------------------------------------- */

/* Who can rename what is there gives any directory of ours a name that we take for litter's. */
static bool is_only_ours(int dir)
{
	struct stat st;

	return fstat(dir, &st) == 0 && st.st_uid == geteuid() &&
	       (!(st.st_mode & 022) || st.st_mode & S_ISVTX);
}

static void sweep(const struct bundle_dir *d)
{
	cleanup(dir_closep) DIR *list = is_only_ours(d->parent) ? tree_list(d->parent) : NULL;
	struct dirent *e;

	while (list && (e = readdir(list))) {
		cleanup_close int fd = -1;
		struct stat st;

		if (!str_starts(e->d_name, BUNDLE_TEMP))
			continue;
		fd = tree_open_dir(d->parent, e->d_name);
		/* In /tmp others could have names that are none of ours. */
		if (fd >= 0 && fstat(fd, &st) == 0 && st.st_uid == geteuid() &&
		    store_lock_fd(fd, LOCK_EX | LOCK_NB) == 0)
			tree_remove(d->parent, e->d_name);
	}
}

/* In another's directory its name may by now be that of one which he could enter. */
static bool is_ours(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_uid == geteuid() && (st.st_mode & 0777) == 0700 &&
	       is_empty(fd);
}

/* Before it is locked another's sweep may take it for litter: then once more. */
static int make_temp(struct bundle_dir *d)
{
	for (int tries = 0; tries < 16; tries++) {
		uint64_t number;
		int r;

		if (getrandom(&number, sizeof number, 0) != sizeof number)
			return -EIO;
		snprintf(d->temp, sizeof d->temp, BUNDLE_TEMP "%012llx",
			 (unsigned long long)number >> 16);
		if (mkdirat(d->parent, d->temp, 0700) < 0 && errno != EEXIST)
			return -errno;
		d->fd = tree_open_dir(d->parent, d->temp);
		r = d->fd < 0 ? d->fd : store_lock_fd(d->fd, LOCK_EX | LOCK_NB);
		if (r == 0 && !is_ours(d->fd))
			r = -EPERM;
		if (r == 0 && store_is_still(d->fd, d->parent, d->temp))
			return 0;
		d->fd = fd_close(d->fd);
		if (r < 0 && r != -EWOULDBLOCK && r != -ENOENT)
			return r;
	}
	return -EBUSY;
}

int bundle_dir_begin(struct bundle_dir *d, const char *path, struct cis_error *err)
{
	int r;

	d->path = path;
	r = split(d, err);
	if (r == 0)
		r = check_free(d, err);
	if (r < 0)
		return r;
	sweep(d);
	r = make_temp(d);
	return r < 0 ? cis_fail(err, -r, "bundle %s: make a directory beside it", path) : 0;
}

int bundle_dir_finish(struct bundle_dir *d, mode_t mode, gid_t group,
		      const struct timespec *changed, struct cis_error *err)
{
	const struct timespec times[2] = {*changed, *changed};

	if (fchown(d->fd, (uid_t)-1, group) < 0 || fchmod(d->fd, mode) < 0 ||
	    futimens(d->fd, times) < 0)
		return cis_fail(err, errno, "bundle %s", d->path);
	if (syncfs(d->fd) < 0)
		return cis_fail(err, errno, "bundle %s: write it to the disk", d->path);
	if (renameat(d->parent, d->temp, d->parent, d->name) < 0)
		return cis_fail(err, errno, "bundle %s", d->path);
	d->fd = fd_close(d->fd);
	return 0;
}

void bundle_dir_done(struct bundle_dir *d)
{
	/* He may have given the name to another of ours that he could not remove. */
	if (d->fd >= 0 && store_is_still(d->fd, d->parent, d->temp))
		tree_remove(d->parent, d->temp);
	d->fd = fd_close(d->fd);
	d->parent = fd_close(d->parent);
}
