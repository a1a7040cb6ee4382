/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "flows.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "../base/macros.h"
#include "../base/sys.h"
#include "../net/gate-messages.h"
#include "nfnl.h"

#define COPY_BYTES 64
#define DATAGRAM_MAX 32768

/* ---- asking ------------------------------------------------------------------------------ */

/* A burst of connections is heard; and whose end finds no room is told later. */
int flows_subscribe(int fd)
{
	const int size = 4 << 20, on = 1;
	const struct sockaddr_nl groups = {
		.nl_family = AF_NETLINK,
		.nl_groups = 1u << (NFNLGRP_CONNTRACK_NEW - 1) |
			     1u << (NFNLGRP_CONNTRACK_DESTROY - 1),
	};

	if (SYS(setsockopt, fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) < 0)
		SYS(setsockopt, fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
	SYS(setsockopt, fd, SOL_NETLINK, NETLINK_BROADCAST_ERROR, &on, sizeof on);
	return SYS(bind, fd, &groups, sizeof groups);
}

int refusals_subscribe(int fd)
{
	const struct nfulnl_msg_config_cmd bind = {.command = NFULNL_CFG_CMD_BIND};
	const struct nfulnl_msg_config_mode mode = {.copy_range = htonl(COPY_BYTES),
						    .copy_mode = NFULNL_COPY_PACKET};
	/* Each at once: the kernel would wait for more, and we end before it stops waiting. */
	const uint32_t threshold = htonl(1);
	struct nfnl_request q = nfnl_request(NFNL_SUBSYS_ULOG, NFULNL_MSG_CONFIG, NLM_F_ACK);

	q.g.res_id = htons(EGRESS_LOG_GROUP);
	nfnl_put(&q, NFULA_CFG_CMD, &bind, sizeof bind);
	nfnl_put(&q, NFULA_CFG_MODE, &mode, sizeof mode);
	nfnl_put(&q, NFULA_CFG_QTHRESH, &threshold, sizeof threshold);
	return nfnl_tell(fd, &q);
}

int flows_ask_all(int fd)
{
	struct nfnl_request q = nfnl_request(NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET, NLM_F_DUMP);
	int r = SYS(sendto, fd, &q, q.h.nlmsg_len, 0, NULL, 0);

	return r < 0 ? r : 0;
}

/* ---- reading ----------------------------------------------------------------------------- */

static uint64_t counted(struct nfnl_attrs counters)
{
	uint64_t wire;

	return nfnl_copy(nfnl_find(counters, CTA_COUNTERS_BYTES), &wire, sizeof wire)
		       ? __builtin_bswap64(wire)
		       : 0;
}

static uint16_t port_of(struct nfnl_attrs proto, unsigned int type)
{
	uint16_t wire;

	return nfnl_copy(nfnl_find(proto, type), &wire, sizeof wire) ? ntohs(wire) : 0;
}

static bool flow_of_connection(struct nfnl_attrs l, struct flow *f)
{
	struct nfnl_attrs there = nfnl_find(l, CTA_TUPLE_ORIG);
	struct nfnl_attrs back = nfnl_find(l, CTA_TUPLE_REPLY);
	struct nfnl_attrs ip = nfnl_find(there, CTA_TUPLE_IP);
	struct nfnl_attrs proto = nfnl_find(there, CTA_TUPLE_PROTO);
	struct nfnl_attrs answers = nfnl_find(back, CTA_TUPLE_IP);

	*f = (struct flow){0};
	f->six = nfnl_find(ip, CTA_IP_V6_DST).len == 16;
	if (!nfnl_copy(nfnl_find(ip, f->six ? CTA_IP_V6_SRC : CTA_IP_V4_SRC), f->source,
		  f->six ? 16 : 4) ||
	    !nfnl_copy(nfnl_find(ip, f->six ? CTA_IP_V6_DST : CTA_IP_V4_DST), f->target,
		  f->six ? 16 : 4) ||
	    !nfnl_copy(nfnl_find(answers, f->six ? CTA_IP_V6_SRC : CTA_IP_V4_SRC), f->answers_from,
		  f->six ? 16 : 4) ||
	    !nfnl_copy(nfnl_find(proto, CTA_PROTO_NUM), &f->protocol, 1))
		return false;
	f->source_port = port_of(proto, CTA_PROTO_SRC_PORT);
	f->target_port = port_of(proto, CTA_PROTO_DST_PORT);
	if (nfnl_copy(nfnl_find(l, CTA_MARK), &f->mark, sizeof f->mark))
		f->mark = ntohl(f->mark);
	f->up = counted(nfnl_find(l, CTA_COUNTERS_ORIG));
	f->down = counted(nfnl_find(l, CTA_COUNTERS_REPLY));
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

static bool flow_of_refusal(struct nfnl_attrs l, struct flow *f)
{
	struct nfnl_attrs why = nfnl_find(l, NFULA_PREFIX), packet = nfnl_find(l, NFULA_PAYLOAD);

	if (!flow_of_packet((const uint8_t *)packet.at, packet.len, f))
		return false;
	memcpy(f->why, why.at, MIN(why.len, sizeof f->why - 1));
	return true;
}

struct reader {
	flow_seen *each;
	void *context;
	bool *ret_end;
};

static void on_connection(void *arg, const struct nlmsghdr *h)
{
	struct reader *r = arg;
	struct flow f;

	if (h->nlmsg_type == NLMSG_DONE || h->nlmsg_type == NLMSG_ERROR) {
		*r->ret_end = true;
	} else if (h->nlmsg_type >> 8 == NFNL_SUBSYS_CTNETLINK &&
		   flow_of_connection(nfnl_of(h), &f)) {
		/* An answer to a dump is of the same type, and no event. */
		f.is_new = (h->nlmsg_type & 0xff) == IPCTNL_MSG_CT_NEW && !h->nlmsg_seq;
		r->each(r->context, &f);
	}
}

static void on_refusal(void *arg, const struct nlmsghdr *h)
{
	struct reader *r = arg;
	struct flow f;

	if (h->nlmsg_type == (NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_PACKET) &&
	    flow_of_refusal(nfnl_of(h), &f))
		r->each(r->context, &f);
}

int flows_read(int fd, flow_seen *each, void *context, bool *ret_end)
{
	_Alignas(struct nlmsghdr) char buf[DATAGRAM_MAX];

	return nfnl_read(fd, buf, sizeof buf, on_connection,
			 &(struct reader){each, context, ret_end});
}

int refusals_read(int fd, flow_seen *each, void *context)
{
	_Alignas(struct nlmsghdr) char buf[DATAGRAM_MAX];

	return nfnl_read(fd, buf, sizeof buf, on_refusal, &(struct reader){each, context, NULL});
}
