/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The image is as hostile as an archive can make it, but it does not change: nobody writes to
 * the store. Of names in it only the last is new each time: what is before it are
 * directories that we have just made, in a directory closed to everybody else.
 *
 * An overlay shares no blocks with other file systems. So files are read from the layer that
 * has them, which is the topmost of those that have anything of that name.
 */
#include "tree.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <limits.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "../base/fd.h"
#include "../base/sys.h"
#include "../fs/copyfile.h"
#include "../fs/hardlinks.h"
#include "../fs/overlay.h"

#define BELOW (RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS)
#define CAPABILITY "security.capability"
#define VALUE_MAX 65536
#define NAMES_MAX 65536

struct copy {
	const struct bundle_tree *tree;
	int dest;
	int layers[OVERLAY_LAYERS_MAX]; /* none where the root is one directory */
	size_t n_layers;
	struct hardlinks linked;
	uint64_t bytes;
	char *names, *value; /* of attributes */
};

static void copy_done(struct copy *c)
{
	for (size_t i = 0; i < c->n_layers; i++)
		fd_close(c->layers[i]);
	hardlinks_done(&c->linked);
	free(c->names);
	free(c->value);
}

/* ---- what is not in a file ------------------------------------------------------------- */

static int own_id(const struct bundle_tree *t, uint32_t id, uint32_t *ret)
{
	if (t->count && id >= t->count)
		return -ERANGE;
	*ret = t->base + id;
	return 0;
}

/*
 * In a user namespace file capabilities count only if they name its root. Of those that have
 * one already it moves with the rest.
 */
static int own_capability(const struct bundle_tree *t, char *value, size_t *n)
{
	struct vfs_ns_cap_data cap = {0};
	uint32_t magic, root;
	int r;

	if (!t->count)
		return 0;
	if (*n != XATTR_CAPS_SZ_2 && *n != XATTR_CAPS_SZ_3)
		return -EINVAL;
	memcpy(&cap, value, *n);
	magic = le32toh(cap.magic_etc);
	r = own_id(t, *n == XATTR_CAPS_SZ_3 ? le32toh(cap.rootid) : 0, &root);
	if (r < 0)
		return r;
	cap.magic_etc = htole32((magic & VFS_CAP_FLAGS_MASK) | VFS_CAP_REVISION_3);
	cap.rootid = htole32(root);
	memcpy(value, &cap, XATTR_CAPS_SZ_3);
	*n = XATTR_CAPS_SZ_3;
	return 0;
}

static bool is_kept(const char *name)
{
	return (str_starts(name, "user.") && !str_starts(name, "user.overlay.")) ||
	       strcmp(name, CAPABILITY) == 0;
}

static int copy_attributes(const struct copy *c, int to, int from)
{
	ssize_t n = flistxattr(from, c->names, NAMES_MAX), k;

	if (n < 0)
		return errno == ENOTSUP ? 0 : -errno;
	for (const char *p = c->names; p < c->names + n; p += strlen(p) + 1) {
		size_t len;
		int r = 0;

		if (!is_kept(p))
			continue;
		k = fgetxattr(from, p, c->value, VALUE_MAX);
		if (k < 0)
			return -errno;
		len = (size_t)k;
		if (strcmp(p, CAPABILITY) == 0)
			r = own_capability(c->tree, c->value, &len);
		if (r < 0 || fsetxattr(to, p, c->value, len, 0) < 0)
			return r < 0 ? r : -errno;
	}
	return 0;
}

/* Mode after owner, whose change takes set-id bits away; capabilities after both. */
static int dress(const struct copy *c, int to, int from, const struct stat *st)
{
	const struct timespec times[2] = {st->st_mtim, st->st_mtim};
	uint32_t uid, gid;
	int r = own_id(c->tree, st->st_uid, &uid);

	if (r == 0)
		r = own_id(c->tree, st->st_gid, &gid);
	if (r == 0 && (fchown(to, uid, gid) < 0 || fchmod(to, st->st_mode & 07777) < 0))
		r = -errno;
	if (r == 0)
		r = copy_attributes(c, to, from);
	return r == 0 && futimens(to, times) < 0 ? -errno : r;
}

/* Of what cannot be opened: links and fifos. */
static int dress_name(const struct copy *c, const char *path, const struct stat *st)
{
	const struct timespec times[2] = {st->st_mtim, st->st_mtim};
	uint32_t uid, gid;
	int r = own_id(c->tree, st->st_uid, &uid);

	if (r == 0)
		r = own_id(c->tree, st->st_gid, &gid);
	if (r == 0 && fchownat(c->dest, path, uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
		r = -errno;
	if (r == 0 && !S_ISLNK(st->st_mode) && fchmodat(c->dest, path, st->st_mode & 07777, 0) < 0)
		r = -errno;
	if (r == 0 && utimensat(c->dest, path, times, AT_SYMLINK_NOFOLLOW) < 0)
		r = -errno;
	return r;
}

/* ---- one entry -------------------------------------------------------------------------- */

static int open_below(int root, const char *path, uint64_t more)
{
	return sys_openat2(root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW | more, 0,
			   BELOW);
}

/* Where the file's blocks are, or where the overlay shows it. */
static int open_origin(const struct copy *c, const char *path, const struct stat *st)
{
	for (size_t i = 0; i < c->n_layers; i++) {
		cleanup_close int fd = open_below(c->layers[i], path, 0);
		struct stat found;

		if (fd == -ENOENT || fd == -ENOTDIR)
			continue;
		if (fd >= 0 && fstat(fd, &found) == 0 && S_ISREG(found.st_mode) &&
		    found.st_ino == st->st_ino && found.st_size == st->st_size)
			return steal_fd(&fd);
		break;
	}
	return open_below(c->tree->root, path, 0);
}

static int copy_file(struct copy *c, const char *path, const struct stat *st)
{
	cleanup_close int from = -1, to = -1;
	const char *first = NULL;
	int r = 0;

	if (st->st_nlink > 1)
		r = hardlinks_find(&c->linked, st, path, &first);
	if (r < 0)
		return r;
	if (first)
		return linkat(c->dest, first, c->dest, path, 0) < 0 ? -errno : 0;
	from = open_origin(c, path, st);
	if (from < 0)
		return from;
	to = openat(c->dest, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (to < 0)
		return -errno;
	r = copyfile_content(to, from, st->st_size);
	c->bytes += (uint64_t)st->st_size;
	return r == 0 ? dress(c, to, from, st) : r;
}

static int copy_link(const struct copy *c, const char *path, const struct stat *st)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(c->tree->root, path, target, sizeof target - 1);

	if (n < 0)
		return -errno;
	target[n] = '\0';
	if (symlinkat(target, c->dest, path) < 0)
		return -errno;
	return dress_name(c, path, st);
}

/* When all that was to come into it has come. */
static int leave_dir(const struct copy *c, const char *path, const struct stat *st)
{
	cleanup_close int from = open_below(c->tree->root, path, O_DIRECTORY);
	cleanup_close int to = open_below(c->dest, path, O_DIRECTORY);

	if (from < 0)
		return from;
	return to < 0 ? to : dress(c, to, from, st);
}

static int enter_dir(const struct copy *c, const char *path)
{
	if (strcmp(path, ".") == 0)
		return 0;
	return mkdirat(c->dest, path, 0700) < 0 ? -errno : 0;
}

static int copy_entry(struct copy *c, const char *path, const struct stat *st)
{
	switch (st->st_mode & S_IFMT) {
	case S_IFDIR:
		return enter_dir(c, path);
	case S_IFREG:
		return copy_file(c, path, st);
	case S_IFLNK:
		return copy_link(c, path, st);
	case S_IFIFO:
		if (mkfifoat(c->dest, path, 0600) < 0)
			return -errno;
		return dress_name(c, path, st);
	default: /* devices, whiteouts among them, and sockets */
		return 0;
	}
}

/* ---- the tree ---------------------------------------------------------------------------- */

static int by_name(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

static int explain(const struct copy *c, const char *path, const struct stat *st, int r,
		   struct cis_error *err)
{
	if (r == -ERANGE)
		return cis_fail_plain(err, ERANGE,
				      "%.300s belongs to %u:%u, and there are but %u ids", path,
				      st->st_uid, st->st_gid, c->tree->count);
	if (r == -ECANCELED)
		return cis_fail_plain(err, ECANCELED, "interrupted");
	return cis_fail(err, -r, "copy %.300s", path);
}

static int copy_all(struct copy *c, FTS *walk, size_t prefix, struct cis_error *err)
{
	const struct bundle_tree *t = c->tree;
	FTSENT *e;

	while (errno = 0, e = fts_read(walk)) {
		const char *path = e->fts_path + prefix;
		int r;

		path = *path ? path + 1 : ".";
		if (e->fts_info == FTS_DNR || e->fts_info == FTS_ERR || e->fts_info == FTS_NS)
			r = -e->fts_errno;
		else if (e->fts_info == FTS_DP)
			r = leave_dir(c, path, e->fts_statp);
		else
			r = copy_entry(c, path, e->fts_statp);
		if (r == 0 && t->step && t->step(t->arg, c->bytes))
			r = -ECANCELED;
		if (r < 0)
			return explain(c, path, e->fts_statp, r, err);
	}
	return errno ? cis_fail(err, errno, "read the image") : 0;
}

static int open_layers(struct copy *c, struct cis_error *err)
{
	const struct strv *l = c->tree->layers;

	for (size_t i = 0; l->n > 1 && i < l->n && i < ARRAY_SIZE(c->layers); i++) {
		int fd = open(l->v[i], O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

		if (fd < 0)
			return cis_fail(err, errno, "layer %s", l->v[i]);
		c->layers[c->n_layers++] = fd;
	}
	return 0;
}

int bundle_tree_copy(const struct bundle_tree *t, int dest, struct cis_error *err)
{
	cleanup(copy_done) struct copy c = {
		.tree = t,
		.dest = dest,
		.names = malloc(NAMES_MAX),
		.value = malloc(VALUE_MAX),
	};
	char path[40], *const roots[] = {path, NULL};
	FTS *walk;
	int r = c.names && c.value ? open_layers(&c, err) : cis_fail(err, ENOMEM, "copy");

	if (r < 0)
		return r;
	/* The dot: a descriptor's name is a link, and would not be followed. */
	snprintf(path, sizeof path, "/proc/self/fd/%d/.", t->root);
	walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, by_name);
	if (!walk)
		return cis_fail(err, errno, "read the image");
	r = copy_all(&c, walk, strlen(path), err);
	fts_close(walk);
	return r;
}
