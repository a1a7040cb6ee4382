/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A list of refusals, not of permissions: the payload is an engine that runs
 * other people's programs, and the user namespace already refuses what needs
 * privilege on the host. Three kinds of answer:
 *
 *	EPERM         what a program asks in earnest: kexec, modules, swap, clocks
 *	ENOSYS        what libraries probe for and do without: io_uring, keyrings
 *	EAFNOSUPPORT  socket families other than unix, inet, inet6, netlink, packet
 *
 * System calls newer than those we have judged get ENOSYS too, as with runc:
 * libc then falls back, and a new kernel does not widen the fence by itself.
 * libseccomp cannot compare the number itself, so a few instructions of our
 * own stand in front of its program.
 *
 * Part of the build, not of the library: tools/compile-filter.c runs it for each set of
 * CIS_ALLOW_* flags, since compiling takes longer than mounting a whole root does.
 */
#include "seccomp.h"

#include <errno.h>
#include <linux/btrfs.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "../base/str.h"
#include "seccomp-program.h"

/* file_setattr, Linux 6.17: the highest number whose meaning we have read. */
#define LAST_JUDGED 469

static const struct rule {
	const char *name;
	int error;
	uint64_t unless; /* a CIS_ALLOW_ flag */
} rules[] = {
	{"kexec_load", EPERM, 0},
	{"kexec_file_load", EPERM, 0},
	{"init_module", EPERM, 0},
	{"finit_module", EPERM, 0},
	{"delete_module", EPERM, 0},
	{"create_module", ENOSYS, 0},
	{"query_module", ENOSYS, 0},
	{"get_kernel_syms", ENOSYS, 0},
	{"clock_settime", EPERM, 0},
	{"clock_settime64", EPERM, 0},
	{"settimeofday", EPERM, 0},
	{"stime", EPERM, 0},
	{"adjtimex", EPERM, 0},
	{"clock_adjtime", EPERM, 0},
	{"clock_adjtime64", EPERM, 0},
	{"swapon", EPERM, 0},
	{"swapoff", EPERM, 0},
	{"quotactl", EPERM, 0},
	{"quotactl_fd", EPERM, 0},
	{"acct", EPERM, 0},
	{"syslog", EPERM, 0},
	{"iopl", EPERM, 0},
	{"ioperm", EPERM, 0},
	{"open_by_handle_at", EPERM, 0},
	{"lookup_dcookie", ENOSYS, 0},
	{"nfsservctl", ENOSYS, 0},
	{"uselib", ENOSYS, 0},
	{"ustat", ENOSYS, 0},
	{"_sysctl", ENOSYS, 0},
	{"sysfs", ENOSYS, 0},
	{"vm86", ENOSYS, 0},
	{"vm86old", ENOSYS, 0},
	{"userfaultfd", EPERM, 0},
	{"vserver", ENOSYS, 0},
	/*
	 * Keyrings are half namespaced at best, and 200 keys a user would be
	 * the end of an inner engine with many containers. runc goes on without.
	 */
	{"keyctl", ENOSYS, 0},
	{"add_key", ENOSYS, 0},
	{"request_key", ENOSYS, 0},
	{"bpf", EPERM, CIS_ALLOW_BPF},
	{"perf_event_open", EPERM, CIS_ALLOW_PERF},
	/* Sidesteps every filter on the calls it carries out. */
	{"io_uring_setup", ENOSYS, CIS_ALLOW_IO_URING},
	{"io_uring_enter", ENOSYS, CIS_ALLOW_IO_URING},
	{"io_uring_register", ENOSYS, CIS_ALLOW_IO_URING},
	/* i386 sockets by a pointer that no filter can follow; libc has socket(2). */
	{"socketcall", ENOSYS, 0},
};

static int add_rules(scmp_filter_ctx ctx, uint64_t flags)
{
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(rules) && r >= 0; i++) {
		int nr = seccomp_syscall_resolve_name(rules[i].name);

		if (nr == __NR_SCMP_ERROR || (flags & rules[i].unless))
			continue;
		r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO((uint32_t)rules[i].error), nr, 0);
		/* Not on this architecture: then nobody can call it here. */
		if (r == -EDOM)
			r = 0;
	}
	return r;
}

/*
 * A subvolume has a quota group of its own, without a limit: on a scratch disk of back end
 * btrfs it would be the way past --disk, and anybody may make one. The low half of the
 * request: the kernel's unsigned int.
 */
static int add_subvolume_rules(scmp_filter_ctx ctx)
{
	static const uint32_t requests[] = {BTRFS_IOC_SUBVOL_CREATE, BTRFS_IOC_SUBVOL_CREATE_V2,
					    BTRFS_IOC_SNAP_CREATE, BTRFS_IOC_SNAP_CREATE_V2};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(requests) && r >= 0; i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(ioctl), 1,
				     SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, requests[i]));
	return r;
}

/*
 * What libseccomp would express as 58 refused families twice over, and take
 * most of a millisecond to compile: the permitted ones, by hand. Offsets of
 * jumps count the instructions between.
 */
static const uint32_t families[] = {AF_UNSPEC, AF_UNIX,    AF_INET,
				    AF_INET6,  AF_NETLINK, AF_PACKET};
#define N_FAMILIES ARRAY_SIZE(families)
#define FENCE_LEN (7 + N_FAMILIES)
#define LOAD(field) \
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define JUMP_EQ(k, yes, no) \
	(struct sock_filter) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (k), (yes), (no))

/*
 * On i386 libseccomp knows socket and socketpair only as parts of socketcall, by
 * numbers of its own; the calls themselves are there since Linux 4.3.
 */
static uint32_t socket_number(uint32_t arch, const char *name, uint32_t on_i386)
{
	int nr = seccomp_syscall_resolve_name_arch(arch, name);

	return nr >= 0 ? (uint32_t)nr : on_i386;
}

/* libseccomp's names of architectures are the kernel's AUDIT_ARCH_*. */
static size_t emit_socket_fence(struct sock_filter *f, uint32_t arch)
{
	uint32_t sock = socket_number(arch, "socket", 359);
	uint32_t pair = socket_number(arch, "socketpair", 360);
	size_t n = 0;

	f[n++] = (struct sock_filter)LOAD(arch);
	f[n++] = JUMP_EQ(arch, 0, FENCE_LEN - 2);
	f[n++] = (struct sock_filter)LOAD(nr);
	f[n++] = JUMP_EQ(sock, 1, 0);
	f[n++] = JUMP_EQ(pair, 0, FENCE_LEN - 5);
	/* The low half: the kernel's int, whatever the upper half says. */
	f[n++] = (struct sock_filter)LOAD(args[0]);
	for (size_t i = 0; i < N_FAMILIES; i++)
		f[n++] = JUMP_EQ(families[i], (uint8_t)(N_FAMILIES - i), 0);
	f[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K,
					      SECCOMP_RET_ERRNO | EAFNOSUPPORT);
	return n;
}

/* x32's numbers have bit 30 set: they too are above the last judged one. */
static size_t emit_prologue(struct sock_filter *f)
{
	static const struct sock_filter newer[] = {
		LOAD(nr),
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, LAST_JUDGED, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
	};
	size_t n = ARRAY_SIZE(newer);

	memcpy(f, newer, sizeof newer);
	n += emit_socket_fence(f + n, seccomp_arch_native());
	if (seccomp_arch_native() == SCMP_ARCH_X86_64)
		n += emit_socket_fence(f + n, SCMP_ARCH_X86);
	return n;
}
#define PROLOGUE_MAX (3 + 2 * FENCE_LEN)

int seccomp_compile(uint64_t flags, struct sock_filter **ret, unsigned short *ret_n,
		    struct cis_error *err)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	cleanup_free struct sock_filter *program = NULL;
	size_t len = 0, n;
	int r = ctx ? 0 : -ENOMEM;

	if (r >= 0)
		r = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS));
	if (r >= 0 && seccomp_arch_native() == SCMP_ARCH_X86_64)
		r = seccomp_arch_add(ctx, SCMP_ARCH_X86);
	/* A tree: the kernel walks it for each known call when it is installed. */
	if (r >= 0)
		r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (r >= 0)
		r = add_rules(ctx, flags);
	if (r >= 0)
		r = add_subvolume_rules(ctx);
	if (r >= 0)
		r = seccomp_program(ctx, &program, &len);
	seccomp_release(ctx);
	if (r < 0)
		return cis_fail(err, -r, "seccomp: compile the filter");

	*ret = calloc(PROLOGUE_MAX + len, sizeof **ret);
	if (!*ret)
		return cis_fail(err, ENOMEM, "seccomp: compile the filter");
	n = emit_prologue(*ret);
	memcpy(*ret + n, program, len * sizeof **ret);
	*ret_n = (unsigned short)(n + len);
	return 0;
}
