/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The engine that opens TLS connections: odd packets, time, floods, and clients that lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <netinet/in.h>
#include <string.h>

#include "base/macros.h"
#include "egress-opening.h"
#include "egress/judge.h"
#include "egress/opening.h"
#include "egress/segment.h"

#define URG SEGMENT_URG

/* ---- tests --------------------------------------------------------------------------------- */

static void beginnings(void **state)
{
	const struct text good = hello("good.example", 100);
	struct world *w = new_world(false);

	(void)state;
	/* Bytes of nobody; a beginning that is more than one. */
	assert_int_equal(up(w, ACK, ISN + 1, good.v, good.n), OPENING_REFUSE);
	assert_int_equal(up(w, SYN, ISN, "x", 1), OPENING_DROP);
	assert_int_equal(up(w, SYN | ACK, ISN, NULL, 0), OPENING_DROP);
	assert_int_equal(up(w, SYN | URG, ISN, NULL, 0), OPENING_DROP);
	assert_int_equal(down(w, SYN | ACK, SISN, ISN + 1, NULL, 0), OPENING_DROP);
	assert_false(opening_is_busy(w->o));

	assert_int_equal(up(w, SYN, ISN, NULL, 0), OPENING_PASS);
	assert_int_equal(up(w, SYN, ISN, NULL, 0), OPENING_PASS);
	/* Before there is an answer, and to another answer, nothing is said. */
	assert_int_equal(up(w, ACK, ISN + 1, good.v, good.n), OPENING_DROP);
	assert_int_equal(down(w, SYN | ACK, SISN, ISN, NULL, 0), OPENING_DROP);
	assert_int_equal(down(w, SYN, SISN, 0, NULL, 0), OPENING_DROP);
	assert_int_equal(down(w, SYN | ACK, SISN, ISN + 1, "x", 1), OPENING_DROP);
	assert_int_equal(down(w, SYN | ACK, SISN, ISN + 1, NULL, 0), OPENING_PASS);
	assert_int_equal(down(w, SYN | ACK, SISN, ISN + 1, NULL, 0), OPENING_PASS);
	assert_int_equal(down(w, SYN | ACK, SISN + 1, ISN + 1, NULL, 0), OPENING_DROP);
	/* Nothing has passed: it may begin anew. */
	assert_int_equal(up(w, SYN, ISN + 5000, NULL, 0), OPENING_PASS);
	assert_int_equal(down(w, SYN | ACK, SISN, ISN + 1, NULL, 0), OPENING_DROP);
	assert_int_equal(down(w, SYN | ACK, SISN, ISN + 5001, NULL, 0), OPENING_PASS);
	assert_int_equal(up(w, SYN, ISN, NULL, 0), OPENING_PASS);
	assert_int_equal(down(w, SYN | ACK, SISN, ISN + 1, NULL, 0), OPENING_PASS);
	assert_int_equal(say(w, &good, 0, 50), OPENING_PASS);
	/* Now it may not, whoever says that it is over. */
	assert_int_equal(up(w, RST, ISN + 51, NULL, 0), OPENING_DROP);
	assert_int_equal(up(w, SYN, ISN, NULL, 0), OPENING_PASS);
	assert_int_equal(up(w, SYN, ISN - 9, NULL, 0), OPENING_DROP);
	assert_int_equal(say(w, &good, 50, good.n), OPENING_PASS);
	assert_int_equal(up(w, SYN, ISN, NULL, 0), OPENING_DROP);
	/* Nor if the server says it. */
	assert_int_equal(down(w, RST, SISN + 1, 0, NULL, 0), OPENING_PASS);
	assert_int_equal(up(w, SYN, ISN - 9, NULL, 0), OPENING_DROP);
	free_world(w);
}

static void odd_packets(void **state)
{
	const struct text good = hello("good.example", 0);
	struct world *w = connected(false);
	uint8_t p[200];
	size_t len;

	(void)state;
	assert_int_equal(up(w, 0, ISN + 1, good.v, good.n), OPENING_DROP);
	assert_int_equal(up(w, ACK, ISN, good.v, good.n), OPENING_DROP);
	assert_int_equal(up(w, ACK, ISN + 1 - 70000, good.v, good.n), OPENING_DROP);
	assert_int_equal(up(w, ACK | URG, ISN + 1, good.v, good.n), OPENING_REFUSE);
	assert_int_equal(say(w, &good, 0, good.n), OPENING_REFUSE);
	/* Cut at each byte; with options, fragments, other protocols. */
	len = make(w, p, true, PORT, SYN, ISN, 0, NULL, 0);
	for (size_t i = 0; i <= len + 1; i++) {
		struct segment s;

		assert_int_equal(segment_parse(p, i, &s), i == len);
	}
	for (size_t i = 0; i < 4; i++) {
		static const struct {
			size_t at;
			uint8_t v;
		} rows[] = {{0, 0x46}, {6, 0x20}, {9, IPPROTO_UDP}, {32, 4 << 4}};
		struct segment s;

		make(w, p, true, PORT, SYN, ISN, 0, NULL, 0);
		p[rows[i].at] = rows[i].v;
		assert_false(segment_parse(p, len, &s));
	}
	free_world(w);
}

static void times(void **state)
{
	const struct text good = hello("good.example", 100);
	struct world *w = connected(false);

	(void)state;
	tick(w, 10000);
	assert_int_equal(w->refused, 1);
	assert_string_equal(w->why, "it did not say in time what it wants");
	assert_int_equal(up(w, ACK, ISN + 1, good.v, 5), OPENING_REFUSE);
	tick(w, 10000);
	assert_false(opening_is_busy(w->o));
	free_world(w);

	/* Of which something passed, no other begins for minutes. */
	w = connected(false);
	assert_int_equal(say(w, &good, 0, 50), OPENING_PASS);
	tick(w, 10000);
	tick(w, 100000);
	assert_int_equal(up(w, SYN, ISN, NULL, 0), OPENING_DROP);
	tick(w, 100000);
	assert_false(opening_is_busy(w->o));
	free_world(w);

	/* A server that never answers; nobody who judges. */
	w = connected(false);
	assert_int_equal(say(w, &good, 0, good.n), OPENING_PASS);
	tick(w, 60000);
	assert_int_equal(reply(w, good.n, server_hello, 60), OPENING_DROP);
	free_world(w);
	w = connected(false);
	w->deaf = true;
	tick(w, 10000);
	tick(w, 2000);
	assert_int_equal(up(w, ACK, ISN + 1, good.v, 5), OPENING_REFUSE);
	free_world(w);
}

static void audits(void **state)
{
	const struct text evil = hello("evil.example", 0), denied = hello("denied.example", 0);
	struct world *w = connected(false);

	(void)state;
	w->audit = true;
	assert_int_equal(say(w, &evil, 0, evil.n), OPENING_PASS);
	free_world(w);
	w = connected(false);
	w->audit = true;
	assert_int_equal(say(w, &denied, 0, denied.n), OPENING_REFUSE);
	free_world(w);
	/* What is no TLS, and who waits for the server to speak. */
	w = connected(false);
	w->audit = true;
	assert_int_equal(say(w, &(struct text){.v = "SSH-2.0", .n = 7}, 0, 7), OPENING_OPEN);
	free_world(w);
	w = connected(false);
	w->audit = true;
	tick(w, 10000);
	assert_int_equal(up(w, ACK, ISN + 1, "x", 1), OPENING_OPEN);
	free_world(w);
}

static void is_bounded(void **state)
{
	const struct text good = hello("good.example", 100);
	struct world *w = new_world(false);

	(void)state;
	/* Far more beginnings than there is room for: the oldest go. */
	for (uint32_t i = 0; i < 3 * OPENING_FLOWS; i++) {
		uint32_t id = send_to(w, true, (uint16_t)(1000 + i), SYN, ISN, 0, NULL, 0);

		assert_int_equal(w->verdicts[id], OPENING_PASS);
	}
	free_world(w);

	/* Of those that have said something the oldest is refused, and stays so. */
	w = new_world(false);
	for (uint32_t i = 0; i <= OPENING_FLOWS; i++) {
		uint16_t port = (uint16_t)(1000 + i);
		uint32_t id = send_to(w, true, port, SYN, ISN, 0, NULL, 0);
		bool is_last = i == OPENING_FLOWS;

		assert_int_equal(w->verdicts[id], is_last ? OPENING_DROP : OPENING_PASS);
		send_to(w, false, port, SYN | ACK, SISN, ISN + 1, NULL, 0);
		id = send_to(w, true, port, ACK, ISN + 1, SISN + 1, good.v, 20);
		answer_all(w);
		assert_int_equal(w->verdicts[id], is_last ? OPENING_REFUSE : OPENING_PASS);
	}
	assert_int_equal(w->verdicts[send_to(w, true, 1000, SYN, ISN, 0, NULL, 0)],
			 OPENING_DROP);
	assert_int_equal(w->verdicts[send_to(w, true, 1000, ACK, ISN + 21, 0, good.v, 20)],
			 OPENING_REFUSE);
	free_world(w);

	/* A hello without end: a byte a record. */
	w = connected(false);
	{
		static struct text whole, t;

		whole = hello("good.example", 8000);
		for (size_t i = 5; t.n + 6 <= HELLO_MAX + 100; i++) {
			memcpy(t.v + t.n, (uint8_t[]){22, 3, 1, 0, 1, whole.v[i]}, 6);
			t.n += 6;
		}
		for (size_t at = 0; at < HELLO_MAX; at += HELLO_MAX / 16)
			assert_int_equal(say(w, &t, at, at + HELLO_MAX / 16),
					 at + HELLO_MAX / 16 < HELLO_MAX ? OPENING_PASS
									  : OPENING_REFUSE);
		assert_string_equal(w->why, "the hello is too long");
	}
	free_world(w);
}

/* ---- a server, and a client that lies ------------------------------------------------------ */

#define STREAM 512

struct server {
	bool is_up, is_half; /* half: it has heard the beginning */
	uint32_t base, isn;
	uint8_t text[STREAM];
	bool has[STREAM];
	size_t n;	      /* in a row */
	bool takes_the_last; /* of two that overlap, before they are in a row */
};

static void server_reads(struct server *v, const struct segment *s)
{
	uint32_t at = s->seq - v->base;

	for (uint32_t i = 0; i < s->n; i++) {
		if (at + i >= STREAM || at + i < v->n || (v->has[at + i] && !v->takes_the_last))
			continue;
		v->text[at + i] = s->data[i];
		v->has[at + i] = true;
	}
	while (v->n < STREAM && v->has[v->n])
		v->n++;
}

/* What it answers: flags, 0 for nothing. */
static int server_takes(struct server *v, const struct segment *s)
{
	if (s->flags & SYN) {
		if (v->is_up)
			return ACK;
		if (!v->is_half || v->base != s->seq + 1) {
			bool last = v->takes_the_last;

			memset(v, 0, sizeof *v);
			v->takes_the_last = last;
			v->isn = (uint32_t)rand();
		}
		v->is_half = true;
		v->base = s->seq + 1;
		return SYN | ACK;
	}
	if (s->flags & RST && (v->is_up || v->is_half)) {
		if (s->seq == v->base + v->n)
			v->is_up = v->is_half = false;
		return 0;
	}
	if (!v->is_up && !v->is_half)
		return RST;
	v->is_up = true;
	v->is_half = false;
	if (!(s->flags & URG))
		server_reads(v, s);
	return ACK;
}

/* The name it would serve, or NULL as long as it has no whole hello. */
static const char *served(const struct server *v)
{
	static struct hello h;
	size_t used;

	hello_init(&h);
	hello_feed(&h, v->text, v->n, &used);
	return h.state == HELLO_NAME ? h.name : h.state == HELLO_NO_NAME ? "" : NULL;
}

static struct text lie(void)
{
	switch (rand() % 4) {
	case 0:
		return hello("evil.example", (size_t)(rand() % 3) * 20);
	case 1:
		return hello(NULL, 20);
	default:
		return hello("good.example", (size_t)(rand() % 3) * 20);
	}
}

struct answer_of_server {
	int flags;
	uint32_t seq, ack;
	uint8_t n;
};

static void play(unsigned int seed, unsigned int *opened)
{
	struct world *w = new_world(seed % 2);
	struct server v = {.takes_the_last = seed / 2 % 2};
	struct answer_of_server late[16];
	size_t n_late = 0;
	bool is_open = false;
	int dying = 1;

	srand(seed);
	for (int step = 0; step < 300 && !is_open; step++) {
		static uint8_t packet[2000];
		static const int flags[] = {ACK, ACK, ACK, ACK, ACK, ACK, ACK, ACK | FIN, ACK | URG,
					    RST, SYN, SYN};
		const struct text t = lie();
		const int f = flags[rand() % (int)ARRAY_SIZE(flags)];
		size_t from = rand() % 2 ? v.n : (size_t)rand() % t.n;
		size_t to = rand() % 2 ? t.n : from + (size_t)rand() % 40;
		uint32_t seq = f == SYN ? ISN + (uint32_t)(rand() % 3) * 30 : v.base + (uint32_t)from;
		bool carries = f & ACK && from < t.n && rand() % 8;
		struct segment s;
		uint32_t id;
		size_t len;

		to = MIN(to, t.n);
		if (to < from || !carries)
			to = from = 0;
		len = make(w, packet, true, PORT, f, seq, v.isn + 1, t.v + from, to - from);
		id = send_to(w, true, PORT, f, seq, v.isn + 1, t.v + from, to - from);
		answer_all(w);
		if (w->verdicts[id] == TRIMMED)
			memcpy(packet, w->trimmed, len = w->trimmed_len);
		/* Some die on the way, or all for a while, as their sender wants. */
		if (rand() % 8 == 0)
			dying = rand() % 3;
		if ((w->verdicts[id] == OPENING_PASS || w->verdicts[id] == TRIMMED) && rand() % 2 >= dying &&
		    segment_parse(packet, len, &s)) {
			int r = server_takes(&v, &s);

			if (served(&v))
				assert_string_equal(served(&v), "good.example");
			if (r && n_late < ARRAY_SIZE(late))
				late[n_late++] = (struct answer_of_server){
					r, v.isn + !(r & SYN), v.base + (uint32_t)v.n,
					r == ACK && served(&v) ? 60 : 0};
		}
		assert_int_not_equal(w->verdicts[id], OPENING_OPEN);
		/* What the server says takes its time, but keeps its order. */
		while (n_late > 0 && rand() % 3) {
			const struct answer_of_server a = late[0];

			memmove(late, late + 1, --n_late * sizeof *late);
			id = send_to(w, false, PORT, a.flags, a.seq, a.ack, server_hello, a.n);
			is_open = is_open || w->verdicts[id] == OPENING_OPEN;
		}
		if (rand() % 50 == 0)
			tick(w, (uint64_t)(rand() % 4) * 4000);
	}
	if (is_open) {
		assert_string_equal(served(&v), "good.example");
		++*opened;
	}
	free_world(w);
}

static void no_lie_is_read(void **state)
{
	unsigned int opened = 0;

	(void)state;
	for (unsigned int seed = 0; seed < 2000; seed++)
		play(seed, &opened);
	/* It does get as far as that. */
	assert_in_range(opened, 200, 2000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(beginnings),
		cmocka_unit_test(odd_packets),
		cmocka_unit_test(times),
		cmocka_unit_test(audits),
		cmocka_unit_test(is_bounded),
		cmocka_unit_test(no_lie_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
