/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The headers of a TCP packet, of IPv4 or IPv6, read at fixed places. Pure; what has options of
 * IP or headers in between is none: nothing that opens a connection needs them here.
 */
#ifndef CIS_EGRESS_SEGMENT_H
#define CIS_EGRESS_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum segment_flag {
	SEGMENT_FIN = 1,
	SEGMENT_SYN = 2,
	SEGMENT_RST = 4,
	SEGMENT_ACK = 16,
	SEGMENT_URG = 32,
};

struct segment {
	bool six;
	uint8_t source[16], target[16]; /* of IPv4 the first four, others 0 */
	uint16_t source_port, target_port;
	uint32_t seq, ack;
	uint8_t flags;
	const uint8_t *data; /* in the packet */
	uint32_t n;
};

/* @packet, all of it: false if it is anything but one whole TCP segment. */
bool segment_parse(const uint8_t *packet, size_t len, struct segment *ret);

/*
 * Makes the packet, which segment_parse() has read, end behind @keep bytes of its data, and
 * sums it anew. Returns how long it is then.
 */
size_t segment_trim(uint8_t *packet, const struct segment *s, uint32_t keep);

#endif
