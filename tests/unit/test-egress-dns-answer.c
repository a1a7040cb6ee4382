/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The gate's resolver: what is told, and not before it is admitted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "egress-dns-expect.h"
#include "egress-dns.h"

/* ---- what is told ------------------------------------------------------------------ */

static bool has_address(const char *text)
{
	const struct dns_message m = {w.told.bytes, w.told.n};
	uint8_t a[16];
	bool is_v4 = inet_pton(AF_INET, text, a) == 1;

	if (!is_v4)
		assert_int_equal(inet_pton(AF_INET6, text, a), 1);
	for (size_t i = 0; i < v.h.n_answers; i++)
		if (v.rrs[i].type == (is_v4 ? DNS_A : DNS_AAAA) &&
		    !memcmp(m.p + v.rrs[i].rdata, a, is_v4 ? 4 : 16))
			return true;
	return false;
}

static void test_admitted_before_told(void **state)
{
	(void)state;
	w.admits_at_once = false;
	start();
	ask("AlloweD.example", DNS_A);
	respond({"allowed.example", DNS_A, 300, "192.0.2.1"},
		{"allowed.example", DNS_A, 300, "192.0.2.2"},
		{"allowed.example", DNS_A, 300, "192.0.2.1"});
	assert_int_equal(w.n_told, 0);
	assert_int_equal(w.n_admitted, 1);
	assert_int_equal(w.admission.n_addresses, 2);
	assert_memory_equal(w.admission.addresses[1].bytes, "\300\0\2\2", 4);
	assert_int_equal(w.admission.seconds, 300 + 600);
	assert_int_equal(w.admission.n_ports, 2);
	assert_int_equal(w.admission.ports[1].port, 443);
	assert_string_equal(w.admitted_name, "allowed.example");
	dns_admitted(w.d, w.now, w.admission.ticket + 1, true);
	assert_int_equal(w.n_told, 0);
	dns_admitted(w.d, w.now, w.admission.ticket, true);
	expect(DNS_NOERROR, -1, DNS_BECAUSE_ANSWERED);
	assert_int_equal(v.h.n_answers, 2);
	assert_true(has_address("192.0.2.1") && has_address("192.0.2.2"));
	assert_int_equal(v.h.flags & (DNS_FLAG_RA | DNS_FLAG_RD), DNS_FLAG_RA | DNS_FLAG_RD);
	/* The question in the client's case. */
	assert_memory_equal(v.q.name.wire + 1, "AlloweD", 7);
	dns_admitted(w.d, w.now, w.admission.ticket, true);
	assert_int_equal(w.n_told, 1);
	/* The keeper could not, or does not say. */
	ask("allowed.example", DNS_A);
	respond({"allowed.example", DNS_A, 300, "192.0.2.1"});
	dns_admitted(w.d, w.now, w.admission.ticket, false);
	expect(DNS_SERVFAIL, -1, DNS_BECAUSE_NOT_ADMITTED);
	ask("allowed.example", DNS_A);
	respond({"allowed.example", DNS_A, 300, "192.0.2.1"});
	assert_in_range(dns_next_timeout(w.d, w.now), 1, 3000);
	w.now += 3000;
	dns_tick(w.d, w.now);
	expect(DNS_SERVFAIL, -1, DNS_BECAUSE_NOT_ADMITTED);
	assert_int_equal(dns_next_timeout(w.d, w.now), -1);
}

static void test_chain(void **state)
{
	(void)state;
	start();
	ask("allowed.example", DNS_A);
	respond({"edge.cdn.example", DNS_A, 60, "192.0.2.1"},
		{"allowed.example", DNS_CNAME, 100000, "Mid.cdn.example"},
		{"stray.example", DNS_A, 60, "192.0.2.66"},
		{"allowed.example", DNS_A, 60, "192.0.2.67"},
		{"mid.cdn.example", DNS_CNAME, 0, "edge.cdn.example"},
		{"edge.cdn.example", DNS_TXT, 60, "stray"}, {.type = 0},
		{"cdn.example", DNS_NS, 60, "ns.cdn.example"},
		{"edge.cdn.example", DNS_A, 60, "192.0.2.68"}, {.type = 0},
		{"ns.cdn.example", DNS_A, 60, "192.0.2.69"},
		{"edge.cdn.example", DNS_A, 60, "192.0.2.70"});
	expect(DNS_NOERROR, -1, DNS_BECAUSE_ANSWERED);
	assert_int_equal(v.h.n_answers, 3);
	assert_int_equal(v.h.n_authority, 0);
	assert_true(has_address("192.0.2.1"));
	assert_int_equal(v.rrs[0].ttl, 3600);
	assert_int_equal(v.rrs[1].ttl, 30);
	assert_int_equal(v.rrs[2].ttl, 60);
	assert_int_equal(w.admission.n_addresses, 1);
	assert_true(knows("allowed.example", "192.0.2.1"));
	/* A target has no name of its own to be used with. */
	assert_false(knows("edge.cdn.example", "192.0.2.1"));
	assert_false(knows("allowed.example", "192.0.2.67"));
	assert_false(knows("stray.example", "192.0.2.66"));
	/* A resolver inside asks for the target itself: with the ports of who led there. */
	ask("edge.cdn.example", DNS_A);
	respond({"edge.cdn.example", DNS_A, 60, "192.0.2.9"});
	expect(DNS_NOERROR, -1, DNS_BECAUSE_ANSWERED);
	assert_int_equal(w.admission.n_ports, 2);
	assert_int_equal(w.admission.ports[0].port, 80);
	assert_true(knows("allowed.example", "192.0.2.9"));
	/* But only for what connecting needs, and not what is below or above it. */
	ask("edge.cdn.example", DNS_TXT);
	expect(DNS_NXDOMAIN, 15, DNS_BECAUSE_NAME);
	ask("a.edge.cdn.example", DNS_A);
	expect(DNS_NXDOMAIN, 15, DNS_BECAUSE_NAME);
	/* And until it is over: 60 s and the grace of 600. */
	w.now += 660 * 1000;
	ask("edge.cdn.example", DNS_A);
	expect(DNS_NXDOMAIN, 15, DNS_BECAUSE_NAME);
	assert_false(knows("allowed.example", "192.0.2.1"));
}

static void test_chain_that_is_none(void **state)
{
	(void)state;
	w.config.n_upstreams = 1;
	start();
	/* Round and round: each try of the upstream is of no use. */
	ask("allowed.example", DNS_A);
	for (int i = 0; i < 3; i++)
		respond({"allowed.example", DNS_CNAME, 60, "a.example"},
			{"a.example", DNS_CNAME, 60, "allowed.example"});
	expect(DNS_SERVFAIL, 22, DNS_BECAUSE_UPSTREAM);
	assert_int_equal(w.n_sent, 3);
	/* A chain through what is denied by name. */
	ask("allowed.example", DNS_A);
	respond({"allowed.example", DNS_CNAME, 60, "x.denied.example"},
		{"x.denied.example", DNS_A, 60, "192.0.2.1"});
	expect(DNS_NXDOMAIN, 15, DNS_BECAUSE_NAME);
	assert_int_equal(w.n_admitted, 0);
	assert_false(knows("allowed.example", "192.0.2.1"));
	/* The answer is only in other sections. */
	ask("allowed.example", DNS_A);
	respond({.type = 0}, {"allowed.example", DNS_A, 60, "192.0.2.1"}, {.type = 0},
		{"allowed.example", DNS_A, 60, "192.0.2.1"});
	expect(DNS_NOERROR, -1, DNS_BECAUSE_NEGATIVE);
	assert_int_equal(v.n, 0);
	/* Addresses beside "does not exist". */
	ask("allowed.example", DNS_A);
	respond_with(DNS_NXDOMAIN,
		     &(const struct entry){"allowed.example", DNS_A, 60, "192.0.2.1"}, 1);
	expect(DNS_NXDOMAIN, -1, DNS_BECAUSE_NEGATIVE);
	assert_int_equal(v.n, 0);
	assert_int_equal(w.n_admitted, 0);
}

static void test_rebinding(void **state)
{
	static const char *const never[] = {"10.0.0.1", "127.0.0.1", "192.168.1.1",
					    "169.254.169.254", "0.0.0.0"};

	(void)state;
	start();
	for (size_t i = 0; i < COUNT(never); i++) {
		ask("allowed.example", DNS_A);
		respond({"allowed.example", DNS_CNAME, 60, "lan.example"},
			{"lan.example", DNS_A, 60, never[i]});
		expect(DNS_NOERROR, 17, DNS_BECAUSE_REBINDING);
		assert_int_equal(v.n, 0);
		assert_int_equal(w.noted[w.n_noted - 1].verdict, DNS_DENIED);
		assert_false(knows("allowed.example", never[i]));
	}
	ask("allowed.example", DNS_AAAA);
	respond({"allowed.example", DNS_AAAA, 60, "fd00:ec2::254"},
		{"allowed.example", DNS_AAAA, 60, "::ffff:10.0.0.1"});
	expect(DNS_NOERROR, 17, DNS_BECAUSE_REBINDING);
	assert_int_equal(w.n_admitted, 0);
	/* One of two: the other is told, and both are recorded. */
	ask("allowed.example", DNS_A);
	respond({"allowed.example", DNS_A, 60, "10.0.0.1"},
		{"allowed.example", DNS_A, 60, "192.0.2.1"});
	expect(DNS_NOERROR, -1, DNS_BECAUSE_ANSWERED);
	assert_int_equal(v.n, 1);
	assert_true(has_address("192.0.2.1"));
	assert_int_equal(w.noted[w.n_noted - 2].reason, DNS_BECAUSE_REBINDING);
}

static void test_services(void **state)
{
	const struct dns_message m = {w.told.bytes, sizeof w.told.bytes};
	struct dns_name target, pool = name_of("pool.cdn.example");

	(void)state;
	start();
	/* alpn h2, ipv4hint, ech, ipv6hint of one byte less than an address: all gone. */
	ask("allowed.example", DNS_HTTPS);
	respond({"allowed.example", DNS_HTTPS, 60,
		 "1 pool.cdn.example 00010003026832000400040a0000010005000161000600020102"},
		{"allowed.example", DNS_HTTPS, 60, "2 . 00000002000400040004c0000201"},
		{.type = 0}, {.type = 0}, {"pool.cdn.example", DNS_A, 60, "192.0.2.1"});
	expect(DNS_NOERROR, -1, DNS_BECAUSE_ANSWERED);
	assert_int_equal(v.n, 1);
	assert_int_equal(dns_read_target(&m, &v.rrs[0], 2, &target), 0);
	assert_true(dns_name_equals(&target, &pool));
	assert_int_equal(v.rrs[0].rdlen, 2 + pool.len + 7);
	assert_int_equal(w.n_admitted, 0);
	/* The target is asked for by the client, and its addresses are for the name before. */
	ask("pool.cdn.example", DNS_A);
	respond({"pool.cdn.example", DNS_A, 60, "192.0.2.1"});
	expect(DNS_NOERROR, -1, DNS_BECAUSE_ANSWERED);
	assert_true(knows("allowed.example", "192.0.2.1"));
	assert_false(knows("pool.cdn.example", "192.0.2.1"));
	/* An alias for the whole. */
	ask("other.example", DNS_HTTPS);
	respond({"other.example", DNS_HTTPS, 60, "0 pool.cdn.example"});
	assert_true(look(&w.told, &v));
	assert_int_equal(v.n, 1);
	/* Two led there: the ports of both, once each. */
	ask("pool.cdn.example", DNS_A);
	respond({"pool.cdn.example", DNS_A, 60, "192.0.2.2"});
	assert_int_equal(w.admission.n_ports, 3);
	assert_true(knows("allowed.example", "192.0.2.2") &&
		    knows("other.example", "192.0.2.2"));
	/* Targets of SRV, MX and NS give no right. */
	ask("allowed.example", DNS_SRV);
	respond({"allowed.example", DNS_SRV, 60, "srv.example"});
	ask("allowed.example", DNS_MX);
	respond({"allowed.example", DNS_MX, 60, "mx.example"});
	ask("allowed.example", DNS_NS);
	respond({"allowed.example", DNS_NS, 60, "ns.example"});
	assert_true(look(&w.told, &v));
	assert_int_equal(v.n, 1);
	size_t before = w.n_sent;
	ask("srv.example", DNS_A);
	ask("mx.example", DNS_A);
	ask("ns.example", DNS_A);
	assert_int_equal(w.n_sent, before);
	expect(DNS_NXDOMAIN, 15, DNS_BECAUSE_NAME);
}

static void test_without_ipv6(void **state)
{
	(void)state;
	w.config.has_ipv6 = false;
	start();
	ask("allowed.example", DNS_AAAA);
	expect(DNS_NOERROR, -1, DNS_BECAUSE_NO_IPV6);
	assert_int_equal(v.n, 0);
	ask("forbidden.example", DNS_AAAA);
	expect(DNS_NXDOMAIN, 15, DNS_BECAUSE_NAME);
	assert_int_equal(w.n_sent, 0);
}

static void test_negative(void **state)
{
	(void)state;
	start();
	ask("a.wild.example", DNS_A);
	respond_with(DNS_NXDOMAIN,
		     (const struct entry[]){{.type = 0},
					    {"other.zone", DNS_SOA, 60,
					     "ns.other.zone h.other.zone 60"},
					    {"wild.example", DNS_SOA, 86400,
					     "ns.wild.example h.wild.example 7200"},
					    {"a.wild.example", DNS_A, 60, "192.0.2.1"},
					    {.type = 0},
					    {"ns.wild.example", DNS_A, 60, "192.0.2.1"}},
		     6);
	expect(DNS_NXDOMAIN, -1, DNS_BECAUSE_NEGATIVE);
	assert_int_equal(v.h.n_answers, 0);
	assert_int_equal(v.h.n_authority, 1);
	assert_int_equal(v.rrs[0].type, DNS_SOA);
	assert_int_equal(v.rrs[0].ttl, 3600);
	/* No data, and a time below the floor. */
	ask("a.wild.example", DNS_TXT);
	respond({.type = 0},
		{"wild.example", DNS_SOA, 60, "ns.wild.example h.wild.example 5"});
	expect(DNS_NOERROR, -1, DNS_BECAUSE_NEGATIVE);
	assert_int_equal(v.rrs[0].ttl, 30);
	/* A chain to a name that does not exist: the chain is told. */
	ask("a.wild.example", DNS_A);
	respond_with(DNS_NXDOMAIN,
		     (const struct entry[]){
			     {"a.wild.example", DNS_CNAME, 60, "gone.cdn.example"},
			     {.type = 0},
			     {"cdn.example", DNS_SOA, 60, "ns.cdn.example h.cdn.example 60"}},
		     3);
	expect(DNS_NXDOMAIN, -1, DNS_BECAUSE_NEGATIVE);
	assert_int_equal(v.h.n_answers, 1);
	assert_int_equal(v.h.n_authority, 1);
}

static void test_reverse(void **state)
{
	static const char *const bad[] = {
		"01.2.0.192.in-addr.arpa",   "1.2.0.in-addr.arpa",
		"1.1.2.0.192.in-addr.arpa",  "256.2.0.192.in-addr.arpa",
		"1.2.0.192.ip6.arpa",	     "1.0.0.10.in-addr.arpa",
		"2.2.0.192.in-addr.arpa",    "x.2.0.192.in-addr.arpa",
		"1000.2.0.192.in-addr.arpa",
	};

	(void)state;
	start();
	ask("1.2.0.192.in-addr.arpa", DNS_PTR);
	expect(DNS_NXDOMAIN, 15, DNS_BECAUSE_NAME);
	ask("allowed.example", DNS_A);
	respond({"allowed.example", DNS_A, 60, "192.0.2.1"});
	ask("allowed.example", DNS_AAAA);
	respond({"allowed.example", DNS_AAAA, 60, "2001:db8::1"});
	size_t before = w.n_sent;
	for (size_t i = 0; i < COUNT(bad); i++) {
		ask(bad[i], DNS_PTR);
		expect(DNS_NXDOMAIN, 15, DNS_BECAUSE_NAME);
	}
	ask("1.2.0.192.in-addr.arpa", DNS_TXT);
	expect(DNS_NXDOMAIN, 15, DNS_BECAUSE_NAME);
	assert_int_equal(w.n_sent, before);
	ask("1.2.0.192.in-addr.arpa", DNS_PTR);
	respond({"1.2.0.192.in-addr.arpa", DNS_PTR, 60, "host.example"});
	expect(DNS_NOERROR, -1, DNS_BECAUSE_ANSWERED);
	assert_int_equal(v.n, 1);
	ask("1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
	    DNS_PTR);
	assert_int_equal(w.n_sent, before + 2);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		CASE(test_admitted_before_told),
		CASE(test_chain),
		CASE(test_chain_that_is_none),
		CASE(test_rebinding),
		CASE(test_services),
		CASE(test_without_ipv6),
		CASE(test_negative),
		CASE(test_reverse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
