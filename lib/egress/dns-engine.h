/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The engine's inside, for its own files: dns.c dns-ask.c dns-answer.c dns-known.c. */
#ifndef CIS_EGRESS_DNS_ENGINE_H
#define CIS_EGRESS_DNS_ENGINE_H

#include "dns-wire.h"
#include "dns.h"

#define FLIGHTS 256
#define KNOWN 4096
#define ALIASES 512
#define WILDCARDS 128
/* Bits of a filter of names: 600 of them take a fourteenth. */
#define WILDCARD_BITS 8192
/* More than any honest zone has. */
#define CHAIN_MAX 16
#define TARGETS_MAX 32
#define ORIGINS_MAX 8
#define RECORDS_MAX 512

/* RFC 8914. */
enum {
	EDE_NONE = -1,
	EDE_BLOCKED = 15,
	EDE_FILTERED = 17,
	EDE_PROHIBITED = 18,
	EDE_NOT_SUPPORTED = 21,
	EDE_NO_AUTHORITY = 22
};

/* A query, as far as it was understood: enough for any answer to it. */
struct dns_asked {
	struct dns_client client;
	uint16_t id, flags;
	bool has_question, has_edns, is_do;
	size_t size;		      /* of the longest answer */
	struct dns_question question; /* in the case it was written */
	char text[DNS_NAME_TEXT_MAX + 1];
};

enum flight_state { FLIGHT_FREE, FLIGHT_ASKED, FLIGHT_HELD };

struct dns_flight {
	enum flight_state state;
	struct dns_asked asked;
	uint64_t order, end, deadline; /* of all tries, and of this one */
	uint32_t ticket;	       /* while held */
	/* What was sent last. */
	uint16_t id;
	bool is_tcp, without_edns;
	size_t upstream, n_tries;
	struct dns_name sent;
	/* What is to be answered. */
	enum dns_reason reason;
	size_t len;
};

/* How long an entry of a table lives. */
struct dns_life {
	uint64_t expires, used;
};

struct dns_known {
	struct dns_address address;
	char name[DNS_NAME_TEXT_MAX + 1];
};

/* @name may be asked for because @origin led there. */
struct dns_alias {
	char name[DNS_NAME_TEXT_MAX + 1], origin[DNS_NAME_TEXT_MAX + 1];
};

/* Names seen below one wildcard in one minute; wildcards may share one. */
struct dns_wildcard {
	uint64_t minute;
	uint32_t n;
	uint8_t seen[WILDCARD_BITS / 8];
};

struct dns_target {
	uint32_t ttl;
	char text[DNS_NAME_TEXT_MAX + 1];
};

/*
 * What outlives an engine, since names that were answered stay admitted: its successor
 * finds it here. What is looked through before an entry itself is looked at comes first:
 * hashes of names.
 */
struct dns_memory {
	uint32_t known_hash[KNOWN], alias_hash[ALIASES];
	struct dns_life known_life[KNOWN], alias_life[ALIASES];
	struct dns_known known[KNOWN];
	struct dns_alias aliases[ALIASES];
	struct dns_wildcard wildcards[WILDCARDS];
};

struct dns {
	struct dns_config config;
	struct dns_policy policy;
	struct dns_loop loop;
	struct dns_memory *memory;
	uint64_t seed; /* of hashes */
	uint64_t second, order, used;
	uint32_t n_second, ticket;
	size_t preferred;
	size_t n_touched; /* flights behind these never were: they cost neither memory nor looks */
	struct dns_flight flights[FLIGHTS];
	uint8_t answers[FLIGHTS][DNS_ANSWER_MAX]; /* of the flights that are held */

	/* Of the answer that is being judged. */
	struct dns_rr rrs[RECORDS_MAX];
	struct dns_target targets[TARGETS_MAX];
	size_t n_targets;
	struct dns_admission admission;
};

/* dns-ask.c: what the client wants, and whether it may. */
struct dns_judgement {
	bool is_silent, is_forward; /* or an answer: */
	uint16_t rcode;
	int ede;
	enum dns_verdict verdict;
	enum dns_reason reason;
};

void dns_ask(struct dns *d, uint64_t now, const struct dns_client *client,
	     const struct dns_message *m, struct dns_asked *ret, struct dns_judgement *ret_j);

/* dns.c */
void dns_tell(struct dns *d, uint64_t now, const struct dns_asked *asked,
	      enum dns_verdict verdict, enum dns_reason reason);

/* dns-answer.c */
void dns_answer_begin(struct dns_writer *w, const struct dns_asked *asked);
/* The counts, and OPT for who sent one. Room for it is held back by begin. */
void dns_answer_end(struct dns_writer *w, const struct dns_asked *asked, uint16_t flags,
		    uint16_t rcode, int ede, uint16_t n_answers, uint16_t n_authority);

enum dns_outcome {
	DNS_NOT_OURS, /* late, forged or of another query */
	DNS_TRY_NEXT, /* this upstream is of no use for it */
	DNS_TRY_TCP,
	DNS_TRY_PLAIN, /* without EDNS */
	DNS_READY,
	DNS_HOLD, /* until what d->admission says is done */
};
/* Where its answer is made and kept. */
uint8_t *dns_buffer(struct dns *d, const struct dns_flight *f);
enum dns_outcome dns_judge(struct dns *d, uint64_t now, struct dns_flight *f,
			   const struct dns_message *m);

/* dns-known.c */
void dns_learn(struct dns *d, uint64_t now, const char *name, const struct dns_address *a,
	       uint32_t seconds);
bool dns_was_answer(const struct dns *d, uint64_t now, const struct dns_address *a);
void dns_learn_alias(struct dns *d, uint64_t now, const char *name, const char *origin,
		     uint32_t seconds);
size_t dns_origins(struct dns *d, uint64_t now, const char *name,
		   const char *ret[static ORIGINS_MAX]);
/* One more name below that wildcard; false: there have been too many in this minute. */
bool dns_wildcard_allows(struct dns *d, uint64_t now, const char *wildcard, const char *name);

#endif
