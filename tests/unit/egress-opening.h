/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Packets, and who sends and judges them. After <cmocka.h>. */
#ifndef TEST_EGRESS_OPENING_H
#define TEST_EGRESS_OPENING_H

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
	/* That it is there is told with what it says. */
	assert_int_equal(up(w, ACK, ISN + 1, NULL, 0), PENDING);
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

#endif
