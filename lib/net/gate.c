/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gate.h"

#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "../base/fd.h"
#include "../base/io.h"
#include "../base/process.h"
#include "../base/sys.h"
#include "gate-send.h"

enum step { STEP_CHILD, STEP_ENTER, STEP_LOOK, STEP_RULES, STEP_LINK, STEP_ADDRESS,
	    STEP_FORWARD, STEP_ENTER_BOX, STEP_BOX_ADDRESS, STEP_ROUTE };

static const char *const steps[] = {
	[STEP_CHILD] = "run a child",
	[STEP_ENTER] = "enter it",
	[STEP_LOOK] = "look at its routes",
	[STEP_RULES] = "make the nftables rules",
	[STEP_LINK] = "make the link " GATE_LINK,
	[STEP_ADDRESS] = "give " GATE_LINK " its addresses",
	[STEP_FORWARD] = "have it forward packets",
	[STEP_ENTER_BOX] = "enter the sandbox's network namespace",
	[STEP_BOX_ADDRESS] = "give " GATE_PEER " of the sandbox its addresses",
	[STEP_ROUTE] = "make the sandbox's default route",
};

/* Shared with the child. */
struct job {
	int (*work)(struct job *job);
	int netns, box, procfd;
	struct gate_facts facts;
	enum step step;
	bool taken;
	int result;
};

/* ---- in the child ----------------------------------------------------------------------- */

static int look(struct job *j)
{
	j->step = STEP_LOOK;
	return gate_look_child(j->procfd, &j->facts, &j->taken);
}

static int find_link(const char *name, uint32_t *ret)
{
	cleanup_close int fd = SYS(socket, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq req = {0};
	int r;

	memcpy(req.ifr_name, name, strlen(name) + 1);
	r = fd < 0 ? fd : SYS(ioctl, fd, SIOCGIFINDEX, &req);
	*ret = (uint32_t)req.ifr_ifindex;
	return r;
}

static void fill_addresses(struct gate_values *v, const struct gate_facts *f)
{
	gate_range4(f->range4, v->gate4);
	memcpy(v->box4, v->gate4, sizeof v->box4);
	v->gate4[3] += 1;
	v->box4[3] += 2;
	gate_range6(f->range6, v->gate6);
	memcpy(v->box6, v->gate6, sizeof v->box6);
	v->gate6[15] += 1;
	v->box6[15] += 2;
}

/* One end of the link, in its namespace. */
static int set_up_end(const char *name, struct gate_values *v, const uint8_t own4[4],
		      const uint8_t own6[16], bool six)
{
	int r = find_link(name, &v->link);

	memcpy(v->own4, own4, sizeof v->own4);
	memcpy(v->own6, own6, sizeof v->own6);
	if (r >= 0)
		r = gate_send_child(GATE_ADDRESS_4, v);
	if (r >= 0 && six)
		r = gate_send_child(GATE_ADDRESS_6, v);
	return r < 0 ? r : gate_send_child(GATE_LINK_UP, v);
}

static int write_accept_ra(const struct job *j, const char *value)
{
	char path[128] = "sys/net/ipv6/conf/";

	strncat(path, j->facts.uplink, IF_NAMESIZE);
	strcat(path, "/accept_ra");
	return io_write_file_at(j->procfd, path, value);
}

static int forward(const struct job *j)
{
	const struct gate_facts *f = &j->facts;
	/* Answers to what the gate's own 127.0.0.1 has sent come in by it. */
	int r = io_write_file_at(j->procfd, "sys/net/ipv4/conf/" GATE_LINK "/route_localnet", "1");

	if (r >= 0 && !f->forwards4)
		r = io_write_file_at(j->procfd, "sys/net/ipv4/ip_forward", "1");
	/* Who forwards hears no router, and forgets them, unless told so: 2. */
	if (r >= 0 && !f->forwards6 && f->accepts_ra)
		r = write_accept_ra(j, "2");
	if (r >= 0 && !f->forwards6)
		r = io_write_file_at(j->procfd, "sys/net/ipv6/conf/all/forwarding", "1");
	return r;
}

/*
 * The way to them is that to everything. But engines inside look for networks that the
 * routes do not name, old ones at all routes, docker from 26 on at those to a link only,
 * and would else take what the gate's neighbours are in: they could not be reached then,
 * and what came from them would be dropped. It is advice: so no failure stops us.
 */
static void name_nets(struct gate_values *v, const struct gate_facts *f)
{
	for (unsigned int i = 0; i < f->n_nets; i++) {
		v->net_head4[0] = AF_INET;
		v->net_head4[1] = f->nets[i].bits;
		memcpy(v->net4, f->nets[i].address, sizeof v->net4);
		if (gate_send_child(GATE_NET_4, v) >= 0)
			gate_send_child(GATE_NET_ON_LINK_4, v);
	}
}

/* Rules before the first route: nothing ever passes that they do not know. */
static int make(struct job *j)
{
	struct gate_values v = {.mtu = j->facts.mtu, .netns = (uint32_t)j->box};
	const bool six = j->facts.six;
	int r;

	fill_addresses(&v, &j->facts);
	j->step = STEP_RULES;
	r = gate_send_child(six ? GATE_RULES_46 : GATE_RULES_4, &v);
	if (r < 0)
		return r;
	j->step = STEP_LINK;
	r = gate_send_child(GATE_MAKE_LINK, &v);
	if (r < 0)
		return r;
	j->step = STEP_ADDRESS;
	r = set_up_end(GATE_LINK, &v, v.gate4, v.gate6, six);
	if (r < 0)
		return r;
	j->step = STEP_FORWARD;
	r = forward(j);
	if (r < 0)
		return r;
	j->step = STEP_ENTER_BOX;
	r = SYS(setns, j->box, CLONE_NEWNET);
	if (r < 0)
		return r;
	j->step = STEP_BOX_ADDRESS;
	r = set_up_end(GATE_PEER, &v, v.box4, v.box6, six);
	if (r < 0)
		return r;
	j->step = STEP_ROUTE;
	r = gate_send_child(GATE_DEFAULT_4, &v);
	name_nets(&v, &j->facts);
	return r >= 0 && six ? gate_send_child(GATE_DEFAULT_6, &v) : r;
}

/* Only what we turned on; what of it is gone already is no failure. */
static int undo(struct job *j)
{
	const struct gate_facts *f = &j->facts;
	int r;

	j->step = STEP_LINK;
	r = gate_send_child(GATE_DROP_LINK, NULL);
	if (r < 0 && r != -ENODEV)
		return r;
	if (!f->forwards4)
		io_write_file_at(j->procfd, "sys/net/ipv4/ip_forward", "0");
	if (!f->forwards6)
		io_write_file_at(j->procfd, "sys/net/ipv6/conf/all/forwarding", "0");
	if (!f->forwards6 && f->accepts_ra)
		write_accept_ra(j, "1");
	j->step = STEP_RULES;
	r = gate_send_child(GATE_DROP_RULES, NULL);
	return r == -ENOENT ? 0 : r;
}

/* ---- in the caller ------------------------------------------------------------------------ */

static void child_main(struct job *j) __attribute__((noreturn));
static void child_main(struct job *j)
{
	int r;

	j->step = STEP_ENTER;
	r = SYS(setns, j->netns, CLONE_NEWNET);
	j->result = r < 0 ? r : j->work(j);
	_exit(0);
}

static int run(const struct job *what, struct job *ret)
{
	struct clone_args args = {.exit_signal = SIGCHLD};
	struct job *j = mmap(NULL, sizeof *j, PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int r;

	if (j == MAP_FAILED)
		return -errno;
	*j = *what;
	j->result = -EIO;
	r = process_clone(&args);
	if (r == 0)
		child_main(j);
	if (r > 0)
		process_wait(r);
	*ret = *j;
	munmap(j, sizeof *j);
	return r < 0 ? r : ret->result;
}

static int explain(const struct job *j, int r, struct cis_error *err)
{
	cis_fail(err, -r, "gate to the given network namespace: %s", steps[j->step]);
	if (j->step == STEP_RULES && (r == -EOPNOTSUPP || r == -ENOENT || r == -EPROTONOSUPPORT))
		cis_hint(err, "the kernel needs nf_tables with nat, masq, fib and inet");
	else if (j->step == STEP_LINK && r == -EOPNOTSUPP)
		cis_hint(err, "the kernel needs veth");
	else if (r == -EPERM)
		cis_hint(err, "it takes CAP_SYS_ADMIN and CAP_NET_ADMIN over it");
	return r;
}

int gate_look(int netns, int procfd, struct gate_facts *ret, struct cis_error *err)
{
	struct job j = {.work = look, .netns = netns, .box = -1, .procfd = procfd};
	int r = run(&j, &j);

	if (j.taken)
		return cis_fail_plain(err, EEXIST,
				      "the given network namespace is the gate of another "
				      "sandbox already (delete that one first, or share its "
				      "network: --network container:IT)");
	if (r == -EADDRNOTAVAIL)
		return cis_fail_plain(err, EADDRNOTAVAIL,
				      "gate to the given network namespace: it has routes to "
				      "all the addresses that a gate could have (192.0.0.0/29, "
				      "100.127.255.0/25)");
	if (r < 0)
		return explain(&j, r, err);
	*ret = j.facts;
	return 0;
}

int gate_make(int netns, int box, int procfd, const struct gate_facts *facts,
	      struct cis_error *err)
{
	struct job j = {.work = make, .netns = netns, .box = box, .procfd = procfd,
			.facts = *facts};
	int r = run(&j, &j);

	return r < 0 ? explain(&j, r, err) : 0;
}

int gate_undo(int netns, int procfd, const struct gate_facts *facts, struct cis_error *err)
{
	struct job j = {.work = undo, .netns = netns, .box = -1, .procfd = procfd,
			.facts = *facts};
	int r = run(&j, &j);

	return r < 0 ? explain(&j, r, err) : 0;
}
