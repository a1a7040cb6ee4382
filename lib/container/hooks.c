/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hooks.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../base/fd.h"
#include "../base/process.h"
#include "../base/sys.h"

#define HOOK_NAMESPACES (CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | \
			 CLONE_NEWCGROUP)

static const char *const names[] = {
	[HOOK_PRESTART] = "prestart",
	[HOOK_CREATE_RUNTIME] = "createRuntime",
	[HOOK_CREATE_CONTAINER] = "createContainer",
	[HOOK_START_CONTAINER] = "startContainer",
	[HOOK_POSTSTART] = "poststart",
	[HOOK_POSTSTOP] = "poststop",
};

struct job {
	const struct config_hook *hook;
	int in;    /* what it reads its state from */
	int out;   /* what it says */
	int pidfd; /* or -1 */
};

/* A process of its own group, so that all it started can be ended with it. */
static void child(const struct job *j) __attribute__((noreturn));
static void child(const struct job *j)
{
	char *const none[] = {NULL};
	char *const just_path[] = {j->hook->path, NULL};
	int r;

	process_reset_signals_child();
	SYS(setpgid, 0, 0);
	r = SYS(dup3, j->in, 0, 0);
	if (r >= 0)
		r = SYS(dup3, j->out, 1, 0);
	if (r >= 0)
		r = SYS(dup3, j->out, 2, 0);
	if (r >= 0 && j->pidfd >= 0)
		r = SYS(setns, j->pidfd, HOOK_NAMESPACES);
	sys_close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
	if (r >= 0)
		r = SYS(execve, j->hook->path,
			j->hook->args.n ? j->hook->args.v : (char **)just_path,
			j->hook->env.n ? j->hook->env.v : (char **)none);
	if (r == -ENOENT)
		SYS(write, 2, "no such file or directory", 25);
	_exit(r == -ENOENT ? 127 : 126);
}

/* Its pidfd is readable when it ended. 1: it did; 0: time is up. */
static int await(int pidfd, unsigned int seconds)
{
	struct pollfd p = {.fd = pidfd, .events = POLLIN};
	int r;

	do
		r = poll(&p, 1, seconds ? (int)MIN(seconds, 2000000U) * 1000 : -1);
	while (r < 0 && errno == EINTR);
	return r;
}

/* The beginning of what it said, on one line. */
static void read_words(int out, char *buf, size_t size)
{
	ssize_t n = pread(out, buf, size - 1, 0);

	buf[MAX(n, 0)] = '\0';
	for (char *p = buf; *p; p++)
		if (*p < ' ' || *p > '~')
			*p = p[1] ? ' ' : '\0';
}

static int judge(const struct config_hook *h, enum hook_point point, int status, bool timed_out,
		 int out, struct cis_error *err)
{
	char words[256];

	read_words(out, words, sizeof words);
	if (timed_out)
		return cis_fail_plain(err, ETIMEDOUT,
				      "error running %s hook %s: no end within %u s",
				      names[point], h->path, h->timeout);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (WIFEXITED(status))
		return cis_fail_plain(err, EIO, "error running %s hook %s: exit status %d%s%s",
				      names[point], h->path, WEXITSTATUS(status),
				      *words ? ": " : "", words);
	return cis_fail_plain(err, EIO, "error running %s hook %s: killed by signal %d",
			      names[point], h->path, WTERMSIG(status));
}

static int run(const struct config_hook *h, enum hook_point point, const char *state, int pidfd,
	       struct cis_error *err)
{
	int pair[2], status = 0, ended;
	struct job j = {.hook = h, .pidfd = pidfd};
	cleanup_close int rd = -1, wr = -1, hook = -1;
	cleanup_close int out = memfd_create("hook", MFD_CLOEXEC);
	pid_t pid;

	if (out < 0 || pipe2(pair, O_CLOEXEC) < 0)
		return cis_fail(err, errno, "hook %s", h->path);
	rd = pair[0];
	wr = pair[1];
	j.in = rd;
	j.out = out;
	pid = fork();
	if (pid < 0)
		return cis_fail(err, errno, "hook %s", h->path);
	if (pid == 0)
		child(&j);
	hook = sys_pidfd_open(pid);
	rd = fd_close(rd);
	/* A state is smaller than a pipe: this never waits. Who does not read it, does not. */
	SYS(fcntl, wr, F_SETFL, O_NONBLOCK);
	if (write(wr, state, strlen(state)) < 0 && errno != EPIPE)
		kill(-pid, SIGKILL);
	wr = fd_close(wr);
	ended = await(hook, h->timeout);
	if (ended == 0)
		kill(-pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return judge(h, point, status, ended == 0, out, err);
}

int hooks_run(const struct config *c, enum hook_point point, const char *state, int pidfd,
	      struct cis_error *err)
{
	const struct config_hooks *hooks = &c->hooks[point];
	struct sigaction ignore = {.sa_handler = SIG_IGN}, before;
	int r = 0;

	if (!hooks->n)
		return 0;
	sigaction(SIGPIPE, &ignore, &before);
	for (size_t i = 0; i < hooks->n && r >= 0; i++)
		r = run(&hooks->v[i], point, state, pidfd, err);
	sigaction(SIGPIPE, &before, NULL);
	return r;
}
