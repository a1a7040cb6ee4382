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

#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <time.h>

#include "../base/fd.h"
#include "../base/macros.h"
#include "../base/process.h"
#include "../base/sys.h"

/* For a path: a file system of the job's own could keep us waiting for ever. */
#define PATIENCE_SEC 10

/* Debian 12's headers lack them. */
#define SET_FLAGS SECCOMP_IOW(4, uint64_t)
#define SYNC_WAKE_UP 1UL

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

static int with_patience(struct serve *s, int (*serve)(struct serve *s))
{
	struct itimerval patience = {.it_value.tv_sec = PATIENCE_SEC}, none = {0};
	int r;

	SYS(setitimer, ITIMER_REAL, &patience, NULL);
	r = serve(s);
	SYS(setitimer, ITIMER_REAL, &none, NULL);
	return r;
}

static int serve_mknod_here(struct serve *s)
{
	return serve_mknod(s, false);
}

static int serve_mknod_at(struct serve *s)
{
	return serve_mknod(s, true);
}

static int answer(struct serve *s)
{
	switch (trap_call_of(&s->page->call.data)) {
	case TRAP_SYSINFO:
		return sysinfo_of(s, false);
	case TRAP_SYSINFO32:
		return sysinfo_of(s, true);
	case TRAP_MKNOD:
		return with_patience(s, serve_mknod_here);
	case TRAP_MKNODAT:
		return with_patience(s, serve_mknod_at);
	case TRAP_SWAPON:
		return with_patience(s, serve_swapon);
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

static int become(const struct serve *s)
{
	const uint32_t caps = s->flags & CIS_TRAP_MKNOD ? 1u << CAP_MKNOD : 0;
	const struct __user_cap_data_struct data[2] = {{.effective = caps, .permitted = caps}};
	int r = SYS(prctl, PR_SET_KEEPCAPS, 1, 0, 0, 0);

	if (r >= 0)
		r = sys_setgroups(0, NULL);
	if (r >= 0)
		r = sys_setresgid(s->base, s->base, s->base);
	if (r >= 0)
		r = sys_setresuid(s->base, s->base, s->base);
	if (r >= 0)
		r = sys_capset(data);
	if (r >= 0)
		r = SYS(prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	/* All of the supervisor's memory is in us. */
	return r < 0 ? r : SYS(prctl, PR_SET_DUMPABLE, 0, 0, 0, 0);
}

static void limit(int resource, rlim_t value)
{
	struct rlimit l = {value, value};

	SYS(prlimit64, 0, resource, &l, NULL);
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

static int fence(void)
{
	static const uint16_t needed[] = {
		SYS_ioctl, SYS_process_vm_writev, SYS_pread64, SYS_read, SYS_openat,
		SYS_openat2, SYS_close, SYS_newfstatat, SYS_fstat, SYS_readlinkat, SYS_mknodat,
		SYS_umask, SYS_setitimer, SYS_sysinfo, SYS_getdents64, SYS_clock_gettime,
		SYS_ppoll, SYS_exit_group, SYS_rt_sigreturn, SYS_restart_syscall,
	};
	struct sock_filter f[ARRAY_SIZE(needed) + 6];
	struct sock_fprog program = {.filter = f};
	size_t n = 0;

	f[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
					      offsetof(struct seccomp_data, arch));
	f[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, TRAP_ARCH, 0,
					      ARRAY_SIZE(needed) + 1);
	f[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
					      offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < ARRAY_SIZE(needed); i++)
		f[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, needed[i],
						      (uint8_t)(ARRAY_SIZE(needed) - i), 0);
	f[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	f[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	program.len = (unsigned short)n;
	return SYS(seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}

static void close_others(const struct serve *s)
{
	int keep[10];
	size_t n = 0;

	fd_keep(keep, &n, s->listener);
	fd_keep(keep, &n, s->life);
	fd_keep(keep, &n, s->proc);
	fd_keep(keep, &n, s->numbers.memory);
	fd_keep(keep, &n, s->numbers.memory_max);
	fd_keep(keep, &n, s->numbers.pids);
	fd_keep(keep, &n, s->numbers.tasks);
	for (int i = 0; i < 3; i++)
		SYS(dup3, s->null, i, 0);
	fd_close_others(keep, n);
}

static int begin(struct serve *s)
{
	sigset_t mask;
	int r;

	SYS(prctl, PR_SET_NAME, "cis:notify", 0, 0, 0);
	SYS(setsid); /* Ctrl-C at the terminal is for the sandbox */
	close_others(s);
	process_reset_signals_child();
	sigfillset(&mask);
	sigdelset(&mask, SIGIO);
	sigdelset(&mask, SIGALRM);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	limit(RLIMIT_CORE, 0);
	limit(RLIMIT_NPROC, 0);
	limit(RLIMIT_NOFILE, 64);
	/* On the processor of who asks, which sleeps until we are done. Since Linux 6.6. */
	SYS(ioctl, s->listener, SET_FLAGS, SYNC_WAKE_UP);
	r = become(s);
	if (r >= 0)
		r = watch_life(s);
	return r < 0 ? r : fence();
}

/* -ENOENT is a caller that died, or, since Linux 6.11, that nobody is left at all. */
static bool is_over(const struct serve *s)
{
	struct pollfd p = {.fd = s->listener};

	return SYS(ppoll, &p, 1UL, &(struct timespec){0}, NULL, 0UL) > 0 &&
	       (p.revents & POLLHUP);
}

void serve_main(struct serve *s)
{
	if (begin(s) < 0)
		SYS(exit_group, 1);
	/* What the helper before us died of is not tried again. */
	if (s->page->call.id)
		reply(s, -ENOSYS);
	for (;;) {
		/* Into the shared page: the kernel's mark and ours cannot differ. */
		int r = SYS(ioctl, s->listener, SECCOMP_IOCTL_NOTIF_RECV, s->page);

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
