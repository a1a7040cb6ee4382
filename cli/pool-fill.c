/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pool.h"

/* ---- what a pool is made of ---------------------------------------------------------------- */

void pool_kind_done(struct pool_kind *k)
{
	free(k->options);
	free(k->directory);
	free(k->like);
	*k = (struct pool_kind){0};
}

static int count(char *const words[])
{
	int n = 0;

	while (words[n])
		n++;
	return n;
}

static int parse(const struct pool_kind *k, struct front *f)
{
	int n = count(k->options), first, status;
	char **argv = calloc((size_t)n + 2, sizeof *argv);

	if (!argv)
		return cli_usage_error("pool", "out of memory");
	argv[0] = (char *)"pool";
	memcpy(argv + 1, k->options, (size_t)n * sizeof *argv);
	f->is_template = true;
	status = opts_parse(f, FOR_POOL, n + 1, argv, &first);
	f->is_template = false;
	if (status == 0 && first != n + 1)
		status = cli_usage_error("pool", "%s: a pool has options, and no command",
					 argv[first]);
	free(argv);
	return status;
}

int pool_kind_apply(const struct pool_kind *k, struct front *f)
{
	int here = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC), status;

	if (here < 0 || chdir(k->directory) < 0) {
		status = cli_usage_error("pool", "%s: %s", k->directory, strerror(errno));
	} else {
		status = parse(k, f);
		if (fchdir(here) < 0)
			status = cli_usage_error("pool", "go back: %s", strerror(errno));
	}
	if (here >= 0)
		close(here);
	return status;
}

int pool_kind_judge(const char *verb, const char *name, struct pool_kind *k)
{
	char whose[300]; /* who has many pools is told which */
	struct front f = {.verb = whose, .report = -1};
	struct cis_error err = {0};
	int status;

	snprintf(whose, sizeof whose, "%s %s", strcmp(verb, "run") == 0 ? "run --pool" : verb,
		 name);
	if (cis_sandbox_new(&f.sb) < 0)
		return cli_usage_error(whose, "out of memory");
	status = pool_kind_apply(k, &f);
	if (status == 0 && cis_sandbox_likeness(f.sb, &k->like, &err) < 0)
		status = cli_error(whose, &err);
	cis_sandbox_free(f.sb);
	return status;
}

int pool_kind_read(const char *verb, const char *name, struct pool_kind *ret)
{
	struct cis_error err = {0};
	int status;

	*ret = (struct pool_kind){0};
	if (cis_pool_load(name, &ret->size, &ret->options, &ret->directory, &err) < 0)
		return cli_error(verb, &err);
	status = pool_kind_judge(verb, name, ret);
	if (status != 0)
		pool_kind_done(ret);
	return status;
}

/* ---- filling --------------------------------------------------------------------------------- */

/* One, and its word that it is up. It lives on; when we die before that it does not. */
static int make_member(const char *verb, const char *name, const struct pool_kind *k)
{
	int fds[2], status;
	ssize_t n;
	char word;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return cli_usage_error(verb, "pipe: %s", strerror(errno));
	pid = fork();
	if (pid == 0) {
		/* The lock, and what our caller left open: it would hold these while it lives. */
		if (dup2(fds[1], 3) < 0 || fcntl(3, F_SETFD, FD_CLOEXEC) < 0 ||
		    close_range(4, ~0U, 0) < 0)
			_exit(EXIT_OURS);
		_exit(pool_member(name, k, 3));
	}
	close(fds[1]);
	n = pid < 0 ? 0 : read(fds[0], &word, 1);
	close(fds[0]);
	if (n == 1)
		return 0;
	if (pid < 0)
		return cli_usage_error(verb, "fork: %s", strerror(errno));
	/* It has said why. */
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status)
		       ? WEXITSTATUS(status)
		       : EXIT_OURS;
}

static int fill_locked(const char *verb, const char *name, const struct pool_kind *k)
{
	struct cis_error err = {0};

	if (cis_pool_drop(name, k->like, &err) < 0)
		return cli_error(verb, &err);
	for (;;) {
		struct cis_pool_count now;
		int status;

		if (cis_pool_count(name, k->like, &now, sizeof now, &err) < 0)
			return cli_error(verb, &err);
		/* There were to be more of them once: who is taken without a word ends. */
		for (unsigned int n = now.ready; n > k->size; n--) {
			int fd = cis_pool_take(name, k->like, NULL);

			if (fd >= 0)
				close(fd);
		}
		if (now.ready >= k->size)
			return 0;
		status = make_member(verb, name, k);
		if (status != 0)
			return status;
	}
}

int pool_fill(const char *verb, const char *name)
{
	struct cis_error err = {0};
	struct pool_kind k;
	int lock, status;

	lock = cis_pool_lock(name, &err);
	if (lock < 0)
		return cli_error(verb, &err);
	/* Not before: whoever had the lock may have changed it. */
	status = pool_kind_read(verb, name, &k);
	if (status == 0) {
		status = fill_locked(verb, name, &k);
		pool_kind_done(&k);
	}
	close(lock);
	return status;
}

/* Of the environment what says where things are. */
static void keep_places(void)
{
	static const char *const names[] = {"PATH", "CISANDBOX_STATE", "CISANDBOX_ROOT",
					    "CISANDBOX_ADMISSION"};
	char *values[sizeof names / sizeof *names];

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		values[i] = getenv(names[i]);
	clearenv();
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (values[i])
			setenv(names[i], values[i], 1);
}

void pool_fill_beside(const char *name)
{
	sigset_t none;
	int null;

	if (fork() != 0)
		return;
	setsid();
	null = open("/dev/null", O_RDWR);
	for (int i = 0; i < 3; i++)
		dup2(null, i);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (chdir("/") < 0)
		_exit(EXIT_OURS);
	close_range(3, ~0U, 0);
	/* Anew: members are copies of who made them, with this job's words and variables. */
	keep_places();
	execl("/proc/self/exe", "cisandbox", "pool", "fill", name, (char *)NULL);
	_exit(EXIT_OURS);
}
