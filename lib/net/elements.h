/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Elements of an egress gate's nft sets: what egress-rules.c leaves empty. These depend on
 * rules and on answers of DNS, so no template will do. Raw memory only, no malloc.
 */
#ifndef CIS_NET_ELEMENTS_H
#define CIS_NET_ELEMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum egress_set {
	EGRESS_NEVER,  /* ranges of addresses */
	EGRESS_HOSTS,  /* an address and protocol: any port of it, for some time */
	EGRESS_NAMES,  /* an address, protocol and port, for some time */
	EGRESS_NETS,   /* ranges of addresses, of protocols, of ports */
	EGRESS_KEPT    /* the host's: gates whose packets pass it; a port instead of a protocol */
};

struct egress_element {
	bool six;
	uint8_t low[16], high[16]; /* of IPv4 the first 4 bytes */
	uint8_t protocol_low, protocol_high;
	uint16_t port_low, port_high;
	uint32_t seconds;
};

/*
 * Writes one message of a batch: @v are all of one family. Returns its length, or 0 where
 * there is no room. Ranges of one set must not touch each other.
 */
#define EGRESS_ELEMENTS_MAX 256 /* in one message */
#define EGRESS_ELEMENT_SIZE 160
#define EGRESS_ELEMENTS_SIZE(n) (128 + (n) * EGRESS_ELEMENT_SIZE)
size_t elements_put(char *buf, size_t size, enum egress_set set,
		    const struct egress_element *v, size_t n);
/* The same, to take one away. */
size_t elements_drop(char *buf, size_t size, enum egress_set set,
		     const struct egress_element *v);
/* No part of a batch, but a question: -ENOENT. */
size_t elements_find(char *buf, size_t size, enum egress_set set,
		     const struct egress_element *v);

#endif
