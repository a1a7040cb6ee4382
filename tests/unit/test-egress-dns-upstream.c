/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The gate's resolver: upstreams that fail, forge, or answer oddly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "egress-dns-expect.h"
#include "egress-dns.h"

/* ---- upstreams -------------------------------------------------------------------- */

static const struct entry good = {"allowed.example", DNS_A, 60, "192.0.2.1"};

static void test_forged_answers(void **state)
{
	static uint8_t buf[1024];
	const struct sent *to = &w.sent;

	(void)state;
	start();
	ask("allowed.example", DNS_A);
	struct sent first = *to;
	size_t n = make_answer(buf, sizeof buf, &first, 0, &good, 1);
	/* The wrong id, upstream, transport, question, type; a query; cut. */
	buf[0] ^= 1;
	give_answer(first.upstream, false, buf, n);
	buf[0] ^= 1;
	give_answer(first.upstream + 1, false, buf, n);
	give_answer(first.upstream, true, buf, n);
	buf[13] ^= 1;
	give_answer(first.upstream, false, buf, n);
	buf[13] ^= 1;
	buf[30] ^= 1;
	give_answer(first.upstream, false, buf, n);
	buf[30] ^= 1;
	buf[2] ^= 0x80;
	give_answer(first.upstream, false, buf, n);
	buf[2] ^= 0x80;
	give_answer(first.upstream, false, buf, 11);
	give_answer(first.upstream, false, buf, 20);
	assert_int_equal(w.n_sent, 1);
	assert_int_equal(w.n_told, 0);
	/* Late: it was asked anew. */
	w.now += 1000;
	dns_tick(w.d, w.now);
	assert_int_equal(w.n_sent, 2);
	assert_int_not_equal(to->upstream, first.upstream);
	give_answer(first.upstream, false, buf, n);
	assert_int_equal(w.n_told, 0);
	/* The right name in another case: asked by TCP, where it is not compared. */
	n = make_answer(buf, sizeof buf, to, 0, &good, 1);
	buf[13] ^= 0x20;
	give_answer(to->upstream, false, buf, n);
	assert_int_equal(w.n_told, 0);
	assert_int_equal(w.n_sent, 3);
	assert_true(to->is_tcp);
	struct sent by_tcp = *to;
	n = make_answer(buf, sizeof buf, &by_tcp, 0, &good, 1);
	buf[13] ^= 0x20;
	give_answer(by_tcp.upstream, true, buf, n);
	expect(DNS_NOERROR, -1, DNS_BECAUSE_ANSWERED);
	/* Twice. */
	give_answer(by_tcp.upstream, true, buf, n);
	assert_int_equal(w.n_told, 1);
}

static void test_upstreams_that_fail(void **state)
{
	(void)state;
	start();
	/* SERVFAIL: the next one; then REFUSED, and so on: two tries each. */
	ask("allowed.example", DNS_A);
	size_t first = w.sent.upstream;
	respond_with(DNS_SERVFAIL, NULL, 0);
	assert_int_not_equal(w.sent.upstream, first);
	respond_with(DNS_REFUSED, NULL, 0);
	assert_int_equal(w.sent.upstream, first);
	respond_with(0, &good, 1);
	expect(DNS_NOERROR, -1, DNS_BECAUSE_ANSWERED);
	/* Silence: at most four times, in less than what stubs wait for. */
	uint64_t began = w.now;
	size_t before = w.n_sent, told = w.n_told;
	ask("allowed.example", DNS_A);
	while (w.n_told == told) {
		int ms = dns_next_timeout(w.d, w.now);
		assert_true(ms >= 0);
		w.now += (uint64_t)ms;
		dns_tick(w.d, w.now);
	}
	expect(DNS_SERVFAIL, 22, DNS_BECAUSE_UPSTREAM);
	assert_int_equal(w.n_sent - before, 4);
	assert_int_equal(w.now - began, 4500);
	/* Refused at once by the kernel. */
	ask("allowed.example", DNS_A);
	dns_upstream_failed(w.d, w.now, w.sent.upstream, true);
	assert_int_equal(w.n_sent - before, 5);
	size_t failed = w.sent.upstream;
	dns_upstream_failed(w.d, w.now, failed, false);
	assert_int_not_equal(w.sent.upstream, failed);
	respond_with(0, &good, 1);
	expect(DNS_NOERROR, -1, DNS_BECAUSE_ANSWERED);
	/* The next query begins where the last answer came from. */
	ask("other.example", DNS_A);
	assert_int_not_equal(w.sent.upstream, failed);
}

static void test_upstreams_of_old(void **state)
{
	uint8_t buf[64];

	(void)state;
	start();
	/* No EDNS: FORMERR with the question, or without. The next upstream may have it. */
	ask("allowed.example", DNS_A);
	respond_with(DNS_FORMERR | NO_EDNS, NULL, 0);
	respond_with(DNS_FLAG_TC | NO_EDNS, NULL, 0);
	assert_true(w.sent.is_tcp);
	assert_int_equal(w.sent.bytes[11], 0);
	respond_with(DNS_SERVFAIL | NO_EDNS, NULL, 0);
	assert_false(w.sent.is_tcp);
	assert_int_equal(w.sent.bytes[11], 1);
	respond_with(0, &good, 1);
	expect(DNS_NOERROR, -1, DNS_BECAUSE_ANSWERED);
	ask("allowed.example", DNS_A);
	respond_with(DNS_FORMERR | NO_EDNS, NULL, 0);
	assert_int_equal(w.sent.bytes[11], 0);
	respond_with(NO_EDNS, &good, 1);
	expect(DNS_NOERROR, -1, DNS_BECAUSE_ANSWERED);
	ask("allowed.example", DNS_A);
	memcpy(buf, w.sent.bytes, 2);
	memcpy(buf + 2, "\201\1\0\0\0\0\0\0\0\0", 10);
	give_answer(w.sent.upstream, false, buf, 12);
	assert_int_equal(w.sent.bytes[11], 0);
	/* TC: the same upstream by TCP. */
	size_t upstream = w.sent.upstream;
	respond_with(DNS_FLAG_TC, NULL, 0);
	assert_true(w.sent.is_tcp);
	assert_int_equal(w.sent.upstream, upstream);
	respond_with(0, &good, 1);
	expect(DNS_NOERROR, -1, DNS_BECAUSE_ANSWERED);
	assert_false(w.told.client.is_tcp);
}

static void test_malformed_answers(void **state)
{
	static const struct {
		const char *what;
		size_t at; /* in the answer with one address, at 33 */
		uint8_t value;
		size_t cut;
	} cases[] = {
		{"more answers than there are", 7, 2, 0},
		{"65281 answers", 6, 255, 0},
		{"more authority", 9, 1, 0},
		{"more of others", 11, 2, 0},
		{"fewer: bytes at the end", 11, 0, 0},
		{"a pointer ahead", 34, 60, 0},
		{"a pointer to itself", 34, 33, 0},
		{"an address of three bytes", 44, 3, 0},
		{"an address of no bytes", 44, 0, 0},
		{"data past the end", 43, 255, 0},
		{"cut in OPT", 12, 15, 1},
		{"cut in the address", 12, 15, 12},
		{"opcode", 2, 0x91, 0},
	};
	static uint8_t buf[1024];

	(void)state;
	w.config.n_upstreams = 1;
	start();
	for (size_t i = 0; i < COUNT(cases); i++) {
		size_t before = w.n_told;

		ask(i % 2 ? "allowed.example" : "Allowed.example", DNS_A);
		for (int tries = 0; tries < 3; tries++) {
			const struct entry one = {"allowed.example", DNS_A, 60, "192.0.2.1"};
			size_t n = make_answer(buf, sizeof buf, &w.sent, 0, &one, 1);
			assert_int_equal(n, 60);
			/* The label's length at 12 is 7: that case is for "cut" alone. */
			if (cases[i].at != 12)
				buf[cases[i].at] = cases[i].value;
			give_answer(0, false, buf, n - cases[i].cut);
		}
		if (cases[i].at == 2) {
			w.now += 4500;
			dns_tick(w.d, w.now);
		}
		if (w.n_told != before + 1)
			fail_msg("%s: %zu answers", cases[i].what, w.n_told - before);
		expect(DNS_SERVFAIL, 22, DNS_BECAUSE_UPSTREAM);
	}
	assert_int_equal(w.n_admitted, 0);
	assert_false(knows("allowed.example", "192.0.2.1"));
}

static void test_odd_answers(void **state)
{
	static struct entry many[120];
	static char text[] =
		"two hundred and a few more bytes of text that are said again and again "
		"two hundred and a few more bytes of text that are said again and again "
		"two hundred and a few more bytes of text that are said again";

	(void)state;
	start();
	/* A time that looks negative is none. */
	ask("allowed.example", DNS_A);
	respond({"allowed.example", DNS_A, 0x80000000, "192.0.2.1"});
	assert_true(look(&w.told, &v));
	assert_int_equal(v.rrs[0].ttl, 30);
	/* Longer than anything that is passed on, even by TCP. */
	for (size_t i = 0; i < COUNT(many); i++)
		many[i] = (struct entry){"allowed.example", DNS_TXT, 60, text};
	ask_as(&tcp, "allowed.example", DNS_TXT, OPT_PLAIN);
	respond_with(0, many, COUNT(many));
	expect(DNS_SERVFAIL, -1, DNS_BECAUSE_TOO_LONG);
	assert_int_equal(w.noted[w.n_noted - 1].verdict, DNS_FAILED);
	/* One that is not what its type says is left out. */
	ask("allowed.example", DNS_CAA);
	respond({"allowed.example", DNS_CAA, 60, "x"},
		{"allowed.example", DNS_CAA, 60, "x\1yz"});
	assert_true(look(&w.told, &v));
	assert_int_equal(v.n, 1);
	/* The CNAME itself was asked for: its target may be asked for, too. */
	ask("allowed.example", DNS_CNAME);
	respond({"allowed.example", DNS_CNAME, 60, "edge.cdn.example"});
	expect(DNS_NOERROR, -1, DNS_BECAUSE_ANSWERED);
	assert_int_equal(v.n, 1);
	/* More services than are remembered: the first may be asked for, the last not. */
	static char services[40][40];
	for (size_t i = 0; i < COUNT(services); i++) {
		snprintf(services[i], sizeof services[i], "1 s%zu.example", i);
		many[i] = (struct entry){"allowed.example", DNS_HTTPS, 60, services[i]};
	}
	ask_as(&tcp, "allowed.example", DNS_HTTPS, OPT_PLAIN);
	respond_with(0, many, COUNT(services));
	assert_true(look(&w.told, &v));
	assert_int_equal(v.n, 40);
	size_t asked = w.n_sent;
	ask("s31.example", DNS_A);
	ask("s32.example", DNS_A);
	assert_int_equal(w.n_sent, asked + 1);
	/* But what led there has been forgotten when its address comes. */
	w.now += 659999;
	ask("edge.cdn.example", DNS_A);
	w.now++;
	respond({"edge.cdn.example", DNS_A, 60, "192.0.2.7"});
	expect(DNS_NXDOMAIN, 15, DNS_BECAUSE_NAME);
	assert_int_equal(v.n, 0);
	/* Of another class, it is another record. */
	static uint8_t buf[1024];
	const struct entry chaos = {"allowed.example", DNS_A, 60, "192.0.2.77"};
	ask("allowed.example", DNS_A);
	size_t n = make_answer(buf, sizeof buf, &w.sent, 0, &chaos, 1);
	assert_int_equal(buf[38], DNS_CLASS_IN);
	buf[38] = 3;
	give_answer(w.sent.upstream, false, buf, n);
	expect(DNS_NOERROR, -1, DNS_BECAUSE_NEGATIVE);
	assert_int_equal(v.n, 0);
	/* A label that has no text ends no chain, and may not be asked for. */
	ask("allowed.example", DNS_A);
	respond({"allowed.example", DNS_CNAME, 60, "a/b.example"},
		{"a/b.example", DNS_A, 60, "192.0.2.8"});
	expect(DNS_NOERROR, -1, DNS_BECAUSE_ANSWERED);
	assert_true(knows("allowed.example", "192.0.2.8"));
	size_t before = w.n_sent;
	ask("a/b.example", DNS_A);
	assert_int_equal(w.n_sent, before);
}

static void test_names_too_long(void **state)
{
	uint8_t buf[12 + 601 + 4] = "\1\2\1\0\0\1";

	(void)state;
	start();
	/* 300 labels; then 120, the last ones of an allowed name. */
	for (int i = 0; i < 300; i++)
		memcpy(buf + 12 + 2 * i, "\1a", 2);
	memcpy(buf + 12 + 601, "\0\1\0\1", 4);
	give_query(&udp, buf, sizeof buf);
	expect(DNS_FORMERR, -1, DNS_BECAUSE_MALFORMED);
	assert_int_equal(w.n_sent, 0);
	memcpy(buf + 12 + 2 * 120, "\4wild\7example\0\0\1\0\1", 18);
	give_query(&udp, buf, 12 + 240 + 18);
	assert_int_equal(w.n_sent, 1);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		CASE(test_forged_answers),
		CASE(test_upstreams_that_fail),
		CASE(test_upstreams_of_old),
		CASE(test_malformed_answers),
		CASE(test_odd_answers),
		CASE(test_names_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
