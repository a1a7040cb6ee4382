/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The helper's beginning, its loop, and the calls that need no more than a look.
 *
 * What they answer, and why:
 *	swapon, swapoff   0 for root, and nothing happens: what swap there is, is the host's
 *	                  decision; scripts that turn it off (for kubelet) or add a file go on
 *	init_module and   0 for root: modprobe of what the host has loaded goes on, as in a
 *	finit_module      virtual machine; what is not there shows when it is used
 *	delete_module     EWOULDBLOCK for root, as for a module in use: the host uses it
 *	reboot            Ctrl-Alt-Del on and off: 0 for root, which an init does at its start.
 *	                  The other commands are not trapped: the kernel ends the sandbox.
 * Everybody else gets EPERM. "Root" is who has the capability over the sandbox itself.
 */
#include "serve.h"

#include <linux/capability.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>

#include "../base/fd.h"
#include "../base/macros.h"
#include "../base/process.h"
#include "../base/sys.h"
#include "../isolate/confine.h"

/* Debian 12's headers lack them. */
#define SET_FLAGS SECCOMP_IOW(4, uint64_t)
#define SYNC_WAKE_UP 1UL

#define FILES_MAX 64

#define MAGIC1 0xfee1dead
#define IS_MAGIC2(m)                                                                   \
	((m) == 672274793 || (m) == 85072278 || (m) == 369367448 || (m) == 537993216)

/* ---- answers ------------------------------------------------------------------- */

bool serve_is_valid(const struct serve *s)
{
	uint64_t id = s->page->call.id;

	return SYS(ioctl, s->listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) >= 0;
}

static int sysinfo_of(struct serve *s, bool narrow)
{
	struct sysinfo wide;
	struct sysinfo32 small;

	numbers_get(&s->numbers, s->proc, &wide);
	if (!narrow)
		return caller_write(s, s->page->call.data.args[0], &wide, sizeof wide);
	numbers_narrow(&wide, &small);
	return caller_write(s, s->page->call.data.args[0], &small, sizeof small);
}

static int root_gets(struct serve *s, unsigned int cap, int answer)
{
	struct caller c;
	int r = caller_look(s, &c);

	fd_close(c.dir);
	if (r >= 0)
		r = caller_need(&c, cap);
	return r < 0 ? r : answer;
}

static int reboot_of(struct serve *s)
{
	const uint64_t *args = (const uint64_t *)s->page->call.data.args;
	uint32_t magic2 = (uint32_t)args[1];

	if ((uint32_t)args[0] != MAGIC1 || !IS_MAGIC2(magic2))
		return -EINVAL;
	return root_gets(s, CAP_SYS_BOOT, 0);
}

static int answer(struct serve *s)
{
	if (!s->flags)
		return -ENOSYS;
	switch (trap_call_of(&s->page->call.data)) {
	case TRAP_SYSINFO:
		return sysinfo_of(s, false);
	case TRAP_SYSINFO32:
		return sysinfo_of(s, true);
	case TRAP_MKNOD:
		return serve_mknod(s, false);
	case TRAP_MKNODAT:
		return serve_mknod(s, true);
	case TRAP_SWAPON:
		return serve_swapon(s);
	case TRAP_MOUNT:
		return serve_image(s);
	case TRAP_SWAPOFF:
		return root_gets(s, CAP_SYS_ADMIN, 0);
	case TRAP_REBOOT:
		return reboot_of(s);
	case TRAP_LOAD_MODULE:
		return root_gets(s, CAP_SYS_MODULE, 0);
	case TRAP_DELETE_MODULE:
		return root_gets(s, CAP_SYS_MODULE, -EWOULDBLOCK);
	}
	return -ENOSYS;
}

/* The id is checked by the kernel once more: -ENOENT is a caller that is gone. */
static void reply(struct serve *s, int error)
{
	union {
		struct seccomp_notif_resp r;
		char room[512];
	} out = {.r = {.id = s->page->call.id, .error = error}};

	SYS(ioctl, s->listener, SECCOMP_IOCTL_NOTIF_SEND, &out);
	memset(s->page, 0, sizeof *s->page);
}

/* ---- who we are ------------------------------------------------------------------ */

static int confine(const struct serve *s, enum answerer who)
{
	const bool makes = who == ANSWER_PATHS && s->flags & CIS_TRAP_MKNOD;
	const struct confinement c = {
		.id = s->base,
		.caps = makes ? 1ULL << CAP_MKNOD : 0,
		.files = FILES_MAX,
		.filter = who == ANSWER_NOW ? SECCOMP_NOTIFY : SECCOMP_PATHS,
	};

	return confine_child(&c);
}

/* Signal and death when the supervisor is gone, while we wait where nothing can be polled. */
static int watch_life(const struct serve *s)
{
	struct pollfd p = {.fd = s->life, .events = POLLIN};
	int r = SYS(fcntl, s->life, F_SETOWN, getpid());

	if (r >= 0)
		r = SYS(fcntl, s->life, F_SETFL, O_ASYNC);
	if (r >= 0 && poll(&p, 1, 0) != 0)
		r = -EPIPE;
	return r;
}

static void close_others(const struct serve *s, enum answerer who)
{
	int keep[12];
	size_t n = 0;

	fd_keep(keep, &n, s->listener);
	fd_keep(keep, &n, s->life);
	fd_keep(keep, &n, s->proc);
	fd_keep(keep, &n, s->queue[who]);
	fd_keep(keep, &n, who == ANSWER_PATHS ? s->mounter : -1);
	fd_keep(keep, &n, s->numbers.memory);
	fd_keep(keep, &n, s->numbers.memory_max);
	fd_keep(keep, &n, s->numbers.pids);
	fd_keep(keep, &n, s->numbers.tasks);
	for (int i = 0; i < 3; i++)
		SYS(dup3, s->null, i, 0);
	fd_close_others(keep, n);
}

static int begin(struct serve *s, enum answerer who)
{
	static const char *const names[] = {"cis:notify", "cis:paths"};
	sigset_t mask;
	int r;

	SYS(prctl, PR_SET_NAME, names[who], 0, 0, 0);
	s->page = &s->pages[who];
	SYS(setsid); /* Ctrl-C at the terminal is for the sandbox */
	close_others(s, who);
	process_reset_signals_child();
	sigfillset(&mask);
	sigdelset(&mask, SIGIO);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	/* On the processor of who asks, which sleeps until we are done. Since Linux 6.6. */
	SYS(ioctl, s->listener, SET_FLAGS, SYNC_WAKE_UP);
	r = watch_life(s);
	return r < 0 ? r : confine(s, who);
}

/* -ENOENT is a caller that died, or, since Linux 6.11, that nobody is left at all. */
static bool is_over(const struct serve *s)
{
	struct pollfd p = {.fd = s->listener};

	return SYS(ppoll, &p, 1UL, &(struct timespec){0}, NULL, 0UL) > 0 &&
	       (p.revents & POLLHUP);
}

/* A call with a path is for the other one. */
static bool hand_over(struct serve *s)
{
	if (!s->flags)
		return false;
	switch (trap_call_of(&s->page->call.data)) {
	case TRAP_MKNOD:
	case TRAP_MKNODAT:
	case TRAP_SWAPON:
	case TRAP_MOUNT:
		break;
	default:
		return false;
	}
	/* As many as fit wait there; we do not. */
	if (SYS(sendto, s->queue[ANSWER_NOW], &s->page->call, sizeof s->page->call,
		MSG_DONTWAIT, NULL, 0UL) < 0)
		reply(s, -ENOMEM);
	else
		memset(s->page, 0, sizeof *s->page);
	return true;
}

static void serve_paths(struct serve *s)
{
	struct seccomp_notif *call = &s->page->call;

	for (;;) {
		int r = SYS(recvfrom, s->queue[ANSWER_PATHS], call, sizeof *call, 0UL, NULL, NULL);

		if (r == sizeof *call)
			reply(s, answer(s));
		else if (r != -EINTR)
			SYS(exit_group, 2);
	}
}

void serve_main(struct serve *s, enum answerer who)
{
	if (begin(s, who) < 0)
		SYS(exit_group, 1);
	/* What the helper before us died of is not tried again. */
	if (s->page->call.id)
		reply(s, -ENOSYS);
	if (who == ANSWER_PATHS)
		serve_paths(s);
	for (;;) {
		/* Into the shared page: the kernel's mark and ours cannot differ. */
		int r = SYS(ioctl, s->listener, SECCOMP_IOCTL_NOTIF_RECV, s->page);

		if (r >= 0 && hand_over(s))
			continue;
		if (r >= 0)
			reply(s, answer(s));
		else if (r != -ENOENT && r != -EINTR)
			SYS(exit_group, 2);
		else if (is_over(s))
			SYS(exit_group, 0);
		else
			memset(s->page, 0, sizeof *s->page);
	}
}
