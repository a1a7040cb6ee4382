/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The kernel's side of an egress gate: links, addresses, routes and rules of
 *
 *	host  cisandboxN -- up0 [ the gate ] box0 -- eth0  the sandbox
 *
 * in network namespaces that are there already. Only the caller works here, by netlink
 * sockets opened in each of them. egress-rules.c has the rules.
 */
#ifndef CIS_NET_EGRESS_H
#define CIS_NET_EGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "../base/error.h"
#include "elements.h"

#define EGRESS_GATE4 "100.127.255.1"

/* Where everybody is. The gate's own address is the same in all: nobody else sees it. */
struct egress_addresses {
	uint32_t number;                 /* of the gate, on this host; up to 65535 */
	uint32_t mtu;
	bool six;
	uint8_t gate4[4], box4[4];       /* between gate and sandbox */
	uint8_t gate6[16], box6[16];
	uint8_t host4[4], up4[4];        /* between host and gate */
	uint8_t host6[16], up6[16];
};

/* @number: see above. What the host is like decides MTU and IPv6. 0 or -errno. */
int egress_look(uint32_t number, struct egress_addresses *ret, struct cis_error *err);

/* The host's own addresses, for the never-list: how many there are, at most @max. */
int egress_host_addresses(struct egress_element *ret, size_t max, struct cis_error *err);

struct egress_policy {
	bool audit, verify;
	bool queue; /* TLS is verified by one, if the kernel can; else by the relay */
	uint64_t rate, budget; /* 0: none */
	/* Ranges that do not touch each other. */
	const struct egress_element *never, *nets;
	size_t n_never, n_nets;
};

/*
 * @nft: a netfilter socket of the gate. First, since nothing may pass before. 1: by a queue
 * of packets (EGRESS_QUEUE); 0: not; -errno.
 */
int egress_make_rules(int nft, const struct egress_addresses *a,
		      const struct egress_policy *p, struct cis_error *err);
/* The host's table, unless it is there; then the link. @gate: network namespace. */
int egress_make_uplink(int gate, const struct egress_addresses *a, struct cis_error *err);
/* @box: the sandbox's network namespace, in which there is but lo. */
int egress_make_link(int gate, int box, const struct egress_addresses *a,
		     struct cis_error *err);

/* One element into the live gate, by the keeper; waits for the kernel's word. Raw calls. */
int egress_admit_child(int nft, enum egress_set set, const struct egress_element *e);

#endif
