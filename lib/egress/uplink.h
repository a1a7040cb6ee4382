/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The way out of a gate: a link to the host, which forwards and masquerades, or pasta.
 * The first costs nothing once it is there and needs root, and a host whose firewall lets
 * it; what is there is found out, not guessed.
 */
#ifndef CIS_EGRESS_UPLINK_H
#define CIS_EGRESS_UPLINK_H

#include <stdint.h>

#include "../base/error.h"

struct gate;

/* Before anything is made: g->way, g->addresses. @number: of the gate on this host. */
int uplink_choose(struct gate *g, uint32_t number, struct cis_error *err);
/* Rules are there. What g->addresses says of MTU and IPv6 may change. */
int uplink_begin(struct gate *g, struct cis_error *err);
/* All else is there. */
int uplink_finish(struct gate *g, struct cis_error *err);

#endif
