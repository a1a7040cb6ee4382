/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "queue.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <string.h>
#include <sys/socket.h>

#include "../base/macros.h"
#include "../base/sys.h"
#include "../net/gate-messages.h"
#include "nfnl.h"

#define WAITING_MAX 1024 /* packets, of all connections */

static struct nfnl_request request(int type, int flags)
{
	struct nfnl_request q = nfnl_request(NFNL_SUBSYS_QUEUE, type, flags);

	q.g.res_id = htons(EGRESS_QUEUE);
	return q;
}

int queue_bind(int fd)
{
	const struct nfqnl_msg_config_cmd bind = {.command = NFQNL_CFG_CMD_BIND};
	const struct nfqnl_msg_config_params params = {.copy_range = htonl(QUEUE_PACKET_MAX),
						       .copy_mode = NFQNL_COPY_PACKET};
	const uint32_t waiting = htonl(WAITING_MAX);
	const int size = 4 << 20, on = 1;
	struct nfnl_request q = request(NFQNL_MSG_CONFIG, NLM_F_ACK);

	if (SYS(setsockopt, fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) < 0)
		SYS(setsockopt, fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
	/* Whom it finds no room for is dropped; there is nobody to tell. */
	SYS(setsockopt, fd, SOL_NETLINK, NETLINK_NO_ENOBUFS, &on, sizeof on);
	nfnl_put(&q, NFQA_CFG_CMD, &bind, sizeof bind);
	nfnl_put(&q, NFQA_CFG_PARAMS, &params, sizeof params);
	nfnl_put(&q, NFQA_CFG_QUEUE_MAXLEN, &waiting, sizeof waiting);
	return nfnl_tell(fd, &q);
}

struct reader {
	queue_seen *each;
	void *context;
};

static void on_packet(void *arg, const struct nlmsghdr *h)
{
	const struct reader *r = arg;
	const struct nfnl_attrs l = nfnl_of(h);
	struct nfqnl_msg_packet_hdr head;
	struct nfnl_attrs packet;
	uint32_t whole;
	bool is_cut;

	if (h->nlmsg_type != (NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_PACKET) ||
	    !nfnl_copy(nfnl_find(l, NFQA_PACKET_HDR), &head, sizeof head))
		return;
	packet = nfnl_find(l, NFQA_PAYLOAD);
	is_cut = nfnl_copy(nfnl_find(l, NFQA_CAP_LEN), &whole, sizeof whole);
	/* In the buffer of queue_read(), which is not const. */
	r->each(r->context, ntohl(head.packet_id), is_cut ? NULL : (uint8_t *)(uintptr_t)packet.at,
		is_cut ? 0 : packet.len);
}

int queue_read(int fd, void *buf, queue_seen *each, void *context)
{
	return nfnl_read(fd, buf, QUEUE_DATAGRAM_MAX, on_packet,
			 &(struct reader){each, context});
}

static struct nfnl_request verdict(int type, uint32_t id, uint32_t v)
{
	const struct nfqnl_msg_verdict_hdr head = {.verdict = htonl(v), .id = htonl(id)};
	struct nfnl_request q = request(type, 0);

	nfnl_put(&q, NFQA_VERDICT_HDR, &head, sizeof head);
	return q;
}

static void tell(int fd, const struct nfnl_request *q)
{
	SYS(sendto, fd, q, q->h.nlmsg_len, 0, NULL, 0);
}

void queue_pass(int fd, uint32_t id, uint32_t mark)
{
	struct nfnl_request q = verdict(NFQNL_MSG_VERDICT, id, NF_ACCEPT);

	mark = htonl(mark);
	if (mark)
		nfnl_put(&q, NFQA_MARK, &mark, sizeof mark);
	tell(fd, &q);
}

void queue_drop(int fd, uint32_t id)
{
	const struct nfnl_request q = verdict(NFQNL_MSG_VERDICT, id, NF_DROP);

	tell(fd, &q);
}

void queue_drop_until(int fd, uint32_t id)
{
	const struct nfnl_request q = verdict(NFQNL_MSG_VERDICT_BATCH, id, NF_DROP);

	tell(fd, &q);
}

void queue_pass_as(int fd, uint32_t id, const uint8_t *packet, size_t len, void *buf)
{
	struct nfnl_request q = verdict(NFQNL_MSG_VERDICT, id, NF_ACCEPT);
	const size_t at = q.h.nlmsg_len;
	struct nlattr a = {.nla_len = (uint16_t)(NLA_HDRLEN + len), .nla_type = NFQA_PAYLOAD};

	q.h.nlmsg_len += (uint32_t)NLA_ALIGN(NLA_HDRLEN + len);
	memset(buf, 0, q.h.nlmsg_len);
	memcpy(buf, &q, at);
	memcpy((char *)buf + at, &a, sizeof a);
	memcpy((char *)buf + at + NLA_HDRLEN, packet, len);
	SYS(sendto, fd, buf, q.h.nlmsg_len, 0, NULL, 0);
}
