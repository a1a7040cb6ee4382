/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "forward.h"

#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "../base/macros.h"
#include "../base/sys.h"

enum { SRC_WIRE, SRC_DATAGRAMS, SRC_STREAM };
#define SOURCE(kind, index) ((uint64_t)(kind) << 32 | (uint32_t)(index))
#define EVENTS 32

static int watch(struct forward *f, int op, int fd, uint32_t events, uint64_t source)
{
	struct epoll_event e = {.events = events, .data.u64 = source};

	return SYS(epoll_ctl, f->epoll, op, fd, &e);
}

/* It is of the host's namespace, and we cannot make another. */
static void disconnect(int upstream)
{
	const struct sockaddr nobody = {.sa_family = AF_UNSPEC};

	SYS(connect, upstream, &nobody, sizeof nobody);
}

int forward_init(struct forward *f, const struct gate_upstreams *u, int wire,
		 bool (*may_ask)(void *context), void *context)
{
	int r = f->epoll = SYS(epoll_create1, EPOLL_CLOEXEC);

	f->upstreams = u;
	f->wire = wire;
	f->may_ask = may_ask;
	f->context = context;
	if (r >= 0)
		r = watch(f, EPOLL_CTL_ADD, wire, EPOLLIN, SOURCE(SRC_WIRE, 0));
	for (uint32_t i = 0; i < u->n * GATE_UDP_EACH && r >= 0; i++)
		r = watch(f, EPOLL_CTL_ADD, u->udp[i / GATE_UDP_EACH][i % GATE_UDP_EACH], EPOLLIN,
			  SOURCE(SRC_DATAGRAMS, i));
	/* One before us may have died in the middle of a message. */
	for (size_t i = 0; i < u->n; i++)
		disconnect(u->tcp[i]);
	return r;
}

/* What the helper does not take in time it will ask for again. */
static void tell(struct forward *f, size_t upstream, bool is_tcp, bool failed,
		 const uint8_t *text, size_t len)
{
	struct gate_question *m = &f->message;

	m->upstream = (uint8_t)upstream;
	m->is_tcp = is_tcp;
	m->failed = failed;
	if (len)
		memmove(m->text, text, len);
	SYS(sendto, f->wire, m, GATE_QUESTION_HEAD + len, MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0);
}

static void on_datagram(struct forward *f, uint32_t which)
{
	const size_t i = which / GATE_UDP_EACH;
	uint8_t *text = f->message.text;
	int r = SYS(recvfrom, f->upstreams->udp[i][which % GATE_UDP_EACH], text,
		    sizeof f->message.text, MSG_DONTWAIT, NULL, NULL);

	if (r > 0)
		tell(f, i, false, false, text, (size_t)r);
	else if (r != -EAGAIN)
		tell(f, i, false, true, NULL, 0);
}

/* ---- streams -------------------------------------------------------------------------- */

static void end_stream(struct forward *f, size_t i)
{
	const int fd = f->upstreams->tcp[i];

	SYS(epoll_ctl, f->epoll, EPOLL_CTL_DEL, fd, NULL);
	disconnect(fd);
	f->streams[i].is_used = false;
	f->streams[i].in_len = f->streams[i].out_len = 0;
	tell(f, i, true, true, NULL, 0);
}

static void flush(struct forward *f, size_t i)
{
	struct forward_stream *s = &f->streams[i];
	const int fd = f->upstreams->tcp[i];
	int r = s->out_len ? SYS(sendto, fd, s->out, s->out_len, MSG_DONTWAIT | MSG_NOSIGNAL,
				 NULL, 0)
			   : 0;

	if (r > 0) {
		s->out_len -= (size_t)r;
		memmove(s->out, s->out + r, s->out_len);
	}
	watch(f, EPOLL_CTL_MOD, fd, EPOLLIN | (s->out_len ? (uint32_t)EPOLLOUT : 0u),
	      SOURCE(SRC_STREAM, i));
}

static void send_stream(struct forward *f, size_t i, const uint8_t *text, size_t len)
{
	struct forward_stream *s = &f->streams[i];
	const struct sockaddr_storage *a = &f->upstreams->address[i];
	const int fd = f->upstreams->tcp[i];

	/* Of what finds no room the helper's time runs out. */
	if (sizeof s->out - s->out_len < len + 2)
		return;
	s->out[s->out_len++] = (uint8_t)(len >> 8);
	s->out[s->out_len++] = (uint8_t)len;
	memcpy(s->out + s->out_len, text, len);
	s->out_len += len;
	if (s->is_used) {
		flush(f, i);
		return;
	}
	s->is_used = true;
	SYS(connect, fd, a, a->ss_family == AF_INET ? sizeof(struct sockaddr_in)
						    : sizeof(struct sockaddr_in6));
	watch(f, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLOUT, SOURCE(SRC_STREAM, i));
}

static size_t length_at(const uint8_t *at)
{
	return (size_t)at[0] << 8 | at[1];
}

static void tell_whole(struct forward *f, size_t i)
{
	struct forward_stream *s = &f->streams[i];
	size_t at = 0;

	while (s->in_len - at >= 2 && s->in_len - at - 2 >= length_at(s->in + at)) {
		tell(f, i, true, false, s->in + at + 2, length_at(s->in + at));
		at += 2 + length_at(s->in + at);
	}
	memmove(s->in, s->in + at, s->in_len - at);
	s->in_len -= at;
}

static void on_stream(struct forward *f, size_t i, uint32_t events)
{
	struct forward_stream *s = &f->streams[i];
	int r;

	if (!s->is_used)
		return;
	if (events & EPOLLOUT)
		flush(f, i);
	r = SYS(recvfrom, f->upstreams->tcp[i], s->in + s->in_len, sizeof s->in - s->in_len,
		MSG_DONTWAIT, NULL, NULL);
	if (r > 0) {
		s->in_len += (size_t)r;
		tell_whole(f, i);
	} else if (r != -EAGAIN || (events & (EPOLLERR | EPOLLHUP))) {
		end_stream(f, i);
	}
}

/* ---- from the helper -------------------------------------------------------------------- */

static void on_wire(struct forward *f)
{
	struct gate_question *m = &f->message;
	int r = SYS(recvfrom, f->wire, m, sizeof *m, MSG_DONTWAIT, NULL, NULL);
	size_t len = (size_t)MAX(r, 0) - GATE_QUESTION_HEAD;

	if (r <= (int)GATE_QUESTION_HEAD || m->upstream >= f->upstreams->n)
		return;
	if (!f->may_ask(f->context))
		tell(f, m->upstream, m->is_tcp, true, NULL, 0);
	else if (m->is_tcp)
		send_stream(f, m->upstream, m->text, len);
	else
		SYS(sendto, f->upstreams->udp[m->upstream][m->socket % GATE_UDP_EACH], m->text,
		    len, MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0);
}

void forward_run(struct forward *f)
{
	struct epoll_event events[EVENTS];
	int n = SYS(epoll_pwait, f->epoll, events, EVENTS, 0, NULL, 0);

	for (int i = 0; i < n; i++) {
		const uint32_t which = (uint32_t)events[i].data.u64;

		switch (events[i].data.u64 >> 32) {
		case SRC_WIRE:
			on_wire(f);
			break;
		case SRC_DATAGRAMS:
			on_datagram(f, which);
			break;
		default:
			on_stream(f, which, events[i].events);
			break;
		}
	}
}
