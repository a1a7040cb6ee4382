/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What gate.c and egress.c say to the kernel. Like the requests of netlink.h, the messages are made
 * while we are built, by libmnl (gate-links.c) and libnftnl (gate-rules.c, egress-rules.c), so that
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

/* An egress gate's two links, and what its host's end begins with. */
#define EGRESS_BOX "box0"
#define EGRESS_UPLINK "up0"
#define EGRESS_HOST_LINK "cisandbox"
/* Where in the gate redirected streams arrive. */
#define EGRESS_TLS_PORT 1443
#define EGRESS_HTTP_PORT 1080
/* Where the packet goes to that is sent to see whether any passes the host; from one below 256. */
#define EGRESS_PROBE_TO 443
/* What is refused is told to this group of nfnetlink_log, with why as the prefix. */
#define EGRESS_LOG_GROUP 1
/* Where packets of TLS wait until it is known whom they ask for. */
#define EGRESS_QUEUE 1
/* Of a connection: it was verified, or need not be. Of a packet of the queue: open, refuse. */
#define EGRESS_MARK_OPEN 1
#define EGRESS_MARK_LISTED 2
#define EGRESS_MARK_REFUSED 3

#define GATE_PREFIX4 30
#define GATE_PREFIX6 126

enum gate_message {
	GATE_RULES_4,    /* the table, which must not exist; IPv4 only */
	GATE_RULES_46,
	GATE_DROP_RULES,
	GATE_FIND_RULES, /* -ENOENT */
	EGRESS_HOST,     /* the host's table: a whole batch; -EEXIST */
	EGRESS_HOST_ANEW, /* the same, instead of what is there */
	EGRESS_BEGIN,    /* a batch is this, parts, ... */
	EGRESS_ANEW,     /* in the place of the table that is there */
	EGRESS_TABLE,    /* own4, own6: the sandbox's addresses */
	EGRESS_VERIFY,
	EGRESS_BY_QUEUE, /* with it TLS of all addresses: in nft's words, or in those of */
	EGRESS_BY_XT_QUEUE, /* xtables, if the kernel has but these; or of those only */
	EGRESS_LISTED,      /* that a name was answered with, unless an audit, and others */
	EGRESS_BY_RELAY,    /* by the relay; or all of it */
	EGRESS_RATE,     /* rate, burst */
	EGRESS_BUDGET,   /* budget */
	EGRESS_AUDIT,    /* one of these two is the last part */
	EGRESS_BLOCK,
	EGRESS_END,      /* ... and this */
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
	uint64_t rate, budget; /* bytes a second, bytes; big-endian, as nftables has them */
	uint32_t burst;        /* bytes; big-endian */
};

/* While we are built: fill @buf, return the length. *ret_protocol: NETLINK_*. */
#define GATE_MESSAGE_MAX 24576
size_t gate_links_build(enum gate_message message, const struct gate_values *v,
			char buf[static GATE_MESSAGE_MAX]);
size_t gate_rules_build(enum gate_message message, const struct gate_values *v,
			char buf[static GATE_MESSAGE_MAX]);

size_t egress_rules_build(enum gate_message message, const struct gate_values *v,
			  char buf[static GATE_MESSAGE_MAX]);

static inline int gate_message_is_egress(enum gate_message message)
{
	return message >= EGRESS_HOST && message <= EGRESS_END;
}

static inline int gate_message_is_rules(enum gate_message message)
{
	return message <= EGRESS_END;
}

#endif
