/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who a client says it talks to: "name", "name:port", "192.0.2.1", "[2001:db8::1]:80". */
#ifndef CIS_EGRESS_AUTHORITY_H
#define CIS_EGRESS_AUTHORITY_H

#include <stddef.h>
#include <stdint.h>

#include "name.h"

struct authority {
	char name[NAME_MAX_LEN + 1]; /* canonical; empty: an address */
	int family;		     /* of the address: AF_INET, AF_INET6; else 0 */
	uint8_t address[16];
	uint16_t port; /* 0: none was given */
};

/* 0 or -EINVAL. Nobody's user part, no zone, no address in an odd form. */
int authority_parse(const char *text, size_t len, struct authority *ret);

#endif
