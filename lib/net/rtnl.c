/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rtnl.h"

#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "../base/fd.h"
#include "../base/str.h"
#include "../base/sys.h"

#define LOOPBACK_INDEX 1 /* the first link of every network namespace */

int rtnl_build_loopback_up(void **ret, size_t *ret_len)
{
	char buf[256];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct ifinfomsg *ifi;

	nlh->nlmsg_type = RTM_NEWLINK;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	nlh->nlmsg_seq = 1;
	ifi = mnl_nlmsg_put_extra_header(nlh, sizeof *ifi);
	ifi->ifi_family = AF_UNSPEC;
	ifi->ifi_index = LOOPBACK_INDEX;
	ifi->ifi_flags = ifi->ifi_change = IFF_UP;

	*ret = malloc(nlh->nlmsg_len);
	if (!*ret)
		return -ENOMEM;
	memcpy(*ret, buf, nlh->nlmsg_len);
	*ret_len = nlh->nlmsg_len;
	return 0;
}

int rtnl_send_child(const void *request, size_t len)
{
	cleanup_close int fd = SYS(socket, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	struct {
		struct nlmsghdr h;
		struct nlmsgerr e;
		char rest[512];
	} answer;
	int r;

	if (fd < 0)
		return fd;
	r = SYS(sendto, fd, request, len, 0, NULL, 0);
	if (r < 0)
		return r;
	r = SYS(recvfrom, fd, &answer, sizeof answer, 0, NULL, NULL);
	if (r < 0)
		return r;
	if ((size_t)r < sizeof answer.h + sizeof answer.e || answer.h.nlmsg_type != NLMSG_ERROR)
		return -EBADMSG;
	return answer.e.error;
}
