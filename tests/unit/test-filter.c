/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The compiled seccomp filter, run by a small interpreter of classic BPF over a
 * table of calls: no privilege, every architecture, every flag.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/btrfs.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "base/macros.h"
#include "bpf.h"
#include "isolate/seccomp.h"

#define ALLOW 0

/* The errno the filter answers with, ALLOW, or -1 for anything else. */
static int run(const struct sock_filter *f, unsigned short n, const struct seccomp_data *d)
{
	uint32_t answer = bpf_run(f, n, d);

	if (answer == SECCOMP_RET_ALLOW)
		return ALLOW;
	return (answer & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO
		       ? (int)(answer & SECCOMP_RET_DATA)
		       : -1;
}

struct program {
	struct sock_filter *f;
	unsigned short n;
};

static struct program compile(uint64_t flags)
{
	struct program p;
	struct cis_error err = {0};

	assert_int_equal(seccomp_compile(flags, &p.f, &p.n, &err), 0);
	return p;
}

static int ask(const struct program *p, uint32_t arch, const char *name, uint64_t arg0)
{
	struct seccomp_data d = {.arch = arch, .args = {arg0}};

	d.nr = seccomp_syscall_resolve_name_arch(arch, name);
	/* libseccomp's own numbers on i386: the kernel's are these. */
	if (d.nr < 0)
		d.nr = strcmp(name, "socket") == 0 ? 359 : strcmp(name, "socketpair") == 0 ? 360 : -1;
	if (d.nr < 0)
		fail_msg("no call %s", name);
	return run(p->f, p->n, &d);
}

#define X64 AUDIT_ARCH_X86_64
#define X86 AUDIT_ARCH_I386

static const struct {
	const char *name;
	int answer;
} judged[] = {
	{"kexec_load", EPERM},
	{"kexec_file_load", EPERM},
	{"init_module", EPERM},
	{"finit_module", EPERM},
	{"delete_module", EPERM},
	{"clock_settime", EPERM},
	{"settimeofday", EPERM},
	{"clock_adjtime", EPERM},
	{"swapon", EPERM},
	{"swapoff", EPERM},
	{"quotactl", EPERM},
	{"syslog", EPERM},
	{"acct", EPERM},
	{"open_by_handle_at", EPERM},
	{"bpf", EPERM},
	{"perf_event_open", EPERM},
	{"userfaultfd", EPERM},
	{"io_uring_setup", ENOSYS},
	{"io_uring_enter", ENOSYS},
	{"io_uring_register", ENOSYS},
	{"keyctl", ENOSYS},
	{"add_key", ENOSYS},
	{"request_key", ENOSYS},
	{"read", ALLOW},
	{"execve", ALLOW},
	{"clone", ALLOW},
	{"clone3", ALLOW},
	{"mount", ALLOW},
	{"open_tree", ALLOW},
	{"fsopen", ALLOW},
	{"unshare", ALLOW},
	{"setns", ALLOW},
	{"ptrace", ALLOW},
	{"seccomp", ALLOW},
	{"clock_gettime", ALLOW},
	{"reboot", ALLOW}, /* of the pid namespace: how an init ends */
};

static void test_judged(void **state)
{
	static const uint32_t archs[] = {X64, X86};
	struct program p = compile(0);

	(void)state;
	for (size_t a = 0; a < ARRAY_SIZE(archs); a++)
		for (size_t i = 0; i < ARRAY_SIZE(judged); i++) {
			int got;

			/* i386 never got this one. */
			if (archs[a] == X86 && strcmp(judged[i].name, "kexec_file_load") == 0)
				continue;
			got = ask(&p, archs[a], judged[i].name, 0);

			if (got != judged[i].answer)
				fail_msg("%s on %#x: %d", judged[i].name, archs[a], got);
		}
	assert_int_equal(ask(&p, X86, "socketcall", 1), ENOSYS);
	assert_int_equal(ask(&p, X86, "stime", 0), EPERM);
	assert_int_equal(ask(&p, X86, "clock_settime64", 0), EPERM);
	free(p.f);
}

static void test_flags(void **state)
{
	static const struct {
		uint64_t flag;
		const char *name;
		int otherwise;
	} cases[] = {
		{CIS_ALLOW_BPF, "bpf", EPERM},
		{CIS_ALLOW_PERF, "perf_event_open", EPERM},
		{CIS_ALLOW_IO_URING, "io_uring_setup", ENOSYS},
	};

	(void)state;
	for (uint64_t flags = 0; flags < 16; flags++) {
		struct program p = compile(flags);

		for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
			assert_int_equal(ask(&p, X64, cases[i].name, 0),
					 flags & cases[i].flag ? ALLOW : cases[i].otherwise);
		assert_int_equal(ask(&p, X64, "kexec_load", 0), EPERM);
		free(p.f);
	}
}

static void test_sockets(void **state)
{
	static const uint64_t allowed[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, AF_PACKET};
	static const uint64_t refused[] = {AF_VSOCK, AF_ALG, AF_KEY,  AF_BLUETOOTH, AF_TIPC,
					   AF_CAN,   AF_RDS, AF_X25,  AF_XDP,       AF_SMC,
					   AF_APPLETALK, 63, 64, 1000, 0xffffffff};
	static const char *const calls[] = {"socket", "socketpair"};
	static const uint32_t archs[] = {X64, X86};
	struct program p = compile(0);

	(void)state;
	for (size_t a = 0; a < ARRAY_SIZE(archs); a++)
		for (size_t c = 0; c < ARRAY_SIZE(calls); c++) {
			for (size_t i = 0; i < ARRAY_SIZE(allowed); i++)
				assert_int_equal(ask(&p, archs[a], calls[c], allowed[i]), ALLOW);
			for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
				assert_int_equal(ask(&p, archs[a], calls[c], refused[i]),
						 EAFNOSUPPORT);
			/* The kernel takes an int: what is above it must not fool us. */
			assert_int_equal(ask(&p, archs[a], calls[c], AF_ALG | 1ULL << 32),
					 EAFNOSUPPORT);
			assert_int_equal(ask(&p, archs[a], calls[c], AF_UNIX | 7ULL << 32),
					 ALLOW);
		}
	free(p.f);
}

/* A subvolume would have no limit; all else of ioctl is the job's. */
static void test_subvolumes(void **state)
{
	static const uint32_t refused[] = {BTRFS_IOC_SUBVOL_CREATE, BTRFS_IOC_SUBVOL_CREATE_V2,
					   BTRFS_IOC_SNAP_CREATE, BTRFS_IOC_SNAP_CREATE_V2};
	static const uint32_t allowed[] = {TIOCGWINSZ, BTRFS_IOC_FS_INFO, BTRFS_IOC_SNAP_DESTROY};
	static const struct {
		uint32_t arch;
		int nr;
	} doors[] = {{X64, 16}, {X86, 54}};
	struct program p = compile(0);

	(void)state;
	for (size_t d = 0; d < ARRAY_SIZE(doors); d++) {
		struct seccomp_data call = {.arch = doors[d].arch, .nr = doors[d].nr};

		for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
			call.args[1] = refused[i];
			assert_int_equal(run(p.f, p.n, &call), EPERM);
			call.args[1] |= 0xabcdULL << 32;
			assert_int_equal(run(p.f, p.n, &call), EPERM);
		}
		for (size_t i = 0; i < ARRAY_SIZE(allowed); i++) {
			call.args[1] = allowed[i];
			assert_int_equal(run(p.f, p.n, &call), ALLOW);
		}
	}
	free(p.f);
}

static void test_unknown(void **state)
{
	struct program p = compile(0);
	struct seccomp_data d = {.arch = X64, .nr = 1000};

	(void)state;
	assert_int_equal(run(p.f, p.n, &d), ENOSYS);
	d.nr = 0x40000000; /* x32 */
	assert_int_equal(run(p.f, p.n, &d), ENOSYS);
	d.nr = -1;
	assert_int_equal(run(p.f, p.n, &d), ENOSYS);
	d = (struct seccomp_data){.arch = AUDIT_ARCH_ARM, .nr = 1};
	assert_int_equal(run(p.f, p.n, &d), ENOSYS);
	free(p.f);
}

/* What the library installs is what was compiled. */
static void test_built_in(void **state)
{
	(void)state;
	for (uint64_t flags = 0; flags < 16; flags++) {
		struct program p = compile(flags);
		unsigned short n = 0;
		const struct sock_filter *f = seccomp_filter(flags, &n);

		assert_non_null(f);
		assert_int_equal(n, p.n);
		assert_memory_equal(f, p.f, n * sizeof *f);
		free(p.f);
	}
}

static bool helper_may(enum seccomp_helper helper, int call, uint64_t a0, uint64_t a1,
		       uint64_t a2)
{
	const struct seccomp_data d = {
		.nr = call, .arch = AUDIT_ARCH_X86_64, .args = {a0, a1, a2}};
	unsigned short n = 0;
	const struct sock_filter *f = seccomp_helper_filter(helper, &n);
	uint32_t answer = bpf_run(f, n, &d);

	assert_true(answer == SECCOMP_RET_ALLOW || answer == SECCOMP_RET_KILL_PROCESS);
	return answer == SECCOMP_RET_ALLOW;
}

/* Those of trapped calls. */
static bool answers(enum seccomp_helper h)
{
	return h == SECCOMP_NOTIFY || h == SECCOMP_PATHS || h == SECCOMP_MOUNTER;
}

/* The listener's answers are ioctls, as are loop devices; who mounts goes where it belongs. */
static bool is_exception(enum seccomp_helper h, int call)
{
	return (answers(h) && call == SCMP_SYS(ioctl)) ||
	       (h == SECCOMP_MOUNTER && (call == SCMP_SYS(clone3) || call == SCMP_SYS(setns) ||
					 call == SCMP_SYS(unshare)));
}

/* Helpers die of what they do not need, above all of what would open or become something. */
static void test_helpers(void **state)
{
	static const int never[] = {
		SCMP_SYS(open),	   SCMP_SYS(execve),   SCMP_SYS(execveat), SCMP_SYS(chroot),
		SCMP_SYS(clone),   SCMP_SYS(clone3),	  SCMP_SYS(fork),     SCMP_SYS(setns),
		SCMP_SYS(unshare), SCMP_SYS(mount),	  SCMP_SYS(ptrace),   SCMP_SYS(kill),
		SCMP_SYS(setuid),  SCMP_SYS(setresuid),	  SCMP_SYS(socket), SCMP_SYS(bpf),
		SCMP_SYS(bind),	   SCMP_SYS(listen),	  SCMP_SYS(ioctl),    SCMP_SYS(prctl),
		SCMP_SYS(unlink),  SCMP_SYS(pidfd_getfd), SCMP_SYS(io_uring_setup)};

	(void)state;
	for (int h = 0; h < SECCOMP_HELPERS; h++)
		for (size_t i = 0; i < ARRAY_SIZE(never); i++)
			assert_int_equal(helper_may((enum seccomp_helper)h, never[i], 0, 0, 0),
					 is_exception((enum seccomp_helper)h, never[i]));
	/* Who copies or unpacks opens files, below what it has; who unpacks has an allocator. */
	for (int h = 0; h < SECCOMP_HELPERS; h++) {
		bool unpacks = h == SECCOMP_UNPACK;

		assert_true((unpacks || h == SECCOMP_ARTIFACT || answers((enum seccomp_helper)h)) ==
			    helper_may((enum seccomp_helper)h, SCMP_SYS(openat), 0, 0, 0));
		assert_true((unpacks || h == SECCOMP_PASS) ==
			    helper_may((enum seccomp_helper)h, SCMP_SYS(mprotect), 0, 0, 0));
	}
	/* And makes no code. */
	for (int h = SECCOMP_UNPACK; h <= SECCOMP_PASS; h++) {
		assert_false(helper_may((enum seccomp_helper)h, SCMP_SYS(mprotect), 0, 0, PROT_EXEC));
		assert_false(helper_may((enum seccomp_helper)h, SCMP_SYS(mmap), 0, 0,
					PROT_READ | PROT_EXEC));
	}
	assert_false(helper_may(SECCOMP_KEEPER, SCMP_SYS(socket), AF_INET, SOCK_STREAM, 0));
	assert_true(helper_may(SECCOMP_KEEPER, SCMP_SYS(sendto), 3, 0, 0));
}

/* It makes directories, files and links, and changes nothing that is there. */
static void test_artifact_helper(void **state)
{
	static const int never[] = {
		SCMP_SYS(linkat),	SCMP_SYS(link),	      SCMP_SYS(unlinkat),
		SCMP_SYS(renameat),	SCMP_SYS(renameat2),  SCMP_SYS(mknodat),
		SCMP_SYS(mknod),	SCMP_SYS(fchmodat),   SCMP_SYS(chmod),
		SCMP_SYS(setxattr),	SCMP_SYS(fsetxattr),  SCMP_SYS(open_by_handle_at),
		SCMP_SYS(socket),	SCMP_SYS(chroot),     SCMP_SYS(fchdir),
		SCMP_SYS(move_mount),	SCMP_SYS(open_tree),  SCMP_SYS(fcntl),
		SCMP_SYS(mmap),		SCMP_SYS(sendmsg),    SCMP_SYS(write),
		SCMP_SYS(sync)};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(never); i++)
		assert_false(helper_may(SECCOMP_ARTIFACT, never[i], 0, 0, 0));
	assert_true(helper_may(SECCOMP_ARTIFACT, SCMP_SYS(openat2), 3, 0, 0));
	assert_true(helper_may(SECCOMP_ARTIFACT, SCMP_SYS(symlinkat), 0, 3, 0));
}

/* Who reads of callers writes no file; who makes nodes mounts nothing, and the reverse. */
static void test_trap_helpers(void **state)
{
	static const struct {
		int call;
		bool notify, paths, mounter;
	} cases[] = {
		{SCMP_SYS(process_vm_writev), true, false, false},
		{SCMP_SYS(process_vm_readv), false, false, false},
		{SCMP_SYS(sysinfo), true, false, false},
		{SCMP_SYS(openat2), false, true, false},
		{SCMP_SYS(mknodat), false, true, false},
		{SCMP_SYS(sendmsg), false, true, false},
		{SCMP_SYS(recvmsg), false, false, true},
		{SCMP_SYS(move_mount), false, false, true},
		{SCMP_SYS(fsopen), false, false, true},
		{SCMP_SYS(pivot_root), false, false, false},
		{SCMP_SYS(umount2), false, false, false},
		{SCMP_SYS(capset), false, false, false},
		{SCMP_SYS(write), false, false, false},
		{SCMP_SYS(mmap), false, false, false},
		{SCMP_SYS(mprotect), false, false, false},
		{SCMP_SYS(fcntl), false, false, false},
		{SCMP_SYS(unlinkat), false, false, false},
		{SCMP_SYS(fchmodat), false, false, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const int call = cases[i].call;

		assert_int_equal(helper_may(SECCOMP_NOTIFY, call, 0, 0, 0), cases[i].notify);
		assert_int_equal(helper_may(SECCOMP_PATHS, call, 0, 0, 0), cases[i].paths);
		assert_int_equal(helper_may(SECCOMP_MOUNTER, call, 0, 0, 0), cases[i].mounter);
	}
}

/* Who passes an archive on cannot even duplicate a descriptor, or give a page of a pipe away. */
static void test_pass_helper(void **state)
{
	static const int never[] = {
		SCMP_SYS(fcntl),  SCMP_SYS(dup),	 SCMP_SYS(close),   SCMP_SYS(lseek),
		SCMP_SYS(splice), SCMP_SYS(vmsplice), SCMP_SYS(tee),	    SCMP_SYS(sendfile),
		SCMP_SYS(pwrite64), SCMP_SYS(sendmsg), SCMP_SYS(process_vm_writev)};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(never); i++)
		assert_false(helper_may(SECCOMP_PASS, never[i], 0, 0, 0));
	assert_true(helper_may(SECCOMP_PASS, SCMP_SYS(write), 8, 0, 0));
}

static void test_names_helper_sockets(void **state)
{
	static const int refused[][2] = {{AF_INET, SOCK_DGRAM},	  {AF_INET, SOCK_RAW},
					 {AF_INET6, SOCK_RAW},	  {AF_UNIX, SOCK_STREAM},
					 {AF_NETLINK, SOCK_RAW},  {AF_PACKET, SOCK_RAW},
					 {AF_INET, SOCK_SEQPACKET}};
	const int flags = SOCK_NONBLOCK | SOCK_CLOEXEC;

	(void)state;
	assert_true(helper_may(SECCOMP_NAMES, SCMP_SYS(socket), AF_INET, SOCK_STREAM | flags, 0));
	assert_true(helper_may(SECCOMP_NAMES, SCMP_SYS(socket), AF_INET6, SOCK_STREAM | flags, 0));
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
		assert_false(helper_may(SECCOMP_NAMES, SCMP_SYS(socket), (uint64_t)refused[i][0],
					(uint64_t)refused[i][1] | flags, 0));
	/* What has sockets of the host, and reads nothing. */
	assert_true(helper_may(SECCOMP_INBOUND, SCMP_SYS(socket), AF_INET, SOCK_DGRAM | flags, 0));
	assert_true(helper_may(SECCOMP_INBOUND, SCMP_SYS(recvmsg), 3, 0, 0));
	for (size_t i = 1; i < ARRAY_SIZE(refused); i++)
		assert_false(helper_may(SECCOMP_INBOUND, SCMP_SYS(socket),
					(uint64_t)refused[i][0],
					(uint64_t)refused[i][1] | flags, 0));
	assert_false(helper_may(SECCOMP_NAMES, SCMP_SYS(recvmsg), 3, 0, 0));
	assert_true(helper_may(SECCOMP_NAMES, SCMP_SYS(fcntl), 3, F_SETPIPE_SZ, 0));
	assert_false(helper_may(SECCOMP_NAMES, SCMP_SYS(fcntl), 3, F_SETFL, 0));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_judged),
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_sockets),
		cmocka_unit_test(test_subvolumes),
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_built_in),
		cmocka_unit_test(test_helpers),
		cmocka_unit_test(test_artifact_helper),
		cmocka_unit_test(test_trap_helpers),
		cmocka_unit_test(test_pass_helper),
		cmocka_unit_test(test_names_helper_sockets),
	};

	if (seccomp_arch_native() != SCMP_ARCH_X86_64)
		return 77; /* the tables above are of x86 */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
