/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Clients that ask by TCP: messages with their length in front. */
#ifndef CIS_EGRESS_NAMES_TCP_H
#define CIS_EGRESS_NAMES_TCP_H

#include "dns.h"
#include "gate.h"

#define NAMES_TCP_CLIENTS 64
#define NAMES_TCP_IN 4098 /* of a client: no query is that long */
#define NAMES_TCP_IDLE_MSEC 10000

struct names_tcp_client {
	int fd; /* -1: free */
	uint32_t generation;
	uint64_t seen;
	size_t len;
	uint8_t in[NAMES_TCP_IN];
};

struct names_tcp {
	const struct gate *gate;
	struct dns *dns;
	int epoll;
	uint32_t generation, n_touched;
	struct names_tcp_client clients[NAMES_TCP_CLIENTS];
};

int names_tcp_init(struct names_tcp *t, const struct gate *g, struct dns *dns);
/* Its epoll descriptor is ready. */
void names_tcp_run(struct names_tcp *t, uint64_t now);
/* Nothing happens if the client has gone. */
void names_tcp_answer(struct names_tcp *t, const struct dns_client *client,
		      const uint8_t *message, size_t len);

#endif
