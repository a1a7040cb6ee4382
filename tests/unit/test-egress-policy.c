/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rules of egress gathered and compiled: what is allowed, denied, never. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "egress-policy.h"
#include "egress/name.h"
#include "egress/policy-table.h"
#include "egress/ruleset.h"

/* ---- a ruleset and its answers ---------------------------------------------------- */

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_name_policy),
		cmocka_unit_test(test_verdicts),
		cmocka_unit_test(test_never_list),
		cmocka_unit_test(test_holes),
		cmocka_unit_test(test_contradictions),
		cmocka_unit_test(test_host_addresses),
		cmocka_unit_test(test_nets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
