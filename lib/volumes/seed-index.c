/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The part of a seed that each job has of its own: some hundred small files. They are kept as one
 * file, a cpio archive ("newc", which cpio -t lists), because to look at each of them took as
 * long as to make it. Unpacked by the caller, while others make namespaces.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/fd.h"
#include "../base/io.h"
#include "../base/sys.h"
#include "../fs/path.h"
#include "../image/tree.h"
#include "seed.h"

#define MAGIC "070701"
#define HEAD 110 /* MAGIC, and 13 numbers of 8 digits */
#define LAST "TRAILER!!!"
enum { F_MODE = 1, F_SIZE = 6, F_NAME_SIZE = 11 };

static void close_filep(FILE **f)
{
	if (*f)
		fclose(*f);
}

/* ---- writing -------------------------------------------------------------------------- */

struct writer {
	FILE *out;
	struct seed_room *room;
	struct cis_error *err;
};

static void pad(FILE *out, size_t n)
{
	fwrite("\0\0\0", 1, -n & 3, out);
}

static void write_head(FILE *out, mode_t mode, uint64_t size, const char *name)
{
	size_t n = strlen(name) + 1;

	fprintf(out, MAGIC "%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x", 0, mode, 0, 0,
		1, 0, (unsigned int)size, 0, 0, 0, 0, (unsigned int)n, 0);
	fwrite(name, 1, n, out);
	pad(out, HEAD + n);
}

static int write_file(const struct writer *w, int dir, const char *name, const char *path,
		      const struct stat *st)
{
	cleanup_free char *text = NULL;
	size_t n;
	int r = io_read_file_at(dir, name, SEED_INDEX_BYTES_MAX, &text, &n);

	if (r < 0)
		return r;
	write_head(w->out, st->st_mode, n, path);
	fwrite(text, 1, n, w->out);
	pad(w->out, n);
	return 0;
}

static int write_link(const struct writer *w, int dir, const char *name, const char *path,
		      const struct stat *st)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(dir, name, target, sizeof target);

	if (n < 0 || n == sizeof target)
		return n < 0 ? -errno : -ENAMETOOLONG;
	write_head(w->out, st->st_mode, (uint64_t)n, path);
	fwrite(target, 1, (size_t)n, w->out);
	pad(w->out, (size_t)n);
	return 0;
}

/* An engine's books are root's files, directories and links, and not many. */
static int judge(const struct writer *w, const char *path, const struct stat *st)
{
	mode_t type = st->st_mode & S_IFMT;

	if ((type != S_IFDIR && type != S_IFREG && type != S_IFLNK) || st->st_uid || st->st_gid ||
	    st->st_mode & (S_ISUID | S_ISGID))
		return cis_fail_plain(w->err, EINVAL,
				      "%s (mode %o, owner %u) is none of an engine's books", path,
				      st->st_mode, st->st_uid);
	if (type == S_IFREG && (uint64_t)st->st_size > w->room->bytes)
		return -EFBIG;
	if (type == S_IFREG)
		w->room->bytes -= (uint64_t)st->st_size;
	return w->room->files-- == 0 ? -EFBIG : 0;
}

static int write_dir(const struct writer *w, int dir, const char *path, unsigned int depth);

static int write_entry(const struct writer *w, int dir, const char *name, const char *path,
		       unsigned int depth)
{
	cleanup_close int sub = -1;
	struct stat st;
	int r;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	r = judge(w, path, &st);
	if (r < 0)
		return r;
	if (S_ISREG(st.st_mode))
		return write_file(w, dir, name, path, &st);
	if (S_ISLNK(st.st_mode))
		return write_link(w, dir, name, path, &st);
	write_head(w->out, st.st_mode, 0, path);
	sub = tree_open_dir(dir, name);
	return sub < 0 ? sub : write_dir(w, sub, path, depth + 1);
}

/* A directory before what is in it. @path: its own, "" for the first. */
static int write_dir(const struct writer *w, int dir, const char *path, unsigned int depth)
{
	cleanup(dir_closep) DIR *list = tree_list(dir);
	struct dirent *e;
	int r = list ? 0 : -errno;

	if (depth > SEED_DEPTH_MAX)
		return -EFBIG;
	while (r >= 0 && (e = readdir(list))) {
		cleanup_free char *sub = NULL;

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		r = str_format(&sub, "%s%s%s", path, *path ? "/" : "", e->d_name);
		if (r >= 0)
			r = write_entry(w, dir, e->d_name, sub, depth);
	}
	return MIN(r, 0);
}

int seed_index_write(int from, int to, const char *name, struct seed_room *room,
		     struct cis_error *err)
{
	cleanup_close int fd = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	cleanup(close_filep) FILE *out = fd < 0 ? NULL : fdopen(fd, "we");
	const struct writer w = {out, room, err};
	int r;

	if (!out)
		return -errno;
	steal_fd(&fd);
	r = write_dir(&w, from, "", 0);
	if (r < 0)
		return r;
	write_head(out, 0, 0, LAST);
	errno = EIO;
	return fflush(out) < 0 || ferror(out) ? -errno : 0;
}

/* ---- reading -------------------------------------------------------------------------- */

struct reader {
	const char *at, *end;
	int to;
	uid_t owner;
	int dir; /* of the entry before, which is mostly this one's as well */
	const char *dir_name;
	size_t dir_len;
};

struct entry {
	mode_t mode;
	size_t size;
	const char *name, *data;
};

static bool read_number(const char *head, int field, size_t *ret)
{
	static const char digits[] = "0123456789abcdef0123456789ABCDEF";
	const char *p = head + sizeof MAGIC - 1 + 8 * field;

	*ret = 0;
	for (int i = 0; i < 8; i++) {
		const char *digit = p[i] ? strchr(digits, p[i]) : NULL;

		if (!digit)
			return false;
		*ret = *ret << 4 | (size_t)(digit - digits) % 16;
	}
	return true;
}

/* @n bytes, and those that fill up to four. */
static const char *take(struct reader *r, size_t n, size_t before)
{
	const char *p = r->at;
	size_t all = n + (-(before + n) & 3);

	if (all < n || all > (size_t)(r->end - r->at))
		return NULL;
	r->at += all;
	return p;
}

static bool next_entry(struct reader *r, struct entry *e)
{
	size_t mode, name_size;
	const char *head = r->end - r->at < HEAD ? NULL : r->at;

	if (!head || memcmp(head, MAGIC, sizeof MAGIC - 1) != 0 ||
	    !read_number(head, F_MODE, &mode) || !read_number(head, F_SIZE, &e->size) ||
	    !read_number(head, F_NAME_SIZE, &name_size) || !name_size || name_size > PATH_MAX)
		return false;
	r->at += HEAD;
	e->mode = (mode_t)mode;
	e->name = take(r, name_size, HEAD);
	e->data = e->name ? take(r, e->size, 0) : NULL;
	return e->data && strnlen(e->name, name_size) == name_size - 1;
}

/* Below no link that an entry has made. *ret: the name in it. */
static int open_dir(struct reader *r, const char *name, const char **ret)
{
	const char *slash = strrchr(name, '/');
	size_t len = slash ? (size_t)(slash - name) : 0;
	char path[PATH_MAX];

	*ret = slash ? slash + 1 : name;
	if (r->dir >= 0 && len == r->dir_len && memcmp(name, r->dir_name, len) == 0)
		return 0;
	snprintf(path, sizeof path, "%.*s", len ? (int)len : 1, len ? name : ".");
	fd_close(r->dir);
	r->dir_name = name;
	r->dir_len = len;
	r->dir = sys_openat2(r->to, path, O_PATH | O_DIRECTORY, 0,
			     RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
	return MIN(r->dir, 0);
}

/* The caller's umask is nothing to the engine. */
static int make_dir(int dir, const char *name, mode_t mode)
{
	return mkdirat(dir, name, mode) < 0 || fchmodat(dir, name, mode, 0) < 0 ? -errno : 0;
}

static int make_file(int dir, const char *name, const struct entry *e)
{
	const mode_t mode = e->mode & 0777;
	cleanup_close int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int k = fd < 0 ? -errno : 0;

	if (k == 0 && e->size)
		k = io_write_all(fd, e->data, e->size);
	if (k == 0 && mode != 0600 && fchmod(fd, mode) < 0)
		k = -errno;
	return k;
}

static int make_link(int dir, const char *name, const struct entry *e)
{
	char target[PATH_MAX];

	if (e->size >= sizeof target)
		return -ENAMETOOLONG;
	memcpy(target, e->data, e->size);
	target[e->size] = '\0';
	return symlinkat(target, dir, name) < 0 ? -errno : 0;
}

static int make_entry(struct reader *r, const struct entry *e)
{
	const char *name;
	int k = open_dir(r, e->name, &name);

	if (k == 0)
		k = S_ISDIR(e->mode)   ? make_dir(r->dir, name, e->mode & 0777)
		    : S_ISREG(e->mode) ? make_file(r->dir, name, e)
		    : S_ISLNK(e->mode) ? make_link(r->dir, name, e)
				       : -EBADMSG;
	/* On a disk whose owners are 0-based all that we make is root's already. */
	if (k == 0 && r->owner &&
	    fchownat(r->dir, name, r->owner, r->owner, AT_SYMLINK_NOFOLLOW) < 0)
		k = -errno;
	return k;
}

static int make_all(struct reader *r)
{
	struct entry e;
	int k = 0;

	while (k == 0) {
		if (!next_entry(r, &e))
			return -EBADMSG;
		if (strcmp(e.name, LAST) == 0)
			return 0;
		k = path_is_below(e.name) ? make_entry(r, &e) : -EBADMSG;
	}
	return k;
}

static int unpack(int dir, const char *name, int to, uid_t owner)
{
	cleanup_close int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct reader reader = {.to = to, .owner = owner, .dir = -1};
	struct stat st;
	void *map;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size < HEAD)
		return -EBADMSG;
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	reader.at = map;
	reader.end = reader.at + st.st_size;
	r = make_all(&reader);
	fd_close(reader.dir);
	munmap(map, (size_t)st.st_size);
	return r;
}

int seed_index_unpack(int dir, const char *name, int scratch, const char *to, uid_t owner,
		      struct cis_error *err)
{
	cleanup_close int fd = -1;
	int r = path_make(scratch, to, false);

	if (r >= 0)
		r = fd = sys_openat2(scratch, to, O_PATH | O_DIRECTORY, 0,
				     RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
	if (r >= 0)
		r = unpack(dir, name, fd, owner);
	return r < 0 ? cis_fail(err, -r, "copy the seed's index to the disk%s",
				r == -ENOSPC || r == -EDQUOT ? " (raise --disk)" : "")
		     : 0;
}
