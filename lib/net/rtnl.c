/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rtnl.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>

#include "../base/fd.h"
#include "../base/macros.h"
#include "../base/sys.h"
#include "visit.h"

struct rtnl_request rtnl_request(int type, int flags, size_t head)
{
	return (struct rtnl_request){.h = {
		.nlmsg_len = NLMSG_LENGTH(head),
		.nlmsg_type = (uint16_t)type,
		.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags),
		.nlmsg_seq = 1,
	}};
}

static struct rtattr *tail(struct rtnl_request *q)
{
	return (struct rtattr *)((char *)q + NLMSG_ALIGN(q->h.nlmsg_len));
}

void rtnl_put(struct rtnl_request *q, int type, const void *data, size_t len)
{
	struct rtattr *a = tail(q);

	a->rta_type = (unsigned short)type;
	a->rta_len = (unsigned short)RTA_LENGTH(len);
	memcpy(RTA_DATA(a), data, len);
	q->h.nlmsg_len = NLMSG_ALIGN(q->h.nlmsg_len) + (uint32_t)RTA_ALIGN(a->rta_len);
}

struct rtattr *rtnl_nest(struct rtnl_request *q, int type)
{
	struct rtattr *a = tail(q);

	rtnl_put(q, type, "", 0);
	return a;
}

void rtnl_end(struct rtnl_request *q, struct rtattr *nest)
{
	nest->rta_len = (unsigned short)((char *)tail(q) - (char *)nest);
}

const struct rtattr *rtnl_attr(const struct rtattr *at, int left, int type)
{
	for (; RTA_OK(at, left); at = RTA_NEXT(at, left))
		if (at->rta_type == type)
			return at;
	return NULL;
}

struct wanted {
	int family, type, protocol, fd;
};

static int open_here(void *arg)
{
	struct wanted *w = arg;

	w->fd = SYS(socket, w->family, w->type | SOCK_CLOEXEC, w->protocol);
	return w->fd;
}

int rtnl_socket(int netns, int family, int type, int protocol)
{
	struct wanted w = {family, type, protocol, -1};
	int r = netns < 0 ? open_here(&w) : netns_visit(netns, open_here, &w);

	if (r < 0)
		fd_close(w.fd);
	return r < 0 ? r : w.fd;
}

int rtnl_open(int netns)
{
	return rtnl_socket(netns, AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
}

int rtnl_ask(int fd, const struct rtnl_request *q, void *answer, size_t size)
{
	const struct nlmsghdr *h = answer;
	int r = SYS(sendto, fd, q, q->h.nlmsg_len, 0, NULL, 0);

	if (r >= 0)
		r = SYS(recvfrom, fd, answer, size, 0, NULL, 0);
	if (r < 0)
		return r;
	if ((size_t)r < sizeof *h || !NLMSG_OK(h, (size_t)r))
		return -EBADMSG;
	if (h->nlmsg_type != NLMSG_ERROR)
		return r;
	return h->nlmsg_len < NLMSG_LENGTH(sizeof(struct nlmsgerr))
		       ? -EBADMSG
		       : ((const struct nlmsgerr *)NLMSG_DATA(h))->error;
}

int rtnl_tell(int fd, const struct rtnl_request *q)
{
	_Alignas(struct nlmsghdr) char answer[1024];
	int r = rtnl_ask(fd, q, answer, sizeof answer);

	return MIN(r, 0);
}

/* 1: it was the last of them. */
static int each_of(const void *data, size_t len, rtnl_record *each, void *arg)
{
	int r = 0;

	for (const struct nlmsghdr *h = data; NLMSG_OK(h, len) && r == 0;
	     h = NLMSG_NEXT(h, len)) {
		if (h->nlmsg_type == NLMSG_DONE)
			return 1;
		if (h->nlmsg_type == NLMSG_ERROR)
			return -EIO;
		r = each(h, arg);
	}
	return r;
}

int rtnl_dump(int fd, const struct rtnl_request *q, rtnl_record *each, void *arg)
{
	_Alignas(struct nlmsghdr) char answer[32768];
	int r = rtnl_ask(fd, q, answer, sizeof answer), end = 0;

	while (r >= 0 && end == 0) {
		end = each_of(answer, (size_t)r, each, arg);
		if (end == 0)
			r = SYS(recvfrom, fd, answer, sizeof answer, 0, NULL, NULL);
	}
	return r < 0 ? r : MIN(end, 0);
}

int rtnl_find(int fd, const char *name)
{
	struct rtnl_request q = rtnl_request(RTM_GETLINK, 0, sizeof q.link);
	_Alignas(struct nlmsghdr) char answer[16384];
	const struct nlmsghdr *h = (const struct nlmsghdr *)answer;
	int r;

	rtnl_put(&q, IFLA_IFNAME, name, strlen(name) + 1);
	r = rtnl_ask(fd, &q, answer, sizeof answer);
	if (r < 0)
		return r;
	if (h->nlmsg_type != RTM_NEWLINK || h->nlmsg_len < NLMSG_LENGTH(sizeof q.link))
		return -EBADMSG;
	return ((const struct ifinfomsg *)NLMSG_DATA(h))->ifi_index;
}

int rtnl_set_up(int fd, int index)
{
	struct rtnl_request q = rtnl_request(RTM_NEWLINK, NLM_F_ACK, sizeof q.link);

	q.link.ifi_index = index;
	q.link.ifi_flags = q.link.ifi_change = IFF_UP;
	return rtnl_tell(fd, &q);
}
