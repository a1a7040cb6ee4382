/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "device.h"

#include <errno.h>
#include <linux/if.h>
#include <string.h>

#include "../base/fd.h"
#include "../base/macros.h"
#include "rtnl.h"

#define MAX_ADDRESSES 64
#define MAX_ATTRS 4 /* of one that are kept: local, peer, broadcast, flags */
#define KEPT_FLAGS (IFA_F_NOPREFIXROUTE | IFA_F_NODAD)

struct address {
	struct ifaddrmsg head;
	struct {
		unsigned short type, len;
		char data[16];
	} attrs[MAX_ATTRS];
	size_t n;
};

struct addresses {
	int index; /* of the device */
	struct address v[MAX_ADDRESSES];
	size_t n;
};

/* ---- links ----------------------------------------------------------------------- */

int net_device_index(int netns, const char *name)
{
	cleanup_close int fd = rtnl_open(netns);

	return fd < 0 ? fd : rtnl_find(fd, name);
}

static int change_namespace(int fd, int index, int netns, const char *new_name)
{
	struct rtnl_request q = rtnl_request(RTM_NEWLINK, NLM_F_ACK, sizeof q.link);
	uint32_t there = (uint32_t)netns;

	q.link.ifi_index = index;
	rtnl_put(&q, IFLA_NET_NS_FD, &there, sizeof there);
	rtnl_put(&q, IFLA_IFNAME, new_name, strlen(new_name) + 1);
	return rtnl_tell(fd, &q);
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
static int keep_address(struct addresses *l, const struct nlmsghdr *h)
{
	const struct ifaddrmsg *head = NLMSG_DATA(h);
	struct address a = {.head = *head};
	int left = (int)IFA_PAYLOAD(h);
	uint32_t flags = head->ifa_flags;

	if ((int)head->ifa_index != l->index || head->ifa_scope != RT_SCOPE_UNIVERSE)
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

static int keep_each(const struct nlmsghdr *h, void *arg)
{
	struct addresses *l = arg;

	if (h->nlmsg_type != RTM_NEWADDR ||
	    h->nlmsg_len < NLMSG_LENGTH(sizeof(struct ifaddrmsg)))
		return 0;
	return keep_address(l, h);
}

static int read_addresses(int fd, int index, struct addresses *l)
{
	struct rtnl_request q = rtnl_request(RTM_GETADDR, NLM_F_DUMP, sizeof q.address);

	l->n = 0;
	l->index = index;
	return rtnl_dump(fd, &q, keep_each, l);
}

static int add_address(int fd, int index, const struct address *a)
{
	struct rtnl_request q = rtnl_request(RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL,
				   sizeof q.address);

	q.address = a->head;
	q.address.ifa_index = (unsigned int)index;
	for (size_t i = 0; i < a->n; i++)
		rtnl_put(&q, a->attrs[i].type, a->attrs[i].data, a->attrs[i].len);
	return rtnl_tell(fd, &q);
}

/* ---- both -------------------------------------------------------------------------- */

/* In its new namespace, where it is down and has no address. */
static int settle(int fd, const char *name, const struct addresses *l)
{
	int index = rtnl_find(fd, name), r = MIN(index, 0);

	for (size_t i = 0; i < l->n && r >= 0; i++)
		r = add_address(fd, index, &l->v[i]);
	return r < 0 ? r : rtnl_set_up(fd, index);
}

int net_device_move(int netns, const char *name, const char *new_name, struct cis_error *err)
{
	cleanup_close int here = rtnl_open(-1), there = rtnl_open(netns);
	struct addresses kept;
	int index, r;

	if (here < 0 || there < 0)
		return cis_fail(err, here < 0 ? -here : -there, "netlink");
	index = rtnl_find(here, name);
	if (index < 0)
		return cis_fail(err, -index, "find the network device %s", name);
	/* The kernel would move it first, and then find that it cannot be called so. */
	if (rtnl_find(there, new_name) >= 0)
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
