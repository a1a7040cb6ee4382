/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hello.h"

#include <errno.h>
#include <string.h>

#include "../base/macros.h"

#define RECORD_MAX 16384
#define CLIENT_HELLO 1
#define EXT_SERVER_NAME 0
#define EXT_EARLY_DATA 42
#define EXT_ECH 0xfe0d
#define EXT_ESNI 0xffce
#define SNI_HOST_NAME 0

/* The parts of the message, in their order. Names ending in _LEN and the like are numbers. */
enum step {
	MESSAGE_TYPE,
	MESSAGE_LEN,
	VERSION,
	RANDOM,
	SESSION_LEN,
	SESSION,
	CIPHERS_LEN,
	CIPHERS,
	METHODS_LEN,
	METHODS,
	LIST_LEN,
	EXTENSION_TYPE,
	EXTENSION_LEN,
	EXTENSION,
	SNI_LIST_LEN,
	SNI_TYPE,
	SNI_LEN,
	SNI_TEXT,
	WHOLE,
};

enum record_step {
	RECORD_TYPE,
	RECORD_MAJOR,
	RECORD_MINOR,
	RECORD_LEN_1,
	RECORD_LEN_2,
	IN_RECORD
};

void hello_init(struct hello *h)
{
	memset(h, 0, sizeof *h);
	h->missing = 1; /* of MESSAGE_TYPE */
	h->message_end = UINT32_MAX;
}

static void bad(struct hello *h, const char *why)
{
	h->state = HELLO_BAD;
	h->why = why;
	h->name[0] = '\0';
}

/* Next comes a number of @width bytes, which must lie before @end. */
static void read_number(struct hello *h, enum step step, uint8_t width, uint32_t end)
{
	h->step = (uint8_t)step;
	h->missing = width;
	h->number = 0;
	if (h->at + width > end)
		bad(h, "a length in the hello is wrong");
}

static void whole(struct hello *h)
{
	h->step = WHOLE;
	/* Nothing may follow before the server has answered: it would be read by nobody here. */
	if (h->record_left > 0) {
		bad(h, "a record goes on behind the hello");
		return;
	}
	h->state = h->has_sni ? HELLO_NAME : HELLO_NO_NAME;
}

static void after_extension(struct hello *h)
{
	if (h->at < h->list_end)
		read_number(h, EXTENSION_TYPE, 2, h->list_end);
	else
		whole(h);
}

static void take_name(struct hello *h)
{
	if (name_canonical(h->text, h->name_len, h->name) < 0)
		bad(h, "the name in the hello is none");
	else if (name_ends_in_number(h->name))
		bad(h, "the name in the hello is an address");
	else
		after_extension(h);
}

/* What was passed over, or copied, up to part_end is done with. */
static void part_done(struct hello *h)
{
	switch (h->step) {
	case RANDOM:
		read_number(h, SESSION_LEN, 1, h->message_end);
		break;
	case SESSION:
		read_number(h, CIPHERS_LEN, 2, h->message_end);
		break;
	case CIPHERS:
		read_number(h, METHODS_LEN, 1, h->message_end);
		break;
	case METHODS:
		/* Before there were extensions, hellos ended here. */
		if (h->at == h->message_end)
			whole(h);
		else
			read_number(h, LIST_LEN, 2, h->message_end);
		break;
	case SNI_TEXT:
		take_name(h);
		break;
	default:
		after_extension(h);
	}
}

static void read_part(struct hello *h, enum step step, uint32_t len)
{
	h->step = (uint8_t)step;
	h->part_end = h->at + len;
	if (h->part_end > h->message_end)
		bad(h, "a length in the hello is wrong");
	else if (len == 0)
		part_done(h);
}

static void begin_extension(struct hello *h, uint32_t len)
{
	if (h->at + len > h->list_end) {
		bad(h, "a length in the hello is wrong");
		return;
	}
	h->has_ech = h->has_ech || h->extension == EXT_ECH || h->extension == EXT_ESNI;
	h->has_early_data = h->has_early_data || h->extension == EXT_EARLY_DATA;
	if (h->extension != EXT_SERVER_NAME) {
		read_part(h, EXTENSION, len);
		return;
	}
	if (h->has_sni) {
		bad(h, "the hello names a server twice");
		return;
	}
	h->has_sni = true;
	h->sni_end = h->at + len;
	read_number(h, SNI_LIST_LEN, 2, h->sni_end);
}

static void begin_name(struct hello *h, uint32_t len)
{
	if (h->at + len > h->sni_end)
		bad(h, "a length in the hello is wrong");
	else if (h->at + len < h->sni_end)
		bad(h, "the hello names a server twice");
	else if (len == 0 || len > sizeof h->text)
		bad(h, "the name in the hello is none");
	else
		read_part(h, SNI_TEXT, len);
}

static void number_done(struct hello *h)
{
	uint32_t v = h->number;

	switch (h->step) {
	case MESSAGE_TYPE:
		read_number(h, MESSAGE_LEN, 3, UINT32_MAX);
		if (v != CLIENT_HELLO)
			bad(h, "the first message is no hello");
		break;
	case MESSAGE_LEN:
		h->at = 0;
		h->message_end = v;
		read_number(h, VERSION, 2, v);
		if (v > HELLO_MESSAGE_MAX)
			bad(h, "the hello is too long");
		break;
	case VERSION:
		read_part(h, RANDOM, 32);
		if (v >> 8 != 3)
			bad(h, "the hello is of no version of TLS");
		break;
	case SESSION_LEN:
		read_part(h, SESSION, v);
		if (v > 32)
			bad(h, "a length in the hello is wrong");
		break;
	case CIPHERS_LEN:
		read_part(h, CIPHERS, v);
		if (v < 2 || v % 2)
			bad(h, "a length in the hello is wrong");
		break;
	case METHODS_LEN:
		read_part(h, METHODS, v);
		if (v < 1)
			bad(h, "a length in the hello is wrong");
		break;
	case LIST_LEN:
		h->list_end = h->at + v;
		if (h->list_end != h->message_end)
			bad(h, "a length in the hello is wrong");
		else
			after_extension(h);
		break;
	case EXTENSION_TYPE:
		h->extension = (uint16_t)v;
		read_number(h, EXTENSION_LEN, 2, h->list_end);
		break;
	case EXTENSION_LEN:
		begin_extension(h, v);
		break;
	case SNI_LIST_LEN:
		read_number(h, SNI_TYPE, 1, h->sni_end);
		if (h->at + v != h->sni_end)
			bad(h, "a length in the hello is wrong");
		break;
	case SNI_TYPE:
		read_number(h, SNI_LEN, 2, h->sni_end);
		if (v != SNI_HOST_NAME)
			bad(h, "the hello names something that is no host");
		break;
	default:
		begin_name(h, v);
	}
}

/* One byte of the message, or as many as are passed over at once. Returns how many. */
static size_t in_message(struct hello *h, const uint8_t *bytes, size_t n)
{
	uint32_t run = h->missing > 0 ? 1 : h->part_end - h->at;

	if (run > n)
		run = (uint32_t)n;
	if (run > h->record_left)
		run = h->record_left;
	h->record_left -= run;
	if (h->step == SNI_TEXT) {
		memcpy(h->text + h->name_len, bytes, run);
		h->name_len = (uint16_t)(h->name_len + run);
	}
	h->at += run;
	if (h->missing > 0) {
		h->number = h->number << 8 | bytes[0];
		if (--h->missing == 0)
			number_done(h);
	} else if (h->at == h->part_end) {
		part_done(h);
	}
	return run;
}

static void in_header(struct hello *h, uint8_t byte)
{
	switch (h->record_step) {
	case RECORD_TYPE:
		if (byte & 0x80 && h->raw == 0)
			bad(h, "no TLS, or a hello of SSL 2");
		else if (byte != HELLO_RECORD_HANDSHAKE)
			bad(h, h->raw == 0 ? "no TLS" : "another record within the hello");
		break;
	case RECORD_MAJOR:
		if (byte != 3)
			bad(h, "no TLS");
		break;
	case RECORD_MINOR:
		if (byte > 4)
			bad(h, "no TLS");
		break;
	case RECORD_LEN_1:
		h->record_left = (uint32_t)byte << 8;
		break;
	default:
		h->record_left |= byte;
		if (h->record_left == 0 || h->record_left > RECORD_MAX)
			bad(h, "the length of a record is wrong");
	}
	h->record_step++;
}

enum hello_state hello_feed(struct hello *h, const void *bytes, size_t n, size_t *ret_used)
{
	const uint8_t *p = bytes;
	size_t used = 0;

	while (used < n && h->state == HELLO_MORE) {
		size_t run = 1;

		if (h->record_step < IN_RECORD)
			in_header(h, p[used]);
		else
			run = in_message(h, p + used, MIN(n - used, HELLO_MAX - h->raw));
		if (h->record_step == IN_RECORD && h->record_left == 0)
			h->record_step = RECORD_TYPE;
		used += run;
		h->raw += (uint32_t)run;
		if (h->raw == HELLO_MAX && h->state == HELLO_MORE)
			bad(h, "the hello is too long");
	}
	*ret_used = used;
	return h->state;
}

int hello_asks_again(const uint8_t *reply, size_t n)
{
	/* SHA-256 of "HelloRetryRequest": RFC 8446, 4.1.3. */
	static const uint8_t random[32] = {
		0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c,
		0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb,
		0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
	};
	const size_t at = HELLO_RECORD_HEADER + 4 + 2;

	if (n > 0 && reply[0] != HELLO_RECORD_HANDSHAKE)
		return 0;
	if (n > at && memcmp(reply + at, random, MIN(n - at, sizeof random)) != 0)
		return 0;
	return n >= at + sizeof random ? 1 : -EAGAIN;
}
