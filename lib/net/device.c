/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "device.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>

#include "../base/fd.h"
#include "../base/macros.h"
#include "../base/sys.h"

#define MAX_ADDRESSES 64
#define MAX_ATTRS 4 /* of one that are kept: local, peer, broadcast, flags */
#define KEPT_FLAGS (IFA_F_NOPREFIXROUTE | IFA_F_NODAD)

struct request {
	struct nlmsghdr h;
	union {
		struct ifinfomsg link;
		struct ifaddrmsg address;
	};
	char attrs[256];
};

struct address {
	struct ifaddrmsg head;
	struct {
		unsigned short type, len;
		char data[16];
	} attrs[MAX_ATTRS];
	size_t n;
};

struct addresses {
	struct address v[MAX_ADDRESSES];
	size_t n;
};

/* ---- messages ------------------------------------------------------------------ */

static struct request request(int type, int flags, size_t head)
{
	return (struct request){.h = {
		.nlmsg_len = NLMSG_LENGTH(head),
		.nlmsg_type = (uint16_t)type,
		.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags),
		.nlmsg_seq = 1,
	}};
}

/* The attributes of a request are ours or as short as the kernel's: there is room. */
static void put(struct request *q, int type, const void *data, size_t len)
{
	struct rtattr *a = (struct rtattr *)((char *)q + NLMSG_ALIGN(q->h.nlmsg_len));

	a->rta_type = (unsigned short)type;
	a->rta_len = (unsigned short)RTA_LENGTH(len);
	memcpy(RTA_DATA(a), data, len);
	q->h.nlmsg_len = NLMSG_ALIGN(q->h.nlmsg_len) + (uint32_t)RTA_ALIGN(a->rta_len);
}

/* Stays where it was opened, whoever uses it: in @netns, or with -1 in ours. */
static int open_socket(int netns)
{
	cleanup_close int ours = -1;
	int fd, r;

	if (netns < 0)
		return SYS(socket, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	/* The thread's: nobody else comes along. */
	ours = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (ours < 0)
		return -errno;
	r = SYS(setns, netns, CLONE_NEWNET);
	if (r < 0)
		return r;
	fd = SYS(socket, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	r = SYS(setns, ours, CLONE_NEWNET);
	if (r < 0)
		fd_close(fd);
	return r < 0 ? r : fd;
}

/* Sends it and hears the first message: its length. An error message is its error. */
static int ask(int fd, const struct request *q, void *answer, size_t size)
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

static int tell(int fd, const struct request *q)
{
	_Alignas(struct nlmsghdr) char answer[1024];
	int r = ask(fd, q, answer, sizeof answer);

	return MIN(r, 0);
}

/* ---- links ----------------------------------------------------------------------- */

static int find(int fd, const char *name)
{
	struct request q = request(RTM_GETLINK, 0, sizeof q.link);
	_Alignas(struct nlmsghdr) char answer[16384];
	const struct nlmsghdr *h = (const struct nlmsghdr *)answer;
	int r;

	put(&q, IFLA_IFNAME, name, strlen(name) + 1);
	r = ask(fd, &q, answer, sizeof answer);
	if (r < 0)
		return r;
	if (h->nlmsg_type != RTM_NEWLINK || h->nlmsg_len < NLMSG_LENGTH(sizeof q.link))
		return -EBADMSG;
	return ((const struct ifinfomsg *)NLMSG_DATA(h))->ifi_index;
}

int net_device_index(int netns, const char *name)
{
	cleanup_close int fd = open_socket(netns);

	return fd < 0 ? fd : find(fd, name);
}

static int change_namespace(int fd, int index, int netns, const char *new_name)
{
	struct request q = request(RTM_NEWLINK, NLM_F_ACK, sizeof q.link);
	uint32_t there = (uint32_t)netns;

	q.link.ifi_index = index;
	put(&q, IFLA_NET_NS_FD, &there, sizeof there);
	put(&q, IFLA_IFNAME, new_name, strlen(new_name) + 1);
	return tell(fd, &q);
}

static int set_up(int fd, int index)
{
	struct request q = request(RTM_NEWLINK, NLM_F_ACK, sizeof q.link);

	q.link.ifi_index = index;
	q.link.ifi_flags = q.link.ifi_change = IFF_UP;
	return tell(fd, &q);
}

/* ---- addresses -------------------------------------------------------------------- */

static void keep_attr(struct address *a, int type, const void *data, size_t len)
{
	if (a->n == MAX_ATTRS || len > sizeof a->attrs->data)
		return;
	a->attrs[a->n].type = (unsigned short)type;
	a->attrs[a->n].len = (unsigned short)len;
	memcpy(a->attrs[a->n++].data, data, len);
}

/*
 * What a router or a server lent has an end, and its sense in the old network only; and the
 * kernel makes addresses of the link by itself.
 */
static int keep_address(struct addresses *l, const struct nlmsghdr *h, int index)
{
	const struct ifaddrmsg *head = NLMSG_DATA(h);
	struct address a = {.head = *head};
	int left = (int)IFA_PAYLOAD(h);
	uint32_t flags = head->ifa_flags;

	if ((int)head->ifa_index != index || head->ifa_scope != RT_SCOPE_UNIVERSE)
		return 0;
	for (const struct rtattr *at = IFA_RTA(head); RTA_OK(at, left); at = RTA_NEXT(at, left)) {
		if (at->rta_type == IFA_FLAGS && RTA_PAYLOAD(at) == sizeof flags)
			memcpy(&flags, RTA_DATA(at), sizeof flags);
		else if (at->rta_type == IFA_LOCAL || at->rta_type == IFA_ADDRESS ||
			 at->rta_type == IFA_BROADCAST)
			keep_attr(&a, at->rta_type, RTA_DATA(at), RTA_PAYLOAD(at));
	}
	if (!(flags & IFA_F_PERMANENT))
		return 0;
	if (l->n == MAX_ADDRESSES)
		return -E2BIG;
	flags &= KEPT_FLAGS;
	keep_attr(&a, IFA_FLAGS, &flags, sizeof flags);
	a.head.ifa_flags = 0;
	l->v[l->n++] = a;
	return 0;
}

/* Of one datagram. 1: it was the last. */
static int keep_addresses(struct addresses *l, const void *data, size_t len, int index)
{
	int r = 0;

	for (const struct nlmsghdr *h = data; NLMSG_OK(h, len) && r == 0;
	     h = NLMSG_NEXT(h, len)) {
		if (h->nlmsg_type == NLMSG_DONE)
			return 1;
		if (h->nlmsg_type == NLMSG_ERROR)
			return -EIO;
		if (h->nlmsg_type == RTM_NEWADDR &&
		    h->nlmsg_len >= NLMSG_LENGTH(sizeof(struct ifaddrmsg)))
			r = keep_address(l, h, index);
	}
	return r;
}

static int read_addresses(int fd, int index, struct addresses *l)
{
	struct request q = request(RTM_GETADDR, NLM_F_DUMP, sizeof q.address);
	_Alignas(struct nlmsghdr) char answer[32768];
	int r = ask(fd, &q, answer, sizeof answer), end = 0;

	l->n = 0;
	while (r >= 0 && end == 0) {
		end = keep_addresses(l, answer, (size_t)r, index);
		if (end == 0)
			r = SYS(recvfrom, fd, answer, sizeof answer, 0, NULL, NULL);
	}
	return r < 0 ? r : MIN(end, 0);
}

static int add_address(int fd, int index, const struct address *a)
{
	struct request q = request(RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL,
				   sizeof q.address);

	q.address = a->head;
	q.address.ifa_index = (unsigned int)index;
	for (size_t i = 0; i < a->n; i++)
		put(&q, a->attrs[i].type, a->attrs[i].data, a->attrs[i].len);
	return tell(fd, &q);
}

/* ---- both -------------------------------------------------------------------------- */

/* In its new namespace, where it is down and has no address. */
static int settle(int fd, const char *name, const struct addresses *l)
{
	int index = find(fd, name), r = MIN(index, 0);

	for (size_t i = 0; i < l->n && r >= 0; i++)
		r = add_address(fd, index, &l->v[i]);
	return r < 0 ? r : set_up(fd, index);
}

int net_device_move(int netns, const char *name, const char *new_name, struct cis_error *err)
{
	cleanup_close int here = open_socket(-1), there = open_socket(netns);
	struct addresses kept;
	int index, r;

	if (here < 0 || there < 0)
		return cis_fail(err, here < 0 ? -here : -there, "netlink");
	index = find(here, name);
	if (index < 0)
		return cis_fail(err, -index, "find the network device %s", name);
	/* The kernel would move it first, and then find that it cannot be called so. */
	if (find(there, new_name) >= 0)
		return cis_fail_plain(err, EEXIST,
				      "the network namespace has a device %s already", new_name);
	r = read_addresses(here, index, &kept);
	if (r < 0)
		return cis_fail(err, -r, "read the addresses of %s", name);
	r = change_namespace(here, index, netns, new_name);
	if (r < 0)
		return cis_fail(err, -r, "move the network device %s", name);
	r = settle(there, new_name, &kept);
	return r < 0 ? cis_fail(err, -r, "set up the network device %s", new_name) : 0;
}
