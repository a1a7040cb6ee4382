/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The gate's resolver: too many questions, and one who takes over from another. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "egress-dns-expect.h"
#include "egress-dns.h"
#include "egress/dns-engine.h"

/* ---- floods ------------------------------------------------------------------------ */

static void test_floods(void **state)
{
	char name[64];
	uint8_t buf[64];
	size_t n;

	(void)state;
	w.config.queries_per_second = 400;
	w.config.names_per_minute = 20;
	start();
	/* Different names below a wildcard; one that was asked for may be asked for again. */
	for (int i = 0; i < 30; i++) {
		snprintf(name, sizeof name, "x%d.wild.example", i);
		ask(name, DNS_A);
	}
	assert_in_range(w.n_sent, 20, 21);
	expect(DNS_REFUSED, 18, DNS_BECAUSE_FLOOD_NAMES);
	n = w.n_sent;
	ask("x1.wild.example", DNS_TXT);
	ask("allowed.example", DNS_A);
	assert_int_equal(w.n_sent, n + 2);
	w.now += 60000;
	ask("x29.wild.example", DNS_TXT);
	assert_int_equal(w.n_sent, n + 3);
	/* More at a time than there is place for: the oldest is told so. */
	w.now += 1000;
	n = w.n_told;
	for (unsigned int i = 0; i < 300; i++) {
		size_t len = make_query(buf, sizeof buf, "allowed.example", DNS_A, OPT_NONE,
					0);
		buf[0] = (uint8_t)(i >> 8);
		buf[1] = (uint8_t)i;
		give_query(&udp, buf, len);
	}
	assert_true(w.n_told >= n + 44);
	expect(DNS_SERVFAIL, -1, DNS_BECAUSE_FLOOD_FLIGHTS);
	/* More in a second than are looked at: one record, no answers. */
	n = w.n_noted;
	size_t told = w.n_told;
	for (int i = 0; i < 200; i++)
		ask("forbidden.example", DNS_A);
	assert_int_equal(w.n_told - told, 100);
	assert_int_equal(w.n_noted - n, 101);
	assert_int_equal(w.noted[(w.n_noted - 1) % MESSAGES_MAX].reason,
			 DNS_BECAUSE_FLOOD_QUERIES);
	w.now += 1000;
	ask("forbidden.example", DNS_A);
	assert_int_equal(w.n_told - told, 101);
}

static void test_tables_are_bounded(void **state)
{
	char address[16], name[64];

	(void)state;
	w.config.queries_per_second = 100000;
	w.config.names_per_minute = 100000;
	start();
	for (unsigned int i = 0; i < 5000; i++) {
		snprintf(name, sizeof name, "x%u.wild.example", i);
		snprintf(address, sizeof address, "198.51.%u.%u", i / 250, i % 250);
		ask(name, DNS_A);
		respond({name, DNS_CNAME, 60, "t.cdn.example"},
			{"t.cdn.example", DNS_A, 60, address});
		/* In use all the time, so never the oldest. */
		if (i)
			assert_true(knows("x0.wild.example", "198.51.0.0"));
	}
	assert_false(knows("x1.wild.example", "198.51.0.1"));
	assert_true(knows("x1000.wild.example", "198.51.4.0"));
	assert_true(knows("x4999.wild.example", "198.51.19.249"));
	assert_false(knows("x4999.wild.example", "198.51.19.248"));
	/* Time passes in the keeper's and in this table alike: 60 s and the grace. */
	w.now += 659999;
	assert_true(knows("x4999.wild.example", "198.51.19.249"));
	w.now += 1;
	assert_false(knows("x4999.wild.example", "198.51.19.249"));
}

/* Nothing may be asked any more: no upstream is, and what needs none is said as ever. */
static void test_spent(void **state)
{
	(void)state;
	start();
	w.is_spent = true;
	ask("allowed.example", DNS_A);
	expect(DNS_REFUSED, 18, DNS_BECAUSE_BUDGET);
	assert_int_equal(w.n_sent, 0);
	ask("evil.example", DNS_A);
	expect(DNS_NXDOMAIN, 15, DNS_BECAUSE_NAME);
	w.is_spent = false;
	ask("allowed.example", DNS_A);
	assert_int_equal(w.n_sent, 1);
}

/* The engine has died, and another takes over what it left. */
static void start_again(void)
{
	free(w.d);
	assert_int_equal(start(), 0);
	dns_adopt(w.d, w.now);
}

static void test_successor(void **state)
{
	(void)state;
	start();
	ask("allowed.example", DNS_A);
	respond({"allowed.example", DNS_CNAME, 300, "edge.cdn.example"},
		{"edge.cdn.example", DNS_A, 300, "192.0.2.1"});
	ask("edge.cdn.example", DNS_AAAA);
	respond({"edge.cdn.example", DNS_AAAA, 300, "2001:db8::1"});
	start_again();
	assert_true(knows("allowed.example", "192.0.2.1"));
	assert_true(knows("allowed.example", "2001:db8::1"));
	assert_false(knows("allowed.example", "192.0.2.2"));
	assert_false(knows("other.example", "192.0.2.1"));
	/* Where a name led, and the names of addresses. */
	ask("edge.cdn.example", DNS_A);
	respond({"edge.cdn.example", DNS_A, 300, "192.0.2.3"});
	expect(DNS_NOERROR, -1, DNS_BECAUSE_ANSWERED);
	assert_true(knows("allowed.example", "192.0.2.3"));
	ask("1.2.0.192.in-addr.arpa", DNS_PTR);
	respond({"1.2.0.192.in-addr.arpa", DNS_PTR, 300, "allowed.example"});
	expect(DNS_NOERROR, -1, DNS_BECAUSE_ANSWERED);
	/* No longer than before. */
	w.now += 899999;
	start_again();
	assert_true(knows("allowed.example", "192.0.2.1"));
	w.now += 1;
	start_again();
	assert_false(knows("allowed.example", "192.0.2.1"));
}

/* A minute of names below a wildcard is not begun anew by a crash. */
static void test_successor_of_a_flood(void **state)
{
	(void)state;
	w.config.names_per_minute = 3;
	w.now = 60000 * 1000;
	start();
	for (int i = 0; i < 3; i++) {
		char name[64];

		snprintf(name, sizeof name, "x%d.wild.example", i);
		ask(name, DNS_A);
		respond({name, DNS_A, 60, "192.0.2.1"});
		expect(DNS_NOERROR, -1, DNS_BECAUSE_ANSWERED);
	}
	start_again();
	ask("y.wild.example", DNS_A);
	expect(DNS_REFUSED, 18, DNS_BECAUSE_FLOOD_NAMES);
	w.now += 60000;
	ask("y.wild.example", DNS_A);
	respond({"y.wild.example", DNS_A, 60, "192.0.2.1"});
	expect(DNS_NOERROR, -1, DNS_BECAUSE_ANSWERED);
}

/* What somebody else has written there who had the process. */
static void test_hostile_predecessor(void **state)
{
	struct dns_memory *m;
	uint64_t expires;

	(void)state;
	start();
	ask("allowed.example", DNS_A);
	respond({"allowed.example", DNS_A, 300, "192.0.2.1"});
	m = w.memory;
	assert_string_equal(m->known[0].name, "allowed.example");
	expires = m->known_life[0].expires;
	/* For ever. */
	m->known_life[0].expires = UINT64_MAX;
	start_again();
	assert_false(knows("allowed.example", "192.0.2.1"));
	/* A counter that would begin again at none. */
	m->known_life[0] = (struct dns_life){.expires = expires, .used = UINT64_MAX};
	start_again();
	assert_false(knows("allowed.example", "192.0.2.1"));
	/* No family, a name without an end, one that is none. */
	m->known_life[0] = (struct dns_life){.expires = expires, .used = 1};
	m->known[0].address.family = 77;
	start_again();
	assert_int_equal(m->known_life[0].expires, 0);
	m->known[0].address.family = AF_INET;
	memset(m->known[0].name, 'a', sizeof m->known[0].name);
	m->known_life[0].expires = expires;
	start_again();
	assert_int_equal(m->known_life[0].expires, 0);
	memcpy(m->known[0].name, "Allowed..example", 17);
	m->known_life[0].expires = expires;
	start_again();
	assert_int_equal(m->known_life[0].expires, 0);
	/* Anything: nothing is read beyond its end, and all works as before. */
	for (int round = 0; round < 20; round++) {
		for (size_t i = 0; i < sizeof *m / 8; i++)
			((uint64_t *)w.memory)[i] = next_random();
		for (size_t i = 0; i < KNOWN && round % 2; i++)
			m->known_life[i] = (struct dns_life){w.now + 1 + i, i};
		for (size_t i = 0; i < ALIASES && round % 2; i++)
			m->alias_life[i] = (struct dns_life){w.now + 1 + i, i};
		start_again();
		assert_false(knows("allowed.example", "192.0.2.1"));
		ask("allowed.example", DNS_A);
		respond({"allowed.example", DNS_A, 300, "192.0.2.1"});
		expect(DNS_NOERROR, -1, DNS_BECAUSE_ANSWERED);
		assert_true(knows("allowed.example", "192.0.2.1"));
	}
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		CASE(test_floods),
		CASE(test_tables_are_bounded),
		CASE(test_spent),
		CASE(test_successor),
		CASE(test_successor_of_a_flood),
		CASE(test_hostile_predecessor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
