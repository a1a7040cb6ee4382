/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Ports of the host that lead into a sandbox: read from text, and listened on in the host's
 * network namespace before anything starts. cis:publish accepts, and carries each connection
 * (relay.h) or datagram (inbound-udp.h) from the gate to the sandbox: the host's firewall has
 * no part in it.
 *
 * Rejected: rules of nftables that translate addresses. They would be the host's, would
 * outlive who made them, and for 127.0.0.1 need route_localnet.
 */
#ifndef CIS_EGRESS_PUBLISH_H
#define CIS_EGRESS_PUBLISH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../base/error.h"

#define PUBLISH_MAX 16
#define PUBLISH_TEXT 64

struct publish {
	bool six, udp;
	uint8_t address[16]; /* of IPv4 the first 4 bytes */
	uint16_t port, to;   /* on the host, inside */
};

/* "[IP:]PORT:PORT[/PROTO]", IPv6 in brackets; tcp, if PROTO is not given. */
int publish_parse(const char *text, struct publish *ret, struct cis_error *err);
/* As "127.0.0.1:8080", or "127.0.0.1:8080/udp". */
void publish_print(const struct publish *p, char buf[static PUBLISH_TEXT]);
/* A descriptor that listens, or is bound, and does not block. */
int publish_open(const struct publish *p, struct cis_error *err);

#endif
