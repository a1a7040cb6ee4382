/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The keeper's half of opening TLS connections: packets of the kernel's queue into the
 * engine (opening.h), its questions to the names helper, who reads what clients say. Here
 * nothing is read but headers, at fixed places.
 */
#ifndef CIS_EGRESS_OPENER_H
#define CIS_EGRESS_OPENER_H

#include "flows.h"
#include "gate.h"
#include "queue.h"

#define OPENER_NAMES 2048

/* A connection that was allowed, and the name it asked for. */
struct opener_name {
	struct opening_key key;
	char name[NAME_MAX_LEN + 1];
};

struct opener {
	int queue, wire;
	struct opening *engine;
	bool has_begun; /* the first packet was seen */
	uint64_t now, ticked;
	struct gate_hello question;
	struct opener_name names[OPENER_NAMES];
	_Alignas(8) uint8_t packet[QUEUE_DATAGRAM_MAX], out[QUEUE_DATAGRAM_MAX];
};

/* Before the keeper is confined. @g has a queue. */
int opener_init(struct opener *o, const struct gate *g);
/* The judge has answered, packets are queued, or it is time. */
void opener_run(struct opener *o, uint64_t now_msec, bool has_answers, bool has_packets);
/* In how many milliseconds it is time; -1: never. */
int opener_wait(const struct opener *o);
/* By which name a flow was opened, or NULL. */
const char *opener_name(const struct opener *o, const struct flow *f);

#endif
