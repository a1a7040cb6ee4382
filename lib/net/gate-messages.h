/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What gate.c says to the kernel. Like the requests of netlink.h, the messages are made
 * while we are built, by libmnl (gate-links.c) and libnftnl (gate-rules.c), so that
 * neither is loaded by each start of a container. Addresses, numbers of links and the
 * like are known only then: tools/compile-gate.c finds where in a message each of
 * them stands, and gate.c puts them there.
 */
#ifndef CIS_NET_GATE_MESSAGES_H
#define CIS_NET_GATE_MESSAGES_H

#include <stddef.h>
#include <stdint.h>

#define GATE_TABLE "cisandbox"
#define GATE_LINK "cisgate" /* in the gate; its peer is eth0 in the sandbox */
#define GATE_PEER "eth0"

#define GATE_PREFIX4 30
#define GATE_PREFIX6 126

enum gate_message {
	GATE_RULES_4,    /* the table, which must not exist; IPv4 only */
	GATE_RULES_46,
	GATE_DROP_RULES,
	GATE_FIND_RULES, /* -ENOENT */
	GATE_MAKE_LINK,  /* both ends: mtu, netns */
	GATE_DROP_LINK,
	GATE_LINK_UP,    /* link */
	GATE_ADDRESS_4,  /* link, own4 */
	GATE_ADDRESS_6,
	GATE_DEFAULT_4,  /* link, gate4 */
	GATE_DEFAULT_6,
	GATE_NET_4,      /* link, gate4, net_head4, net4 */
	GATE_NET_ON_LINK_4,
	GATE_DUMP_ROUTES_4,
	GATE_DUMP_ROUTES_6,
	GATE_DUMP_ADDRESSES_6,
	GATE_MESSAGES
};

/* Everything that a message can depend on. */
struct gate_values {
	uint32_t link;  /* index */
	uint32_t mtu;
	uint32_t netns; /* descriptor */
	uint8_t own4[4], gate4[4], box4[4];
	uint8_t own6[16], gate6[16], box6[16];
	uint8_t net_head4[4]; /* how a route's rtmsg begins: AF_INET, bits, 0, 0 */
	uint8_t net4[4];
};

/* While we are built: fill @buf, return the length. *ret_protocol: NETLINK_*. */
#define GATE_MESSAGE_MAX 8192
size_t gate_links_build(enum gate_message message, const struct gate_values *v,
			char buf[static GATE_MESSAGE_MAX]);
size_t gate_rules_build(enum gate_message message, const struct gate_values *v,
			char buf[static GATE_MESSAGE_MAX]);

static inline int gate_message_is_rules(enum gate_message message)
{
	return message <= GATE_FIND_RULES;
}

#endif
