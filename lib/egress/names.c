/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The loop: who is heard, and what the engines of DNS and of streams ask the world for. */
#include "names.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "../base/clock.h"
#include "../base/fd.h"
#include "../base/sys.h"
#include "dns.h"
#include "judge.h"
#include "keeper.h"
#include "loop.h"
#include "names-tcp.h"
#include "policy.h"
#include "record.h"
#include "relay.h"

/* Streams whose beginning is remembered until their end is recorded: more than there can be. */
#define STREAMS 2048
#define EVENTS 64

struct stream {
	struct egress_ask ask;
	char name[NAME_MAX_LEN + 1];
};

struct names {
	const struct gate *gate;
	const struct policy *policy;
	int epoll;
	struct dns *dns;
	struct egress_relay *relay;
	struct names_tcp tcp;
	uint64_t ids[STREAMS]; /* of these; 0: free */
	struct stream streams[STREAMS];
	uint8_t message[65536];
	struct gate_question out, in;
	struct gate_hello hello;
};

/* What an epoll event is about: a kind, and which of it. */
enum { SRC_LIFE, SRC_KEEPER, SRC_RELAY, SRC_CLIENT_UDP, SRC_UPSTREAM, SRC_TCP, SRC_HELLO };
#define SOURCE(kind, index) ((uint64_t)(kind) << 32 | (uint32_t)(index))

static void end_record(struct names *n, struct record *r)
{
	if (!record_end(r, n->gate->records))
		gate_count(&n->gate->shared->records_lost, 1);
}

/* ---- what the policy says -------------------------------------------------------- */

static bool is_denied(const struct names *n, const char *name)
{
	enum policy_verdict v = policy_name_verdict(n->policy, name, NULL);

	return v == POLICY_DENIED || v == POLICY_SHUT;
}

static bool has_port(const struct egress_port *ports, size_t n, uint16_t port)
{
	for (size_t i = 0; i < n; i++)
		if ((!ports[i].proto || ports[i].proto == IPPROTO_TCP) &&
		    (!ports[i].port || ports[i].port == port))
			return true;
	return false;
}

static bool is_spent(void *context)
{
	const struct names *n = context;

	return n->gate->budget &&
	       __atomic_load_n(&n->gate->shared->budget_hits, __ATOMIC_RELAXED);
}

static bool decide(void *context, const struct egress_ask *ask, const char **ret_why)
{
	struct names *n = context;
	struct egress_port ports[DNS_PORTS_MAX];
	size_t k;

	if (policy_is_never(n->policy, ask->family, ask->address)) {
		*ret_why = "never";
		return false;
	}
	/* It would be reset a moment later: here it can be told why. */
	if (is_spent(n)) {
		*ret_why = "budget";
		return false;
	}
	if (ask->name && is_denied(n, ask->name)) {
		*ret_why = "denied";
		return false;
	}
	if (policy_is_audit(n->policy)) {
		*ret_why = "audit";
		return true;
	}
	*ret_why = ask->wrong ? ask->wrong : "no name";
	if (!ask->name)
		return false;
	k = policy_ports(n->policy, ask->name, ports, ARRAY_SIZE(ports));
	*ret_why = "name";
	if (!has_port(ports, MIN(k, ARRAY_SIZE(ports)), ask->port))
		return false;
	*ret_why = "not an address of that name";
	if (!dns_knows(n->dns, ask->name, ask->family, ask->address, now_msec()))
		return false;
	*ret_why = "name";
	return true;
}

/* ---- streams --------------------------------------------------------------------- */

static void begin_record(struct record *r, const char *event, const struct egress_ask *ask)
{
	record_begin(r, event);
	if (ask->name)
		record_text(r, "name", ask->name);
	record_address(r, "address", ask->family == AF_INET6, ask->address);
	record_number(r, "port", ask->port);
	record_protocol(r, IPPROTO_TCP);
}

/* Its place, or else a free one. One that has been open for long shares it with nobody. */
static size_t place_of(const struct names *n, uint64_t id)
{
	size_t place = STREAMS;

	for (uint64_t i = 0; i < STREAMS; i++) {
		size_t at = (id + i) % STREAMS;

		if (n->ids[at] == id)
			return at;
		if (!n->ids[at] && place == STREAMS)
			place = at;
	}
	return place;
}

static void opened(void *context, uint64_t id, const struct egress_ask *ask, bool allowed,
		   const char *why)
{
	struct names *n = context;
	size_t at = allowed ? place_of(n, id) : STREAMS;
	struct record r;

	if (at < STREAMS) {
		struct stream *s = &n->streams[at];

		n->ids[at] = id;
		*s = (struct stream){.ask = *ask};
		s->ask.name = NULL;
		if (ask->name) {
			memcpy(s->name, ask->name, strlen(ask->name) + 1);
			s->ask.name = s->name;
		}
		return;
	}
	if (allowed)
		return;
	gate_count(&n->gate->shared->refused, 1);
	begin_record(&r, "refused", ask);
	record_text(&r, "verdict", "denied");
	record_text(&r, "reason", why);
	end_record(n, &r);
}

static void ended(void *context, uint64_t id, uint64_t up, uint64_t down, int error)
{
	struct names *n = context;
	size_t at = place_of(n, id);
	struct stream *s = &n->streams[MIN(at, STREAMS - 1)];
	struct record r;

	if (at == STREAMS || n->ids[at] != id)
		return;
	gate_count(&n->gate->shared->bytes_up, up);
	gate_count(&n->gate->shared->bytes_down, down);
	begin_record(&r, "flow", &s->ask);
	record_number(&r, "bytes_up", up);
	record_number(&r, "bytes_down", down);
	record_text(&r, "verdict", "allowed");
	record_rule(&r, n->policy, s->ask.name);
	if (error)
		record_number(&r, "errno", (uint64_t)error);
	end_record(n, &r);
	n->ids[at] = 0;
}

/* No may_upload: the budget is the kernel's to count, since every protocol draws on it. */
static const struct egress_relay_ops relay_ops = {
	.original = egress_relay_original,
	.decide = decide,
	.connect = egress_relay_connect,
	.opened = opened,
	.ended = ended,
};

static void refused_hello(void *context, const struct egress_ask *ask, const char *why)
{
	opened(context, 0, ask, false, why);
}

static void on_hello(struct names *n)
{
	static const struct judge_ops ops = {.decide = decide, .refused = refused_hello};
	struct gate_hello *m = &n->hello;
	int len = SYS(recvfrom, n->gate->hellos[0], m, sizeof *m, MSG_DONTWAIT, NULL, NULL);
	struct gate_hello_answer answer = {0};
	struct opening_question q;
	struct opening_answer a;

	if (len < (int)GATE_HELLO_HEAD)
		return;
	q = (struct opening_question){.ticket = m->ticket, .six = m->six,
				      .is_second = m->is_second, .is_late = m->is_late,
				      .port = m->port, .text = m->text,
				      .len = (uint32_t)len - (uint32_t)GATE_HELLO_HEAD};
	memcpy(q.address, m->address, sizeof q.address);
	judge(&q, policy_is_audit(n->policy), &ops, n, &a, answer.name);
	answer.ticket = a.ticket;
	answer.len = a.len;
	answer.end = a.end;
	answer.judgement = a.judgement;
	/* Unheard, it will be asked for again. */
	SYS(sendto, n->gate->hellos[0], &answer, sizeof answer, MSG_NOSIGNAL | MSG_DONTWAIT, NULL,
	    0);
}

/* ---- DNS ------------------------------------------------------------------------- */

/* Where an answer by UDP goes. */
struct udp_token {
	uint32_t socket;
	socklen_t len;
	uint8_t address[sizeof(struct sockaddr_in6)];
};
_Static_assert(sizeof(struct udp_token) <= sizeof((struct dns_client *)NULL)->token, "fits");

static void dns_random(void *context, void *buf, size_t len)
{
	(void)context;
	/* Blocks only before the host has had its first entropy. */
	if (SYS(getrandom, buf, len, 0) != (int)len)
		_exit(1);
}

static void dns_answer(void *context, const struct dns_client *client, const uint8_t *message,
		       size_t len)
{
	struct names *n = context;
	struct udp_token to;

	if (client->is_tcp) {
		names_tcp_answer(&n->tcp, client, message, len);
		return;
	}
	memcpy(&to, client->token, sizeof to);
	SYS(sendto, n->gate->sockets[to.socket], message, len, MSG_DONTWAIT | MSG_NOSIGNAL,
	    to.address, to.len);
}

static void dns_send(void *context, size_t upstream, bool is_tcp, const uint8_t *message,
		     size_t len)
{
	struct names *n = context;
	struct gate_question *m = &n->out;

	m->upstream = (uint8_t)upstream;
	m->is_tcp = is_tcp;
	dns_random(n, &m->socket, sizeof m->socket);
	memcpy(m->text, message, len);
	SYS(sendto, n->gate->questions[0], m, GATE_QUESTION_HEAD + len,
	    MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0);
}

static void dns_admit(void *context, const struct dns_admission *a)
{
	struct names *n = context;
	struct gate_ask ask = {
		.ticket = a->ticket,
		.seconds = a->seconds,
		.n_addresses = (uint8_t)MIN(a->n_addresses, (size_t)GATE_ASK_ADDRESSES),
		.n_ports = (uint8_t)MIN(a->n_ports, (size_t)GATE_ASK_PORTS),
	};

	strncpy(ask.name, a->name, NAME_MAX_LEN);
	for (size_t i = 0; i < ask.n_addresses; i++) {
		ask.addresses[i].six = a->addresses[i].family == AF_INET6;
		memcpy(ask.addresses[i].bytes, a->addresses[i].bytes,
		       sizeof ask.addresses[i].bytes);
	}
	for (size_t i = 0; i < ask.n_ports; i++) {
		ask.ports[i].protocol = a->ports[i].proto;
		ask.ports[i].port = a->ports[i].port;
	}
	if (SYS(sendto, n->gate->asks[0], &ask, sizeof ask, MSG_NOSIGNAL | MSG_DONTWAIT, NULL,
		0) < 0)
		dns_admitted(n->dns, now_msec(), a->ticket, false);
}

static void dns_note(void *context, const struct dns_record *d)
{
	static const char *const verdicts[] = {
		[DNS_ALLOWED] = "allowed", [DNS_DENIED] = "denied", [DNS_FAILED] = "failed"};
	struct names *n = context;
	char name[NAME_MAX_LEN + 1];
	struct record r;

	gate_count(&n->gate->shared->questions, 1);
	if (d->verdict == DNS_DENIED)
		gate_count(&n->gate->shared->refused, 1);
	record_begin(&r, "dns");
	record_text(&r, "name", d->name);
	record_number(&r, "type", d->type);
	record_text(&r, "verdict", verdicts[d->verdict]);
	record_text(&r, "reason", dns_reason_name(d->reason));
	if (name_canonical(d->name, strlen(d->name), name) == 0)
		record_rule(&r, n->policy, name);
	end_record(n, &r);
}

static void on_keeper(struct names *n)
{
	struct gate_answer answer;

	while (SYS(recvfrom, n->gate->asks[0], &answer, sizeof answer, MSG_DONTWAIT, NULL,
		   NULL) == sizeof answer)
		dns_admitted(n->dns, now_msec(), answer.ticket, answer.error == 0);
}

static void on_client(struct names *n, uint32_t socket)
{
	struct dns_client client = {.is_tcp = false};
	struct udp_token from = {.socket = socket, .len = sizeof from.address};
	int len = SYS(recvfrom, n->gate->sockets[socket], n->message, sizeof n->message,
		      MSG_DONTWAIT, from.address, &from.len);

	if (len <= 0)
		return;
	memcpy(client.token, &from, sizeof from);
	dns_query(n->dns, now_msec(), &client, n->message, (size_t)len);
}

static void on_upstream(struct names *n)
{
	struct gate_question *m = &n->in;
	int len = SYS(recvfrom, n->gate->questions[0], m, sizeof *m, MSG_DONTWAIT, NULL, NULL);

	if (len < GATE_QUESTION_HEAD)
		return;
	if (m->failed)
		dns_upstream_failed(n->dns, now_msec(), m->upstream, m->is_tcp);
	else
		dns_upstream(n->dns, now_msec(), m->upstream, m->is_tcp, m->text,
			     (size_t)len - GATE_QUESTION_HEAD);
}

/* ---- making it ------------------------------------------------------------------- */

static int make_dns(struct names *n)
{
	const struct dns_loop loop = {.context = n, .random = dns_random, .answer = dns_answer,
				      .send = dns_send, .admit = dns_admit, .record = dns_note,
				      .is_spent = is_spent};
	struct dns_policy policy;
	struct dns_config config;
	void *memory = loop_memory(dns_size());
	int r;

	if (!memory)
		return -ENOMEM;
	dns_policy_of(n->policy, &policy);
	dns_config_init(&config);
	config.n_upstreams = n->gate->upstreams.n;
	config.has_ipv6 = n->gate->addresses.six;
	r = dns_init(memory, n->gate->names_memory, &config, &policy, &loop, &n->dns);
	if (r >= 0 && n->gate->deaths > 0)
		dns_adopt(n->dns, now_msec());
	return r;
}

static int make_relay(struct names *n)
{
	static const enum gate_socket listeners[] = {GATE_TLS_4, GATE_TLS_6, GATE_HTTP_4,
						     GATE_HTTP_6};
	struct egress_relay_config c = {0};
	void *memory;
	int r = 0;

	egress_relay_defaults(&c);
	c.ops = &relay_ops;
	c.context = n;
	c.audit = policy_is_audit(n->policy);
	memory = loop_memory(egress_relay_size(&c));
	if (!memory)
		return -ENOMEM;
	n->relay = egress_relay_init(memory, &c, &r);
	if (!n->relay)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(listeners) && r >= 0; i++)
		if (n->gate->sockets[listeners[i]] >= 0)
			r = egress_relay_listen(n->relay, n->gate->sockets[listeners[i]]);
	return r < 0 ? r : loop_watch(n->epoll, egress_relay_fd(n->relay), SOURCE(SRC_RELAY, 0));
}

static int watch_all(struct names *n)
{
	const struct gate *g = n->gate;
	const struct {
		int fd;
		uint64_t source;
	} all[] = {
		{g->life[1], SOURCE(SRC_LIFE, 0)},
		{g->asks[0], SOURCE(SRC_KEEPER, 0)},
		{g->sockets[GATE_DNS_UDP_4], SOURCE(SRC_CLIENT_UDP, GATE_DNS_UDP_4)},
		{g->sockets[GATE_DNS_UDP_6], SOURCE(SRC_CLIENT_UDP, GATE_DNS_UDP_6)},
		{g->questions[0], SOURCE(SRC_UPSTREAM, 0)},
		{g->hellos[0], SOURCE(SRC_HELLO, 0)},
	};
	int r = names_tcp_init(&n->tcp, g, n->dns);

	/* Without IPv6, or questions to ask, some are not there. */
	for (size_t i = 0; i < ARRAY_SIZE(all) && r >= 0; i++)
		if (all[i].fd >= 0)
			r = loop_watch(n->epoll, all[i].fd, all[i].source);
	return r < 0 ? r : loop_watch(n->epoll, n->tcp.epoll, SOURCE(SRC_TCP, 0));
}

static void begin(const struct gate *g)
{
	int keep[GATE_SOCKETS + 8];
	size_t n = 0;

	for (size_t i = GATE_DNS_UDP_4; i < GATE_SOCKETS; i++)
		fd_keep(keep, &n, g->sockets[i]);
	fd_keep(keep, &n, g->asks[0]);
	fd_keep(keep, &n, g->questions[0]);
	fd_keep(keep, &n, g->hellos[0]);
	fd_keep(keep, &n, g->life[1]);
	fd_keep(keep, &n, g->records);
	fd_keep(keep, &n, g->netns);
	loop_begin("cis:names", keep, n);
	SYS(munmap, g->keeper_memory, keeper_memory_size());
}

/* ---- its life -------------------------------------------------------------------- */

static int least(int a, int b)
{
	return a < 0 ? b : b < 0 ? a : MIN(a, b);
}

/* False: the supervisor is gone. */
static bool handle(struct names *n, uint64_t source)
{
	switch (source >> 32) {
	case SRC_LIFE:
		return false;
	case SRC_KEEPER:
		on_keeper(n);
		break;
	case SRC_CLIENT_UDP:
		on_client(n, (uint32_t)source);
		break;
	case SRC_UPSTREAM:
		on_upstream(n);
		break;
	case SRC_HELLO:
		on_hello(n);
		break;
	case SRC_TCP:
		names_tcp_run(&n->tcp, now_msec());
		break;
	default: /* the relay runs in any case */
		break;
	}
	return true;
}

static void serve(struct names *n)
{
	struct epoll_event events[EVENTS];
	int wait = 0;

	for (;;) {
		int k = SYS(epoll_pwait, n->epoll, events, EVENTS, wait, NULL, 0);
		uint64_t now;

		if (k < 0 && k != -EINTR)
			return;
		for (int i = 0; i < k; i++)
			if (!handle(n, events[i].data.u64))
				return;
		now = now_msec();
		wait = egress_relay_run(n->relay, now);
		n->gate->shared->streams = egress_relay_connections(n->relay);
		dns_tick(n->dns, now);
		wait = least(wait, dns_next_timeout(n->dns, now));
	}
}

size_t names_memory_size(void)
{
	return dns_memory_size();
}

void names_main(const struct gate *g)
{
	struct names *n = loop_memory(sizeof *n);
	int r = n ? 0 : -ENOMEM;

	begin(g);
	if (r >= 0)
		r = loop_enter(g);
	if (r >= 0) {
		n->gate = g;
		n->policy = g->policy;
		r = n->epoll = SYS(epoll_create1, EPOLL_CLOEXEC);
	}
	if (r >= 0)
		r = make_dns(n);
	if (r >= 0)
		r = make_relay(n);
	if (r >= 0)
		r = watch_all(n);
	if (r < 0 || loop_confine(g, SECCOMP_NAMES) < 0)
		_exit(1);
	serve(n);
	/* What is still open has its record, too. */
	egress_relay_done(n->relay);
	_exit(0);
}
