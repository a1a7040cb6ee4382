/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Two processes, by raw calls only. The keeper stays outside the pid namespace and so can kill
 * all of it; the program is the init of that namespace.
 */
#include "netbox-child.h"

#include <linux/capability.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "../base/fd.h"
#include "../base/io.h"
#include "../base/process.h"
#include "../base/sys.h"
#include "../fs/mount.h"
#include "../fs/rooted.h"
#include "../isolate/seccomp.h"
#include "../isolate/userns.h"

static void fail(const struct netbox_birth *b, int step, int r) __attribute__((noreturn));
static void fail(const struct netbox_birth *b, int step, int r)
{
	const struct netbox_failure f = {step, -r};

	io_write_all(b->told, &f, sizeof f);
	_exit(1);
}

/* ---- the program's root ------------------------------------------------------------------ */

static int put_trees(const struct netbox_birth *b, int top)
{
	int r = 0;

	for (size_t i = 0; i < b->n_trees && r >= 0; i++) {
		const struct netbox_tree *t = &b->trees[i];

		r = t->fd < 0 ? SYS(symlinkat, t->link, top, t->at)
			      : rooted_attach(top, t->at, t->fd, t->file);
	}
	return r;
}

static int put_file(int top, const struct netbox_file *f)
{
	cleanup_close int made = rooted_make(top, f->at, true), fd = -1;
	int r = made;

	if (r >= 0)
		r = fd = rooted_open(top, f->at, O_WRONLY);
	if (r >= 0)
		r = io_write_all(fd, f->text, f->len);
	if (r >= 0)
		r = SYS(fchown, fd, NETBOX_ID, NETBOX_ID);
	return r < 0 ? r : SYS(fchmod, fd, 0400);
}

static int put_files(const struct netbox *box, int top)
{
	int r = 0;

	for (size_t i = 0; i < box->n_files && r >= 0; i++)
		r = put_file(top, &box->files[i]);
	return r;
}

/* Over /usr, which is there on any host, and from now on hidden anyway. */
static int make_top(void)
{
	cleanup_close int top = mount_new("tmpfs", "netbox", "mode=755,size=16m",
					  MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
	cleanup_close int at = -1;
	int r = top;

	if (r >= 0)
		r = at = SYS(openat, AT_FDCWD, "/usr", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (r >= 0)
		r = sys_move_mount(top, at);
	return r < 0 ? r : steal_fd(&top);
}

static int enter(int top)
{
	struct mount_attr readonly = {.attr_set = MOUNT_ATTR_RDONLY};
	int r = sys_mount_setattr(top, 0, &readonly);

	if (r >= 0)
		r = SYS(fchdir, top);
	if (r >= 0)
		r = sys_pivot_root(".", ".");
	if (r >= 0)
		r = SYS(umount2, ".", MNT_DETACH);
	return r < 0 ? r : SYS(chdir, "/");
}

/* ---- its powers ------------------------------------------------------------------------- */

static int set_limits(const struct netbox_birth *b)
{
	const struct {
		int resource;
		rlim_t value;
	} limits[] = {
		{RLIMIT_FSIZE, b->file_max}, {RLIMIT_NOFILE, 1024},
		{RLIMIT_NPROC, 512},	     {RLIMIT_CORE, 0},
		{RLIMIT_MSGQUEUE, 0},	     {RLIMIT_DATA, 2ULL << 30},
	};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(limits) && r >= 0; i++) {
		const struct rlimit l = {limits[i].value, limits[i].value};

		r = SYS(prlimit64, 0, limits[i].resource, &l, NULL);
	}
	return r;
}

static int drop_powers(const struct netbox_birth *b)
{
	struct __user_cap_data_struct none[2] = {0};
	unsigned short n;
	const struct sock_filter *filter = seccomp_filter(0, &n);
	int r = set_limits(b);

	for (int cap = 0; r >= 0 && cap <= 63; cap++)
		if (SYS(prctl, PR_CAPBSET_DROP, cap, 0, 0, 0) == -EINVAL)
			break;
	if (r >= 0)
		r = sys_setgroups(0, NULL);
	if (r >= 0)
		r = sys_setresgid(NETBOX_ID, NETBOX_ID, NETBOX_ID);
	if (r >= 0)
		r = sys_setresuid(NETBOX_ID, NETBOX_ID, NETBOX_ID);
	if (r >= 0)
		r = sys_capset(none);
	if (r >= 0)
		r = SYS(prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	/* Again: a change of ids clears it. */
	if (r >= 0)
		r = SYS(prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	return r < 0 ? r : seccomp_install_child(filter, n);
}

static int set_streams(const struct netbox_birth *b)
{
	int r = SYS(dup3, b->null, 0, 0);

	if (r >= 0)
		r = SYS(dup3, b->out, 1, 0);
	if (r >= 0)
		r = SYS(dup3, b->err, 2, 0);
	/* What the caller did not mark: nothing of it is left. */
	return r < 0 ? r : sys_close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
}

/*
 * A user namespace of its own would give it capabilities over things of its own, and so more of
 * the kernel to try. A host that does not let us say so has no such file, or forbids it to all.
 */
static void forbid_namespaces(void)
{
	io_write_file_at(AT_FDCWD, "/proc/sys/user/max_user_namespaces", "0");
}

static void program_main(const struct netbox_birth *b) __attribute__((noreturn));
static void program_main(const struct netbox_birth *b)
{
	int r = SYS(prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0), top = -1;

	process_reset_signals_child();
	SYS(setsid);
	SYS(umask, 022);
	forbid_namespaces();
	if (r >= 0)
		r = SYS(mount, NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
	if (r >= 0)
		r = top = make_top();
	if (r >= 0)
		r = put_trees(b, top);
	if (r < 0)
		fail(b, NETBOX_MOUNTS, r);
	r = put_files(b->box, top);
	if (r < 0)
		fail(b, NETBOX_FILES, r);
	r = enter(top);
	if (r < 0)
		fail(b, NETBOX_ROOT, r);
	r = set_streams(b);
	if (r >= 0)
		r = drop_powers(b);
	if (r < 0)
		fail(b, NETBOX_CONFINE, r);
	r = SYS(execve, b->program, b->argv, b->env);
	fail(b, NETBOX_EXEC, r);
}

/* ---- the keeper ------------------------------------------------------------------------- */

static int keep_open(const struct netbox_birth *b)
{
	int keep[NETBOX_TREES_MAX + 8];
	size_t n = 0;

	for (size_t i = 0; i < b->n_trees; i++)
		fd_keep(keep, &n, b->trees[i].fd);
	fd_keep(keep, &n, b->box->ids->userns);
	fd_keep(keep, &n, b->box->lock);
	fd_keep(keep, &n, b->null);
	fd_keep(keep, &n, b->out);
	fd_keep(keep, &n, b->err);
	fd_keep(keep, &n, b->life);
	fd_keep(keep, &n, b->told);
	return fd_close_others(keep, n);
}

static int enter_namespaces(const struct netbox_birth *b)
{
	int r = SYS(setns, b->box->ids->userns, CLONE_NEWUSER);

	if (r >= 0)
		r = SYS(unshare, CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWPID);
	return r < 0 ? r : userns_become_root_child();
}

static int await(const struct netbox_birth *b, int pid, int pidfd)
{
	struct pollfd p[] = {{.fd = b->life, .events = POLLIN},
			     {.fd = pidfd, .events = POLLIN}};
	int status = 0;

	while (SYS(ppoll, p, ARRAY_SIZE(p), NULL, NULL, 0) < 0)
		;
	if (!p[1].revents)
		sys_pidfd_send_signal(pidfd, SIGKILL);
	while (SYS(wait4, pid, &status, __WALL, NULL) == -EINTR)
		;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

void netbox_keeper_main(const struct netbox_birth *b)
{
	int pidfd = -1;
	struct clone_args args = {.flags = CLONE_PIDFD, .pidfd = (uint64_t)(uintptr_t)&pidfd};
	int r, pid;

	process_reset_signals_child();
	SYS(prctl, PR_SET_NAME, "cis:netbox", 0, 0, 0);
	SYS(setpgid, 0, 0);
	r = keep_open(b);
	if (r >= 0)
		r = enter_namespaces(b);
	if (r < 0)
		fail(b, NETBOX_NAMESPACES, r);
	pid = process_clone(&args);
	if (pid == 0)
		program_main(b);
	if (pid < 0)
		fail(b, NETBOX_NAMESPACES, pid);
	/* The program's ends, or nobody would see it close them. The lock stays. */
	for (size_t i = 0; i < b->n_trees; i++)
		fd_close(b->trees[i].fd);
	fd_close(b->out);
	fd_close(b->err);
	fd_close(b->told);
	_exit(await(b, pid, pidfd));
}
