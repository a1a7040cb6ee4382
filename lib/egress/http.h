/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Follows what a client sends on an HTTP/1 connection, so that the Host of each request is
 * known before a byte of it leaves: also of the second and the hundredth, which a gate that
 * looks at the first only would let go anywhere. For that it must know where a body ends
 * exactly as the server does, so what two programs may read in two ways is refused.
 *
 *	h->state  what the bytes so far are; http_feed() says how many it took
 *	MORE      the head (or a line of chunks) is not whole: keep what was not let go
 *	REQUEST   a head is whole; ask about h->host, then feed on. All taken may leave
 *	PASS      all taken may leave; then http_passes() bytes may go unread: http_skip()
 *	UPGRADE   nothing may be read until the server has answered: http_answered()
 *	RAW       it speaks another protocol, agreed on with the server: the rest may go
 *	BAD       nothing that was not let go may ever leave
 *
 * No buffer of its own but for the values that matter, no allocation; the same verdict
 * however bytes are cut.
 */
#ifndef CIS_EGRESS_HTTP_H
#define CIS_EGRESS_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "authority.h"

#define HTTP_HEAD_MAX 16384
#define HTTP_LINE_MAX 256 /* of the size of a chunk, with its extensions */
#define HTTP_VALUE_MAX 320

enum http_state { HTTP_MORE, HTTP_REQUEST, HTTP_PASS, HTTP_UPGRADE, HTTP_RAW, HTTP_BAD };

struct http {
	/* Results. */
	struct authority host; /* of the request whose head is whole */
	const char *why;       /* of BAD: a literal */
	uint32_t requests;     /* heads that were whole */

	/* Where the reader is. */
	uint8_t step, field;
	bool is_bad, is_http10, in_trailers;
	bool has_host, has_target_host, has_length, is_chunked, wants_upgrade;
	uint32_t head_len;  /* of the head or the trailers; or of a chunk's line */
	uint64_t length;    /* of the body, as its head says */
	uint64_t body_left; /* of it, or of its chunk */
	struct authority target;
	uint32_t text_len; /* seen of what is in text, which keeps the first of it */
	char method[24];
	char text
		[HTTP_VALUE_MAX]; /* method, target, version, name of a field, or its value */
};

void http_init(struct http *h);

enum http_state http_feed(struct http *h, const void *bytes, size_t n, size_t *ret_used);

/* Of a body, and how many of them have gone without being fed. */
uint64_t http_passes(const struct http *h);
void http_skip(struct http *h, uint64_t n);

/* After UPGRADE: whether the server's first line said 101. */
void http_answered(struct http *h, bool is_101);

/*
 * The first bytes that the server sends. 1: they say 101; 0: they do not; -EAGAIN: too few.
 */
int http_is_101(const void *bytes, size_t n);

#endif
