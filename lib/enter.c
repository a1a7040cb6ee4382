/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One more command in a live sandbox. Joining is never mixed with creating:
 * nothing is made here but two processes.
 *
 *	caller   forks the joiner into the sandbox's groups
 *	joiner   setns to everything init has, by init's pidfd; then forks the
 *	         command with CLONE_PARENT, for a pid namespace holds only children
 *	command  the caller's child; root of the sandbox; payload_exec
 *
 * Between setns and execve a process of ours stands in hostile company. It
 * holds no descriptor but its streams and the report, and it is not dumpable: root
 * inside can neither trace it nor look at its memory or descriptors (CVE-2016-9962).
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/process.h"
#include "base/sys.h"
#include "describe.h"
#include "isolate/userns.h"
#include "pool.h"
#include "sync.h"
#include "tty.h"

#define ALL_NAMESPACES                                                                 \
	(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC |        \
	 CLONE_NEWUTS | CLONE_NEWCGROUP | CLONE_NEWTIME)

struct join {
	struct plan *plan;
	struct group *group;
	struct args_area args;
	pid_t init;
	int pidfd; /* of init */
	int report;
	int stdio[3];
};

int cis_sandbox_open(struct cis_sandbox **ret, const char *id, struct cis_error *err)
{
	char name[STATE_GROUP_NAME_MAX];
	struct described d = {.pidfd = -1};
	cleanup_close int root = -1;
	struct cis_sandbox *sb;
	int r = cis_sandbox_new(&sb);

	if (r < 0)
		return cis_fail(err, -r, "open %s", id);
	r = state_open(&sb->state, id, err);
	if (r >= 0)
		r = describe_read_state(&sb->state, &d, err);
	if (r >= 0)
		r = root = state_open_cache(&sb->state, err);
	if (r >= 0)
		state_group_name(&sb->state, name);
	if (r >= 0)
		r = group_open(&sb->group, name, root, err);
	/* Not ours to hold: whoever started it has the lock. */
	sb->state.lock = fd_close(sb->state.lock);
	sb->pidfd = d.pidfd;
	sb->plan.config = d.config;
	if (r < 0) {
		cis_sandbox_free(sb);
		return r;
	}
	sb->phase = PHASE_OPENED;
	sb->pid = d.init;
	sb->base = d.base;
	sb->count = d.count;
	sb->spec.flags = d.flags;
	*ret = sb;
	return 0;
}

/* ---- children --------------------------------------------------------------------- */

static void fail(const struct join *j, int r)
{
	struct sync_msg m = {.kind = SYNC_LOCK_FAILED, .index = LOCK_SESSION, .value = -r};

	sync_send(j->report, &m);
	_exit(127);
}

/* With a listener of its own: what init listens to is not for us to join. */
static int install_traps(const struct join *j)
{
	struct sync_msg m = {.kind = SYNC_TRAP};
	cleanup_close int fd = notify_install_child(j->plan->filter, j->plan->n_filter);

	return fd < 0 ? fd : sync_send_fd(j->report, &m, fd);
}

static void command_main(struct join *j)
{
	struct sync_msg m = {.kind = SYNC_TTY};
	int r = userns_become_root_child(), master, slave;

	if (r < 0)
		fail(j, r);
	if (j->plan->spec->tty) {
		r = tty_open_child(j->plan->spec->rows, j->plan->spec->cols, &master, &slave);
		if (r >= 0)
			r = sync_send_fd(j->report, &m, master);
		if (r < 0)
			fail(j, r);
		for (size_t i = 0; i < 3; i++)
			j->stdio[i] = slave;
	}
	if (j->plan->spec->flags & TRAPS) {
		r = install_traps(j);
		if (r < 0)
			fail(j, r);
	}
	payload_exec(j->plan, &j->plan->payload, j->stdio, j->report);
}

static void close_others(const struct join *j)
{
	int keep[16];
	size_t n = 0;

	fd_keep(keep, &n, j->report);
	fd_keep(keep, &n, j->pidfd);
	for (size_t i = 0; i < 3; i++)
		fd_keep(keep, &n, j->stdio[i]);
	for (size_t i = 0; i < ARRAY_SIZE(j->group->tasks); i++)
		fd_keep(keep, &n, j->group->tasks[i]);
	fd_close_others(keep, n);
}

/* The cpus that it is shown. */
static void take_affinity(pid_t init)
{
	cpu_set_t cpus;

	if (SYS(sched_getaffinity, init, sizeof cpus, &cpus) > 0)
		SYS(sched_setaffinity, 0, sizeof cpus, &cpus);
}

/* What the sandbox was given; init has them. What we may not raise stays lower. */
static void take_rlimits(pid_t init)
{
	struct rlimit limit;

	for (int i = 0; i < RLIM_NLIMITS; i++)
		if (SYS(prlimit64, init, i, NULL, &limit) >= 0)
			SYS(prlimit64, 0, i, &limit, NULL);
}

static void joiner_main(struct join *j)
{
	struct clone_args args = {.flags = CLONE_PARENT};
	struct sync_msg m = {.kind = SYNC_JOINED};
	int r;

	SYS(prctl, PR_SET_NAME, "cis:join", 0, 0, 0);
	SYS(prctl, PR_SET_DUMPABLE, 0, 0, 0, 0);
	close_others(j);
	args_hide_child(&j->args, "cisandbox-exec");
	take_affinity(j->init);
	take_rlimits(j->init); /* now, where we may raise ours */
	r = group_join_v1_child(j->group);
	if (r >= 0)
		r = SYS(setns, j->pidfd, ALL_NAMESPACES);
	/* And here, where we may look at init's even without CAP_SYS_RESOURCE. */
	if (r >= 0)
		take_rlimits(j->init);
	/* Nothing of the host's may be open in there, pidfd and groups included. */
	j->pidfd = fd_close(j->pidfd);
	for (size_t i = 0; i < ARRAY_SIZE(j->group->tasks); i++)
		fd_close(j->group->tasks[i]);
	if (r >= 0)
		r = sys_clone3(&args);
	if (r < 0)
		fail(j, r);
	if (r == 0)
		command_main(j);
	m.value = r;
	sync_send(j->report, &m);
	_exit(0);
}

/* ---- the caller's half --------------------------------------------------------------- */

static int clone_joiner(struct join *j, int *ret_pidfd)
{
	struct clone_args args = {
		.flags = CLONE_PIDFD,
		.pidfd = (uint64_t)(uintptr_t)ret_pidfd,
	};
	int r;

	if (j->group->leaf >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)j->group->leaf;
	}
	r = process_clone(&args);

	if (r == 0)
		joiner_main(j);
	return r;
}

/* Until the report ends, which is the execve; or says what failed. */
static int converse(struct cis_sandbox *sb, int report, int *ret_pidfd, int *ret_listener,
		    struct cis_error *err)
{
	for (;;) {
		struct sync_msg m;
		int fd = -1, r = sync_recv(report, &m, &fd, 0);

		if (r < 0)
			return cis_fail(err, -r, "hear from the command");
		if (r == 0 && *ret_pidfd < 0)
			return cis_fail_plain(err, ESRCH, "the sandbox %s ended", sb->state.id);
		if (r == 0)
			return 0;
		if (m.kind == SYNC_JOINED) {
			sb->pid = m.value;
			*ret_pidfd = sys_pidfd_open(m.value);
		} else if (m.kind == SYNC_TTY) {
			sb->tty = fd;
		} else if (m.kind == SYNC_TRAP) {
			*ret_listener = fd;
		} else {
			return launch_explain(&sb->plan, &m, err);
		}
	}
}

static int open_root(const struct cis_sandbox *sb, struct cis_error *err)
{
	char path[64];
	int fd;

	snprintf(path, sizeof path, "/proc/%d/root", sb->pid);
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? cis_fail(err, errno, "root of %s", sb->state.id) : fd;
}

static int build(struct cis_sandbox *sb, char *const argv[], struct cis_error *err)
{
	cleanup_close int root = open_root(sb, err);
	int r = root;

	sb->plan.spec = &sb->spec;
	if (r >= 0 && (sb->spec.flags & TRAPS))
		r = notify_look(&sb->notify, sb->pid, sb->base, sb->spec.flags, err);
	if (r >= 0)
		r = plan_payload(&sb->plan, &sb->spec, argv, root, err);
	return r;
}

static int run(struct cis_sandbox *sb, struct cis_error *err)
{
	struct join j = {
		.plan = &sb->plan,
		.group = &sb->group,
		.init = sb->pid,
		.pidfd = sb->pidfd,
	};
	cleanup_close int report = -1, joiner = -1, command = -1, listener = -1, copies = -1;
	siginfo_t info;
	int pair[2], r;

	args_find(&j.args);
	r = prepare_stdio(sb, j.stdio, err);
	if (r >= 0 && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		r = cis_fail(err, errno, "enter %s", sb->state.id);
	if (r < 0) {
		for (size_t i = 0; i < 3; i++)
			fd_close(j.stdio[i]);
		return r;
	}
	report = pair[0];
	j.report = pair[1];
	r = clone_joiner(&j, &joiner);
	fd_close(j.report);
	for (size_t i = 0; i < 3; i++)
		fd_close(j.stdio[i]);
	if (r < 0)
		return cis_fail(err, -r, "enter %s", sb->state.id);
	r = converse(sb, report, &command, &listener, err);
	launch_reap(joiner, &info);
	if (r >= 0 && sb->spec.flags & TRAP_MOUNTS)
		r = copies = state_open_scratch(err);
	if (r >= 0 && listener >= 0)
		r = notify_start(&sb->notify, steal_fd(&listener), steal_fd(&copies), &sb->group,
				 err);
	if (r < 0 && command >= 0) {
		/* It may run, and wait for an answer that nobody gives. */
		sys_pidfd_send_signal(command, SIGKILL);
		launch_reap(command, &info);
	}
	if (r < 0)
		return r;
	fd_close(sb->pidfd);
	sb->pidfd = steal_fd(&command);
	return 0;
}

int cis_sandbox_enter(struct cis_sandbox *sb, char *const argv[], struct cis_error *err)
{
	char pool[64];
	int r;

	if (sb->phase != PHASE_OPENED)
		return cis_fail_plain(err, EBUSY, "enter: the handle was not opened by id");
	if (err)
		err->stage = CIS_STAGE_NONE;
	/* It would be frozen with the rest, and run in the midst of somebody's job. */
	pool_of(&sb->state, pool);
	if (*pool)
		return cis_fail_plain(err, EBUSY, "the sandbox %s waits in pool %s for a job "
				      "(run --pool takes one)", sb->state.id, pool);
	r = build(sb, argv, err);
	if (r >= 0)
		r = run(sb, err);
	if (r < 0) {
		if (err && err->stage == CIS_STAGE_NONE)
			err->stage = CIS_STAGE_SETUP;
		return r;
	}
	sb->entered = sb->command_is_child = sb->payload_runs = true;
	sb->phase = PHASE_RUNNING;
	sb->started_msec = now_msec();
	return supervise_begin(sb, err);
}
