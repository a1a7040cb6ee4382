/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "names-tcp.h"

#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "../base/fd.h"
#include "../base/sys.h"

enum { SRC_LISTENER, SRC_CLIENT, SRC_UPSTREAM };
#define SOURCE(kind, index) ((uint64_t)(kind) << 32 | (uint32_t)(index))
#define EVENTS 32

/* What names a client for as long as it is there. */
struct token {
	uint32_t slot, generation;
};

static int watch(struct names_tcp *t, int op, int fd, uint32_t events, uint64_t source)
{
	struct epoll_event e = {.events = events, .data.u64 = source};

	return SYS(epoll_ctl, t->epoll, op, fd, &e);
}

int names_tcp_init(struct names_tcp *t, const struct gate *g, struct dns *dns)
{
	static const enum gate_socket listeners[] = {GATE_DNS_TCP_4, GATE_DNS_TCP_6};
	int r;

	t->gate = g;
	t->dns = dns;
	for (size_t i = 0; i < NAMES_TCP_CLIENTS; i++)
		t->clients[i].fd = -1;
	r = t->epoll = SYS(epoll_create1, EPOLL_CLOEXEC);
	for (size_t i = 0; i < ARRAY_SIZE(listeners) && r >= 0; i++)
		if (g->sockets[listeners[i]] >= 0)
			r = watch(t, EPOLL_CTL_ADD, g->sockets[listeners[i]], EPOLLIN,
				  SOURCE(SRC_LISTENER, listeners[i]));
	return MIN(r, 0);
}

/* ---- clients --------------------------------------------------------------------- */

static void end_client(struct names_tcp_client *c)
{
	c->fd = fd_close(c->fd);
}

/* A free one, or of those that have been silent for long the one that has longest. */
static struct names_tcp_client *take_slot(struct names_tcp *t, uint64_t now)
{
	struct names_tcp_client *oldest = &t->clients[0];

	for (size_t i = 0; i < NAMES_TCP_CLIENTS; i++) {
		if (t->clients[i].fd < 0)
			return &t->clients[i];
		if (t->clients[i].seen < oldest->seen)
			oldest = &t->clients[i];
	}
	if (now - oldest->seen < NAMES_TCP_IDLE_MSEC)
		return NULL;
	end_client(oldest);
	return oldest;
}

static void on_listener(struct names_tcp *t, int listener, uint64_t now)
{
	int fd = SYS(accept4, listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct names_tcp_client *c = fd < 0 ? NULL : take_slot(t, now);

	if (!c) {
		fd_close(fd);
		return;
	}
	c->fd = fd;
	c->len = 0;
	c->seen = now;
	c->generation = ++t->generation;
	if (watch(t, EPOLL_CTL_ADD, fd, EPOLLIN, SOURCE(SRC_CLIENT, c - t->clients)) < 0)
		end_client(c);
}

static size_t length_at(const uint8_t *at)
{
	return (size_t)at[0] << 8 | at[1];
}

/* All whole messages in @buf go to @each; returns how many bytes of it are left. */
static size_t cut(uint8_t *buf, size_t len, void (*each)(void *arg, const uint8_t *m, size_t n),
		  void *arg)
{
	size_t at = 0;

	while (len - at >= 2 && len - at - 2 >= length_at(buf + at)) {
		each(arg, buf + at + 2, length_at(buf + at));
		at += 2 + length_at(buf + at);
	}
	memmove(buf, buf + at, len - at);
	return len - at;
}

struct query {
	struct names_tcp *t;
	struct names_tcp_client *c;
	uint64_t now;
};

static void on_query(void *arg, const uint8_t *message, size_t n)
{
	struct query *q = arg;
	const struct token token = {(uint32_t)(q->c - q->t->clients), q->c->generation};
	struct dns_client client = {.is_tcp = true};

	memcpy(client.token, &token, sizeof token);
	dns_query(q->t->dns, q->now, &client, message, n);
}

static void on_client(struct names_tcp *t, struct names_tcp_client *c, uint64_t now)
{
	struct query q = {t, c, now};
	int r;

	if (c->fd < 0)
		return;
	r = SYS(recvfrom, c->fd, c->in + c->len, sizeof c->in - c->len, MSG_DONTWAIT, NULL,
		NULL);
	if (r == -EAGAIN)
		return;
	if (r <= 0) {
		end_client(c);
		return;
	}
	c->seen = now;
	c->len = cut(c->in, c->len + (size_t)r, on_query, &q);
	if (c->len == sizeof c->in)
		end_client(c);
}

/* What a client does not take is not kept for it. */
static bool send_message(int fd, const uint8_t *message, size_t len)
{
	const uint8_t head[2] = {(uint8_t)(len >> 8), (uint8_t)len};
	struct iovec v[] = {{(void *)head, sizeof head}, {(void *)message, len}};
	const struct msghdr m = {.msg_iov = v, .msg_iovlen = 2};

	return SYS(sendmsg, fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL) == (int)(len + sizeof head);
}

void names_tcp_answer(struct names_tcp *t, const struct dns_client *client,
		      const uint8_t *message, size_t len)
{
	struct names_tcp_client *c;
	struct token token;

	memcpy(&token, client->token, sizeof token);
	c = &t->clients[token.slot % NAMES_TCP_CLIENTS];
	if (c->fd >= 0 && c->generation == token.generation && !send_message(c->fd, message, len))
		end_client(c);
}

/* ---- upstreams ------------------------------------------------------------------- */

static void end_upstream(struct names_tcp *t, size_t i, uint64_t now)
{
	const struct sockaddr nobody = {.sa_family = AF_UNSPEC};
	struct names_tcp_upstream *u = &t->upstreams[i];

	/* The socket is of the host's namespace, and we cannot make another. */
	SYS(epoll_ctl, t->epoll, EPOLL_CTL_DEL, t->gate->upstreams.tcp[i], NULL);
	SYS(connect, t->gate->upstreams.tcp[i], &nobody, sizeof nobody);
	u->is_used = false;
	u->in_len = u->out_len = 0;
	dns_upstream_failed(t->dns, now, i, true);
}

static void flush(struct names_tcp *t, size_t i)
{
	struct names_tcp_upstream *u = &t->upstreams[i];
	const int fd = t->gate->upstreams.tcp[i];
	int r = u->out_len ? SYS(sendto, fd, u->out, u->out_len, MSG_DONTWAIT | MSG_NOSIGNAL,
				 NULL, 0)
			   : 0;

	if (r > 0) {
		u->out_len -= (size_t)r;
		memmove(u->out, u->out + r, u->out_len);
	}
	watch(t, EPOLL_CTL_MOD, fd, EPOLLIN | (u->out_len ? (uint32_t)EPOLLOUT : 0u),
	      SOURCE(SRC_UPSTREAM, i));
}

void names_tcp_send(struct names_tcp *t, size_t i, const uint8_t *message, size_t len)
{
	struct names_tcp_upstream *u = &t->upstreams[i];
	const struct sockaddr_storage *a = &t->gate->upstreams.address[i];
	const int fd = t->gate->upstreams.tcp[i];

	/* Of what finds no room the engine's time runs out. */
	if (sizeof u->out - u->out_len < len + 2)
		return;
	u->out[u->out_len++] = (uint8_t)(len >> 8);
	u->out[u->out_len++] = (uint8_t)len;
	memcpy(u->out + u->out_len, message, len);
	u->out_len += len;
	if (u->is_used) {
		flush(t, i);
		return;
	}
	u->is_used = true;
	SYS(connect, fd, a, a->ss_family == AF_INET ? sizeof(struct sockaddr_in)
						    : sizeof(struct sockaddr_in6));
	watch(t, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLOUT, SOURCE(SRC_UPSTREAM, i));
}

struct reply {
	struct names_tcp *t;
	size_t upstream;
	uint64_t now;
};

static void on_reply(void *arg, const uint8_t *message, size_t n)
{
	struct reply *r = arg;

	dns_upstream(r->t->dns, r->now, r->upstream, true, message, n);
}

static void on_upstream(struct names_tcp *t, size_t i, uint32_t events, uint64_t now)
{
	struct names_tcp_upstream *u = &t->upstreams[i];
	struct reply reply = {t, i, now};
	int r;

	if (!u->is_used)
		return;
	if (events & EPOLLOUT)
		flush(t, i);
	r = SYS(recvfrom, t->gate->upstreams.tcp[i], u->in + u->in_len,
		sizeof u->in - u->in_len, MSG_DONTWAIT, NULL, NULL);
	if (r > 0)
		u->in_len = cut(u->in, u->in_len + (size_t)r, on_reply, &reply);
	else if (r != -EAGAIN || (events & (EPOLLERR | EPOLLHUP)))
		end_upstream(t, i, now);
}

void names_tcp_run(struct names_tcp *t, uint64_t now)
{
	struct epoll_event events[EVENTS];
	int n = SYS(epoll_pwait, t->epoll, events, EVENTS, 0, NULL, 0);

	for (int i = 0; i < n; i++) {
		const uint32_t which = (uint32_t)events[i].data.u64;

		switch (events[i].data.u64 >> 32) {
		case SRC_LISTENER:
			on_listener(t, t->gate->sockets[which], now);
			break;
		case SRC_CLIENT:
			on_client(t, &t->clients[which], now);
			break;
		default:
			on_upstream(t, which, events[i].events, now);
			break;
		}
	}
}
