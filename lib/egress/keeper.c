/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "keeper.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>

#include "../base/clock.h"
#include "../base/fd.h"
#include "../base/sys.h"
#include "../isolate/confine.h"
#include "flows.h"
#include "forward.h"
#include "loop.h"
#include "names.h"
#include "opener.h"
#include "record.h"

/* Elements and names that are remembered: of the kernel's sets, by the hash of what they are. */
#define ELEMENTS 4096
#define NAMES 1024
#define POLLED 7
/* An element that lives as long is left alone; to replace one takes milliseconds. */
#define GRACE_MSEC 600000
/* The kernel tells of flows one by one; woken by each, we are in the way of those who make them.
 * So they gather for as long: the socket has room for many more. */
#define GATHER_MSEC 20
#define HEARD_AT_ONCE 64 /* then others get their turn */

struct element {
	struct egress_element e;
	uint64_t until; /* msec; 0: free */
};

struct known {
	uint8_t six, address[16];
	char name[NAME_MAX_LEN + 1];
};

/* What outlives it, so that records go on to have names. */
struct keeper_memory {
	struct known names[NAMES];
	uint64_t flowing; /* connections of the sandbox that have not ended */
};

struct keeper {
	const struct gate *gate;
	struct keeper_memory *memory;
	struct gate_shared *shared;
	int asks, life;
	bool missed;      /* some of these began unheard */
	uint64_t hear_at; /* msec; what is told of flows until then gathers */
	struct element elements[ELEMENTS];
	struct forward forward;
	struct opener *opener; /* NULL: TLS is carried by the relay, or not verified */
	char batch[4096];
};

/* ---- names of addresses --------------------------------------------------------------------- */

static uint32_t hash(const void *data, size_t n)
{
	const uint8_t *p = data;
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < n; i++)
		h = (h ^ p[i]) * 16777619u;
	return h ^ h >> 15;
}

/* A cache: who collides is forgotten, and a record has no name then. */
static struct known *place_of(struct keeper *k, bool six, const uint8_t *address)
{
	return &k->memory->names[hash(address, six ? 16 : 4) % NAMES];
}

static void remember(struct keeper *k, bool six, const uint8_t *address, const char *name)
{
	struct known *n = place_of(k, six, address);

	/* Who dies here leaves no address with the name of another. */
	*n->name = '\0';
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	n->six = six;
	memcpy(n->address, address, sizeof n->address);
	memcpy(n->name, name, strlen(name) + 1);
}

static const char *name_of(struct keeper *k, bool six, const uint8_t *address)
{
	const struct known *n = place_of(k, six, address);

	return *n->name && n->six == six && memcmp(n->address, address, six ? 16 : 4) == 0
		       ? n->name
		       : NULL;
}

/* ---- admitting ------------------------------------------------------------------------------ */

static bool same_element(const struct egress_element *a, const struct egress_element *b)
{
	return a->six == b->six && a->protocol_low == b->protocol_low &&
	       a->port_low == b->port_low && memcmp(a->low, b->low, a->six ? 16 : 4) == 0;
}

static int admit_one(struct keeper *k, const struct egress_element *e)
{
	const enum egress_set set = e->port_low ? EGRESS_NAMES : EGRESS_HOSTS;
	uint32_t at = (hash(e->low, 16) ^ e->port_low * 31u ^ e->protocol_low) % ELEMENTS;
	struct element *known = &k->elements[at];
	uint64_t now = now_msec(), until = now + (uint64_t)e->seconds * 1000;
	int r;

	if (known->until && same_element(&known->e, e) && known->until + GRACE_MSEC > until &&
	    known->until > now)
		return 0;
	r = egress_admit_child(k->gate->sockets[GATE_NFT], set, e);
	if (r >= 0)
		*known = (struct element){*e, until};
	return r;
}

/* No protocol is both. */
static int admit_port(struct keeper *k, struct egress_element *e, uint8_t protocol)
{
	int r;

	if (protocol) {
		e->protocol_low = protocol;
		return admit_one(k, e);
	}
	r = admit_port(k, e, IPPROTO_TCP);
	return r < 0 ? r : admit_port(k, e, IPPROTO_UDP);
}

static int admit_ports(struct keeper *k, const struct gate_ask *ask, struct egress_element *e)
{
	int r = 0;

	for (unsigned int i = 0; i < ask->n_ports && r >= 0; i++) {
		e->port_low = ask->ports[i].port;
		r = admit_port(k, e, ask->ports[i].protocol);
	}
	return r;
}

static int admit(struct keeper *k, struct gate_ask *ask)
{
	int r = 0;

	if (ask->n_addresses > GATE_ASK_ADDRESSES || ask->n_ports > GATE_ASK_PORTS)
		return -EINVAL;
	ask->name[NAME_MAX_LEN] = '\0';
	for (unsigned int i = 0; i < ask->n_addresses && r >= 0; i++) {
		struct egress_element e = {.six = ask->addresses[i].six,
					   .seconds = ask->seconds};

		memcpy(e.low, ask->addresses[i].bytes, sizeof e.low);
		remember(k, e.six, e.low, ask->name);
		r = admit_ports(k, ask, &e);
	}
	return r;
}

static void on_ask(struct keeper *k)
{
	struct gate_ask ask = {0};
	struct gate_answer answer = {0};
	int r = SYS(recvfrom, k->asks, &ask, sizeof ask, MSG_DONTWAIT, NULL, NULL);

	if (r != sizeof ask)
		return;
	answer.ticket = ask.ticket;
	answer.error = admit(k, &ask);
	SYS(sendto, k->asks, &answer, sizeof answer, MSG_NOSIGNAL | MSG_DONTWAIT, NULL, 0);
}

/* ---- recording ------------------------------------------------------------------------------ */

static void end_record(struct keeper *k, struct record *r)
{
	if (!record_end(r, k->gate->records))
		gate_count(&k->shared->records_lost, 1);
}

/* What it asked for, if that was read; else what its address was the answer for. */
static const char *name_of_flow(struct keeper *k, const struct flow *f)
{
	const char *name = k->opener ? opener_name(k->opener, f) : NULL;

	return name ? name : name_of(k, f->six, f->target);
}

static void begin_record(struct keeper *k, struct record *r, const char *event,
			 const struct flow *f)
{
	const char *name = name_of_flow(k, f);

	record_begin(r, event);
	if (name)
		record_text(r, "name", name);
	record_address(r, "address", f->six, f->target);
	if (f->target_port)
		record_number(r, "port", f->target_port);
	record_protocol(r, f->protocol);
}

/* Of the sandbox's own, and not to the gate, nor what the names helper carries and records. */
static bool is_the_sandboxs(const struct gate *g, const struct flow *f)
{
	const struct egress_addresses *a = &g->addresses;
	const uint8_t *box = f->six ? a->box6 : a->box4, *gate = f->six ? a->gate6 : a->gate4;
	size_t size = f->six ? 16 : 4;

	return memcmp(f->source, box, size) == 0 && memcmp(f->target, gate, size) != 0 &&
	       memcmp(f->answers_from, gate, size) != 0;
}

static void on_flow(void *context, const struct flow *f)
{
	struct keeper *k = context;
	struct record r;

	if (!is_the_sandboxs(k->gate, f))
		return;
	if (f->is_new) {
		k->shared->flows = ++k->memory->flowing;
		return;
	}
	k->memory->flowing -= k->memory->flowing > 0;
	k->shared->flows = k->memory->flowing;
	gate_count(&k->shared->bytes_up, f->up);
	gate_count(&k->shared->bytes_down, f->down);
	/* It never was allowed: what there is to say of it, the names helper said. */
	if (k->opener && f->protocol == IPPROTO_TCP && f->target_port == 443 && !f->mark &&
	    !opener_name(k->opener, f))
		return;
	begin_record(k, &r, "flow", f);
	record_number(&r, "bytes_up", f->up);
	record_number(&r, "bytes_down", f->down);
	record_text(&r, "verdict", "allowed");
	record_rule(&r, k->gate->policy, name_of_flow(k, f));
	end_record(k, &r);
}

static void on_refusal(void *context, const struct flow *f)
{
	struct keeper *k = context;
	struct record r;

	/* A question, which the resolver answers and records; or packets of what goes on. */
	if (strcmp(f->why, "spent") == 0) {
		gate_count(&k->shared->budget_hits, 1);
		return;
	}
	if (strcmp(f->why, "rate") == 0) {
		begin_record(k, &r, "slowed", f);
		record_text(&r, "verdict", "allowed");
		record_text(&r, "reason", f->why);
		end_record(k, &r);
		return;
	}
	gate_count(&k->shared->refused, 1);
	if (strcmp(f->why, "budget") == 0)
		gate_count(&k->shared->budget_hits, 1);
	begin_record(k, &r, "refused", f);
	record_text(&r, "verdict", "denied");
	record_text(&r, "reason", f->why);
	end_record(k, &r);
}

/* What the kernel said about a question it said before that question came here. */
static bool may_ask(void *context)
{
	struct keeper *k = context;

	if (!k->gate->budget)
		return true;
	while (refusals_read(k->gate->sockets[GATE_REFUSALS], on_refusal, k) >= 0)
		;
	return !k->shared->budget_hits;
}

/* More came than there was room for: ends are told again by the kernel, beginnings are not. */
static bool hear_flows(struct keeper *k, bool *ret_end)
{
	int r = flows_read(k->gate->sockets[GATE_FLOWS], on_flow, k, ret_end);

	k->missed = k->missed || r == -ENOBUFS;
	return r >= 0 || r == -ENOBUFS;
}

static void hear_gathered(struct keeper *k, uint64_t now)
{
	bool end;
	int n = 0;

	while (n < HEARD_AT_ONCE && hear_flows(k, &end))
		n++;
	k->hear_at = n < HEARD_AT_ONCE ? now + GATHER_MSEC : 0;
}

/* What flows at the end never told that it ended. */
static void record_rest(struct keeper *k)
{
	const int fd = k->gate->sockets[GATE_FLOWS];
	struct pollfd p = {.fd = fd, .events = POLLIN};
	const struct timespec patience = {.tv_nsec = 100000000};
	bool end = false;

	while (hear_flows(k, &end))
		;
	end = false;
	if ((!k->memory->flowing && !k->missed) || flows_ask_all(fd) < 0)
		return;
	while (!end && SYS(ppoll, &p, 1, &patience, NULL, 0) > 0)
		hear_flows(k, &end);
}

/* ---- its life ------------------------------------------------------------------------------- */

static void begin(const struct gate *g)
{
	const int fds[] = {g->sockets[GATE_NFT], g->sockets[GATE_FLOWS],
			   g->sockets[GATE_REFUSALS], g->sockets[GATE_QUEUE], g->asks[1],
			   g->questions[1], g->hellos[1], g->life[1], g->records, g->userns};
	int keep[ARRAY_SIZE(fds) + GATE_UPSTREAMS * (GATE_UDP_EACH + 1)];
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fd_keep(keep, &n, fds[i]);
	for (size_t i = 0; i < g->upstreams.n; i++) {
		fd_keep(keep, &n, g->upstreams.tcp[i]);
		for (size_t j = 0; j < GATE_UDP_EACH; j++)
			fd_keep(keep, &n, g->upstreams.udp[i][j]);
	}
	loop_begin("cis:gate", keep, n);
	SYS(munmap, g->names_memory, names_memory_size());
}

/* Root of the gate's user namespace, in which there is but its network. */
static int confine(const struct gate *g)
{
	const struct confinement c = {.caps = 1ULL << CAP_NET_ADMIN,
				      .files = POLLED, /* ppoll() wants as much */
				      .file_size = RECORDS_MAX + RECORD_SIZE,
				      .filter = SECCOMP_KEEPER};
	int r = SYS(setns, g->userns, CLONE_NEWUSER);

	fd_close(g->userns);
	return r < 0 ? r : confine_child(&c);
}

/* msec; -1: until something happens. */
static int wait_for(const struct keeper *k, uint64_t now)
{
	const int wait = k->opener ? opener_wait(k->opener) : -1;
	const int gather = k->hear_at > now ? (int)(k->hear_at - now) : -1;

	return wait < 0 || gather < 0 ? MAX(wait, gather) : MIN(wait, gather);
}

static void serve(struct keeper *k)
{
	const struct gate *g = k->gate;
	uint64_t now = now_msec();

	for (;;) {
		const int flows = k->hear_at > now ? -1 : g->sockets[GATE_FLOWS];
		struct pollfd p[POLLED] = {{.fd = k->life, .events = POLLIN},
					   {.fd = k->asks, .events = POLLIN},
					   {.fd = flows, .events = POLLIN},
					   {.fd = g->sockets[GATE_REFUSALS], .events = POLLIN},
					   {.fd = k->forward.epoll, .events = POLLIN},
					   {.fd = g->sockets[GATE_QUEUE], .events = POLLIN},
					   {.fd = g->hellos[1], .events = POLLIN}};
		const int wait = wait_for(k, now);
		const struct timespec until = {.tv_sec = wait / 1000,
					       .tv_nsec = wait % 1000 * 1000000};

		/* Not signals, which are blocked: nothing that would pass. */
		if (SYS(ppoll, p, POLLED, wait < 0 ? NULL : &until, NULL, 0) < 0)
			return;
		now = now_msec();
		if (k->opener)
			opener_run(k->opener, now, p[6].revents, p[5].revents);
		if (p[1].revents)
			on_ask(k);
		if (p[2].revents)
			hear_gathered(k, now);
		if (p[3].revents)
			refusals_read(p[3].fd, on_refusal, k);
		if (p[4].revents)
			forward_run(&k->forward);
		if (p[0].revents)
			return;
	}
}

/* A predecessor may have died in the middle of a name. */
static void adopt(struct keeper_memory *m)
{
	for (size_t i = 0; i < NAMES; i++)
		m->names[i].name[NAME_MAX_LEN] = '\0';
}

size_t keeper_memory_size(void)
{
	return sizeof(struct keeper_memory);
}

static int make_opener(struct keeper *k, const struct gate *g)
{
	if (g->sockets[GATE_QUEUE] < 0)
		return 0;
	k->opener = loop_memory(sizeof *k->opener);
	return k->opener ? opener_init(k->opener, g) : -ENOMEM;
}

void keeper_main(const struct gate *g)
{
	struct keeper *k = loop_memory(sizeof *k);

	begin(g);
	if (!k ||
	    forward_init(&k->forward, &g->upstreams, g->questions[1], may_ask, k) < 0 ||
	    make_opener(k, g) < 0 || confine(g) < 0)
		_exit(1);
	k->gate = g;
	k->memory = g->keeper_memory;
	if (g->deaths > 0)
		adopt(k->memory);
	k->missed = g->deaths > 0;
	k->shared = g->shared;
	k->asks = g->asks[1];
	k->life = g->life[1];
	serve(k);
	record_rest(k);
	while (refusals_read(g->sockets[GATE_REFUSALS], on_refusal, k) >= 0)
		;
	_exit(0);
}
