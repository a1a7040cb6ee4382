/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the kernel says of a gate's flows: nfnetlink's words for connections and refusals. */
#ifndef CIS_EGRESS_FLOWS_H
#define CIS_EGRESS_FLOWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct flow {
	bool six;
	uint8_t protocol;
	uint8_t source[16], target[16];
	uint16_t source_port, target_port;
	uint8_t answers_from[16]; /* differs from @target where it was redirected */
	uint64_t up, down;        /* bytes */
	uint32_t mark;            /* EGRESS_MARK_*, of a connection */
	bool is_new;              /* it begins; else it has ended, or still goes on */
	char why[16];             /* of a refusal */
};

/* Sockets of the namespace they are opened in, by host root: 0 or -errno. */
int flows_subscribe(int fd);
int refusals_subscribe(int fd);
/*
 * Asks for all that flow now: they come as flows_read() reads, then *ret_end. The kernel
 * looks through the connections of the whole host for it, which takes it 10 ms.
 */
int flows_ask_all(int fd);

typedef void flow_seen(void *context, const struct flow *flow);
/*
 * One datagram of either socket. @each: connections that begin or ended, or are in an
 * answer to flows_ask_all(). 0 or -errno; -EAGAIN: there is nothing.
 */
int flows_read(int fd, flow_seen *each, void *context, bool *ret_end);
int refusals_read(int fd, flow_seen *each, void *context);

/* Pure: a packet of which the beginning is known. */
bool flow_of_packet(const uint8_t *packet, size_t len, struct flow *ret);

#endif
