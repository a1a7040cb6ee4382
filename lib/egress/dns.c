/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The engine: queries under way ("flights"), who is asked for them and for how long, and
 * what is said in the end.
 */
#include "dns.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "../base/macros.h"
#include "dns-engine.h"

/* Stubs give up after five seconds; they are told before. */
#define FIRST_TRY_MS 1000
#define TRY_MORE_MS 500
#define GIVE_UP_MS 4500
#define TRIES_MIN 3
#define TRIES_MAX 8
#define HELD_MS 3000
#define QUERY_MAX (DNS_HEADER_SIZE + DNS_NAME_WIRE_MAX + 4 + 11)

static const char *const reasons[] = {
	[DNS_BECAUSE_ANSWERED] = "answered",
	[DNS_BECAUSE_NEGATIVE] = "negative",
	[DNS_BECAUSE_NO_IPV6] = "no-ipv6",
	[DNS_BECAUSE_NAME] = "name",
	[DNS_BECAUSE_TYPE] = "type",
	[DNS_BECAUSE_CLASS] = "class",
	[DNS_BECAUSE_MALFORMED] = "malformed",
	[DNS_BECAUSE_OPCODE] = "opcode",
	[DNS_BECAUSE_EDNS_VERSION] = "edns-version",
	[DNS_BECAUSE_FLOOD_QUERIES] = "dns.flood.queries",
	[DNS_BECAUSE_FLOOD_NAMES] = "dns.flood.names",
	[DNS_BECAUSE_FLOOD_FLIGHTS] = "dns.flood.unanswered",
	[DNS_BECAUSE_BUDGET] = "budget",
	[DNS_BECAUSE_REBINDING] = "rebinding",
	[DNS_BECAUSE_UPSTREAM] = "upstream",
	[DNS_BECAUSE_TOO_LONG] = "too-long",
	[DNS_BECAUSE_NOT_ADMITTED] = "not-admitted",
};

const char *dns_reason_name(enum dns_reason reason)
{
	return reasons[reason];
}

size_t dns_size(void)
{
	return sizeof(struct dns);
}

void dns_config_init(struct dns_config *config)
{
	*config = (struct dns_config){
		.n_upstreams = 1,
		.has_ipv6 = true,
		.ttl_floor = 30,
		.ttl_ceiling = 3600,
		.grace = 600,
		.queries_per_second = 1000,
		.names_per_minute = 600,
	};
}

size_t dns_memory_size(void)
{
	return sizeof(struct dns_memory);
}

int dns_init(void *mem, void *memory, const struct dns_config *config,
	     const struct dns_policy *policy, const struct dns_loop *loop, struct dns **ret)
{
	struct dns *d = mem;

	if (!config->n_upstreams || config->n_upstreams > DNS_UPSTREAMS_MAX ||
	    config->ttl_floor > config->ttl_ceiling)
		return -EINVAL;
	d->config = *config;
	d->policy = *policy;
	d->loop = *loop;
	d->memory = memory;
	loop->random(loop->context, &d->seed, sizeof d->seed);
	*ret = d;
	return 0;
}

/* ---- saying ------------------------------------------------------------------------ */

void dns_tell(struct dns *d, uint64_t now, const struct dns_asked *asked,
	      enum dns_verdict verdict, enum dns_reason reason)
{
	char name[DNS_NAME_ESCAPED_MAX + 1] = "";
	const struct dns_record record = {
		.now = now,
		.is_tcp = asked->client.is_tcp,
		.name = name,
		.type = asked->has_question ? asked->question.type : 0,
		.verdict = verdict,
		.reason = reason,
	};

	if (asked->has_question)
		dns_name_escape(&asked->question.name, name);
	d->loop.record(d->loop.context, &record);
}

/* An answer without records. */
static void say(struct dns *d, const struct dns_asked *asked, uint16_t rcode, int ede)
{
	uint8_t buf[QUERY_MAX + 6];
	struct dns_writer w;

	dns_write_init(&w, buf, sizeof buf);
	dns_answer_begin(&w, asked);
	dns_answer_end(&w, asked, 0, rcode, ede, 0, 0);
	d->loop.answer(d->loop.context, &asked->client, buf, w.len);
}

static void give_up(struct dns *d, uint64_t now, struct dns_flight *f, enum dns_reason reason)
{
	f->state = FLIGHT_FREE;
	dns_tell(d, now, &f->asked, DNS_FAILED, reason);
	say(d, &f->asked, DNS_SERVFAIL,
	    reason == DNS_BECAUSE_UPSTREAM ? EDE_NO_AUTHORITY : EDE_NONE);
}

static void release(struct dns *d, uint64_t now, struct dns_flight *f)
{
	enum dns_verdict verdict = DNS_ALLOWED;

	f->state = FLIGHT_FREE;
	if (f->reason == DNS_BECAUSE_NAME)
		verdict = DNS_DENIED;
	else if (f->reason == DNS_BECAUSE_TOO_LONG)
		verdict = DNS_FAILED;
	/* Of rebinding the record has been made where the addresses were seen. */
	if (f->reason != DNS_BECAUSE_REBINDING)
		dns_tell(d, now, &f->asked, verdict, f->reason);
	d->loop.answer(d->loop.context, &f->asked.client, dns_buffer(d, f), f->len);
}

/* ---- asking ------------------------------------------------------------------------ */

static bool is_id_free(const struct dns *d, uint16_t id)
{
	for (size_t i = 0; i < d->n_touched; i++)
		if (d->flights[i].state == FLIGHT_ASKED && d->flights[i].id == id)
			return false;
	return true;
}

/* An id and a case of letters that nobody can know who does not see the query. */
static void disguise(struct dns *d, struct dns_flight *f)
{
	uint8_t bits[DNS_NAME_WIRE_MAX / 8 + 1];
	struct dns_name *name = &f->sent;

	d->loop.random(d->loop.context, &f->id, sizeof f->id);
	while (!is_id_free(d, f->id))
		f->id++;
	d->loop.random(d->loop.context, bits, sizeof bits);
	*name = f->asked.question.name;
	dns_name_fold(name);
	/* Lengths of labels are below 'a'. */
	for (size_t i = 0; i < name->len; i++)
		if (name->wire[i] >= 'a' && name->wire[i] <= 'z' && bits[i / 8] >> i % 8 & 1)
			name->wire[i] &= (uint8_t)~0x20;
}

static void ask(struct dns *d, uint64_t now, struct dns_flight *f)
{
	uint8_t buf[QUERY_MAX];
	struct dns_writer w;
	struct dns_question q = {.type = f->asked.question.type, .class = DNS_CLASS_IN};
	struct dns_header h = {
		.flags = DNS_FLAG_RD | (f->asked.flags & (DNS_FLAG_CD | DNS_FLAG_AD)),
		.n_questions = 1,
		.n_additional = !f->without_edns,
	};

	/* Not to be found by its own old id. */
	f->state = FLIGHT_FREE;
	disguise(d, f);
	f->state = FLIGHT_ASKED;
	h.id = f->id;
	q.name = f->sent;
	f->deadline = MIN(f->end, now + FIRST_TRY_MS +
					  TRY_MORE_MS * (f->n_tries / d->config.n_upstreams));
	dns_write_init(&w, buf, sizeof buf);
	dns_write_header(&w, &h);
	dns_write_question(&w, &q);
	if (!f->without_edns) {
		/* Ours, whatever the client's had in it: no cookie, no subnet. */
		dns_write_u8(&w, 0);
		dns_write_u16(&w, DNS_OPT);
		dns_write_u16(&w, DNS_UDP_SIZE);
		dns_write_u32(&w, f->asked.is_do ? 0x8000 : 0);
		dns_write_u16(&w, 0);
	}
	d->loop.send(d->loop.context, f->upstream, f->is_tcp, buf, w.len);
}

static size_t tries_of(const struct dns *d)
{
	return MIN(MAX(2 * d->config.n_upstreams, TRIES_MIN), TRIES_MAX);
}

/* The same upstream in another way, or the next one. */
static void ask_again(struct dns *d, uint64_t now, struct dns_flight *f, bool is_next)
{
	if (++f->n_tries >= tries_of(d) || now >= f->end) {
		give_up(d, now, f, DNS_BECAUSE_UPSTREAM);
		return;
	}
	if (is_next) {
		f->upstream = (f->upstream + 1) % d->config.n_upstreams;
		f->is_tcp = f->asked.client.is_tcp;
		f->without_edns = false;
	}
	ask(d, now, f);
}

/* An upstream did not answer: new queries begin with another. */
static void ask_another(struct dns *d, uint64_t now, struct dns_flight *f)
{
	if (d->preferred == f->upstream)
		d->preferred = (f->upstream + 1) % d->config.n_upstreams;
	ask_again(d, now, f, true);
}

/* ---- flights ----------------------------------------------------------------------- */

/* The first that is free, so that little memory is touched; or the oldest one's place. */
static struct dns_flight *take_flight(struct dns *d, uint64_t now)
{
	struct dns_flight *oldest = &d->flights[0];

	for (size_t i = 0; i < d->n_touched; i++) {
		if (d->flights[i].state == FLIGHT_FREE)
			return &d->flights[i];
		if (d->flights[i].order < oldest->order)
			oldest = &d->flights[i];
	}
	if (d->n_touched < FLIGHTS)
		return &d->flights[d->n_touched++];
	give_up(d, now, oldest, DNS_BECAUSE_FLOOD_FLIGHTS);
	return oldest;
}

/* The client said it again because it has no answer yet. */
static bool is_under_way(const struct dns *d, const struct dns_asked *asked)
{
	for (size_t i = 0; i < d->n_touched; i++) {
		const struct dns_flight *f = &d->flights[i];

		if (f->state != FLIGHT_FREE && f->asked.id == asked->id &&
		    f->asked.question.type == asked->question.type &&
		    f->asked.client.is_tcp == asked->client.is_tcp &&
		    !memcmp(f->asked.client.token, asked->client.token,
			    sizeof asked->client.token) &&
		    !strcmp(f->asked.text, asked->text))
			return true;
	}
	return false;
}

static bool is_flood(struct dns *d, uint64_t now, const struct dns_client *client)
{
	const struct dns_asked unknown = {.client = *client};

	if (d->second != now / 1000) {
		d->second = now / 1000;
		d->n_second = 0;
	}
	if (d->n_second < d->config.queries_per_second) {
		d->n_second++;
		return false;
	}
	/* Once in that second. */
	if (d->n_second == d->config.queries_per_second) {
		d->n_second++;
		dns_tell(d, now, &unknown, DNS_DENIED, DNS_BECAUSE_FLOOD_QUERIES);
	}
	return true;
}

void dns_query(struct dns *d, uint64_t now, const struct dns_client *client,
	       const uint8_t *message, size_t n)
{
	const struct dns_message m = {message, n};
	struct dns_judgement j;
	struct dns_asked asked;
	struct dns_flight *f;

	if (is_flood(d, now, client))
		return;
	dns_ask(d, now, client, &m, &asked, &j);
	if (j.is_forward && d->loop.is_spent && d->loop.is_spent(d->loop.context))
		j = (struct dns_judgement){.rcode = DNS_REFUSED,
					   .ede = EDE_PROHIBITED,
					   .verdict = DNS_DENIED,
					   .reason = DNS_BECAUSE_BUDGET};
	if (!j.is_forward) {
		dns_tell(d, now, &asked, j.verdict, j.reason);
		if (!j.is_silent)
			say(d, &asked, j.rcode, j.ede);
		return;
	}
	if (is_under_way(d, &asked))
		return;
	f = take_flight(d, now);
	f->asked = asked;
	f->order = ++d->order;
	f->end = now + GIVE_UP_MS;
	f->n_tries = 0;
	f->upstream = d->preferred;
	f->is_tcp = client->is_tcp;
	f->without_edns = false;
	ask(d, now, f);
}

static void hold(struct dns *d, uint64_t now, struct dns_flight *f)
{
	f->state = FLIGHT_HELD;
	f->deadline = now + HELD_MS;
	f->ticket = d->admission.ticket = ++d->ticket;
	d->loop.admit(d->loop.context, &d->admission);
}

void dns_upstream(struct dns *d, uint64_t now, size_t upstream, bool is_tcp,
		  const uint8_t *message, size_t n)
{
	const struct dns_message m = {message, n};
	struct dns_flight *f = NULL;
	struct dns_header h;

	if (dns_read_header(&m, &h) < 0)
		return;
	for (size_t i = 0; i < d->n_touched && !f; i++)
		if (d->flights[i].state == FLIGHT_ASKED && d->flights[i].id == h.id &&
		    d->flights[i].upstream == upstream && d->flights[i].is_tcp == is_tcp)
			f = &d->flights[i];
	if (!f)
		return;
	switch (dns_judge(d, now, f, &m)) {
	case DNS_NOT_OURS:
		return;
	case DNS_TRY_NEXT:
		ask_again(d, now, f, true);
		return;
	case DNS_TRY_TCP:
		f->is_tcp = true;
		ask_again(d, now, f, false);
		return;
	case DNS_TRY_PLAIN:
		f->without_edns = true;
		ask_again(d, now, f, false);
		return;
	case DNS_READY:
		release(d, now, f);
		return;
	case DNS_HOLD:
		hold(d, now, f);
		return;
	}
}

void dns_upstream_failed(struct dns *d, uint64_t now, size_t upstream, bool is_tcp)
{
	for (size_t i = 0; i < d->n_touched; i++) {
		struct dns_flight *f = &d->flights[i];

		if (f->state == FLIGHT_ASKED && f->upstream == upstream &&
		    f->is_tcp == is_tcp)
			ask_another(d, now, f);
	}
}

void dns_admitted(struct dns *d, uint64_t now, uint32_t ticket, bool is_done)
{
	for (size_t i = 0; i < d->n_touched; i++) {
		struct dns_flight *f = &d->flights[i];

		if (f->state != FLIGHT_HELD || f->ticket != ticket)
			continue;
		if (is_done)
			release(d, now, f);
		else
			give_up(d, now, f, DNS_BECAUSE_NOT_ADMITTED);
		return;
	}
}

int dns_next_timeout(const struct dns *d, uint64_t now)
{
	uint64_t next = UINT64_MAX;

	for (size_t i = 0; i < d->n_touched; i++)
		if (d->flights[i].state != FLIGHT_FREE)
			next = MIN(next, d->flights[i].deadline);
	if (next == UINT64_MAX)
		return -1;
	return next > now ? (int)MIN(next - now, INT_MAX) : 0;
}

void dns_tick(struct dns *d, uint64_t now)
{
	for (size_t i = 0; i < d->n_touched; i++) {
		struct dns_flight *f = &d->flights[i];

		if (f->state == FLIGHT_FREE || f->deadline > now)
			continue;
		if (f->state == FLIGHT_HELD)
			give_up(d, now, f, DNS_BECAUSE_NOT_ADMITTED);
		else
			ask_another(d, now, f);
	}
}
