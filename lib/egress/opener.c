/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "opener.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "../base/macros.h"
#include "../base/sys.h"
#include "../net/gate-messages.h"
#include "loop.h"

#define TICK_MSEC 1000
#define AT_ONCE 64 /* packets; then others get their turn */

static void on_verdict(void *context, uint32_t id, enum opening_verdict v)
{
	struct opener *o = context;

	if (v == OPENING_DROP)
		queue_drop(o->queue, id);
	else
		queue_pass(o->queue, id,
			   v == OPENING_OPEN	 ? EGRESS_MARK_OPEN
			   : v == OPENING_REFUSE ? EGRESS_MARK_REFUSED
						 : 0);
}

static void on_pass_as(void *context, uint32_t id, const uint8_t *packet, size_t len)
{
	struct opener *o = context;

	queue_pass_as(o->queue, id, packet, len, o->out);
}

static bool on_ask(void *context, const struct opening_question *q)
{
	struct opener *o = context;
	struct gate_hello *m = &o->question;

	m->ticket = q->ticket;
	m->six = q->six;
	m->is_second = q->is_second;
	m->is_late = q->is_late;
	memcpy(m->address, q->address, sizeof m->address);
	m->port = q->port;
	memcpy(m->text, q->text, q->len);
	return SYS(sendto, o->wire, m, GATE_HELLO_HEAD + q->len, MSG_DONTWAIT | MSG_NOSIGNAL,
		   NULL, 0) >= 0;
}

static const struct opening_ops ops = {
	.verdict = on_verdict,
	.pass_as = on_pass_as,
	.ask = on_ask,
};

int opener_init(struct opener *o, const struct gate *g)
{
	void *memory = loop_memory(opening_size());
	uint32_t seed;

	if (!memory)
		return -ENOMEM;
	if (SYS(getrandom, &seed, sizeof seed, 0) != sizeof seed)
		return -EIO;
	o->queue = g->sockets[GATE_QUEUE];
	o->wire = g->hellos[1];
	o->engine = opening_init(memory, g->addresses.box4, g->addresses.box6, seed, &ops, o);
	return 0;
}

/* ---- names of what was allowed ------------------------------------------------------------ */

/* A cache: who collides is forgotten. */
static size_t place_of(const struct opening_key *key)
{
	const uint8_t *p = (const uint8_t *)key;
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < sizeof *key; i++)
		h = (h ^ p[i]) * 16777619u;
	return (h ^ h >> 15) % OPENER_NAMES;
}

static void remember(struct opener *o, const struct gate_hello_answer *a)
{
	const struct opening_key *key = opening_key(o->engine, a->ticket);
	struct opener_name *n;

	if (!key)
		return;
	n = &o->names[place_of(key)];
	n->key = *key;
	memcpy(n->name, a->name, sizeof n->name);
	n->name[NAME_MAX_LEN] = '\0';
}

const char *opener_name(const struct opener *o, const struct flow *f)
{
	struct opening_key key = {.client_port = f->source_port, .server_port = f->target_port,
				  .six = f->six};
	const struct opener_name *n;

	memcpy(key.client, f->source, sizeof key.client);
	memcpy(key.server, f->target, sizeof key.server);
	n = &o->names[place_of(&key)];
	return *n->name && memcmp(&n->key, &key, sizeof key) == 0 ? n->name : NULL;
}

/* ---- running ------------------------------------------------------------------------------ */

static void on_packet(void *context, uint32_t id, uint8_t *packet, size_t len)
{
	struct opener *o = context;

	/* One before us may have died with packets in its hands, which nobody can know of. */
	if (!o->has_begun && id > 0)
		queue_drop_until(o->queue, id - 1);
	o->has_begun = true;
	opening_packet(o->engine, o->now, id, packet, len);
}

static bool hear_answer(struct opener *o, uint64_t now)
{
	struct gate_hello_answer m;
	int r = SYS(recvfrom, o->wire, &m, sizeof m, MSG_DONTWAIT, NULL, NULL);
	struct opening_answer a;

	if (r != sizeof m)
		return false;
	a = (struct opening_answer){.ticket = m.ticket, .len = m.len, .end = m.end,
				    .judgement = (enum opening_judgement)m.judgement};
	if (a.judgement == OPENING_HELLO || a.judgement == OPENING_ALL)
		remember(o, &m);
	opening_answer(o->engine, now, &a);
	return true;
}

int opener_wait(const struct opener *o)
{
	return opening_is_busy(o->engine) ? TICK_MSEC : -1;
}

void opener_run(struct opener *o, uint64_t now, bool has_answers, bool has_packets)
{
	o->now = now;
	if (now >= o->ticked + TICK_MSEC) {
		o->ticked = now;
		opening_tick(o->engine, now);
	}
	while (has_answers && hear_answer(o, now))
		;
	for (int i = 0; i < AT_ONCE && has_packets; i++)
		if (queue_read(o->queue, o->packet, on_packet, o) < 0)
			return;
}
