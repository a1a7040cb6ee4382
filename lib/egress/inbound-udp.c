/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "inbound-udp.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "../base/fd.h"
#include "../base/sys.h"
#include "loop.h"

enum { SRC_LISTENER, SRC_SESSION };
#define SOURCE(kind, index) ((uint64_t)(kind) << 32 | (uint32_t)(index))
#define EVENTS 32
/* Datagrams of one socket, before others have their turn. */
#define TURN 32

union control {
	struct cmsghdr align;
	char buf[CMSG_SPACE(sizeof(struct in6_pktinfo))];
};

int inbound_udp_init(struct inbound_udp *u, const struct gate *g,
		   void (*ended)(void *context, const struct inbound_udp_session *s, int error),
		   void *context)
{
	u->gate = g;
	u->ended = ended;
	u->context = context;
	for (size_t i = 0; i < INBOUND_UDP_SESSIONS; i++)
		u->sessions[i].fd = -1;
	u->epoll = SYS(epoll_create1, EPOLL_CLOEXEC);
	return MIN(u->epoll, 0);
}

int inbound_udp_listen(struct inbound_udp *u, uint32_t i, const struct sockaddr_storage *to)
{
	u->inside[i] = *to;
	return loop_watch(u->epoll, u->gate->listening[i], SOURCE(SRC_LISTENER, i));
}

static socklen_t length_of(const struct sockaddr_storage *a)
{
	return a->ss_family == AF_INET ? sizeof(struct sockaddr_in)
				       : sizeof(struct sockaddr_in6);
}

/* ---- sessions ------------------------------------------------------------------------ */

static void end_session(struct inbound_udp *u, struct inbound_udp_session *s, int error)
{
	u->ended(u->context, s, error);
	s->fd = fd_close(s->fd);
	u->n--;
}

static bool is_from(const struct inbound_udp_session *s, uint32_t listener,
		    const struct sockaddr_storage *from, const uint8_t *local)
{
	return s->fd >= 0 && s->listener == listener &&
	       memcmp(&s->from, from, length_of(from)) == 0 &&
	       memcmp(s->local, local, sizeof s->local) == 0;
}

/* One that is free, or of those that have been silent the one that has longest. */
static struct inbound_udp_session *take_place(struct inbound_udp *u, uint64_t now)
{
	struct inbound_udp_session *oldest = &u->sessions[0];

	for (size_t i = 0; i < INBOUND_UDP_SESSIONS; i++) {
		if (u->sessions[i].fd < 0)
			return &u->sessions[i];
		if (u->sessions[i].seen < oldest->seen)
			oldest = &u->sessions[i];
	}
	if (now - oldest->seen < INBOUND_UDP_BUSY_MSEC)
		return NULL;
	end_session(u, oldest, 0);
	return oldest;
}

static struct inbound_udp_session *begin_session(struct inbound_udp *u, uint32_t listener,
					       const struct sockaddr_storage *from,
					       const uint8_t *local, uint64_t now)
{
	const struct sockaddr_storage *to = &u->inside[listener];
	struct inbound_udp_session *s = take_place(u, now);
	cleanup_close int fd = -1;

	if (!s)
		return NULL;
	fd = SYS(socket, to->ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || SYS(connect, fd, to, length_of(to)) < 0 ||
	    loop_watch(u->epoll, fd, SOURCE(SRC_SESSION, s - u->sessions)) < 0)
		return NULL;
	*s = (struct inbound_udp_session){.fd = steal_fd(&fd), .listener = listener, .from = *from};
	memcpy(s->local, local, sizeof s->local);
	u->n++;
	return s;
}

/* ---- datagrams ----------------------------------------------------------------------- */

/* Which of the host's addresses it came to. */
static void read_local(struct msghdr *m, uint8_t ret[static 16])
{
	struct cmsghdr *c = CMSG_FIRSTHDR(m);
	struct in_pktinfo v4;
	struct in6_pktinfo v6;

	memset(ret, 0, 16);
	if (c && c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
		memcpy(&v4, CMSG_DATA(c), sizeof v4);
		memcpy(ret, &v4.ipi_addr, sizeof v4.ipi_addr);
	} else if (c && c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
		memcpy(&v6, CMSG_DATA(c), sizeof v6);
		memcpy(ret, &v6.ipi6_addr, sizeof v6.ipi6_addr);
	}
}

static void write_local(struct msghdr *m, const struct inbound_udp_session *s)
{
	const bool six = s->from.ss_family == AF_INET6;
	struct in_pktinfo v4 = {0};
	struct in6_pktinfo v6 = {0};
	struct cmsghdr *c = CMSG_FIRSTHDR(m);
	size_t n = six ? sizeof v6 : sizeof v4;

	memcpy(&v4.ipi_spec_dst, s->local, sizeof v4.ipi_spec_dst);
	memcpy(&v6.ipi6_addr, s->local, sizeof v6.ipi6_addr);
	c->cmsg_level = six ? IPPROTO_IPV6 : IPPROTO_IP;
	c->cmsg_type = six ? IPV6_PKTINFO : IP_PKTINFO;
	c->cmsg_len = CMSG_LEN(n);
	memcpy(CMSG_DATA(c), six ? (const void *)&v6 : &v4, n);
	m->msg_controllen = CMSG_SPACE(n);
}

/* False: there is none. */
static bool take_one(struct inbound_udp *u, uint32_t listener, uint64_t now)
{
	union control control;
	struct sockaddr_storage from = {0};
	struct iovec v = {u->message, sizeof u->message};
	struct msghdr m = {.msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &v,
			   .msg_iovlen = 1, .msg_control = control.buf,
			   .msg_controllen = sizeof control.buf};
	struct inbound_udp_session *s = NULL;
	uint8_t local[16];
	int len = SYS(recvmsg, u->gate->listening[listener], &m, MSG_DONTWAIT), r;

	if (len < 0)
		return false;
	read_local(&m, local);
	for (size_t i = 0; i < INBOUND_UDP_SESSIONS && !s; i++)
		if (is_from(&u->sessions[i], listener, &from, local))
			s = &u->sessions[i];
	if (!s)
		s = begin_session(u, listener, &from, local, now);
	if (!s)
		return true;
	s->seen = now;
	r = SYS(sendto, s->fd, u->message, (size_t)len, MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0);
	if (r >= 0)
		s->in += (uint64_t)len;
	else if (r != -EAGAIN)
		end_session(u, s, -r);
	return true;
}

/* False: there is none, or the session is over. */
static bool give_one(struct inbound_udp *u, struct inbound_udp_session *s, uint64_t now)
{
	union control control = {0};
	struct iovec v = {.iov_base = u->message};
	struct msghdr m = {.msg_name = &s->from, .msg_namelen = length_of(&s->from),
			   .msg_iov = &v, .msg_iovlen = 1, .msg_control = control.buf,
			   .msg_controllen = sizeof control.buf};
	int len = SYS(recvfrom, s->fd, u->message, sizeof u->message, MSG_DONTWAIT, NULL, NULL);

	if (len < 0) {
		/* Refused: nobody is there. */
		if (len != -EAGAIN)
			end_session(u, s, -len);
		return false;
	}
	s->seen = now;
	v.iov_len = (size_t)len;
	write_local(&m, s);
	if (SYS(sendmsg, u->gate->listening[s->listener], &m, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
		s->out += (uint64_t)len;
	return true;
}

void inbound_udp_run(struct inbound_udp *u, uint64_t now)
{
	struct epoll_event events[EVENTS];
	int n = SYS(epoll_pwait, u->epoll, events, EVENTS, 0, NULL, 0);

	for (int i = 0; i < n; i++) {
		const uint32_t which = (uint32_t)events[i].data.u64;
		int left = TURN;

		if (events[i].data.u64 >> 32 == SRC_LISTENER)
			while (left-- && take_one(u, which, now))
				;
		else if (u->sessions[which].fd >= 0)
			while (left-- && give_one(u, &u->sessions[which], now))
				;
	}
}

int inbound_udp_tick(struct inbound_udp *u, uint64_t now)
{
	uint64_t next = UINT64_MAX;

	for (size_t i = 0; i < INBOUND_UDP_SESSIONS && u->n; i++) {
		struct inbound_udp_session *s = &u->sessions[i];
		uint64_t end = s->seen +
			       (s->out ? INBOUND_UDP_ANSWERED_MSEC : INBOUND_UDP_ASKED_MSEC);

		if (s->fd < 0)
			continue;
		if (end <= now)
			end_session(u, s, 0);
		else
			next = MIN(next, end - now);
	}
	return next == UINT64_MAX ? -1 : (int)next;
}

void inbound_udp_done(struct inbound_udp *u)
{
	for (size_t i = 0; i < INBOUND_UDP_SESSIONS && u->n; i++)
		if (u->sessions[i].fd >= 0)
			end_session(u, &u->sessions[i], 0);
}
