/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What we ask of the kernel's network by netlink. None of the requests depends on
 * anything but this list, so they are made while we are built, by libmnl
 * (requests.c, tools/compile-requests.c), and are bytes in the program, as the seccomp
 * filters are: whoever stands in the right network namespace sends them.
 */
#ifndef CIS_NET_NETLINK_H
#define CIS_NET_NETLINK_H

#include <stddef.h>

enum net_request {
	NET_LO_UP,
	/* What engines will use, for `check`: */
	NET_MAKE_BRIDGE,
	NET_MAKE_VETH,
	NET_NFT_LIST,
	NET_NFT_NAT,             /* a table with a NAT chain */
	NET_COMPAT_ADDRTYPE,     /* the iptables extensions of dockerd's rules */
	NET_COMPAT_CONNTRACK,
	NET_COMPAT_MASQUERADE,
	NET_REQUESTS
};

/*
 * Sends it and hears the first answer: 0 when that is an ack, the end of a list, or
 * data; else what the kernel says. Raw calls only.
 */
int netlink_ask_child(enum net_request request);

/* requests.c, at build time: the bytes and, in *ret_protocol, NETLINK_*. */
#define NET_REQUEST_MAX 1024
size_t net_request_build(enum net_request request, char buf[static NET_REQUEST_MAX],
			 int *ret_protocol);

#endif
