/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "flows.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "../base/macros.h"
#include "../base/sys.h"
#include "../net/gate-messages.h"

#define COPY_BYTES 64
#define DATAGRAM_MAX 32768

/* ---- asking ------------------------------------------------------------------------------ */

struct request {
	struct nlmsghdr h;
	struct nfgenmsg g;
	char attrs[64];
};

static struct request request(int subsystem, int type, int flags)
{
	return (struct request){
		.h = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct nfgenmsg)),
		      .nlmsg_type = (uint16_t)(subsystem << 8 | type),
		      .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags),
		      .nlmsg_seq = 1},
		.g = {.nfgen_family = AF_UNSPEC},
	};
}

static void put(struct request *q, int type, const void *data, size_t len)
{
	struct nlattr *a = (struct nlattr *)((char *)q + NLMSG_ALIGN(q->h.nlmsg_len));

	a->nla_type = (uint16_t)type;
	a->nla_len = (uint16_t)(NLA_HDRLEN + len);
	memcpy((char *)a + NLA_HDRLEN, data, len);
	q->h.nlmsg_len = NLMSG_ALIGN(q->h.nlmsg_len) + (uint32_t)NLA_ALIGN(a->nla_len);
}

static int tell(int fd, const struct request *q)
{
	_Alignas(struct nlmsghdr) char answer[1024];
	const struct nlmsghdr *h = (const struct nlmsghdr *)answer;
	int r = SYS(sendto, fd, q, q->h.nlmsg_len, 0, NULL, 0);

	if (r >= 0)
		r = SYS(recvfrom, fd, answer, sizeof answer, 0, NULL, NULL);
	if (r < 0)
		return r;
	if (!NLMSG_OK(h, (size_t)r) || h->nlmsg_type != NLMSG_ERROR ||
	    h->nlmsg_len < NLMSG_LENGTH(sizeof(struct nlmsgerr)))
		return -EBADMSG;
	return ((const struct nlmsgerr *)NLMSG_DATA(h))->error;
}

int flows_subscribe(int fd)
{
	const struct sockaddr_nl groups = {
		.nl_family = AF_NETLINK,
		.nl_groups = 1u << (NFNLGRP_CONNTRACK_NEW - 1) |
			     1u << (NFNLGRP_CONNTRACK_DESTROY - 1),
	};

	return SYS(bind, fd, &groups, sizeof groups);
}

int refusals_subscribe(int fd)
{
	const struct nfulnl_msg_config_cmd bind = {.command = NFULNL_CFG_CMD_BIND};
	const struct nfulnl_msg_config_mode mode = {.copy_range = htonl(COPY_BYTES),
						    .copy_mode = NFULNL_COPY_PACKET};
	/* Each at once: the kernel gathers them for a second otherwise. */
	const uint32_t at_once = htonl(1);
	struct request q = request(NFNL_SUBSYS_ULOG, NFULNL_MSG_CONFIG, NLM_F_ACK);

	q.g.res_id = htons(EGRESS_LOG_GROUP);
	put(&q, NFULA_CFG_CMD, &bind, sizeof bind);
	put(&q, NFULA_CFG_MODE, &mode, sizeof mode);
	put(&q, NFULA_CFG_QTHRESH, &at_once, sizeof at_once);
	return tell(fd, &q);
}

int flows_ask_all(int fd)
{
	struct request q = request(NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET, NLM_F_DUMP);
	int r = SYS(sendto, fd, &q, q.h.nlmsg_len, 0, NULL, 0);

	return r < 0 ? r : 0;
}

/* ---- reading ----------------------------------------------------------------------------- */

struct attrs {
	const char *at;
	size_t len;
};

/* The next attribute's data, in order; false behind the last. */
static bool next(struct attrs *l, unsigned int *ret_type, struct attrs *ret)
{
	const struct nlattr *a = (const struct nlattr *)l->at;
	size_t step;

	if (l->len < NLA_HDRLEN || a->nla_len < NLA_HDRLEN || a->nla_len > l->len)
		return false;
	*ret_type = a->nla_type & NLA_TYPE_MASK;
	*ret = (struct attrs){l->at + NLA_HDRLEN, a->nla_len - NLA_HDRLEN};
	step = MIN((size_t)NLA_ALIGN(a->nla_len), l->len);
	l->at += step;
	l->len -= step;
	return true;
}

static struct attrs find(struct attrs l, unsigned int wanted)
{
	unsigned int type;
	struct attrs data;

	while (next(&l, &type, &data))
		if (type == wanted)
			return data;
	return (struct attrs){NULL, 0};
}

static bool copy(struct attrs data, void *ret, size_t size)
{
	if (data.len != size)
		return false;
	memcpy(ret, data.at, size);
	return true;
}

static uint64_t counted(struct attrs counters)
{
	uint64_t wire;

	return copy(find(counters, CTA_COUNTERS_BYTES), &wire, sizeof wire)
		       ? __builtin_bswap64(wire)
		       : 0;
}

static uint16_t port_of(struct attrs proto, unsigned int type)
{
	uint16_t wire;

	return copy(find(proto, type), &wire, sizeof wire) ? ntohs(wire) : 0;
}

static bool flow_of_connection(struct attrs l, struct flow *f)
{
	struct attrs there = find(l, CTA_TUPLE_ORIG), back = find(l, CTA_TUPLE_REPLY);
	struct attrs ip = find(there, CTA_TUPLE_IP), proto = find(there, CTA_TUPLE_PROTO);
	struct attrs answers = find(back, CTA_TUPLE_IP);

	*f = (struct flow){0};
	f->six = find(ip, CTA_IP_V6_DST).len == 16;
	if (!copy(find(ip, f->six ? CTA_IP_V6_SRC : CTA_IP_V4_SRC), f->source,
		  f->six ? 16 : 4) ||
	    !copy(find(ip, f->six ? CTA_IP_V6_DST : CTA_IP_V4_DST), f->target,
		  f->six ? 16 : 4) ||
	    !copy(find(answers, f->six ? CTA_IP_V6_SRC : CTA_IP_V4_SRC), f->answers_from,
		  f->six ? 16 : 4) ||
	    !copy(find(proto, CTA_PROTO_NUM), &f->protocol, 1))
		return false;
	f->source_port = port_of(proto, CTA_PROTO_SRC_PORT);
	f->target_port = port_of(proto, CTA_PROTO_DST_PORT);
	f->up = counted(find(l, CTA_COUNTERS_ORIG));
	f->down = counted(find(l, CTA_COUNTERS_REPLY));
	return true;
}

bool flow_of_packet(const uint8_t *p, size_t len, struct flow *ret)
{
	struct flow f = {0};
	size_t head;

	if (len < 1)
		return false;
	f.six = p[0] >> 4 == 6;
	head = f.six ? 40 : (size_t)(p[0] & 15) * 4;
	if (head < 20 || len < head || (!f.six && p[0] >> 4 != 4))
		return false;
	f.protocol = f.six ? p[6] : p[9];
	memcpy(f.source, f.six ? p + 8 : p + 12, f.six ? 16 : 4);
	memcpy(f.target, f.six ? p + 24 : p + 16, f.six ? 16 : 4);
	/* Only the first fragment begins with ports. */
	if ((f.protocol == IPPROTO_TCP || f.protocol == IPPROTO_UDP) && len >= head + 4 &&
	    (f.six || !((p[6] & 0x1f) << 8 | p[7]))) {
		f.source_port = (uint16_t)(p[head] << 8 | p[head + 1]);
		f.target_port = (uint16_t)(p[head + 2] << 8 | p[head + 3]);
	}
	*ret = f;
	return true;
}

static bool flow_of_refusal(struct attrs l, struct flow *f)
{
	struct attrs why = find(l, NFULA_PREFIX), packet = find(l, NFULA_PAYLOAD);

	if (!flow_of_packet((const uint8_t *)packet.at, packet.len, f))
		return false;
	memcpy(f->why, why.at, MIN(why.len, sizeof f->why - 1));
	return true;
}

static int read_datagram(int fd, char *buf, size_t size)
{
	return SYS(recvfrom, fd, buf, size, MSG_DONTWAIT, NULL, NULL);
}

static struct attrs attrs_of(const struct nlmsghdr *h)
{
	const size_t head = NLMSG_LENGTH(sizeof(struct nfgenmsg));

	if (h->nlmsg_len < head)
		return (struct attrs){NULL, 0};
	return (struct attrs){(const char *)h + head, h->nlmsg_len - head};
}

int flows_read(int fd, flow_seen *each, void *context, bool *ret_end)
{
	_Alignas(struct nlmsghdr) char buf[DATAGRAM_MAX];
	int r = read_datagram(fd, buf, sizeof buf);
	size_t left = (size_t)MAX(r, 0);

	for (const struct nlmsghdr *h = (const void *)buf; r > 0 && NLMSG_OK(h, left);
	     h = NLMSG_NEXT(h, left)) {
		struct flow f;

		if (h->nlmsg_type == NLMSG_DONE || h->nlmsg_type == NLMSG_ERROR)
			*ret_end = true;
		else if (h->nlmsg_type >> 8 == NFNL_SUBSYS_CTNETLINK &&
			 flow_of_connection(attrs_of(h), &f)) {
			/* An answer to a dump is of the same type, and no event. */
			f.is_new = (h->nlmsg_type & 0xff) == IPCTNL_MSG_CT_NEW && !h->nlmsg_seq;
			each(context, &f);
		}
	}
	return MIN(r, 0);
}

int refusals_read(int fd, flow_seen *each, void *context)
{
	_Alignas(struct nlmsghdr) char buf[DATAGRAM_MAX];
	int r = read_datagram(fd, buf, sizeof buf);
	size_t left = (size_t)MAX(r, 0);

	for (const struct nlmsghdr *h = (const void *)buf; r > 0 && NLMSG_OK(h, left);
	     h = NLMSG_NEXT(h, left)) {
		struct flow f;

		if (h->nlmsg_type == (NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_PACKET) &&
		    flow_of_refusal(attrs_of(h), &f))
			each(context, &f);
	}
	return MIN(r, 0);
}
