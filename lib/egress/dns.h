/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The gate's only resolver, without I/O: the loop around it gives bytes, time and random
 * numbers, and is called back with what is to be done. It allocates nothing; its memory is
 * one block of dns_size() that the owner maps (most of it is touched only under load).
 *
 * A name that is not allowed never leaves the host. An address that was not admitted never
 * reaches the client. Answers are built anew from what was understood.
 *
 * It keeps no cache: the host's resolvers have one, and a second would have to agree with
 * the gate's sets about time.
 */
#ifndef CIS_EGRESS_DNS_H
#define CIS_EGRESS_DNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy.h"

#define DNS_UPSTREAMS_MAX 8
#define DNS_PORTS_MAX 32
#define DNS_ADDRESSES_MAX 64
/* What clients may say by UDP and be told; no fragment is made of it. */
#define DNS_UDP_SIZE 1232
/* The longest answer that is made, over TCP. */
#define DNS_ANSWER_MAX 16384

struct dns_config {
	size_t n_upstreams;
	bool has_ipv6;			 /* if not, AAAA has no data */
	uint32_t ttl_floor, ttl_ceiling; /* seconds */
	uint32_t grace;			 /* seconds an address stays longer than its TTL */
	uint32_t queries_per_second;	 /* what is above is dropped */
	uint32_t names_per_minute;	 /* different ones below a wildcard */
};

/* What is asked of policy.h, with canonical names: dns_policy_of() fills it. */
struct dns_policy {
	const void *data;
	bool is_audit;
	/* What a name may be used for: fills up to @max, returns how many; 0: not allowed. */
	size_t (*ports)(const void *data, const char *name, struct egress_port *ret,
			size_t max);
	/* Refused by a rule, not for the lack of one, and has no ports: what leads there
	 * leads nowhere. */
	bool (*is_denied)(const void *data, const char *name);
	/* Which part of @name is the domain of the wildcard that allows it; NULL: none does. */
	const char *(*wildcard)(const void *data, const char *name);
	/* Network order. */
	bool (*is_never)(const void *data, int family, const uint8_t *address);
};

/* Where an answer goes: the engine only keeps it. The loop must see that it still is there. */
struct dns_client {
	bool is_tcp;
	uint8_t token[40];
};

struct dns_address {
	int family; /* AF_INET, AF_INET6 */
	uint8_t bytes[16];
};

struct dns_admission {
	uint32_t ticket; /* for dns_admitted() */
	uint32_t seconds;
	const char *name; /* the one asked for */
	size_t n_addresses, n_ports;
	struct dns_address addresses[DNS_ADDRESSES_MAX];
	struct egress_port ports[DNS_PORTS_MAX];
};

enum dns_verdict { DNS_ALLOWED, DNS_DENIED, DNS_FAILED };

enum dns_reason {
	DNS_BECAUSE_ANSWERED,
	DNS_BECAUSE_NEGATIVE, /* the name or the type does not exist */
	DNS_BECAUSE_NO_IPV6,
	DNS_BECAUSE_NAME, /* not allowed */
	DNS_BECAUSE_TYPE,
	DNS_BECAUSE_CLASS,
	DNS_BECAUSE_MALFORMED,
	DNS_BECAUSE_OPCODE,
	DNS_BECAUSE_EDNS_VERSION,
	DNS_BECAUSE_FLOOD_QUERIES,
	DNS_BECAUSE_FLOOD_NAMES,
	DNS_BECAUSE_FLOOD_FLIGHTS, /* too many unanswered at a time */
	DNS_BECAUSE_BUDGET,	   /* of uploads: questions are some */
	DNS_BECAUSE_REBINDING,	   /* addresses that are never reached */
	DNS_BECAUSE_UPSTREAM,	   /* none answered usefully */
	DNS_BECAUSE_TOO_LONG,
	DNS_BECAUSE_NOT_ADMITTED, /* the keeper could not */
};

struct dns_record {
	uint64_t now;
	bool is_tcp;
	const char *name; /* escaped: no control bytes, quotes or blanks */
	uint16_t type;
	enum dns_verdict verdict;
	enum dns_reason reason;
};

const char *dns_reason_name(enum dns_reason reason);

/* None but admit() may call the engine. */
struct dns_loop {
	void *context;
	void (*random)(void *context, void *buf, size_t n);
	void (*answer)(void *context, const struct dns_client *client, const uint8_t *message,
		       size_t n);
	void (*send)(void *context, size_t upstream, bool is_tcp, const uint8_t *message,
		     size_t n);
	/* Make them reachable, then call dns_admitted(). */
	void (*admit)(void *context, const struct dns_admission *admission);
	void (*record)(void *context, const struct dns_record *record);
	/* Nothing may be asked any more. May be NULL. */
	bool (*is_spent)(void *context);
};

struct dns;

void dns_policy_of(const struct policy *policy, struct dns_policy *ret);

size_t dns_size(void);
/* What outlives it: which names gave which addresses. */
size_t dns_memory_size(void);
/* TTL of 30 s to 1 h, 10 minutes' grace, 1000 queries a second, 600 names a minute. */
void dns_config_init(struct dns_config *config);
/*
 * @mem is zeroed, dns_size() long; so is @memory, dns_memory_size() long, or dns_adopt()
 * follows. -EINVAL: no upstream or too many, or floor above ceiling.
 */
int dns_init(void *mem, void *memory, const struct dns_config *config,
	     const struct dns_policy *policy, const struct dns_loop *loop, struct dns **ret);
/*
 * @memory is what the engine before has left, which may have been anybody's by then: what
 * this one could not have written at @now, of the same clock, is forgotten.
 */
void dns_adopt(struct dns *d, uint64_t now);

/* Milliseconds of any clock that does not go back. Messages are without TCP's length. */
void dns_query(struct dns *d, uint64_t now, const struct dns_client *client,
	       const uint8_t *message, size_t n);
void dns_upstream(struct dns *d, uint64_t now, size_t upstream, bool is_tcp,
		  const uint8_t *message, size_t n);
/* What was sent there has been lost: the next is tried at once. */
void dns_upstream_failed(struct dns *d, uint64_t now, size_t upstream, bool is_tcp);
void dns_admitted(struct dns *d, uint64_t now, uint32_t ticket, bool is_done);
/* Milliseconds until dns_tick() has something to do; -1: nothing is under way. */
int dns_next_timeout(const struct dns *d, uint64_t now);
void dns_tick(struct dns *d, uint64_t now);

/* @address was an answer for @name, or for a name that @name led to, lately. */
bool dns_knows(struct dns *d, const char *name, int family, const uint8_t *address,
	       uint64_t now);

#endif
