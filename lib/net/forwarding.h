/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whether the host lets pass what it forwards for a gate. Nobody can tell by looking: rules are
 * nftables', in tables of any name and order, of iptables' old kind, of bpf; so a packet is sent
 * on its way, as a job would: the beginning of a connection to a server far away, by https. It
 * does not get there: behind all that forwards the host's own table keeps it, and notes
 * whose it was. About 0.1 ms where it passes.
 *
 * Rejected: asking for a policy drop only (most firewalls end in a rule); a mark followed by
 * nftrace (knows nothing of the old kind); conntrack's word (the packet would have left).
 * Whether answers get in again is not found out.
 */
#ifndef CIS_NET_FORWARDING_H
#define CIS_NET_FORWARDING_H

#include <stdbool.h>
#include <stdint.h>

#include "../base/error.h"

struct egress_addresses;

/*
 * By the link that egress_make_uplink() has made. @to4, @to6: addresses that the gate's rules
 * let its own processes reach; NULL: it is taken for granted. Where only IPv4 passes a->six
 * becomes false. -EACCES: nothing does.
 */
int forwarding_judge(int gate, struct egress_addresses *a, const uint8_t *to4,
		     const uint8_t *to6, struct cis_error *err);

/*
 * The same beforehand, by a link of its own that is gone again: to a namespace made for it. As
 * egress_look(), which it calls; ret->six is what of IPv6 would be there. -EACCES: not passed.
 */
int forwarding_check(struct egress_addresses *ret, struct cis_error *err);

/* Two addresses of each family that are somebody's, and are sent nothing. */
#define FORWARDING_TARGETS 2
const uint8_t *forwarding_target(bool six, unsigned int i);

#endif
