/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One pass over the archive: its bytes into one hash, through libarchive's decompression
 * into a second hash, and from there into libarchive's tar. Two archives, since one that
 * does both keeps what is between to itself, and a layer's name is the hash of just that.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "unpack.h"

static const EVP_MD *sha256;

void hash_load(void)
{
	EVP_MD_CTX *h;

	sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	if (!sha256)
		fail(EIO, "libcrypto has no SHA-256");
	h = hash_new(); /* what is made lazily is made now */
	EVP_MD_CTX_free(h);
}

EVP_MD_CTX *hash_new(void)
{
	EVP_MD_CTX *h = EVP_MD_CTX_new();

	if (!h)
		fail_errno(ENOMEM, "libcrypto");
	hash_reset(h);
	return h;
}

void hash_reset(EVP_MD_CTX *h)
{
	if (!EVP_DigestInit_ex2(h, sha256, NULL))
		fail(EIO, "libcrypto cannot make SHA-256");
}

void hash_add(EVP_MD_CTX *h, const void *buf, size_t n)
{
	if (!EVP_DigestUpdate(h, buf, n))
		fail(EIO, "libcrypto cannot make SHA-256");
}

void hash_zeros(EVP_MD_CTX *h, uint64_t n)
{
	static const unsigned char zeros[1 << 16];

	while (n > 0) {
		size_t k = MIN(n, sizeof zeros);

		hash_add(h, zeros, k);
		n -= k;
	}
}

void hash_end(EVP_MD_CTX *h, unsigned char ret[static 32])
{
	if (!EVP_DigestFinal_ex(h, ret, NULL))
		fail(EIO, "libcrypto cannot make SHA-256");
}

void hash_hex(const unsigned char sum[static 32], char ret[static HEX_SIZE])
{
	static const char digits[] = "0123456789abcdef";

	for (int i = 0; i < 32; i++) {
		ret[2 * i] = digits[sum[i] >> 4];
		ret[2 * i + 1] = digits[sum[i] & 15];
	}
	ret[64] = '\0';
}

/* ---- the two readers ------------------------------------------------------------ */

static la_ssize_t read_blob(struct archive *a, void *arg, const void **ret)
{
	struct stream *s = arg;
	ssize_t n;

	do
		n = read(s->fd, s->in, sizeof s->in);
	while (n < 0 && errno == EINTR);
	if (n < 0) {
		archive_set_error(a, errno, "read: %s", strerror(errno));
		return -1;
	}
	hash_add(s->blob, s->in, (size_t)n);
	s->n_blob += (uint64_t)n;
	*ret = s->in;
	return n;
}

static const char *error_of(struct archive *a)
{
	const char *text = archive_error_string(a);

	return text ? text : "not readable";
}

/* 0 at the end. A bomb ends the program. */
static size_t next_plain(struct stream *s, const void **ret)
{
	size_t n = 0;
	la_int64_t at;
	int r = archive_read_data_block(s->plain, ret, &n, &at);

	if (r == ARCHIVE_EOF)
		return 0;
	if (r != ARCHIVE_OK)
		fail(EIO, "cannot be decompressed: %s", error_of(s->plain));
	s->n_diff += n;
	if (s->n_diff > UNPACK_BYTES_MAX)
		fail(EFBIG, "more than %llu GiB once decompressed", UNPACK_BYTES_MAX >> 30);
	if (s->n_diff > UNPACK_RATIO_FREE && s->n_diff / UNPACK_RATIO_MAX > s->n_blob)
		fail(EFBIG, "a decompression bomb: more than %d bytes out of each",
		     UNPACK_RATIO_MAX);
	hash_add(s->diff, *ret, n);
	return n;
}

/*
 * The last file of what "umoci insert" writes is not filled up to a whole block, and other
 * engines take it. Only of a layer, whose digest says whether more is missing than that.
 */
static la_ssize_t read_plain(struct archive *a, void *arg, const void **ret)
{
	static const char zeros[512];
	struct stream *s = arg;
	size_t n = next_plain(s, ret), rest = (size_t)(s->n_diff % sizeof zeros);

	(void)a;
	if (n > 0 || rest == 0 || s->filled || !s->is_layer)
		return (la_ssize_t)n;
	s->filled = true;
	*ret = zeros;
	return (la_ssize_t)(sizeof zeros - rest);
}

/* Only filters that libarchive has in itself: it would run programs for others. */
static void open_plain(struct stream *s)
{
	struct archive_entry *e;
	int r = ARCHIVE_FATAL;

	s->plain = archive_read_new();
	if (s->plain && archive_read_support_filter_gzip(s->plain) == ARCHIVE_OK &&
	    archive_read_support_filter_zstd(s->plain) == ARCHIVE_OK &&
	    archive_read_support_filter_xz(s->plain) == ARCHIVE_OK &&
	    archive_read_support_filter_bzip2(s->plain) == ARCHIVE_OK &&
	    archive_read_support_format_raw(s->plain) == ARCHIVE_OK)
		r = archive_read_open(s->plain, s, NULL, read_blob, NULL);
	if (r == ARCHIVE_OK)
		r = archive_read_next_header(s->plain, &e);
	if (r != ARCHIVE_OK)
		fail(EIO, "cannot be decompressed: %s",
		     s->plain ? error_of(s->plain) : strerror(ENOMEM));
}

void stream_open(struct stream *s, int fd, bool is_layer)
{
	s->fd = fd;
	s->is_layer = is_layer;
	s->blob = hash_new();
	s->diff = hash_new();
	open_plain(s);
	s->tar = archive_read_new();
	if (!s->tar || archive_read_support_format_tar(s->tar) != ARCHIVE_OK ||
	    archive_read_open(s->tar, s, NULL, read_plain, NULL) != ARCHIVE_OK)
		fail(EIO, "not a tar archive");
}

struct archive_entry *stream_next(struct stream *s)
{
	struct archive_entry *e;
	int r = archive_read_next_header(s->tar, &e);

	if (r == ARCHIVE_EOF)
		return NULL;
	/* A warning is a header that another program may read in another way. */
	if (r != ARCHIVE_OK)
		fail(EIO, "not a sound tar archive: %s", error_of(s->tar));
	return e;
}

void stream_finish(struct stream *s)
{
	unsigned char sum[32];
	char hex[HEX_SIZE];
	const void *waste;

	while (next_plain(s, &waste) > 0)
		;
	while (read_blob(s->plain, s, &waste) > 0)
		;
	hash_end(s->blob, sum);
	hash_hex(sum, hex);
	report(WIRE_BLOB, "%s", hex);
	report(WIRE_SIZE, "%llu", (unsigned long long)s->n_blob);
	hash_end(s->diff, sum);
	hash_hex(sum, hex);
	report(WIRE_DIFF, "%s", hex);
}
