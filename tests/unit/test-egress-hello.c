/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names in hellos: made here byte by byte, cut in every way, and lied in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "egress/authority.h"
#include "egress/hello.h"

struct bytes {
	uint8_t v[65536];
	size_t n;
};

static void put(struct bytes *b, unsigned int v, int width)
{
	while (width-- > 0)
		b->v[b->n++] = (uint8_t)(v >> 8 * width);
}

static void put_bytes(struct bytes *b, const void *p, size_t n)
{
	memcpy(b->v + b->n, p, n);
	b->n += n;
}

static void put_extension(struct bytes *b, unsigned int type, const void *p, size_t n)
{
	put(b, type, 2);
	put(b, (unsigned int)n, 2);
	put_bytes(b, p, n);
}

static void put_sni(struct bytes *b, const char *name, size_t n)
{
	put(b, 0, 2);
	put(b, (unsigned int)n + 5, 2);
	put(b, (unsigned int)n + 3, 2);
	put(b, 0, 1);
	put(b, (unsigned int)n, 2);
	put_bytes(b, name, n);
}

/* The message around @extensions; NULL: a hello of before there were any. */
static void put_message(struct bytes *b, const struct bytes *extensions)
{
	struct bytes *body = calloc(1, sizeof *body);

	put(body, 0x0303, 2);
	for (int i = 0; i < 32; i++)
		put(body, (unsigned int)i, 1);
	put(body, 32, 1);
	for (int i = 0; i < 32; i++)
		put(body, 0xaa, 1);
	put(body, 4, 2);
	put(body, 0x0a0a, 2); /* GREASE */
	put(body, 0x1301, 2);
	put(body, 1, 1);
	put(body, 0, 1);
	if (extensions) {
		put(body, (unsigned int)extensions->n, 2);
		put_bytes(body, extensions->v, extensions->n);
	}
	put(b, 1, 1);
	put(b, (unsigned int)body->n, 3);
	put_bytes(b, body->v, body->n);
	free(body);
}

/* In records of at most @size bytes. */
static void put_records(struct bytes *b, const struct bytes *message, size_t size)
{
	for (size_t at = 0; at < message->n; at += size) {
		size_t n = MIN(size, message->n - at);

		put(b, 0x160301, 3);
		put(b, (unsigned int)n, 2);
		put_bytes(b, message->v + at, n);
	}
}

static struct bytes wire; /* the hello that a test made last */

static void make(const struct bytes *extensions, size_t record)
{
	static struct bytes message;

	message.n = wire.n = 0;
	put_message(&message, extensions);
	put_records(&wire, &message, record);
}

static struct hello h;

/* Reads what was made, @step bytes at a time; what was used must be the same. */
static enum hello_state read_in(size_t step)
{
	size_t total = 0, used;
	enum hello_state s = HELLO_MORE;

	hello_init(&h);
	for (size_t at = 0; at < wire.n && s == HELLO_MORE; at += step) {
		s = hello_feed(&h, wire.v + at, MIN(step, wire.n - at), &used);
		total += used;
		assert_true(s != HELLO_MORE || used == MIN(step, wire.n - at));
	}
	if (s == HELLO_NAME || s == HELLO_NO_NAME)
		assert_int_equal(total, h.raw);
	return s;
}

static void assert_reads(enum hello_state wanted, const char *name)
{
	static const size_t steps[] = {1, 2, 3, 5, 7, 64, 1000, 65536};

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		enum hello_state s = read_in(steps[i]);

		if (s != wanted)
			print_message("%s\n", s == HELLO_BAD ? h.why : h.name);
		assert_int_equal(s, wanted);
		assert_string_equal(h.name, name ? name : "");
		assert_int_equal(h.why != NULL, wanted == HELLO_BAD);
	}
}

static struct bytes ext;

static void with_name(const char *name, size_t n)
{
	ext.n = 0;
	put_extension(&ext, 0x2a2a, "", 0); /* GREASE */
	put_sni(&ext, name, n);
	put_extension(&ext, 16, "\0\x0c\x02h2\x08http/1.1", 14); /* ALPN */
	put_extension(&ext, 21, "\0\0\0\0\0\0\0", 7);		 /* padding */
	make(&ext, 16384);
}

#define GOOD(text, canonical) \
	(with_name(text, sizeof(text) - 1), assert_reads(HELLO_NAME, canonical))
#define REFUSED(text) (with_name(text, sizeof(text) - 1), assert_reads(HELLO_BAD, NULL))

static void test_names(void **state)
{
	char text[300];

	(void)state;
	GOOD("example.com", "example.com");
	GOOD("EXAMPLE.Com", "example.com");
	GOOD("example.com.", "example.com");
	GOOD("xn--bcher-kva.example", "xn--bcher-kva.example");
	GOOD("_x.example", "_x.example");
	GOOD("localhost", "localhost");
	REFUSED("");
	REFUSED(".");
	REFUSED("example..com");
	REFUSED(".example.com");
	REFUSED("example.com..");
	REFUSED("example.com\0.evil.example");
	REFUSED("exa mple.com");
	REFUSED("example.com:443");
	REFUSED("b\xc3\xbc"
		"cher.example");
	REFUSED("*.example.com");
	REFUSED("192.0.2.1");
	REFUSED("192.0.2.1.");
	REFUSED("2001:db8::1");
	REFUSED("[2001:db8::1]");
	REFUSED("0x7f000001");
	REFUSED("127.1");
	REFUSED("1.2.3.0x4");
	memset(text, 'a', sizeof text);
	for (size_t i = 63; i < 253; i += 64)
		text[i] = '.';
	with_name(text, 253);
	assert_int_equal(read_in(1), HELLO_NAME);
	text[253] = '.';
	with_name(text, 254);
	assert_int_equal(read_in(1), HELLO_NAME);
	assert_int_equal(strlen(h.name), 253);
	text[253] = 'a';
	with_name(text, 254);
	assert_reads(HELLO_BAD, NULL);
	with_name(text, 255);
	assert_reads(HELLO_BAD, NULL);
	with_name(text, 300);
	assert_reads(HELLO_BAD, NULL);
	text[63] = 'a';
	with_name(text, 200);
	assert_reads(HELLO_BAD, NULL);
}

static void test_records(void **state)
{
	(void)state;
	with_name("example.com", 11);
	for (size_t size = 1; size < 300; size++) {
		make(&ext, size);
		assert_int_equal(read_in(1), HELLO_NAME);
		assert_int_equal(read_in(size + 7), HELLO_NAME);
		assert_string_equal(h.name, "example.com");
		assert_int_equal(h.raw, wire.n);
	}
	/* What is behind the hello, in records of its own, is not read. */
	make(&ext, 16384);
	put(&wire, 0x160301, 3);
	put(&wire, 1, 2);
	put(&wire, 0, 1);
	assert_int_equal(read_in(65536), HELLO_NAME);
	assert_int_equal(h.raw, wire.n - 6);
	/* In its own record it would be. */
	make(&ext, 16384);
	wire.v[4]++;
	put(&wire, 1, 1);
	assert_reads(HELLO_BAD, NULL);
	/* An empty record, one that is too long, one of another type within. */
	make(&ext, 16384);
	wire.v[3] = wire.v[4] = 0;
	assert_reads(HELLO_BAD, NULL);
	make(&ext, 16384);
	wire.v[3] = 0x40, wire.v[4] = 1;
	assert_reads(HELLO_BAD, NULL);
	make(&ext, 10);
	wire.v[15] = 23;
	assert_reads(HELLO_BAD, NULL);
}

static void test_extensions(void **state)
{
	static uint8_t big[15000];

	(void)state;
	make(NULL, 16384);
	assert_reads(HELLO_NO_NAME, NULL);
	ext.n = 0;
	make(&ext, 16384);
	assert_reads(HELLO_NO_NAME, NULL);
	put_extension(&ext, 43, "\x02\x03\x04", 3);
	make(&ext, 16384);
	assert_reads(HELLO_NO_NAME, NULL);
	assert_false(h.has_ech || h.has_early_data);
	/* ECH: the outer name counts, and that there is one is said. */
	put_sni(&ext, "outer.example", 13);
	put_extension(&ext, 0xfe0d, big, 200);
	put_extension(&ext, 42, "", 0);
	put_extension(&ext, 41, big, 300);
	make(&ext, 16384);
	assert_reads(HELLO_NAME, "outer.example");
	assert_true(h.has_ech && h.has_early_data);
	/* Twice, even if it is the same. */
	put_sni(&ext, "outer.example", 13);
	make(&ext, 16384);
	assert_reads(HELLO_BAD, NULL);
	/* Large, as keys of after the quantum computer are; and too large. */
	ext.n = 0;
	put_extension(&ext, 51, big, sizeof big);
	put_sni(&ext, "far.example", 11);
	make(&ext, 500);
	assert_reads(HELLO_NAME, "far.example");
	put_extension(&ext, 21, big, 2000);
	make(&ext, 500);
	assert_reads(HELLO_BAD, NULL);
	/* Records so small that their headers are too much. */
	ext.n = 0;
	put_extension(&ext, 51, big, 4000);
	put_sni(&ext, "far.example", 11);
	make(&ext, 1);
	assert_reads(HELLO_BAD, NULL);
}

/* @bytes of a server_name extension, as they are. */
static void raw_sni(const char *bytes, size_t n)
{
	ext.n = 0;
	put_extension(&ext, 0, bytes, n);
	put_extension(&ext, 43, "\x02\x03\x04", 3);
	make(&ext, 16384);
}
#define RAW_SNI(text) raw_sni(text, sizeof(text) - 1)

static void test_lies(void **state)
{
	(void)state;
	RAW_SNI("\0\x06\0\0\x03"
		"abc");
	assert_reads(HELLO_NAME, "abc");
	RAW_SNI("");
	assert_reads(HELLO_BAD, NULL);
	RAW_SNI("\0");
	assert_reads(HELLO_BAD, NULL);
	RAW_SNI("\0\0");
	assert_reads(HELLO_BAD, NULL);
	RAW_SNI("\0\x07\0\0\x03"
		"abc"); /* the list */
	assert_reads(HELLO_BAD, NULL);
	RAW_SNI("\0\x05\0\0\x03"
		"abc");
	assert_reads(HELLO_BAD, NULL);
	RAW_SNI("\0\x06\0\0\x04"
		"abc"); /* the name */
	assert_reads(HELLO_BAD, NULL);
	RAW_SNI("\0\x06\0\0\x02"
		"abc");
	assert_reads(HELLO_BAD, NULL);
	RAW_SNI("\0\x06\x01\0\x03"
		"abc"); /* no host_name */
	assert_reads(HELLO_BAD, NULL);
	RAW_SNI("\0\x0c\0\0\x03"
		"abc\0\0\x03"
		"abc"); /* two of them */
	assert_reads(HELLO_BAD, NULL);
	/* Each length around it, off by one. Places: record 3, message 6, session 43, ... */
	static const size_t lengths[] = {4, 8, 43, 77, 82, 85, 89};

	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++)
		for (int off = -1; off <= 1; off += 2) {
			RAW_SNI("\0\x06\0\0\x03"
				"abc");
			wire.v[lengths[i]] = (uint8_t)(wire.v[lengths[i]] + off);
			/* It may wait for more, but never has it a name. */
			assert_int_not_equal(read_in(1), HELLO_NAME);
			assert_int_not_equal(read_in(65536), HELLO_NAME);
		}
}

static void test_others(void **state)
{
	static const char *const others[] = {
		"GET / HTTP/1.1\r\n", "SSH-2.0-x\r\n", "\x16\x02\x01",
		"\x16\x03\x05",	      "\x17\x03\x01",  "\x80\x2e\x01\x03\x01",
		"\x15\x03\x01",	      "\x16\xfe\xfd",  "\x16\x03\x01\x01\x01\x02",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		wire.n = 0;
		/* Long enough that only its first bytes can be what is wrong. */
		put_bytes(&wire, others[i], strlen(others[i]));
		for (int k = 0; k < 400; k++)
			put(&wire, 1, 1);
		assert_reads(HELLO_BAD, NULL);
	}
	with_name("example.com", 11);
	for (size_t n = 0; n < h.raw; n++) {
		size_t whole = wire.n;

		wire.n = n;
		assert_int_equal(read_in(65536), HELLO_MORE);
		wire.n = whole;
	}
}

/* Changed at random: the verdict and the bytes used do not depend on how it was cut. */
static void test_mutations(void **state)
{
	unsigned int names = 0, seed = 20261;
	const int rounds = 60000;

	(void)state;
	for (int i = 0; i < rounds; i++) {
		struct hello first;
		enum hello_state s, t = HELLO_MORE;
		size_t at = 0, used;

		with_name("example.com", 11);
		if (i % 3 == 0)
			make(&ext, 1 + (size_t)rand_r(&seed) % 90);
		for (int k = rand_r(&seed) % 4; k > 0; k--)
			wire.v[(size_t)rand_r(&seed) % wire.n] = (uint8_t)rand_r(&seed);
		if (i % 7 == 0)
			wire.n = (size_t)rand_r(&seed) % wire.n;
		s = read_in(65536);
		first = h;
		hello_init(&h);
		while (at < wire.n && t == HELLO_MORE) {
			size_t any = 1 + (size_t)rand_r(&seed) % 40,
			       n = MIN(any, wire.n - at);
			/* Its own memory, so that a read beyond it is seen. */
			uint8_t *copy = malloc(n);

			memcpy(copy, wire.v + at, n);
			t = hello_feed(&h, copy, n, &used);
			at += used;
			free(copy);
		}
		assert_int_equal(s, t);
		assert_int_equal(first.raw, h.raw);
		assert_string_equal(first.name, h.name);
		names += s == HELLO_NAME;
	}
	assert_in_range(names, rounds / 10, rounds - 1);
}

static void test_authority(void **state)
{
	struct authority a;
	static const char *const wrong[] = {
		"",	 ":80",		"a:",	     "a:0",	   "a:65536",	"a:80x",
		"a:+80", "user@a",	"a b",	     "[::1",	   "[::1]x",	"[::1%lo]",
		"::1",	 "[192.0.2.1]", "010.0.0.1", "1.2.3",	   "1.2.3.4.5", "a..b",
		"a/b",	 "[]",		"a:80:80",   "0x1.2.3.4.",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		if (authority_parse(wrong[i], strlen(wrong[i]), &a) == 0)
			fail_msg("%s", wrong[i]);
	assert_int_equal(authority_parse("A.example.:8080", 15, &a), 0);
	assert_string_equal(a.name, "a.example");
	assert_int_equal(a.port, 8080);
	assert_int_equal(authority_parse("192.0.2.1:80", 12, &a), 0);
	assert_string_equal(a.name, "");
	assert_memory_equal(a.address, "\xc0\0\x02\x01", 4);
	assert_int_equal(authority_parse("[2001:db8::1]", 13, &a), 0);
	assert_memory_equal(a.address, "\x20\x01\x0d\xb8", 4);
	assert_int_equal(a.port, 0);
	assert_int_equal(authority_parse("a\0b", 3, &a), -22);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),	   cmocka_unit_test(test_records),
		cmocka_unit_test(test_extensions), cmocka_unit_test(test_lies),
		cmocka_unit_test(test_others),	   cmocka_unit_test(test_mutations),
		cmocka_unit_test(test_authority),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
