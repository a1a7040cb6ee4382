/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A gate: a network namespace that an engine gave to a container, and that another user
 * namespace owns. In it root of a sandbox could neither mount sysfs nor change rules.
 * So the sandbox gets a network namespace of its own behind the given one:
 *
 *	outside -- eth0 [ given: the gate ] cisgate -- eth0 [ the sandbox's ]
 *
 * What leaves is masqueraded; every port of tcp, udp and sctp that is addressed to the
 * gate, be it by its 127.0.0.1, is the sandbox's. gate-rules.c has the rules.
 *
 * The link goes with the sandbox's namespace; the rules and sysctls stay until
 * gate_undo(), or go with the given namespace. Each function works in a child of its own
 * that enters the namespace. @procfd: a procfs of the host, for sysctls.
 */
#ifndef CIS_NET_GATE_H
#define CIS_NET_GATE_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "../base/error.h"

#define GATE_NETS 32

/* What the given namespace was like; all that undoing needs. */
struct gate_facts {
	uint32_t mtu;          /* of the link that the default route goes by */
	bool six;              /* there is IPv6 */
	int range4, range6;    /* addresses that no route there leads to: gate_range_*() */
	bool forwards4, forwards6;
	bool accepts_ra;       /* and would not any more, if it forwarded */
	char uplink[IF_NAMESIZE]; /* "" without a default route */
	/* Networks that it has routes to, IPv4 only; of very many the first. */
	struct gate_net {
		uint8_t address[4], bits;
	} nets[GATE_NETS];
	unsigned int n_nets;
};

/* Changes nothing. -EEXIST: it is a gate already; -EADDRNOTAVAIL: no range is free. */
int gate_look(int netns, int procfd, struct gate_facts *ret, struct cis_error *err);

/* @box: the sandbox's namespace, in which there is but lo. */
int gate_make(int netns, int box, int procfd, const struct gate_facts *facts,
	      struct cis_error *err);

/* Takes away whatever there is of it. */
int gate_undo(int netns, int procfd, const struct gate_facts *facts, struct cis_error *err);

/* ---- between gate.c and gate-look.c ---- */

/* Pairs of addresses we may take: a prefix of 30, or 126, bits, of which we use .1 and .2. */
#define GATE_RANGES4 34
#define GATE_RANGES6 16
void gate_range4(int range, uint8_t ret[static 4]);
void gate_range6(int range, uint8_t ret[static 16]);

/* In the child, in the gate. Raw calls. *ret_taken: it is a gate already. */
int gate_look_child(int procfd, struct gate_facts *ret, bool *ret_taken);

#endif
