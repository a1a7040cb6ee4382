/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "settle.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "../base/fd.h"
#include "../base/process.h"
#include "../base/sys.h"

#define AGAIN_MSEC 10
#define NO_LOCK 128 /* in its status: errno is that of the lock, which was the second step */

/* Our starter's end of it is closed: it is dead. */
static void end_with(int go)
{
	struct pollfd p = {.fd = go, .events = POLLIN};
	struct timespec again = {.tv_nsec = AGAIN_MSEC * 1000000};

	if (SYS(ppoll, &p, 1, &again, NULL, 8) > 0)
		_exit(ECANCELED);
}

/*
 * Raw calls only: it is a clone of a program that may be threaded. It locks an open file of its
 * own, and so nothing once it has ended: our starter may be stopped by then, and what is his
 * stays his. Not by a flock() that waits: that would outlive him.
 */
static void settle(int store, int dir, int go) __attribute__((noreturn));
static void settle(int store, int dir, int go)
{
	int keep[3], lock = -1, r;
	size_t n = 0;

	SYS(prctl, PR_SET_NAME, "cis:settler", 0, 0, 0);
	fd_keep(keep, &n, store);
	fd_keep(keep, &n, dir);
	fd_keep(keep, &n, go);
	fd_close_others(keep, n);
	for (int i = 0; i < 3; i++)
		if (i != store && i != dir && i != go)
			fd_close(i);
	/* Or else a power cut could leave a number over empty files. */
	r = SYS(syncfs, dir);
	if (r < 0)
		_exit(MIN(-r, NO_LOCK - 1));
	r = lock = SYS(openat, store, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	while (r >= 0 && (r = SYS(flock, lock, LOCK_EX | LOCK_NB)) == -EWOULDBLOCK) {
		end_with(go);
		r = 0;
	}
	_exit(r < 0 ? NO_LOCK | MIN(-r, NO_LOCK - 1) : 0);
}

int settler_start(struct settler *t, const struct store *s, int dir)
{
	struct clone_args args = {
		.flags = CLONE_PIDFD,
		.pidfd = (uint64_t)(uintptr_t)&t->pidfd,
	};
	cleanup_close int rd = -1;
	int fds[2], r;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	rd = fds[0];
	t->go = fds[1];
	r = process_clone(&args);
	if (r == 0)
		settle(s->fd, dir, rd);
	if (r < 0) {
		t->pidfd = -1;
		t->go = fd_close(t->go);
	}
	return MIN(r, 0);
}

static void reap(struct settler *t, siginfo_t *ret)
{
	process_reap(t->pidfd, ret);
	t->pidfd = fd_close(t->pidfd);
	t->go = fd_close(t->go);
}

int settler_finish(struct settler *t, const char **ret_step)
{
	siginfo_t info = {0};

	reap(t, &info);
	if (info.si_code != CLD_EXITED) {
		*ret_step = "wait for";
		return -ECANCELED;
	}
	*ret_step = info.si_status & NO_LOCK ? "lock" : "write to";
	return -(info.si_status & ~NO_LOCK);
}

void settler_drop(struct settler *t)
{
	siginfo_t info;

	if (t->pidfd < 0)
		return;
	sys_pidfd_send_signal(t->pidfd, SIGKILL);
	reap(t, &info);
}
