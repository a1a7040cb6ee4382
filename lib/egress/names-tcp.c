/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "names-tcp.h"

#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "../base/fd.h"
#include "../base/sys.h"
#include "loop.h"

enum { SRC_LISTENER, SRC_CLIENT };
#define SOURCE(kind, index) ((uint64_t)(kind) << 32 | (uint32_t)(index))
#define EVENTS 32

/* What names a client for as long as it is there. */
struct token {
	uint32_t slot, generation;
};

int names_tcp_init(struct names_tcp *t, const struct gate *g, struct dns *dns)
{
	static const enum gate_socket listeners[] = {GATE_DNS_TCP_4, GATE_DNS_TCP_6};
	int r;

	t->gate = g;
	t->dns = dns;
	r = t->epoll = SYS(epoll_create1, EPOLL_CLOEXEC);
	/* Without IPv6 one is not there. */
	for (size_t i = 0; i < ARRAY_SIZE(listeners) && r >= 0; i++)
		if (g->sockets[listeners[i]] >= 0)
			r = loop_watch(t->epoll, g->sockets[listeners[i]],
				       SOURCE(SRC_LISTENER, listeners[i]));
	return MIN(r, 0);
}

/* ---- clients --------------------------------------------------------------------- */

static void end_client(struct names_tcp_client *c)
{
	c->fd = fd_close(c->fd);
}

/*
 * A free one, or of those that have been silent for long the one that has longest. Whose turn
 * never comes costs no memory.
 */
static struct names_tcp_client *take_slot(struct names_tcp *t, uint64_t now)
{
	struct names_tcp_client *oldest = &t->clients[0];

	for (size_t i = 0; i < t->n_touched; i++) {
		if (t->clients[i].fd < 0)
			return &t->clients[i];
		if (t->clients[i].seen < oldest->seen)
			oldest = &t->clients[i];
	}
	if (t->n_touched < NAMES_TCP_CLIENTS)
		return &t->clients[t->n_touched++];
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
	if (loop_watch(t->epoll, fd, SOURCE(SRC_CLIENT, c - t->clients)) < 0)
		end_client(c);
}

static size_t length_at(const uint8_t *at)
{
	return (size_t)at[0] << 8 | at[1];
}

static void on_query(struct names_tcp *t, const struct names_tcp_client *c, uint64_t now,
		     const uint8_t *message, size_t n)
{
	const struct token token = {(uint32_t)(c - t->clients), c->generation};
	struct dns_client client = {.is_tcp = true};

	memcpy(client.token, &token, sizeof token);
	dns_query(t->dns, now, &client, message, n);
}

/* An answer that cannot be sent ends the client on the way. */
static void take_whole(struct names_tcp *t, struct names_tcp_client *c, uint64_t now)
{
	size_t at = 0;

	while (c->fd >= 0 && c->len - at >= 2 && c->len - at - 2 >= length_at(c->in + at)) {
		on_query(t, c, now, c->in + at + 2, length_at(c->in + at));
		at += 2 + length_at(c->in + at);
	}
	memmove(c->in, c->in + at, c->len - at);
	c->len -= at;
}

static void on_client(struct names_tcp *t, struct names_tcp_client *c, uint64_t now)
{
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
	c->len += (size_t)r;
	take_whole(t, c, now);
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
	if (token.slot >= t->n_touched)
		return;
	c = &t->clients[token.slot];
	if (c->fd >= 0 && c->generation == token.generation && !send_message(c->fd, message, len))
		end_client(c);
}

void names_tcp_run(struct names_tcp *t, uint64_t now)
{
	struct epoll_event events[EVENTS];
	int n = SYS(epoll_pwait, t->epoll, events, EVENTS, 0, NULL, 0);

	for (int i = 0; i < n; i++) {
		const uint32_t which = (uint32_t)events[i].data.u64;

		if (events[i].data.u64 >> 32 == SRC_LISTENER)
			on_listener(t, t->gate->sockets[which], now);
		else
			on_client(t, &t->clients[which], now);
	}
}
