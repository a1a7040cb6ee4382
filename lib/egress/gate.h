/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The gate of a sandbox with a network, as its supervisor has it:
 *
 *	sandbox -- eth0 -- [ the gate's network namespace ] -- up0 -- host
 *
 *	gate_clone()   somebody makes its namespaces, and rules in them, beside us  prepare.c
 *	gate_map()     who its root is; its network comes after this              prepare.c
 *	gate_build()   when there are rules: links, sockets                       launch.c
 *	gate_spawn()   keeper, names helper, the one of published ports           launch.c
 *	gate_finish()  what still flows is recorded; both end                     supervise.c
 *
 * The namespaces live by descriptors only, so all of it vanishes with the supervisor:
 * its processes end when their wire to it does.
 *
 *	cis:gate   keeper.c: adds to the gate's sets what it is told, hears what the kernel
 *	           let pass and refused. CAP_NET_ADMIN over the gate, and nothing else.
 *	cis:names  names.c: reads all that is hostile: DNS, names in TLS and HTTP. No power
 *	           but to ask the keeper, whose never-list no request can change.
 *	cis:publish  inbound.c: if ports are published: moves bytes from the host to the
 *	           sandbox. It has sockets of the host, and reads nothing.
 *	cis:uplink pasta.c: where nothing is forwarded, the parent of the program pasta.
 */
#ifndef CIS_EGRESS_GATE_H
#define CIS_EGRESS_GATE_H

#include <cisandbox.h>
#include <sys/types.h>

#include "../net/egress.h"
#include "pasta.h"
#include "publish.h"
#include "shared.h"
#include "upstreams.h"

/* What was opened in the gate's namespace. */
enum gate_socket {
	GATE_NFT,        /* the keeper's */
	GATE_FLOWS,
	GATE_REFUSALS,
	GATE_QUEUE,      /* -1: there is none, and TLS is carried by the relay */
	GATE_DNS_UDP_4,  /* the helper's */
	GATE_DNS_UDP_6,
	GATE_DNS_TCP_4,
	GATE_DNS_TCP_6,
	GATE_TLS_4,
	GATE_TLS_6,
	GATE_HTTP_4,
	GATE_HTTP_6,
	GATE_NEVER,      /* the uplink's, where that is pasta */
	GATE_SOCKETS
};

struct policy;

struct gate {
	struct egress_addresses addresses;
	const struct policy *policy; /* owned */
	bool verify;
	uint64_t rate, budget;
	int state;                 /* borrowed: of the sandbox's directory */
	enum cis_uplink wanted;
	enum egress_uplink way;
	struct pasta pasta;        /* if that is it */
	uid_t id;                  /* of all its processes, on the host */
	int founder, wire[2];      /* pidfd; the caller's end, the founder's */
	pid_t founder_pid;
	int userns, netns;
	int sockets[GATE_SOCKETS];
	struct gate_upstreams upstreams;
	struct publish published[PUBLISH_MAX];
	int listening[PUBLISH_MAX]; /* on the host */
	size_t n_published;
	int asks[2];               /* names to keeper: struct gate_ask, and its answer */
	int questions[2];          /* names to keeper and back: struct gate_question */
	int hellos[2];             /* keeper to names: struct gate_hello, and its answer */
	int life[2];               /* the supervisor's end, which closes when it dies */
	int records;               /* an unnamed file of JSON lines, appended to by both */
	struct gate_shared *shared;
	void *names_memory;        /* outlives that helper, for the next; not ours to read */
	void *keeper_memory;       /* likewise */
	int keeper, names, inbound; /* pidfds, or -1 */
	unsigned int deaths;
	bool was_cut;              /* its last records are missing */
};

void gate_init(struct gate *g);
void gate_done(struct gate *g);
bool gate_is_on(const struct gate *g);

/* Listens on the host already; before gate_clone(). */
int gate_publish(struct gate *g, const struct publish *p, struct cis_error *err);
/* @number: of this gate on the host, unless it is taken; @id: a host id that nobody else has. */
int gate_clone(struct gate *g, uint32_t number, uid_t id, struct cis_error *err);
int gate_map(struct gate *g, struct cis_error *err);
/* @box: the sandbox's network namespace, in which there is but lo. */
int gate_build(struct gate *g, int box, struct cis_error *err);
/* Those that do not run. */
int gate_spawn(struct gate *g, struct cis_error *err);
/*
 * Other rules for one that is up, while nobody behind it sends: @policy, which it owns then, and
 * what verify, rate and budget say now. Keeper and names are others afterwards.
 */
int gate_change(struct gate *g, struct policy *policy, struct cis_error *err);
/* It is dead: reaps it. */
void gate_bury(struct gate *g, int *pidfd);
/* The last records are written; all processes are gone. */
void gate_finish(struct gate *g);
/* Its namespaces too; records stay until gate_done(). */
void gate_close(struct gate *g);

/* What those who have no struct gate may know: of the one whose state directory it is. */
struct gate_numbers {
	uint64_t flows, up, down, refused, questions;
};
/* Of its link to the host, which got it when that was made; 0: it has none. */
uint32_t gate_number(const struct gate *g);
/* @number: the same. -ENOENT: it has no gate. */
int gate_read_numbers(int state, uint32_t number, struct gate_numbers *ret);

/* So many deaths of helpers are not bad luck any more. */
#define GATE_DEATHS_MAX 20
bool gate_is_over_budget(const struct gate *g);
/* Records from *at on, which moves; how many bytes. */
size_t gate_read_records(const struct gate *g, char *buf, size_t room, uint64_t *at);

#endif
