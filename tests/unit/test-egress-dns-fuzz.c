/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The gate's resolver with bytes that are nearly right, from the client and from upstreams,
 * the same in each run. What must hold is checked at each of its acts. CIS_FUZZ_ROUNDS
 * makes it longer; build with ASan for what is read out of bounds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "egress-dns.h"

#define ROUNDS 120000
#define ROUNDS_OF_AN_ENGINE 4000
#define RING 64

/* ---- sets, of hashes ---------------------------------------------------------------- */

#define SET_SIZE (1U << 17)

struct set {
	uint64_t members[SET_SIZE];
	size_t n;
};

static struct set admitted, targets;

static uint64_t hash_of(const void *p, size_t n)
{
	uint64_t h = 0xcbf29ce484222325;

	for (size_t i = 0; i < n; i++)
		h = (h ^ ((const uint8_t *)p)[i]) * 0x100000001b3;
	return h | 1;
}

static uint64_t *find(struct set *s, uint64_t h)
{
	size_t i = (size_t)(h % SET_SIZE);

	while (s->members[i] && s->members[i] != h)
		i = (i + 1) % SET_SIZE;
	return &s->members[i];
}

static void put(struct set *s, const void *p, size_t n)
{
	uint64_t h = hash_of(p, n), *place = find(s, h);

	assert_true(s->n < SET_SIZE / 2);
	s->n += !*place;
	*place = h;
}

static bool is_in(struct set *s, const void *p, size_t n)
{
	return *find(s, hash_of(p, n)) != 0;
}

/* ---- what must hold ------------------------------------------------------------------ */

static struct view v;
static struct sent ring[RING];
static uint32_t tickets[RING];
static size_t n_ring, n_tickets, n_addresses_told, n_services_told, n_negative;

static void check_admission(const struct dns_admission *a)
{
	assert_true(a->n_addresses > 0 && a->n_addresses <= DNS_ADDRESSES_MAX);
	assert_true(a->n_ports > 0 && a->n_ports <= DNS_PORTS_MAX);
	assert_in_range(a->seconds, 30 + 600, 3600 + 600);
	for (size_t i = 0; i < a->n_addresses; i++) {
		assert_false(
			model_is_never(NULL, a->addresses[i].family, a->addresses[i].bytes));
		put(&admitted, a->addresses[i].bytes,
		    a->addresses[i].family == AF_INET ? 4 : 16);
	}
	tickets[n_tickets++ % RING] = a->ticket;
}

static void check_service(const struct dns_message *m, const struct dns_rr *rr)
{
	const struct dns_message until = {m->p, rr->rdata + rr->rdlen};
	struct dns_name target;
	size_t at = rr->rdata + 2;

	assert_int_equal(dns_read_name(&until, &at, &target), 0);
	while (at < until.n) {
		assert_true(until.n - at >= 4);
		unsigned int key = m->p[at] << 8 | m->p[at + 1];
		assert_true(key != 4 && key != 5 && key != 6);
		at += 4 + (size_t)(m->p[at + 2] << 8 | m->p[at + 3]);
	}
	assert_true(at == until.n);
	n_services_told++;
}

static void check_told(const struct told *t)
{
	const struct dns_message m = {t->bytes, t->n};

	if (!look(t, &v))
		fail_msg("an answer that cannot be read, %zu bytes", t->n);
	assert_true(t->n <= DNS_ANSWER_MAX);
	if (!t->client.is_tcp)
		assert_true(t->n <= (v.opt.is_there ? DNS_UDP_SIZE : 512));
	n_negative += v.h.n_authority;
	for (size_t i = 0; i < v.n; i++) {
		const struct dns_rr *rr = &v.rrs[i];

		assert_int_equal(rr->class, DNS_CLASS_IN);
		assert_in_range(rr->ttl, 30, 3600);
		if (i >= v.h.n_answers) {
			assert_int_equal(rr->type, DNS_SOA);
			continue;
		}
		assert_true(rr->type == v.q.type || rr->type == DNS_CNAME ||
			    rr->type == DNS_RRSIG);
		if (rr->type == DNS_HTTPS || rr->type == DNS_SVCB)
			check_service(&m, rr);
		if (rr->type != DNS_A && rr->type != DNS_AAAA)
			continue;
		assert_int_equal(rr->rdlen, rr->type == DNS_A ? 4 : 16);
		if (!is_in(&admitted, m.p + rr->rdata, rr->rdlen))
			fail_msg("an address that was not admitted");
		n_addresses_told++;
	}
}

/* "4.3.2.1.in-addr.arpa" of an address that was admitted; IPv6 likewise. */
static bool is_admitted_reverse(const char *name)
{
	uint8_t a[16] = {0};
	unsigned int b[4];

	if (ends_in(name, ".in-addr.arpa")) {
		assert_int_equal(sscanf(name, "%u.%u.%u.%u", &b[3], &b[2], &b[1], &b[0]), 4);
		for (int i = 0; i < 4; i++)
			a[i] = (uint8_t)b[i];
		return is_in(&admitted, a, 4);
	}
	for (size_t i = 0; i < 32 && name[2 * i]; i++) {
		unsigned int digit = 0;
		sscanf(name + 2 * i, "%1x", &digit);
		a[15 - i / 2] |= (uint8_t)(i % 2 ? digit << 4 : digit);
	}
	return is_in(&admitted, a, 16);
}

static void check_sent(const struct sent *s)
{
	const struct dns_message m = {s->bytes, s->n};
	char text[DNS_NAME_TEXT_MAX + 1];
	size_t at = DNS_HEADER_SIZE;
	struct egress_port port;
	struct dns_question q;
	struct dns_header h;

	assert_int_equal(dns_read_header(&m, &h), 0);
	assert_int_equal(h.n_questions, 1);
	assert_int_equal(dns_read_question(&m, &at, &q), 0);
	assert_int_equal(dns_name_text(&q.name, text), 0);
	assert_true(s->upstream < w.config.n_upstreams);
	if (ends_in(text, "denied.example") || ends_in(text, "forbidden.example") ||
	    (ends_in(text, ".arpa") ? q.type != DNS_PTR || !is_admitted_reverse(text)
				    : !model_ports(NULL, text, &port, 1) &&
					      !is_in(&targets, text, strlen(text))))
		fail_msg("%s was asked on", text);
	ring[n_ring++ % RING] = *s;
}

/* ---- bytes ------------------------------------------------------------------------- */

static size_t below(size_t n)
{
	return (size_t)(next_random() >> 16) % n;
}

static const char *const names[] = {
	"allowed.example",
	"other.example",
	"a.wild.example",
	"b.c.wild.example",
	"edge.cdn.example",
	"pool.cdn.example",
	"forbidden.example",
	"x.forbidden.example",
	"denied.example",
	"y.denied.example",
	"",
	"example",
	"1.2.0.192.in-addr.arpa",
	"9.2.0.192.in-addr.arpa",
	"1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
	"resolver.arpa",
};
static const uint16_t types[] = {DNS_A,	    DNS_A,     DNS_A,	DNS_AAAA, DNS_HTTPS, DNS_SVCB,
				 DNS_CNAME, DNS_TXT,   DNS_MX,	DNS_SRV,  DNS_NS,    DNS_SOA,
				 DNS_PTR,   DNS_RRSIG, DNS_ANY, DNS_DS};
static const struct entry zone[] = {
	{"allowed.example", DNS_A, 60, "192.0.2.1"},
	{"allowed.example", DNS_A, 999999, "192.0.2.2"},
	{"allowed.example", DNS_A, 1, "10.0.0.1"},
	{"allowed.example", DNS_AAAA, 60, "2001:db8::1"},
	{"allowed.example", DNS_AAAA, 60, "fe80::1"},
	{"allowed.example", DNS_CNAME, 60, "edge.cdn.example"},
	{"allowed.example", DNS_HTTPS, 60,
	 "1 pool.cdn.example 00010003026832000400040a000001"},
	{"allowed.example", DNS_HTTPS, 60, "0 pool.cdn.example"},
	{"allowed.example", DNS_SVCB, 60, "1 . 00000002000300030002005000050001610006000102"},
	{"allowed.example", DNS_TXT, 60, "text"},
	{"allowed.example", DNS_MX, 60, "mx.example"},
	{"allowed.example", DNS_SRV, 60, "srv.example"},
	{"allowed.example", DNS_NS, 60, "ns.example"},
	{"allowed.example", DNS_RRSIG, 60, "A"},
	{"allowed.example", DNS_DS, 60, "dsdsdsds"},
	{"edge.cdn.example", DNS_A, 60, "198.51.100.1"},
	{"edge.cdn.example", DNS_CNAME, 60, "pool.cdn.example"},
	{"edge.cdn.example", DNS_CNAME, 60, "y.denied.example"},
	{"pool.cdn.example", DNS_A, 0, "198.51.100.2"},
	{"pool.cdn.example", DNS_CNAME, 60, "allowed.example"},
	{"pool.cdn.example", DNS_AAAA, 60, "2001:db8::2"},
	{"a.wild.example", DNS_A, 60, "203.0.113.1"},
	{"a.wild.example", DNS_CNAME, 60, "edge.cdn.example"},
	{"other.example", DNS_A, 60, "169.254.169.254"},
	{"other.example", DNS_A, 60, "203.0.113.2"},
	{"1.2.0.192.in-addr.arpa", DNS_PTR, 60, "host.example"},
	{"example", DNS_SOA, 60, "ns.example host.example 60"},
	{"cdn.example", DNS_SOA, 60, "ns.example host.example 99999"},
	{.type = 0},
	{.type = 0},
};

static size_t spoil(uint8_t *p, size_t n, size_t size)
{
	static const uint8_t telling[] = {0,	1,    0xc0, 0x0c, 0x3f,
					  0x40, 0x80, 0xff, 0x05, 0x29};

	for (size_t times = below(4); times && n; times--) {
		switch (below(6)) {
		case 0:
			p[below(n)] = (uint8_t)next_random();
			break;
		case 1:
			p[below(n)] = telling[below(sizeof telling)];
			break;
		case 2:
			p[below(n)] ^= (uint8_t)(1 << below(8));
			break;
		case 3:
			n = below(n + 1);
			break;
		case 4:
			if (n + 8 <= size)
				memcpy(p + n, p + below(n > 8 ? n - 8 : 1), 8), n += 8;
			break;
		default:
			if (n > 24)
				memmove(p + 12 + below(n - 20), p + 12 + below(n - 20), 8);
		}
	}
	return n;
}

static void ask_something(void)
{
	uint8_t buf[2048];
	/* The first ones may be asked for. */
	size_t n = make_query(buf, 1024, names[below(below(3) ? 6 : ARRAY_SIZE(names))],
			      types[below(ARRAY_SIZE(types))],
			      below(8) ? OPT_DO : (int)below(5), (uint16_t)next_random());

	buf[1] = (uint8_t)next_random();
	if (!below(3))
		n = spoil(buf, n, sizeof buf);
	give_query(below(4) ? &udp : &tcp, buf, n);
}

/* Wherever a target stands in what the engine is given, it may be asked for from then on. */
static void note_targets(const uint8_t *p, size_t n)
{
	const struct dns_message m = {p, n};
	size_t at = DNS_HEADER_SIZE;
	char text[DNS_NAME_TEXT_MAX + 1];
	struct dns_name target;
	struct dns_question q;
	struct dns_header h;
	struct dns_rr rr;

	if (dns_read_header(&m, &h) < 0 || dns_read_question(&m, &at, &q) < 0)
		return;
	while (dns_read_rr(&m, &at, &rr) == 0) {
		bool is_service = rr.type == DNS_HTTPS || rr.type == DNS_SVCB;

		if ((is_service || rr.type == DNS_CNAME) &&
		    dns_read_target(&m, &rr, is_service ? 2 : 0, &target) == 0 &&
		    dns_name_text(&target, text) == 0)
			put(&targets, text, strlen(text));
	}
}

static void read_question(const struct sent *to, char asked[static DNS_NAME_TEXT_MAX + 1],
			  uint16_t *ret_type)
{
	const struct dns_message m = {to->bytes, to->n};
	size_t at = DNS_HEADER_SIZE;
	struct dns_question q;

	assert_int_equal(dns_read_question(&m, &at, &q), 0);
	assert_int_equal(dns_name_text(&q.name, asked), 0);
	*ret_type = q.type;
}

static void answer_something(void)
{
	static const uint32_t flags[] = {0,	      0,
					 0,	      0,
					 DNS_FLAG_AD, DNS_NXDOMAIN,
					 DNS_FLAG_TC, DNS_SERVFAIL,
					 DNS_FORMERR, NO_EDNS};
	static uint8_t buf[8192];
	struct entry entries[12];
	char asked[DNS_NAME_TEXT_MAX + 1];
	size_t n = below(ARRAY_SIZE(entries));
	uint16_t type;

	if (!n_ring)
		return;
	/* Mostly one of the last: the others are no longer waited for. */
	size_t back = below(below(4) ? 2 : RING);
	struct sent to = ring[(n_ring - 1 - MIN(back, n_ring - 1)) % RING];
	read_question(&to, asked, &type);
	for (size_t i = 0; i < n; i++) {
		entries[i] = zone[below(ARRAY_SIZE(zone))];
		/* More often than not to the question. */
		for (int tries = 0; tries < 20 && entries[i].type != type && below(16);
		     tries++)
			entries[i] = zone[below(ARRAY_SIZE(zone))];
		if (entries[i].type && entries[i].type != DNS_SOA && below(3))
			entries[i].owner = asked;
	}
	size_t len = make_answer(buf, sizeof buf / 2, &to, flags[below(ARRAY_SIZE(flags))],
				 entries, n);
	if (below(2)) {
		/* The question stays: without it nothing is looked at. */
		size_t kept = below(8) ? to.n - 11 : 0;
		if (kept < len)
			len = kept + spoil(buf + kept, len - kept, sizeof buf - kept);
	}
	note_targets(buf, len);
	give_answer(to.upstream, to.is_tcp, buf, len);
}

static void one_engine(size_t rounds)
{
	uint64_t random = w.random;

	begin(NULL);
	w.random = random;
	w.config.has_ipv6 = below(4) != 0;
	w.config.queries_per_second = 100000;
	w.on_told = check_told;
	w.on_sent = check_sent;
	w.on_admit = check_admission;
	memset(&admitted, 0, sizeof admitted);
	memset(&targets, 0, sizeof targets);
	n_ring = n_tickets = 0;
	assert_int_equal(start(), 0);
	while (rounds--) {
		w.admits_at_once = below(2);
		switch (below(16)) {
		case 0:
			w.now += below(3) ? below(2000) : below(2000000);
			dns_tick(w.d, w.now);
			assert_true(dns_next_timeout(w.d, w.now) != 0);
			break;
		case 1:
			if (n_tickets)
				dns_admitted(w.d, w.now, tickets[below(MIN(n_tickets, RING))],
					     below(4));
			break;
		case 2:
			if (!below(8))
				dns_upstream_failed(w.d, w.now, below(2), below(2));
			break;
		case 3:
		case 4:
		case 5:
		case 6:
		case 7:
		case 8:
			ask_something();
			break;
		default:
			answer_something();
		}
	}
	end(NULL);
}

static void test_fuzz(void **state)
{
	const char *wanted = getenv("CIS_FUZZ_ROUNDS");
	size_t rounds = wanted ? strtoul(wanted, NULL, 10) : ROUNDS;

	(void)state;
	w.random = 20260722;
	for (size_t done = 0; done < rounds; done += ROUNDS_OF_AN_ENGINE)
		one_engine(ROUNDS_OF_AN_ENGINE);
	print_message("# %zu rounds: %zu addresses told, %zu services, %zu negative\n",
		      rounds, n_addresses_told, n_services_told, n_negative);
	/* It came to something: else nothing was tried. */
	assert_true(n_addresses_told > rounds / 200);
	assert_true(n_services_told > rounds / 2000);
	assert_true(n_negative > rounds / 2000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fuzz),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
