/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "nft-words.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <libnftnl/batch.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/object.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <linux/if.h>
#include <linux/netfilter/x_tables.h>
#include <linux/netfilter/xt_NFQUEUE.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "gate-messages.h"

/* ---- messages ----------------------------------------------------------------------- */

static struct nlmsghdr *begin(struct nft_batch *b, int type, int flags)
{
	b->last = b->at;
	return nftnl_nlmsg_build_hdr(b->at, (uint16_t)type, NFPROTO_INET, (uint16_t)flags,
				     NFT_SEQUENCE);
}

static void end(struct nft_batch *b, const struct nlmsghdr *h)
{
	b->at += NLMSG_ALIGN(h->nlmsg_len);
}

void nft_begin(struct nft_batch *b)
{
	end(b, nftnl_batch_begin(b->at, NFT_SEQUENCE));
}

void nft_end(struct nft_batch *b)
{
	if (b->last)
		((struct nlmsghdr *)b->last)->nlmsg_flags |= NLM_F_ACK;
	end(b, nftnl_batch_end(b->at, NFT_SEQUENCE));
}

void nft_table(struct nft_batch *b, int type, int flags)
{
	struct nftnl_table *t = nftnl_table_alloc();
	struct nlmsghdr *h = begin(b, type, flags);

	nftnl_table_set_str(t, NFTNL_TABLE_NAME, GATE_TABLE);
	nftnl_table_nlmsg_build_payload(h, t);
	nftnl_table_free(t);
	end(b, h);
}

static struct nftnl_chain *chain(const char *name)
{
	struct nftnl_chain *c = nftnl_chain_alloc();

	nftnl_chain_set_str(c, NFTNL_CHAIN_TABLE, GATE_TABLE);
	nftnl_chain_set_str(c, NFTNL_CHAIN_NAME, name);
	return c;
}

static void add_chain(struct nft_batch *b, struct nftnl_chain *c)
{
	struct nlmsghdr *h = begin(b, NFT_MSG_NEWCHAIN, NLM_F_CREATE);

	nftnl_chain_nlmsg_build_payload(h, c);
	nftnl_chain_free(c);
	end(b, h);
}

void nft_base_chain(struct nft_batch *b, const char *name, const char *type, int hook,
		    int priority, uint32_t policy)
{
	struct nftnl_chain *c = chain(name);

	nftnl_chain_set_str(c, NFTNL_CHAIN_TYPE, type);
	nftnl_chain_set_u32(c, NFTNL_CHAIN_HOOKNUM, (uint32_t)hook);
	nftnl_chain_set_s32(c, NFTNL_CHAIN_PRIO, priority);
	if (policy != NF_ACCEPT)
		nftnl_chain_set_u32(c, NFTNL_CHAIN_POLICY, policy);
	add_chain(b, c);
}

void nft_chain(struct nft_batch *b, const char *name)
{
	add_chain(b, chain(name));
}

void nft_set(struct nft_batch *b, const struct nft_set *s, uint32_t id)
{
	struct nftnl_set *n = nftnl_set_alloc();
	struct nlmsghdr *h = begin(b, NFT_MSG_NEWSET, NLM_F_CREATE);
	uint32_t len = 0, parts = 0;

	for (; parts < sizeof s->lens && s->lens[parts]; parts++)
		len += (s->lens[parts] + 3u) / 4 * 4;
	nftnl_set_set_str(n, NFTNL_SET_TABLE, GATE_TABLE);
	nftnl_set_set_str(n, NFTNL_SET_NAME, s->name);
	nftnl_set_set_u32(n, NFTNL_SET_FLAGS,
			  s->flags | (parts > 1 ? NFT_SET_CONCAT : 0));
	nftnl_set_set_u32(n, NFTNL_SET_KEY_TYPE, s->key_type);
	nftnl_set_set_u32(n, NFTNL_SET_KEY_LEN, parts > 1 ? len : s->lens[0]);
	nftnl_set_set_u32(n, NFTNL_SET_ID, id);
	if (parts > 1)
		nftnl_set_set_data(n, NFTNL_SET_DESC_CONCAT, s->lens, parts);
	nftnl_set_nlmsg_build_payload(h, n);
	nftnl_set_free(n);
	end(b, h);
}

static struct nftnl_obj *object(const char *name, uint32_t type)
{
	struct nftnl_obj *o = nftnl_obj_alloc();

	nftnl_obj_set_str(o, NFTNL_OBJ_TABLE, GATE_TABLE);
	nftnl_obj_set_str(o, NFTNL_OBJ_NAME, name);
	nftnl_obj_set_u32(o, NFTNL_OBJ_TYPE, type);
	return o;
}

static void add_object(struct nft_batch *b, struct nftnl_obj *o)
{
	struct nlmsghdr *h = begin(b, NFT_MSG_NEWOBJ, NLM_F_CREATE);

	nftnl_obj_nlmsg_build_payload(h, o);
	nftnl_obj_free(o);
	end(b, h);
}

void nft_quota(struct nft_batch *b, const char *name, uint64_t bytes)
{
	struct nftnl_obj *o = object(name, NFT_OBJECT_QUOTA);

	nftnl_obj_set_u64(o, NFTNL_OBJ_QUOTA_BYTES, bytes);
	nftnl_obj_set_u32(o, NFTNL_OBJ_QUOTA_FLAGS, NFT_QUOTA_F_INV);
	add_object(b, o);
}

void nft_limit(struct nft_batch *b, const char *name, uint64_t rate, uint32_t burst)
{
	struct nftnl_obj *o = object(name, NFT_OBJECT_LIMIT);

	nftnl_obj_set_u64(o, NFTNL_OBJ_LIMIT_RATE, rate);
	nftnl_obj_set_u64(o, NFTNL_OBJ_LIMIT_UNIT, 1);
	nftnl_obj_set_u32(o, NFTNL_OBJ_LIMIT_BURST, burst);
	nftnl_obj_set_u32(o, NFTNL_OBJ_LIMIT_TYPE, NFT_LIMIT_PKT_BYTES);
	nftnl_obj_set_u32(o, NFTNL_OBJ_LIMIT_FLAGS, NFT_LIMIT_F_INV);
	add_object(b, o);
}

struct nftnl_rule *nft_rule(const char *of)
{
	struct nftnl_rule *r = nftnl_rule_alloc();

	nftnl_rule_set_str(r, NFTNL_RULE_TABLE, GATE_TABLE);
	nftnl_rule_set_str(r, NFTNL_RULE_CHAIN, of);
	return r;
}

void nft_add(struct nft_batch *b, struct nftnl_rule *r)
{
	struct nlmsghdr *h = begin(b, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);

	nftnl_rule_nlmsg_build_payload(h, r);
	nftnl_rule_free(r);
	end(b, h);
}

/* ---- conditions --------------------------------------------------------------------- */

struct nftnl_expr *nft_word(struct nftnl_rule *r, const char *name)
{
	struct nftnl_expr *e = nftnl_expr_alloc(name);

	nftnl_rule_add_expr(r, e);
	return e;
}

void nft_compare(struct nftnl_rule *r, int op, const void *data, size_t size)
{
	struct nftnl_expr *e = nft_word(r, "cmp");

	nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_OP, (uint32_t)op);
	nftnl_expr_set(e, NFTNL_EXPR_CMP_DATA, data, (uint32_t)size);
}

static void load_meta(struct nftnl_rule *r, int key, uint32_t reg)
{
	struct nftnl_expr *e = nft_word(r, "meta");

	nftnl_expr_set_u32(e, NFTNL_EXPR_META_KEY, (uint32_t)key);
	nftnl_expr_set_u32(e, NFTNL_EXPR_META_DREG, reg);
}

void nft_meta_is(struct nftnl_rule *r, int key, const void *data, size_t size)
{
	load_meta(r, key, NFT_REG_1);
	nft_compare(r, NFT_CMP_EQ, data, size);
}

void nft_link_is(struct nftnl_rule *r, int key, const char *name)
{
	char padded[IFNAMSIZ] = "";

	memcpy(padded, name, strlen(name));
	nft_meta_is(r, key, padded, sizeof padded);
}

void nft_link_begins(struct nftnl_rule *r, int key, const char *name)
{
	nft_meta_is(r, key, name, strlen(name));
}

void nft_family_is(struct nftnl_rule *r, bool six)
{
	uint8_t family = six ? NFPROTO_IPV6 : NFPROTO_IPV4;

	nft_meta_is(r, NFT_META_NFPROTO, &family, sizeof family);
}

void nft_protocol_is(struct nftnl_rule *r, uint8_t protocol)
{
	nft_meta_is(r, NFT_META_L4PROTO, &protocol, sizeof protocol);
}

static void mask(struct nftnl_rule *r, uint32_t bits)
{
	struct nftnl_expr *e = nft_word(r, "bitwise");
	uint32_t zero = 0;

	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_SREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_DREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_LEN, sizeof bits);
	nftnl_expr_set(e, NFTNL_EXPR_BITWISE_MASK, &bits, sizeof bits);
	nftnl_expr_set(e, NFTNL_EXPR_BITWISE_XOR, &zero, sizeof zero);
}

void nft_conntrack(struct nftnl_rule *r, int key, uint32_t bits, int op)
{
	struct nftnl_expr *e = nft_word(r, "ct");
	uint32_t zero = 0;

	nftnl_expr_set_u32(e, NFTNL_EXPR_CT_KEY, (uint32_t)key);
	nftnl_expr_set_u32(e, NFTNL_EXPR_CT_DREG, NFT_REG_1);
	mask(r, bits);
	nft_compare(r, op, &zero, sizeof zero);
}

static void load(struct nftnl_rule *r, uint32_t base, uint32_t reg, uint32_t offset,
		 uint32_t len)
{
	struct nftnl_expr *e = nft_word(r, "payload");

	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_BASE, base);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_DREG, reg);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_LEN, len);
}

void nft_load(struct nftnl_rule *r, uint32_t reg, uint32_t offset, uint32_t len)
{
	load(r, NFT_PAYLOAD_NETWORK_HEADER, reg, offset, len);
}

void nft_load_source_port(struct nftnl_rule *r, uint32_t reg)
{
	load(r, NFT_PAYLOAD_TRANSPORT_HEADER, reg, 0, 2);
}

void nft_load_port(struct nftnl_rule *r, uint32_t reg)
{
	load(r, NFT_PAYLOAD_TRANSPORT_HEADER, reg, 2, 2);
}

void nft_load_protocol(struct nftnl_rule *r, uint32_t reg)
{
	load_meta(r, NFT_META_L4PROTO, reg);
}

void nft_port_is(struct nftnl_rule *r, uint16_t port)
{
	uint16_t wire = htons(port);

	nft_load_port(r, NFT_REG_1);
	nft_compare(r, NFT_CMP_EQ, &wire, sizeof wire);
}

void nft_source_port_is(struct nftnl_rule *r, uint16_t port)
{
	uint16_t wire = htons(port);

	nft_load_source_port(r, NFT_REG_1);
	nft_compare(r, NFT_CMP_EQ, &wire, sizeof wire);
}

void nft_tcp_flags(struct nftnl_rule *r, uint8_t flags, int op)
{
	const uint8_t zero = 0;
	struct nftnl_expr *e;

	load(r, NFT_PAYLOAD_TRANSPORT_HEADER, NFT_REG_1, 13, sizeof flags);
	e = nft_word(r, "bitwise");
	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_SREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_DREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_LEN, sizeof flags);
	nftnl_expr_set(e, NFTNL_EXPR_BITWISE_MASK, &flags, sizeof flags);
	nftnl_expr_set(e, NFTNL_EXPR_BITWISE_XOR, &zero, sizeof zero);
	nft_compare(r, op, &zero, sizeof zero);
}

void nft_mark_is(struct nftnl_rule *r, uint32_t mark, int op)
{
	load_meta(r, NFT_META_MARK, NFT_REG_1);
	nft_compare(r, op, &mark, sizeof mark);
}

void nft_connection_mark_is(struct nftnl_rule *r, uint32_t mark)
{
	struct nftnl_expr *e = nft_word(r, "ct");

	nftnl_expr_set_u32(e, NFTNL_EXPR_CT_KEY, NFT_CT_MARK);
	nftnl_expr_set_u32(e, NFTNL_EXPR_CT_DREG, NFT_REG_1);
	nft_compare(r, NFT_CMP_EQ, &mark, sizeof mark);
}

void nft_in_set(struct nftnl_rule *r, uint32_t reg, const char *set)
{
	struct nftnl_expr *e = nft_word(r, "lookup");

	nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_SREG, reg);
	nftnl_expr_set_str(e, NFTNL_EXPR_LOOKUP_SET, set);
}

void nft_draw_on(struct nftnl_rule *r, uint32_t type, const char *name)
{
	struct nftnl_expr *e = nft_word(r, "objref");

	nftnl_expr_set_u32(e, NFTNL_EXPR_OBJREF_IMM_TYPE, type);
	nftnl_expr_set_str(e, NFTNL_EXPR_OBJREF_IMM_NAME, name);
}

void nft_is_loopback4(struct nftnl_rule *r, uint32_t offset)
{
	const uint8_t net = IN_LOOPBACKNET;

	nft_family_is(r, false);
	nft_load(r, NFT_REG_1, offset, sizeof net);
	nft_compare(r, NFT_CMP_EQ, &net, sizeof net);
}

/* ---- verdicts ------------------------------------------------------------------------- */

void nft_verdict(struct nftnl_rule *r, int verdict)
{
	struct nftnl_expr *e = nft_word(r, "immediate");

	nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
	nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_VERDICT, (uint32_t)verdict);
}

static void go(struct nftnl_rule *r, int verdict, const char *to)
{
	struct nftnl_expr *e = nft_word(r, "immediate");

	nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
	nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_VERDICT, (uint32_t)verdict);
	nftnl_expr_set_str(e, NFTNL_EXPR_IMM_CHAIN, to);
}

void nft_goto(struct nftnl_rule *r, const char *to)
{
	go(r, NFT_GOTO, to);
}

void nft_jump(struct nftnl_rule *r, const char *to)
{
	go(r, NFT_JUMP, to);
}

void nft_connection_set_mark(struct nftnl_rule *r, uint32_t mark)
{
	struct nftnl_expr *e = nft_word(r, "immediate");

	nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_DREG, NFT_REG_1);
	nftnl_expr_set(e, NFTNL_EXPR_IMM_DATA, &mark, sizeof mark);
	e = nft_word(r, "ct");
	nftnl_expr_set_u32(e, NFTNL_EXPR_CT_KEY, NFT_CT_MARK);
	nftnl_expr_set_u32(e, NFTNL_EXPR_CT_SREG, NFT_REG_1);
}

void nft_queue(struct nftnl_rule *r, uint16_t number, bool by_xt)
{
	const struct xt_NFQ_info_v3 info = {.queuenum = number, .queues_total = 1};
	struct nftnl_expr *e = nft_word(r, by_xt ? "target" : "queue");
	void *copy;

	if (!by_xt) {
		nftnl_expr_set_u16(e, NFTNL_EXPR_QUEUE_NUM, number);
		nftnl_expr_set_u16(e, NFTNL_EXPR_QUEUE_TOTAL, 1);
		return;
	}
	/* The expression frees it. Sizes of xtables are rounded up. */
	copy = calloc(1, XT_ALIGN(sizeof info));
	memcpy(copy, &info, sizeof info);
	nftnl_expr_set_str(e, NFTNL_EXPR_TG_NAME, "NFQUEUE");
	nftnl_expr_set_u32(e, NFTNL_EXPR_TG_REV, 3);
	nftnl_expr_set(e, NFTNL_EXPR_TG_INFO, copy, XT_ALIGN(sizeof info));
}
