/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a sandbox may reach, compiled: ruleset.h makes it, cisandbox-egress(7) has the
 * meaning. It is immutable and lies in one mapping without a pointer in it, so that
 * helpers which are cloned later, or map a file of it, ask it where it lies. Nothing here
 * allocates. What a question costs depends on how long the name is, not on how many
 * rules there are: names are found by a keyed hash, and nobody who chooses names, of rules
 * or in questions, can make them collide without the key.
 */
#ifndef CIS_EGRESS_POLICY_H
#define CIS_EGRESS_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct policy;

struct egress_port {
	uint8_t proto; /* IPPROTO_TCP, IPPROTO_UDP; 0: both, with port 0 */
	uint16_t port; /* 0: any */
};

/* By which they are sorted: what covers another is before it. */
static inline uint32_t egress_port_key(struct egress_port port)
{
	return (uint32_t)port.proto << 16 | port.port;
}

/* Whether @b is allowed where @a is. */
static inline bool egress_port_covers(struct egress_port a, struct egress_port b)
{
	return (a.proto == 0 || a.proto == b.proto) && (a.port == 0 || a.port == b.port);
}

/* IPv4 addresses are the first four bytes. Network order. */
struct policy_range {
	uint8_t first[16], last[16];
};

/* A range for which the same ports are allowed: policy_net_ports(). */
struct policy_net {
	struct policy_range range;
	uint32_t ports, n_ports;
};

enum policy_verdict {
	POLICY_NO_RULE, /* refused where everything else is (block) */
	POLICY_ALLOWED, /* by a rule, or as all names in audit */
	POLICY_DENIED,	/* by --deny */
	POLICY_SHUT,	/* by a preset that is in force unless it is undone */
};

/* The rule that decided: @name, or with @below "*." and @name. NULL: none, or several. */
struct policy_match {
	const char *name; /* in the name that was asked for */
	bool below;
};

/*
 * With which ports the canonical @name may be used: fills in up to @max, sorted and none
 * of them covered by another; returns how many there are. 0: it is not allowed.
 */
size_t policy_ports(const struct policy *p, const char *name, struct egress_port *ret,
		    size_t max);

/* The same question for a record of it. @ret_match may be NULL. */
enum policy_verdict policy_name_verdict(const struct policy *p, const char *name,
					struct policy_match *ret_match);

/* Everything is allowed that is neither never nor denied. */
bool policy_is_audit(const struct policy *p);

/*
 * An address that is shut whatever rule allows it: of a preset in force and in no hole, or
 * denied. IPv6 forms of IPv4 addresses are judged by what they embed. @address: in
 * network order. A family other than AF_INET and AF_INET6 is never allowed.
 */
bool policy_is_never(const struct policy *p, int family, const uint8_t *address);

/*
 * Rules for addresses as lists, for interval sets: sorted, without overlaps, neighbours
 * merged. What is never is cut out of the nets. Each returns how many there are.
 */
size_t policy_never(const struct policy *p, int family, const struct policy_range **ret);
size_t policy_nets(const struct policy *p, int family, const struct policy_net **ret);
size_t policy_net_ports(const struct policy *p, const struct policy_net *net,
			const struct egress_port **ret);

void policy_free(struct policy *p);

static inline void policy_freep(struct policy **p)
{
	policy_free(*p);
	*p = NULL;
}

#endif
