/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * syscalls: makes system calls that a sandbox should refuse, raw, and prints
 * "name=ERRNO" for each, or "name=done". The arguments are such that nothing
 * happens where they are not refused, and that the kernel's own answer differs
 * from the filter's wherever it can.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "only-inside.h"

static void say(const char *name, long r)
{
	printf("%s=%s\n", name, r < 0 ? strerrorname_np(errno) : "done");
}

static char zeros[4096];

#define TRY(name, ...) say(#name, syscall(SYS_##name, __VA_ARGS__))

static void refused(void)
{
	TRY(kexec_load, 0, 0, 0, 0);
	TRY(kexec_file_load, -1, -1, 0, 0, 0);
	TRY(init_module, zeros, 0, "");
	TRY(finit_module, -1, "", 0);
	TRY(delete_module, "no_such_module", 0);
	TRY(clock_settime, 0, NULL);
	TRY(settimeofday, NULL, NULL);
	TRY(adjtimex, NULL);
	TRY(clock_adjtime, 0, NULL);
	TRY(swapon, "/no/such/file", 0);
	TRY(swapoff, "/no/such/file");
	TRY(quotactl, 0, NULL, 0, NULL);
	TRY(acct, "/no/such/file");
	TRY(syslog, 10, NULL, 0);
	TRY(open_by_handle_at, -1, NULL, 0);
	TRY(userfaultfd, 0);
	TRY(keyctl, 0, -3, 0);
	TRY(add_key, "user", "name", zeros, 1, -3);
	TRY(request_key, "user", "name", NULL, 0);
	TRY(bpf, 9999, zeros, 48);
	TRY(perf_event_open, NULL, 0, -1, -1, 0);
	TRY(io_uring_setup, 1, NULL);
	TRY(io_uring_enter, -1, 0, 0, 0, NULL, 0);
	TRY(io_uring_register, -1, 0, NULL, 0);
#ifdef __x86_64__
	TRY(iopl, 3);
	TRY(ioperm, 0x80, 1, 1);
#endif
	say("number_1000", syscall(1000));
	say("number_max", syscall(0x7fffffff));
	say("getppid", syscall(SYS_getppid));
}

static void families(void)
{
	char name[32];

	for (int f = 1; f < 50; f++) {
		int type = f == AF_PACKET || f == AF_NETLINK ? SOCK_RAW : SOCK_DGRAM;
		int fd = (int)syscall(SYS_socket, f, type, 0);

		snprintf(name, sizeof name, "family_%d", f);
		say(name, fd);
		if (fd >= 0)
			close(fd);
	}
	/* The kernel takes the low half; a filter on all 64 bits would be blind. */
	say("alg_with_garbage", syscall(SYS_socket, 0xdeadbeef00000000UL | AF_ALG,
					SOCK_SEQPACKET, 0));
	say("vsock_pair", syscall(SYS_socketpair, AF_VSOCK, SOCK_STREAM, 0, zeros));
	say("unix_pair", syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, zeros));
}

#ifdef __x86_64__
static long int80(long nr, long a, long b, long c)
{
	long r;

	__asm__ volatile("int $0x80" : "=a"(r)
			 : "a"(nr), "b"(a), "c"(b), "d"(c)
			 : "memory", "r8", "r9", "r10", "r11");
	return (int)r;
}

/* In a child: a kernel without the 32-bit door kills who knocks. */
static void try32(const char *name, long nr, long a, long b, long c)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		long r = int80(nr, a, b, c);

		errno = (int)-r;
		say(name, r < 0 ? -1 : r);
		fflush(stdout);
		_exit(0);
	}
	if (waitpid(pid, &status, 0) == pid && WIFSIGNALED(status))
		printf("%s=absent\n", name);
}

static void other_doors(void)
{
	say("x32_getpid", syscall(0x40000000 | SYS_getpid));
	say("x32_init_module", syscall(0x40000000 | SYS_init_module, zeros, 0, ""));
	try32("i386_getpid", 20, 0, 0, 0);
	try32("i386_socketcall", 102, 1, 0, 0);
	try32("i386_vsock", 359, AF_VSOCK, SOCK_STREAM, 0);
	try32("i386_alg", 359, AF_ALG, SOCK_SEQPACKET, 0);
	try32("i386_unix", 359, AF_UNIX, SOCK_STREAM, 0);
	try32("i386_kexec_load", 283, 0, 0, 0);
	try32("i386_stime", 25, 0, 0, 0);
	try32("i386_settimeofday", 79, 0, 0, 0);
	try32("i386_clock_settime64", 404, 0, 0, 0);
	try32("i386_bpf", 357, 9999, 0, 0);
	try32("i386_number_1000", 1000, 0, 0, 0);
}
#else
static void other_doors(void)
{
}
#endif

int main(void)
{
	only_inside();
	refused();
	families();
	other_doors();
	return 0;
}
