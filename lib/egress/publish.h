/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Ports of the host that lead into a sandbox: read from text, and listened on in the host's
 * network namespace before anything starts. cis:names accepts, and carries each
 * connection from the gate to the sandbox (relay.h): the host's firewall has no part in it.
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
	bool six;
	uint8_t address[16]; /* of IPv4 the first 4 bytes */
	uint16_t port, to;   /* on the host, inside */
};

/* "[IP:]PORT:PORT[/tcp]", IPv6 in brackets. */
int publish_parse(const char *text, struct publish *ret, struct cis_error *err);
/* As "127.0.0.1:8080". */
void publish_print(const struct publish *p, char buf[static PUBLISH_TEXT]);
/* A descriptor that listens and does not block. */
int publish_open(const struct publish *p, struct cis_error *err);

#endif
