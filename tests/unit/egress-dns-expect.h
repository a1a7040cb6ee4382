/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is expected of the resolver's world. After <cmocka.h>. */
#ifndef TEST_EGRESS_DNS_EXPECT_H
#define TEST_EGRESS_DNS_EXPECT_H

#include "egress-dns.h"

#define COUNT(a) ARRAY_SIZE(a)

static struct view v;

static inline void expect(uint16_t rcode, int ede, enum dns_reason reason)
{
	assert_true(look(&w.told, &v));
	if (v.rcode != rcode || v.ede != ede || w.noted[w.n_noted - 1].reason != reason)
		fail_msg("rcode %u, EDE %d, %s", v.rcode, v.ede,
			 dns_reason_name(w.noted[w.n_noted - 1].reason));
}

static inline bool knows(const char *name, const char *address)
{
	uint8_t a[16];
	int family = strchr(address, ':') ? AF_INET6 : AF_INET;

	inet_pton(family, address, a);
	return dns_knows(w.d, name, family, a, w.now);
}

#endif
