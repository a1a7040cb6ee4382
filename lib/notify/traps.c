/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * By hand, as the fence of socket families is: a few instructions a call, made for each
 * start. What is not trapped reads the number only, so the kernel keeps its answer in
 * its table of calls that no filter needs to be run for.
 *
 * What can be told by registers is told here: only harmless devices, only the
 * Ctrl-Alt-Del commands of reboot(2), and only mounts without options of the file system
 * that are to be ro,nosuid,nodev are trapped. The kernel's own answer to all others is
 * right. (32-bit programs mount no images.)
 */
#include "traps.h"

#include <errno.h>
#include <linux/reboot.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "../base/macros.h"

static const struct {
	const char *name;
	uint64_t flag;
} names[] = {
	{"mknod", CIS_TRAP_MKNOD},   {"sysinfo", CIS_TRAP_SYSINFO}, {"swapon", CIS_TRAP_SWAPON},
	{"reboot", CIS_TRAP_REBOOT}, {"module", CIS_TRAP_MODULE},
	{"mount-squashfs", CIS_TRAP_MOUNT_SQUASHFS},
	{"mount-ext4", CIS_TRAP_MOUNT_EXT4},
};

uint64_t trap_flag(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(names[i].name, name) == 0)
			return names[i].flag;
	return 0;
}

const char *trap_name(uint64_t flags, size_t i)
{
	for (size_t k = 0; k < ARRAY_SIZE(names); k++)
		if ((names[k].flag & flags) && i-- == 0)
			return names[k].name;
	return NULL;
}

/* ---- calls ------------------------------------------------------------------- */

/* The order is that of likelihood. */
static const struct call {
	uint32_t arch, nr;
	uint64_t flag;
	enum trap_call call;
} calls[] = {
	{TRAP_ARCH, SYS_sysinfo, CIS_TRAP_SYSINFO, TRAP_SYSINFO},
#ifdef SYS_mknod
	{TRAP_ARCH, SYS_mknod, CIS_TRAP_MKNOD, TRAP_MKNOD},
#endif
	{TRAP_ARCH, SYS_mknodat, CIS_TRAP_MKNOD, TRAP_MKNODAT},
	{TRAP_ARCH, SYS_swapon, CIS_TRAP_SWAPON, TRAP_SWAPON},
	{TRAP_ARCH, SYS_swapoff, CIS_TRAP_SWAPON, TRAP_SWAPOFF},
	{TRAP_ARCH, SYS_reboot, CIS_TRAP_REBOOT, TRAP_REBOOT},
	{TRAP_ARCH, SYS_init_module, CIS_TRAP_MODULE, TRAP_LOAD_MODULE},
	{TRAP_ARCH, SYS_finit_module, CIS_TRAP_MODULE, TRAP_LOAD_MODULE},
	{TRAP_ARCH, SYS_delete_module, CIS_TRAP_MODULE, TRAP_DELETE_MODULE},
	{TRAP_ARCH, SYS_mount, TRAP_MOUNTS, TRAP_MOUNT},
#ifdef __x86_64__
	{AUDIT_ARCH_I386, 116, CIS_TRAP_SYSINFO, TRAP_SYSINFO32},
	{AUDIT_ARCH_I386, 14, CIS_TRAP_MKNOD, TRAP_MKNOD},
	{AUDIT_ARCH_I386, 297, CIS_TRAP_MKNOD, TRAP_MKNODAT},
	{AUDIT_ARCH_I386, 87, CIS_TRAP_SWAPON, TRAP_SWAPON},
	{AUDIT_ARCH_I386, 115, CIS_TRAP_SWAPON, TRAP_SWAPOFF},
	{AUDIT_ARCH_I386, 88, CIS_TRAP_REBOOT, TRAP_REBOOT},
	{AUDIT_ARCH_I386, 128, CIS_TRAP_MODULE, TRAP_LOAD_MODULE},
	{AUDIT_ARCH_I386, 350, CIS_TRAP_MODULE, TRAP_LOAD_MODULE},
	{AUDIT_ARCH_I386, 129, CIS_TRAP_MODULE, TRAP_DELETE_MODULE},
#endif
};

enum trap_call trap_call_of(const struct seccomp_data *d)
{
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
		if (calls[i].arch == d->arch && (int)calls[i].nr == d->nr)
			return calls[i].call;
	return 0;
}

/* Those of fs/dev.c: what the kernel gives to anybody. As mknod(2) takes numbers. */
#define DEV(major, minor) ((major) << 8 | (minor))
static const uint32_t devices[] = {
	DEV(1, 3), DEV(1, 5), DEV(1, 7),    DEV(1, 8),     /* null, zero, full, random */
	DEV(1, 9), DEV(5, 0), DEV(10, 229), DEV(10, 200), /* urandom, tty, fuse, net/tun */
};

bool trap_device_is_harmless(uint32_t dev)
{
	for (size_t i = 0; i < ARRAY_SIZE(devices); i++)
		if (devices[i] == dev)
			return true;
	return false;
}

/* ---- the program ------------------------------------------------------------- */

#define BLOCK_MAX (7 + ARRAY_SIZE(devices))

static struct sock_filter load(size_t offset)
{
	return (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset);
}

/* The low half of an argument: the kernel's int, whatever the upper half says. */
static struct sock_filter load_arg(unsigned int i)
{
	return load(offsetof(struct seccomp_data, args) + i * sizeof(uint64_t));
}

static struct sock_filter load_arg_high(unsigned int i)
{
	return load(offsetof(struct seccomp_data, args) + i * sizeof(uint64_t) +
		    sizeof(uint32_t));
}

static struct sock_filter and_with(uint32_t mask)
{
	return (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, mask);
}

static struct sock_filter jump_eq(uint32_t k, size_t yes, size_t no)
{
	return (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, k, (uint8_t)yes,
					    (uint8_t)no);
}

/* The number is loaded; falls through with another one loaded if it does not match. */
static size_t emit_values(struct sock_filter *f, unsigned int arg, const uint32_t *v, size_t n)
{
	size_t k = 0;

	f[k++] = load_arg(arg);
	for (size_t i = 0; i < n; i++)
		f[k++] = jump_eq(v[i], n - 1 - i, i == n - 1);
	return k;
}

static size_t emit_call(struct sock_filter *f, const struct call *c)
{
	static const uint32_t cad[] = {LINUX_REBOOT_CMD_CAD_ON, LINUX_REBOOT_CMD_CAD_OFF};
	unsigned int mode = c->call == TRAP_MKNOD ? 1 : 2;
	struct sock_filter *test = f;
	size_t n = 1, out = 0;

	if (c->call == TRAP_MKNOD || c->call == TRAP_MKNODAT) {
		f[n++] = load_arg(mode);
		f[n++] = and_with(S_IFMT);
		out = n++;
		n += emit_values(f + n, mode + 1, devices, ARRAY_SIZE(devices));
	} else if (c->call == TRAP_REBOOT) {
		n += emit_values(f + n, 2, cad, ARRAY_SIZE(cad));
	} else if (c->call == TRAP_MOUNT) {
		f[n++] = load_arg(3);
		f[n++] = and_with(TRAP_MOUNT_MASK);
		f[n++] = jump_eq(TRAP_MOUNT_FLAGS, 0, 5);
		f[n++] = load_arg(4);
		f[n++] = jump_eq(0, 0, 3);
		f[n++] = load_arg_high(4);
		f[n++] = jump_eq(0, 0, 1);
	}
	f[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
	*test = jump_eq(c->nr, 0, n - 1);
	if (out)
		f[out] = jump_eq(S_IFCHR, 0, n - 1 - out);
	/* What tested arguments has lost the number. */
	if (n > 2) {
		*test = jump_eq(c->nr, 0, n);
		f[n++] = load(offsetof(struct seccomp_data, nr));
	}
	return n;
}

static size_t emit_arch(struct sock_filter *f, uint32_t arch, uint64_t flags)
{
	size_t n = 3;

	for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
		if (calls[i].arch == arch && (calls[i].flag & flags))
			n += emit_call(f + n, &calls[i]);
	f[0] = load(offsetof(struct seccomp_data, arch));
	f[1] = jump_eq(arch, 0, n - 2);
	f[2] = load(offsetof(struct seccomp_data, nr));
	return n;
}

int trap_filter(uint64_t flags, const struct sock_filter *old, unsigned short n_old,
		struct sock_filter **ret, unsigned short *ret_n)
{
	size_t n = 0, room = 6 + ARRAY_SIZE(calls) * BLOCK_MAX + n_old;
	struct sock_filter *f = calloc(room, sizeof *f);

	if (!f)
		return -ENOMEM;
	n = emit_arch(f, TRAP_ARCH, flags);
	if (TRAP_ARCH == AUDIT_ARCH_X86_64)
		n += emit_arch(f + n, AUDIT_ARCH_I386, flags);
	memcpy(f + n, old, n_old * sizeof *f);
	*ret = f;
	*ret_n = (unsigned short)(n + n_old);
	return 0;
}
