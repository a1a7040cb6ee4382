/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Decompresses, from one descriptor to another. A program of its own, for a layer's name is
 * the hash of what comes out here, and is to be made by somebody who never saw what went in.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "unpack.h"

struct plain {
	int in;
	uint64_t n_in, n_out;
	struct archive *archive;
	unsigned char buf[1 << 16];
};

static la_ssize_t read_in(struct archive *a, void *arg, const void **ret)
{
	struct plain *p = arg;
	ssize_t n;

	do
		n = read(p->in, p->buf, sizeof p->buf);
	while (n < 0 && errno == EINTR);
	if (n < 0) {
		archive_set_error(a, errno, "read: %s", strerror(errno));
		return -1;
	}
	p->n_in += (uint64_t)n;
	*ret = p->buf;
	return n;
}

/* Only filters that libarchive has in itself: it would run programs for others. */
static void open_archive(struct plain *p)
{
	struct archive_entry *e;
	int r = ARCHIVE_FATAL;

	p->archive = archive_read_new();
	if (p->archive && archive_read_support_filter_gzip(p->archive) == ARCHIVE_OK &&
	    archive_read_support_filter_zstd(p->archive) == ARCHIVE_OK &&
	    archive_read_support_filter_xz(p->archive) == ARCHIVE_OK &&
	    archive_read_support_filter_bzip2(p->archive) == ARCHIVE_OK &&
	    archive_read_support_format_raw(p->archive) == ARCHIVE_OK)
		r = archive_read_open(p->archive, p, NULL, read_in, NULL);
	if (r == ARCHIVE_OK)
		r = archive_read_next_header(p->archive, &e);
	if (r != ARCHIVE_OK)
		fail(EIO, "cannot be decompressed: %s",
		     p->archive ? error_of(p->archive) : strerror(ENOMEM));
}

static void check_amount(const struct plain *p)
{
	if (p->n_out > UNPACK_BYTES_MAX)
		fail(EFBIG, "more than %llu GiB once decompressed", UNPACK_BYTES_MAX >> 30);
	if (p->n_out > UNPACK_RATIO_FREE && p->n_out / UNPACK_RATIO_MAX > p->n_in)
		fail(EFBIG, "a decompression bomb: more than %d bytes out of each",
		     UNPACK_RATIO_MAX);
}

void plain_pass(int in, int out)
{
	static struct plain p;
	const void *buf, *waste;
	la_int64_t at;
	size_t n;
	int r;

	p.in = in;
	open_archive(&p);
	while ((r = archive_read_data_block(p.archive, &buf, &n, &at)) == ARCHIVE_OK) {
		p.n_out += n;
		check_amount(&p);
		r = io_write_all(out, buf, n);
		if (r < 0)
			fail_errno(-r, "pass on what was decompressed");
	}
	if (r != ARCHIVE_EOF)
		fail(EIO, "cannot be decompressed: %s", error_of(p.archive));
	/* What follows is of no use, but counts in the digest. */
	while (read_in(p.archive, &p, &waste) > 0)
		;
}
