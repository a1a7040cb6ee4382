/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The name in a TLS ClientHello, read byte by byte as bytes come: no buffer of its own, no
 * allocation, and the same verdict however the bytes were cut into packets and records.
 *
 * What servers may understand differently is refused rather than guessed at: a name that
 * is there twice, lengths that do not agree, a message that goes on behind the hello.
 *
 * Rejected: waiting for a whole record and parsing that. A hello may be split over many
 * records, so that needs a second buffer, and then a test for each place of a cut.
 */
#ifndef CIS_EGRESS_HELLO_H
#define CIS_EGRESS_HELLO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "name.h"

/* The message, and what records around it may come to: hellos are 200 to 2000 bytes. */
#define HELLO_MESSAGE_MAX 16384
#define HELLO_MAX 20480

/* How records begin, and how long they may be. */
#define HELLO_RECORD_HEADER 5
#define HELLO_RECORD_CHANGE_CIPHER 20
#define HELLO_RECORD_HANDSHAKE 22
#define HELLO_RECORD_DATA 23
#define HELLO_RECORD_MAX (16384 + 256)

enum hello_state {
	HELLO_MORE,
	HELLO_NAME,    /* the hello is whole, and has one good name */
	HELLO_NO_NAME, /* it is whole, and has none */
	HELLO_BAD,
};

struct hello {
	/* Results. */
	char name[NAME_MAX_LEN + 1]; /* canonical */
	bool has_ech;	     /* encrypted_client_hello, real or GREASE: nobody can tell */
	bool has_early_data; /* bytes behind it may be 0-RTT */
	const char *why;     /* of BAD: a literal */

	/* Where the reader is. */
	enum hello_state state;
	uint8_t step, missing; /* bytes of the number being read */
	uint8_t record_step;
	bool has_sni;
	uint16_t extension;
	uint32_t number, raw;	  /* bytes seen, headers of records included */
	uint32_t record_left, at; /* of the record; into the message */
	uint32_t message_end, list_end, part_end, sni_end; /* places in the message */
	uint16_t name_len;
	char text[NAME_MAX_LEN + 2]; /* as it came; one more for a dot at the end */
};

void hello_init(struct hello *h);

/*
 * Takes the next bytes. @ret_used: how many were part of the hello; all of them while MORE
 * is the answer, up to its last one when it is whole. The answer then stays what it is.
 */
enum hello_state hello_feed(struct hello *h, const void *bytes, size_t n, size_t *ret_used);

/*
 * Whether a server's first bytes are a HelloRetryRequest: 1, 0, or -EAGAIN as long as these
 * may yet become one.
 */
int hello_asks_again(const uint8_t *reply, size_t n);

#endif
