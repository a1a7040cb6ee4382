/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "opening.h"

#include <errno.h>
#include <string.h>

#include "../base/macros.h"
#include "segment.h"

#define BUCKETS 2048
#define EVICTION_TRIES 64
#define REPLY_BYTES 48 /* as many as tell whether the server wants another hello */

#define CONNECT_MSEC 60000
#define HEAD_MSEC 10000 /* for a hello */
#define LATE_MSEC 2000	/* for a word about one that did not come */
#define REPLY_MSEC 60000
#define LINGER_MSEC 10000 /* packets that were queued when it was opened, or refused */
/* Longer than a server answers to a beginning that it has not heard of again. */
#define SPENT_MSEC 180000
#define ASK_AGAIN_MSEC 1000

enum state {
	FREE,
	CONNECTING, /* no answer to its beginning yet */
	GATHERING,  /* the hello is not whole */
	AWAITING,   /* the server has not answered it */
	OPENED,
	REFUSED,
};

struct held {
	uint32_t id, begin, end;
};

struct flow {
	uint64_t ticket; /* 0: free */
	struct opening_key key;
	enum state state;
	uint32_t next;	     /* of its bucket: index + 1 */
	uint32_t base;	     /* number of the client's first byte */
	uint32_t reply_base; /* of the server's */
	uint32_t have;	     /* bytes of the client's, in its buffer */
	uint32_t clear;	     /* of these, that may pass */
	uint32_t acked;	     /* of these, that the server has */
	uint32_t reply_len;
	uint8_t reply[REPLY_BYTES];
	bool is_second, is_late, is_asked;
	bool is_there;	     /* the client, and the server has heard so */
	uint32_t buffer; /* index + 1 */
	uint64_t deadline, asked_at;
	uint32_t n_held;
	struct held held[OPENING_HELD];
};

struct buffer {
	uint64_t owner; /* ticket; 0: nobody's */
	uint8_t text[OPENING_TEXT_MAX];
};

struct opening {
	const struct opening_ops *ops;
	void *context;
	uint8_t box4[4], box6[16];
	uint32_t seed;
	uint64_t now, serial;
	uint32_t flow_hand, buffer_hand;
	uint32_t n_flows, n_held;
	uint32_t buckets[BUCKETS]; /* index + 1 */
	struct flow flows[OPENING_FLOWS];
	struct buffer buffers[OPENING_BUFFERS];
};

size_t opening_size(void)
{
	return sizeof(struct opening);
}

struct opening *opening_init(void *memory, const uint8_t box4[static 4],
			     const uint8_t box6[static 16], uint32_t seed,
			     const struct opening_ops *ops, void *context)
{
	struct opening *o = memory;

	memcpy(o->box4, box4, sizeof o->box4);
	memcpy(o->box6, box6, sizeof o->box6);
	o->seed = seed;
	/* Answers to one before us are nobody's. */
	o->serial = (uint64_t)seed << 20;
	o->ops = ops;
	o->context = context;
	return o;
}

bool opening_is_busy(const struct opening *o)
{
	return o->n_flows > 0;
}

/* ---- the table ---------------------------------------------------------------------------- */

static uint32_t *bucket_of(struct opening *o, const struct opening_key *key)
{
	const uint8_t *p = (const uint8_t *)key;
	uint32_t h = o->seed;

	for (size_t i = 0; i < sizeof *key; i++)
		h = (h ^ p[i]) * 16777619u;
	return &o->buckets[(h ^ h >> 15) % BUCKETS];
}

static struct flow *find(struct opening *o, const struct opening_key *key)
{
	uint32_t i = *bucket_of(o, key);

	while (i && memcmp(&o->flows[i - 1].key, key, sizeof *key) != 0)
		i = o->flows[i - 1].next;
	return i ? &o->flows[i - 1] : NULL;
}

static struct flow *by_ticket(struct opening *o, uint64_t ticket)
{
	struct flow *f = &o->flows[ticket % OPENING_FLOWS];

	return ticket && f->ticket == ticket ? f : NULL;
}

const struct opening_key *opening_key(const struct opening *o, uint64_t ticket)
{
	const struct flow *f = &o->flows[ticket % OPENING_FLOWS];

	return ticket && f->ticket == ticket ? &f->key : NULL;
}

static void say(struct opening *o, uint32_t id, enum opening_verdict v)
{
	o->ops->verdict(o->context, id, v);
}

static void release_all(struct opening *o, struct flow *f, enum opening_verdict v)
{
	for (uint32_t i = 0; i < f->n_held; i++)
		say(o, f->held[i].id, v);
	o->n_held -= f->n_held;
	f->n_held = 0;
}

static void drop_buffer(struct opening *o, struct flow *f)
{
	if (f->buffer)
		o->buffers[f->buffer - 1].owner = 0;
	f->buffer = 0;
}

static void forget(struct opening *o, struct flow *f)
{
	uint32_t *at = bucket_of(o, &f->key), i = (uint32_t)(f - o->flows) + 1;

	release_all(o, f, OPENING_DROP);
	drop_buffer(o, f);
	while (*at != i)
		at = &o->flows[*at - 1].next;
	*at = f->next;
	memset(f, 0, sizeof *f);
	o->n_flows--;
}

/* Its numbers may be in use at the server, and not because of an open connection. */
static bool is_spent(const struct flow *f)
{
	return f->clear > 0 && f->state != OPENED;
}

static void refuse(struct opening *o, struct flow *f)
{
	f->state = REFUSED;
	f->deadline = o->now + (is_spent(f) ? SPENT_MSEC : LINGER_MSEC);
	release_all(o, f, OPENING_REFUSE);
	drop_buffer(o, f);
}

static void open_flow(struct opening *o, struct flow *f)
{
	f->state = OPENED;
	f->deadline = o->now + LINGER_MSEC;
	release_all(o, f, OPENING_OPEN);
	drop_buffer(o, f);
}

/* The next of the ring that may be given up. NULL: all around there are spent. */
static struct flow *take_flow(struct opening *o)
{
	for (int i = 0; i < EVICTION_TRIES; i++) {
		struct flow *f = &o->flows[o->flow_hand++ % OPENING_FLOWS];

		if (is_spent(f))
			continue;
		if (f->ticket)
			forget(o, f);
		return f;
	}
	return NULL;
}

static void take_buffer(struct opening *o, struct flow *f)
{
	uint32_t i = o->buffer_hand;
	struct flow *other;

	for (uint32_t k = 0; k < OPENING_BUFFERS && o->buffers[i].owner; k++)
		i = (i + 1) % OPENING_BUFFERS;
	other = by_ticket(o, o->buffers[i].owner);
	if (other)
		refuse(o, other);
	o->buffer_hand = (i + 1) % OPENING_BUFFERS;
	o->buffers[i].owner = f->ticket;
	f->buffer = i + 1;
}

static uint8_t *text_of(struct opening *o, const struct flow *f)
{
	return o->buffers[f->buffer - 1].text;
}

/* ---- beginnings ----------------------------------------------------------------------------- */

static void begin(struct opening *o, const struct opening_key *key, uint32_t id, uint32_t seq)
{
	struct flow *f = take_flow(o);
	uint32_t *bucket;

	if (!f) {
		say(o, id, OPENING_DROP);
		return;
	}
	bucket = bucket_of(o, key);
	f->ticket = ++o->serial * OPENING_FLOWS + (uint64_t)(f - o->flows);
	f->key = *key;
	f->next = *bucket;
	*bucket = (uint32_t)(f - o->flows) + 1;
	f->state = CONNECTING;
	f->base = seq + 1;
	f->deadline = o->now + CONNECT_MSEC;
	o->n_flows++;
	say(o, id, OPENING_PASS);
}

/*
 * Data in it is sent again by who finds that it was not acknowledged. Of one that is there
 * already only the same beginning is the same connection; of one that is spent, none.
 */
static void on_syn(struct opening *o, struct flow *f, const struct opening_key *key,
		   uint32_t id, const struct segment *s)
{
	const unsigned int others = SEGMENT_FIN | SEGMENT_RST | SEGMENT_ACK | SEGMENT_URG;

	if (s->flags & others || s->n) {
		say(o, id, OPENING_DROP);
	} else if (f && f->base == s->seq + 1 &&
		   (f->state == CONNECTING || f->state == GATHERING)) {
		f->deadline = MAX(f->deadline, o->now + HEAD_MSEC);
		say(o, id, OPENING_PASS);
	} else if (f && is_spent(f)) {
		say(o, id, OPENING_DROP);
	} else {
		if (f)
			forget(o, f);
		begin(o, key, id, s->seq);
	}
}

/* ---- the client's bytes ------------------------------------------------------------------- */

static void ask(struct opening *o, struct flow *f)
{
	struct opening_question q = {
		.ticket = f->ticket,
		.six = f->key.six,
		.is_second = f->is_second,
		.is_late = f->is_late,
		.port = f->key.server_port,
		.text = f->buffer ? text_of(o, f) : (const uint8_t *)"",
		.len = f->have,
	};

	memcpy(q.address, f->key.server, sizeof q.address);
	f->is_asked = true;
	f->asked_at = o->now;
	/* If not now then when it is time to ask again. */
	o->ops->ask(o->context, &q);
}

static void hold(struct opening *o, struct flow *f, uint32_t id, uint32_t begins, uint32_t ends)
{
	if (f->n_held == OPENING_HELD || o->n_held == OPENING_HELD_ALL) {
		say(o, id, OPENING_DROP);
		return;
	}
	f->held[f->n_held++] = (struct held){id, begins, ends};
	o->n_held++;
}

/* What may pass by now does; what is neither before nor behind that comes again. */
static void release_clear(struct opening *o, struct flow *f)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < f->n_held; i++) {
		const struct held h = f->held[i];

		if (h.end <= f->clear)
			say(o, h.id, OPENING_PASS);
		else if (f->state == AWAITING && h.begin < f->clear)
			say(o, h.id, OPENING_DROP);
		else
			f->held[n++] = h;
	}
	o->n_held -= f->n_held - n;
	f->n_held = n;
}

/* Takes what is new; false: what is not was otherwise. @at is not behind what is there. */
static bool gather(struct opening *o, struct flow *f, uint32_t at, const struct segment *s)
{
	const uint32_t known = MIN(f->have - at, s->n);
	const uint32_t max = f->is_second ? OPENING_TEXT_MAX : HELLO_MAX;
	uint32_t more;

	if (!f->buffer)
		take_buffer(o, f);
	if (memcmp(text_of(o, f) + at, s->data, known) != 0)
		return false;
	more = MIN(s->n - known, max - f->have);
	memcpy(text_of(o, f) + f->have, s->data + known, more);
	f->have += more;
	return true;
}

/*
 * Of who says nothing the word that it is there is kept back: refused in the end, it is what is
 * answered, and the server, which has not heard it, asks again and is answered by the client.
 */
static void on_silence(struct opening *o, struct flow *f, uint32_t id, const struct segment *s)
{
	const bool is_new =
		f->state == GATHERING && !f->is_second && f->have == 0 && !f->is_there;

	if (!is_new || s->flags & SEGMENT_FIN || o->n_held == OPENING_HELD_ALL) {
		f->is_there = true;
		release_clear(o, f);
		say(o, id, OPENING_PASS);
	} else if (f->n_held > 0) {
		say(o, id, OPENING_DROP);
	} else {
		hold(o, f, id, 0, 0);
	}
}

static void on_bytes(struct opening *o, struct flow *f, uint32_t id, uint8_t *packet,
		     const struct segment *s)
{
	const uint32_t at = s->seq - f->base, end = at + s->n;
	const uint32_t had = f->have;

	/* Before the stream, or with a gap in between: who means it sends it again. */
	if (at > OPENING_TEXT_MAX || (at > f->have && f->state == GATHERING)) {
		say(o, id, OPENING_DROP);
		return;
	}
	if (f->state == AWAITING && at >= f->clear) {
		hold(o, f, id, at, end);
		return;
	}
	if (f->state == AWAITING) {
		const uint32_t keep = MIN(s->n, f->clear - at);

		if (memcmp(text_of(o, f) + at, s->data, keep) != 0) {
			refuse(o, f);
			say(o, id, OPENING_REFUSE);
		} else if (keep < s->n) {
			o->ops->pass_as(o->context, id, packet, segment_trim(packet, s, keep));
		} else {
			say(o, id, OPENING_PASS);
		}
		return;
	}
	if (!gather(o, f, at, s)) {
		refuse(o, f);
		say(o, id, OPENING_REFUSE);
		return;
	}
	if (end <= f->clear)
		say(o, id, OPENING_PASS);
	else
		hold(o, f, id, at, end);
	if (f->have > had && !f->is_asked)
		ask(o, f);
}

static void from_client(struct opening *o, struct flow *f, uint32_t id, uint8_t *packet,
			const struct segment *s)
{
	/* It may never arrive; but NAT behind us believes it, and gives the port to another. */
	if (s->flags & SEGMENT_RST) {
		const bool passes = s->n == 0 && !is_spent(f);

		/* Who has gone holds no place; who has not says it again. */
		if (passes)
			release_all(o, f, OPENING_DROP);
		say(o, id, passes ? OPENING_PASS : OPENING_DROP);
		return;
	}
	if (f->state == CONNECTING || !(s->flags & SEGMENT_ACK)) {
		say(o, id, OPENING_DROP);
		return;
	}
	if (f->state == OPENED || f->state == REFUSED) {
		say(o, id, f->state == OPENED ? OPENING_OPEN : OPENING_REFUSE);
		return;
	}
	if (s->flags & SEGMENT_URG) {
		refuse(o, f);
		say(o, id, OPENING_REFUSE);
		return;
	}
	if (s->n == 0)
		on_silence(o, f, id, s);
	else
		on_bytes(o, f, id, packet, s);
}

/* ---- the server's word --------------------------------------------------------------------- */

static void on_syn_answer(struct opening *o, struct flow *f, uint32_t id,
			  const struct segment *s)
{
	bool is_it = s->flags & SEGMENT_ACK && s->ack == f->base && s->n == 0;

	if (is_it && f->state == CONNECTING) {
		f->state = GATHERING;
		f->reply_base = s->seq + 1;
		f->deadline = o->now + HEAD_MSEC;
	}
	say(o, id, is_it && s->seq + 1 == f->reply_base ? OPENING_PASS : OPENING_DROP);
}

static void hear_reply(struct flow *f, const struct segment *s)
{
	const uint32_t at = s->seq - f->reply_base, acked = s->ack - f->base;
	uint32_t known, n;

	/* One more than there are bytes: of an end. */
	if (s->flags & SEGMENT_ACK && acked <= f->clear + 1 && acked > f->acked)
		f->acked = MIN(acked, f->clear);
	if (at > f->reply_len || f->reply_len - at >= s->n)
		return;
	known = f->reply_len - at;
	n = MIN(s->n - known, REPLY_BYTES - f->reply_len);
	memcpy(f->reply + f->reply_len, s->data + known, n);
	f->reply_len += n;
}

static void from_server(struct opening *o, struct flow *f, uint32_t id,
			const struct segment *s)
{
	int again = 0;

	if (s->flags & SEGMENT_SYN) {
		on_syn_answer(o, f, id, s);
		return;
	}
	if (f->state == OPENED) {
		say(o, id, OPENING_OPEN);
		return;
	}
	if (s->flags & SEGMENT_RST || f->state == CONNECTING || f->state == REFUSED) {
		say(o, id, s->n ? OPENING_DROP : OPENING_PASS);
		/* Half open, a server answers a wrong number so, and goes on. */
		if (s->flags & SEGMENT_RST && s->n == 0 && is_spent(f))
			refuse(o, f);
		else if (s->flags & SEGMENT_RST && s->n == 0)
			forget(o, f);
		return;
	}
	hear_reply(f, s);
	if (f->state == AWAITING && f->acked == f->clear && !f->is_second)
		again = hello_asks_again(f->reply, f->reply_len);
	if (f->state != AWAITING || f->acked < f->clear || again == -EAGAIN) {
		say(o, id, OPENING_PASS);
	} else if (again) {
		f->is_second = true;
		/* Answers about the first come too late. */
		f->ticket = ++o->serial * OPENING_FLOWS + (uint64_t)(f - o->flows);
		o->buffers[f->buffer - 1].owner = f->ticket;
		f->state = GATHERING;
		f->deadline = o->now + HEAD_MSEC;
		release_all(o, f, OPENING_DROP);
		say(o, id, OPENING_PASS);
	} else {
		open_flow(o, f);
		say(o, id, OPENING_OPEN);
	}
}

/* ---- all of it ------------------------------------------------------------------------------ */

void opening_packet(struct opening *o, uint64_t now_msec, uint32_t id, uint8_t *packet,
		    size_t len)
{
	struct opening_key key = {0};
	struct segment s;
	struct flow *f;
	bool goes_up;

	o->now = now_msec;
	if (!segment_parse(packet, len, &s)) {
		say(o, id, OPENING_DROP);
		return;
	}
	goes_up = memcmp(s.source, s.six ? o->box6 : o->box4, s.six ? 16 : 4) == 0;
	key.six = s.six;
	memcpy(key.client, goes_up ? s.source : s.target, sizeof key.client);
	memcpy(key.server, goes_up ? s.target : s.source, sizeof key.server);
	key.client_port = goes_up ? s.source_port : s.target_port;
	key.server_port = goes_up ? s.target_port : s.source_port;
	f = find(o, &key);
	if (goes_up && s.flags & SEGMENT_SYN)
		on_syn(o, f, &key, id, &s);
	else if (!f) /* Of before we came, or of one that was given up. */
		say(o, id, goes_up ? OPENING_REFUSE : OPENING_DROP);
	else if (goes_up)
		from_client(o, f, id, packet, &s);
	else
		from_server(o, f, id, &s);
}

void opening_answer(struct opening *o, uint64_t now_msec, const struct opening_answer *a)
{
	struct flow *f = by_ticket(o, a->ticket);

	o->now = now_msec;
	if (!f || f->state != GATHERING || a->len > f->have || a->len < f->clear)
		return;
	f->is_asked = false;
	switch (a->judgement) {
	case OPENING_MORE:
		f->clear = a->len;
		release_clear(o, f);
		if (f->have > a->len)
			ask(o, f);
		break;
	case OPENING_HELLO:
		if (a->end > a->len || a->end <= f->clear) {
			refuse(o, f);
			break;
		}
		f->state = AWAITING;
		f->clear = f->have = a->end;
		f->deadline = o->now + REPLY_MSEC;
		release_clear(o, f);
		break;
	case OPENING_ALL:
		open_flow(o, f);
		break;
	default:
		refuse(o, f);
	}
}

static void expire(struct opening *o, struct flow *f)
{
	if (f->state == AWAITING || (f->state == GATHERING && f->is_late)) {
		refuse(o, f);
	} else if (f->state == GATHERING) {
		f->is_late = true;
		f->deadline = o->now + LATE_MSEC;
		ask(o, f);
	} else {
		forget(o, f);
	}
}

void opening_tick(struct opening *o, uint64_t now_msec)
{
	o->now = now_msec;
	for (size_t i = 0; i < OPENING_FLOWS; i++) {
		struct flow *f = &o->flows[i];

		if (!f->ticket)
			continue;
		if (f->deadline <= now_msec)
			expire(o, f);
		else if (f->state == GATHERING && f->is_asked &&
			 f->asked_at + ASK_AGAIN_MSEC <= now_msec)
			ask(o, f);
	}
}
