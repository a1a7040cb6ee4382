/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What supervisor, keeper and names helper of a gate have in common. */
#ifndef CIS_EGRESS_SHARED_H
#define CIS_EGRESS_SHARED_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "name.h"
#include "opening.h"

#define GATE_UPSTREAMS 3 /* as many as libc asks */
#define GATE_UDP_EACH 8  /* sockets, so that a forger has to guess a port too */

/*
 * The host's resolvers, and sockets to them that were made on the host: the gate's
 * namespace may have no way to 127.0.0.53. A stream can be connected again and again.
 */
struct gate_upstreams {
	unsigned int n;
	struct sockaddr_storage address[GATE_UPSTREAMS];
	int udp[GATE_UPSTREAMS][GATE_UDP_EACH];
	int tcp[GATE_UPSTREAMS];
};

/* Names to keeper: these addresses are to be reached by these ports. The answer is an errno. */
#define GATE_ASK_ADDRESSES 64
#define GATE_ASK_PORTS 32
struct gate_ask {
	uint32_t ticket, seconds;
	uint8_t n_addresses, n_ports;
	char name[NAME_MAX_LEN + 1]; /* that they are addresses of; for records */
	struct {
		uint8_t six, bytes[16];
	} addresses[GATE_ASK_ADDRESSES];
	struct {
		uint8_t protocol; /* 0: any */
		uint16_t port;    /* 0: any */
	} ports[GATE_ASK_PORTS];
};
struct gate_answer {
	uint32_t ticket;
	int32_t error;
};

/* Names to keeper: a question for a resolver; back: its answer, or that there is none. */
#define GATE_QUESTION_HEAD 4
struct gate_question {
	uint8_t upstream, is_tcp, failed;
	uint8_t socket; /* of a datagram: which one it leaves by */
	uint8_t text[65535];
};

/*
 * Keeper to names: may a TLS connection go on that begins so? See opening.h. What it said
 * is the rest of the message.
 */
struct gate_hello {
	uint64_t ticket;
	uint8_t six, is_second, is_late;
	uint16_t port;
	uint8_t address[16];
	uint8_t text[OPENING_TEXT_MAX];
};
#define GATE_HELLO_HEAD offsetof(struct gate_hello, text)
struct gate_hello_answer {
	uint64_t ticket;
	uint32_t len, end;
	uint32_t judgement;
	char name[NAME_MAX_LEN + 1]; /* that it asks for; empty: none */
};

/*
 * Numbers, in a file of the state directory: read by the supervisor and by whoever asks for
 * statistics, who trust none of them. But for the last two they never shrink.
 */
#define GATE_SHARED_FILE "gate"
struct gate_shared {
	uint64_t refused;      /* told or not */
	uint64_t budget_hits;  /* packets that were over it */
	uint64_t records_lost; /* the file was full */
	uint64_t bytes_up, bytes_down; /* of what has ended */
	uint64_t questions;    /* to the resolver */
	uint64_t flows;        /* that pass through now; each number is of one process */
	uint64_t streams;      /* that are carried now */
};

/* By several processes at once. */
static inline void gate_count(uint64_t *at, uint64_t n)
{
	__atomic_fetch_add(at, n, __ATOMIC_RELAXED);
}

#endif
