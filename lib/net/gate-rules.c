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
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <string.h>

#include "gate-messages.h"
#include "nft-words.h"

/* ::1 cannot leave lo whatever is set: left alone it refuses, and 127.0.0.1 is tried. */
static void is_not_to_loopback6(struct nftnl_rule *r)
{
	nft_load(r, NFT_REG_1, NFT_DADDR6, sizeof in6addr_loopback);
	nft_compare(r, NFT_CMP_NEQ, &in6addr_loopback, sizeof in6addr_loopback);
}

static void is_for_the_gate(struct nftnl_rule *r)
{
	struct nftnl_expr *e = nft_word(r, "fib");
	uint32_t local = RTN_LOCAL;

	nftnl_expr_set_u32(e, NFTNL_EXPR_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
	nftnl_expr_set_u32(e, NFTNL_EXPR_FIB_FLAGS, NFTA_FIB_F_DADDR);
	nftnl_expr_set_u32(e, NFTNL_EXPR_FIB_DREG, NFT_REG_1);
	nft_compare(r, NFT_CMP_EQ, &local, sizeof local);
}

static void send_to_box(struct nftnl_rule *r, const struct gate_values *v, bool six)
{
	struct nftnl_expr *e = nft_word(r, "immediate");

	nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_DREG, NFT_REG_1);
	if (six)
		nftnl_expr_set(e, NFTNL_EXPR_IMM_DATA, v->box6, sizeof v->box6);
	else
		nftnl_expr_set(e, NFTNL_EXPR_IMM_DATA, v->box4, sizeof v->box4);
	e = nft_word(r, "nat");
	nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_TYPE, NFT_NAT_DNAT);
	nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_FAMILY, six ? NFPROTO_IPV6 : NFPROTO_IPV4);
	nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_REG_ADDR_MIN, NFT_REG_1);
}

/* ---- the table ------------------------------------------------------------------------ */

static void add_forwarding(struct nft_batch *b, const struct gate_values *v, bool six)
{
	static const uint8_t protocols[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP};
	static const char *const chains[] = {"arrive", "local"};

	for (size_t c = 0; c < 2; c++) {
		for (size_t p = 0; p < sizeof protocols; p++) {
			struct nftnl_rule *r = nft_rule(chains[c]);

			nft_family_is(r, six);
			nft_protocol_is(r, protocols[p]);
			is_for_the_gate(r);
			if (six)
				is_not_to_loopback6(r);
			send_to_box(r, v, six);
			nft_add(b, r);
		}
	}
}

static void add_guards(struct nft_batch *b)
{
	struct nftnl_rule *r = nft_rule("guard");

	nft_link_is(r, NFT_META_IIFNAME, GATE_LINK);
	nft_is_loopback4(r, NFT_DADDR4);
	nft_verdict(r, NF_DROP);
	nft_add(b, r);

	r = nft_rule("forward");
	nft_link_is(r, NFT_META_OIFNAME, GATE_LINK);
	nft_conntrack(r, NFT_CT_STATE, NF_CT_STATE_BIT(IP_CT_NEW), NFT_CMP_NEQ);
	nft_conntrack(r, NFT_CT_STATUS, IPS_DST_NAT, NFT_CMP_EQ);
	nft_verdict(r, NF_DROP);
	nft_add(b, r);
}

static void add_masquerade(struct nft_batch *b)
{
	struct nftnl_rule *r = nft_rule("leave");

	nft_link_is(r, NFT_META_OIFNAME, GATE_LINK);
	nft_is_loopback4(r, NFT_SADDR4);
	nft_word(r, "masq");
	nft_add(b, r);

	r = nft_rule("leave");
	nft_link_is(r, NFT_META_IIFNAME, GATE_LINK);
	nft_word(r, "masq");
	nft_add(b, r);
}

static void add_rules(struct nft_batch *b, const struct gate_values *v, bool six)
{
	nft_table(b, NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL);
	nft_base_chain(b, "guard", "filter", NF_INET_PRE_ROUTING, NFT_PRI_RAW, NF_ACCEPT);
	nft_base_chain(b, "forward", "filter", NF_INET_FORWARD, NFT_PRI_FILTER, NF_ACCEPT);
	nft_base_chain(b, "arrive", "nat", NF_INET_PRE_ROUTING, NFT_PRI_DSTNAT, NF_ACCEPT);
	nft_base_chain(b, "local", "nat", NF_INET_LOCAL_OUT, NFT_PRI_DSTNAT, NF_ACCEPT);
	nft_base_chain(b, "leave", "nat", NF_INET_POST_ROUTING, NFT_PRI_SRCNAT, NF_ACCEPT);
	add_guards(b);
	add_forwarding(b, v, false);
	if (six)
		add_forwarding(b, v, true);
	add_masquerade(b);
}

size_t gate_rules_build(enum gate_message message, const struct gate_values *v,
			char buf[static GATE_MESSAGE_MAX])
{
	struct nft_batch b = {buf, buf};

	memset(buf, 0, GATE_MESSAGE_MAX);
	if (message == GATE_FIND_RULES) {
		nft_table(&b, NFT_MSG_GETTABLE, 0);
		return (size_t)(b.at - buf);
	}
	nft_begin(&b);
	if (message == GATE_DROP_RULES)
		nft_table(&b, NFT_MSG_DELTABLE, 0);
	else
		add_rules(&b, v, message == GATE_RULES_46);
	nft_end(&b);
	return (size_t)(b.at - buf);
}
