/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The host's resolvers: which they are, sockets to them, and whether one answers. */
#ifndef CIS_EGRESS_UPSTREAMS_H
#define CIS_EGRESS_UPSTREAMS_H

#include "../base/error.h"
#include "shared.h"

void upstreams_init(struct gate_upstreams *u);
void upstreams_done(struct gate_upstreams *u);

/*
 * Reads /etc/resolv.conf, opens sockets in the caller's network namespace, and asks each
 * for the root. Those that cannot be reached are left out. -EDESTADDRREQ: none is named.
 */
int upstreams_open(struct gate_upstreams *u, struct cis_error *err);
/* Waits for the first answer to that. -ETIMEDOUT. */
int upstreams_await(struct gate_upstreams *u, struct cis_error *err);

/* Pure: those of @text, in the manner of resolv.conf(5). */
void upstreams_parse(struct gate_upstreams *u, const char *text);

#endif
