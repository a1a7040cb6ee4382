/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Three things that cisandbox-unpack cannot do, in its turn while it waits:
 *
 *	implied directories  an archive may have etc/x and no etc/: that directory is as
 *	                     in the layers below, or an overlay would show root's 0755
 *	hard links           to files of layers below: the file is copied up, as an engine
 *	                     that unpacks one layer over the other would have it
 *	opaque directories   trusted.overlay.opaque is the host root's to set
 *
 * Whoever wrote the archive chose all the paths. They are walked below descriptors, no link
 * is followed, what is made must be new. Nothing here reads what is in a file.
 */
#include "fix.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "../base/fd.h"
#include "../base/process.h"
#include "../base/str.h"
#include "../base/sys.h"
#include "../fs/copyfile.h"
#include "../fs/overlay.h"
#include "tree.h"
#include "wire.h"

/* Without root the overlay's marks are in the user's names: OVERLAY_USER. */
static const char *opaque(void)
{
	return process_is_rootless() ? "user.overlay.opaque" : "trusted.overlay.opaque";
}

static int open_below(int root, const char *path, uint64_t flags)
{
	return sys_openat2(root, *path ? path : ".", flags | O_NOFOLLOW, 0,
			   RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
}

static int open_dir(int root, const char *path)
{
	return open_below(root, path, O_RDONLY | O_DIRECTORY);
}

/* ---- the layers below, as one ------------------------------------------------------- */

static int link_names(const struct layer_fix *f, int dir)
{
	size_t n = f->below->n;

	for (size_t i = 0; i < n; i++) {
		cleanup_free char *to = NULL;
		char name[2] = {overlay_layer_name(i)};
		int r = str_format(&to, "../../../layers/%s/root", f->below->v[n - 1 - i]);

		if (r < 0)
			return r;
		if (symlinkat(to, dir, name) < 0)
			return -errno;
	}
	return 0;
}

/* -ENOENT: there are none. */
static int open_view(const struct layer_fix *f)
{
	cleanup_free char *path = NULL;
	cleanup_close int dir = -1;
	int r;

	if (f->below->n == 0)
		return -ENOENT;
	if (f->below->n == 1) {
		r = str_format(&path, "%s/root", f->below->v[0]);
		return r < 0 ? r : open_dir(f->w->store->layers, path);
	}
	tree_remove(f->w->fd, "below"); /* that of the layer before */
	if (mkdirat(f->w->fd, "below", 0700) < 0)
		return -errno;
	r = dir = tree_open_dir(f->w->fd, "below");
	if (r >= 0)
		r = link_names(f, dir);
	return r < 0 ? r : overlay_view(dir, f->below->n);
}

/* ---- directories -------------------------------------------------------------------- */

static int dress_like(int fd, int like)
{
	struct timespec t[2];
	struct stat st;

	if (fstat(like, &st) < 0 || fchown(fd, st.st_uid, st.st_gid) < 0 ||
	    fchmod(fd, st.st_mode & 07777) < 0)
		return -errno;
	t[0] = t[1] = st.st_mtim;
	futimens(fd, t);
	return 0;
}

static int imply(int root, int view, const char *path)
{
	cleanup_close int fd = open_dir(root, path);
	cleanup_close int like = open_dir(view, path);

	if (tree_is_gone(fd) || tree_is_gone(like))
		return 0;
	return fd < 0 ? fd : like < 0 ? like : dress_like(fd, like);
}

/* The parent of @path, made like that below where it is missing. *ret_last is in @path. */
static int open_parent(int root, int view, char *path, const char **ret_last)
{
	char *slash = strrchr(path, '/');
	int fd;

	*ret_last = slash ? slash + 1 : path;
	if (!slash)
		return open_dir(root, "");
	for (char *p = path; (p = strchr(p, '/')); *p++ = '/') {
		cleanup_close int dir = -1;
		const char *last;

		*p = '\0';
		dir = open_dir(root, path);
		if (dir == -ENOENT && view >= 0) {
			cleanup_close int above = -1;
			char *up = strrchr(path, '/');

			last = up ? up + 1 : path;
			if (up)
				*up = '\0';
			above = open_dir(root, up ? path : "");
			if (up)
				*up = '/';
			if (above >= 0 && mkdirat(above, last, 0755) == 0)
				dir = imply(root, view, path) < 0 ? -1 : open_dir(root, path);
		}
		if (dir < 0) {
			*p = '/';
			return dir;
		}
	}
	*slash = '\0';
	fd = open_dir(root, path);
	*slash = '/';
	return fd;
}

/* ---- hard links ------------------------------------------------------------------------ */

static int copy_attributes(int to, int from)
{
	char names[4096], value[65536];
	ssize_t n = flistxattr(from, names, sizeof names);

	if (n < 0)
		return errno == ENOTSUP ? 0 : -errno;
	for (const char *p = names; p < names + n; p += strlen(p) + 1) {
		ssize_t k;

		if (!str_starts(p, "user.") && strcmp(p, "security.capability") != 0)
			continue;
		k = fgetxattr(from, p, value, sizeof value);
		if (k < 0 || fsetxattr(to, p, value, (size_t)k, 0) < 0)
			return -errno;
	}
	return 0;
}

static int copy_up(int dir, const char *name, int view, const char *path, uint64_t *left)
{
	cleanup_close int from = open_below(view, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	cleanup_close int to = -1;
	struct stat st;
	int r;

	if (from < 0)
		return from;
	if (fstat(from, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if ((uint64_t)st.st_size > *left)
		return -EFBIG;
	*left -= (uint64_t)st.st_size;
	to = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (to < 0)
		return -errno;
	r = copyfile_content(to, from, st.st_size);
	if (r == 0)
		r = dress_like(to, from);
	/* After the owner, whose change takes capabilities away. */
	return r == 0 ? copy_attributes(to, from) : r;
}

static int link_one(int root, int view, char *name, char *target, uint64_t *left)
{
	cleanup_close int to = -1, from = -1;
	const char *to_last, *from_last;
	struct stat st;
	int r = to = open_parent(root, -1, name, &to_last);

	if (tree_is_gone(r) || (r >= 0 && fstatat(to, to_last, &st, AT_SYMLINK_NOFOLLOW) == 0))
		return 0; /* a later entry */
	if (r >= 0)
		r = from = open_parent(root, view, target, &from_last);
	if (r < 0)
		return r;
	if (fstatat(from, from_last, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		r = view < 0 ? -ENOENT : copy_up(from, from_last, view, target, left);
		if (r < 0)
			return r;
	} else if (S_ISDIR(st.st_mode) || S_ISCHR(st.st_mode)) {
		return -EINVAL;
	}
	return linkat(from, from_last, to, to_last, 0) < 0 ? -errno : 0;
}

/* ---- all three ------------------------------------------------------------------------- */

static int mark_opaque(int root, const struct strv *paths)
{
	for (size_t i = 0; i < paths->n; i++) {
		cleanup_close int fd = open_dir(root, paths->v[i]);

		/* Something else came there, or nothing: later entries of an archive win. */
		if (tree_is_gone(fd))
			continue;
		if (fd < 0 || fsetxattr(fd, opaque(), "y", 1, 0) < 0)
			return fd < 0 ? fd : -errno;
	}
	return 0;
}

int layer_is_opaque(int dir)
{
	char value[2];
	ssize_t n = fgetxattr(dir, opaque(), value, sizeof value);

	if (n < 0)
		return errno == ENODATA || errno == ERANGE || errno == EOPNOTSUPP ? 0 : -errno;
	return n == 1 && *value == 'y';
}

int layer_lost_opaque(int root, const char *path)
{
	cleanup_close int fd = open_dir(root, path);
	int r;

	if (fd < 0)
		return tree_is_gone(fd) ? 0 : fd;
	r = layer_is_opaque(fd);
	return r < 0 ? r : !r;
}

int layer_fix_turn(const struct unpacked *u, void *arg, struct cis_error *err)
{
	const struct layer_fix *f = arg;
	uint64_t left = UNPACK_BYTES_MAX; /* as of an archive's own files */
	cleanup_close int view = -1;
	int r = 0;

	if (u->implied.n || u->links.n) {
		r = view = open_view(f);
		if (r < 0 && r != -ENOENT)
			return cis_fail(err, -r, "look into the layers below");
		r = 0;
	}
	for (size_t i = 0; view >= 0 && i < u->implied.n && r == 0; i++)
		r = imply(f->root, view, u->implied.v[i]);
	if (r < 0)
		return cis_fail(err, -r, "directories of layers below");
	for (size_t i = 0; i + 1 < u->links.n; i += 2) {
		r = link_one(f->root, view, u->links.v[i], u->links.v[i + 1], &left);
		if (tree_is_gone(r) || r == -EINVAL || r == -EXDEV)
			return cis_fail_plain(err, EINVAL,
					      "%.400s is a hard link to %.400s, which is no file",
					      u->links.v[i], u->links.v[i + 1]);
		if (r < 0)
			return cis_fail(err, -r, "hard link %.400s", u->links.v[i]);
	}
	r = mark_opaque(f->root, &u->opaque);
	return r < 0 ? cis_fail(err, -r, "mark opaque directories") : 0;
}
