/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The kernel's side of an egress gate: links, addresses, routes and rules of
 *
 *	host  cisandboxN -- up0 [ the gate ] box0 -- eth0  the sandbox
 *
 * in network namespaces that are there already. The caller makes links, by netlink sockets
 * opened in each of them; rules are sent by who makes the gate's namespaces, while the caller
 * is busy elsewhere. egress-rules.c has the rules.
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
	uint32_t number;                 /* of the gate, on this host */
	uint32_t mtu;
	bool six;
	uint8_t gate4[4], box4[4];       /* between gate and sandbox */
	uint8_t gate6[16], box6[16];
	uint8_t host4[4], up4[4];        /* between host and gate */
	uint8_t host6[16], up6[16];
};

/* So many pairs 198.18.0.0/15 has. */
#define EGRESS_NUMBERS 65536

/* How a gate gets out: by a link to the host, which forwards, or by the program pasta. */
enum egress_uplink { EGRESS_VETH, EGRESS_PASTA };
/*
 * @number: the first that is tried. What the host is like decides MTU and IPv6. 0 or -errno:
 * -EACCES and -EPERM say that the host does not forward, or that no link to it can be made.
 */
int egress_look(uint32_t number, enum egress_uplink way, struct egress_addresses *ret,
		struct cis_error *err);

/* The host's own addresses, for the never-list: how many there are, at most @max. */
int egress_host_addresses(struct egress_element *ret, size_t max, struct cis_error *err);
struct nlmsghdr;
/* Whether it says that there is an address, and which. */
bool egress_read_address(const struct nlmsghdr *h, struct egress_element *ret);

struct egress_policy {
	bool audit, verify;
	bool anew; /* in the place of rules that are there, in one step */
	uint64_t rate, budget; /* 0: none */
	/* Ranges that do not touch each other. */
	const struct egress_element *never, *nets;
	size_t n_never, n_nets;
};

/*
 * Batches for the kernel: the first has the table, further ones what its sets have that is too
 * much for one; once for each way to verify TLS, since kernels lack words.
 */
struct egress_rules {
	struct {
		char *text;
		size_t len;
	} ways[3];
	size_t n;
};
int egress_make_rules(const struct egress_addresses *a, const struct egress_policy *p,
		      struct egress_rules *ret);
void egress_rules_done(struct egress_rules *rules);
/*
 * In the gate, before it has links: nothing may pass before. 1: packets of TLS go to the queue
 * EGRESS_QUEUE, if @has_queue; 0: to the relay, or it is not verified; -errno, for ...
 */
int egress_send_rules_child(const struct egress_rules *rules, bool has_queue);
/* ... who has the words: returns @r. */
int egress_explain_rules(int r, struct cis_error *err);
/* The host's table, unless it is there; then the link, and by it the number in @a, which may
 * become another. @gate: network namespace. */
int egress_make_uplink(int gate, struct egress_addresses *a, struct cis_error *err);
/* Its end on the host, and so all of it. */
int egress_drop_uplink(const struct egress_addresses *a, struct cis_error *err);
/* pasta's device, which is there: its addresses, routes. */
int egress_set_up_tap(int gate, const struct egress_addresses *a, struct cis_error *err);
/* @box: the sandbox's network namespace, in which there is but lo. */
int egress_make_link(int gate, int box, const struct egress_addresses *a,
		     struct cis_error *err);

/* Bytes on the host's link of the gate @number, as the sandbox sees them. -ENODEV. */
int egress_count_uplink(uint32_t number, uint64_t *ret_up, uint64_t *ret_down);

/* One element into the live gate, by the keeper; waits for the kernel's word. Raw calls. */
int egress_admit_child(int nft, enum egress_set set, const struct egress_element *e);
/* Into the never-list; one that is there, or in a range that is, needs no adding. Raw calls. */
int egress_shut_child(int nft, const struct egress_element *e);

#endif
