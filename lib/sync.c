/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sync.h"

#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/sys.h"

union fd_control {
	char buf[CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

int sync_send(int fd, const struct sync_msg *m)
{
	/* NOSIGNAL: a caller that died must not kill us by SIGPIPE half-way. */
	int r = SYS(sendto, fd, m, sizeof *m, MSG_NOSIGNAL, NULL, 0);

	return r < 0 ? r : 0;
}

int sync_send_fd(int fd, const struct sync_msg *m, int passed)
{
	union fd_control control = {{0}};
	struct iovec iov = {.iov_base = (void *)m, .iov_len = sizeof *m};
	struct msghdr hdr = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof control.buf,
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&hdr);
	int r;

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof passed);
	memcpy(CMSG_DATA(c), &passed, sizeof passed);
	r = SYS(sendmsg, fd, &hdr, MSG_NOSIGNAL);
	return r < 0 ? r : 0;
}

int sync_recv(int fd, struct sync_msg *ret, int *ret_fd, int flags)
{
	union fd_control control;
	struct iovec iov = {.iov_base = ret, .iov_len = sizeof *ret};
	struct msghdr hdr = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof control.buf,
	};
	struct cmsghdr *c;
	int got = -1, r;

	do
		r = SYS(recvmsg, fd, &hdr, flags | MSG_CMSG_CLOEXEC);
	while (r == -EINTR);
	if (r < 0)
		return r == -ECONNRESET ? 0 : r;
	c = CMSG_FIRSTHDR(&hdr);
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
		memcpy(&got, CMSG_DATA(c), sizeof got);
	if (ret_fd)
		*ret_fd = got;
	else
		fd_close(got);
	if (r == 0)
		return 0;
	return r == sizeof *ret ? 1 : -EBADMSG;
}
