/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Datagrams to published ports: from whom one comes, so many remember it, and have a
 * socket of their own to the port inside, whose answers go back. Nothing of it is read.
 */
#ifndef CIS_EGRESS_INBOUND_UDP_H
#define CIS_EGRESS_INBOUND_UDP_H

#include "gate.h"

#define INBOUND_UDP_SESSIONS 256
/* As long as the kernel remembers such a thing: asked, and asked and answered. */
#define INBOUND_UDP_ASKED_MSEC 30000
#define INBOUND_UDP_ANSWERED_MSEC 180000
/* Who is silent for less makes no place for others. */
#define INBOUND_UDP_BUSY_MSEC 5000

struct inbound_udp_session {
	int fd; /* to the port inside; -1: free */
	uint32_t listener;
	struct sockaddr_storage from;
	uint8_t local[16]; /* the address that was spoken to, which answers */
	uint64_t seen, in, out;
};

struct inbound_udp {
	const struct gate *gate;
	int epoll;
	uint32_t n; /* sessions */
	/* A session is over. */
	void (*ended)(void *context, const struct inbound_udp_session *s, int error);
	void *context;
	struct sockaddr_storage inside[PUBLISH_MAX];
	struct inbound_udp_session sessions[INBOUND_UDP_SESSIONS];
	uint8_t message[65536];
};

int inbound_udp_init(struct inbound_udp *u, const struct gate *g,
		   void (*ended)(void *context, const struct inbound_udp_session *s, int error),
		   void *context);
/* What comes to the published port @i is carried to @to. */
int inbound_udp_listen(struct inbound_udp *u, uint32_t i, const struct sockaddr_storage *to);
/* Its epoll descriptor is ready. */
void inbound_udp_run(struct inbound_udp *u, uint64_t now);
/* Forgets who is silent. Returns milliseconds until the next is; -1: never. */
int inbound_udp_tick(struct inbound_udp *u, uint64_t now);
/* All are over. */
void inbound_udp_done(struct inbound_udp *u);

#endif
