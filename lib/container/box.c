/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From the caller's clone to the command of a container: the stage, which joins and
 * makes namespaces and is gone, and init, which is the container's first process
 * and becomes its command.
 *
 *	caller   runs create; gone when it is through
 *	stage    joins the groups and the namespaces given by path, and the user namespace
 *	         that the caller has made; makes the other new ones
 *	init     its clone by CLONE_PARENT: the caller's child, and then of whoever waits
 *	         for the caller's orphans: a shim, conmon. Sets up the root, waits for
 *	         start on its socket, and executes
 *
 * Between clone and execve: raw calls, no malloc, no locks, no text.
 */
#include "box.h"

#include <linux/keyctl.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "../base/fd.h"
#include "../base/io.h"
#include "../base/num.h"
#include "../base/sys.h"
#include "../isolate/userns.h"
#include "../net/netlink.h"

#define STATE_MAX 65536 /* of a container's state as text; a pipe holds as much */

static void die(const struct box *b, enum box_step step, int item, int r)
	__attribute__((noreturn));
static void die(const struct box *b, enum box_step step, int item, int r)
{
	struct sync_msg m = {BOX_FAILED, step, -r, item};

	sync_send(b->sync[1], &m);
	_exit(1);
}

/* Tells the caller, and waits until it says go. */
static void ask(const struct box *b, enum box_kind kind)
{
	struct sync_msg m = {.kind = kind};

	if (sync_send(b->sync[1], &m) < 0 || sync_recv(b->sync[1], &m, NULL, 0) <= 0)
		_exit(1);
}

/* ---- the stage ---------------------------------------------------------------- */

/*
 * Those that are not the user namespace first, while we have the host's privilege;
 * what belongs to the user namespace that is joined may need to be joined after it.
 */
static void join_namespaces(struct box *b)
{
	const struct config *c = b->c;
	bool joined[ARRAY_SIZE(b->joins)] = {false};

	for (int pass = 0; pass < 3; pass++) {
		for (size_t i = 0; i < c->n_namespaces; i++) {
			bool user = c->namespaces[i].flag == CLONE_NEWUSER;
			int r;

			if (b->joins[i] < 0 || joined[i] || user != (pass == 1))
				continue;
			r = SYS(setns, b->joins[i], c->namespaces[i].flag);
			joined[i] = r >= 0;
			if (r < 0 && (pass > 0 || r != -EPERM))
				die(b, STEP_JOIN, (int)i, r);
		}
	}
}

static void write_offset(char *buf, size_t size, const char *clock,
			 const struct config_time_offset *o)
{
	if (!o->given)
		return;
	strcat(buf, clock);
	if (o->secs < 0)
		strcat(buf, "-");
	num_append(buf, size, (unsigned long long)(o->secs < 0 ? -o->secs : o->secs));
	strcat(buf, " ");
	num_append(buf, size, o->nanosecs);
	strcat(buf, "\n");
}

static void make_clock(struct box *b)
{
	char offsets[128] = "";
	int r = SYS(unshare, CLONE_NEWTIME);

	if (r < 0)
		die(b, STEP_UNSHARE, CLONE_NEWTIME, r);
	write_offset(offsets, sizeof offsets, "monotonic ", &b->c->monotonic);
	write_offset(offsets, sizeof offsets, "boottime ", &b->c->boottime);
	if (*offsets)
		r = io_write_file_at(AT_FDCWD, "/proc/self/timens_offsets", offsets);
	if (r < 0)
		die(b, STEP_OFFSETS, 0, r);
}

/* The caller reaches it by a descriptor: pids may mean something else to it. */
static void show_network(struct box *b)
{
	cleanup_close int fd =
		SYS(openat, AT_FDCWD, "/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	struct sync_msg m = {.kind = BOX_NETWORK};
	int r = fd < 0 ? fd : sync_send_fd(b->sync[1], &m, fd);

	if (r < 0)
		die(b, STEP_GATE, 0, r);
	if (sync_recv(b->sync[1], &m, NULL, 0) <= 0)
		_exit(1);
}

static void init_main(struct box *b) __attribute__((noreturn));

static void spawn_init(struct box *b) __attribute__((noreturn));
static void spawn_init(struct box *b)
{
	struct clone_args args = {
		.flags = CLONE_PARENT | CLONE_PARENT_SETTID |
			 (b->new_namespaces & (CLONE_NEWPID | CLONE_NEWNS)),
		.parent_tid = (uint64_t)(uintptr_t)b->init,
	};
	int r = sys_clone3(&args);

	if (r < 0)
		die(b, STEP_SPAWN, 0, r);
	if (r == 0)
		init_main(b);
	_exit(0);
}

void box_stage_main(struct box *b)
{
	const uint64_t early = CLONE_NEWUSER | CLONE_NEWTIME | CLONE_NEWPID | CLONE_NEWNS;
	uint64_t rest = b->new_namespaces & ~early;
	enum box_step step;
	int item = 0, r;

	/* Or we would never hear of the caller's death. */
	fd_close(b->sync[0]);
	/* Nor would who reads virtual files hear of the end of who serves them. */
	fd_close(b->vfs_conn);
	for (int i = 0; b->stdio && i < 3; i++)
		SYS(dup3, b->stdio[i], i, 0);
	r = place_join_child(b->place);

	if (r < 0)
		die(b, STEP_JOIN_CGROUP, 0, r);
	r = rdt_join_child(b->rdt);
	if (r < 0)
		die(b, STEP_JOIN_RDT, 0, r);
	SYS(prctl, PR_SET_NAME, "cis:stage", 0, 0, 0);
	/* A process of ours in hostile namespaces is nobody's to trace: CVE-2016-9962. */
	SYS(prctl, PR_SET_DUMPABLE, 0, 0, 0, 0);
	r = finish_limits_child(&b->finish, &step, &item);
	if (r < 0)
		die(b, step, item, r);
	if (b->new_namespaces & CLONE_NEWTIME)
		make_clock(b);
	join_namespaces(b);
	if (*b->place->unit)
		ask(b, BOX_SCOPE);
	if (b->staged) {
		r = staged_build(b, &step, &item);
		if (r < 0)
			die(b, step, item, r);
	}
	if (b->userns >= 0) {
		r = SYS(setns, b->userns, CLONE_NEWUSER);
		if (r < 0)
			die(b, STEP_UNSHARE, CLONE_NEWUSER, r);
	}
	if (b->in_userns) {
		r = userns_become_root_child();
		if (r < 0)
			die(b, STEP_BECOME_ROOT, 0, r);
	}
	if (rest) {
		r = SYS(unshare, rest);
		if (r < 0)
			die(b, STEP_UNSHARE, (int)rest, r);
	}
	if (rest & CLONE_NEWNET) {
		r = netlink_ask_child(NET_LO_UP);
		if (r < 0)
			die(b, STEP_LO_UP, 0, r);
	}
	if (b->c->n_net_devices)
		ask(b, BOX_DEVICES);
	if (b->behind_gate)
		show_network(b);
	spawn_init(b);
}

/* ---- init ------------------------------------------------------------------------ */

static void join_keyring(struct box *b)
{
	int r;

	if (b->flags & CIS_OCI_NO_NEW_KEYRING)
		return;
	r = SYS(keyctl, KEYCTL_JOIN_SESSION_KEYRING, b->id, 0, 0, 0);
	/* Kernels without keys, and seccomp filters around us that forbid them. */
	if (r < 0 && r != -ENOSYS && r != -EPERM)
		die(b, STEP_KEYRING, 0, r);
}

/*
 * Nothing of ours may be open while the container exists: only the streams, what is
 * to be preserved, and the socket that start comes to (CVE-2024-21626). All that is not
 * needed to finish goes before there is a seccomp filter, which may forbid close_range(2).
 */
static void close_all_but_needed(struct box *b)
{
	int *needed[] = {&b->listener, &b->sync[1], &b->finish.procfd};
	unsigned int from = 3 + b->finish.preserve;

	/* To the first free places, so in this order; what they were is among the closed. */
	for (size_t i = 0; i < ARRAY_SIZE(needed); i++) {
		int fd = SYS(fcntl, *needed[i], F_DUPFD_CLOEXEC, (int)from);

		if (fd < 0)
			die(b, STEP_STREAMS, 0, fd);
		*needed[i] = fd;
	}
	for (size_t i = 0; i < ARRAY_SIZE(needed); i++) {
		unsigned int fd = (unsigned int)*needed[i];

		if (fd > from)
			sys_close_range(from, fd - 1, 0);
		from = fd + 1;
	}
	sys_close_range(from, ~0U, 0);
}

/* The first of a pid namespace gets only signals that it handles; execve ends this. */
static void on_end(int sig)
{
	_exit(128 + sig);
}

static void let_signals_end_us(void)
{
	static const int ends[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM};
	struct sigaction end = {.sa_handler = on_end};

	for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
		sigaction(ends[i], &end, NULL);
}

static void await_start(struct box *b) __attribute__((noreturn));
static void await_start(struct box *b)
{
	struct sync_msg m = {.kind = BOX_READY};
	int listener = b->listener, conn, r;
	char state[STATE_MAX];
	size_t len;

	let_signals_end_us();
	fd_close(b->finish.procfd);
	if (sync_send(b->sync[1], &m) < 0)
		_exit(1);
	fd_close(b->sync[1]);
	do
		conn = SYS(accept4, listener, NULL, NULL, SOCK_CLOEXEC);
	while (conn == -EINTR || conn == -ECONNABORTED);
	r = conn < 0 ? conn : SYS(recvfrom, conn, state, sizeof state, 0, NULL, NULL);
	if (r <= 0)
		_exit(1);
	fd_close(listener);
	len = (size_t)r;
	r = finish_filter_child(&b->finish);
	m = (struct sync_msg){BOX_FAILED, STEP_SECCOMP, -r, 0};
	/* Under the filter, too: they are the container's. */
	if (r == 0)
		r = hooks_start_child(&b->finish, conn, state, len, &m);
	if (r == 0)
		m = (struct sync_msg){BOX_FAILED, STEP_EXEC, -finish_exec_child(&b->finish), 0};
	sync_send(conn, &m);
	_exit(1);
}

static void init_main(struct box *b)
{
	enum box_step step;
	int root = -1, item = 0, r;

	SYS(prctl, PR_SET_NAME, "cis:init", 0, 0, 0);
	args_hide_child(&b->args, "cisandbox-init");
	r = SYS(setsid);
	umask(0);
	if (b->in_userns) {
		r = userns_become_root_child();
		if (r < 0)
			die(b, STEP_BECOME_ROOT, 0, r);
	}
	join_keyring(b);
	r = setup_before_hooks_child(b, &root, &step, &item);
	if (r < 0)
		die(b, step, item, r);
	ask(b, BOX_HOOKS);
	r = setup_after_hooks_child(b, root, &step, &item);
	if (r < 0)
		die(b, step, item, r);
	if (b->c->process.terminal) {
		r = finish_terminal_child(&b->finish, b->sync[1], true);
		if (r < 0)
			die(b, STEP_CONSOLE, 0, r);
	}
	close_all_but_needed(b);
	r = finish_child(&b->finish, b->sync[1], &step, &item);
	if (r < 0)
		die(b, step, item, r);
	r = finish_find_child(&b->finish);
	if (r < 0)
		die(b, STEP_FIND, 0, r);
	await_start(b);
}
