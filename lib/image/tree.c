/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the image store does to a tree from end to end: it takes one away, and it
 * makes a digest of one. Both take trees as hostile as tar can make them, and
 * neither knows of names, locks and the store, so they stand apart from image.c.
 */
#include "tree.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <limits.h>
#include <linux/limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "../base/fd.h"
#include "../base/io.h"
#include "../base/spawn.h"
#include "../base/str.h"
#include "../base/sys.h"
#include "../fs/hardlinks.h"
#include "../fs/verity.h"

DIR *tree_list(int dirfd)
{
	int copy = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);

	if (!dir)
		fd_close(copy);
	return dir;
}

static bool is_dots(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

int tree_open_dir(int dirfd, const char *name)
{
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* ---- removing a tree --------------------------------------------------------- */

/* Moves the directory @name of @dir to a name in @top that nothing else has. */
static int lift(int dir, const char *name, int top, unsigned int *serial)
{
	char fresh[16];

	do {
		snprintf(fresh, sizeof fresh, "%u", (*serial)++);
		if (renameat(dir, name, top, fresh) == 0)
			return 0;
	} while (errno == ENOTEMPTY || errno == EEXIST || errno == ENOTDIR);
	return -errno;
}

static int clear_dir(int dir, int top, unsigned int *serial);

static int clear_entry(int dir, const char *name, int top, unsigned int *serial)
{
	cleanup_close int sub = -1;
	int r;

	if (unlinkat(dir, name, 0) == 0)
		return 0;
	if (errno != EISDIR)
		return -errno;
	if (unlinkat(dir, name, AT_REMOVEDIR) == 0)
		return 0;
	if (errno != ENOTEMPTY && errno != EEXIST)
		return -errno;
	if (dir != top)
		return lift(dir, name, top, serial);
	sub = tree_open_dir(top, name);
	if (sub < 0)
		return sub;
	r = clear_dir(sub, top, serial);
	return r == 0 && unlinkat(top, name, AT_REMOVEDIR) < 0 ? -errno : r;
}

static int clear_dir(int dir, int top, unsigned int *serial)
{
	cleanup(dir_closep) DIR *list = tree_list(dir);
	bool found = true;
	struct dirent *e;
	int r = 0;

	if (!list)
		return -errno;
	/* What comes into a directory while it is read may or may not be seen. */
	while (found) {
		found = false;
		rewinddir(list);
		while (r == 0 && (e = readdir(list))) {
			if (is_dots(e->d_name))
				continue;
			found = true;
			r = clear_entry(dir, e->d_name, top, serial);
		}
		if (r < 0)
			return r;
	}
	return 0;
}

/*
 * Without recursion and without paths, however deep and long the names in it are: a
 * full directory found below the second level is moved up to the first.
 */
int tree_remove(int dirfd, const char *name)
{
	cleanup_close int top = tree_open_dir(dirfd, name);
	unsigned int serial = 0;
	int r = top < 0 ? top : clear_dir(top, top, &serial);

	return r == 0 && unlinkat(dirfd, name, AT_REMOVEDIR) < 0 ? -errno : r;
}

/* ---- the digest -------------------------------------------------------------- */

/*
 * SHA-256 over one record for every entry, a directory before what is in it, the names
 * in a directory in the order of their bytes. A record is
 *
 *	"TYPE MODE UID GID N M\n"  TYPE is one of d f h l p; MODE octal, four digits,
 *	                           0000 for links; the rest decimal
 *	PATH NUL                   "." for the root, else without "./" and "/"
 *	N bytes                    the extended attribute security.capability
 *	M bytes                    f: content, l: target, h: PATH of the first of the
 *	                           names which the same file has
 *
 * after the line "cisandbox-tree-1\n". One like it follows for each attribute "user.*" of a
 * file or directory, in the order of their names: "x 0000 0 0 N M\n", PATH NUL, its name,
 * its value. Times and other attributes do not count.
 */
static const char digest_head[] = "cisandbox-tree-1\n";

#define CAPABILITY "security.capability"
#define ATTRIBUTES_MAX (XATTR_LIST_MAX / sizeof "user.x" + 1)

struct tree {
	const char *path;
	int fd;
	int out;       /* where records go */
	bool is_new;   /* what has no business in an image goes; else it is an error */
	bool unsound;  /* it is the tree that cannot be read, or has what no image has */
	uint64_t size, verity; /* bytes of regular files so far; of those with fs-verity */
	struct hardlinks linked;
};

static void tree_done(struct tree *t)
{
	hardlinks_done(&t->linked);
	t->fd = fd_close(t->fd);
}

struct record {
	char type;
	const char *path;
	const struct stat *st;
	char capability[64];
	size_t n_capability;
	uint64_t n_body;
};

static int write_record(const struct tree *t, const struct record *rec)
{
	char head[96];
	int n = snprintf(head, sizeof head, "%c %04o %u %u %zu %llu\n", rec->type,
			 rec->type == 'l' ? 0 : rec->st->st_mode & 07777, rec->st->st_uid,
			 rec->st->st_gid, rec->n_capability,
			 (unsigned long long)rec->n_body);
	int r = io_write_all(t->out, head, (size_t)n);

	if (r == 0)
		r = io_write_all(t->out, rec->path, strlen(rec->path) + 1);
	if (r == 0)
		r = io_write_all(t->out, rec->capability, rec->n_capability);
	return r;
}

static int write_text(const struct tree *t, struct record *rec, const char *body)
{
	int r;

	rec->n_body = strlen(body);
	r = write_record(t, rec);
	return r == 0 ? io_write_all(t->out, body, rec->n_body) : r;
}

static int write_link(const struct tree *t, struct record *rec)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(t->fd, rec->path, target, sizeof target - 1);

	if (n < 0)
		return -errno;
	target[n] = '\0';
	return write_text(t, rec, target);
}

static int write_attribute(const struct tree *t, const char *path, int fd, const char *name)
{
	char value[XATTR_SIZE_MAX];
	ssize_t n = fgetxattr(fd, name, value, sizeof value);
	char head[64];
	int k, r;

	if (n < 0)
		return -errno;
	k = snprintf(head, sizeof head, "x 0000 0 0 %zu %zd\n", strlen(name), n);
	r = io_write_all(t->out, head, (size_t)k);
	if (r == 0)
		r = io_write_all(t->out, path, strlen(path) + 1);
	if (r == 0)
		r = io_write_all(t->out, name, strlen(name));
	return r == 0 ? io_write_all(t->out, value, (size_t)n) : r;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int write_attributes(const struct tree *t, const char *path, int fd)
{
	char names[XATTR_LIST_MAX];
	char *sorted[ATTRIBUTES_MAX];
	ssize_t n = flistxattr(fd, names, sizeof names);
	size_t count = 0;
	int r = 0;

	if (n < 0)
		return errno == ENOTSUP ? 0 : -errno;
	for (char *p = names; p < names + n && count < ARRAY_SIZE(sorted); p += strlen(p) + 1)
		if (str_starts(p, "user."))
			sorted[count++] = p;
	if (count == 0)
		return 0;
	qsort(sorted, count, sizeof *sorted, by_text);
	for (size_t i = 0; i < count && r == 0; i++)
		r = write_attribute(t, path, fd, sorted[i]);
	return r;
}

static int open_inside(const struct tree *t, const char *path, uint64_t flags)
{
	return sys_openat2(t->fd, path, flags | O_NOFOLLOW, 0,
			   RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
}

static int write_dir(const struct tree *t, struct record *rec)
{
	cleanup_close int fd = open_inside(t, rec->path, O_RDONLY | O_DIRECTORY);
	int r = fd < 0 ? fd : write_record(t, rec);

	return r == 0 ? write_attributes(t, rec->path, fd) : r;
}

/* Straight from the page cache into the pipe. */
static int send_content(const struct tree *t, int fd, uint64_t left)
{
	while (left > 0) {
		ssize_t n = sendfile(t->out, fd, NULL, MIN(left, (uint64_t)1 << 30));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO; /* shorter than it was */
		left -= (uint64_t)n;
	}
	return 0;
}

static int write_file(struct tree *t, struct record *rec)
{
	cleanup_close int fd = -1;
	const char *first = NULL;
	ssize_t n;
	int r = 0;

	if (rec->st->st_nlink > 1)
		r = hardlinks_find(&t->linked, rec->st, rec->path, &first);
	if (r < 0)
		return r;
	if (first) {
		rec->type = 'h';
		return write_text(t, rec, first);
	}
	fd = open_inside(t, rec->path, O_RDONLY);
	if (fd < 0)
		return fd;
	n = fgetxattr(fd, CAPABILITY, rec->capability, sizeof rec->capability);
	if (n < 0 && errno != ENODATA && errno != ENOTSUP)
		return -errno;
	rec->n_capability = n < 0 ? 0 : (size_t)n;
	rec->n_body = (uint64_t)rec->st->st_size;
	if (t->is_new) {
		bool has;
		int k = verity_give(fd, rec->n_body, &has);

		if (k < 0)
			return k;
		t->verity += has ? rec->n_body : 0;
	}
	t->size += rec->n_body;
	r = write_record(t, rec);
	if (r == 0)
		r = send_content(t, fd, rec->n_body);
	return r == 0 ? write_attributes(t, rec->path, fd) : r;
}

static bool is_of_image(mode_t mode)
{
	return S_ISDIR(mode) || S_ISFIFO(mode) || S_ISLNK(mode) || S_ISREG(mode);
}

/* One entry into the digest, or, what has no business in an image, out of the tree. */
static int take_entry(struct tree *t, const char *path, const struct stat *st)
{
	struct record rec = {.path = path, .st = st};

	switch (st->st_mode & S_IFMT) {
	case S_IFDIR:
		rec.type = 'd';
		return write_dir(t, &rec);
	case S_IFIFO:
		rec.type = 'p';
		return write_record(t, &rec);
	case S_IFLNK:
		rec.type = 'l';
		return write_link(t, &rec);
	case S_IFREG:
		rec.type = 'f';
		return write_file(t, &rec);
	default: /* devices, whiteouts among them, and sockets */
		return unlinkat(t->fd, path, 0) < 0 ? -errno : 0;
	}
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

static int take_tree(struct tree *t, FTS *walk, struct cis_error *err)
{
	size_t prefix = strlen(t->path);
	FTSENT *e;
	int r = 0;

	while (r == 0 && (errno = 0, e = fts_read(walk))) {
		const char *path = e->fts_path + prefix;

		path = *path ? path + 1 : ".";
		if (e->fts_info == FTS_DP)
			continue;
		if (e->fts_errno) /* FTS_DNR, FTS_ERR, FTS_NS */
			r = -e->fts_errno;
		else if (!t->is_new && !is_of_image(e->fts_statp->st_mode))
			return cis_fail_plain(err, EIO, "%s is no file that an image has", path);
		else
			r = take_entry(t, path, e->fts_statp);
		if (r < 0)
			return cis_fail(err, -r, "read %s of it", path);
	}
	return errno ? cis_fail(err, errno, "read it") : 0;
}

/* Feeds sha256sum. */
static int feed_digest(int out, void *arg, struct cis_error *err)
{
	struct tree *t = arg;
	char *const roots[] = {(char *)t->path, NULL};
	FTS *walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, by_name);
	int r;

	if (!walk)
		return cis_fail(err, errno, "read it");
	fcntl(out, F_SETPIPE_SZ, 1 << 20); /* fewer turns; the default will do, too */
	t->out = out;
	r = io_write_all(out, digest_head, strlen(digest_head));
	r = r < 0 ? cis_fail(err, -r, "write to sha256sum") : take_tree(t, walk, err);
	t->unsound = r == -EIO;
	fts_close(walk);
	return r;
}

int tree_digest(const char *path, struct cis_image *ret, uint64_t *ret_verity,
		struct cis_error *err)
{
	cleanup(tree_done) struct tree t = {
		.path = path,
		.is_new = ret_verity,
		.fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC),
	};
	char *const argv[] = {"sha256sum", NULL};
	cleanup_free char *text = NULL;
	int r;

	if (t.fd < 0)
		return cis_fail(err, errno, "open %s", path);
	r = spawn_filter(argv, -1, "coreutils", feed_digest, &t, &text, err);
	/* That sha256sum was killed says nothing of the tree: nobody is to mark it corrupt. */
	if (r < 0)
		return r == -EIO && !t.unsound ? -ECHILD : r;
	if (strspn(text, "0123456789abcdef") != 64)
		return cis_fail_plain(err, ECHILD, "sha256sum said \"%.80s\"", text);
	snprintf(ret->digest, sizeof ret->digest, "sha256:%.64s", text);
	ret->size = t.size;
	if (ret_verity)
		*ret_verity = t.verity;
	return 0;
}
