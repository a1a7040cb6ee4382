/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gate.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "../base/fd.h"
#include "../base/io.h"
#include "../base/process.h"
#include "../base/str.h"
#include "../base/sys.h"
#include "../isolate/userns.h"
#include "../net/gate-messages.h"
#include "../net/visit.h"
#include "flows.h"
#include "inbound.h"
#include "keeper.h"
#include "names.h"
#include "policy.h"
#include "queue.h"
#include "uplink.h"

#define BACKLOG 512
/* The last records are waited for so long, and no longer. */
#define FINISH_MSEC 250

void gate_init(struct gate *g)
{
	*g = (struct gate){
		.founder = -1, .wire = {-1, -1}, .userns = -1, .netns = -1,
		.asks = {-1, -1}, .questions = {-1, -1}, .hellos = {-1, -1}, .life = {-1, -1},
		.records = -1, .keeper = -1, .names = -1, .inbound = -1,
		.pasta = {-1, -1, -1},
	};
	for (size_t i = 0; i < GATE_SOCKETS; i++)
		g->sockets[i] = -1;
	upstreams_init(&g->upstreams);
}

bool gate_is_on(const struct gate *g)
{
	return g->netns >= 0;
}

static int end_process(int pidfd)
{
	if (pidfd < 0)
		return -1;
	sys_pidfd_send_signal(pidfd, SIGKILL);
	process_reap(pidfd, NULL);
	return fd_close(pidfd);
}

void gate_bury(struct gate *g, int *pidfd)
{
	process_reap(*pidfd, NULL);
	*pidfd = fd_close(*pidfd);
	g->deaths++;
}

static void close_pair(int pair[2])
{
	pair[0] = fd_close(pair[0]);
	pair[1] = fd_close(pair[1]);
}

static void disconnect_helpers(struct gate *g)
{
	close_pair(g->asks);
	close_pair(g->questions);
	close_pair(g->hellos);
	if (g->names_memory)
		munmap(g->names_memory, names_memory_size());
	if (g->keeper_memory)
		munmap(g->keeper_memory, keeper_memory_size());
	g->names_memory = g->keeper_memory = NULL;
}

void gate_close(struct gate *g)
{
	g->founder = end_process(g->founder);
	g->keeper = end_process(g->keeper);
	g->names = end_process(g->names);
	g->inbound = end_process(g->inbound);
	pasta_end(&g->pasta);
	close_pair(g->wire);
	disconnect_helpers(g);
	close_pair(g->life);
	g->userns = fd_close(g->userns);
	g->netns = fd_close(g->netns);
	for (size_t i = 0; i < GATE_SOCKETS; i++)
		g->sockets[i] = fd_close(g->sockets[i]);
	upstreams_done(&g->upstreams);
	while (g->n_published)
		fd_close(g->listening[--g->n_published]);
}

void gate_done(struct gate *g)
{
	gate_close(g);
	fd_close(g->records);
	if (g->shared)
		munmap(g->shared, sizeof *g->shared);
	policy_free((struct policy *)g->policy);
	gate_init(g);
}

bool gate_is_over_budget(const struct gate *g)
{
	return g->shared && __atomic_load_n(&g->shared->budget_hits, __ATOMIC_RELAXED);
}

uint32_t gate_number(const struct gate *g)
{
	return g->way == EGRESS_VETH ? g->addresses.number : 0;
}

int gate_read_numbers(int state, uint32_t number, struct gate_numbers *ret)
{
	cleanup_close int fd = openat(state, GATE_SHARED_FILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct gate_shared s;
	uint64_t up = 0, down = 0;

	if (fd < 0)
		return -errno;
	if (pread(fd, &s, sizeof s, 0) != sizeof s)
		return -EIO;
	/* What flows is on the link; which is the host's, and not every gate's. */
	if (number)
		egress_count_uplink(number, &up, &down);
	*ret = (struct gate_numbers){
		.flows = s.flows + s.streams,
		.up = MAX(up, s.bytes_up),
		.down = MAX(down, s.bytes_down),
		.refused = s.refused,
		.questions = s.questions,
	};
	return 0;
}

size_t gate_read_records(const struct gate *g, char *buf, size_t room, uint64_t *at)
{
	ssize_t n = g->records < 0 ? 0 : pread(g->records, buf, room, (off_t)*at);

	n = MAX(n, 0);
	*at += (uint64_t)n;
	return (size_t)n;
}

int gate_publish(struct gate *g, const struct publish *p, struct cis_error *err)
{
	int r = publish_open(p, err);

	if (r < 0)
		return r;
	g->published[g->n_published] = *p;
	g->listening[g->n_published++] = r;
	return 0;
}

/* ---- the founder ---------------------------------------------------------------------------- */

/* What the gate's own root may set. All links come later and inherit. */
static int set_sysctls(bool six)
{
	static const char *const v4[][2] = {
		{"ip_forward", "1"},
		{"conf/all/accept_redirects", "0"},
		{"conf/default/accept_redirects", "0"},
		{"conf/all/send_redirects", "0"},
		{"conf/default/send_redirects", "0"},
		/* Inherited from the host, which may need them otherwise. */
		{"conf/all/accept_source_route", "0"},
		{"conf/default/accept_source_route", "0"},
		{"conf/all/route_localnet", "0"},
		{"conf/default/route_localnet", "0"},
		{"conf/all/proxy_arp", "0"},
		{"conf/default/proxy_arp", "0"},
		{"conf/all/arp_accept", "0"},
		{"conf/default/arp_accept", "0"},
		{"conf/all/rp_filter", "1"},
		{"conf/default/rp_filter", "1"},
	};
	static const char *const v6[][2] = {
		{"conf/all/accept_ra", "0"},
		{"conf/default/accept_ra", "0"},
		{"conf/all/accept_redirects", "0"},
		{"conf/default/accept_redirects", "0"},
	};
	cleanup_close int net = SYS(openat, AT_FDCWD, "/proc/sys/net",
				    O_PATH | O_DIRECTORY | O_CLOEXEC);
	cleanup_close int four = net < 0 ? net : SYS(openat, net, "ipv4",
						     O_PATH | O_DIRECTORY | O_CLOEXEC);
	cleanup_close int other = net < 0 ? net : SYS(openat, net, "ipv6",
						      O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r = MIN(four, 0);

	for (size_t i = 0; i < ARRAY_SIZE(v4) && r >= 0; i++)
		r = io_write_file_at(four, v4[i][0], v4[i][1]);
	for (size_t i = 0; i < ARRAY_SIZE(v6) && r >= 0 && other >= 0; i++)
		r = io_write_file_at(other, v6[i][0], v6[i][1]);
	if (r >= 0 && other >= 0)
		r = io_write_file_at(other, six ? "conf/all/forwarding" : "conf/all/disable_ipv6",
				     "1");
	/* Counts bytes of flows. */
	return r < 0 ? r : io_write_file_at(net, "netfilter/nf_conntrack_acct", "1");
}

/* What the founder says after each of its steps. */
enum step { STEP_USERNS, STEP_NETNS, STEP_RULES };
struct word {
	uint8_t step, error, value;
};

static void say(const struct gate *g, enum step step, int r)
{
	const struct word word = {(uint8_t)step, (uint8_t)-MIN(r, 0), (uint8_t)MAX(r, 0)};

	SYS(sendto, g->wire[1], &word, sizeof word, MSG_NOSIGNAL, NULL, 0);
	if (r < 0)
		_exit(1);
}

/* For the next word, or the end. */
static bool hear(const struct gate *g)
{
	char go;

	return SYS(recvfrom, g->wire[1], &go, 1, 0, NULL, NULL) == 1;
}

/* Whether packets can wait here for a program's word: asked of the kernel, and taken back. */
static bool has_queue(void)
{
	cleanup_close int fd =
		SYS(socket, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);

	return fd >= 0 && queue_bind(fd) >= 0;
}

static void founder_main(const struct gate *g, const struct egress_rules *rules)
	__attribute__((noreturn));
static void founder_main(const struct gate *g, const struct egress_rules *rules)
{
	int keep[1], r;
	size_t n = 0;

	SYS(prctl, PR_SET_NAME, "cis:gate", 0, 0, 0);
	fd_keep(keep, &n, g->wire[1]);
	fd_close_others(keep, n);
	r = userns_become_owner_child(g->id);
	say(g, STEP_USERNS, r < 0 ? r : SYS(unshare, CLONE_NEWUSER));
	/* Not before the ids are mapped: sysctls belong to a root that is there. */
	if (!hear(g))
		_exit(1);
	r = userns_become_root_child();
	if (r >= 0)
		r = SYS(unshare, CLONE_NEWNET);
	say(g, STEP_NETNS, r < 0 ? r : set_sysctls(g->addresses.six));
	say(g, STEP_RULES, egress_send_rules_child(rules, g->verify && has_queue()));
	/* Until its namespaces are held by descriptors. */
	hear(g);
	_exit(0);
}

static int clone_founder(struct gate *g, const struct egress_rules *rules)
{
	struct clone_args args = {
		.flags = CLONE_PIDFD,
		.pidfd = (uint64_t)(uintptr_t)&g->founder,
	};
	int r = socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, g->wire) < 0 ? -errno : 0;

	if (r >= 0)
		r = process_clone(&args);
	if (r == 0)
		founder_main(g, rules);
	if (r < 0) {
		g->founder = -1;
		return r;
	}
	g->founder_pid = r;
	g->wire[1] = fd_close(g->wire[1]);
	return 0;
}

static int make_rules(const struct gate *g, bool anew, struct egress_rules *ret);

int gate_clone(struct gate *g, uint32_t number, uid_t id, struct cis_error *err)
{
	struct egress_rules rules = {0};
	int r = uplink_choose(g, number, err);

	if (r < 0)
		return r;
	g->id = id;
	r = upstreams_open(&g->upstreams, err);
	if (r < 0)
		return r;
	r = make_rules(g, false, &rules);
	if (r >= 0)
		r = clone_founder(g, &rules);
	egress_rules_done(&rules);
	return r < 0 ? cis_fail(err, -r, "gate: clone its founder") : 0;
}

/* That @step is done; what it came to. */
static int hear_founder(const struct gate *g, enum step step, struct cis_error *err)
{
	struct word said;
	ssize_t n = recv(g->wire[0], &said, sizeof said, 0);
	int r = n == sizeof said ? -said.error : n == 0 ? -ECHILD : n < 0 ? -errno : -EPROTO;

	if (r >= 0 && said.step != step)
		r = -EPROTO;
	if (r < 0 && step == STEP_RULES)
		return egress_explain_rules(r, err);
	return r < 0 ? cis_fail(err, -r, "gate: make its namespaces") : said.value;
}

int gate_map(struct gate *g, struct cis_error *err)
{
	int r = hear_founder(g, STEP_USERNS, err);

	if (r < 0)
		return r;
	r = userns_write_maps(g->founder_pid, g->id, 1);
	if (r >= 0)
		r = g->userns = userns_open(g->founder_pid);
	if (r >= 0 && send(g->wire[0], "", 1, MSG_NOSIGNAL) < 0)
		r = -errno;
	return r < 0 ? cis_fail(err, -r, "gate: map its ids") : 0;
}

static int open_netns(pid_t pid)
{
	char path[64];
	int fd;

	snprintf(path, sizeof path, "/proc/%d/ns/net", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int take_netns(struct gate *g, struct cis_error *err)
{
	int r = hear_founder(g, STEP_NETNS, err);

	if (r < 0)
		return r;
	r = g->netns = open_netns(g->founder_pid);
	return r < 0 ? cis_fail(err, -r, "gate: open its network namespace") : 0;
}

/* ---- building ------------------------------------------------------------------------------- */

static void to_elements(const struct policy_range *from, size_t n, bool six,
			struct egress_element *ret)
{
	for (size_t i = 0; i < n; i++) {
		ret[i] = (struct egress_element){.six = six};
		memcpy(ret[i].low, from[i].first, sizeof ret[i].low);
		memcpy(ret[i].high, from[i].last, sizeof ret[i].high);
	}
}

static struct egress_element *never_elements(const struct policy *p, size_t *ret_n)
{
	const struct policy_range *v4, *v6;
	size_t n4 = policy_never(p, AF_INET, &v4), n6 = policy_never(p, AF_INET6, &v6);
	struct egress_element *v = calloc(n4 + n6 + 1, sizeof *v);

	if (!v)
		return NULL;
	to_elements(v4, n4, false, v);
	to_elements(v6, n6, true, v + n4);
	*ret_n = n4 + n6;
	return v;
}

static size_t add_nets(const struct policy *p, int family, struct egress_element *ret)
{
	const struct policy_net *nets;
	size_t n = policy_nets(p, family, &nets), k = 0;

	for (size_t i = 0; i < n; i++) {
		const struct egress_port *ports;
		size_t n_ports = policy_net_ports(p, &nets[i], &ports);

		for (size_t j = 0; j < n_ports; j++, k++) {
			struct egress_element e = {.six = family == AF_INET6};

			if (!ret)
				continue;
			memcpy(e.low, nets[i].range.first, sizeof e.low);
			memcpy(e.high, nets[i].range.last, sizeof e.high);
			e.protocol_low = ports[j].proto;
			e.protocol_high = ports[j].proto ? ports[j].proto : UINT8_MAX;
			e.port_low = ports[j].port;
			e.port_high = ports[j].port ? ports[j].port : UINT16_MAX;
			ret[k] = e;
		}
	}
	return k;
}

static int make_rules(const struct gate *g, bool anew, struct egress_rules *ret)
{
	struct egress_policy p = {.audit = policy_is_audit(g->policy), .verify = g->verify,
				  .rate = g->rate, .budget = g->budget, .anew = anew};
	size_t n4 = add_nets(g->policy, AF_INET, NULL), n6 = add_nets(g->policy, AF_INET6, NULL);
	cleanup_free struct egress_element *never = never_elements(g->policy, &p.n_never);
	cleanup_free struct egress_element *nets = calloc(n4 + n6 + 1, sizeof *nets);

	if (!never || !nets)
		return -ENOMEM;
	add_nets(g->policy, AF_INET, nets);
	add_nets(g->policy, AF_INET6, nets + n4);
	p.never = never;
	p.nets = nets;
	p.n_nets = n4 + n6;
	return egress_make_rules(&g->addresses, &p, ret);
}

static int listen_at(const struct gate *g, bool six, int type, uint16_t port)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	cleanup_close int fd = socket(six ? AF_INET6 : AF_INET,
				      type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int r;

	if (fd < 0)
		return -errno;
	memcpy(&v4.sin_addr, g->addresses.gate4, 4);
	memcpy(&v6.sin6_addr, g->addresses.gate6, 16);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
	r = six ? bind(fd, (struct sockaddr *)&v6, sizeof v6)
		: bind(fd, (struct sockaddr *)&v4, sizeof v4);
	if (r < 0 || (type == SOCK_STREAM && listen(fd, BACKLOG) < 0))
		return -errno;
	return steal_fd(&fd);
}

static int open_netfilter(int (*subscribe)(int fd))
{
	cleanup_close int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
	int r = fd < 0 ? -errno : 0;

	if (r >= 0 && subscribe)
		r = subscribe(fd);
	return r < 0 ? r : steal_fd(&fd);
}

static const struct {
	enum gate_socket v4, v6;
	int type;
	uint16_t port;
} listeners[] = {
	{GATE_DNS_UDP_4, GATE_DNS_UDP_6, SOCK_DGRAM, 53},
	{GATE_DNS_TCP_4, GATE_DNS_TCP_6, SOCK_STREAM, 53},
	{GATE_TLS_4, GATE_TLS_6, SOCK_STREAM, EGRESS_TLS_PORT},
	{GATE_HTTP_4, GATE_HTTP_6, SOCK_STREAM, EGRESS_HTTP_PORT},
};

static int open_listeners(void *arg)
{
	struct gate *g = arg;
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(listeners) && r >= 0; i++) {
		r = g->sockets[listeners[i].v4] =
			listen_at(g, false, listeners[i].type, listeners[i].port);
		if (r >= 0 && g->addresses.six)
			r = g->sockets[listeners[i].v6] =
				listen_at(g, true, listeners[i].type, listeners[i].port);
	}
	return r;
}

static int open_listeners_and_queue(void *arg)
{
	struct gate *g = arg;
	int r = open_listeners(g);

	return r < 0 ? r : (g->sockets[GATE_QUEUE] = open_netfilter(queue_bind));
}

static int open_netfilters(void *arg)
{
	struct gate *g = arg;
	int r = g->sockets[GATE_NFT] = open_netfilter(NULL);

	if (r >= 0)
		r = g->sockets[GATE_FLOWS] = open_netfilter(flows_subscribe);
	if (r >= 0)
		r = g->sockets[GATE_REFUSALS] = open_netfilter(refusals_subscribe);
	if (r >= 0)
		r = g->sockets[GATE_NEVER] = open_netfilter(NULL);
	return r;
}

/* Counts from none, in a file that goes with the state directory. */
static int open_numbers(struct gate *g)
{
	cleanup_close int fd = openat(g->state, GATE_SHARED_FILE,
				      O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	void *at;

	if (fd < 0 || ftruncate(fd, sizeof *g->shared) < 0)
		return -errno;
	at = mmap(NULL, sizeof *g->shared, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		return -errno;
	g->shared = at;
	return 0;
}

/* NULL, or what children have in common with each other. */
static void *map_shared(size_t size)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return at == MAP_FAILED ? NULL : at;
}

/* Between the helpers, who know nothing yet. */
static int connect_helpers(struct gate *g)
{
	g->names_memory = map_shared(names_memory_size());
	g->keeper_memory = map_shared(keeper_memory_size());
	if (!g->names_memory || !g->keeper_memory)
		return -ENOMEM;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, g->asks) < 0 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, g->questions) < 0 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, g->hellos) < 0)
		return -errno;
	return 0;
}

static int open_rest(struct gate *g)
{
	int r;

	g->records = open("/dev/shm", O_TMPFILE | O_RDWR | O_APPEND | O_CLOEXEC, 0600);
	if (g->records < 0)
		g->records = memfd_create("egress", MFD_CLOEXEC);
	if (g->records < 0)
		return -errno;
	r = open_numbers(g);
	if (r < 0)
		return r;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, g->life) < 0)
		return -errno;
	return connect_helpers(g);
}

int gate_build(struct gate *g, int box, struct cis_error *err)
{
	int r = take_netns(g, err), by_queue;

	if (r < 0)
		return r;
	r = netns_visit(g->netns, open_netfilters, g);
	if (r >= 0)
		r = open_rest(g);
	if (r < 0)
		return cis_fail(err, -r, "gate: listen to its kernel");
	/* No link before there are rules: the founder makes them. */
	by_queue = r = hear_founder(g, STEP_RULES, err);
	if (r >= 0)
		r = uplink_begin(g, err);
	if (r >= 0)
		r = egress_make_link(g->netns, box, &g->addresses, err);
	if (r < 0)
		return r;
	r = netns_visit(g->netns, by_queue ? open_listeners_and_queue : open_listeners, g);
	if (r < 0)
		return cis_fail(err, -r, "gate: listen in it");
	r = uplink_finish(g, err);
	return r < 0 ? r : upstreams_await(&g->upstreams, err);
}

/* ---- processes ------------------------------------------------------------------------------ */

static int spawn(struct gate *g, void (*child)(const struct gate *g), int *ret_pidfd)
{
	struct clone_args args = {
		.flags = CLONE_PIDFD,
		.pidfd = (uint64_t)(uintptr_t)ret_pidfd,
	};
	int r;

	if (*ret_pidfd >= 0)
		return 0;
	r = process_clone(&args);
	if (r == 0)
		child(g);
	if (r < 0)
		*ret_pidfd = -1;
	return MIN(r, 0);
}

int gate_spawn(struct gate *g, struct cis_error *err)
{
	int r;

	/* Its namespaces have other holders by now; gate_build() is not for waiting. */
	g->founder = end_process(g->founder);
	close_pair(g->wire);
	r = spawn(g, keeper_main, &g->keeper);
	if (r >= 0)
		r = spawn(g, names_main, &g->names);
	if (r >= 0 && g->n_published)
		r = spawn(g, inbound_main, &g->inbound);
	return r < 0 ? cis_fail(err, -r, "gate: clone its helpers") : 0;
}

struct sending {
	const struct egress_rules *rules;
	bool has_queue;
};

static int send_rules(void *arg)
{
	const struct sending *s = arg;

	return egress_send_rules_child(s->rules, s->has_queue);
}

/*
 * In one step of the kernel's: there is no moment without rules, nor with some of both. The
 * helpers go first, and know nothing of what they knew, for they asked another policy.
 */
int gate_change(struct gate *g, struct policy *policy, struct cis_error *err)
{
	struct egress_rules rules = {0};
	const struct sending sending = {&rules, g->sockets[GATE_QUEUE] >= 0};
	int r;

	g->keeper = end_process(g->keeper);
	g->names = end_process(g->names);
	policy_free((struct policy *)g->policy);
	g->policy = policy;
	disconnect_helpers(g);
	r = connect_helpers(g);
	if (r >= 0)
		r = make_rules(g, true, &rules);
	if (r >= 0)
		r = netns_visit(g->netns, send_rules, (void *)&sending);
	egress_rules_done(&rules);
	return r < 0 ? egress_explain_rules(r, err) : gate_spawn(g, err);
}

/* Both end by themselves, at once. Nobody waits for long for one that does not. */
void gate_finish(struct gate *g)
{
	int *const helpers[] = {&g->keeper, &g->names, &g->inbound};

	g->life[0] = fd_close(g->life[0]);
	for (size_t i = 0; i < ARRAY_SIZE(helpers); i++) {
		struct pollfd p = {.fd = *helpers[i], .events = POLLIN};

		/* One that hangs costs the others their time. */
		if (p.fd >= 0 && poll(&p, 1, g->was_cut ? 0 : FINISH_MSEC) == 0)
			g->was_cut = true;
		*helpers[i] = end_process(*helpers[i]);
	}
	pasta_end(&g->pasta);
}
