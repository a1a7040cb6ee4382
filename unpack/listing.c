/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is in a layer, so that a byte of it that changes later is noticed. A record for
 * every entry, a directory before what is in it, names in the order of their bytes:
 *
 *	"TYPE MODE UID GID SIZE ATTRIBUTES CONTENT PATH" NUL
 *
 * TYPE is one of d f l p c; SIZE a file's, or a device's number; MODE octal; ATTRIBUTES the SHA-256 over "NAME NUL VALUE" of the
 * extended ones in the order of their names, CONTENT that of a file's bytes or a link's
 * target, or "v" and the digest that the kernel has of a file with fs-verity; "-" where there
 * is nothing. Times do not count. What marks a directory opaque only
 * the host's root sees: lib/image/layer.c looks after that.
 */
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/io.h"
#include "fs/verity.h"
#include "unpack.h"

/* ---- sums of files just written --------------------------------------------------- */

struct known {
	ino_t ino; /* 0: free */
	unsigned char sum[32];
};

static struct known *known;
static size_t n_known, room;

static struct known *find_known(struct known *table, size_t size, ino_t ino)
{
	size_t i = (size_t)(ino * 0x9E3779B97F4A7C15ULL >> 20) & (size - 1);

	while (table[i].ino && table[i].ino != ino)
		i = (i + 1) & (size - 1);
	return &table[i];
}

static void grow_known(void)
{
	size_t bigger = room ? 2 * room : 4096;
	struct known *table = calloc(bigger, sizeof *table);

	if (!table)
		fail_errno(ENOMEM, "listing");
	for (size_t i = 0; i < room; i++)
		if (known[i].ino)
			*find_known(table, bigger, known[i].ino) = known[i];
	free(known);
	known = table;
	room = bigger;
}

void listing_remember(ino_t ino, const unsigned char sum[static 32])
{
	struct known *k;

	if (2 * (n_known + 1) > room)
		grow_known();
	k = find_known(known, room, ino);
	n_known += !k->ino;
	k->ino = ino;
	memcpy(k->sum, sum, 32);
}

/* ---- one entry -------------------------------------------------------------------- */

static EVP_MD_CTX *hash;
static char buffer[1 << 17];

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void end_hex(char ret[static HEX_SIZE])
{
	unsigned char sum[32];

	hash_end(hash, sum);
	hash_hex(sum, ret);
}

static void hash_attributes(int fd, const char *path, char ret[static HEX_SIZE])
{
	static char names[65536];
	static char *sorted[sizeof names / sizeof "user.x" + 1];
	ssize_t n = flistxattr(fd, names, sizeof names);
	size_t count = 0;

	if (n < 0 && errno != ENOTSUP)
		fail_errno(errno, "attributes of %s", path);
	for (char *p = names; n > 0 && p < names + n; p += strlen(p) + 1)
		if (count < ARRAY_SIZE(sorted) &&
		    (strncmp(p, "user.", 5) == 0 || strcmp(p, "security.capability") == 0))
			sorted[count++] = p;
	if (count == 0)
		return;
	qsort(sorted, count, sizeof *sorted, by_text);
	hash_reset(hash);
	for (size_t i = 0; i < count; i++) {
		ssize_t k = fgetxattr(fd, sorted[i], buffer, sizeof buffer);

		if (k < 0)
			fail_errno(errno, "attribute %s of %s", sorted[i], path);
		hash_add(hash, sorted[i], strlen(sorted[i]) + 1);
		hash_add(hash, buffer, (size_t)k);
	}
	end_hex(ret);
}

/* Into the buffer; 0 at the end. */
static ssize_t read_some(int fd, const char *path)
{
	ssize_t n;

	do
		n = read(fd, buffer, sizeof buffer);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		fail_errno(errno, "read %s", path);
	return n;
}

/* True: it has fs-verity. */
static bool hash_file(int fd, const char *path, const struct stat *st, bool is_new,
		      char ret[static HEX_SIZE + 1])
{
	const struct known *k = room ? find_known(known, room, st->st_ino) : NULL;
	unsigned char sum[32];
	ssize_t n;

	if (verity_measure(fd, sum)) {
		*ret = 'v';
		hash_hex(sum, ret + 1);
		/* What is not as it was cannot be read; what was compared and is cached is cheap. */
		while (!is_new && read_some(fd, path) > 0)
			;
		return true;
	}
	if (k && k->ino) {
		hash_hex(k->sum, ret);
		return false;
	}
	hash_reset(hash);
	while ((n = read_some(fd, path)) > 0)
		hash_add(hash, buffer, (size_t)n);
	end_hex(ret);
	return false;
}

static void hash_link(const char *path, char ret[static HEX_SIZE])
{
	ssize_t n = readlink(path, buffer, PATH_MAX);

	if (n < 0)
		fail_errno(errno, "read the link %s", path);
	hash_reset(hash);
	hash_add(hash, buffer, (size_t)n);
	end_hex(ret);
}

static char type_of(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR:
		return 'd';
	case S_IFREG:
		return 'f';
	case S_IFLNK:
		return 'l';
	case S_IFIFO:
		return 'p';
	case S_IFCHR:
		return 'c';
	default:
		return '?';
	}
}

/* A whiteout is the device 0:0. */
static unsigned long long size_of(const struct stat *st)
{
	if (S_ISREG(st->st_mode))
		return (unsigned long long)st->st_size;
	return S_ISCHR(st->st_mode) ? (unsigned long long)st->st_rdev : 0;
}

struct total {
	uint64_t files, verity; /* bytes; of those with fs-verity */
	bool is_new;            /* it is to have it where it can */
};

static void give_verity(int fd, const char *path, off_t size)
{
	bool has;
	int r = verity_give(fd, (uint64_t)size, &has);

	if (r < 0)
		fail_errno(-r, "fs-verity of %s", path);
}

/* The length with the NUL. */
static size_t describe(const FTSENT *e, char *ret, size_t size, struct total *total)
{
	char attributes[HEX_SIZE] = "-", content[HEX_SIZE + 1] = "-";
	const struct stat *st = e->fts_statp;
	const char *path = e->fts_path;
	cleanup_close int fd = -1;
	char type = type_of(st->st_mode);

	if (type == 'f' || type == 'd') {
		fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		if (fd < 0)
			fail_errno(errno, "open %s", path);
		hash_attributes(fd, path, attributes);
	}
	if (type == 'f') {
		if (total->is_new)
			give_verity(fd, path, st->st_size);
		total->files += (uint64_t)st->st_size;
		if (hash_file(fd, path, st, total->is_new, content))
			total->verity += (uint64_t)st->st_size;
	} else if (type == 'l') {
		hash_link(path, content);
	}
	return 1 + (size_t)snprintf(ret, size, "%c %04o %u %u %llu %s %s %s", type,
				    st->st_mode & 07777, st->st_uid, st->st_gid,
				    size_of(st), attributes, content, path);
}

/* ---- the whole tree --------------------------------------------------------------- */

static int by_name(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

static FTS *begin(void)
{
	char *const roots[] = {".", NULL};
	FTS *walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, by_name);

	if (!walk)
		fail_errno(errno, "read the layer");
	hash = hash_new();
	return walk;
}

static const FTSENT *next(FTS *walk)
{
	FTSENT *e;

	do {
		errno = 0;
		e = fts_read(walk);
	} while (e && e->fts_info == FTS_DP);
	if (!e && errno)
		fail_errno(errno, "read the layer");
	if (e && e->fts_errno) /* FTS_DNR, FTS_ERR, FTS_NS */
		fail_errno(e->fts_errno, "read %s", e->fts_path);
	return e;
}

#define RECORD_MAX (UNPACK_PATH_MAX + 512)

static void report_listing(const unsigned char sum[static 32], const struct total *total)
{
	char hex[HEX_SIZE];

	hash_hex(sum, hex);
	report(WIRE_LIST, "%s", hex);
	report(WIRE_FILES, "%llu", (unsigned long long)total->files);
	report(WIRE_VERITY, "%llu", (unsigned long long)total->verity);
}

void listing_write(int fd)
{
	static char out[1 << 16];
	EVP_MD_CTX *all = hash_new();
	unsigned char sum[32];
	FTS *walk = begin();
	struct total total = {.is_new = true};
	size_t n = 0;
	const FTSENT *e;
	int r = 0;

	while (r == 0 && (e = next(walk))) {
		size_t k;

		if (sizeof out - n < RECORD_MAX) {
			r = io_write_all(fd, out, n);
			n = 0;
		}
		k = describe(e, out + n, sizeof out - n, &total);
		hash_add(all, out + n, k);
		n += k;
	}
	if (r == 0)
		r = io_write_all(fd, out, n);
	if (r < 0)
		fail_errno(-r, "write the listing");
	hash_end(all, sum);
	report_listing(sum, &total);
}

/* Records out of a file, one after the other. */
struct records {
	int fd;
	EVP_MD_CTX *all;
	size_t at, n;
	char text[1 << 16];
};

/* NULL at the end. */
static const char *next_record(struct records *rec)
{
	char *end = memchr(rec->text + rec->at, '\0', rec->n - rec->at);
	const char *start;

	while (!end) {
		ssize_t k;

		memmove(rec->text, rec->text + rec->at, rec->n - rec->at);
		rec->n -= rec->at;
		rec->at = 0;
		k = read(rec->fd, rec->text + rec->n, sizeof rec->text - rec->n);
		if (k < 0)
			fail_errno(errno, "read the listing");
		if (k == 0 && rec->n > 0)
			fail(EIO, "the listing of the layer has changed");
		if (k == 0)
			return NULL;
		end = memchr(rec->text + rec->n, '\0', (size_t)k);
		rec->n += (size_t)k;
	}
	start = rec->text + rec->at;
	hash_add(rec->all, start, (size_t)(end - start) + 1);
	rec->at = (size_t)(end - rec->text) + 1;
	return start;
}

void listing_compare(int fd)
{
	static struct records rec;
	static char now[RECORD_MAX];
	unsigned char sum[32];
	FTS *walk = begin();
	struct total total = {.is_new = false};
	const FTSENT *e;
	const char *then;

	rec.fd = fd;
	rec.all = hash_new();
	while ((e = next(walk))) {
		describe(e, now, sizeof now, &total);
		then = next_record(&rec);
		if (!then || strcmp(now, then) != 0)
			fail(EIO, "%s is not as it was unpacked", e->fts_path);
	}
	then = next_record(&rec);
	if (then)
		fail(EIO, "a file is missing that was there when it was unpacked");
	hash_end(rec.all, sum);
	report_listing(sum, &total);
}
