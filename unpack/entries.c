/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A tar's entries as files. What an archive says twice counts as it was said last, as with
 * tar. In a layer, ".wh.NAME" says that NAME of the layers below is gone, and becomes what
 * overlayfs takes for that, a character device 0:0; ".wh..wh..opq", that all of them in its
 * directory are. Other names with ".wh..wh." are leftovers of aufs and mean nothing.
 *
 * Devices and sockets are left out: the file systems of sandboxes have no devices. Of
 * extended attributes "user.*" and security.capability are kept; others are the host's.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "unpack.h"

#define WHITEOUT ".wh."
#define META ".wh..wh."

/* Times of directories, set when nothing changes in them any more. */
struct dir_time {
	struct timespec when;
	char *path;
};

struct work {
	struct stream *in;
	bool is_layer;
	struct place here, there; /* of the entry; of what it is a link to */
	EVP_MD_CTX *hash;
	uint64_t entries, bytes;
	struct dir_time *times;
	size_t n_times;
	char name[UNPACK_PATH_MAX + 1], target[UNPACK_PATH_MAX + 1];
};

static bool starts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

/* ---- what is known of a file ------------------------------------------------------ */

static void own(const struct work *w, int fd, struct archive_entry *e)
{
	la_int64_t uid = archive_entry_uid(e), gid = archive_entry_gid(e);

	if (uid < 0 || uid >= UNPACK_IDS || gid < 0 || gid >= UNPACK_IDS)
		fail(EINVAL, "%s is of %lld:%lld, and ids end at %d", w->name, (long long)uid,
		     (long long)gid, UNPACK_IDS - 1);
	if (fchownat(fd, "", (uid_t)uid, (gid_t)gid, AT_EMPTY_PATH) < 0)
		fail_errno(errno, "owner of %s", w->name);
}

static bool is_kept(const char *attribute)
{
	/* A sandbox without root would take these for the overlay's own marks. */
	if (starts(attribute, "user.overlay."))
		return false;
	return starts(attribute, "user.") || strcmp(attribute, "security.capability") == 0;
}

/* Nearly: what is left is in pieces, or others are writing, too. */
static bool is_disk_full(int fd)
{
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0)
		return true;
	return (uint64_t)fs.f_bavail * (uint64_t)fs.f_bsize < 1 << 20 ||
	       (fs.f_files > 0 && fs.f_ffree == 0);
}

static void attributes(const struct work *w, int fd, struct archive_entry *e)
{
	const char *name;
	const void *value;
	int errnum;
	size_t n;

	archive_entry_xattr_reset(e);
	while (archive_entry_xattr_next(e, &name, &value, &n) == ARCHIVE_OK) {
		if (!name || !is_kept(name))
			continue;
		if (fsetxattr(fd, name, value, n, 0) == 0)
			continue;
		errnum = errno;
		/* One file has room for some kilobytes of them, on a disk that is not full. */
		if (errnum == E2BIG || (errnum == ENOSPC && !is_disk_full(fd)))
			fail(E2BIG, "attribute %.100s of %s, with %zu bytes, is more than the "
			     "file system keeps of one file", name, w->name, n);
		fail_errno(errnum, "attribute %.100s of %s", name, w->name);
	}
}

static struct timespec time_of(struct archive_entry *e)
{
	struct timespec t = {.tv_nsec = UTIME_OMIT};

	if (archive_entry_mtime_is_set(e)) {
		t.tv_sec = archive_entry_mtime(e);
		t.tv_nsec = archive_entry_mtime_nsec(e);
	}
	return t;
}

/* Times that the disk cannot hold are no reason to refuse a file. */
static void set_time(int dir, const char *name, struct timespec when)
{
	const struct timespec t[2] = {when, when};

	utimensat(dir, name, t, AT_SYMLINK_NOFOLLOW);
}

/* Of an open file or directory; the mode last, since a change of owner takes bits away. */
static void dress(const struct work *w, int fd, struct archive_entry *e)
{
	own(w, fd, e);
	if (fchmod(fd, archive_entry_perm(e) & 07777) < 0)
		fail_errno(errno, "mode of %s", w->name);
	attributes(w, fd, e);
}

/* ---- kinds of entries ------------------------------------------------------------- */

static void remember_time(struct work *w, struct archive_entry *e)
{
	static size_t bytes;
	struct dir_time *bigger;

	bytes += strlen(w->name);
	if (bytes > UNPACK_NAMES_MAX)
		fail(E2BIG, "names of directories of more than %lu MiB",
		     UNPACK_NAMES_MAX >> 20);
	if ((w->n_times & (w->n_times - 1)) == 0) {
		bigger = reallocarray(w->times, w->n_times ? 2 * w->n_times : 1, sizeof *bigger);
		if (!bigger)
			fail_errno(ENOMEM, "%s", w->name);
		w->times = bigger;
	}
	w->times[w->n_times].path = strdup(*w->name ? w->name : ".");
	if (!w->times[w->n_times].path)
		fail_errno(ENOMEM, "%s", w->name);
	w->times[w->n_times++].when = time_of(e);
}

static void take_dir(struct work *w, int dir, const char *last, struct archive_entry *e)
{
	cleanup_close int fd = -1;
	bool hidden = false;
	struct stat st;

	if (*last) {
		hidden = w->is_layer && fstatat(dir, last, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
			 S_ISCHR(st.st_mode);
		place_clear(dir, last, true);
		if (mkdirat(dir, last, 0700) < 0 && errno != EEXIST)
			fail_errno(errno, "make the directory %s", w->name);
	}
	if (hidden)
		place_tell(WIRE_OPAQUE, w->name);
	fd = openat(dir, *last ? last : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		fail_errno(errno, "open the directory %s", w->name);
	dress(w, fd, e);
	remember_time(w, e);
}

static void write_at(const struct work *w, int fd, const char *buf, size_t n, off_t at)
{
	while (n > 0) {
		ssize_t k = pwrite(fd, buf, n, at);

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			fail_errno(errno, "write %s", w->name);
		buf += k;
		n -= (size_t)k;
		at += k;
	}
}

/* Holes stay holes; in the hash they are zeros. */
static void write_content(struct work *w, int fd, uint64_t size)
{
	uint64_t end = 0;
	const void *buf;
	la_int64_t at;
	size_t n;
	int r;

	while ((r = archive_read_data_block(w->in->tar, &buf, &n, &at)) == ARCHIVE_OK) {
		if (at < 0 || (uint64_t)at < end || (uint64_t)at + n > size)
			fail(EINVAL, "%s: the archive's map of it is wrong", w->name);
		hash_zeros(w->hash, (uint64_t)at - end);
		hash_add(w->hash, buf, n);
		write_at(w, fd, buf, n, at);
		end = (uint64_t)at + n;
	}
	if (r != ARCHIVE_EOF)
		fail(EIO, "%s: not a sound tar archive: %s", w->name,
		     archive_error_string(w->in->tar));
	if (end < size) {
		hash_zeros(w->hash, size - end);
		if (ftruncate(fd, (off_t)size) < 0)
			fail_errno(errno, "write %s", w->name);
	}
}

static void take_file(struct work *w, int dir, const char *last, struct archive_entry *e)
{
	cleanup_close int fd = -1;
	la_int64_t size = archive_entry_size(e);
	unsigned char sum[32];
	struct timespec t[2];
	struct stat st;

	if (size < 0 || (uint64_t)size > UNPACK_BYTES_MAX - w->bytes)
		fail(EFBIG, "%s: files of more than %llu GiB in all", w->name,
		     UNPACK_BYTES_MAX >> 30);
	w->bytes += (uint64_t)size;
	place_clear(dir, last, false);
	fd = openat(dir, last, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		fail_errno(errno, "make %s", w->name);
	hash_reset(w->hash);
	write_content(w, fd, (uint64_t)size);
	hash_end(w->hash, sum);
	dress(w, fd, e);
	t[0] = t[1] = time_of(e);
	futimens(fd, t);
	if (fstat(fd, &st) < 0)
		fail_errno(errno, "look at %s", w->name);
	listing_remember(st.st_ino, sum);
}

static void take_symlink(struct work *w, int dir, const char *last, struct archive_entry *e)
{
	const char *target = archive_entry_symlink(e);
	cleanup_close int fd = -1;

	if (!target || !*target)
		fail(EINVAL, "%s is a link to nothing", w->name);
	place_clear(dir, last, false);
	if (symlinkat(target, dir, last) < 0)
		fail_errno(errno, "make the link %s", w->name);
	fd = openat(dir, last, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		fail_errno(errno, "make the link %s", w->name);
	own(w, fd, e);
	set_time(dir, last, time_of(e));
}

static void take_hardlink(struct work *w, int dir, const char *last, const char *raw)
{
	struct stat st;
	int to;

	name_clean(raw, w->target);
	if (strcmp(w->target, w->name) == 0)
		return;
	to = *w->target ? place_find_parent(&w->there, w->target) : -ENOENT;
	if (to < 0 || fstatat(to, name_last(w->target), &st, AT_SYMLINK_NOFOLLOW) < 0) {
		if (!w->is_layer || !*w->target)
			fail(EINVAL, "%s is a hard link to %.500s, which is not there", w->name,
			     raw);
		place_clear(dir, last, false);
		place_tell(WIRE_LINK, w->name);
		place_tell(WIRE_TARGET, w->target);
		return;
	}
	if (S_ISDIR(st.st_mode) || S_ISCHR(st.st_mode))
		fail(EINVAL, "%s is a hard link to %.500s, which is no file", w->name, raw);
	place_clear(dir, last, false);
	if (linkat(to, name_last(w->target), dir, last, 0) < 0)
		fail_errno(errno, "link %s to %s", w->name, w->target);
}

static void take_fifo(struct work *w, int dir, const char *last, struct archive_entry *e)
{
	cleanup_close int fd = -1;

	place_clear(dir, last, false);
	if (mknodat(dir, last, S_IFIFO | 0600, 0) < 0)
		fail_errno(errno, "make the fifo %s", w->name);
	fd = openat(dir, last, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		fail_errno(errno, "make the fifo %s", w->name);
	own(w, fd, e);
	if (fchmodat(dir, last, archive_entry_perm(e) & 07777, 0) < 0)
		fail_errno(errno, "mode of %s", w->name);
	set_time(dir, last, time_of(e));
}

/* ---- whiteouts -------------------------------------------------------------------- */

static void hide(struct work *w, int dir, const char *name)
{
	struct stat st;

	if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		fail(EINVAL, "%s hides no name", w->name);
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		if (mknodat(dir, name, S_IFCHR, makedev(0, 0)) < 0)
			fail_errno(errno, "make the whiteout %s", w->name);
		return;
	}
	/* It is for the layers below; what this one has there hides them, too. */
	if (S_ISDIR(st.st_mode)) {
		char path[UNPACK_PATH_MAX + 1];
		size_t n = (size_t)(name_last(w->name) - w->name);

		memcpy(path, w->name, n);
		memcpy(path + n, name, strlen(name) + 1);
		place_tell(WIRE_OPAQUE, path);
	}
}

/* True: it was about whiteouts, and is done. */
static bool take_whiteout(struct work *w)
{
	const char *last = name_last(w->name);

	for (const char *part = w->name; part < last; part = strchr(part, '/') + 1) {
		if (starts(part, META))
			return true;
		if (starts(part, WHITEOUT))
			fail(EINVAL, "%s is in a whiteout", w->name);
	}
	if (!starts(last, WHITEOUT))
		return false;
	if (strcmp(last, META ".opq") == 0) {
		place_parent(&w->here, w->name);
		place_tell(WIRE_OPAQUE, w->here.at);
	} else if (!starts(last, META)) {
		hide(w, place_parent(&w->here, w->name), last + strlen(WHITEOUT));
	}
	return true;
}

/* ---- all of them ------------------------------------------------------------------- */

static void take(struct work *w, struct archive_entry *e)
{
	const char *raw = archive_entry_pathname(e), *link = archive_entry_hardlink(e);
	const char *last;
	int dir;

	if (!raw)
		fail(EINVAL, "entry %llu has a name that is not UTF-8",
		     (unsigned long long)w->entries);
	name_clean(raw, w->name);
	if (w->is_layer && take_whiteout(w))
		return;
	if (!*w->name && archive_entry_filetype(e) != AE_IFDIR)
		fail(EINVAL, "the root (\"%.100s\") is to be no directory", raw);
	dir = place_parent(&w->here, w->name);
	last = name_last(w->name);
	if (link) {
		take_hardlink(w, dir, last, link);
		return;
	}
	switch (archive_entry_filetype(e)) {
	case AE_IFREG:
		take_file(w, dir, last, e);
		break;
	case AE_IFDIR:
		take_dir(w, dir, last, e);
		break;
	case AE_IFLNK:
		take_symlink(w, dir, last, e);
		break;
	case AE_IFIFO:
		take_fifo(w, dir, last, e);
		break;
	default:
		break;
	}
}

static void set_times(struct work *w)
{
	for (size_t i = w->n_times; i-- > 0;)
		set_time(WIRE_ROOT, w->times[i].path, w->times[i].when);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* What an entry told of later is not implied any more. */
static void tell_implied(const struct work *w)
{
	char **known = calloc(w->n_times + 1, sizeof *known);

	if (!known)
		fail_errno(ENOMEM, "directories");
	for (size_t i = 0; i < w->n_times; i++)
		known[i] = w->times[i].path;
	qsort(known, w->n_times, sizeof *known, by_text);
	place_tell_implied(known, w->n_times);
	free(known);
}

/* Whoever has the layers below does its part of the work. */
static void wait_for_library(void)
{
	char byte;

	report(WIRE_WAIT, "%s", "");
	if (read(WIRE_GO, &byte, 1) != 1)
		_exit(1); /* it has given up, and knows why */
}

void entries_take(struct stream *s, bool is_layer)
{
	static struct work w = {.here.dir = -1, .there.dir = -1};
	struct archive_entry *e;

	w.in = s;
	w.is_layer = w.here.is_layer = is_layer;
	w.hash = hash_new();
	while ((e = stream_next(s))) {
		if (++w.entries > UNPACK_ENTRIES_MAX)
			fail(E2BIG, "more than %d entries", UNPACK_ENTRIES_MAX);
		take(&w, e);
	}
	if (is_layer) {
		tell_implied(&w);
		wait_for_library();
	}
	set_times(&w);
	fd_close(w.here.dir);
	fd_close(w.there.dir);
}
