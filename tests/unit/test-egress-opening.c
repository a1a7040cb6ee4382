/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Connections on their way to be opened, of packets made here: what a client can try so
 * that the server reads another name than was judged. The last test tries at random,
 * against a server that takes from each packet what it can.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "egress/judge.h"
#include "egress/opening.h"
#include "egress/segment.h"

#define FIN SEGMENT_FIN
#define SYN SEGMENT_SYN
#define RST SEGMENT_RST
#define ACK SEGMENT_ACK
#define URG SEGMENT_URG
#define PORT 40000
#define ISN 0xfffffff0u /* so that numbers wrap within each hello */
#define SISN 0xffffffffu

enum { PENDING = -1, TRIMMED = 100 };

static const uint8_t box4[4] = {100, 127, 255, 2}, web4[4] = {192, 0, 2, 80};
static const uint8_t box6[16] = {0xfd, 1, [15] = 2}, web6[16] = {0x20, 1, [15] = 80};

struct world {
	struct opening *o;
	uint64_t now;
	bool six, audit, deaf; /* deaf: nobody answers questions */
	int verdicts[65536];
	uint32_t id;
	uint8_t trimmed[65536];
	size_t trimmed_len;
	unsigned int asked, refused;
	char why[64];
	struct opening_question questions[8]; /* those not answered yet */
	uint8_t texts[8][OPENING_TEXT_MAX];
	size_t n_questions;
	bool defers; /* they are answered by answer_all() only */
};

/* ---- packets ---------------------------------------------------------------------------- */

static uint16_t sum(const uint8_t *p, size_t n, uint32_t v)
{
	for (size_t i = 0; i < n; i++)
		v += (uint32_t)p[i] << (i % 2 ? 0 : 8);
	while (v >> 16)
		v = (v & 0xffff) + (v >> 16);
	return (uint16_t)v;
}

/* Whether both sums of it are right. */
static bool sums_agree(const uint8_t *p, size_t len)
{
	const bool six = p[0] >> 4 == 6;
	const size_t at = six ? 40 : 20;
	uint32_t v = sum(six ? p + 8 : p + 12, six ? 32 : 8, IPPROTO_TCP + (uint32_t)(len - at));

	return sum(p + at, len - at, v) == 0xffff && (six || sum(p, 20, 0) == 0xffff);
}

static size_t make(const struct world *w, uint8_t *p, bool up, uint16_t port, int flags,
		   uint32_t seq, uint32_t ack, const void *data, size_t n)
{
	const size_t at = w->six ? 40 : 20, len = at + 20 + n;
	const uint8_t *box = w->six ? box6 : box4, *web = w->six ? web6 : web4;
	const size_t size = w->six ? 16 : 4;
	uint8_t *t = p + at;

	memset(p, 0, at + 20);
	if (w->six) {
		p[0] = 0x60;
		p[4] = (uint8_t)((len - 40) >> 8), p[5] = (uint8_t)(len - 40);
		p[6] = IPPROTO_TCP;
		p[7] = 64;
	} else {
		p[0] = 0x45;
		p[2] = (uint8_t)(len >> 8), p[3] = (uint8_t)len;
		p[8] = 64;
		p[9] = IPPROTO_TCP;
	}
	memcpy(p + (w->six ? 8 : 12), up ? box : web, size);
	memcpy(p + (w->six ? 24 : 16), up ? web : box, size);
	for (int i = 0; i < 2; i++) {
		uint16_t v = (i == 0) == up ? port : 443;

		t[2 * i] = (uint8_t)(v >> 8), t[2 * i + 1] = (uint8_t)v;
	}
	for (int i = 0; i < 4; i++) {
		t[4 + i] = (uint8_t)(seq >> (24 - 8 * i));
		t[8 + i] = (uint8_t)(ack >> (24 - 8 * i));
	}
	t[12] = 5 << 4;
	t[13] = (uint8_t)flags;
	if (n)
		memcpy(t + 20, data, n);
	return len;
}

static uint32_t send_to(struct world *w, bool up, uint16_t port, int flags, uint32_t seq,
			uint32_t ack, const void *data, size_t n)
{
	static uint8_t packet[70000];
	size_t len = make(w, packet, up, port, flags, seq, ack, data, n);

	w->id = (w->id + 1) % ARRAY_SIZE(w->verdicts);
	w->verdicts[w->id] = PENDING;
	opening_packet(w->o, w->now, w->id, packet, len);
	return w->id;
}

static int up(struct world *w, int flags, uint32_t seq, const void *data, size_t n)
{
	return w->verdicts[send_to(w, true, PORT, flags, seq, SISN + 1, data, n)];
}

static int down(struct world *w, int flags, uint32_t seq, uint32_t ack, const void *data,
		size_t n)
{
	return w->verdicts[send_to(w, false, PORT, flags, seq, ack, data, n)];
}

/* ---- hellos ------------------------------------------------------------------------------ */

struct text {
	uint8_t v[OPENING_TEXT_MAX];
	size_t n;
};

static void put16(struct text *t, size_t v)
{
	t->v[t->n++] = (uint8_t)(v >> 8);
	t->v[t->n++] = (uint8_t)v;
}

/* @padding: bytes of an extension before the name; @name: NULL for none. */
static struct text hello(const char *name, size_t padding)
{
	struct text t = {.n = 9};
	size_t at, len = name ? strlen(name) : 0;

	t.v[0] = 22, t.v[1] = 3, t.v[2] = 1, t.v[5] = 1;
	put16(&t, 0x0303);
	memset(t.v + t.n, 7, 32);
	t.n += 32;
	t.v[t.n++] = 0;
	put16(&t, 2);
	put16(&t, 0x1301);
	t.v[t.n++] = 1;
	t.v[t.n++] = 0;
	at = t.n;
	put16(&t, 0);
	put16(&t, 0x0a0a);
	put16(&t, padding);
	t.n += padding;
	if (name) {
		put16(&t, 0);
		put16(&t, len + 5);
		put16(&t, len + 3);
		t.v[t.n++] = 0;
		put16(&t, len);
		memcpy(t.v + t.n, name, len);
		t.n += len;
	}
	t.v[at] = (uint8_t)((t.n - at - 2) >> 8), t.v[at + 1] = (uint8_t)(t.n - at - 2);
	t.v[3] = (uint8_t)((t.n - 5) >> 8), t.v[4] = (uint8_t)(t.n - 5);
	t.v[7] = (uint8_t)((t.n - 9) >> 8), t.v[8] = (uint8_t)(t.n - 9);
	return t;
}

static const char server_hello[64] = "\x16\x03\x03\0\x30\x02\0\0\x2c\x03\x03 any random";
static const char retry[64] = "\x16\x03\x03\0\x30\x02\0\0\x2c\x03\x03"
			      "\xcf\x21\xad\x74\xe5\x9a\x61\x11\xbe\x1d\x8c\x02\x1e\x65\xb8\x91"
			      "\xc2\xa2\x11\x16\x7a\xbb\x8c\x5e\x07\x9e\x09\xe2\xc8\xa8\x33\x9c";

/* ---- who decides --------------------------------------------------------------------------- */

static bool decide(void *context, const struct egress_ask *ask, const char **ret_why)
{
	struct world *w = context;

	assert_int_equal(ask->port, 443);
	assert_memory_equal(ask->address, w->six ? web6 : web4, w->six ? 16 : 4);
	*ret_why = "name";
	return w->audit ? !ask->name || strcmp(ask->name, "denied.example") != 0
			: ask->name && strcmp(ask->name, "good.example") == 0;
}

static void refused(void *context, const struct egress_ask *ask, const char *why)
{
	struct world *w = context;

	(void)ask;
	w->refused++;
	snprintf(w->why, sizeof w->why, "%s", why);
}

static const struct judge_ops judge_ops = {decide, refused};

static void verdict(void *context, uint32_t id, enum opening_verdict v)
{
	struct world *w = context;

	assert_int_equal(w->verdicts[id], PENDING);
	w->verdicts[id] = (int)v;
}

static void pass_as(void *context, uint32_t id, const uint8_t *packet, size_t len)
{
	struct world *w = context;

	verdict(w, id, (enum opening_verdict)TRIMMED);
	memcpy(w->trimmed, packet, len);
	w->trimmed_len = len;
	assert_true(sums_agree(packet, len));
}

static bool ask(void *context, const struct opening_question *q)
{
	struct world *w = context;

	w->asked++;
	if (w->deaf || w->n_questions == ARRAY_SIZE(w->questions))
		return false;
	w->questions[w->n_questions] = *q;
	memcpy(w->texts[w->n_questions], q->text, q->len);
	w->n_questions++;
	return true;
}

static void answer_all(struct world *w)
{
	for (size_t i = 0; i < w->n_questions; i++) {
		struct opening_answer a;
		char name[NAME_MAX_LEN + 1];

		w->questions[i].text = w->texts[i];
		judge(&w->questions[i], w->audit, &judge_ops, w, &a, name);
		opening_answer(w->o, w->now, &a);
	}
	w->n_questions = 0;
}

static const struct opening_ops ops = {verdict, pass_as, ask};

static struct world *new_world(bool six)
{
	struct world *w = calloc(1, sizeof *w);

	w->o = opening_init(calloc(1, opening_size()), box4, box6, 42, &ops, w);
	w->six = six;
	w->now = 1000;
	return w;
}

static void free_world(struct world *w)
{
	free(w->o);
	free(w);
}

static void tick(struct world *w, uint64_t msec)
{
	w->now += msec;
	opening_tick(w->o, w->now);
	answer_all(w);
}

/* Up to where the client may speak. */
static struct world *connected(bool six)
{
	struct world *w = new_world(six);

	assert_int_equal(up(w, SYN, ISN, NULL, 0), OPENING_PASS);
	assert_int_equal(down(w, SYN | ACK, SISN, ISN + 1, NULL, 0), OPENING_PASS);
	assert_int_equal(up(w, ACK, ISN + 1, NULL, 0), OPENING_PASS);
	return w;
}

/* The client's bytes from @from to @to; what became of the packet once all is answered. */
static int say(struct world *w, const struct text *t, size_t from, size_t to)
{
	uint32_t id = send_to(w, true, PORT, ACK, ISN + 1 + (uint32_t)from, SISN + 1,
			      t->v + from, to - from);

	answer_all(w);
	return w->verdicts[id];
}

static int reply(struct world *w, size_t acked, const char *text, size_t n)
{
	return down(w, ACK, SISN + 1, ISN + 1 + (uint32_t)acked, text, n);
}

/* ---- tests --------------------------------------------------------------------------------- */

static void opens(void **state)
{
	const struct text good = hello("good.example", 0);

	(void)state;
	for (int six = 0; six < 2; six++) {
		struct world *w = connected(six);
		uint32_t id;

		assert_int_equal(say(w, &good, 0, good.n), OPENING_PASS);
		/* Not before it has all of it, and has said what it wants. */
		assert_int_equal(reply(w, good.n - 1, NULL, 0), OPENING_PASS);
		assert_int_equal(reply(w, good.n, NULL, 0), OPENING_PASS);
		id = send_to(w, true, PORT, ACK, ISN + 1 + (uint32_t)good.n, SISN + 1, "x", 1);
		assert_int_equal(w->verdicts[id], PENDING);
		assert_int_equal(reply(w, good.n, server_hello, 8), OPENING_PASS);
		assert_int_equal(reply(w, good.n, server_hello, 60), OPENING_OPEN);
		assert_int_equal(w->verdicts[id], OPENING_OPEN);
		/* What was queued meanwhile. */
		assert_int_equal(up(w, ACK, ISN + 100, "y", 1), OPENING_OPEN);
		assert_int_equal(down(w, ACK, SISN + 90, ISN, "y", 1), OPENING_OPEN);
		assert_true(opening_is_busy(w->o));
		tick(w, 20000);
		assert_false(opening_is_busy(w->o));
		assert_int_equal(up(w, ACK, ISN + 100, "y", 1), OPENING_REFUSE);
		free_world(w);
	}
}

static void refuses_names(void **state)
{
	static const struct {
		const char *name, *why;
	} rows[] = {{"evil.example", "name"}, {NULL, "name"}, {"192.0.2.1", "the name in the hello is an address"}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct text t = hello(rows[i].name, 0);
		struct world *w = connected(i % 2);

		assert_int_equal(say(w, &t, 0, t.n), OPENING_REFUSE);
		assert_int_equal(w->refused, 1);
		assert_string_equal(w->why, rows[i].why);
		assert_int_equal(say(w, &t, 0, t.n), OPENING_REFUSE);
		assert_int_equal(w->refused, 1);
		/* Its end may be told, and nothing else. */
		assert_int_equal(up(w, RST, ISN + 1, NULL, 0), OPENING_PASS);
		assert_int_equal(up(w, RST, ISN + 1, "x", 1), OPENING_DROP);
		assert_int_equal(reply(w, 0, "x", 1), OPENING_DROP);
		assert_int_equal(reply(w, 0, NULL, 0), OPENING_PASS);
		free_world(w);
	}
}

static void passes_in_pieces(void **state)
{
	const struct text good = hello("good.example", 5000), bad = hello("evil.example", 5000);

	(void)state;
	for (size_t piece = 1; piece < 3000; piece = piece * 3 + 1) {
		struct world *w = connected(false);

		for (size_t at = 0; at < good.n; at += piece)
			assert_int_equal(say(w, &good, at, MIN(at + piece, good.n)), OPENING_PASS);
		assert_int_equal(reply(w, good.n, server_hello, 60), OPENING_OPEN);
		free_world(w);
		w = connected(true);
		for (size_t at = 0; at < bad.n; at += piece) {
			/* The name is the last there is. */
			bool is_last = at + piece >= bad.n;

			assert_int_equal(say(w, &bad, at, MIN(at + piece, bad.n)),
					 is_last ? OPENING_REFUSE : OPENING_PASS);
		}
		free_world(w);
	}
}

/* A wrong name does not leave even if more of the hello is to come. */
static void sees_a_wrong_name_early(void **state)
{
	struct text t = hello("evil.example", 0);
	struct world *w = connected(false);
	const size_t whole = t.n;

	(void)state;
	/* Another extension is announced: of the record, the message, the list. */
	t.v[4] += 100, t.v[8] += 100, t.v[51] += 100;
	assert_int_equal(say(w, &t, 0, whole - 1), OPENING_PASS);
	assert_int_equal(say(w, &t, whole - 1, whole), OPENING_REFUSE);
	assert_string_equal(w->why, "name");
	free_world(w);
}

static void compares_what_comes_again(void **state)
{
	const struct text good = hello("good.example", 100), evil = hello("evil.example", 100);
	struct world *w = connected(false);

	(void)state;
	assert_int_equal(say(w, &good, 0, 60), OPENING_PASS);
	assert_int_equal(say(w, &good, 0, 60), OPENING_PASS);
	assert_int_equal(say(w, &good, 10, 30), OPENING_PASS);
	/* An overlap, of which the old part is the same. */
	assert_int_equal(say(w, &good, 30, 90), OPENING_PASS);
	assert_int_equal(say(w, &good, 95, 100), OPENING_DROP); /* a gap */
	assert_int_equal(say(w, &good, 90, good.n), OPENING_PASS);
	assert_int_equal(say(w, &good, 90, good.n), OPENING_PASS);
	assert_int_equal(say(w, &evil, 90, evil.n), OPENING_REFUSE);
	assert_int_equal(reply(w, good.n, server_hello, 60), OPENING_DROP);
	free_world(w);

	w = connected(false);
	assert_int_equal(say(w, &good, 0, 150), OPENING_PASS);
	assert_int_equal(say(w, &evil, 100, evil.n), OPENING_REFUSE);
	free_world(w);

	w = connected(false);
	assert_int_equal(say(w, &good, 0, 60), OPENING_PASS);
	assert_int_equal(say(w, &evil, 60, evil.n), OPENING_REFUSE);
	free_world(w);

	/* Each byte of what has passed, before there is a name. */
	for (size_t i = 0; i < 100; i++) {
		struct text other = good;

		w = connected(false);
		assert_int_equal(say(w, &good, 0, 100), OPENING_PASS);
		other.v[i] ^= 1;
		assert_int_equal(say(w, &other, i / 2, 110), OPENING_REFUSE);
		free_world(w);
	}
}

static void holds_until_it_is_answered(void **state)
{
	const struct text good = hello("good.example", 3000);
	struct world *w = connected(false);
	uint32_t first, again, second;

	(void)state;
	first = send_to(w, true, PORT, ACK, ISN + 1, 0, good.v, 1000);
	again = send_to(w, true, PORT, ACK, ISN + 1, 0, good.v, 1000);
	second = send_to(w, true, PORT, ACK, ISN + 1001, 0, good.v + 1000, good.n - 1000);
	assert_int_equal(w->verdicts[first], PENDING);
	assert_int_equal(w->asked, 1);
	answer_all(w); /* about the first, and then about all of it */
	assert_int_equal(w->asked, 2);
	assert_int_equal(w->verdicts[first], OPENING_PASS);
	assert_int_equal(w->verdicts[again], OPENING_PASS);
	assert_int_equal(w->verdicts[second], OPENING_PASS);
	free_world(w);

	/* Who does not answer is asked again. */
	w = connected(false);
	w->deaf = true;
	first = send_to(w, true, PORT, ACK, ISN + 1, 0, good.v, good.n);
	tick(w, 1000);
	assert_int_equal(w->asked, 2);
	w->deaf = false;
	tick(w, 1000);
	assert_int_equal(w->verdicts[first], OPENING_PASS);
	free_world(w);

	/* More than it holds comes again later. */
	w = connected(false);
	w->deaf = true;
	for (int i = 0; i < OPENING_HELD; i++)
		assert_int_equal(up(w, ACK, ISN + 1, good.v, 10), PENDING);
	assert_int_equal(up(w, ACK, ISN + 1, good.v, 10), OPENING_DROP);
	free_world(w);
}

static void cuts_off_what_is_behind(void **state)
{
	struct text good = hello("good.example", 0);
	const size_t end = good.n;

	(void)state;
	memcpy(good.v + good.n, "early data", 10);
	good.n += 10;
	for (int six = 0; six < 2; six++) {
		struct world *w = connected(six);
		struct segment s;

		assert_int_equal(say(w, &good, 0, good.n), OPENING_DROP);
		assert_int_equal(up(w, ACK | FIN, ISN + 1, good.v, good.n), TRIMMED);
		assert_true(segment_parse(w->trimmed, w->trimmed_len, &s));
		assert_int_equal(s.n, end);
		assert_int_equal(s.flags, ACK);
		assert_memory_equal(s.data, good.v, end);
		assert_int_equal(up(w, ACK, ISN + 1 + (uint32_t)end, good.v + end, 10), PENDING);
		assert_int_equal(reply(w, end, server_hello, 60), OPENING_OPEN);
		free_world(w);
	}
}

static void second_hello(const struct text *second, int expected)
{
	static const uint8_t change[] = {20, 3, 3, 0, 1, 1};
	const struct text good = hello("good.example", 0);
	struct world *w = connected(false);
	struct text all = good;

	memcpy(all.v + all.n, change, sizeof change);
	memcpy(all.v + all.n + sizeof change, second->v, second->n);
	all.n += sizeof change + second->n;
	assert_int_equal(say(w, &all, 0, good.n), OPENING_PASS);
	/* In the hope that a retry comes. */
	assert_int_equal(up(w, ACK, ISN + 1 + (uint32_t)good.n, all.v + good.n, 40), PENDING);
	assert_int_equal(reply(w, good.n, retry, 43), OPENING_PASS);
	assert_int_equal(say(w, &all, good.n, good.n + 3), OPENING_PASS);
	assert_int_equal(say(w, &all, good.n + 3, all.n), expected);
	assert_int_equal(reply(w, good.n, retry, 60), expected == OPENING_PASS ? OPENING_PASS : OPENING_DROP);
	assert_int_equal(reply(w, all.n, server_hello, 60),
			 expected == OPENING_PASS ? OPENING_OPEN : OPENING_DROP);
	free_world(w);
}

static void judges_the_second_hello(void **state)
{
	struct text good = hello("good.example", 70), evil = hello("evil.example", 0),
		    none = hello(NULL, 0), odd = {.v = {23, 3, 3, 0xff, 0xff}, .n = 5};

	(void)state;
	second_hello(&good, OPENING_PASS);
	second_hello(&evil, OPENING_REFUSE);
	second_hello(&none, OPENING_REFUSE);
	second_hello(&odd, OPENING_REFUSE);
	assert_int_equal(hello_asks_again((const uint8_t *)retry, 42), -EAGAIN);
	assert_int_equal(hello_asks_again((const uint8_t *)retry, 43), 1);
	assert_int_equal(hello_asks_again((const uint8_t *)server_hello, 43), 0);
	assert_int_equal(hello_asks_again((const uint8_t *)"\x15", 1), 0);
}

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
		cmocka_unit_test(opens),
		cmocka_unit_test(refuses_names),
		cmocka_unit_test(passes_in_pieces),
		cmocka_unit_test(sees_a_wrong_name_early),
		cmocka_unit_test(compares_what_comes_again),
		cmocka_unit_test(holds_until_it_is_answered),
		cmocka_unit_test(cuts_off_what_is_behind),
		cmocka_unit_test(judges_the_second_hello),
		cmocka_unit_test(beginnings),
		cmocka_unit_test(odd_packets),
		cmocka_unit_test(times),
		cmocka_unit_test(audits),
		cmocka_unit_test(is_bounded),
		cmocka_unit_test(no_lie_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
