/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Raw calls only: init may be a clone of a threaded program. See box.h. */
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "../base/fd.h"
#include "../base/io.h"
#include "../base/sys.h"
#include "box.h"

#define STEP_MSEC 10

struct job {
	const struct config_hook *hook;
	char **env;
	int in, out;
	unsigned int preserve; /* of the command's */
};

static void become(const struct job *j) __attribute__((noreturn));
static void become(const struct job *j)
{
	char *const just_path[] = {j->hook->path, NULL};
	int r = SYS(dup3, j->in, 0, 0);

	for (int fd = 1; fd <= 2 && r >= 0 && j->out >= 0; fd++)
		r = SYS(dup3, j->out, fd, 0);
	/* The rest closes itself; a filter may forbid close_range(2). */
	for (unsigned int i = 0; i < j->preserve; i++)
		fd_close((int)(3 + i));
	if (r >= 0)
		r = SYS(execve, j->hook->path,
			j->hook->args.n ? j->hook->args.v : (char **)just_path, j->env);
	if (r == -ENOENT)
		SYS(write, 2, "no such file or directory", 25);
	_exit(127);
}

/*
 * 0, -errno, or the wait status of a failure. Of seconds, in steps: a filter may forbid
 * pidfds, but not to wait.
 */
static int await(pid_t pid, unsigned int seconds)
{
	const struct timespec step = {.tv_nsec = STEP_MSEC * 1000000L};
	uint64_t left = seconds ? seconds * 1000ULL / STEP_MSEC : UINT64_MAX;
	int status, r;

	while ((r = SYS(wait4, pid, &status, seconds ? WNOHANG : 0, NULL)) == 0 && left--)
		SYS(nanosleep, &step, NULL);
	if (r < 0)
		return r;
	if (r == 0) {
		SYS(kill, pid, SIGKILL);
		SYS(wait4, pid, &status, 0, NULL);
		return -ETIMEDOUT;
	}
	return status;
}

static int run(struct job *j, const char *state, size_t len)
{
	int pair[2], pid, r = SYS(pipe2, pair, O_CLOEXEC);

	if (r < 0)
		return r;
	j->in = pair[0];
	pid = SYS(clone, SIGCHLD, 0, 0, 0, 0);
	if (pid == 0)
		become(j);
	/* A pipe takes it whole. Who does not read it may not end us by closing it. */
	r = pid < 0 ? pid : io_write_all(pair[1], state, len);
	fd_close(pair[0]);
	fd_close(pair[1]);
	if (pid < 0)
		return pid;
	return await(pid, j->hook->timeout);
}

int hooks_start_child(const struct finish *f, int conn, const char *state, size_t len,
		      struct sync_msg *ret)
{
	const struct config_hooks *hooks = &f->c->hooks[HOOK_START_CONTAINER];
	struct job j = {.out = -1, .preserve = f->preserve};
	int r = 0;

	if (!hooks->n)
		return 0;
	if (sync_recv(conn, ret, &j.out, 0) <= 0)
		return -ECONNRESET;
	for (size_t i = 0; i < hooks->n && r == 0; i++) {
		j.hook = &hooks->v[i];
		/* As runc has it: what is not said is the command's. */
		j.env = j.hook->env.n ? j.hook->env.v : f->envp.v;
		r = run(&j, state, len);
		*ret = (struct sync_msg){BOX_FAILED, STEP_START_HOOK, -r, (int)i};
		if (r > 0)
			*ret = (struct sync_msg){BOX_HOOK_FAILED, (uint32_t)i, 0, r};
	}
	fd_close(j.out);
	return r;
}
