/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rules of egress: read, gathered, compiled, asked. */
#include "egress/ruleset.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/io.h"
#include "egress/idn.h"
#include "egress/name.h"
#include "egress/policy-table.h"

static const uint8_t key[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

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
			if (*s < ' ' || *s > '~')
				fail_msg("%s", err.message);
	}
	assert_int_equal(rule_parse("a\0.com", 6, true, "t", &rule, &err), -EINVAL);
	assert_non_null(strstr(err.message, "rule \"a\\x00.com\": there is a control"));
	assert_int_equal(rule_parse("a.com:1", 7, false, "--deny", &rule, &err), -EINVAL);
	assert_non_null(strstr(err.message, "speaks of all ports"));
}

/* ---- a ruleset and its answers ---------------------------------------------------- */

static void must(int r, const struct cis_error *err)
{
	if (r < 0)
		fail_msg("%d: %s", r, err->message);
}

/* Words: "+RULE" allow, "-RULE" deny, "!RULE" undeny, "@NAME" preset, "audit". */
static int gather(struct ruleset *rs, const char *words, struct cis_error *err)
{
	char copy[1024], *at = copy, *word;
	int r = 0;

	snprintf(copy, sizeof copy, "%s", words);
	while (r >= 0 && (word = strsep(&at, " "))) {
		if (*word == '+')
			r = ruleset_allow(rs, word + 1, "--allow", err);
		else if (*word == '-')
			r = ruleset_deny(rs, word + 1, "--deny", err);
		else if (*word == '!')
			r = ruleset_undeny(rs, word + 1, "--undeny", err);
		else if (*word == '@')
			r = ruleset_allow_preset(rs, word + 1, "--preset", err);
		else
			rs->audit |= strcmp(word, "audit") == 0;
	}
	return r;
}

static struct policy *policy_of(const char *words)
{
	struct ruleset rs = {0};
	struct cis_error err = {0};
	struct policy *p = NULL;

	must(gather(&rs, words, &err), &err);
	must(ruleset_compile(&rs, key, &p, &err), &err);
	ruleset_done(&rs);
	return p;
}

static void refused(const char *words, const char *why)
{
	struct ruleset rs = {0};
	struct cis_error err = {0};
	struct policy *p = NULL;
	int r = gather(&rs, words, &err);

	if (r >= 0)
		r = ruleset_compile(&rs, key, &p, &err);
	if (r >= 0 || !strstr(err.message, why))
		fail_msg("%s: %d %s", words, r, err.message);
	assert_null(p);
	ruleset_done(&rs);
}

static void print_ports(const struct egress_port *ports, size_t n, char *ret, size_t size)
{
	size_t used = 0;

	ret[0] = '\0';
	for (size_t i = 0; i < n; i++)
		used += (size_t)snprintf(ret + used, size - used, "%s%s%u", i ? " " : "",
					 ports[i].proto == IPPROTO_TCP	 ? "t"
					 : ports[i].proto == IPPROTO_UDP ? "u"
									 : "a",
					 ports[i].port);
}

static void wants(const struct policy *p, const char *name, const char *wanted)
{
	struct egress_port ports[16];
	char text[256];
	size_t n = policy_ports(p, name, ports, ARRAY_SIZE(ports));

	print_ports(ports, MIN(n, ARRAY_SIZE(ports)), text, sizeof text);
	if (strcmp(text, wanted) != 0)
		fail_msg("%s: \"%s\" instead of \"%s\"", name, text, wanted);
}

static int parse_address(const char *text, uint8_t ret[16])
{
	int family = strchr(text, ':') ? AF_INET6 : AF_INET;

	assert_int_equal(inet_pton(family, text, ret), 1);
	return family;
}

/* As a gate has it in the kernel's sets: what is never first, then the nets. */
static size_t address_ports(const struct policy *p, int family, const uint8_t *address,
			    const struct egress_port **ret)
{
	static const struct egress_port any;
	size_t bytes = family == AF_INET ? 4 : 16, n, found = 0;
	const bool is_never = policy_is_never(p, family, address);
	const struct policy_net *nets;

	n = policy_nets(p, family, &nets);
	for (size_t i = 0; i < n; i++) {
		if (memcmp(address, nets[i].range.first, bytes) < 0 ||
		    memcmp(address, nets[i].range.last, bytes) > 0)
			continue;
		assert_false(is_never);
		assert_int_equal(found, 0);
		found = policy_net_ports(p, &nets[i], ret);
		assert_int_not_equal(found, 0);
	}
	if (!policy_is_audit(p) || is_never)
		return found;
	*ret = &any;
	return 1;
}

static void wants_at(const struct policy *p, const char *address, const char *wanted)
{
	const struct egress_port *ports;
	char text[256];
	uint8_t a[16];
	int family = parse_address(address, a);
	size_t n = address_ports(p, family, a, &ports);

	print_ports(ports, n, text, sizeof text);
	if (strcmp(text, wanted) != 0)
		fail_msg("%s: \"%s\" instead of \"%s\"", address, text, wanted);
}

static void never(const struct policy *p, const char *address, bool wanted)
{
	uint8_t a[16];
	int family = parse_address(address, a);

	if (policy_is_never(p, family, a) != wanted)
		fail_msg("%s: %d", address, !wanted);
}

static void test_name_policy(void **state)
{
	struct policy *p = policy_of("+example.com +*.example.com:22 +*.b.example.com:53/udp "
				     "+b.example.com:* +Git.x.:9418 +example.com:8080 "
				     "+*.tcp.x:*/tcp +a.tcp.x:443 +a.tcp.x:443/udp "
				     "-bad.example.com -*.worse.example.com "
				     "+a.b.c.d.e.f.g.h:1 +*.b.c.d.e.f.g.h:2 +*.a.b.c.d.e.f.g.h:3");
	struct egress_port one;
	char name[2 * NAME_MAX_LEN] = "";

	(void)state;
	wants(p, "example.com", "t80 t443 t8080");
	wants(p, "a.example.com", "t22");
	wants(p, "a.a.a.example.com", "t22");
	wants(p, "b.example.com", "a0");
	wants(p, "c.b.example.com", "t22 u53");
	wants(p, "a.tcp.x", "t0 u443");
	wants(p, "tcp.x", "");
	wants(p, "git.x", "t9418");
	/* The ends of labels are what counts. */
	wants(p, "badexample.com", "");
	wants(p, "xexample.com", "");
	wants(p, "example.com.evil.org", "");
	wants(p, "com", "");
	wants(p, "", "");
	wants(p, "evil.org", "");
	/* Denied: that name, or all below. */
	wants(p, "bad.example.com", "");
	wants(p, "x.bad.example.com", "t22");
	wants(p, "worse.example.com", "t22");
	wants(p, "x.worse.example.com", "");
	assert_int_equal(policy_ports(p, "example.com", &one, 1), 3);
	assert_int_equal(policy_ports(p, "example.com", NULL, 0), 3);
	/* As deep as the deepest rule, and deeper. */
	wants(p, "a.b.c.d.e.f.g.h", "t1 t2");
	wants(p, "x.a.b.c.d.e.f.g.h", "t2 t3");
	wants(p, "b.c.d.e.f.g.h", "");
	/* Longer than any name, and of nothing but dots: no answer, and no fault. */
	for (int i = 0; i < 200; i++)
		strcat(name, "a.");
	wants(p, name, "");
	memset(name, '.', 250);
	name[250] = '\0';
	wants(p, name, "");
	snprintf(name, sizeof name, "%0*d.example.com", 200, 0);
	wants(p, name, "t22");
	policy_free(p);
}

static void test_verdicts(void **state)
{
	struct policy *p = policy_of("+*.example.com +a.example.com -c.example.com");
	struct policy *audit = policy_of("audit -*.evil.org +a.example.com");
	struct policy_match m;
	const char *name = "x.b.example.com";

	(void)state;
	assert_int_equal(policy_name_verdict(p, name, &m), POLICY_ALLOWED);
	assert_true(m.below && m.name == name + 4);
	assert_int_equal(policy_name_verdict(p, "a.example.com", &m), POLICY_ALLOWED);
	assert_true(!m.below && strcmp(m.name, "a.example.com") == 0);
	assert_int_equal(policy_name_verdict(p, "c.example.com", &m), POLICY_DENIED);
	assert_int_equal(policy_name_verdict(p, "example.com", &m), POLICY_NO_RULE);
	assert_null(m.name);
	assert_int_equal(policy_name_verdict(p, "dns.google", NULL), POLICY_SHUT);

	assert_true(policy_is_audit(audit));
	assert_false(policy_is_audit(p));
	wants(audit, "whatever.org", "a0");
	wants(audit, "x.evil.org", "");
	wants(audit, "evil.org", "a0");
	wants(audit, "mozilla.cloudflare-dns.com", "");
	assert_int_equal(policy_name_verdict(audit, "any.org", &m), POLICY_ALLOWED);
	assert_null(m.name);
	wants_at(audit, "203.0.113.1", "a0");
	wants_at(audit, "10.0.0.1", "");
	policy_free(p);
	policy_free(audit);
}

static void test_never_list(void **state)
{
	static const char *const yes[] = {
		"0.0.0.0",
		"0.1.2.3",
		"10.0.0.0",
		"10.255.255.255",
		"100.64.0.1",
		"100.127.255.255",
		"127.0.0.1",
		"127.255.255.255",
		"169.254.169.254",
		"172.16.0.1",
		"172.31.255.255",
		"192.0.0.192",
		"192.168.0.1",
		"198.18.0.1",
		"198.19.255.255",
		"224.0.0.1",
		"239.255.255.255",
		"240.0.0.1",
		"255.255.255.255",
		"168.63.129.16",
		"100.100.100.200",
		"8.8.8.8",
		"::",
		"::1",
		"::10.0.0.1",
		"::8.8.4.1",
		"fe80::1",
		"febf::1",
		"fec0::1",
		"feff::1",
		"fc00::1",
		"fd00:ec2::254",
		"fd20:ce::254",
		"ff02::1",
		"100::1",
		"2001:2::1",
		"2001:0:4136:e378::1",
		"5f00::1",
		/* What embeds an address is judged by it. */
		"::ffff:10.0.0.1",
		"::ffff:127.0.0.1",
		"::ffff:169.254.169.254",
		"::ffff:0:203.0.113.1",
		"64:ff9b::10.0.0.1",
		"64:ff9b::127.0.0.1",
		"64:ff9b::168.63.129.16",
		"64:ff9b::8.8.8.8",
		"64:ff9b:1::10.0.0.1",
		"64:ff9b:1:a00:1::",
		"2002:a00:1::",
		"2002:a00:1:ffff:ffff:ffff:ffff:ffff",
		"2002:7f00:1::1",
		"2002:a9fe:a9fe::1",
		"2001:4860:4860::8888",
	};
	static const char *const no[] = {
		"1.0.0.0",
		"9.255.255.255",
		"11.0.0.0",
		"100.63.255.255",
		"100.128.0.0",
		"126.255.255.255",
		"128.0.0.0",
		"169.253.255.255",
		"169.255.0.0",
		"172.15.255.255",
		"172.32.0.0",
		"192.0.1.0",
		"192.0.2.1",
		"192.167.255.255",
		"192.169.0.0",
		"198.17.255.255",
		"198.20.0.0",
		"198.51.100.1",
		"203.0.113.1",
		"223.255.255.255",
		"168.63.129.15",
		"168.63.129.17",
		"2001:db8::1",
		"2001:1::1",
		"2606:4700::1",
		"fbff::1",
		"2a00::1",
		"::ffff:203.0.113.1",
		"64:ff9b::203.0.113.1",
		"2002:cb00:7101::1",
		"64:ff9a::1",
		"64:ff9b:2::1",
		"2003::1",
		"2001:2:1::1",
	};
	struct policy *p = policy_of("");
	uint8_t a[16] = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(yes); i++)
		never(p, yes[i], true);
	for (size_t i = 0; i < ARRAY_SIZE(no); i++)
		never(p, no[i], false);
	assert_true(policy_is_never(p, AF_UNIX, a));
	policy_free(p);
}

static void test_holes(void **state)
{
	struct policy *p = policy_of(
		"!10.1.0.0/16 -10.1.2.0/24 +10.1.0.0/16:5000 !dns.google "
		"+dns.google:443 -203.0.113.66");

	(void)state;
	never(p, "10.0.255.255", true);
	never(p, "10.1.0.1", false);
	never(p, "10.2.0.0", true);
	/* Denied by word wins over a hole; IPv6 forms follow both. */
	never(p, "10.1.2.3", true);
	never(p, "64:ff9b::10.1.0.1", false);
	never(p, "64:ff9b::10.1.2.3", true);
	never(p, "203.0.113.66", true);
	never(p, "2002:cb00:7142::", true);
	wants_at(p, "10.1.1.1", "t5000");
	wants_at(p, "10.1.2.3", "");
	wants(p, "dns.google", "t443");
	wants(p, "x.dns.google", "");
	never(p, "8.8.8.8", true);
	policy_free(p);

	p = policy_of("!no-lan !no-doh");
	never(p, "10.0.0.1", false);
	never(p, "::ffff:10.0.0.1", false);
	never(p, "8.8.8.8", false);
	/* These are of another preset too. */
	never(p, "169.254.169.254", true);
	never(p, "fd00:ec2::254", true);
	policy_free(p);
	p = policy_of("!no-lan !no-metadata !169.254.0.0/16");
	never(p, "169.254.169.254", false);
	policy_free(p);
	p = policy_of("!64:ff9b:1::/48");
	never(p, "64:ff9b:1:1::1", false);
	never(p, "64:ff9b:1::10.0.0.1", true);
	policy_free(p);
}

static void test_contradictions(void **state)
{
	(void)state;
	refused("+10.0.0.1", "--allow: rule \"10.0.0.1\": all of it is shut by default");
	refused("+10.0.0.1", "--undeny 10.0.0.1");
	refused("+169.254.169.254:80", "shut by default");
	refused("+10.0.0.0/9", "shut by default");
	refused("+[fd00:ec2::254]:80", "shut by default");
	refused("+64:ff9b::10.0.0.1", "shut by default");
	refused("+dns.google", "--allow: rule \"dns.google\": it is shut by default");
	refused("+*.cloudflare-dns.com", "shut by default");
	refused("+*.x.cloudflare-dns.com", "shut by default");
	/* Whatever the length of its name, and behind whatever others. */
	refused("+a.example +dot.sb", "rule \"dot.sb\": it is shut");
	refused("+a.example +*.b.example +x.dns0.eu", "rule \"x.dns0.eu\": it is shut");
	refused("+sb +xdot.sb +metadata.google.internal", "rule \"metadata.google.internal\"");
	refused("!no-lan +169.254.169.254", "shut by default");
	refused("!example.com", "--undeny: rule \"example.com\": no preset denies it");
	refused("!no-such", "nor is there one of that name");
	refused("!github", "nor is there one of that name");
	refused("!*.example.com", "no preset denies it");
	refused("!x.dns.quad9.net", "no preset denies it");
	refused("!xdns.google", "no preset denies it");
	refused("!203.0.113.1", "no preset denies any of it");
	refused("-203.0.113.1 !203.0.113.1", "what --deny shuts stays shut");
	refused("!64:ff9b::/96", "follow these");
	refused("!10.0.0.0/8:80", "speaks of all ports");
	refused("-*", "every name");
	refused("@no-lan", "is in force unless");
	refused("@nonsense", "--preset: there is no preset \"nonsense\"");
	refused("@../../etc/passwd", "a name has letters");
	refused("@GitHub", "a name has letters");
	refused("@", "a name has letters");
	/* Part of it is shut, or an admin shut it: no mistake. */
	policy_free(policy_of("+0.0.0.0/0 +*.google -*.x +a.x +*.com !*.google"));
	policy_free(policy_of("!*.quad9.net +dns.quad9.net"));
	policy_free(policy_of("-203.0.113.1 +203.0.113.1 !no-lan !10.0.0.0/8"));
}

static void test_host_addresses(void **state)
{
	static const uint8_t four[4] = {203, 0, 113, 5};
	uint8_t six[16];
	struct ruleset rs = {0};
	struct cis_error err = {0};
	struct policy *p;

	(void)state;
	parse_address("2001:db8::5", six);
	must(ruleset_host_address(&rs, AF_INET, four, &err), &err);
	must(ruleset_host_address(&rs, AF_INET6, six, &err), &err);
	must(ruleset_compile(&rs, key, &p, &err), &err);
	never(p, "203.0.113.5", true);
	never(p, "203.0.113.4", false);
	never(p, "203.0.113.6", false);
	never(p, "2001:db8::5", true);
	never(p, "64:ff9b::203.0.113.5", true);
	policy_free(p);
	must(ruleset_undeny(&rs, "no-lan", "--undeny", &err), &err);
	must(ruleset_compile(&rs, key, &p, &err), &err);
	never(p, "203.0.113.5", false);
	policy_free(p);
	ruleset_done(&rs);
}

/* ---- nets ------------------------------------------------------------------------- */

static void print_nets(const struct policy *p, int family, char *ret, size_t size)
{
	const struct policy_net *nets;
	size_t n = policy_nets(p, family, &nets), used = 0;

	ret[0] = '\0';
	for (size_t i = 0; i < n; i++) {
		char first[INET6_ADDRSTRLEN], last[INET6_ADDRSTRLEN], text[128];
		const struct egress_port *ports;
		size_t n_ports = policy_net_ports(p, &nets[i], &ports);

		inet_ntop(family, nets[i].range.first, first, sizeof first);
		inet_ntop(family, nets[i].range.last, last, sizeof last);
		print_ports(ports, n_ports, text, sizeof text);
		used += (size_t)snprintf(ret + used, size - used, "%s-%s %s\n", first, last,
					 text);
	}
}

static void nets_are(const char *words, int family, const char *wanted)
{
	struct policy *p = policy_of(words);
	char text[2048];

	print_nets(p, family, text, sizeof text);
	assert_string_equal(text, wanted);
	policy_free(p);
}

static void test_nets(void **state)
{
	(void)state;
	nets_are("", AF_INET, "");
	nets_are("+203.0.113.0/25 +203.0.113.128/25", AF_INET,
		 "203.0.113.0-203.0.113.255 t80 t443\n");
	nets_are("+203.0.113.0/24:22 +203.0.113.16/28:53/udp", AF_INET,
		 "203.0.113.0-203.0.113.15 t22\n"
		 "203.0.113.16-203.0.113.31 t22 u53\n"
		 "203.0.113.32-203.0.113.255 t22\n");
	/* In each other, with the same end; what is covered leaves no seam. */
	nets_are("+203.0.113.0/24:* +203.0.113.128/25:22 +203.0.113.255", AF_INET,
		 "203.0.113.0-203.0.113.255 a0\n");
	nets_are("+203.0.113.0/24:1 +203.0.113.128/25:2 +203.0.113.255:3", AF_INET,
		 "203.0.113.0-203.0.113.127 t1\n"
		 "203.0.113.128-203.0.113.254 t1 t2\n"
		 "203.0.113.255-203.0.113.255 t1 t2 t3\n");
	nets_are("+203.0.113.4:22 +203.0.113.4:22 +203.0.113.4:*/tcp +203.0.113.4:5/udp",
		 AF_INET, "203.0.113.4-203.0.113.4 t0 u5\n");
	/* What is shut is cut out. */
	nets_are(
		"+8.0.0.0/6:1 -9.0.0.0/8 !8.8.8.8 !8.8.4.4 !9.9.9.9 !9.9.9.10 !9.9.9.11 !9.9.9.12",
		AF_INET, "8.0.0.0-8.255.255.255 t1\n11.0.0.0-11.255.255.255 t1\n");
	nets_are("+192.0.0.0/2:7 !no-lan !no-doh !no-metadata", AF_INET,
		 "192.0.0.0-255.255.255.255 t7\n");
	nets_are(
		"+[8000::/1]:1 +[ffff::/16]:2 !no-lan !no-doh !no-metadata -c000::/3 +[::/1]:3",
		AF_INET6,
		"::-7fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff t3\n"
		"8000::-bfff:ffff:ffff:ffff:ffff:ffff:ffff:ffff t1\n"
		"e000::-fffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff t1\n"
		"ffff::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff t1 t2\n");
}

/* ---- files ------------------------------------------------------------------------ */

static void file_refused(const char *text, size_t len, const char *why)
{
	struct ruleset rs = {0};
	struct cis_error err = {0};
	int r = ruleset_allow_text(&rs, text, len, "f", &err);

	if (r >= 0 || !strstr(err.message, why))
		fail_msg("%.60s: %d %s", text, r, err.message);
	ruleset_done(&rs);
}

static void test_bad_files(void **state)
{
	static const struct {
		const char *text, *why;
	} cases[] = {
		{"example.com\n\n  a..b\n", "f:3: rule \"a..b\": a label is empty"},
		{"a.com b.com\n", "f:1: rule \"a.com b.com\": there is a blank"},
		{"a.com\rb.com\n", "f:1: rule \"a.com\\x0db.com\": there is a control"},
		{"a.com\r\r\n", "f:1: rule \"a.com\\x0d\": there is a control"},
		{"a.com\n*\n", "f:2: rule \"*\": "},
		{"preset no-such\n", "f:1: there is no preset \"no-such\""},
		{"preset github debian\n", "f:1: preset \"github debian\": a name has"},
		{"preset no-lan\n", "f:1: preset no-lan denies"},
		{"preset ../x\n", "f:1: preset \"../x\": a name has"},
		{"deny x.com\n", "there is a blank"},
		{"undeny no-lan\n", "there is a blank"},
		{"-x.com\n+y\n", "f:2: rule \"+y\": \"+\" has no place"},
		{"a.com\xff\n", "f:1: rule \"a.com\\xff\": the byte 0xff is not UTF-8"},
	};
	const size_t mega = 1 << 20;
	char *line = malloc(mega + 1);

	(void)state;
	assert_non_null(line);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		file_refused(cases[i].text, strlen(cases[i].text), cases[i].why);
	file_refused("a.com\nb\0.com\n", 13, "f:2: rule \"b\\x00.com\": there is a control");
	file_refused("\0", 1, "f:1: rule \"\\x00\": there is a control");
	file_refused("preset git\0hub\n", 15, "f:1: there is no such preset");
	memset(line, 'a', mega);
	line[mega] = '\n';
	file_refused(line, mega + 1, "aaa...\": it is longer than any rule");
	file_refused(line, mega, "f:1: rule \"aaa");
	memcpy(line, "preset ", 7);
	file_refused(line, mega, "f:1: there is no such preset");
	free(line);
}

static char *printed(const struct ruleset *rs)
{
	struct cis_error err = {0};
	char *text = NULL;

	must(ruleset_print(rs, "what a run used\n\n2026", &text, &err), &err);
	return text;
}

static void test_files_merge(void **state)
{
	static const char one[] = "\xef\xbb\xbf# ours\r\n"
				  "preset pypi\r\n"
				  "\tb.example:443   # why\n"
				  "b.example:80#\n"
				  "  \n"
				  "*.b.example\n"
				  "B.EXAMPLE.:22\n";
	static const char two[] = "b.example\npreset\tdebian \npreset pypi\n"
				  "203.0.113.0/24:5/udp\n2001:db8::1\nb.example:443\n"
				  "a.example:*\n9.9.9.8\n[2001:db8::/32]:7\na.example:1";
	static const char wanted[] = "# what a run used\n#\n# 2026\n"
				     "preset debian\npreset pypi\n"
				     "a.example:*\na.example:1\n"
				     "b.example\nb.example:22\n*.b.example\n"
				     "9.9.9.8\n203.0.113.0/24:5/udp\n"
				     "[2001:db8::/32]:7\n2001:db8::1\n";
	struct ruleset rs = {0}, again = {0};
	struct cis_error err = {0};
	struct policy *p;
	char *text, *text2;

	(void)state;
	must(ruleset_allow_text(&rs, one, sizeof one - 1, "one", &err), &err);
	must(ruleset_allow_text(&rs, two, sizeof two - 1, "two", &err), &err);
	text = printed(&rs);
	assert_string_equal(text, wanted);
	must(ruleset_allow_text(&again, text, strlen(text), "again", &err), &err);
	text2 = printed(&again);
	assert_string_equal(text2, wanted);
	must(ruleset_compile(&again, key, &p, &err), &err);
	wants(p, "b.example", "t22 t80 t443");
	wants(p, "a.example", "a0");
	wants(p, "files.pythonhosted.org", "t443");
	wants(p, "deb.debian.org", "t80 t443");
	wants_at(p, "203.0.113.9", "u5");
	wants_at(p, "2001:db8::1", "t7 t80 t443");
	wants_at(p, "2001:db8::2", "t7");
	policy_free(p);
	free(text);
	free(text2);
	ruleset_done(&rs);
	ruleset_done(&again);
}

static void test_learn(void **state)
{
	static const struct {
		const char *name;
		uint8_t address[4], proto;
		uint16_t port;
	} seen[] = {
		{"y.example", {0}, IPPROTO_TCP, 80},
		{"z.example", {0}, IPPROTO_TCP, 443},
		{"a.example", {0}, IPPROTO_TCP, 80},
		{"z.example.", {0}, IPPROTO_TCP, 443},
		{"A.example", {0}, IPPROTO_TCP, 443},
		{"a.example", {0}, IPPROTO_UDP, 443},
		{NULL, {203, 0, 113, 7}, IPPROTO_TCP, 22},
		{NULL, {203, 0, 113, 7}, IPPROTO_TCP, 22},
		{"a.example", {0}, IPPROTO_TCP, 80},
	};
	struct ruleset rs = {0};
	struct cis_error err = {0};
	char *text;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(seen); i++)
		must(ruleset_observe(&rs, seen[i].name, AF_INET, seen[i].address,
				     (struct egress_port){seen[i].proto, seen[i].port}, &err),
		     &err);
	text = printed(&rs);
	assert_string_equal(text,
			    "# what a run used\n#\n# 2026\na.example\na.example:443/udp\n"
			    "y.example:80\nz.example:443\n203.0.113.7:22\n");
	free(text);
	assert_int_equal(ruleset_observe(&rs, "a b", 0, NULL, (struct egress_port){6, 1},
					 &err),
			 -EINVAL);
	assert_int_equal(ruleset_observe(&rs, "a\nb", 0, NULL, (struct egress_port){6, 1},
					 &err),
			 -EINVAL);
	assert_int_equal(ruleset_observe(&rs, "a", 0, NULL, (struct egress_port){6, 0}, &err),
			 -EINVAL);
	assert_int_equal(ruleset_observe(&rs, "a", 0, NULL, (struct egress_port){1, 1}, &err),
			 -EINVAL);
	ruleset_done(&rs);
}

/* ---- presets ---------------------------------------------------------------------- */

static void test_presets(void **state)
{
	static const char *const there[] = {"github", "gitlab", "forgejo", "docker-hub",
					    "ghcr",   "debian", "pypi",	   "npm",
					    "crates", "go",	"maven"};
	struct ruleset rs = {0};
	struct cis_error err = {0};
	struct policy *p;
	const char *name;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(there); i++)
		must(ruleset_allow_preset(&rs, there[i], "--preset", &err), &err);
	assert_int_equal(rs.presets.n, ARRAY_SIZE(there));
	for (size_t i = 0; (name = ruleset_preset_name(i)); i++)
		if (!preset_is_default(name))
			must(ruleset_allow_preset(&rs, name, "--preset", &err), &err);
	must(ruleset_compile(&rs, key, &p, &err), &err);
	wants(p, "github.com", "t22 t443");
	wants(p, "x.actions.githubusercontent.com", "t443");
	wants(p, "evil.blob.core.windows.net", "");
	wants(p, "registry-1.docker.io", "t443");
	policy_free(p);
	ruleset_done(&rs);
}

static void write_preset(const char *dir, const char *name, const char *text)
{
	char path[256];

	snprintf(path, sizeof path, "%s/%s.json", dir, name);
	assert_int_equal(io_write_file_at(AT_FDCWD, path, ""), -ENOENT);
	int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(io_write_all(fd, text, strlen(text)), 0);
	close(fd);
}

static void test_preset_directory(void **state)
{
	static const struct {
		const char *name, *text, *why; /* NULL: fine */
	} cases[] = {
		{"mine",
		 "{\"version\":1,\"description\":\"d\",\"allow\":[\"a.example\"],"
		 "\"deny\":[\"b.example\"]} // comment",
		 NULL},
		/* Newer than ours. */
		{"pypi", "{\"version\":2,\"description\":\"d\",\"allow\":[\"new.example\"]}",
		 NULL},
		{"bad-rule", "{\"version\":1,\"description\":\"d\",\n\"allow\":[\n\"a..b\"]}",
		 "bad-rule.json:3: rule \"a..b\": a label"},
		{"bad-deny", "{\"version\":1,\"description\":\"d\",\"deny\":[\"a:1\"]}",
		 "all ports"},
		{"bad-type", "{\"version\":1,\"description\":\"d\",\"allow\":[1]}",
		 "expected a string"},
		{"bad-list", "{\"version\":1,\"description\":\"d\",\"allow\":\"a\"}",
		 "expected an array"},
		{"bad-key", "{\"version\":1,\"description\":\"d\",\"include\":[\"bad-key\"]}",
		 "include"},
		{"no-version", "{\"description\":\"d\"}", "version"},
		{"bad-version", "{\"version\":0,\"description\":\"d\"}", "version"},
		{"no-text", "", "no-text.json"},
		{"no-json", "a.example\n", "no-json.json:1"},
	};
	char dir[] = "/tmp/test-egress-XXXXXX", path[256];
	struct cis_error err = {0};
	struct ruleset rs = {0};
	struct policy *p;

	(void)state;
	assert_non_null(mkdtemp(dir));
	must(ruleset_presets_in(&rs, dir, &err), &err);
	/* What is denied by default is not replaced. */
	write_preset(dir, "no-lan", "{\"version\":9,\"description\":\"d\",\"deny\":[]}");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int r;

		write_preset(dir, cases[i].name, cases[i].text);
		r = ruleset_allow_preset(&rs, cases[i].name, "--preset", &err);
		if (cases[i].why ? r >= 0 || !strstr(err.message, cases[i].why) ||
					   !str_starts(err.message, "--preset: ")
				 : r < 0)
			fail_msg("%s: %d %s", cases[i].name, r, err.message);
		snprintf(path, sizeof path, "%s/%s.json", dir, cases[i].name);
		unlink(path);
		if (cases[i].why) {
			ruleset_done(&rs);
			must(ruleset_presets_in(&rs, dir, &err), &err);
			continue;
		}
		must(ruleset_compile(&rs, key, &p, &err), &err);
		wants(p, "a.example", "t80 t443");
		wants(p, "b.example", "");
		wants(p, "new.example", i ? "t80 t443" : "");
		wants(p, "pypi.org", "");
		never(p, "10.0.0.1", true);
		policy_free(p);
	}
	assert_true(ruleset_allow_preset(&rs, "absent", "--preset", &err) == -ENOENT);
	assert_non_null(strstr(err.message, dir));
	must(ruleset_allow_preset(&rs, "npm", "--preset", &err), &err);
	snprintf(path, sizeof path, "%s/no-lan.json", dir);
	unlink(path);
	assert_int_equal(rmdir(dir), 0);
	assert_true(ruleset_allow_file(&rs, "/nonexistent/allow.txt", &err) == -ENOENT);
	assert_non_null(strstr(err.message, "/nonexistent/allow.txt"));
	ruleset_done(&rs);
}

/* ---- the table -------------------------------------------------------------------- */

static void test_hash(void **state)
{
	/* The vectors of SipHash's authors: key 00..0f, messages 00, 00 01, ... */
	static const struct {
		size_t len;
		uint64_t wanted;
	} cases[] = {{0, UINT64_C(0x726fdb47dd0e0e31)},
		     {1, UINT64_C(0x74f839c593dc67fd)},
		     {7, UINT64_C(0xab0200f58b01d137)},
		     {8, UINT64_C(0x93f5f5799a932462)},
		     {15, UINT64_C(0xa129ca6149be45e5)}};
	const uint64_t k[2] = {UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908)};
	char message[16];

	(void)state;
	for (size_t i = 0; i < sizeof message; i++)
		message[i] = (char)i;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_true(policy_hash(k, message, cases[i].len) == cases[i].wanted);
}

/* Where it lies does not matter; nor how many names there are. */
static void test_many_names(void **state)
{
	struct ruleset rs = {0};
	struct cis_error err = {0};
	struct policy *p, *copy;
	char text[64];
	size_t longest = 0, run = 0;

	(void)state;
	for (unsigned int i = 0; i < 100000; i++) {
		snprintf(text, sizeof text, "%sn%u.example.com:%u", i % 3 ? "" : "*.", i,
			 1 + i % 65535);
		must(ruleset_allow(&rs, text, "--allow", &err), &err);
	}
	must(ruleset_compile(&rs, key, &p, &err), &err);
	copy = malloc(p->size);
	assert_non_null(copy);
	memcpy(copy, p, p->size);
	for (unsigned int i = 0; i < 100000; i++) {
		char wanted[16];

		snprintf(wanted, sizeof wanted, "t%u", 1 + i % 65535);
		snprintf(text, sizeof text, "%sn%u.example.com", i % 3 ? "" : "a.b.", i);
		wants(i % 2 ? p : copy, text, wanted);
		snprintf(text, sizeof text, "%sn%u.example.com", i % 3 ? "a." : "", i);
		wants(i % 2 ? p : copy, text, "");
	}
	/* A question probes no further than the longest row of slots in use. */
	for (uint32_t i = 0; i < p->slots.n; i++) {
		const struct policy_slot *slots = (const void *)((char *)p + p->slots.at);

		run = slots[i].node ? run + 1 : 0;
		longest = MAX(longest, run);
	}
	assert_true(longest < 200);
	free(copy);
	policy_free(p);
	ruleset_done(&rs);
}

static void test_many_ports(void **state)
{
	struct ruleset rs = {0};
	struct cis_error err = {0};
	struct policy *p;
	char text[64];

	(void)state;
	for (unsigned int i = 1; i <= 65535; i++) {
		snprintf(text, sizeof text, "a.x:%u", i);
		must(ruleset_allow(&rs, text, "--allow", &err), &err);
		snprintf(text, sizeof text, "2.0.0.0/7:%u", i);
		must(ruleset_allow(&rs, text, "--allow", &err), &err);
	}
	must(ruleset_compile(&rs, key, &p, &err), &err);
	assert_int_equal(policy_ports(p, "a.x", NULL, 0), 65535);
	policy_free(p);
	/* Nets in it inherit: what would take too much memory is refused. */
	for (unsigned int i = 0; i < 300; i++) {
		snprintf(text, sizeof text, "2.0.%u.%u:%u/udp", i / 256, i % 256, 1 + i);
		must(ruleset_allow(&rs, text, "--allow", &err), &err);
	}
	assert_int_equal(ruleset_compile(&rs, key, &p, &err), -E2BIG);
	ruleset_done(&rs);
}

/* ---- chance, always the same ------------------------------------------------------ */

static uint64_t chance_state;

static uint32_t chance(uint32_t below)
{
	chance_state = chance_state * UINT64_C(6364136223846793005) +
		       UINT64_C(1442695040888963407);
	return (uint32_t)(chance_state >> 33) % below;
}

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

/* Files of anything: an error names a line, or what was taken is written and read again. */
static void test_fuzz_files(void **state)
{
	static const char *const bits[] = {
		"a.example", "\n", "\n", "\r\n", "#", " ", "preset ", "debian", "pypi", "*.",
		":22", "203.0.113.0/24", "2001:db8::1", "[", "]", "\t", "\xef\xbb\xbf", "..", "x",
	};
	unsigned int taken = 0;

	(void)state;
	chance_state = 99;
	for (unsigned int i = 0; i < 20000; i++) {
		struct ruleset rs = {0}, again = {0};
		struct cis_error err = {0};
		char text[512], *once, *twice;
		size_t len = 0;

		for (uint32_t n = chance(20); n > 0; n--) {
			const char *bit = bits[chance(ARRAY_SIZE(bits))];

			memcpy(text + len, bit, strlen(bit));
			len += strlen(bit);
		}
		if (len > 0 && chance(5) == 0)
			text[chance((uint32_t)len)] = (char)chance(256);
		if (ruleset_allow_text(&rs, text, len, "f", &err) < 0) {
			assert_true(str_starts(err.message, "f:"));
			ruleset_done(&rs);
			continue;
		}
		taken++;
		once = printed(&rs);
		must(ruleset_allow_text(&again, once, strlen(once), "f", &err), &err);
		twice = printed(&again);
		assert_string_equal(once, twice);
		free(once);
		free(twice);
		ruleset_done(&rs);
		ruleset_done(&again);
	}
	assert_true(taken > 1000);
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

/* ---- against a model that asks each rule ------------------------------------------ */

#define MODEL_RULES 24

struct model {
	struct rule allow[MODEL_RULES], deny[4];
	size_t n_allow, n_deny;
};

static bool speaks_of(const struct rule *rule, const char *name)
{
	size_t n = strlen(name), m;

	if (rule->kind == RULE_NET)
		return false;
	m = strlen(rule->name);
	if (rule->kind == RULE_NAME)
		return strcmp(name, rule->name) == 0;
	return n > m && name[n - m - 1] == '.' && strcmp(name + n - m, rule->name) == 0;
}

static bool lies_in(const struct rule *rule, int family, const uint8_t *address)
{
	if (rule->kind != RULE_NET || rule->family != family)
		return false;
	for (unsigned int bit = 0; bit < rule->bits; bit++)
		if ((rule->address[bit / 8] ^ address[bit / 8]) & (0x80 >> bit % 8))
			return false;
	return true;
}

/* Bits of (protocol, port) for few ports: what a list of ports allows. */
static uint32_t allows(const struct egress_port *ports, size_t n)
{
	uint32_t set = 0;

	for (size_t i = 0; i < n; i++)
		for (unsigned int port = 1; port <= 4; port++)
			for (unsigned int udp = 0; udp < 2; udp++)
				if (egress_port_covers(ports[i],
						       (struct egress_port){udp ? IPPROTO_UDP
										: IPPROTO_TCP,
									    (uint16_t)port}))
					set |= 1U << (2 * port + udp);
	return set;
}

static void random_name(char *ret)
{
	*ret = '\0';
	for (uint32_t n = 1 + chance(4); n > 0; n--)
		sprintf(ret + strlen(ret), "%c%s", "abc"[chance(3)], n > 1 ? "." : "");
}

static void random_address(int family, uint8_t ret[16])
{
	static const uint8_t six[6] = {0x20, 1, 0xd, 0xb8, 0, 0};

	memset(ret, 0, 16);
	if (family == AF_INET) {
		ret[0] = 203;
		ret[2] = (uint8_t)chance(2);
		ret[3] = (uint8_t)(chance(4) << 6 | chance(3));
	} else {
		memcpy(ret, six, sizeof six);
		ret[14] = (uint8_t)chance(2);
		ret[15] = (uint8_t)(chance(4) << 6 | chance(3));
	}
}

static void random_rule(char *ret, size_t size, bool with_ports)
{
	static const char *const ports[] = {":1", ":2",	    ":3/udp", ":4/tcp",
					    ":*", ":*/tcp", ":*/udp"};
	const char *port = with_ports ? ports[chance(ARRAY_SIZE(ports))] : "";
	int family = chance(2) ? AF_INET : AF_INET6;
	char name[64], address[INET6_ADDRSTRLEN];
	struct rule net = {.kind = RULE_NET, .family = family};

	if (chance(2)) {
		random_name(name);
		snprintf(ret, size, "%s%s%s", chance(2) ? "*." : "", name, port);
		return;
	}
	random_address(family, net.address);
	net.bits = (family == AF_INET ? 32 : 128) - chance(10);
	for (unsigned int bit = net.bits; bit < (family == AF_INET ? 32U : 128U); bit++)
		net.address[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
	inet_ntop(family, net.address, address, sizeof address);
	snprintf(ret, size, family == AF_INET6 && *port ? "[%s/%u]%s" : "%s/%u%s", address,
		 net.bits, port);
}

static uint32_t model_name(const struct model *m, const char *name)
{
	uint32_t set = 0;

	for (size_t i = 0; i < m->n_deny; i++)
		if (speaks_of(&m->deny[i], name))
			return 0;
	for (size_t i = 0; i < m->n_allow; i++)
		if (speaks_of(&m->allow[i], name))
			set |= allows(m->allow[i].ports, m->allow[i].n_ports);
	return set;
}

static uint32_t model_address(const struct model *m, int family, const uint8_t *address)
{
	uint32_t set = 0;

	for (size_t i = 0; i < m->n_deny; i++)
		if (lies_in(&m->deny[i], family, address))
			return 0;
	for (size_t i = 0; i < m->n_allow; i++)
		if (lies_in(&m->allow[i], family, address))
			set |= allows(m->allow[i].ports, m->allow[i].n_ports);
	return set;
}

static void check_ranges(const struct policy *p, int family)
{
	const struct policy_range *never;
	const struct policy_net *nets;
	size_t n = policy_never(p, family, &never);

	for (size_t i = 0; i < n; i++) {
		assert_true(memcmp(never[i].first, never[i].last, 16) <= 0);
		assert_true(i == 0 || memcmp(never[i - 1].last, never[i].first, 16) < 0);
	}
	n = policy_nets(p, family, &nets);
	for (size_t i = 0; i < n; i++) {
		assert_true(memcmp(nets[i].range.first, nets[i].range.last, 16) <= 0);
		assert_true(i == 0 ||
			    memcmp(nets[i - 1].range.last, nets[i].range.first, 16) < 0);
	}
}

static void compare_with_model(const struct policy *p, const struct model *m)
{
	struct egress_port ports[16];
	const struct egress_port *at;

	for (unsigned int i = 0; i < 60; i++) {
		int family = i % 2 ? AF_INET : AF_INET6;
		uint8_t address[16];
		char name[64];
		size_t n;

		random_name(name);
		n = policy_ports(p, name, ports, ARRAY_SIZE(ports));
		assert_true(n <= ARRAY_SIZE(ports));
		if (allows(ports, n) != model_name(m, name))
			fail_msg("%s: %x, not %x", name, allows(ports, n),
				 model_name(m, name));
		for (size_t k = 1; k < n; k++)
			assert_true(egress_port_key(ports[k - 1]) <
				    egress_port_key(ports[k]));
		random_address(family, address);
		n = address_ports(p, family, address, &at);
		assert_int_equal(allows(at, n), model_address(m, family, address));
	}
	check_ranges(p, AF_INET);
	check_ranges(p, AF_INET6);
}

static void test_model(void **state)
{
	uint32_t some = 0;

	(void)state;
	chance_state = 7;
	for (unsigned int round = 0; round < 400; round++) {
		struct ruleset rs = {0};
		struct model m = {0};
		struct cis_error err = {0};
		struct policy *p;
		char text[128];

		for (uint32_t n = chance(MODEL_RULES); n > 0; n--) {
			random_rule(text, sizeof text, true);
			must(ruleset_allow(&rs, text, "--allow", &err), &err);
			must(rule_parse(text, strlen(text), true, "t", &m.allow[m.n_allow++],
					&err),
			     &err);
		}
		for (uint32_t n = chance(4); n > 0; n--) {
			random_rule(text, sizeof text, false);
			must(ruleset_deny(&rs, text, "--deny", &err), &err);
			must(rule_parse(text, strlen(text), false, "t", &m.deny[m.n_deny++],
					&err),
			     &err);
		}
		must(ruleset_compile(&rs, key, &p, &err), &err);
		compare_with_model(p, &m);
		some += model_name(&m, "a") != 0;
		for (size_t i = 0; i < m.n_allow; i++)
			rule_done(&m.allow[i]);
		for (size_t i = 0; i < m.n_deny; i++)
			rule_done(&m.deny[i]);
		policy_free(p);
		ruleset_done(&rs);
	}
	assert_true(some > 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_good_rules),
		cmocka_unit_test(test_bad_rules),
		cmocka_unit_test(test_name_policy),
		cmocka_unit_test(test_verdicts),
		cmocka_unit_test(test_never_list),
		cmocka_unit_test(test_holes),
		cmocka_unit_test(test_contradictions),
		cmocka_unit_test(test_host_addresses),
		cmocka_unit_test(test_nets),
		cmocka_unit_test(test_bad_files),
		cmocka_unit_test(test_files_merge),
		cmocka_unit_test(test_learn),
		cmocka_unit_test(test_presets),
		cmocka_unit_test(test_preset_directory),
		cmocka_unit_test(test_hash),
		cmocka_unit_test(test_many_names),
		cmocka_unit_test(test_many_ports),
		cmocka_unit_test(test_fuzz_rules),
		cmocka_unit_test(test_fuzz_files),
		cmocka_unit_test(test_fuzz_idn),
		cmocka_unit_test(test_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
