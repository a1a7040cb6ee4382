/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "relay.h"

#include <errno.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netfilter_ipv6/ip6_tables.h>
#include <linux/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "../base/fd.h"
#include "../base/macros.h"
#include "../base/sys.h"
#include "relay-conn.h"

#define PAGE 4096
#define BATCH 64
#define BATCHES_MAX 8
#define ACCEPT_MAX 64
#define LISTENER_KEY UINT64_MAX /* and below it: which no connection has */
#define ACCEPT_PAUSE_MS 50
#define PIPE_RETRY_MS 20

void egress_relay_defaults(struct egress_relay_config *c)
{
	*c = (struct egress_relay_config){
		.connections = 1024,
		.waiting = 256,
		.pipes = 256,
		.large_pipes = 32,
		.head_ms = 10000,
		.connect_ms = 30000,
		.linger_ms = 2000,
	};
}

static size_t pages(size_t n)
{
	return (n + PAGE - 1) / PAGE * PAGE;
}

size_t egress_relay_size(const struct egress_relay_config *c)
{
	return pages(sizeof(struct egress_relay)) +
	       pages(c->connections * sizeof(struct conn)) +
	       pages(c->pipes * sizeof(struct pipe)) + pages(c->pipes * sizeof(uint32_t)) +
	       pages(c->connections * sizeof(uint32_t)) + (size_t)c->connections * HEAD_SIZE;
}

static void *part(uint8_t **at, size_t n)
{
	void *p = *at;

	*at += pages(n);
	return p;
}

struct egress_relay *egress_relay_init(void *memory, const struct egress_relay_config *c,
				       int *ret_error)
{
	uint8_t *at = memory;
	struct egress_relay *r = part(&at, sizeof *r);

	r->config = *c;
	r->conns = part(&at, c->connections * sizeof *r->conns);
	r->pipes = part(&at, c->pipes * sizeof *r->pipes);
	r->free_pipes = part(&at, c->pipes * sizeof *r->free_pipes);
	r->again = part(&at, c->connections * sizeof *r->again);
	r->heads = part(&at, (size_t)c->connections * HEAD_SIZE);
	r->free_conn = NONE;
	for (size_t i = 0; i < N_QUEUES; i++)
		r->queues[i].first = r->queues[i].last = NONE;
	r->queues[WAIT_HEAD].ms = c->head_ms;
	r->queues[WAIT_CONNECT].ms = c->connect_ms;
	r->queues[WAIT_LINGER].ms = c->linger_ms;
	r->queues[WAIT_PIPE].ms = PIPE_RETRY_MS;
	r->epoll = SYS(epoll_create1, EPOLL_CLOEXEC);
	*ret_error = r->epoll < 0 ? r->epoll : 0;
	return r->epoll < 0 ? NULL : r;
}

void egress_relay_done(struct egress_relay *r)
{
	if (!r)
		return;
	for (uint32_t i = 0; i < r->n_touched; i++)
		if (r->conns[i].phase != UNUSED)
			conn_end(r, &r->conns[i], -ECONNABORTED);
	while (r->n_free_pipes > 0) {
		struct pipe *p = &r->pipes[r->free_pipes[--r->n_free_pipes]];

		fd_close(p->fd[0]);
		fd_close(p->fd[1]);
	}
	r->epoll = fd_close(r->epoll);
}

int egress_relay_fd(const struct egress_relay *r)
{
	return r->epoll;
}

uint32_t egress_relay_connections(const struct egress_relay *r)
{
	return r->n_conns;
}

static int watch_listener(struct egress_relay *r, uint32_t i, int op, bool accepts)
{
	struct epoll_event e = {
		.events = accepts ? EPOLLIN : 0,
		.data.u64 = LISTENER_KEY - i,
	};

	return SYS(epoll_ctl, r->epoll, op, r->listeners[i].fd, &e);
}

static int add_listener(struct egress_relay *r, const struct listener *l)
{
	int e;

	if (r->n_listeners == EGRESS_LISTENERS_MAX)
		return -ENOSPC;
	r->listeners[r->n_listeners] = *l;
	e = watch_listener(r, r->n_listeners, EPOLL_CTL_ADD, true);
	if (e == 0)
		r->n_listeners++;
	return e;
}

int egress_relay_listen(struct egress_relay *r, int fd)
{
	return add_listener(r, &(struct listener){.fd = fd});
}

int egress_relay_listen_for(struct egress_relay *r, int fd,
			    const struct sockaddr_storage *to)
{
	return add_listener(r, &(struct listener){fd, true, *to});
}

uint32_t conn_index(const struct egress_relay *r, const struct conn *c)
{
	return (uint32_t)(c - r->conns);
}

static void leave_queue(struct egress_relay *r, struct conn *c)
{
	struct queue_ends *q = &r->queues[c->queue];

	if (c->queue == NO_QUEUE)
		return;
	*(c->prev == NONE ? &q->first : &r->conns[c->prev].next) = c->next;
	*(c->next == NONE ? &q->last : &r->conns[c->next].prev) = c->prev;
	q->n--;
	c->queue = NO_QUEUE;
}

void conn_wait(struct egress_relay *r, struct conn *c, enum queue which)
{
	struct queue_ends *q = &r->queues[which];
	uint32_t i = conn_index(r, c);

	leave_queue(r, c);
	c->queue = (uint8_t)which;
	if (which == NO_QUEUE)
		return;
	c->deadline = r->now + q->ms;
	c->next = NONE;
	c->prev = q->last;
	*(q->last == NONE ? &q->first : &r->conns[q->last].next) = i;
	q->last = i;
	q->n++;
}

void conn_again(struct egress_relay *r, struct conn *c)
{
	if (c->in_again)
		return;
	c->in_again = true;
	r->again[(r->again_first + r->n_again++) % r->config.connections] = conn_index(r, c);
}

uint32_t pipe_take(struct egress_relay *r, struct conn *c)
{
	struct pipe *p;

	if (r->n_free_pipes > 0)
		return r->free_pipes[--r->n_free_pipes];
	/* What was closed has left a gap; a write end is never descriptor 0. */
	if (r->n_pipes < r->config.pipes) {
		for (p = r->pipes; p->fd[1] > 0; p++)
			;
		if (SYS(pipe2, p->fd, O_CLOEXEC | O_NONBLOCK) >= 0) {
			r->n_pipes++;
			return (uint32_t)(p - r->pipes);
		}
		p->fd[0] = p->fd[1] = 0;
	}
	if (c->queue == NO_QUEUE)
		conn_wait(r, c, WAIT_PIPE);
	return NONE;
}

void pipe_give(struct egress_relay *r, struct way *w)
{
	uint32_t waiting = r->queues[WAIT_PIPE].first;
	struct pipe *p = &r->pipes[w->pipe];

	if (w->pipe == NONE)
		return;
	if (w->in_pipe > 0) {
		fd_close(p->fd[0]);
		fd_close(p->fd[1]);
		r->n_large -= p->is_large;
		*p = (struct pipe){.fd = {0, 0}};
		r->n_pipes--;
	} else {
		r->free_pipes[r->n_free_pipes++] = w->pipe;
	}
	w->pipe = NONE;
	w->in_pipe = 0;
	if (waiting != NONE) {
		conn_wait(r, &r->conns[waiting], NO_QUEUE);
		conn_again(r, &r->conns[waiting]);
	}
}

static void close_side(struct side *s, bool with_reset)
{
	static const struct linger now = {.l_onoff = 1, .l_linger = 0};

	if (s->fd < 0)
		return;
	if (with_reset)
		SYS(setsockopt, s->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
	s->fd = fd_close(s->fd);
}

/*
 * A socket takes more than it sends, and of a connection that is reset the rest never leaves. What
 * has left counts, also what nobody acknowledged: who is up to something need not.
 */
static uint64_t bytes_sent(const struct conn *c)
{
	struct tcp_info info = {0};
	socklen_t n = sizeof info;
	uint64_t left;

	if (SYS(getsockopt, c->side[SERVER].fd, IPPROTO_TCP, TCP_INFO, &info, &n) < 0)
		return c->way[UP].bytes;
	/* The end, which may be among them, counts as one. */
	left = info.tcpi_notsent_bytes - (info.tcpi_notsent_bytes > 0);
	return c->way[UP].bytes - MIN(left, c->way[UP].bytes);
}

void conn_end(struct egress_relay *r, struct conn *c, int error)
{
	bool was_opened = c->was_opened;
	uint64_t up = error && c->way[UP].bytes ? bytes_sent(c) : c->way[UP].bytes;

	leave_queue(r, c);
	pipe_give(r, &c->way[UP]);
	pipe_give(r, &c->way[DOWN]);
	close_side(&c->side[CLIENT], error != 0);
	close_side(&c->side[SERVER], error != 0);
	c->phase = UNUSED;
	c->generation++;
	c->next = r->free_conn;
	r->free_conn = conn_index(r, c);
	r->n_conns--;
	if (was_opened)
		r->config.ops->ended(r->config.context, c->id, up, c->way[DOWN].bytes,
				     -error);
}

int conn_watch(struct egress_relay *r, struct conn *c, int which)
{
	static const int on = 1;
	struct side *s = &c->side[which];
	struct epoll_event e = {
		.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
		.data.u64 = (uint64_t)c->generation << 32 | conn_index(r, c) << 1 |
			    (uint32_t)which,
	};

	/* What was one segment shall not wait here for the next. */
	SYS(setsockopt, s->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	return SYS(epoll_ctl, r->epoll, EPOLL_CTL_ADD, s->fd, &e);
}

static bool is_full(const struct egress_relay *r)
{
	return r->free_conn == NONE && r->n_touched == r->config.connections;
}

/* Not is_full(). */
static struct conn *conn_new(struct egress_relay *r, int fd)
{
	struct conn *c;

	if (r->free_conn != NONE) {
		c = &r->conns[r->free_conn];
		r->free_conn = c->next;
	} else {
		c = &r->conns[r->n_touched++];
	}
	r->n_conns++;
	*c = (struct conn){
		.generation = c->generation & INT32_MAX,
		.in_again = c->in_again,
		.phase = HEAD,
		.side = {{.fd = fd, .writable = true}, {.fd = -1}},
		.way = {{.pipe = NONE}, {.pipe = NONE}},
		.id = ++r->last_id,
	};
	return c;
}

static void advance(struct egress_relay *r, struct conn *c);

static void accepted(struct egress_relay *r, int fd, const struct listener *l,
		     const struct sockaddr_storage *from)
{
	struct queue_ends *heads = &r->queues[WAIT_HEAD];
	struct side refused = {.fd = fd};
	struct conn *c;
	int e;

	if (heads->n > 0 && (heads->n >= r->config.waiting || is_full(r)))
		head_late(r, &r->conns[heads->first], false);
	if (is_full(r)) {
		close_side(&refused, true);
		return;
	}
	c = conn_new(r, fd);
	c->ask.from = *from;
	e = conn_watch(r, c, CLIENT);
	if (e >= 0)
		e = l->is_inbound ? head_begin_inbound(r, c, l) : head_begin(r, c);
	else
		conn_end(r, c, e);
	if (e >= 0)
		advance(r, c);
}

static void accept_some(struct egress_relay *r, uint32_t i)
{
	for (int n = 0; n < ACCEPT_MAX; n++) {
		const struct listener *l = &r->listeners[i];
		struct sockaddr_storage from = {0};
		socklen_t len = sizeof from;
		int fd = SYS(accept4, l->fd, &from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd == -EMFILE || fd == -ENFILE || fd == -ENOBUFS || fd == -ENOMEM) {
			/* It would be ready again and again: others must end first. */
			watch_listener(r, i, EPOLL_CTL_MOD, false);
			r->accept_again = r->now + ACCEPT_PAUSE_MS;
			return;
		}
		if (fd == -EAGAIN)
			return;
		if (fd >= 0)
			accepted(r, fd, l, &from);
	}
}

static void check_connected(struct egress_relay *r, struct conn *c)
{
	int error = 0;
	socklen_t n = sizeof error;
	int e = SYS(getsockopt, c->side[SERVER].fd, SOL_SOCKET, SO_ERROR, &error, &n);

	if (e < 0 || error) {
		conn_end(r, c, e < 0 ? e : -error);
		return;
	}
	c->phase = FLOW;
	if (c->queue == WAIT_CONNECT)
		conn_wait(r, c, NO_QUEUE);
	flow_run(r, c);
}

static void advance(struct egress_relay *r, struct conn *c)
{
	switch (c->phase) {
	case HEAD:
		if (head_run(r, c) < 0 || c->phase != CONNECTING)
			break;
		/* fall through */
	case CONNECTING:
		if (c->side[SERVER].writable)
			check_connected(r, c);
		break;
	case FLOW:
		flow_run(r, c);
		break;
	case LINGER:
		flow_drain(r, c);
		break;
	}
}

static void on_event(struct egress_relay *r, uint64_t key, uint32_t events)
{
	uint32_t i = (uint32_t)key >> 1;
	struct side *s;
	struct conn *c;

	if (LISTENER_KEY - key < EGRESS_LISTENERS_MAX) {
		accept_some(r, (uint32_t)(LISTENER_KEY - key));
		return;
	}
	c = &r->conns[i];
	if (c->phase == UNUSED || c->generation != key >> 32)
		return;
	s = &c->side[key & 1];
	if (events & (EPOLLERR | EPOLLHUP)) {
		/* The next call says which error. */
		s->readable = s->writable = true;
		if (c->phase == CONNECTING && (key & 1) == CLIENT) {
			conn_end(r, c, -ECONNRESET);
			return;
		}
	}
	s->is_broken = s->is_broken || events & EPOLLERR;
	s->readable = s->readable || events & (EPOLLIN | EPOLLRDHUP);
	s->writable = s->writable || events & EPOLLOUT;
	advance(r, c);
}

static void run_again(struct egress_relay *r)
{
	for (uint32_t n = r->n_again; n > 0; n--) {
		struct conn *c = &r->conns[r->again[r->again_first]];

		r->again_first = (r->again_first + 1) % r->config.connections;
		r->n_again--;
		c->in_again = false;
		if (c->phase != UNUSED)
			advance(r, c);
	}
}

static void late(struct egress_relay *r, struct conn *c)
{
	switch (c->queue) {
	case WAIT_HEAD:
		head_late(r, c, true);
		break;
	case WAIT_CONNECT:
		conn_end(r, c, -ETIMEDOUT);
		break;
	case WAIT_PIPE:
		conn_wait(r, c, NO_QUEUE);
		advance(r, c);
		break;
	default:
		/* It was told that it is refused; nothing is owed to it. */
		conn_end(r, c, -EACCES);
	}
}

/* In how long the next one is late; -1: none ever is. */
static int run_late(struct egress_relay *r)
{
	uint64_t next = UINT64_MAX;

	for (size_t i = 1; i < N_QUEUES; i++) {
		struct queue_ends *q = &r->queues[i];

		for (uint32_t n = q->n; n > 0 && q->first != NONE; n--) {
			if (r->conns[q->first].deadline > r->now)
				break;
			late(r, &r->conns[q->first]);
		}
		if (q->first != NONE)
			next = MIN(next, MAX(r->conns[q->first].deadline, r->now));
	}
	if (r->accept_again && r->accept_again <= r->now) {
		r->accept_again = 0;
		for (uint32_t i = 0; i < r->n_listeners; i++)
			watch_listener(r, i, EPOLL_CTL_MOD, true);
	}
	if (r->accept_again)
		next = MIN(next, r->accept_again);
	return next == UINT64_MAX ? -1 : (int)MIN(next - r->now, (uint64_t)INT32_MAX);
}

int egress_relay_run(struct egress_relay *r, uint64_t now_ms)
{
	struct epoll_event events[BATCH];
	bool is_more = true;
	int wait;

	r->now = now_ms;
	for (int round = 0; round < BATCHES_MAX && is_more; round++) {
		int n = SYS(epoll_pwait, r->epoll, events, BATCH, 0, NULL, 0);

		for (int i = 0; i < n; i++)
			on_event(r, events[i].data.u64, events[i].events);
		run_again(r);
		is_more = n == BATCH;
	}
	wait = run_late(r);
	return r->n_again > 0 ? 0 : wait;
}

/* Also a socket of IPv6 may have an IPv4 peer. */
static bool same_place(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	const struct sockaddr_in *a4 = (const struct sockaddr_in *)a;
	const struct sockaddr_in *b4 = (const struct sockaddr_in *)b;
	const struct sockaddr_in6 *a6 = (const struct sockaddr_in6 *)a;
	const struct sockaddr_in6 *b6 = (const struct sockaddr_in6 *)b;

	if (a4->sin_port != b4->sin_port) /* in the same place of both */
		return false;
	if (a->ss_family == AF_INET6 && b->ss_family == AF_INET6)
		return IN6_ARE_ADDR_EQUAL(&a6->sin6_addr, &b6->sin6_addr);
	if (a->ss_family == AF_INET6)
		return memcmp(&a6->sin6_addr.s6_addr[12], &b4->sin_addr, 4) == 0;
	return a4->sin_addr.s_addr == b4->sin_addr.s_addr;
}

int egress_relay_original(void *context, int fd, struct sockaddr_storage *ret)
{
	struct sockaddr_storage own;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&own;
	socklen_t n = sizeof *ret, len = sizeof own;
	int e;

	(void)context;
	memset(ret, 0, sizeof *ret);
	e = SYS(getsockname, fd, &own, &len);
	if (e >= 0)
		e = own.ss_family == AF_INET6 && !IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)
			    ? SYS(getsockopt, fd, SOL_IPV6, IP6T_SO_ORIGINAL_DST, ret, &n)
			    : SYS(getsockopt, fd, SOL_IP, SO_ORIGINAL_DST, ret, &n);
	/* Not redirected, but meant for us: carrying it on would never end. */
	return e >= 0 && same_place(&own, ret) ? -ELOOP : e;
}

int egress_relay_connect(void *context, const struct egress_ask *ask)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(ask->port)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(ask->port)};
	cleanup_close int fd = SYS(socket, ask->family,
				   SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
	int e;

	(void)context;
	if (fd < 0)
		return fd;
	memcpy(&v4.sin_addr, ask->address, sizeof v4.sin_addr);
	memcpy(&v6.sin6_addr, ask->address, sizeof v6.sin6_addr);
	e = ask->family == AF_INET6 ? SYS(connect, fd, &v6, sizeof v6)
				    : SYS(connect, fd, &v4, sizeof v4);
	return e < 0 && e != -EINPROGRESS ? e : steal_fd(&fd);
}
