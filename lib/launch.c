/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * DOC: Theory of operation: launching a sandbox
 *
 * Who
 *	caller   called cis_sandbox_start(); may be threaded; becomes the supervisor
 *	stage    its clone in a mount namespace of its own; has the host's privilege;
 *	         builds the root; gone before start() returns
 *	founder  its clone in the new user namespace; makes the cgroup namespace; gone
 *	         as soon as it has cloned init
 *	init     a clone by CLONE_PARENT, so the caller's child; pid 1 inside
 *	payload  init's child; becomes the user's command. Services are its like.
 *
 * Wires (both SOCK_SEQPACKET, records of sync.h)
 *	sync     stage, init -> caller, and caller -> init; open for life: its end is
 *	         the death of the other side
 *	gate     founder -> stage, one record (init is known to the caller); then
 *	         stage -> init, one (go)
 *	report   payload -> init, CLOEXEC: its end means execve happened
 *
 * Where            user          mnt            pid   net   cgroup       caps          seccomp
 *	caller   host          host           host  host  host         as called     none
 *	stage    host,         own copy       host  host  the group    all, euid is  none
 *	                                                                the sandbox's
 *	founder  new, unmapped the stage's    host  host  the group    full inside   none
 *	init     new, unmapped the stage's    new   new   leaf         full inside   none
 *	  #1     new           own, locked    new   new   leaf         full inside   none
 *	  #2     new           own, pivoted   new   new   leaf         full inside   none
 *	payload  new           own, pivoted   new   new   leaf         as user       last
 *	  #3 init keeps CAP_KILL only
 *
 * Order
 *	S0 PLAN     caller  spec -> ops, filter, netlink bytes       plan_build
 *	S1 PREPARE  caller  state, ids, groups, scratch; journal     prepare_run
 *	S2 CLONE    caller  the stage, into the group                launch_run
 *	S3 SPAWN    stage   founder, init, id maps                   spawn_init
 *	S4 BUILD    stage   id-map, overlay, /dev, binds      -> #1  stage_main
 *	S5 SETUP    init    own mounts, /proc, pivot, lo up   -> #2  init_setup
 *	S6 SERVE    init    services, each until it answers          init_main
 *	S7 EXEC     payload session, filter, ids, execve      -> #3  payload_exec
 *
 * Invariants
 *	1 After S2 nobody but the caller allocates, formats, or takes a lock.
 *	2 Privilege only falls.
 *	3 All that the sandbox can see is attached by the stage *before* init copies
 *	  the mount namespace: the copy locks every flag (own_mounts in child.c).
 *	4 No path of the host is opened that the plan does not name.
 *	5 Losing `sync` ends the sandbox: init exits and the kernel kills the rest. No
 *	  PDEATHSIG: it follows the parent's thread, not the process.
 *	6 One op failing ends it. Nothing is undone inside, since namespaces vanish
 *	  with init; what is on the host is in the journal.
 *
 * The founder exists because a cgroup namespace that clone makes is rooted
 * where the child starts: it has to be made by somebody in the group, and init cloned
 * into the leaf below. Moving init there afterwards takes a lock on every fork of the host:
 * 9 ms on an idle machine.
 *
 * Rejected: unshare in the caller (costs a threaded program its directory and its
 * dumpability); mounts sent to init as descriptors (their flags are not locked:
 * root inside may remount a read-only bind writable); a helper namespace only
 * for id maps (0.3 ms); signals or untyped bytes as synchronisation.
 */
#include "launch.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "base/sys.h"
#include "sync.h"

/* ---- explaining failures ------------------------------------------------------- */

static void hint_op(const struct op *op, int errnum, struct cis_error *err)
{
	if (op->kind == OP_IDMAP && errnum == EINVAL)
		cis_hint(err, "its file system cannot be id-mapped; put it on ext4, xfs or "
			      "btrfs");
	else if (op->kind == OP_SPAWN && (errnum == ENOSPC || errnum == EUSERS))
		cis_hint(err, "a limit on namespaces: see sysctl user.max_user_namespaces");
	else if (op->kind == OP_SPAWN && errnum == EAGAIN)
		cis_hint(err, "no more processes: the pids limit, or one of the host");
	else if (op->kind == OP_SPAWN && errnum == EPERM)
		cis_hint(err, "user namespaces are forbidden here: see cisandbox check");
	else if (op->kind == OP_MOUNT && errnum == EPERM)
		cis_hint(err, "the host's own /proc or /sys is partly covered, as in a "
			      "container; see cisandbox check");
	else if (errnum == ENODEV)
		cis_hint(err, "the kernel lacks it; see cisandbox check");
	else if (errnum == ENOSPC || errnum == EDQUOT)
		cis_hint(err, "the scratch disk is too small");
}

static const char *lock_step_name(unsigned int step)
{
	static const char *const names[] = {
		[LOCK_SESSION] = "start a process",
		[LOCK_TTY] = "take the terminal",
		[LOCK_STDIO] = "open its streams",
		[LOCK_CWD] = "enter the work directory",
		[LOCK_IDS] = "change to its user",
		[LOCK_FILTER] = "install the seccomp filter",
	};

	return step < ARRAY_SIZE(names) ? names[step] : "?";
}

int launch_explain(const struct plan *p, const struct sync_msg *m, struct cis_error *err)
{
	char what[400];
	const struct op *op;
	int r;

	switch ((enum sync_kind)m->kind) {
	case SYNC_FAILED:
		if (m->index >= p->n_ops)
			return cis_fail_plain(err, EPROTO, "op %u failed", m->index);
		op = &p->ops[m->index];
		plan_describe(p, op, what, sizeof what);
		r = cis_fail(err, m->value, "%s", what);
		hint_op(op, m->value, err);
		break;
	case SYNC_LOCK_FAILED:
		r = cis_fail(err, m->value, "%s%s%s", lock_step_name(m->index),
			     m->index == LOCK_CWD ? " " : "",
			     m->index == LOCK_CWD ? p->payload.cwd : "");
		break;
	case SYNC_EXEC_FAILED:
		r = cis_fail(err, m->value, "execute %s", p->payload.argv.v[0]);
		break;
	default:
		r = cis_fail_plain(err, EPROTO, "unexpected record %u", m->kind);
	}
	if (err)
		err->stage = m->kind == SYNC_FAILED        ? CIS_STAGE_SETUP
			     : m->kind == SYNC_EXEC_FAILED ? CIS_STAGE_EXEC
							   : CIS_STAGE_LOCK;
	return r;
}

/* ---- the caller's half ------------------------------------------------------------ */

static int make_wires(struct launch *l, int *ret_sync)
{
	int sync[2], gate[2];

	l->null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (l->null < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sync) < 0)
		return -errno;
	*ret_sync = sync[0];
	l->sync = sync[1];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, gate) < 0)
		return -errno;
	l->gate_stage = gate[0];
	l->gate_init = gate[1];
	return 0;
}

static void close_childrens_ends(struct launch *l)
{
	l->sync = fd_close(l->sync);
	l->gate_stage = fd_close(l->gate_stage);
	l->gate_init = fd_close(l->gate_init);
	l->null = fd_close(l->null);
	for (size_t i = 0; i < 3; i++)
		l->stdio[i] = fd_close(l->stdio[i]);
}

/*
 * exit_signal 0: a program that links us sees no SIGCHLD for our processes, and
 * init inherits that by CLONE_PARENT. All signals are blocked across the
 * clone, or a handler of the caller could run in the stage.
 */
static int clone_stage(struct launch *l, int *ret_pidfd)
{
	struct clone_args args = {
		.flags = CLONE_NEWNS | CLONE_PIDFD | CLONE_INTO_CGROUP,
		.pidfd = (uint64_t)(uintptr_t)ret_pidfd,
		.cgroup = (uint64_t)l->group->dirs[l->group->hs.unified],
	};
	sigset_t all, before;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = sys_clone3(&args);
	if (r == 0)
		stage_main(l);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r;
}

int launch_reap(int pidfd, siginfo_t *ret)
{
	while (waitid(P_PIDFD, (id_t)pidfd, ret, WEXITED | __WALL) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

/* Made processes must be waited for, whatever became of them. */
static void reap(int pidfd)
{
	siginfo_t info;

	if (pidfd >= 0)
		launch_reap(pidfd, &info);
}

static void reap_pid(pid_t pid)
{
	while (pid > 0 && waitpid(pid, NULL, __WALL) < 0 && errno == EINTR)
		;
}

static int converse(struct launch *l, struct launched *ret, pid_t *ret_founder,
		    struct cis_error *err)
{
	for (;;) {
		struct sync_msg m;
		int fd = -1, r = sync_recv(ret->sync, &m, &fd, 0);

		if (r < 0)
			return cis_fail(err, -r, "hear from the sandbox");
		if (r == 0)
			return cis_fail_plain(err, EIO,
					      "the sandbox died while it was set up (a memory "
					      "or pids limit that is too low does that)");
		switch ((enum sync_kind)m.kind) {
		case SYNC_FOUNDER:
			*ret_founder = m.value;
			break;
		case SYNC_INIT:
			ret->init = m.value;
			ret->pidfd = sys_pidfd_open(m.value);
			if (ret->pidfd < 0)
				return cis_fail(err, -ret->pidfd, "watch init");
			break;
		case SYNC_TTY:
			ret->tty = fd;
			break;
		case SYNC_READY:
			return 0;
		default:
			return launch_explain(l->plan, &m, err);
		}
	}
}

/*
 * Stage and founder are dead: what they said meanwhile may tell of an init that nobody
 * has heard of. It is our child, and nobody else could wait for it.
 */
static void end_init(struct launched *l)
{
	struct sync_msg m;

	while (l->pidfd < 0 && sync_recv(l->sync, &m, NULL, MSG_DONTWAIT) > 0)
		if (m.kind == SYNC_INIT)
			l->pidfd = sys_pidfd_open(m.value);
	if (l->pidfd >= 0)
		sys_pidfd_send_signal(l->pidfd, SIGKILL);
	reap(l->pidfd);
	l->pidfd = fd_close(l->pidfd);
}

int launch_run(struct launch *l, struct launched *ret, struct cis_error *err)
{
	cleanup_close int stage = -1;
	pid_t founder = 0;
	int r;

	*ret = (struct launched){.sync = -1, .pidfd = -1, .tty = -1};
	l->sync = l->gate_stage = l->gate_init = l->null = -1;
	args_find(&l->args);
	l->stack = aligned_alloc(16, LAUNCH_STACK);
	r = l->stack ? make_wires(l, &ret->sync) : -ENOMEM;
	if (r >= 0)
		r = clone_stage(l, &stage);
	close_childrens_ends(l);
	if (r < 0)
		cis_fail(err, -r, "clone");
	else
		r = converse(l, ret, &founder, err);
	if (r < 0 && stage >= 0)
		sys_pidfd_send_signal(stage, SIGKILL);
	reap(stage);
	reap_pid(founder);
	free(l->stack);
	if (r >= 0)
		return 0;
	if (ret->sync >= 0)
		end_init(ret);
	ret->sync = fd_close(ret->sync);
	ret->tty = fd_close(ret->tty);
	if (err && err->stage == CIS_STAGE_NONE)
		err->stage = CIS_STAGE_SETUP;
	return r;
}
