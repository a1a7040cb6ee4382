/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The entries of a tar. It comes decompressed, and somebody else hashes it on its way. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "unpack.h"

/* 0 at the end. */
static size_t read_some(struct stream *s)
{
	ssize_t n;

	do
		n = read(s->fd, s->in, sizeof s->in);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		fail_errno(errno, "read");
	s->n += (uint64_t)n;
	if (s->n > UNPACK_BYTES_MAX)
		fail(EFBIG, "more than %llu GiB once decompressed", UNPACK_BYTES_MAX >> 30);
	return (size_t)n;
}

/*
 * The last file of what "umoci insert" writes is not filled up to a whole block, and other
 * engines take it. Only of a layer, whose digest says whether more is missing than that.
 */
static la_ssize_t read_block(struct archive *a, void *arg, const void **ret)
{
	static const char zeros[512];
	struct stream *s = arg;
	size_t n = read_some(s), rest = (size_t)(s->n % sizeof zeros);

	(void)a;
	*ret = s->in;
	if (n > 0 || rest == 0 || s->filled || !s->is_layer)
		return (la_ssize_t)n;
	s->filled = true;
	*ret = zeros;
	return (la_ssize_t)(sizeof zeros - rest);
}

const char *error_of(struct archive *a)
{
	const char *text = archive_error_string(a);

	return text ? text : "not readable";
}

void stream_open(struct stream *s, int fd, bool is_layer)
{
	s->fd = fd;
	s->is_layer = is_layer;
	s->tar = archive_read_new();
	if (!s->tar || archive_read_support_format_tar(s->tar) != ARCHIVE_OK ||
	    archive_read_open(s->tar, s, NULL, read_block, NULL) != ARCHIVE_OK)
		fail(EIO, "not a tar archive");
}

/*
 * A pax header's name is not the UTF-8 that it should be, as with any tar of a tree with old
 * names in it. libarchive then has the bytes as they are, which is what GNU tar and docker take.
 */
static bool is_about_letters(struct archive *a)
{
	return strstr(error_of(a), "can't be converted from UTF-8 to ");
}

struct archive_entry *stream_next(struct stream *s)
{
	struct archive_entry *e;
	int r = archive_read_next_header(s->tar, &e);

	if (r == ARCHIVE_EOF)
		return NULL;
	/* Another warning is a header that another program may read in another way. */
	if (r != ARCHIVE_OK && !(r == ARCHIVE_WARN && is_about_letters(s->tar)))
		fail(EIO, "not a sound tar archive: %s", error_of(s->tar));
	return e;
}

void stream_finish(struct stream *s)
{
	while (read_some(s) > 0)
		;
}
