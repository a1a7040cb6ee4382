/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The program pasta (package passt) as a gate's link to the outside, where packets cannot be
 * forwarded: it turns what arrives at up0, a tap device, into sockets of the host's own.
 *
 *	[ the gate ] up0 -- pasta, in the host's network namespace
 *
 * It runs as root of the gate's user namespace, which is nobody on the host, below cis:uplink:
 * the init of a pid namespace, so that pasta ends when that does, whoever kills it; and that
 * ends with the supervisor. To pasta the gate's namespace is a file in a /run of its own:
 * /proc/PID/ns it may not open, and descriptors newer ones close before they look.
 *
 * The host's table drops what a gate sends to the host itself; pasta connects from the host,
 * where no table does. So the never-list has to be right: cis:uplink adds each address
 * that the host gets later.
 */
#ifndef CIS_EGRESS_PASTA_H
#define CIS_EGRESS_PASTA_H

#include <stdbool.h>
#include <stddef.h>

#include "../base/error.h"

struct egress_addresses;

#define PASTA_PACKAGE "passt"

struct pasta {
	int pidfd; /* of cis:uplink, or -1 */
	int says;  /* its stderr */
	int links; /* until it is awaited: hears of its device */
};

struct pasta_site {
	int userns, netns; /* of the gate */
	int never;         /* a netfilter socket of the gate */
	int life;          /* hung up when the supervisor is gone */
	const struct egress_addresses *addresses;
};

bool pasta_is_installed(void);
/* Does not wait for it; mustn't be called before the gate has its rules. */
int pasta_start(struct pasta *p, const struct pasta_site *s, struct cis_error *err);
/* Its device is there; addresses and routes may be made. */
int pasta_await(struct pasta *p, struct cis_error *err);
/* What it said last, or "". */
void pasta_read_word(const struct pasta *p, char *buf, size_t size);
/* Kills it. */
void pasta_end(struct pasta *p);

#endif
