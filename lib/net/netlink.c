/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "netlink.h"

#include <linux/netlink.h>
#include <sys/socket.h>

#include "../base/fd.h"
#include "../base/sys.h"
#include "requests.h" /* generated */

int netlink_ask_child(enum net_request request)
{
	cleanup_close int fd = SYS(socket, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC,
				   requests[request].protocol);
	struct {
		struct nlmsghdr h;
		struct nlmsgerr e;
		char rest[1024];
	} answer;
	int r;

	if (fd < 0)
		return fd;
	r = SYS(sendto, fd, requests[request].bytes, requests[request].len, 0, NULL, 0);
	if (r >= 0)
		r = SYS(recvfrom, fd, &answer, sizeof answer, 0, NULL, NULL);
	if (r < 0)
		return r;
	if ((size_t)r < sizeof answer.h + sizeof answer.e.error)
		return -EBADMSG;
	/* The end of a list has its error in the same place. */
	if (answer.h.nlmsg_type == NLMSG_ERROR || answer.h.nlmsg_type == NLMSG_DONE)
		return answer.e.error;
	return 0;
}
