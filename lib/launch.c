/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * DOC: Theory of operation: launching a sandbox
 *
 * Who
 *	caller   called cis_sandbox_start(); may be threaded; becomes the supervisor
 *	founder  its clone; makes the user and the network namespace, which the kernel
 *	         takes longest for, while the caller prepares the host's side; a mere
 *	         holder of these until the stage is done
 *	stage    the caller's clone in a mount namespace of its own; builds the root with
 *	         the host's privilege; then goes over into the founder's namespaces,
 *	         clones init, and is gone
 *	init     its clone by CLONE_PARENT, so the caller's child; pid 1 inside
 *	helper   the caller's clone without any power; serves the virtual files (vfs/vfs.h)
 *	gate     with a network: a founder of its own, which makes its rules too, and two
 *	         helpers (egress/gate.h)
 *	payload  init's child; becomes the user's command. Services are its like.
 *
 * Wires (all SOCK_SEQPACKET, records of sync.h)
 *	sync     founder, stage, init -> caller, and caller -> init; open for life: its
 *	         end is the death of the other side
 *	gate     founder <-> caller: the user namespace is there, its ids are mapped;
 *	         founder -> stage: all of it is there; its end is the founder's
 *	built    caller -> stage, with a network: the gate is there; its end is the caller's
 *	report   payload -> init, CLOEXEC: its end means execve happened
 *
 * Where            user          mnt            pid   net   cgroup       caps          seccomp
 *	caller   host          host           host  host  host         as called     none
 *	founder  new           host           host  new   host         full inside   none
 *	stage    host,         own copy       host  host  the group    all, euid is  none
 *	                                                                the sandbox's
 *	  #1     new           own copy       host  new   the group    full inside   none
 *	init     new           own, locked    new   new   leaf         full inside   none
 *	  #2     new           own, pivoted   new   new   leaf         full inside   none
 *	payload  new           own, pivoted   new   new   leaf         as user       last
 *	  #3 init keeps CAP_KILL only
 *
 * Order
 *	S0 PLAN     caller  spec -> ops                              plan_build
 *	S1 PREPARE  caller  state, ids; the founder; mounts,         prepare_run
 *	                    scratch, id maps, groups; journal
 *	S2 FOUND    founder user, network, ipc, uts; lo up           founder_main
 *	S3 CLONE    caller  the stage, into the group                launch_run
 *	S4 BUILD    stage   id-map, overlay, /dev, binds             stage_main
 *	            caller  meanwhile: the gate's links              build_gate
 *	S5 SPAWN    stage   the founder's namespaces; init     -> #1 spawn_init
 *	S6 SETUP    init    own mounts, /proc, pivot           -> #2 init_setup
 *	            caller  meanwhile: the gate's helpers            build_gate
 *	S7 SERVE    init    services, each until it answers          init_main
 *	S8 EXEC     payload session, filter, ids, execve       -> #3 payload_exec
 *
 * Invariants
 *	1 After S3 nobody but the caller allocates, formats, or takes a lock; the founder
 *	  never does.
 *	2 Privilege only falls.
 *	3 All that the sandbox can see is attached by the stage *before* the clone of init
 *	  copies its mount namespace: the copy, made for another user namespace, locks
 *	  every flag. Root inside cannot make a read-only bind writable, or nodev the image.
 *	  (Of a seed, and in /run, init attaches clones of what the stage did: take_shelved().)
 *	4 No path of the host is opened that the plan does not name.
 *	5 Losing `sync` ends the sandbox: init exits and the kernel kills the rest. No
 *	  PDEATHSIG: it follows the parent's thread, not the process. One that is held is
 *	  frozen and sees no end: reap, or the next start, kills it.
 *	6 One op failing ends it. Nothing is undone inside, since namespaces vanish
 *	  with init; what is on the host is in the journal.
 *
 * Stage and init are two because a cgroup namespace that clone makes is rooted where
 * the child starts: it has to be made by somebody in the group, and init cloned into the
 * leaf below. Moving init there afterwards takes a lock on every fork of the host: 9 ms on
 * an idle machine.
 *
 * Rejected: unshare in the caller (costs a threaded program its directory and its
 * dumpability); mounts sent to init as descriptors (their flags are not locked);
 * signals or untyped bytes as synchronisation; init's pid by a record (whoever sends it
 * can be killed between the clone and the record, and init would be nobody's).
 */
#include "launch.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/process.h"
#include "base/sys.h"
#include "isolate/userns.h"
#include "sync.h"

/* ---- explaining failures ------------------------------------------------------- */

static bool makes_namespaces(const struct op *op)
{
	return op->kind == OP_USERNS || op->kind == OP_NETNS || op->kind == OP_SPAWN;
}

static void hint_op(const struct op *op, int errnum, struct cis_error *err)
{
	if (op->kind == OP_OVERLAY && op->flags & OP_OVERLAY_USER && errnum == EOPNOTSUPP)
		cis_hint(err, "without root it needs Linux 6.6, whose tmpfs has user.* attributes");
	else if (op->kind == OP_IDMAP && errnum == EINVAL)
		cis_hint(err, "its file system cannot be id-mapped; put it on ext4, xfs or "
			      "btrfs");
	else if (makes_namespaces(op) && (errnum == ENOSPC || errnum == EUSERS))
		cis_hint(err, "a limit on namespaces: see sysctl user.max_user_namespaces");
	else if (op->kind == OP_SPAWN && errnum == EAGAIN)
		cis_hint(err, "no more processes: the pids limit, or one of the host");
	else if (makes_namespaces(op) && errnum == EPERM)
		cis_hint(err, "user namespaces are forbidden here: see cisandbox check");
	else if (op->kind == OP_COVER)
		cis_hint(err, "--vfs=off does without");
	else if (op->kind == OP_TRAP && errnum == EBUSY)
		cis_hint(err, "somebody outside traps system calls already, and only one "
			      "can: start without --trap");
	else if ((op->kind == OP_ATTACH || op->kind == OP_TAKE) &&
		 (errnum == EINVAL || errnum == ENOTDIR))
		cis_hint(err, "a directory goes on a directory, and a file on a file");
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
		[LOCK_JOB] = "take the command over",
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
		if (m->value == E2BIG)
			cis_hint(err, "one argument or variable can have 128K, all of them a "
				      "quarter of --ulimit stack");
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

static int make_pair(int pair[2])
{
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0 ? -errno : 0;
}

static void close_pair(int pair[2])
{
	pair[0] = fd_close(pair[0]);
	pair[1] = fd_close(pair[1]);
}

void launch_init(struct launch *l)
{
	*l = (struct launch){
		.sync = {-1, -1},
		.gate = {-1, -1},
		.built = {-1, -1},
		.userns = -1,
		.founder = -1,
		.stage = -1,
		.null = -1,
		.stdio = {-1, -1, -1},
	};
}

/*
 * Before the first clone: the children find it in their copy of our memory. @init
 * alone is shared: by clone3's parent_tid we know init's pid even if the stage is
 * killed right after.
 */
static int make_shared(struct launch *l)
{
	void *page = mmap(NULL, sizeof *l->init, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int r;

	if (page == MAP_FAILED)
		return -errno;
	l->init = page;
	args_find(&l->args);
	l->stack = aligned_alloc(16, LAUNCH_STACK);
	l->null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (!l->stack || l->null < 0)
		return l->stack ? -errno : -ENOMEM;
	r = make_pair(l->sync);
	if (r >= 0 && l->plan->spec->net == CIS_NET_EGRESS)
		r = make_pair(l->built);
	return r < 0 ? r : make_pair(l->gate);
}

/*
 * exit_signal 0: a program that links us sees no SIGCHLD for our processes, and
 * init inherits that by CLONE_PARENT.
 */
static int clone_child(struct launch *l, uint64_t flags, int cgroup, int *ret_pidfd,
		       void (*child_main)(struct launch *))
{
	struct clone_args args = {
		.flags = flags | CLONE_PIDFD,
		.pidfd = (uint64_t)(uintptr_t)ret_pidfd,
		.cgroup = (uint64_t)cgroup,
	};
	int r = process_clone(&args);

	if (r == 0)
		child_main(l);
	if (r < 0)
		*ret_pidfd = -1;
	return r;
}

int launch_found(struct launch *l, struct cis_error *err)
{
	int r = make_shared(l);

	if (r >= 0)
		r = clone_child(l, 0, 0, &l->founder, founder_main);
	if (r < 0)
		return cis_fail(err, -r, "clone the founder");
	l->founder_pid = r;
	l->gate[1] = fd_close(l->gate[1]);
	return 0;
}

/* It has said why, if it could. */
static int founder_died(struct launch *l, struct cis_error *err)
{
	struct sync_msg m;

	if (sync_recv(l->sync[0], &m, NULL, MSG_DONTWAIT) > 0)
		return launch_explain(l->plan, &m, err);
	return cis_fail_plain(err, EIO, "the sandbox's founder died");
}

int launch_map(struct launch *l, struct cis_error *err)
{
	struct sync_msg m;
	int r = sync_recv(l->gate[0], &m, NULL, 0);

	if (r == 0)
		return founder_died(l, err);
	if (r > 0)
		r = l->plan->rootless ? userns_write_same_maps(l->founder_pid, l->count)
				      : userns_write_maps(l->founder_pid, l->base, l->count);
	if (r >= 0)
		r = l->userns = userns_open(l->founder_pid);
	if (r >= 0)
		r = sync_send(l->gate[0], &(struct sync_msg){.kind = SYNC_GO});
	if (r == -EPIPE)
		return founder_died(l, err);
	return r < 0 ? cis_fail(err, -r, "map ids %u to %u into the sandbox", l->base,
				l->base + l->count - 1)
		     : 0;
}

int launch_reap(int pidfd, siginfo_t *ret)
{
	return process_reap(pidfd, ret);
}

static int end_child(int pidfd)
{
	siginfo_t info;

	if (pidfd < 0)
		return -1;
	sys_pidfd_send_signal(pidfd, SIGKILL);
	launch_reap(pidfd, &info);
	return fd_close(pidfd);
}

void launch_done(struct launch *l)
{
	l->stage = end_child(l->stage);
	l->founder = end_child(l->founder);
	close_pair(l->sync);
	close_pair(l->gate);
	close_pair(l->built);
	fd_close(l->userns);
	fd_close(l->null);
	for (size_t i = 0; i < ARRAY_SIZE(l->stdio); i++)
		fd_close(l->stdio[i]);
	free(l->stack);
	if (l->init)
		munmap(l->init, sizeof *l->init);
	launch_init(l);
}

/* So that the end of `sync` is the end of the children. */
static void close_childrens_ends(struct launch *l)
{
	l->sync[1] = fd_close(l->sync[1]);
	l->built[1] = fd_close(l->built[1]);
	l->userns = fd_close(l->userns);
	l->null = fd_close(l->null);
	for (size_t i = 0; i < ARRAY_SIZE(l->stdio); i++)
		l->stdio[i] = fd_close(l->stdio[i]);
}

/* The next record; meanwhile a helper that dies is replaced, or init might wait for ever. */
static int hear(struct launch *l, struct sync_msg *ret, int *ret_fd)
{
	for (;;) {
		struct pollfd p[] = {{.fd = l->sync[0], .events = POLLIN},
				     {.fd = l->vfs->pidfd, .events = POLLIN}};
		int status, r = poll(p, 2, -1);

		if (r < 0 && errno != EINTR)
			return -errno;
		if (r > 0 && p[0].revents)
			return sync_recv(l->sync[0], ret, ret_fd, 0);
		if (r <= 0 || !p[1].revents)
			continue;
		vfs_bury(l->vfs, &status);
		r = l->vfs->quick_deaths < VFS_CRASH_LOOP ? vfs_spawn(l->vfs) : -ECHILD;
		if (r < 0)
			return r;
	}
}

static void keep(int *where, int fd)
{
	fd_close(*where);
	*where = fd;
}

static int *kept_by(struct launch *l, uint32_t slot, struct launched *ret)
{
	if (slot >= SLOT_BIND && slot < l->plan->n_fds)
		return &l->plan->fds[slot];
	return slot == SLOT_SECRETS ? &ret->secrets : &ret->root;
}

/* Until the command runs; with services until they are about to start. */
static int converse(struct launch *l, struct launched *ret, struct cis_error *err)
{
	for (;;) {
		struct sync_msg m;
		int fd = -1, r = hear(l, &m, &fd);

		if (r < 0)
			return cis_fail(err, -r, "hear from the sandbox");
		if (r == 0)
			return cis_fail_plain(err, EIO,
					      "the sandbox died while it was set up (a memory "
					      "or pids limit that is too low does that)");
		switch ((enum sync_kind)m.kind) {
		case SYNC_TTY:
			ret->tty = fd;
			break;
		case SYNC_KEEP:
			keep(kept_by(l, m.index, ret), fd);
			break;
		case SYNC_TRAP:
			ret->listener = fd;
			break;
		case SYNC_PAYLOAD:
			ret->payload_runs = true;
			return 0;
		case SYNC_HELD:
			ret->is_held = true;
			return 0;
		case SYNC_SETUP:
			return 0;
		default:
			return launch_explain(l->plan, &m, err);
		}
	}
}

/* Our child, and not reaped: its pid cannot be another's. */
static int watch_init(const struct launch *l, struct launched *ret, struct cis_error *err)
{
	ret->init = *l->init;
	ret->pidfd = sys_pidfd_open(ret->init);
	return ret->pidfd < 0 ? cis_fail(err, -ret->pidfd, "watch init") : 0;
}

static struct vfs_group group_of(const struct group *g, enum controller c)
{
	int h = hierarchy_of(&g->hs, c);

	return (struct vfs_group){h < 0 ? -1 : g->dirs[h], h >= 0 && g->hs.h[h].v2};
}

/*
 * Beside the stage, which waits for it before it clones init. The founder's word is looked
 * at only: the stage reads it.
 */
static int build_gate(struct launch *l, struct cis_error *err)
{
	cleanup_close int box = -1;
	struct sync_msg m;
	char path[64];
	int r = sync_recv(l->gate[0], &m, NULL, MSG_PEEK);

	if (r == 0)
		return founder_died(l, err);
	snprintf(path, sizeof path, "/proc/%d/ns/net", l->founder_pid);
	if (r > 0)
		box = open(path, O_RDONLY | O_CLOEXEC);
	if (r < 0 || box < 0)
		return cis_fail(err, r < 0 ? -r : errno, "gate: the sandbox's network");
	r = gate_build(l->egress, box, err);
	if (r < 0)
		return r;
	r = sync_send(l->built[0], &(struct sync_msg){.kind = SYNC_GO});
	/* The stage died, and has said why. */
	if (r < 0 && r != -EPIPE)
		return cis_fail(err, -r, "gate");
	/* Beside init: until they are there its packets wait in their sockets. */
	return gate_spawn(l->egress, err);
}

static int start_vfs(struct launch *l, struct cis_error *err)
{
	const struct group *g = l->group;
	const struct vfs_groups groups = {
		.memory = group_of(g, CTL_MEMORY),
		.cpu = group_of(g, CTL_CPU),
		.cpuacct = group_of(g, CTL_CPUACCT),
		.pids = group_of(g, CTL_PIDS),
		.cpuset.dir = -1, /* what it may run on is in the facts, and in its affinity */
		.unified = g->dirs[g->hs.unified],
	};
	int r;

	vfs_connect(l->vfs, &groups);
	r = vfs_spawn(l->vfs);
	return r < 0 ? cis_fail(err, -r, "clone the helper of the virtual files") : 0;
}

int launch_run(struct launch *l, struct launched *ret, struct cis_error *err)
{
	const bool grouped = l->group->leaf >= 0;
	int r = clone_child(l, CLONE_NEWNS | (grouped ? CLONE_INTO_CGROUP : 0),
			    grouped ? l->group->dirs[l->group->hs.unified] : 0, &l->stage,
			    stage_main);

	*ret = (struct launched){.sync = -1, .pidfd = -1, .tty = -1, .root = -1,
				  .secrets = -1, .listener = -1};
	close_childrens_ends(l);
	if (r < 0)
		return cis_fail(err, -r, "clone the stage");
	/* Beside the stage, which takes longer; init waits for its first answer. */
	if (l->plan->has_vfs)
		r = start_vfs(l, err);
	if (r >= 0 && l->plan->spec->net == CIS_NET_EGRESS)
		r = build_gate(l, err);
	if (r >= 0)
		r = converse(l, ret, err);
	if (r >= 0)
		r = watch_init(l, ret, err);
	if (r >= 0) {
		ret->sync = steal_fd(&l->sync[0]);
		return 0;
	}
	/* Nobody who waits for the helper can be killed before it is gone. */
	vfs_drop(l->vfs);
	gate_finish(l->egress);
	/* In this order: when the stage is dead nobody can clone init any more. */
	l->stage = end_child(l->stage);
	if (*l->init)
		end_child(sys_pidfd_open(*l->init));
	ret->tty = fd_close(ret->tty);
	ret->root = fd_close(ret->root);
	ret->secrets = fd_close(ret->secrets);
	ret->listener = fd_close(ret->listener);
	return r;
}
