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

static void become(const struct config_hook *h, int in) __attribute__((noreturn));
static void become(const struct config_hook *h, int in)
{
	char *const none[] = {NULL};
	char *const just_path[] = {h->path, NULL};
	int r = SYS(dup3, in, 0, 0);

	sys_close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
	if (r >= 0)
		SYS(execve, h->path, h->args.n ? h->args.v : (char **)just_path,
		    h->env.n ? h->env.v : (char **)none);
	_exit(127);
}

/* Of seconds, in steps: a filter may forbid pidfds, but not to wait. */
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
	return status == 0 ? 0 : -ECHILD;
}

static int run(const struct config_hook *h, const char *state, size_t len)
{
	int pair[2], pid, r = SYS(pipe2, pair, O_CLOEXEC);

	if (r < 0)
		return r;
	pid = SYS(clone, SIGCHLD, 0, 0, 0, 0);
	if (pid == 0)
		become(h, pair[0]);
	/* A pipe takes it whole. Who does not read it may not end us by closing it. */
	r = pid < 0 ? pid : io_write_all(pair[1], state, len);
	fd_close(pair[0]);
	fd_close(pair[1]);
	if (pid < 0)
		return pid;
	return await(pid, h->timeout);
}

int hooks_start_child(const struct config *c, const char *state, size_t len, int *ret_item)
{
	const struct config_hooks *hooks = &c->hooks[HOOK_START_CONTAINER];
	int r = 0;

	for (size_t i = 0; i < hooks->n && r >= 0; i++) {
		*ret_item = (int)i;
		r = run(&hooks->v[i], state, len);
	}
	return r;
}
