/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The nftables rules of a gate, in libnftnl's words. Runs at build time only. In nft's:
 *
 *	table inet cisandbox {
 *		chain guard { type filter hook prerouting priority raw;
 *			iifname cisgate ip daddr 127.0.0.0/8 drop }
 *		chain forward { type filter hook forward priority filter;
 *			oifname cisgate ct state new ct status and dnat == 0 drop }
 *		chain arrive { type nat hook prerouting priority dstnat;
 *			fib daddr type local meta l4proto {tcp, udp, sctp} dnat to BOX }
 *		chain local { type nat hook output priority dstnat;   # the same
 *		chain leave { type nat hook postrouting priority srcnat;
 *			oifname cisgate ip saddr 127.0.0.0/8 masquerade
 *			iifname cisgate masquerade }
 *	}
 *
 * The first: route_localnet is set on cisgate so that answers to 127.0.0.1 come
 * back by it; what is addressed so by the sandbox itself is not an answer, whose address
 * is only put back after that chain.
 */
#include <arpa/inet.h>
#include <libnftnl/batch.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/table.h>
#include <linux/if.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>

#include "gate-messages.h"

#define SEQUENCE 1

enum { PRIORITY_RAW = -300, PRIORITY_DSTNAT = -100, PRIORITY_FILTER = 0, PRIORITY_SRCNAT = 100 };

struct batch {
	char *at, *last; /* the end; the message before it */
};

static struct nlmsghdr *begin(struct batch *b, int type, int flags)
{
	b->last = b->at;
	return nftnl_nlmsg_build_hdr(b->at, (uint16_t)type, NFPROTO_INET, (uint16_t)flags,
				     SEQUENCE);
}

static void end(struct batch *b, const struct nlmsghdr *h)
{
	b->at += NLMSG_ALIGN(h->nlmsg_len);
}

static void add_table(struct batch *b, int type, int flags)
{
	struct nftnl_table *t = nftnl_table_alloc();
	struct nlmsghdr *h = begin(b, type, flags);

	nftnl_table_set_str(t, NFTNL_TABLE_NAME, GATE_TABLE);
	nftnl_table_nlmsg_build_payload(h, t);
	nftnl_table_free(t);
	end(b, h);
}

static void add_chain(struct batch *b, const char *name, const char *type, int hook,
		      int priority)
{
	struct nftnl_chain *c = nftnl_chain_alloc();
	struct nlmsghdr *h = begin(b, NFT_MSG_NEWCHAIN, NLM_F_CREATE);

	nftnl_chain_set_str(c, NFTNL_CHAIN_TABLE, GATE_TABLE);
	nftnl_chain_set_str(c, NFTNL_CHAIN_NAME, name);
	nftnl_chain_set_str(c, NFTNL_CHAIN_TYPE, type);
	nftnl_chain_set_u32(c, NFTNL_CHAIN_HOOKNUM, (uint32_t)hook);
	nftnl_chain_set_s32(c, NFTNL_CHAIN_PRIO, priority);
	nftnl_chain_nlmsg_build_payload(h, c);
	nftnl_chain_free(c);
	end(b, h);
}

static struct nftnl_rule *rule(const char *chain)
{
	struct nftnl_rule *r = nftnl_rule_alloc();

	nftnl_rule_set_str(r, NFTNL_RULE_TABLE, GATE_TABLE);
	nftnl_rule_set_str(r, NFTNL_RULE_CHAIN, chain);
	return r;
}

static void add_rule(struct batch *b, struct nftnl_rule *r)
{
	struct nlmsghdr *h = begin(b, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);

	nftnl_rule_nlmsg_build_payload(h, r);
	nftnl_rule_free(r);
	end(b, h);
}

/* ---- expressions -------------------------------------------------------------------- */

static struct nftnl_expr *add(struct nftnl_rule *r, const char *name)
{
	struct nftnl_expr *e = nftnl_expr_alloc(name);

	nftnl_rule_add_expr(r, e);
	return e;
}

static void compare(struct nftnl_rule *r, int op, const void *data, size_t size)
{
	struct nftnl_expr *e = add(r, "cmp");

	nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_OP, (uint32_t)op);
	nftnl_expr_set(e, NFTNL_EXPR_CMP_DATA, data, (uint32_t)size);
}

static void meta_is(struct nftnl_rule *r, int key, const void *data, size_t size)
{
	struct nftnl_expr *e = add(r, "meta");

	nftnl_expr_set_u32(e, NFTNL_EXPR_META_KEY, (uint32_t)key);
	nftnl_expr_set_u32(e, NFTNL_EXPR_META_DREG, NFT_REG_1);
	compare(r, NFT_CMP_EQ, data, size);
}

static void link_is(struct nftnl_rule *r, int key)
{
	char name[IFNAMSIZ] = GATE_LINK;

	meta_is(r, key, name, sizeof name);
}

static void family_is(struct nftnl_rule *r, bool six)
{
	uint8_t family = six ? NFPROTO_IPV6 : NFPROTO_IPV4;

	meta_is(r, NFT_META_NFPROTO, &family, sizeof family);
}

static void mask(struct nftnl_rule *r, uint32_t bits)
{
	struct nftnl_expr *e = add(r, "bitwise");
	uint32_t zero = 0;

	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_SREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_DREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_LEN, sizeof bits);
	nftnl_expr_set(e, NFTNL_EXPR_BITWISE_MASK, &bits, sizeof bits);
	nftnl_expr_set(e, NFTNL_EXPR_BITWISE_XOR, &zero, sizeof zero);
}

static void conntrack(struct nftnl_rule *r, int key, uint32_t bits, int op)
{
	struct nftnl_expr *e = add(r, "ct");
	uint32_t zero = 0;

	nftnl_expr_set_u32(e, NFTNL_EXPR_CT_KEY, (uint32_t)key);
	nftnl_expr_set_u32(e, NFTNL_EXPR_CT_DREG, NFT_REG_1);
	mask(r, bits);
	compare(r, op, &zero, sizeof zero);
}

static void load(struct nftnl_rule *r, uint32_t offset, uint32_t len)
{
	struct nftnl_expr *e = add(r, "payload");

	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_BASE, NFT_PAYLOAD_NETWORK_HEADER);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_DREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_LEN, len);
}

/* In the header of IPv4, the source is at 12 and the destination at 16. */
static void is_loopback4(struct nftnl_rule *r, uint32_t offset)
{
	const uint8_t net = IN_LOOPBACKNET;

	family_is(r, false);
	load(r, offset, sizeof net);
	compare(r, NFT_CMP_EQ, &net, sizeof net);
}

/* ::1 cannot leave lo whatever is set: left alone it refuses, and 127.0.0.1 is tried. */
static void is_not_to_loopback6(struct nftnl_rule *r)
{
	load(r, 24, sizeof in6addr_loopback);
	compare(r, NFT_CMP_NEQ, &in6addr_loopback, sizeof in6addr_loopback);
}

static void is_for_the_gate(struct nftnl_rule *r)
{
	struct nftnl_expr *e = add(r, "fib");
	uint32_t local = RTN_LOCAL;

	nftnl_expr_set_u32(e, NFTNL_EXPR_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
	nftnl_expr_set_u32(e, NFTNL_EXPR_FIB_FLAGS, NFTA_FIB_F_DADDR);
	nftnl_expr_set_u32(e, NFTNL_EXPR_FIB_DREG, NFT_REG_1);
	compare(r, NFT_CMP_EQ, &local, sizeof local);
}

static void drop(struct nftnl_rule *r)
{
	struct nftnl_expr *e = add(r, "immediate");

	nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
	nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_VERDICT, NF_DROP);
}

static void send_to_box(struct nftnl_rule *r, const struct gate_values *v, bool six)
{
	struct nftnl_expr *e = add(r, "immediate");

	nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_DREG, NFT_REG_1);
	if (six)
		nftnl_expr_set(e, NFTNL_EXPR_IMM_DATA, v->box6, sizeof v->box6);
	else
		nftnl_expr_set(e, NFTNL_EXPR_IMM_DATA, v->box4, sizeof v->box4);
	e = add(r, "nat");
	nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_TYPE, NFT_NAT_DNAT);
	nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_FAMILY, six ? NFPROTO_IPV6 : NFPROTO_IPV4);
	nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_REG_ADDR_MIN, NFT_REG_1);
}

/* ---- the table ------------------------------------------------------------------------ */

static void add_forwarding(struct batch *b, const struct gate_values *v, bool six)
{
	static const uint8_t protocols[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP};
	static const char *const chains[] = {"arrive", "local"};

	for (size_t c = 0; c < 2; c++) {
		for (size_t p = 0; p < sizeof protocols; p++) {
			struct nftnl_rule *r = rule(chains[c]);

			family_is(r, six);
			meta_is(r, NFT_META_L4PROTO, &protocols[p], sizeof protocols[p]);
			is_for_the_gate(r);
			if (six)
				is_not_to_loopback6(r);
			send_to_box(r, v, six);
			add_rule(b, r);
		}
	}
}

static void add_guards(struct batch *b)
{
	struct nftnl_rule *r = rule("guard");

	link_is(r, NFT_META_IIFNAME);
	is_loopback4(r, 16);
	drop(r);
	add_rule(b, r);

	r = rule("forward");
	link_is(r, NFT_META_OIFNAME);
	conntrack(r, NFT_CT_STATE, NF_CT_STATE_BIT(IP_CT_NEW), NFT_CMP_NEQ);
	conntrack(r, NFT_CT_STATUS, IPS_DST_NAT, NFT_CMP_EQ);
	drop(r);
	add_rule(b, r);
}

static void add_masquerade(struct batch *b)
{
	struct nftnl_rule *r = rule("leave");

	link_is(r, NFT_META_OIFNAME);
	is_loopback4(r, 12);
	add(r, "masq");
	add_rule(b, r);

	r = rule("leave");
	link_is(r, NFT_META_IIFNAME);
	add(r, "masq");
	add_rule(b, r);
}

static void add_rules(struct batch *b, const struct gate_values *v, bool six)
{
	add_table(b, NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL);
	add_chain(b, "guard", "filter", NF_INET_PRE_ROUTING, PRIORITY_RAW);
	add_chain(b, "forward", "filter", NF_INET_FORWARD, PRIORITY_FILTER);
	add_chain(b, "arrive", "nat", NF_INET_PRE_ROUTING, PRIORITY_DSTNAT);
	add_chain(b, "local", "nat", NF_INET_LOCAL_OUT, PRIORITY_DSTNAT);
	add_chain(b, "leave", "nat", NF_INET_POST_ROUTING, PRIORITY_SRCNAT);
	add_guards(b);
	add_forwarding(b, v, false);
	if (six)
		add_forwarding(b, v, true);
	add_masquerade(b);
}

size_t gate_rules_build(enum gate_message message, const struct gate_values *v,
			char buf[static GATE_MESSAGE_MAX])
{
	struct batch b = {buf, buf};

	memset(buf, 0, GATE_MESSAGE_MAX);
	if (message == GATE_FIND_RULES) {
		add_table(&b, NFT_MSG_GETTABLE, 0);
		return (size_t)(b.at - buf);
	}
	end(&b, nftnl_batch_begin(b.at, SEQUENCE));
	if (message == GATE_DROP_RULES)
		add_table(&b, NFT_MSG_DELTABLE, 0);
	else
		add_rules(&b, v, message == GATE_RULES_46);
	/* Only the last is acked; what fails before it answers before it. */
	((struct nlmsghdr *)b.last)->nlmsg_flags |= NLM_F_ACK;
	end(&b, nftnl_batch_end(b.at, SEQUENCE));
	return (size_t)(b.at - buf);
}
