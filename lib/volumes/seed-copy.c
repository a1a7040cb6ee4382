/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From the disk of a job to the store: what an engine has stored, as it is, by cp. That knows
 * whiteouts, hard links, holes, capabilities and the overlay's attributes, and shares blocks where
 * the file system can. It runs as root of a user namespace with the sandbox's ids, to which both
 * sides are mapped: no id of the host's is written, and what it is made to read by the tree is what
 * anybody may.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../base/fd.h"
#include "../base/process.h"
#include "../base/spawn.h"
#include "../base/sys.h"
#include "../fs/mount.h"
#include "../isolate/userns.h"
#include "seed.h"

#define SAID_MAX 512
#define ARGS_MAX 16
#define NOT_RUN 100 /* and errno: the status of who did not become cp */

struct copy {
	const struct seed_copy *order;
	const char *program;
	char *const *argv;
	int dest, says;
	int go, go_end; /* a byte, once the ids are mapped */
	pid_t caller;
};

/* Our own end of what we wait on, or nobody's death would be told by it; and others' locks. */
static int close_others(const struct copy *c)
{
	int keep[4];
	size_t n = 0;

	fd_keep(keep, &n, c->go);
	fd_keep(keep, &n, c->says);
	fd_keep(keep, &n, c->dest);
	fd_keep(keep, &n, c->order->from);
	fd_close(c->go_end);
	return fd_close_others(keep, n);
}

static void be_cp(const struct copy *c) __attribute__((noreturn));
static void be_cp(const struct copy *c)
{
	static const char *const envp[] = {"LC_ALL=C.UTF-8", NULL};
	char byte;
	int r = close_others(c);

	process_reset_signals_child();
	if (r >= 0)
		r = SYS(read, c->go, &byte, 1) == 1 ? 0 : -ESRCH;
	if (r == 0 && c->order->count)
		r = userns_become_root_child();
	if (r >= 0)
		r = SYS(prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (r >= 0 && SYS(getppid) != c->caller)
		r = -ESRCH;
	if (r >= 0)
		r = SYS(fchdir, c->order->from);
	if (r >= 0)
		r = SYS(dup3, c->says, 2, 0);
	if (r >= 0)
		r = SYS(fcntl, c->dest, F_SETFD, 0);
	if (r >= 0)
		r = SYS(execve, c->program, c->argv, envp);
	SYS(exit_group, NOT_RUN + MIN(-r, 255 - NOT_RUN));
	__builtin_unreachable();
}

/* Here nobody has ids but the caller, without root: from and to are the same. */
static int map_ids(const struct copy *c, pid_t pid)
{
	cleanup_close int userns = -1;
	int r = c->order->count ? 0 : 1;

	if (r == 0)
		r = userns_write_maps(pid, c->order->base, c->order->count);
	if (r == 0)
		r = userns = userns_open(pid);
	return userns >= 0 ? mount_idmap(c->dest, userns) : MIN(r, 0);
}

/* Its first line, which says what went wrong; the rest is thrown away. */
static void hear(int fd, char said[static SAID_MAX])
{
	char waste[4096];
	size_t used = 0;
	ssize_t n;

	while ((n = used < SAID_MAX - 1 ? read(fd, said + used, SAID_MAX - 1 - used)
					: read(fd, waste, sizeof waste)) > 0 ||
	       (n < 0 && errno == EINTR))
		if (n > 0 && used < SAID_MAX - 1)
			used += (size_t)n;
	said[used] = '\0';
	said[strcspn(said, "\n")] = '\0';
}

static int judge(int status, const char *said, struct cis_error *err)
{
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (WIFSIGNALED(status))
		return cis_fail_plain(err, EINTR, "cp was ended by signal %d",
				      WTERMSIG(status));
	if (strstr(said, "No space left") || strstr(said, "quota exceeded"))
		return cis_fail_plain(err, ENOSPC, "%s (the file system of the store of seeds is "
				      "full)", said);
	if (!*said && WEXITSTATUS(status) >= NOT_RUN)
		return cis_fail(err, WEXITSTATUS(status) - NOT_RUN, "run cp");
	return cis_fail_plain(err, EIO, "%s", *said ? said : "cp failed");
}

static int run(struct copy *c, struct cis_error *err)
{
	struct clone_args args = {.flags = c->order->count ? CLONE_NEWUSER : 0};
	cleanup_close int go_rd = -1, go_wr = -1, says_rd = -1, says_wr = -1;
	const char *step = "map ids for cp";
	char said[SAID_MAX];
	int go[2], says[2], r, pid;

	if (pipe2(go, O_CLOEXEC) < 0)
		return cis_fail(err, errno, "run cp");
	c->go = go_rd = go[0];
	c->go_end = go_wr = go[1];
	if (pipe2(says, O_CLOEXEC) < 0)
		return cis_fail(err, errno, "run cp");
	says_rd = says[0];
	c->says = says_wr = says[1];
	c->caller = getpid();
	pid = process_clone(&args);
	if (pid == 0)
		be_cp(c);
	if (pid < 0)
		return cis_fail(err, -pid, "run cp");
	says_wr = fd_close(says_wr);
	r = map_ids(c, pid);
	/* We have the reading end, too, and hear no SIGPIPE. */
	if (r >= 0 && write(go_wr, "", 1) != 1) {
		step = "run cp";
		r = -errno;
	}
	if (r < 0)
		kill(pid, SIGKILL);
	hear(says_rd, said);
	pid = process_wait(pid);
	if (r < 0)
		return cis_fail(err, -r, "%s%s", step, r == -EINVAL
				? " (the file system of the store cannot be id-mapped; put it on "
				  "ext4, xfs or btrfs)" : "");
	return judge(pid, said, err);
}

int seed_copy(const struct seed_copy *o, struct cis_error *err)
{
	static const char *const first[] = {
		"cp", "-dR", "--parents", "--preserve=mode,ownership,timestamps,links,xattr", "--"};
	char *argv[ARRAY_SIZE(first) + ARGS_MAX + 2], dest[40];
	cleanup_close int clone = -1;
	cleanup_free char *program = NULL;
	struct copy c = {.order = o, .argv = argv};
	size_t n = 0;
	int r = spawn_find("cp", &program);

	if (r < 0)
		return cis_fail_plain(err, -r, "cp is not installed (apt install coreutils)");
	if (o->parts->n > ARGS_MAX)
		return cis_fail(err, E2BIG, "run cp");
	clone = sys_open_tree(o->to, "", AT_EMPTY_PATH | OPEN_TREE_CLONE);
	if (clone < 0)
		return cis_fail(err, -clone, "clone the mount of the store of seeds");
	snprintf(dest, sizeof dest, "/proc/self/fd/%d", clone);
	for (; n < ARRAY_SIZE(first); n++)
		argv[n] = (char *)first[n]; /* execve() has them so; nobody writes there */
	for (size_t i = 0; i < o->parts->n; i++)
		argv[n++] = o->parts->v[i];
	argv[n++] = dest;
	argv[n] = NULL;
	c.program = program;
	c.dest = clone;
	return run(&c, err);
}
