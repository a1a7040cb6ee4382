/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "elements.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <string.h>

#include "gate-messages.h"

struct writer {
	char *at;
	const char *end;
	bool is_full;
};

static void *grow(struct writer *w, size_t len)
{
	char *at = w->at;
	size_t aligned = NLA_ALIGN(len);

	if ((size_t)(w->end - w->at) < aligned) {
		w->is_full = true;
		return NULL;
	}
	memset(at, 0, aligned);
	w->at += aligned;
	return at;
}

static void put(struct writer *w, int type, const void *data, size_t len)
{
	struct nlattr *a = grow(w, NLA_HDRLEN + len);

	if (!a)
		return;
	a->nla_type = (uint16_t)type;
	a->nla_len = (uint16_t)(NLA_HDRLEN + len);
	memcpy((char *)a + NLA_HDRLEN, data, len);
}

static struct nlattr *nest(struct writer *w, int type)
{
	struct nlattr *a = grow(w, NLA_HDRLEN);

	if (a)
		a->nla_type = (uint16_t)(type | NLA_F_NESTED);
	return a;
}

static void end(struct writer *w, struct nlattr *a)
{
	if (a)
		a->nla_len = (uint16_t)(w->at - (char *)a);
}

/* ---- elements -------------------------------------------------------------------------- */

static const struct {
	const char *name[2];
	unsigned int parts; /* of a key: address, protocol, port */
	bool is_range, has_timeout;
} kinds[] = {
	[EGRESS_NEVER] = {{"never4", "never6"}, 1, true, false},
	[EGRESS_HOSTS] = {{"hosts4", "hosts6"}, 2, false, true},
	[EGRESS_NAMES] = {{"names4", "names6"}, 3, false, true},
	[EGRESS_NETS] = {{"nets4", "nets6"}, 3, true, false},
	[EGRESS_KEPT] = {{"kept4", "kept6"}, 2, false, true},
};

static void put_key(struct writer *w, int type, enum egress_set set, bool six,
		    const uint8_t *address, uint8_t protocol, uint16_t port)
{
	size_t size = six ? 16 : 4;
	struct nlattr *key = nest(w, type);
	uint8_t data[24] = {0};

	memcpy(data, address, size);
	/* Each part takes four bytes. */
	if (kinds[set].parts > 1) {
		data[size] = protocol;
		size += 4;
	}
	if (kinds[set].parts > 2) {
		data[size] = (uint8_t)(port >> 8);
		data[size + 1] = (uint8_t)port;
		size += 4;
	}
	put(w, NFTA_DATA_VALUE, data, size);
	end(w, key);
}

static void put_u32(struct writer *w, int type, uint32_t value)
{
	uint32_t wire = htonl(value);

	put(w, type, &wire, sizeof wire);
}

static void put_timeout(struct writer *w, uint32_t seconds)
{
	uint64_t msec = __builtin_bswap64((uint64_t)seconds * 1000);

	put(w, NFTA_SET_ELEM_TIMEOUT, &msec, sizeof msec);
}

/* The address after the last; false after the highest there is. */
static bool add_one(uint8_t *address, size_t size)
{
	for (size_t i = size; i-- > 0;)
		if (++address[i])
			return true;
	return false;
}

static void put_element(struct writer *w, enum egress_set set, const struct egress_element *e)
{
	struct nlattr *elem = nest(w, NFTA_LIST_ELEM);
	uint8_t after[16];

	put_key(w, NFTA_SET_ELEM_KEY, set, e->six, e->low, e->protocol_low, e->port_low);
	if (kinds[set].is_range && kinds[set].parts > 1)
		put_key(w, NFTA_SET_ELEM_KEY_END, set, e->six, e->high, e->protocol_high,
			e->port_high);
	if (kinds[set].has_timeout && e->seconds)
		put_timeout(w, e->seconds);
	end(w, elem);
	if (!kinds[set].is_range || kinds[set].parts > 1)
		return;
	/* A plain range is two elements: where it begins, and what follows it. */
	memcpy(after, e->high, sizeof after);
	if (!add_one(after, e->six ? 16 : 4))
		return;
	elem = nest(w, NFTA_LIST_ELEM);
	put_key(w, NFTA_SET_ELEM_KEY, set, e->six, after, 0, 0);
	put_u32(w, NFTA_SET_ELEM_FLAGS, NFT_SET_ELEM_INTERVAL_END);
	end(w, elem);
}

static size_t write_message(char *buf, size_t size, int type, int flags, enum egress_set set,
			    const struct egress_element *v, size_t n)
{
	struct writer w = {buf, buf + size, false};
	struct nlmsghdr *h = grow(&w, NLMSG_HDRLEN);
	struct nfgenmsg *g = grow(&w, sizeof *g);
	const char *name;
	struct nlattr *list;

	if (!n || n > EGRESS_ELEMENTS_MAX || !h || !g)
		return 0;
	name = kinds[set].name[v->six];
	h->nlmsg_type = (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type);
	h->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	h->nlmsg_seq = 1;
	g->nfgen_family = NFPROTO_INET;
	put(&w, NFTA_SET_ELEM_LIST_TABLE, GATE_TABLE, sizeof GATE_TABLE);
	put(&w, NFTA_SET_ELEM_LIST_SET, name, strlen(name) + 1);
	list = nest(&w, NFTA_SET_ELEM_LIST_ELEMENTS);
	for (size_t i = 0; i < n; i++)
		put_element(&w, set, &v[i]);
	end(&w, list);
	h->nlmsg_len = (uint32_t)(w.at - buf);
	return w.is_full ? 0 : (size_t)(w.at - buf);
}

size_t elements_put(char *buf, size_t size, enum egress_set set,
		    const struct egress_element *v, size_t n)
{
	return write_message(buf, size, NFT_MSG_NEWSETELEM, NLM_F_CREATE | NLM_F_EXCL, set,
			     v, n);
}

size_t elements_drop(char *buf, size_t size, enum egress_set set,
		     const struct egress_element *v)
{
	return write_message(buf, size, NFT_MSG_DELSETELEM, 0, set, v, 1);
}

size_t elements_find(char *buf, size_t size, enum egress_set set,
		     const struct egress_element *v)
{
	return write_message(buf, size, NFT_MSG_GETSETELEM, 0, set, v, 1);
}
