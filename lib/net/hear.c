/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hear.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "../base/fd.h"
#include "../base/sys.h"
#include "egress.h"
#include "gate-messages.h"
#include "rtnl.h"

static int open_joined(int netns, uint32_t groups)
{
	const struct sockaddr_nl at = {.nl_family = AF_NETLINK, .nl_groups = groups};
	cleanup_close int fd = rtnl_open(netns);

	if (fd < 0)
		return fd;
	return bind(fd, (const struct sockaddr *)&at, sizeof at) < 0 ? -errno : steal_fd(&fd);
}

static int ask_addresses(int fd)
{
	struct rtnl_request q = rtnl_request(RTM_GETADDR, NLM_F_DUMP, sizeof q.address);

	return SYS(sendto, fd, &q, q.h.nlmsg_len, 0, NULL, 0);
}

int hear_addresses(void)
{
	cleanup_close int fd = open_joined(-1, RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR);
	int r = fd < 0 ? fd : ask_addresses(fd);

	return r < 0 ? r : steal_fd(&fd);
}

/* And, as to connect() it is the same, ::ffff: with it. */
static int shut(int nft, const struct egress_element *e)
{
	static const uint8_t mapped[12] = {[10] = 0xff, 0xff};
	struct egress_element six = {.six = true};
	int r = egress_shut_child(nft, e);

	if (r < 0 || e->six)
		return r;
	memcpy(six.low, mapped, sizeof mapped);
	memcpy(six.low + sizeof mapped, e->low, 4);
	memcpy(six.high, six.low, sizeof six.high);
	return egress_shut_child(nft, &six);
}

int hear_shut_child(int fd, int nft)
{
	_Alignas(struct nlmsghdr) char text[32768];
	int len = SYS(recvfrom, fd, text, sizeof text, MSG_DONTWAIT, NULL, NULL), r = 0;
	struct egress_element e;

	/* Something was missed. */
	if (len == -ENOBUFS)
		return ask_addresses(fd);
	if (len < 0)
		return len == -EAGAIN || len == -EINTR ? 0 : len;
	for (const struct nlmsghdr *h = (const struct nlmsghdr *)text;
	     NLMSG_OK(h, (unsigned int)len) && r >= 0; h = NLMSG_NEXT(h, len))
		if (egress_read_address(h, &e))
			r = shut(nft, &e);
	return r;
}

int hear_links(int gate)
{
	return open_joined(gate, RTMGRP_LINK);
}

int hear_uplink(int fd)
{
	_Alignas(struct nlmsghdr) char text[32768];
	int len = SYS(recvfrom, fd, text, sizeof text, MSG_DONTWAIT, NULL, NULL);
	const struct nlmsghdr *h = (const struct nlmsghdr *)text;

	if (len < 0)
		return len == -EAGAIN || len == -EINTR ? 0 : len;
	for (; NLMSG_OK(h, (unsigned int)len); h = NLMSG_NEXT(h, len)) {
		const struct rtattr *at;

		if (h->nlmsg_type != RTM_NEWLINK)
			continue;
		at = rtnl_attr(IFLA_RTA(NLMSG_DATA(h)), (int)IFLA_PAYLOAD(h), IFLA_IFNAME);
		if (at && strcmp(RTA_DATA(at), EGRESS_UPLINK) == 0)
			return 1;
	}
	return 0;
}
