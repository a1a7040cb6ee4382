/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Moves bytes: what was read from buffers, the rest through pipes. */
#include "relay-conn.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "../base/fd.h"
#include "../base/macros.h"
#include "../base/sys.h"

/* So that one connection does not keep the others waiting. */
#define ROUNDS 16
/* Less than this is not worth a pipe when it must be read up to there anyway. */
#define SPLICE_MIN 8192
/* What a new pipe holds; and what it may, which costs bulk a quarter less (tests/bench/relay). */
#define PIPE_SIZE 65536
#define LARGE_SIZE (1 << 20)
#define DISCARD (1 << 20)

int flow_fill(struct egress_relay *r, struct conn *c)
{
	struct side *s = &c->side[CLIENT];
	uint8_t *head = conn_head(r, c);
	int n;

	if (c->start > 0 && (c->start == c->len || c->len == HEAD_SIZE)) {
		memmove(head, head + c->start, c->len - c->start);
		c->clear -= c->start;
		c->fed -= c->start;
		c->len -= c->start;
		c->start = 0;
	}
	if (c->len == HEAD_SIZE)
		return -EMSGSIZE;
	n = SYS(recvfrom, s->fd, head + c->len, HEAD_SIZE - c->len, 0, NULL, NULL);
	if (n == -EAGAIN || n == 0) {
		s->readable = false;
		s->has_ended = n == 0;
		return 0;
	}
	if (n > 0)
		c->len += (uint32_t)n;
	return n < 0 ? n : 1;
}

/* Nothing leaves that the budget does not cover: asked for what was not asked for yet. */
static int grant(struct egress_relay *r, struct conn *c)
{
	const struct egress_relay_ops *ops = r->config.ops;
	uint64_t wanted = c->way[UP].bytes + c->way[UP].in_pipe + (c->clear - c->start);

	if (wanted <= c->granted || c->ask.is_inbound)
		return 0;
	if (ops->may_upload &&
	    !ops->may_upload(r->config.context, c->id, wanted - c->granted))
		return -EDQUOT;
	c->granted = wanted;
	return 0;
}

/* 1: all of it went; 0: no more goes now. */
static int send_bytes(struct way *w, struct side *to, const uint8_t *bytes, uint32_t *start,
		      uint32_t end)
{
	while (*start < end) {
		int n = SYS(sendto, to->fd, bytes + *start, end - *start, MSG_NOSIGNAL, NULL,
			    0);

		if (n == -EAGAIN) {
			to->writable = false;
			return 0;
		}
		if (n < 0)
			return n;
		*start += (uint32_t)n;
		w->bytes += (uint32_t)n;
	}
	return 1;
}

static int empty_pipe(struct egress_relay *r, struct way *w, struct side *to)
{
	while (w->in_pipe > 0) {
		int n = SYS(splice, r->pipes[w->pipe].fd[0], NULL, to->fd, NULL, w->in_pipe,
			    SPLICE_F_MOVE | SPLICE_F_NONBLOCK);

		if (n == -EAGAIN) {
			to->writable = false;
			return 0;
		}
		if (n <= 0)
			return n < 0 ? n : -EIO;
		w->in_pipe -= (uint32_t)n;
		w->bytes += (uint32_t)n;
	}
	return 1;
}

/*
 * Bulk has filled a pipe: the next time it takes more at once. Not all are made large, since
 * what a user has in pipes is limited (pipe-user-pages-soft), and beyond that they get tiny.
 */
static void enlarge(struct egress_relay *r, struct pipe *p)
{
	if (p->is_large || r->n_large >= r->config.large_pipes)
		return;
	p->is_large = true;
	r->n_large++;
	SYS(fcntl, p->fd[0], F_SETPIPE_SZ, LARGE_SIZE);
}

/* Into the pipe, which is empty: so that if there is nothing now, it is the socket. */
static int fill_pipe(struct egress_relay *r, struct conn *c, int which, uint64_t max)
{
	struct side *from = &c->side[which == UP ? CLIENT : SERVER];
	struct way *w = &c->way[which];
	int n;

	if (w->pipe == NONE)
		w->pipe = pipe_take(r, c);
	if (w->pipe == NONE)
		return 0;
	n = SYS(splice, from->fd, NULL, r->pipes[w->pipe].fd[1], NULL,
		MIN(max, (uint64_t)LARGE_SIZE), SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	if (n == -EAGAIN || n == 0) {
		from->readable = false;
		from->has_ended = n == 0;
		return n == 0 ? 1 : 0;
	}
	if (n < 0)
		return n;
	w->in_pipe = (uint32_t)n;
	if (n >= PIPE_SIZE)
		enlarge(r, &r->pipes[w->pipe]);
	return 1;
}

static int finish(struct way *w, struct side *to)
{
	w->done = true;
	SYS(shutdown, to->fd, SHUT_WR);
	return 0;
}

static int pull_up(struct egress_relay *r, struct conn *c)
{
	uint64_t passes = c->kind == HTTP && c->fed == c->len ? http_passes(&c->http) : 0;
	int e;

	if (c->is_raw)
		return fill_pipe(r, c, UP, UINT64_MAX);
	if (passes >= SPLICE_MIN) {
		e = fill_pipe(r, c, UP, passes);
		http_skip(&c->http, c->way[UP].in_pipe);
		return e;
	}
	e = flow_fill(r, c);
	if (e > 0) {
		e = head_follow(r, c);
		return e < 0 ? e : 1;
	}
	return c->side[CLIENT].has_ended ? 1 : e;
}

/* 1: there may be more to do; 0: an event will tell; -errno. */
static int run_up(struct egress_relay *r, struct conn *c)
{
	struct side *from = &c->side[CLIENT], *to = &c->side[SERVER];
	struct way *w = &c->way[UP];

	for (int i = 0; i < ROUNDS; i++) {
		int e = 1;

		if (w->done || !to->writable)
			return 0;
		if (c->start < c->clear || w->in_pipe > 0)
			e = grant(r, c);
		if (e >= 0)
			e = send_bytes(w, to, conn_head(r, c), &c->start, c->clear);
		if (e > 0)
			e = empty_pipe(r, w, to);
		if (e <= 0)
			return e;
		if (c->is_refused)
			return finish(w, to);
		if (c->awaits_reply)
			return 0;
		/* What it began to ask and did not finish does not go. */
		if (from->has_ended)
			return finish(w, to);
		if (!from->readable)
			return 0;
		e = pull_up(r, c);
		if (e <= 0 || c->phase != FLOW)
			return e;
	}
	return 1;
}

static int pull_reply(struct egress_relay *r, struct conn *c)
{
	struct side *s = &c->side[SERVER];
	int n = SYS(recvfrom, s->fd, c->reply + c->reply_len, REPLY_SIZE - c->reply_len, 0,
		    NULL, NULL);

	if (n == -EAGAIN || n == 0) {
		s->readable = false;
		s->has_ended = n == 0;
	} else if (n < 0) {
		return n;
	} else {
		c->reply_len += (uint32_t)n;
	}
	head_replied(r, c, s->has_ended);
	/* What waited for it may go now. */
	if (c->phase == FLOW && !c->awaits_reply)
		conn_again(r, c);
	return n == -EAGAIN ? 0 : 1;
}

static int run_down(struct egress_relay *r, struct conn *c)
{
	struct side *from = &c->side[SERVER], *to = &c->side[CLIENT];
	struct way *w = &c->way[DOWN];

	for (int i = 0; i < ROUNDS; i++) {
		int e;

		if (w->done || !to->writable)
			return 0;
		e = send_bytes(w, to, c->reply, &c->reply_sent, c->reply_len);
		if (e > 0)
			e = empty_pipe(r, w, to);
		if (e <= 0)
			return e;
		if (from->has_ended && c->is_refused) {
			head_refuse(r, c);
			return 0;
		}
		if (from->has_ended)
			return finish(w, to);
		if (!from->readable)
			return 0;
		e = c->awaits_reply ? pull_reply(r, c) : fill_pipe(r, c, DOWN, UINT64_MAX);
		if (e <= 0 || c->phase != FLOW)
			return e;
	}
	return 1;
}

void flow_run(struct egress_relay *r, struct conn *c)
{
	int up = run_up(r, c), down = 0;

	/* Also if nothing goes up any more: a server that answers early may close at once. */
	if (c->phase == FLOW)
		down = run_down(r, c);
	if (c->phase != FLOW)
		return;
	if (up < 0 || down < 0) {
		conn_end(r, c, up < 0 ? up : down);
		return;
	}
	if (c->way[UP].done && c->way[DOWN].done) {
		conn_end(r, c, 0);
		return;
	}
	/* What is still on its way would wait for a peer that takes nothing. */
	if (up == 0 && down == 0 &&
	    (c->side[CLIENT].is_broken || c->side[SERVER].is_broken)) {
		conn_end(r, c, -ECONNRESET);
		return;
	}
	for (int i = UP; i <= DOWN; i++)
		if (c->way[i].in_pipe == 0)
			pipe_give(r, &c->way[i]);
	if (up > 0 || down > 0)
		conn_again(r, c);
}

void flow_drain(struct egress_relay *r, struct conn *c)
{
	struct side *s = &c->side[CLIENT];

	c->side[SERVER].fd = fd_close(c->side[SERVER].fd);
	for (int i = 0; i < ROUNDS; i++) {
		/* TCP throws bytes away instead of copying them. */
		int n = SYS(recvfrom, s->fd, NULL, DISCARD, MSG_TRUNC, NULL, NULL);

		if (n == -EAGAIN) {
			s->readable = false;
			return;
		}
		if (n <= 0) {
			conn_end(r, c, 0);
			return;
		}
	}
	conn_again(r, c);
}
