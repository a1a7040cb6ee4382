/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ranges of addresses as numbers, and sets of them. IPv4 is below 2^32. */
#ifndef CIS_EGRESS_RANGE_H
#define CIS_EGRESS_RANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef unsigned __int128 address_t;

struct range {
	address_t first, last;
};

/* Once sorted: disjoint, not touching, ascending. The zeroed struct is empty. */
struct ranges {
	struct range *v;
	size_t n, room;
};

void ranges_done(struct ranges *l);
int ranges_add(struct ranges *l, struct range r);

/* Sorts and merges. */
void ranges_sort(struct ranges *l);

/* Adds to @ret, which need not be empty, what of @from is not in @holes, which is sorted. */
int ranges_subtract(const struct ranges *from, const struct ranges *holes,
		    struct ranges *ret);

bool ranges_overlap(const struct ranges *sorted, struct range r);
/* Whether all of it is in there. */
bool ranges_contain(const struct ranges *sorted, struct range r);

/* The net of @bits that @address, in network order, lies in. */
struct range range_of(int family, const uint8_t *address, unsigned int bits);
/* Back: fills all 16 bytes. */
void range_bytes(int family, address_t a, uint8_t ret[static 16]);

#endif
