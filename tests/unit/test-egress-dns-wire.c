/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Messages of DNS: names and data, read and written within their bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

#include "egress-dns-expect.h"
#include "egress-dns.h"

/* ---- names and messages ------------------------------------------------------------ */

static void test_names_are_read(void **state)
{
	static const struct {
		const char *what, *bytes; /* after twelve bytes of header */
		size_t n, at;		  /* where the name is, from there */
		const char *text;	  /* NULL: refused; "!": read, but has no text */
		size_t end;
	} cases[] = {
		{"the root", "\0", 1, 0, "", 1},
		{"two labels", "\3www\2ab\0x", 9, 0, "www.ab", 8},
		{"folded", "\3WwW\2aB\0", 8, 0, "www.ab", 8},
		{"a pointer back", "\2ab\0\1c\300\14", 8, 4, "c.ab", 8},
		{"a pointer alone", "\2ab\0\300\14", 6, 4, "ab", 6},
		{"pointers in a row", "\2ab\0\300\14\300\20", 8, 6, "ab", 8},
		{"a pointer to itself", "\300\14", 2, 0, NULL, 0},
		{"a pointer ahead", "\300\16\2ab\0", 6, 0, NULL, 0},
		{"two that point at each other", "\300\16\300\14", 4, 2, NULL, 0},
		{"a label before itself", "\1a\300\14", 4, 0, NULL, 0},
		{"a pointer into the header", "\300\2\0\0", 4, 0, NULL, 0},
		{"half a pointer", "\2ab\300", 4, 0, NULL, 0},
		{"a pointer past the end", "\2ab\0\303\377", 6, 4, NULL, 0},
		{"reserved bits 01", "\101a\0", 3, 0, NULL, 0},
		{"reserved bits 10", "\201a\0", 3, 0, NULL, 0},
		{"a label past the end", "\5ab\0", 4, 0, NULL, 0},
		{"no end", "\2ab", 3, 0, NULL, 0},
		{"nothing", "", 0, 0, NULL, 0},
		{"a dot in a label", "\3a.b\0", 5, 0, "!", 5},
		{"a NUL in a label", "\3a\0b\0", 5, 0, "!", 5},
		{"a blank", "\3a b\0", 5, 0, "!", 5},
		{"UTF-8", "\2\303\251\0", 4, 0, "!", 4},
		{"an asterisk", "\1*\2ab\0", 6, 0, "!", 6},
		{"an underline", "\4_tcp\2ab\0", 9, 0, "_tcp.ab", 9},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		size_t n = 12 + cases[i].n, at = 12 + cases[i].at;
		char text[DNS_NAME_TEXT_MAX + 1] = "?";
		uint8_t *bytes = calloc(1, n);
		const struct dns_message m = {bytes, n};
		struct dns_name name;

		memcpy(bytes + 12, cases[i].bytes, cases[i].n);
		int r = dns_read_name(&m, &at, &name);
		if ((r == 0) != (cases[i].text != NULL))
			fail_msg("%s: %d", cases[i].what, r);
		if (!r) {
			assert_int_equal(at, 12 + cases[i].end);
			r = dns_name_text(&name, text);
			if (strcmp(cases[i].text, r < 0 ? "!" : text))
				fail_msg("%s: %d %s", cases[i].what, r, text);
		} else {
			assert_int_equal(at, 12 + cases[i].at);
		}
		free(bytes);
	}
}

static void test_names_have_bounds(void **state)
{
	uint8_t bytes[12 + 700] = {0};
	struct dns_name name;
	char text[DNS_NAME_TEXT_MAX + 1];
	size_t at = 12;

	(void)state;
	/* 127 labels of one byte are 255 bytes with the root; 128 are too many. */
	for (int i = 0; i < 300; i++)
		memcpy(bytes + 12 + 2 * i, "\1a", 2);
	assert_int_equal(dns_read_name(&(struct dns_message){bytes, 12 + 601}, &at, &name),
			 -EBADMSG);
	bytes[12 + 2 * 127] = 0;
	assert_int_equal(dns_read_name(&(struct dns_message){bytes, 12 + 255}, &at, &name),
			 0);
	assert_int_equal(name.len, 255);
	assert_int_equal(dns_name_text(&name, text), 0);
	assert_int_equal(strlen(text), 253);
	memcpy(bytes + 12 + 2 * 127, "\1a", 3);
	at = 12;
	assert_int_equal(dns_read_name(&(struct dns_message){bytes, 12 + 257}, &at, &name),
			 -EBADMSG);
	/* One byte too many, by a pointer: 126 labels, then one of two bytes before. */
	memset(bytes, 0, sizeof bytes);
	memcpy(bytes + 12, "\2ab", 4);
	for (int i = 0; i < 126; i++)
		memcpy(bytes + 16 + 2 * i, "\1a", 2);
	memcpy(bytes + 16 + 2 * 126, "\300\14", 2);
	at = 16;
	assert_int_equal(dns_read_name(&(struct dns_message){bytes, sizeof bytes}, &at,
				       &name),
			 -EBADMSG);
	at = 18;
	assert_int_equal(dns_read_name(&(struct dns_message){bytes, sizeof bytes}, &at,
				       &name),
			 0);
	assert_int_equal(name.len, 254);
}

static void test_names_are_escaped_and_compared(void **state)
{
	struct dns_name odd = {.len = 8, .wire = "\6a.\0\"\n\\"};
	struct dns_name a = name_of("www.Example.com"), b = name_of("EXAMPLE.com");
	struct dns_name c = name_of("xample.com"), root = name_of("");
	char text[DNS_NAME_ESCAPED_MAX + 1];

	(void)state;
	dns_name_escape(&odd, text);
	assert_string_equal(text, "a\\046\\000\\034\\010\\092");
	dns_name_escape(&root, text);
	assert_string_equal(text, ".");
	/* The longest there is. */
	struct dns_name full = {.len = 255};
	memset(full.wire, 0xff, 254);
	for (size_t i = 0; i < 4; i++)
		full.wire[64 * i] = i < 3 ? 63 : 61;
	dns_name_escape(&full, text);
	assert_int_equal(strlen(text), 250 * 4 + 3);
	assert_true(dns_name_is_in(&a, &b));
	assert_true(dns_name_is_in(&a, &a));
	assert_true(dns_name_is_in(&a, &root));
	assert_false(dns_name_is_in(&b, &a));
	assert_false(dns_name_is_in(&a, &c));
	assert_false(dns_name_equals(&b, &c));
}

static void test_data_is_rebuilt(void **state)
{
	static const struct {
		uint16_t type;
		const char *bytes;
		size_t n;
		int is; /* 0: as it was; 1: shortened; else -errno */
		size_t len;
	} cases[] = {
		{DNS_A, "\1\2\3\4", 4, 0, 4},
		{DNS_A, "\1\2\3\4\5", 5, -EBADMSG, 0},
		{DNS_A, "\1\2\3", 3, -EBADMSG, 0},
		{DNS_AAAA, "0123456789abcdef", 16, 0, 16},
		{DNS_AAAA, "0123456789abcde", 15, -EBADMSG, 0},
		{DNS_CNAME, "\1a\0", 3, 0, 3},
		{DNS_CNAME, "\1a\0b", 4, -EBADMSG, 0},
		{DNS_CNAME, "\1a", 2, -EBADMSG, 0},
		{DNS_MX, "\0\1\1a\0", 5, 0, 5},
		{DNS_MX, "\0\1", 2, -EBADMSG, 0},
		{DNS_MX, "\0", 1, -EBADMSG, 0},
		{DNS_SRV, "\0\1\0\1\0\1\1a\0", 9, 0, 9},
		{DNS_SOA,
		 "\1a\0\1b\0"
		 "0123456789abcdefghij",
		 26, 0, 26},
		{DNS_SOA,
		 "\1a\0\1b\0"
		 "0123456789abcdefghi",
		 25, -EBADMSG, 0},
		{DNS_TXT, "\1a\2bc", 5, 0, 5},
		{DNS_TXT, "\0", 1, 0, 1},
		{DNS_TXT, "", 0, -EBADMSG, 0},
		{DNS_TXT, "\1a\3bc", 5, -EBADMSG, 0},
		{DNS_CAA, "\0\5issuex", 8, 0, 8},
		{DNS_CAA, "\0\7issue", 7, -EBADMSG, 0},
		{DNS_CAA, "\0", 1, -EBADMSG, 0},
		{DNS_DS, "\0\1\10\2hash", 8, 0, 8},
		{DNS_DS, "\0\1\10", 3, -EBADMSG, 0},
		{DNS_RRSIG, "0123456789abcdefgh\1a\0sig", 24, 0, 24},
		{DNS_RRSIG, "0123456789abcdefg", 17, -EBADMSG, 0},
		{DNS_HTTPS, "\0\0\1a\0", 5, 0, 5},
		{DNS_HTTPS, "\0\0\1a\0\0\1\0\0", 9, 1, 5},
		{DNS_HTTPS, "\0\1\0\0\1\0\3\2h2", 10, 0, 10},
		{DNS_HTTPS, "\0\1\0\0\1\0\3\2h2\0\4\0\4\1\2\3\4", 18, 1, 10},
		{DNS_HTTPS, "\0\1\0\0\4\0\4\1\2\3\4\0\5\0\1e\0\6\0\0\0\7\0\1d", 25, 1, 8},
		{DNS_HTTPS, "\0\1\0\0\0\0\2\0\3\0\3\0\2\0\120", 15, 0, 15},
		{DNS_HTTPS, "\0\1\0\0\0\0\2\0\4\0\4\0\4\1\2\3\4", 17, -ENOENT, 0},
		{DNS_HTTPS, "\0\1\0\0\0\0\1\0", 8, -EBADMSG, 0},
		{DNS_HTTPS, "\0\1\0\0\3\0\0\0\1\0\0", 11, -EBADMSG, 0},
		{DNS_HTTPS, "\0\1\0\0\3\0\0\0\3\0\0", 11, -EBADMSG, 0},
		{DNS_HTTPS, "\0\1\0\0\1\0\4h", 8, -EBADMSG, 0},
		{DNS_HTTPS, "\0\1\0\0\1\0", 6, -EBADMSG, 0},
		{DNS_HTTPS, "\0\1", 2, -EBADMSG, 0},
		{DNS_OPT, "", 0, -EBADMSG, 0},
		{99, "ab", 2, -EBADMSG, 0},
	};
	uint8_t out[64];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		uint8_t *bytes = malloc(12 + cases[i].n);
		const struct dns_message m = {bytes, 12 + cases[i].n};
		struct dns_rr rr = {.type = cases[i].type,
				    .rdata = 12,
				    .rdlen = (uint16_t)cases[i].n};
		struct dns_writer to;

		memcpy(bytes + 12, cases[i].bytes, cases[i].n);
		dns_write_init(&to, out, sizeof out);
		int r = dns_write_rdata(&to, &m, &rr);
		if (r != cases[i].is || (r >= 0 && to.len != cases[i].len) ||
		    (r == 0 && memcmp(out, cases[i].bytes, to.len)))
			fail_msg("case %zu: %d, %zu bytes", i, r, to.len);
		free(bytes);
	}
}

/* Whatever the room, nothing is written behind it; and what fits can be read again. */
static void test_writing_has_bounds(void **state)
{
	struct dns_name names[] = {name_of("www.a.example"), name_of("a.example"),
				   name_of("b.www.A.example"), name_of("example"),
				   name_of("")};

	(void)state;
	/* The header; 15 + 10 + 1; 2 + 10 + 2; 4 + 10 + 2; 2 + 10 + 2; 1 + 10 + 2. */
	const size_t needed = 12 + 26 + 14 + 16 + 14 + 13;

	for (size_t size = 0; size < needed + 10; size++) {
		uint8_t *buf = malloc(size ? size : 1);
		const struct dns_message m = {buf, size};
		size_t at = DNS_HEADER_SIZE, where;
		struct dns_writer out;
		struct dns_rr rr;

		dns_write_init(&out, buf, size);
		dns_write_header(&out, &(struct dns_header){.id = 7});
		for (size_t i = 0; i < COUNT(names); i++) {
			where = dns_write_rr(&out, &names[i], DNS_CNAME, 60);
			dns_write_name(&out, &names[COUNT(names) - 1 - i], true);
			dns_write_rdlen(&out, where);
		}
		assert_true(out.len <= size);
		assert_int_equal(out.is_full, size < needed);
		for (size_t i = 0; !out.is_full && i < COUNT(names); i++) {
			struct dns_name target;
			assert_int_equal(dns_read_rr(&m, &at, &rr), 0);
			assert_true(dns_name_equals(&rr.owner, &names[i]));
			assert_int_equal(dns_read_target(&m, &rr, 0, &target), 0);
			assert_true(dns_name_equals(&target, &names[COUNT(names) - 1 - i]));
		}
		free(buf);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_are_read),
		cmocka_unit_test(test_names_have_bounds),
		cmocka_unit_test(test_names_are_escaped_and_compared),
		cmocka_unit_test(test_data_is_rebuilt),
		cmocka_unit_test(test_writing_has_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
