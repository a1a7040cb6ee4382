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

#include "../base/fd.h"
#include "../base/process.h"
#include "../base/sys.h"

struct visit {
	int netns;
	int (*work)(void *arg);
	void *arg;
};

static int go(void *arg)
{
	const struct visit *v = arg;
	int r = SYS(setns, v->netns, CLONE_NEWNET);

	return r < 0 ? r : v->work(v->arg);
}

/* The thread's: nobody else comes along. */
static int go_and_return(struct visit *v)
{
	cleanup_close int ours = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	sigset_t all, before;
	int r, back;

	if (ours < 0)
		return -errno;
	/* A handler of the program's would be there, too. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = go(v);
	back = SYS(setns, ours, CLONE_NEWNET);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return back < 0 ? back : r;
}

int netns_visit(int netns, int (*work)(void *arg), void *arg)
{
	struct visit v = {netns, work, arg};

	return process_is_rootless() ? process_run_aside(go, &v) : go_and_return(&v);
}
