/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "inbound.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "../base/clock.h"
#include "../base/fd.h"
#include "../base/sys.h"
#include "inbound-udp.h"
#include "loop.h"
#include "record.h"
#include "relay.h"

#define EVENTS 4

struct stream {
	uint64_t id; /* 0: free */
	struct sockaddr_storage from;
	uint16_t port;
};

struct inbound {
	const struct gate *gate;
	int epoll;
	struct egress_relay_config config;
	struct egress_relay *relay;
	struct inbound_udp udp;
	struct stream *streams; /* as many as the relay has connections */
};

enum { SRC_LIFE, SRC_RELAY, SRC_UDP };

/* ---- records ------------------------------------------------------------------------- */

/* Up is what leaves the sandbox, whoever began. */
static void record(struct inbound *n, const struct sockaddr_storage *from, uint8_t protocol,
		   uint16_t port, uint64_t up, uint64_t down, int error)
{
	const bool six = from->ss_family == AF_INET6;
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)from;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)from;
	struct record r;

	record_begin(&r, "inbound");
	record_address(&r, "address", six,
		       six ? v6->sin6_addr.s6_addr : (const uint8_t *)&v4->sin_addr);
	record_number(&r, "port", port);
	record_protocol(&r, protocol);
	record_number(&r, "bytes_up", up);
	record_number(&r, "bytes_down", down);
	record_text(&r, "verdict", "allowed");
	record_text(&r, "reason", "published");
	if (error)
		record_number(&r, "errno", (uint64_t)error);
	if (!record_end(&r, n->gate->records))
		gate_count(&n->gate->shared->records_lost, 1);
}

/* Its own, or else a free one: there are as many as connections. */
static struct stream *stream_of(const struct inbound *n, uint64_t id)
{
	struct stream *free_one = NULL;

	for (uint64_t i = 0; i < n->config.connections; i++) {
		struct stream *s = &n->streams[(id + i) % n->config.connections];

		if (s->id == id)
			return s;
		if (!s->id && !free_one)
			free_one = s;
	}
	return free_one;
}

static void opened(void *context, uint64_t id, const struct egress_ask *ask, bool allowed,
		   const char *why)
{
	struct stream *s = stream_of(context, id);

	(void)allowed;
	(void)why;
	if (s)
		*s = (struct stream){id, ask->from, ask->port};
}

static void ended(void *context, uint64_t id, uint64_t in, uint64_t out, int error)
{
	struct stream *s = stream_of(context, id);

	if (!s || s->id != id)
		return;
	record(context, &s->from, IPPROTO_TCP, s->port, out, in, error);
	s->id = 0;
}

static void udp_ended(void *context, const struct inbound_udp_session *s, int error)
{
	const struct inbound *n = context;

	record(context, &s->from, IPPROTO_UDP, n->gate->published[s->listener].to, s->out, s->in,
	       error);
}

/* Listeners that know where they lead ask nobody. */
static const struct egress_relay_ops relay_ops = {
	.connect = egress_relay_connect,
	.opened = opened,
	.ended = ended,
};

/* ---- making it ------------------------------------------------------------------------- */

/* In the family of who connects, unless there is but one. */
static int listen_at(struct inbound *n, uint32_t i)
{
	const struct egress_addresses *a = &n->gate->addresses;
	const struct publish *p = &n->gate->published[i];
	struct sockaddr_storage to = {0};
	struct sockaddr_in *v4 = (struct sockaddr_in *)&to;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&to;

	if (p->six && a->six) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(p->to);
		memcpy(&v6->sin6_addr, a->box6, sizeof v6->sin6_addr);
	} else {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(p->to);
		memcpy(&v4->sin_addr, a->box4, sizeof v4->sin_addr);
	}
	return p->udp ? inbound_udp_listen(&n->udp, i, &to)
		      : egress_relay_listen_for(n->relay, n->gate->listening[i], &to);
}

static int make(struct inbound *n)
{
	void *memory;
	int r = n->epoll = SYS(epoll_create1, EPOLL_CLOEXEC);

	egress_relay_defaults(&n->config);
	n->config.ops = &relay_ops;
	n->config.context = n;
	n->streams = loop_memory(n->config.connections * sizeof *n->streams);
	memory = loop_memory(egress_relay_size(&n->config));
	if (!memory || !n->streams)
		return -ENOMEM;
	if (r >= 0)
		n->relay = egress_relay_init(memory, &n->config, &r);
	if (r >= 0)
		r = inbound_udp_init(&n->udp, n->gate, udp_ended, n);
	for (uint32_t i = 0; i < n->gate->n_published && r >= 0; i++)
		r = listen_at(n, i);
	if (r >= 0)
		r = loop_watch(n->epoll, n->gate->life[1], SRC_LIFE);
	if (r >= 0)
		r = loop_watch(n->epoll, egress_relay_fd(n->relay), SRC_RELAY);
	return r < 0 ? r : loop_watch(n->epoll, n->udp.epoll, SRC_UDP);
}

static void begin(const struct gate *g)
{
	int keep[PUBLISH_MAX + 3];
	size_t n = 0;

	for (size_t i = 0; i < g->n_published; i++)
		fd_keep(keep, &n, g->listening[i]);
	fd_keep(keep, &n, g->life[1]);
	fd_keep(keep, &n, g->records);
	fd_keep(keep, &n, g->netns);
	loop_begin("cis:publish", keep, n);
}

/* ---- its life -------------------------------------------------------------------------- */

/* Until the supervisor is gone. */
static void serve(struct inbound *n)
{
	struct epoll_event events[EVENTS];
	int wait = 0, idle;

	for (;;) {
		int k = SYS(epoll_pwait, n->epoll, events, EVENTS, wait, NULL, 0);

		if (k < 0 && k != -EINTR)
			return;
		for (int i = 0; i < k; i++)
			if (events[i].data.u64 == SRC_LIFE)
				return;
		inbound_udp_run(&n->udp, now_msec());
		wait = egress_relay_run(n->relay, now_msec());
		idle = inbound_udp_tick(&n->udp, now_msec());
		wait = wait < 0 || (idle >= 0 && idle < wait) ? idle : wait;
	}
}

void inbound_main(const struct gate *g)
{
	struct inbound *n = loop_memory(sizeof *n);
	int r = n ? 0 : -ENOMEM;

	begin(g);
	if (r >= 0)
		r = loop_enter(g);
	if (r >= 0) {
		n->gate = g;
		r = make(n);
	}
	if (r < 0 || loop_confine(g, SECCOMP_INBOUND) < 0)
		_exit(1);
	serve(n);
	/* What is still open has its record, too. */
	egress_relay_done(n->relay);
	inbound_udp_done(&n->udp);
	_exit(0);
}
