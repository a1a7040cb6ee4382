/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Questions of the names helper to the host's resolvers, and their answers back: in the
 * keeper, since sockets of the host's network can be turned to anybody there, and so
 * must not be in hands that read hostile bytes. Here nothing is read but lengths.
 */
#ifndef CIS_EGRESS_FORWARD_H
#define CIS_EGRESS_FORWARD_H

#include <stddef.h>

#include "shared.h"

struct forward_stream {
	bool is_used; /* it is connected, or about to be */
	size_t out_len, in_len;
	uint8_t out[8192], in[65538];
};

struct forward {
	const struct gate_upstreams *upstreams;
	int wire, epoll;
	bool (*may_ask)(void *context);
	void *context;
	struct forward_stream streams[GATE_UPSTREAMS];
	struct gate_question message;
};

/* @wire: the keeper's end of what carries struct gate_question; @may_ask: each. */
int forward_init(struct forward *f, const struct gate_upstreams *u, int wire,
		 bool (*may_ask)(void *context), void *context);
/* Its epoll descriptor is ready. */
void forward_run(struct forward *f);

#endif
