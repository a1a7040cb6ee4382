/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "process.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "io.h"
#include "str.h"
#include "sys.h"

#define FIELD_START_TIME 22
#define ASIDE_STACK (128 * 1024)
#define GUARD 65536 /* a page, however large pages are */
#define FIRST_USERNS 0xeffffffdU /* the kernel's PROC_USER_INIT_INO */

int process_clone(struct clone_args *args)
{
	sigset_t all, before;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = sys_clone3(args);
	if (r != 0)
		pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r;
}

struct aside {
	int (*work)(void *arg);
	void *arg;
	int result;
};

static int aside_main(void *arg)
{
	struct aside *a = arg;

	a->result = a->work(a->arg);
	return 0;
}

int process_run_aside(int (*work)(void *arg), void *arg)
{
	struct aside a = {work, arg, -ECHILD};
	const size_t size = GUARD + ASIDE_STACK;
	char *stack = mmap(NULL, size, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
	sigset_t all, before;
	int r;

	if (stack == MAP_FAILED)
		return -errno;
	if (mprotect(stack, GUARD, PROT_NONE) < 0) {
		r = -errno;
		munmap(stack, size);
		return r;
	}
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	/* No signal at its end: the program, whose child it is, has not asked for one. */
	r = clone(aside_main, stack + size, CLONE_VM | CLONE_VFORK | CLONE_FILES, &a);
	if (r < 0)
		a.result = -errno;
	else
		process_wait(r);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	munmap(stack, size);
	return a.result;
}

int process_wait(pid_t pid)
{
	int status;

	/* To waitpid() these are any child, or a group's. */
	if (pid <= 0)
		return -ECHILD;
	while (waitpid(pid, &status, __WALL) < 0)
		if (errno != EINTR)
			return -errno;
	return status;
}

int process_reap(int pidfd, siginfo_t *ret)
{
	siginfo_t waste;

	while (waitid(P_PIDFD, (id_t)pidfd, ret ? ret : &waste, WEXITED | __WALL) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

void process_reset_signals_child(void)
{
	struct sigaction dfl = {.sa_handler = SIG_DFL};
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		sigaction(sig, &dfl, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

int process_start_time(pid_t pid, uint64_t *ret, char *ret_state)
{
	cleanup_free char *text = NULL;
	char path[64];
	const char *p;
	int r;

	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	r = io_read_file_at(AT_FDCWD, path, 4096, &text, NULL);
	if (r < 0)
		return r == -ENOENT ? -ESRCH : r;
	/* The command before it may hold anything but ends in the last ')'. */
	p = strrchr(text, ')');
	if (!p || p[1] != ' ')
		return -EBADMSG;
	if (ret_state)
		*ret_state = p[2];
	for (int field = 2; p && field < FIELD_START_TIME; field++)
		p = strchr(p + 1, ' ');
	if (!p)
		return -EBADMSG;
	*ret = strtoull(p, NULL, 10);
	return 0;
}

const char *process_env(const struct strv *env, const char *key)
{
	size_t n = strlen(key);

	for (size_t i = env->n; i-- > 0;)
		if (strncmp(env->v[i], key, n) == 0 && env->v[i][n] == '=')
			return env->v[i] + n + 1;
	return NULL;
}

int process_candidates(struct strv *ret, const char *name, const struct strv *env)
{
	const char *path = process_env(env, "PATH");
	int r = 0;

	if (strchr(name, '/'))
		return strv_add(ret, name);
	for (path = path ? path : PROCESS_DEFAULT_PATH; r >= 0; path += *path == ':') {
		size_t len = strcspn(path, ":");
		cleanup_free char *full = NULL;

		r = str_format(&full, "%.*s/%s", len ? (int)len : 1, len ? path : ".", name);
		if (r >= 0)
			r = strv_add(ret, full);
		path += len;
		if (!*path)
			break;
	}
	return r;
}

bool process_is_in_userns(void)
{
	struct stat st;

	return stat("/proc/self/ns/user", &st) == 0 && st.st_ino != FIRST_USERNS;
}

bool process_is_rootless(void)
{
	return geteuid() != 0 || process_is_in_userns();
}
