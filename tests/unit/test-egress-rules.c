/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rules of egress as they are typed: names, addresses, ports; what is refused, and why. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "egress-policy.h"
#include "egress/idn.h"
#include "egress/name.h"

#define A10 "aaaaaaaaaa"
#define A50 A10 A10 A10 A10 A10
#define A63 A50 A10 "aaa"

/* 253 characters, and 254. */
#define LONGEST A63 "." A63 "." A63 "." A50 A10 "a"

#define TOO_LONG A63 "." A63 "." A63 "." A50 A10 "aa"

/* ---- names ------------------------------------------------------------------------ */

static void test_names(void **state)
{
	static const struct {
		const char *text, *wanted; /* NULL: refused */
	} cases[] = {
		{"example.com", "example.com"},
		{"EXAMPLE.Com.", "example.com"},
		{"_dmarc.x", "_dmarc.x"},
		{"r3---sn.x", "r3---sn.x"},
		{"-a-.x", "-a-.x"},
		{"1.2.3.4", "1.2.3.4"},
		{A63 ".x", A63 ".x"},
		{LONGEST, LONGEST},
		{LONGEST ".", LONGEST},
		{A63 "a.x", NULL},
		{TOO_LONG, NULL},
		{"", NULL},
		{".", NULL},
		{"..", NULL},
		{".a", NULL},
		{"a..b", NULL},
		{"a.b..", NULL},
		{"a b", NULL},
		{"a/b", NULL},
		{"*.a", NULL},
		{"a:1", NULL},
		{"b\xc3\xbc"
		 "cher",
		 NULL},
		{"a\n", NULL},
	};
	char name[NAME_MAX_LEN + 1], many[700] = "";

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int r = name_canonical(cases[i].text, strlen(cases[i].text), name);

		if (!cases[i].wanted ? r != -EINVAL
				     : r != 0 || strcmp(name, cases[i].wanted) != 0)
			fail_msg("%s: %d %s", cases[i].text, r, name);
	}
	assert_int_equal(name_canonical("a\0b", 3, name), -EINVAL);
	for (int i = 0; i < 300; i++)
		strcat(many, "a.");
	assert_int_equal(name_canonical(many, strlen(many), name), -EINVAL);
	assert_int_equal(name_canonical(many, 254, name), 0);
	assert_int_equal(name_labels(name), 127);
	assert_string_equal(name_parent("a.b.c"), "b.c");
	assert_null(name_parent("c"));
}

static void test_numbers(void **state)
{
	static const char *const yes[] = {"1.2.3.4", "127.1", "0x7f.1", "a.0x1f",
					  "1",	     "x.08",  "0x"};
	static const char *const no[] = {"1.a", "0x7f.g", "1a", "x.1-", "0xg"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(yes); i++)
		if (!name_ends_in_number(yes[i]))
			fail_msg("%s", yes[i]);
	for (size_t i = 0; i < ARRAY_SIZE(no); i++)
		if (name_ends_in_number(no[i]))
			fail_msg("%s", no[i]);
}

/* ---- rules that are taken --------------------------------------------------------- */

static void test_good_rules(void **state)
{
	static const struct {
		const char *text, *printed;
	} cases[] = {
		{"example.com", "example.com"},
		{"Example.COM.", "example.com"},
		{"example.com:443", "example.com:443"},
		{"example.com:443/tcp", "example.com:443"},
		{"example.com:53/udp", "example.com:53/udp"},
		{"example.com:*", "example.com:*"},
		{"example.com:*/tcp", "example.com:*/tcp"},
		{"example.com:*/udp", "example.com:*/udp"},
		{"example.com.:1", "example.com:1"},
		{"example.com:65535", "example.com:65535"},
		{"*.Example.com", "*.example.com"},
		{"*.x:22", "*.x:22"},
		{"localhost", "localhost"},
		{"_x.y-", "_x.y-"},
		{"1and1.com", "1and1.com"},
		{"4.3.2.1.in-addr.arpa", "4.3.2.1.in-addr.arpa"},
		{LONGEST, LONGEST},
		{"*." LONGEST ":*/tcp", "*." LONGEST ":*/tcp"},
		{"203.0.113.7", "203.0.113.7"},
		{"203.0.113.7:22", "203.0.113.7:22"},
		{"203.0.113.7/32:22", "203.0.113.7:22"},
		{"203.0.113.0/24", "203.0.113.0/24"},
		{"203.0.113.0/24:53/udp", "203.0.113.0/24:53/udp"},
		{"0.0.0.0/0:*", "0.0.0.0/0:*"},
		{"255.255.255.255", "255.255.255.255"},
		{"2001:db8::1", "2001:db8::1"},
		{"2001:DB8:0:0::1", "2001:db8::1"},
		{"[2001:db8::1]", "2001:db8::1"},
		{"[2001:db8::1]:443", "[2001:db8::1]:443"},
		{"2001:db8::/32", "2001:db8::/32"},
		{"[2001:db8::/32]:22/tcp", "[2001:db8::/32]:22"},
		{"::/0", "::/0"},
		{"64:ff9b::8.8.8.8", "64:ff9b::808:808"},
		/* Not a port: the last of the address. */
		{"2001:db8::1:443", "2001:db8::1:443"},
		{"b\xc3\xbc"
		 "cher.example",
		 "xn--bcher-kva.example"},
		{"B\xc3\xbc"
		 "CHER.example:443",
		 "xn--bcher-kva.example:443"},
		{"*.m\xc3\xbc"
		 "nchen.de",
		 "*.xn--mnchen-3ya.de"},
		{"fa\xc3\x9f.de", "xn--fa-hia.de"},
		{"xn--BCHER-kva.example", "xn--bcher-kva.example"},
		/* What libidn2 makes of them. */
		{"\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e.jp", "xn--wgv71a119e.jp"},
		{"\xd0\xbf\xd1\x80\xd0\xb5\xd0\xb7\xd0\xb8\xd0\xb4\xd0\xb5\xd0\xbd\xd1\x82.\xd1\x80\xd1\x84",
		 "xn--d1abbgf6aiiy.xn--p1ai"},
		/* An A-label may stand for what we do not write: a snowman. */
		{"xn--n3h.net", "xn--n3h.net"},
	};
	struct cis_error err = {0};
	char printed[RULE_PRINT_MAX], again[RULE_PRINT_MAX];
	struct rule rule;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		if (rule_parse(cases[i].text, strlen(cases[i].text), true, "t", &rule, &err) <
		    0)
			fail_msg("%s", err.message);
		rule_print(&rule, true, printed);
		rule_done(&rule);
		assert_string_equal(printed, cases[i].printed);
		assert_int_equal(rule_parse(printed, strlen(printed), true, "t", &rule, &err),
				 0);
		rule_print(&rule, true, again);
		rule_done(&rule);
		assert_string_equal(again, printed);
	}
}

/* ---- rules that are refused ------------------------------------------------------- */

static const struct {
	const char *text, *why;
} bad_rules[] = {
	{"", "empty"},
	{".", "a label is empty"},
	{"..", "a label is empty"},
	{".example.com", "a label is empty"},
	{"example..com", "a label is empty"},
	{"example.com..", "a label is empty"},
	{"example.com..:80", "a label is empty"},
	{A63 "a.com", "more than 63"},
	{TOO_LONG, "more than 253"},
	{"*." TOO_LONG, "more than 253"},
	{" example.com", "a blank"},
	{"exam ple.com", "a blank"},
	{"example.com\t", "a blank"},
	{"example.com\r", "a control character"},
	{"example.com\n", "a control character"},
	{"example.com\x1b[31m", "a control character"},
	{"example.com\x7f", "a control character"},
	{"https://example.com", "a URL"},
	{"https://example.com/x:443", "a URL"},
	{"user@example.com", "\"@\" has no place"},
	{"example.com?", "\"?\" has no place"},
	{"a,b", "\",\" has no place"},
	{"example.com/path", "\"/\" follows a port"},
	{"example.com/tcp", "\"/\" follows a port"},
	{"example.com/24", "\"/\" follows a port"},
	{"1and1.com/24", "\"/\" follows a port"},
	/* Ports. */
	{"example.com:", "no port after"},
	{"example.com:/tcp", "no port after"},
	{":443", "no host"},
	{"example.com:0", "from 1 to 65535"},
	{"example.com:65536", "from 1 to 65535"},
	{"example.com:4294967376", "from 1 to 65535"},
	{"example.com:-1", "from 1 to 65535"},
	{"example.com:+1", "from 1 to 65535"},
	{"example.com:08", "without zeros in front"},
	{"example.com:0x50", "from 1 to 65535"},
	{"example.com:http", "from 1 to 65535"},
	{"example.com:80-90", "write a rule for each"},
	{"example.com:80,443", "write a rule for each"},
	{"example.com:**", "from 1 to 65535"},
	{"example.com:80/", "must be tcp or udp"},
	{"example.com:80/TCP", "in small letters"},
	{"example.com:80/sctp", "must be tcp or udp"},
	{"example.com:80/tcp/udp", "must be tcp or udp"},
	{"example.com:80:90", "behind a name stands one \":\""},
	{"preset debian", "--allow-preset"},
	{"example.com # why", "only stand in an allow file"},
	{"203.0.113.1:80:90", "not an IPv6 address"},
	/* Wildcards. */
	{"*", "use the mode audit"},
	{"*:443", "use the mode audit"},
	{"*.", "no name after"},
	{"*.:443", "no name after"},
	{"**", "stands for whole labels"},
	{"*x.y", "stands for whole labels"},
	{"**.x", "stands for whole labels"},
	{"a.*.b", "only be at the beginning"},
	{"*.*.x", "only be at the beginning"},
	{"*.*", "only be at the beginning"},
	{"a*", "only be at the beginning"},
	{"a.*", "only be at the beginning"},
	{"*..x", "a label is empty"},
	{"*.1.2.3.4", "ends in a number"},
	{"?.x", "\"?\" has no place"},
	/* What looks like an address. */
	{"1.2.3", "ends in a number"},
	{"1", "ends in a number"},
	{"127.1", "ends in a number"},
	{"0x7f.1", "ends in a number"},
	{"0x7f000001", "ends in a number"},
	{"2130706433", "ends in a number"},
	{"010.0.0.1", "ends in a number"},
	{"1.2.3.04", "ends in a number"},
	{"1.2.3.4.", "ends in a number"},
	{"1.2.3.4.5", "ends in a number"},
	{"1.2.3.256", "ends in a number"},
	{"a.0x1", "ends in a number"},
	{"1.2.3.4/33", "prefix must be a number from 0 to 32"},
	{"1.2.3.4/", "prefix must be"},
	{"1.2.3.4/-1", "prefix must be"},
	{"2001:db8::/32:80", "with a port: [ADDRESS/BITS]:PORT"},
	{"1.2.3.0/024", "prefix must be"},
	{"1.2.3.0/24/24", "prefix must be"},
	{"1.2.3/24", "not an IPv4 address"},
	{"010.0.0.0/8", "not an IPv4 address"},
	{"0x7f.1/8", "not an IPv4 address"},
	{"10.0.0.1/8", "write 10.0.0.0/8"},
	{"203.0.113.128/24:80", "write 203.0.113.0/24"},
	{"2001:db8::1/32", "write 2001:db8::/32"},
	{"2001:db8::/129", "from 0 to 128"},
	{"[::1", "\"]\" is missing"},
	{"[::1]443", "only \":\" and a port"},
	{"[::1]:", "no port after"},
	{"[2001:db8::]/32", "between the brackets"},
	{"[]", "not an IPv6 address"},
	{"[]:80", "not an IPv6 address"},
	{"[1.2.3.4]", "not an IPv6 address"},
	{"[example.com]:80", "not an IPv6 address"},
	{"[[::1]]", "only \":\" and a port"},
	{"::1]", "not an IPv6 address"},
	{"fe80::1%eth0", "a zone"},
	{"[fe80::1%25eth0]:80", "a zone"},
	{":::", "not an IPv6 address"},
	{"2001:db8::1::2", "not an IPv6 address"},
	{"12345::", "not an IPv6 address"},
	{"::ffff:203.0.113.1", "stands for an IPv4 address"},
	{"[::ffff:0:0/96]:80", "stands for an IPv4 address"},
	/* Letters. */
	{"b\xc3\x9c"
	 "cher.example",
	 "U+00DC"},
	{"\xef\xbd\x81.example", "U+FF41"},
	{"example\xe3\x80\x82"
	 "com",
	 "U+3002"},
	{"example\xef\xbc\x8e"
	 "com",
	 "U+FF0E"},
	{"example\xef\xbd\xa1"
	 "com",
	 "U+FF61"},
	{"\xef\xbc\x91.\xef\xbc\x92", "U+FF11"},
	{"a\xe2\x80\x8d"
	 "b.x",
	 "U+200D"},
	{"a\xe2\x80\x8c"
	 "b.x",
	 "U+200C"},
	{"a\xe2\x80\x8b"
	 "b.x",
	 "U+200B"},
	{"a\xc2\xad"
	 "b.x",
	 "U+00AD"},
	{"a\xe2\x80\xae"
	 "b.x",
	 "U+202E"},
	{"\xe2\x98\x83.net", "U+2603"},
	{"\xf0\x9f\x92\xa9.la", "U+1F4A9"},
	{"\xef\xac\x81x.example", "U+FB01"},
	{"\xe2\x84\xaa.example", "U+212A"},
	{"u\xcc\x88.example", "U+0308"},
	{"l\xc2\xb7l.cat", "U+00B7"},
	{"\xc3\xbc\xc2\xa0.x", "U+00A0"},
	{"p\xd0\xb0ypal.com", "several alphabets"},
	{"\xce\xb1\xd0\xb0.com", "several alphabets"},
	{"b\xfc"
	 "cher.example",
	 "0xfc is not UTF-8"},
	{"\xc0\xae.x", "is not UTF-8"},
	{"\xed\xa0\x80.x", "is not UTF-8"},
	{"\xf4\x90\x80\x80.x", "is not UTF-8"},
	{"a\xc3", "is not UTF-8"},
	{"a\x80", "is not UTF-8"},
	{"\xc3\xbc*.x", "only be at the beginning"},
	{"\xc3\xbc b.x", "a blank"},
	{"\xc3\xbc@.x", "\"@\" has no place"},
	{"xn--.x", "not valid punycode"},
	{"xn---n3h.x", "not valid punycode"},
	{"xn---.x", "not valid punycode"},
	{"xn--zzzzzzz9999.de", "not valid punycode"},
	{"xn--a-.x", "not valid punycode"},
	{"xn--abc-.x", "not valid punycode"},
	{"xn--b\xc3\xbc.x", "not valid punycode"},
	{"*.xn--.x", "not valid punycode"},
	{"XN--.x", "not valid punycode"},
	{"\xc3\xbc" A50 A10 ".x", "more than 63"},
};

/* Letters are shown, nothing that hides, turns around or looks like a sign. */
static void test_quote(void **state)
{
	static const char *const rows[][2] = {
		{"\xd0\x9f\xd1\x80.x \"", "\"\xd0\x9f\xd1\x80.x \\x22\""},
		{"B\xc3\x9c\xe6\x97\xa5", "\"B\xc3\x9c\xe6\x97\xa5\""},
		{"\xc2\x9b", "\"\\xc2\\x9b\""},
		{"\xe2\x80\xae", "\"\\xe2\\x80\\xae\""},
		{"\xef\xbc\x8e", "\"\\xef\\xbc\\x8e\""},
		{"\xd0", "\"\\xd0\""},
		{"\xcc\x81", "\"\\xcc\\x81\""},
	};
	char quoted[RULE_QUOTED_MAX], many[301];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_string_equal(rule_quote(rows[i][0], strlen(rows[i][0]), quoted), rows[i][1]);
	for (size_t i = 0; i < 300; i++)
		many[i] = "\xe6\x97\xa5"[i % 3];
	assert_true(strlen(rule_quote(many, 300, quoted)) < RULE_QUOTED_MAX);
}

static void test_bad_rules(void **state)
{
	struct cis_error err;
	struct rule rule;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad_rules); i++) {
		int r;

		err = (struct cis_error){0};
		r = rule_parse(bad_rules[i].text, strlen(bad_rules[i].text), true, "--allow",
			       &rule, &err);
		if (r != -EINVAL)
			fail_msg("%s: %d", bad_rules[i].text, r);
		if (!strstr(err.message, bad_rules[i].why) ||
		    !str_starts(err.message, "--allow: rule \""))
			fail_msg("%s: %s", bad_rules[i].text, err.message);
		/* It goes to terminals. */
		for (const char *s = err.message; *s; s++)
			if ((*s >= 0 && *s < ' ') || *s == 0x7f)
				fail_msg("%s", err.message);
	}
	assert_int_equal(rule_parse("a\0.com", 6, true, "t", &rule, &err), -EINVAL);
	assert_non_null(strstr(err.message, "rule \"a\\x00.com\": there is a control"));
	assert_int_equal(rule_parse("a.com:1", 7, false, "--deny", &rule, &err), -EINVAL);
	assert_non_null(strstr(err.message, "speaks of all ports"));
}

/* ---- chance, always the same ------------------------------------------------------ */

/* Whatever is taken is printed so that it is taken again, as the same. */
static void test_fuzz_rules(void **state)
{
	static const char *const bits[] = {
		"a",
		"b",
		"example",
		".",
		".",
		":",
		"*",
		"*.",
		"/",
		"[",
		"]",
		"::",
		"1",
		"0",
		"255",
		"80",
		"443",
		"tcp",
		"udp",
		"10.0.0.0",
		"2001:db8",
		"ffff",
		"xn--",
		"xn--bcher-kva",
		"-",
		"_",
		" ",
		"\t",
		"%",
		"\xc3\xbc",
		"\xe3\x80\x82",
		"\xff",
		"\xcc\x88",
		"0x",
		"A",
		"#",
		"\r",
		"24",
		"32",
		"128",
		A63,
	};
	unsigned int taken = 0;

	(void)state;
	chance_state = 20261122;
	for (unsigned int i = 0; i < 200000; i++) {
		char text[1400], first[RULE_PRINT_MAX], second[RULE_PRINT_MAX];
		struct cis_error err = {0};
		struct rule rule;
		size_t len = 0;

		for (uint32_t n = chance(9); n > 0; n--) {
			const char *bit = bits[chance(ARRAY_SIZE(bits))];

			memcpy(text + len, bit, strlen(bit));
			len += strlen(bit);
		}
		if (len > 0 && chance(4) == 0)
			text[chance((uint32_t)len)] = (char)chance(256);
		if (rule_parse(text, len, true, "t", &rule, &err) < 0) {
			assert_true(str_starts(err.message, "t: rule \""));
			continue;
		}
		taken++;
		rule_print(&rule, true, first);
		rule_done(&rule);
		if (rule_parse(first, strlen(first), true, "t", &rule, &err) < 0)
			fail_msg("%s", err.message);
		rule_print(&rule, true, second);
		rule_done(&rule);
		assert_string_equal(first, second);
	}
	assert_true(taken > 5000);
}

/* Punycode there and back: what is encoded is also what a valid A-label is. */
static void test_fuzz_idn(void **state)
{
	(void)state;
	chance_state = 42;
	for (unsigned int i = 0; i < 100000; i++) {
		char text[128], once[NAME_MAX_LEN + 2], twice[NAME_MAX_LEN + 2];
		struct idn_problem problem;
		size_t len = 0;

		for (uint32_t n = 1 + chance(20); n > 0; n--) {
			uint32_t c = chance(3) ? 0x4e00 + chance(0x2000) : 0x30 + chance(10);

			if (c < 0x80) {
				text[len++] = (char)c;
				continue;
			}
			text[len++] = (char)(0xe0 | c >> 12);
			text[len++] = (char)(0x80 | (c >> 6 & 0x3f));
			text[len++] = (char)(0x80 | (c & 0x3f));
		}
		if (idn_to_ascii(text, len, once, &problem) < 0) {
			assert_int_equal(problem.fault, IDN_LENGTH);
			continue;
		}
		assert_int_equal(idn_to_ascii(once, strlen(once), twice, &problem), 0);
		assert_string_equal(once, twice);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_good_rules),
		cmocka_unit_test(test_bad_rules),
		cmocka_unit_test(test_quote),
		cmocka_unit_test(test_fuzz_rules),
		cmocka_unit_test(test_fuzz_idn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
