/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Going there and back is the cheapest, but wants privilege over both namespaces: the host's
 * root has it, root of a user namespace could not come back. For it a child goes, which shares
 * memory and descriptors, while we wait.
 */
#include "visit.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "../base/fd.h"
#include "../base/process.h"
#include "../base/str.h"
#include "../base/sys.h"

#define STACK 65536

struct visit {
	int netns;
	int (*work)(void *arg);
	void *arg;
	int result;
};

static int visitor_main(void *arg)
{
	struct visit *v = arg;

	v->result = SYS(setns, v->netns, CLONE_NEWNET);
	if (v->result >= 0)
		v->result = v->work(v->arg);
	return 0;
}

static int send_child(struct visit *v)
{
	cleanup_free char *stack = aligned_alloc(16, STACK);
	sigset_t all, before;
	pid_t pid;
	int r;

	if (!stack)
		return -ENOMEM;
	/* A handler of the program's would run twice, in one memory. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pid = clone(visitor_main, stack + STACK, CLONE_VM | CLONE_VFORK | CLONE_FILES, v);
	r = pid < 0 ? -errno : 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	while (r >= 0 && waitpid(pid, NULL, __WALL) < 0)
		if (errno != EINTR)
			r = -errno;
	return r < 0 ? r : v->result;
}

/* The thread's: nobody else comes along. */
static int go_and_return(struct visit *v)
{
	cleanup_close int ours = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	int r, back;

	if (ours < 0)
		return -errno;
	r = SYS(setns, v->netns, CLONE_NEWNET);
	if (r < 0)
		return r;
	r = v->work(v->arg);
	back = SYS(setns, ours, CLONE_NEWNET);
	return back < 0 ? back : r;
}

int netns_visit(int netns, int (*work)(void *arg), void *arg)
{
	struct visit v = {netns, work, arg, -ECHILD};
	sigset_t all, before;
	int r;

	/* A handler of the program's would be there, too. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = process_is_rootless() ? send_child(&v) : go_and_return(&v);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r;
}
