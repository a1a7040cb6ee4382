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
#include "../base/sys.h"
#include "seccomp-program.h"
#include "seccomp-rules.h"

static int add_rules(scmp_filter_ctx ctx, uint64_t flags)
{
	int r = 0;

	for (const struct seccomp_rule *rule = seccomp_rules; rule->name && r >= 0; rule++) {
		int nr = seccomp_syscall_resolve_name(rule->name);

		if (nr == __NR_SCMP_ERROR || (flags & rule->unless))
			continue;
		r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO((uint32_t)rule->error), nr, 0);
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
#define FENCE_LEN (7 + SECCOMP_FAMILIES)
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
	for (size_t i = 0; i < SECCOMP_FAMILIES; i++)
		f[n++] = JUMP_EQ(seccomp_families[i], (uint8_t)(SECCOMP_FAMILIES - i), 0);
	f[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K,
					      SECCOMP_RET_ERRNO | EAFNOSUPPORT);
	return n;
}

/* x32's numbers have bit 30 set: they too are above the last judged one. */
static size_t emit_prologue(struct sock_filter *f)
{
	static const struct sock_filter newer[] = {
		LOAD(nr),
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, SECCOMP_LAST_JUDGED, 0, 1),
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
