/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Links, addresses and routes by rtnetlink. These requests depend on names and addresses,
 * other than those of netlink.h; and libmnl, which writes those, has no archive for a
 * static command in Debian: so they are put together here. Raw calls only.
 *
 * A socket stays in the namespace where it was opened, whoever uses it.
 */
#ifndef CIS_NET_RTNL_H
#define CIS_NET_RTNL_H

#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stddef.h>
#include <stdint.h>

struct rtnl_request {
	struct nlmsghdr h;
	union {
		struct ifinfomsg link;
		struct ifaddrmsg address;
		struct rtmsg route;
		struct ndmsg neighbour;
	};
	char attrs[512];
};

/* @head: size of the member of the union that it has. */
struct rtnl_request rtnl_request(int type, int flags, size_t head);
/* There is room: what callers put are names and addresses. */
void rtnl_put(struct rtnl_request *q, int type, const void *data, size_t len);
/* Attributes follow until rtnl_end(@nest). */
struct rtattr *rtnl_nest(struct rtnl_request *q, int type);
void rtnl_end(struct rtnl_request *q, struct rtattr *nest);

/* Of @left bytes of attributes that of a type, or NULL. */
const struct rtattr *rtnl_attr(const struct rtattr *at, int left, int type);

/* A socket in the namespace @netns, or with -1 in the caller's. CLOEXEC. */
int rtnl_socket(int netns, int family, int type, int protocol);
int rtnl_open(int netns);
/* Sends it and hears the first datagram: its length. An error message is its error. */
int rtnl_ask(int fd, const struct rtnl_request *q, void *answer, size_t size);
int rtnl_tell(int fd, const struct rtnl_request *q);
/* Every record of a dump; @each says 0, or -errno to end it. */
typedef int rtnl_record(const struct nlmsghdr *h, void *arg);
int rtnl_dump(int fd, const struct rtnl_request *q, rtnl_record *each, void *arg);

/* The device's index; -ENODEV. */
int rtnl_find(int fd, const char *name);
int rtnl_set_up(int fd, int index);

#endif
