/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nft's words in libnftnl's: what gate-rules.c and egress-rules.c write rules with. All of
 * them are about the table GATE_TABLE. Runs at build time only.
 */
#ifndef CIS_NET_NFT_WORDS_H
#define CIS_NET_NFT_WORDS_H

#include <netinet/in.h> /* before linux/netfilter.h, which is only then content */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h> /* libnftnl's headers want it */

#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>

#define NFT_SEQUENCE 1

enum { NFT_PRI_RAW = -300, NFT_PRI_FIRST_NAT = -190, NFT_PRI_DSTNAT = -100, NFT_PRI_FILTER = 0,
       NFT_PRI_HELLO = 5, NFT_PRI_OPENED = 6, NFT_PRI_METER = 10, NFT_PRI_SRCNAT = 100 };

struct nft_batch {
	char *at, *last; /* the end; the message before it */
};

void nft_begin(struct nft_batch *b);
/* Only the last is acked; what fails before it answers before it. */
void nft_end(struct nft_batch *b);

/* @type: NFT_MSG_NEWTABLE and its like. */
void nft_table(struct nft_batch *b, int type, int flags);
/* @type: "filter" or "nat"; @policy: NF_ACCEPT or NF_DROP. */
void nft_base_chain(struct nft_batch *b, const char *name, const char *type, int hook,
		    int priority, uint32_t policy);
void nft_chain(struct nft_batch *b, const char *name);
/* What it is of: NFT_SET_*. @lens: bytes of each part of a key, 0 ends them. */
struct nft_set {
	const char *name;
	uint32_t flags, key_type;
	uint8_t lens[4];
};
void nft_set(struct nft_batch *b, const struct nft_set *s, uint32_t id);

/* Named, so that rules in several chains draw on one: "over" so much. */
void nft_quota(struct nft_batch *b, const char *name, uint64_t bytes);
void nft_limit(struct nft_batch *b, const char *name, uint64_t rate, uint32_t burst);

struct nftnl_rule *nft_rule(const char *chain);
void nft_add(struct nft_batch *b, struct nftnl_rule *r);

/* Conditions. */
void nft_meta_is(struct nftnl_rule *r, int key, const void *data, size_t size);
void nft_compare(struct nftnl_rule *r, int op, const void *data, size_t size);
void nft_link_is(struct nftnl_rule *r, int key, const char *name);
void nft_link_begins(struct nftnl_rule *r, int key, const char *name);
void nft_family_is(struct nftnl_rule *r, bool six);
void nft_protocol_is(struct nftnl_rule *r, uint8_t protocol);
/* Any of @bits, or with NFT_CMP_EQ none. */
void nft_conntrack(struct nftnl_rule *r, int key, uint32_t bits, int op);
#define NFT_ANY NFT_CMP_NEQ
#define NFT_NONE NFT_CMP_EQ
/* Part of the network header, or of the transport's, into the register @reg. */
void nft_load(struct nftnl_rule *r, uint32_t reg, uint32_t offset, uint32_t len);
void nft_load_source_port(struct nftnl_rule *r, uint32_t reg);
void nft_load_port(struct nftnl_rule *r, uint32_t reg);
void nft_load_protocol(struct nftnl_rule *r, uint32_t reg);
void nft_in_set(struct nftnl_rule *r, uint32_t reg, const char *set);
void nft_source_port_is(struct nftnl_rule *r, uint16_t port);
/* Any of @flags of TCP, or with NFT_NONE none. */
void nft_tcp_flags(struct nftnl_rule *r, uint8_t flags, int op);
void nft_mark_is(struct nftnl_rule *r, uint32_t mark, int op);
void nft_connection_mark_is(struct nftnl_rule *r, uint32_t mark);
void nft_port_is(struct nftnl_rule *r, uint16_t port);
/* @type: NFT_OBJECT_*. */
void nft_draw_on(struct nftnl_rule *r, uint32_t type, const char *name);
void nft_is_loopback4(struct nftnl_rule *r, uint32_t offset);
/* Where addresses are in the headers. */
enum { NFT_SADDR4 = 12, NFT_DADDR4 = 16, NFT_SADDR6 = 8, NFT_DADDR6 = 24 };

/* Verdicts and deeds. */
void nft_verdict(struct nftnl_rule *r, int verdict); /* NF_DROP, NF_ACCEPT */
void nft_goto(struct nftnl_rule *r, const char *chain);
void nft_jump(struct nftnl_rule *r, const char *chain);
void nft_connection_set_mark(struct nftnl_rule *r, uint32_t mark);
/* @by_xt: by the target of that name of xtables, on kernels without nft's own. */
void nft_queue(struct nftnl_rule *r, uint16_t number, bool by_xt);
struct nftnl_expr *nft_word(struct nftnl_rule *r, const char *name);

#endif
