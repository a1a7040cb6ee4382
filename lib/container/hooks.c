/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hooks.h"

#include <ctype.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../base/fd.h"
#include "../base/process.h"
#include "../base/str.h"
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
	const char *dir; /* where it runs then */
	char *path;      /* the caller's "PATH=..." or NULL */
};

/* Which one, for sentences: they are counted from 0. */
struct which {
	const char *point;
	size_t i;
	const char *path;
};

/* A process of its own group, so that all it started can be ended with it. */
static void child(const struct job *j) __attribute__((noreturn));
static void child(const struct job *j)
{
	/* One that is given none still has to find programs; secrets are not its business. */
	char *const env[] = {j->path, NULL};
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
	/* Joining led to that namespace's "/", which is the host's. */
	if (r >= 0 && j->pidfd >= 0)
		r = SYS(chdir, j->dir);
	sys_close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
	if (r >= 0)
		r = SYS(execve, j->hook->path,
			j->hook->args.n ? j->hook->args.v : (char **)just_path,
			j->hook->env.n ? j->hook->env.v : (char **)env);
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

static int judge(const struct which *w, int status, int out, struct cis_error *err)
{
	char words[256], signal[128];

	read_words(out, words, sizeof words);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (WIFEXITED(status))
		return cis_fail_plain(err, EIO,
				      "error running %s hook #%zu: %s: exit status %d%s%s",
				      w->point, w->i, w->path, WEXITSTATUS(status),
				      *words ? ": " : "", words);
	snprintf(signal, sizeof signal, "%s", strsignal(WTERMSIG(status)));
	signal[0] = (char)tolower((unsigned char)signal[0]);
	return cis_fail_plain(err, EIO,
			      "error running %s hook #%zu: %s: killed by signal %d: %s",
			      w->point, w->i, w->path, WTERMSIG(status), signal);
}

int hooks_explain_start(const struct config *c, size_t i, int status, int out,
			struct cis_error *err)
{
	const struct config_hooks *hooks = &c->hooks[HOOK_START_CONTAINER];
	struct which w = {names[HOOK_START_CONTAINER], i,
			  i < hooks->n ? hooks->v[i].path : "?"};

	return judge(&w, status ? status : SIGKILL, out, err);
}

static char *callers_path(void)
{
	for (char **e = environ; e && *e; e++)
		if (str_starts(*e, "PATH="))
			return *e;
	return NULL;
}

static int run(const struct config_hook *h, const struct which *w, const char *state,
	       const struct hook_place *place, struct cis_error *err)
{
	int pair[2], status = 0, ended;
	struct job j = {.hook = h, .pidfd = place ? place->pidfd : -1,
			.dir = place ? place->dir : NULL, .path = callers_path()};
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
	status = process_wait(pid);
	if (ended == 0)
		return cis_fail_plain(err, ETIMEDOUT,
				      "error running %s hook #%zu: %s: no end within %u s",
				      w->point, w->i, w->path, h->timeout);
	return judge(w, status, out, err);
}

int hooks_run(const struct config *c, enum hook_point point, const char *state,
	      const struct hook_place *place, struct cis_error *err)
{
	const struct config_hooks *hooks = &c->hooks[point];
	struct sigaction ignore = {.sa_handler = SIG_IGN}, before;
	int r = 0;

	if (!hooks->n)
		return 0;
	sigaction(SIGPIPE, &ignore, &before);
	for (size_t i = 0; i < hooks->n && r >= 0; i++) {
		struct which w = {names[point], i, hooks->v[i].path};

		r = run(&hooks->v[i], &w, state, place, err);
	}
	sigaction(SIGPIPE, &before, NULL);
	return r;
}
