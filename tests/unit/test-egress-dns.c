/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The gate's resolver: which questions are asked on, and in which form. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

#include "egress-dns-expect.h"
#include "egress-dns.h"
#include "egress/ruleset.h"

/* ---- what is asked on ------------------------------------------------------------- */

static void test_names_of_no_rule_stay_here(void **state)
{
	static const char *const names[] = {
		"forbidden.example",
		"www.allowed.example",
		"xallowed.example",
		"wild.example",
		"example",
		"allowed.example.forbidden.example",
		"_443._https.allowed.example",
		"denied.example",
		"a.denied.example",
		"_dns.resolver.arpa",
		"use-application-dns.net",
		"1.2.0.192.in-addr.arpa",
		"in-addr.arpa",
		"*.wild.example",
		"a b.wild.example",
	};

	(void)state;
	start();
	for (size_t i = 0; i < COUNT(names); i++) {
		ask(names[i], DNS_A);
		assert_int_equal(w.n_told, i + 1);
		expect(DNS_NXDOMAIN, 15, DNS_BECAUSE_NAME);
		assert_int_equal(w.noted[i].verdict, DNS_DENIED);
		assert_int_equal(v.n, 0);
	}
	ask("", DNS_NS);
	expect(DNS_REFUSED, 15, DNS_BECAUSE_NAME);
	assert_int_equal(w.n_sent, 0);
	/* Without EDNS no reason can be said. */
	ask_as(&udp, "forbidden.example", DNS_A, OPT_NONE);
	assert_true(look(&w.told, &v));
	assert_int_equal(v.rcode, DNS_NXDOMAIN);
	assert_false(v.opt.is_there);
}

/* Bytes that a text would hide: "allowed.example" as one label, and with a NUL behind it. */
static void test_labels_are_not_text(void **state)
{
	static const char *const questions[] = {
		"\17allowed.example\0",
		"\7allowed\11example\0x\0",
		"\10allowed\0\7example\0",
		"\7allowed\10example.\0",
	};
	static const size_t lengths[] = {17, 19, 18, 18};
	uint8_t buf[64];

	(void)state;
	start();
	for (size_t i = 0; i < COUNT(questions); i++) {
		memcpy(buf, "\1\2\1\0\0\1\0\0\0\0\0\0", 12);
		memcpy(buf + 12, questions[i], lengths[i]);
		memcpy(buf + 12 + lengths[i], "\0\1\0\1", 4);
		give_query(&udp, buf, 16 + lengths[i]);
		assert_int_equal(w.n_told, i + 1);
		assert_true(look(&w.told, &v));
		assert_int_equal(v.rcode, DNS_NXDOMAIN);
		for (const char *p = w.noted[i].name; *p; p++)
			assert_true(*p > ' ' && *p < 127 && *p != '"');
	}
	assert_int_equal(w.n_sent, 0);
	assert_string_equal(w.noted[0].name, "allowed\\046example");
}

static void test_types(void **state)
{
	static const uint16_t known[] = {DNS_A,	  DNS_AAAA, DNS_CNAME, DNS_HTTPS,  DNS_SVCB,
					 DNS_TXT, DNS_MX,   DNS_SRV,   DNS_NS,	   DNS_SOA,
					 DNS_CAA, DNS_PTR,  DNS_DS,    DNS_DNSKEY, DNS_RRSIG};
	static const uint16_t bad[] = {DNS_ANY, DNS_AXFR, DNS_IXFR, 0,	  DNS_OPT, 249,
				       250,	253,	  10,	    13,	  35,	   39,
				       47,	50,	  99,	    65535};

	(void)state;
	start();
	for (size_t i = 0; i < COUNT(known); i++) {
		ask("allowed.example", known[i]);
		assert_int_equal(w.n_sent, i + 1);
	}
	for (size_t i = 0; i < COUNT(bad); i++) {
		ask("allowed.example", bad[i]);
		assert_int_equal(w.n_told, i + 1);
		expect(DNS_REFUSED, 21, DNS_BECAUSE_TYPE);
	}
	assert_int_equal(w.n_sent, COUNT(known));
}

static void test_malformed_queries(void **state)
{
	static const struct {
		const char *what;
		size_t at;
		uint8_t value;
		size_t cut; /* bytes at the end */
		int rcode;  /* -1: no answer */
	} cases[] = {
		{"an answer", 2, 0x81, 0, -1},
		{"opcode 4", 2, 0x21, 0, DNS_NOTIMP},
		{"opcode 5", 2, 0x29, 0, DNS_NOTIMP},
		{"TC", 2, 0x03, 0, DNS_FORMERR},
		{"no question", 5, 0, 0, DNS_FORMERR},
		{"two questions", 5, 2, 0, DNS_FORMERR},
		{"65281 questions", 4, 255, 0, DNS_FORMERR},
		{"an answer in it", 7, 1, 0, DNS_FORMERR},
		{"authority in it", 9, 1, 0, DNS_FORMERR},
		{"two additional", 11, 2, 0, DNS_FORMERR},
		{"bytes at the end", 11, 0, 0, DNS_FORMERR},
		{"a pointer as name", 12, 0xc0, 0, DNS_FORMERR},
		{"class CH", 32, 3, 0, DNS_REFUSED},
		{"class ANY", 32, 255, 0, DNS_REFUSED},
		{"EDNS 1", 39, 1, 0, DNS_BADVERS},
		{"OPT of a name", 33, 1, 0, DNS_FORMERR},
		{"another type for OPT", 35, 16, 0, DNS_FORMERR},
		{"options past the end", 43, 9, 0, DNS_FORMERR},
		{"cut", 0, 0x12, 1, DNS_FORMERR},
		{"cut in the question", 0, 0x12, 12, DNS_FORMERR},
		{"cut in the header", 0, 0x12, 33, -1},
	};
	uint8_t buf[64];

	(void)state;
	start();
	for (size_t i = 0; i < COUNT(cases); i++) {
		size_t n = make_query(buf, sizeof buf, "allowed.example", DNS_A, OPT_PLAIN,
				      1232);
		size_t before = w.n_told;

		assert_int_equal(n, 44);
		buf[cases[i].at] = cases[i].value;
		give_query(&udp, buf, n - cases[i].cut);
		if (cases[i].rcode < 0 ? w.n_told != before : w.n_told != before + 1)
			fail_msg("%s: %zu answers", cases[i].what, w.n_told - before);
		if (cases[i].rcode < 0)
			continue;
		assert_true(look(&w.told, &v));
		if (v.rcode != cases[i].rcode)
			fail_msg("%s: %u", cases[i].what, v.rcode);
		assert_int_equal(v.h.id, 0x1234);
	}
	assert_int_equal(w.n_sent, 0);
	/* version.bind */
	size_t n = make_query(buf, sizeof buf, "version.bind", DNS_TXT, OPT_PLAIN, 1232);
	buf[29] = 3;
	give_query(&udp, buf, n);
	expect(DNS_REFUSED, 21, DNS_BECAUSE_CLASS);
	/* IXFR says what it has in the authority section. */
	struct dns_writer out = {.buf = buf, .size = sizeof buf};
	dns_write_header(&out, &(struct dns_header){.n_questions = 1, .n_authority = 1});
	struct dns_name name = name_of("allowed.example");
	dns_write_question(&out, &(struct dns_question){name, DNS_IXFR, DNS_CLASS_IN});
	dns_write_rdlen(&out, dns_write_rr(&out, &name, DNS_SOA, 0));
	give_query(&tcp, buf, out.len);
	expect(DNS_REFUSED, -1, DNS_BECAUSE_TYPE);
}

/* What leaves is ours: id, case, OPT; of the client's only DO and CD. */
static void test_queries_are_made_anew(void **state)
{
	struct dns_message m = {w.sent.bytes, 0};
	uint16_t ids[8];
	unsigned int n_upper = 0;
	uint8_t buf[64];

	(void)state;
	start();
	for (size_t i = 0; i < COUNT(ids); i++) {
		size_t n = make_query(buf, sizeof buf, "Allowed.EXAMPLE", DNS_A,
				      i % 2 ? OPT_COOKIE : OPT_DO, 4096);
		size_t at = DNS_HEADER_SIZE;
		char text[DNS_NAME_TEXT_MAX + 1];
		struct dns_question q;
		struct dns_header h;
		struct dns_opt opt;
		struct dns_rr rr;

		buf[0] = (uint8_t)i;
		buf[3] = i == 2 ? DNS_FLAG_CD : 0;
		give_query(&udp, buf, n);
		assert_int_equal(w.n_sent, i + 1);
		m.n = w.sent.n;
		assert_int_equal(dns_read_header(&m, &h), 0);
		assert_int_equal(dns_read_question(&m, &at, &q), 0);
		assert_int_equal(dns_read_rr(&m, &at, &rr), 0);
		assert_int_equal(dns_read_opt(&m, &rr, &opt), 0);
		assert_int_equal(at, m.n);
		assert_int_equal(rr.rdlen, 0);
		assert_int_equal(opt.size, DNS_UDP_SIZE);
		assert_int_equal(opt.is_do, i % 2 == 0);
		assert_int_equal(h.flags, DNS_FLAG_RD | (i == 2 ? DNS_FLAG_CD : 0));
		assert_int_equal(dns_name_text(&q.name, text), 0);
		assert_string_equal(text, "allowed.example");
		for (size_t j = 0; j < q.name.len; j++)
			n_upper += q.name.wire[j] >= 'A' && q.name.wire[j] <= 'Z';
		ids[i] = h.id;
		for (size_t j = 0; j < i; j++)
			assert_int_not_equal(ids[i], ids[j]);
	}
	/* 112 letters: about half. */
	assert_in_range(n_upper, 30, 82);
	/* Said again by the same client: one query is enough. */
	give_query(&udp, buf,
		   make_query(buf, sizeof buf, "other.example", DNS_A, OPT_NONE, 0));
	give_query(&udp, buf,
		   make_query(buf, sizeof buf, "other.example", DNS_A, OPT_NONE, 0));
	assert_int_equal(w.n_sent, COUNT(ids) + 1);
}

/* ---- what is told ------------------------------------------------------------------ */

static void test_audit(void **state)
{
	(void)state;
	w.policy.is_audit = true;
	start();
	ask("whatever.example", DNS_A);
	respond({"whatever.example", DNS_A, 60, "192.0.2.1"});
	expect(DNS_NOERROR, -1, DNS_BECAUSE_ANSWERED);
	assert_int_equal(w.admission.n_ports, 1);
	assert_int_equal(w.admission.ports[0].port, 0);
	/* What is never is never. */
	ask("whatever.example", DNS_A);
	respond({"whatever.example", DNS_A, 60, "169.254.169.254"});
	expect(DNS_NOERROR, 17, DNS_BECAUSE_REBINDING);
	size_t before = w.n_sent;
	ask("denied.example", DNS_A);
	expect(DNS_NXDOMAIN, 15, DNS_BECAUSE_NAME);
	ask("1.0.0.10.in-addr.arpa", DNS_PTR);
	expect(DNS_NXDOMAIN, 15, DNS_BECAUSE_NAME);
	ask("_dns.resolver.arpa", DNS_SVCB);
	expect(DNS_NXDOMAIN, 15, DNS_BECAUSE_NAME);
	assert_int_equal(w.n_sent, before);
	ask("8.113.0.203.in-addr.arpa", DNS_PTR);
	assert_int_equal(w.n_sent, before + 1);
}

/* The same with rules as a person writes them. */
static void test_compiled_policy(void **state)
{
	static const char *const rules[] = {"allowed.example:8443", "*.wild.example:443",
					    "a.wild.example:22", "*.denied.example"};
	static const uint8_t key[16] = "0123456789abcde";
	struct cis_error err = {0};
	struct ruleset rs = {0};
	struct policy *policy;

	(void)state;
	for (size_t i = 0; i < COUNT(rules); i++)
		assert_int_equal(ruleset_allow(&rs, rules[i], "--allow", &err), 0);
	assert_int_equal(ruleset_deny(&rs, "x.denied.example", "--deny", &err), 0);
	assert_int_equal(ruleset_compile(&rs, key, &policy, &err), 0);
	dns_policy_of(policy, &w.policy);
	w.config.names_per_minute = 2;
	start();
	ask("Allowed.example", DNS_A);
	respond({"allowed.example", DNS_A, 60, "203.0.113.1"});
	expect(DNS_NOERROR, -1, DNS_BECAUSE_ANSWERED);
	assert_int_equal(w.admission.n_ports, 1);
	assert_int_equal(w.admission.ports[0].port, 8443);
	ask("a.wild.example", DNS_A);
	respond({"a.wild.example", DNS_A, 60, "203.0.113.2"},
		{"a.wild.example", DNS_A, 60, "100.100.100.200"});
	assert_true(look(&w.told, &v));
	assert_int_equal(v.n, 1);
	assert_int_equal(w.admission.n_ports, 2);
	ask("wild.example", DNS_A);
	expect(DNS_NXDOMAIN, 15, DNS_BECAUSE_NAME);
	ask("x.denied.example", DNS_A);
	expect(DNS_NXDOMAIN, 15, DNS_BECAUSE_NAME);
	ask("allowed.example", DNS_A);
	respond({"allowed.example", DNS_CNAME, 60, "x.denied.example"},
		{"x.denied.example", DNS_A, 60, "203.0.113.3"});
	expect(DNS_NXDOMAIN, 15, DNS_BECAUSE_NAME);
	/* Of a preset that is in force. */
	ask("allowed.example", DNS_A);
	respond({"allowed.example", DNS_CNAME, 60, "dns.google"},
		{"dns.google", DNS_A, 60, "203.0.113.4"});
	expect(DNS_NXDOMAIN, 15, DNS_BECAUSE_NAME);
	assert_null(w.policy.wildcard(policy, "a.wild.example"));
	assert_string_equal(w.policy.wildcard(policy, "b.c.wild.example"), "wild.example");
	ask("allowed.example", DNS_AAAA);
	respond({"allowed.example", DNS_AAAA, 60, "64:ff9b::10.0.0.1"},
		{"allowed.example", DNS_AAAA, 60, "fd00:ec2::254"});
	expect(DNS_NOERROR, 17, DNS_BECAUSE_REBINDING);
	/* a.wild.example has a rule of its own: it is none of the two below the wildcard. */
	ask("b.wild.example", DNS_A);
	ask("c.wild.example", DNS_A);
	size_t before = w.n_sent;
	ask("d.wild.example", DNS_A);
	assert_int_equal(w.n_sent, before);
	expect(DNS_REFUSED, 18, DNS_BECAUSE_FLOOD_NAMES);
	policy_free(policy);
	ruleset_done(&rs);
}

static void test_sizes(void **state)
{
	static struct entry many[300];
	static char addresses[300][16];
	uint8_t buf[64];

	(void)state;
	for (size_t i = 0; i < COUNT(many); i++) {
		snprintf(addresses[i], sizeof addresses[i], "198.51.%zu.%zu", i / 250,
			 i % 250);
		many[i] = (struct entry){"allowed.example", DNS_A, 60, addresses[i]};
	}
	start();
	/* 33 bytes of question, 16 an address: 40 do not fit 512, do fit 1232. */
	ask_as(&udp, "allowed.example", DNS_A, OPT_NONE);
	respond_with(0, many, 40);
	assert_true(look(&w.told, &v));
	assert_true(v.h.flags & DNS_FLAG_TC);
	assert_int_equal(v.n, 0);
	assert_int_equal(w.n_admitted, 0);
	ask("allowed.example", DNS_A);
	respond_with(0, many, 40);
	assert_true(look(&w.told, &v));
	assert_false(v.h.flags & DNS_FLAG_TC);
	assert_int_equal(v.n, 40);
	assert_int_equal(w.admission.n_addresses, 40);
	/* More than is admitted is not told either. */
	ask_as(&tcp, "allowed.example", DNS_A, OPT_PLAIN);
	assert_true(w.sent.is_tcp);
	respond_with(0, many, 300);
	assert_true(look(&w.told, &v));
	assert_int_equal(v.n, DNS_ADDRESSES_MAX);
	assert_true(w.told.client.is_tcp);
	/* Sizes that are lies: below 512, above ours. */
	give_query(&udp, buf,
		   make_query(buf, sizeof buf, "other.example", DNS_TXT, OPT_PLAIN, 1));
	for (size_t i = 0; i < 300; i++)
		many[i] = (struct entry){"other.example", DNS_TXT, 60,
					 "twenty bytes of text"};
	respond_with(0, many, 10);
	assert_true(look(&w.told, &v));
	assert_int_equal(v.n, 10);
	give_query(&udp, buf,
		   make_query(buf, sizeof buf, "other.example", DNS_TXT, OPT_PLAIN, 65535));
	respond_with(0, many, 40);
	assert_true(look(&w.told, &v));
	assert_true(v.h.flags & DNS_FLAG_TC);
	assert_int_equal(v.opt.size, DNS_UDP_SIZE);
}

static void test_dnssec(void **state)
{
	static const struct entry signed_answer[] = {
		{"allowed.example", DNS_A, 60, "192.0.2.1"},
		{"allowed.example", DNS_RRSIG, 60, "A"},
		{"allowed.example", DNS_RRSIG, 60, "CNAME"},
		{"allowed.example", DNS_A, 60, "10.0.0.1"},
	};

	(void)state;
	start();
	ask_as(&udp, "allowed.example", DNS_A, OPT_DO);
	respond_with(DNS_FLAG_AD | DNS_FLAG_AA, signed_answer, 3);
	assert_true(look(&w.told, &v));
	assert_int_equal(v.n, 2);
	assert_int_equal(v.rrs[1].type, DNS_RRSIG);
	assert_true(v.h.flags & DNS_FLAG_AD && v.opt.is_do);
	/* Not asked for. */
	ask("allowed.example", DNS_A);
	respond_with(DNS_FLAG_AD, signed_answer, 3);
	assert_true(look(&w.told, &v));
	assert_int_equal(v.n, 1);
	assert_false(v.h.flags & DNS_FLAG_AD);
	/* What was signed is not what is told. */
	ask_as(&udp, "allowed.example", DNS_A, OPT_DO);
	respond_with(DNS_FLAG_AD, signed_answer, 4);
	assert_true(look(&w.told, &v));
	assert_int_equal(v.n, 1);
	assert_false(v.h.flags & DNS_FLAG_AD);
}

/* ---- floods ------------------------------------------------------------------------ */

static void test_configuration(void **state)
{
	(void)state;
	w.config.n_upstreams = 0;
	void *before = w.d;

	assert_int_equal(start(), -EINVAL);
	assert_ptr_equal(w.d, before);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		CASE(test_names_of_no_rule_stay_here),
		CASE(test_labels_are_not_text),
		CASE(test_types),
		CASE(test_malformed_queries),
		CASE(test_queries_are_made_anew),
		CASE(test_audit),
		CASE(test_compiled_policy),
		CASE(test_sizes),
		CASE(test_dnssec),
		CASE(test_configuration),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
