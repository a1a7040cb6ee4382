/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * lib/notify: which calls are trapped and which are not, by an interpreter of the program
 * over a table of calls; the load; the structure for 32-bit programs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <linux/reboot.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/macros.h"
#include "bpf.h"
#include "isolate/seccomp.h"
#include "notify/image.h"
#include "notify/numbers.h"
#include "notify/traps.h"

#define CHR (S_IFCHR | 0600)
#define IMAGE (MS_RDONLY | MS_NOSUID | MS_NODEV)

/* With its own filter, and with the one in front of which it stands. */
struct both {
	const struct sock_filter *old;
	struct sock_filter *new;
	unsigned short n_old, n_new;
};

static struct both make(uint64_t flags)
{
	struct both b = {.old = seccomp_filter(0, &b.n_old)};

	assert_int_equal(trap_filter(flags, b.old, b.n_old, &b.new, &b.n_new), 0);
	return b;
}

#define NATIVE(nr_, ...) ((struct seccomp_data){.arch = TRAP_ARCH, .nr = (nr_), .args = {__VA_ARGS__}})

static bool is_trapped(const struct both *b, const struct seccomp_data *d)
{
	uint32_t answer = bpf_run(b->new, b->n_new, d);

	if (answer == SECCOMP_RET_USER_NOTIF)
		return true;
	assert_int_equal(answer, bpf_run(b->old, b->n_old, d));
	return false;
}

static const struct {
	struct seccomp_data d;
	uint64_t flag;
	enum trap_call call;
} trapped[] = {
	{NATIVE(SYS_sysinfo, 1), CIS_TRAP_SYSINFO, TRAP_SYSINFO},
	{NATIVE(SYS_mknodat, 3, 1, CHR, 0x103), CIS_TRAP_MKNOD, TRAP_MKNODAT},
	{NATIVE(SYS_mknodat, 3, 1, CHR, 0xac8), CIS_TRAP_MKNOD, TRAP_MKNODAT},
	{NATIVE(SYS_mknodat, 3, 1, 0xffffffff00000000 | CHR, 0x103), CIS_TRAP_MKNOD, TRAP_MKNODAT},
	{NATIVE(SYS_swapon, 1), CIS_TRAP_SWAPON, TRAP_SWAPON},
	{NATIVE(SYS_swapoff, 1), CIS_TRAP_SWAPON, TRAP_SWAPOFF},
	{NATIVE(SYS_reboot, 1, 2, LINUX_REBOOT_CMD_CAD_ON), CIS_TRAP_REBOOT, TRAP_REBOOT},
	{NATIVE(SYS_reboot, 1, 2, LINUX_REBOOT_CMD_CAD_OFF), CIS_TRAP_REBOOT, TRAP_REBOOT},
	{NATIVE(SYS_init_module, 1), CIS_TRAP_MODULE, TRAP_LOAD_MODULE},
	{NATIVE(SYS_finit_module, 1), CIS_TRAP_MODULE, TRAP_LOAD_MODULE},
	{NATIVE(SYS_delete_module, 1), CIS_TRAP_MODULE, TRAP_DELETE_MODULE},
	{NATIVE(SYS_mount, 1, 2, 3, IMAGE), TRAP_MOUNTS, TRAP_MOUNT},
	{NATIVE(SYS_mount, 1, 2, 3, IMAGE | MS_SILENT | MS_NOATIME), TRAP_MOUNTS, TRAP_MOUNT},
	{NATIVE(SYS_mount, 1, 2, 3, IMAGE | MS_RELATIME), TRAP_MOUNTS, TRAP_MOUNT},
#ifdef __x86_64__
	{NATIVE(SYS_mknod, 1, CHR, 0x105), CIS_TRAP_MKNOD, TRAP_MKNOD},
	{{.arch = AUDIT_ARCH_I386, .nr = 116}, CIS_TRAP_SYSINFO, TRAP_SYSINFO32},
	{{.arch = AUDIT_ARCH_I386, .nr = 14, .args = {1, CHR, 0xae5}}, CIS_TRAP_MKNOD, TRAP_MKNOD},
	{{.arch = AUDIT_ARCH_I386, .nr = 87}, CIS_TRAP_SWAPON, TRAP_SWAPON},
	{{.arch = AUDIT_ARCH_I386, .nr = 128}, CIS_TRAP_MODULE, TRAP_LOAD_MODULE},
#endif
};

static void test_trapped(void **state)
{
	(void)state;
	for (size_t k = 0; k < 128; k++) {
		uint64_t flags = (uint64_t)k * CIS_TRAP_MKNOD;
		struct both b = make(flags);

		for (size_t i = 0; i < ARRAY_SIZE(trapped); i++) {
			assert_int_equal(is_trapped(&b, &trapped[i].d), !!(trapped[i].flag & flags));
			assert_int_equal(trap_call_of(&trapped[i].d), trapped[i].call);
		}
		free(b.new);
	}
}

static void test_not_trapped(void **state)
{
	static const struct seccomp_data calls[] = {
		NATIVE(SYS_mknodat, 3, 1, S_IFCHR, 0),            /* a whiteout */
		NATIVE(SYS_mknodat, 3, 1, S_IFCHR, 0x101),        /* mem */
		NATIVE(SYS_mknodat, 3, 1, S_IFBLK, 0x103),        /* a block device */
		NATIVE(SYS_mknodat, 3, 1, S_IFIFO, 0x103),        /* a pipe */
		NATIVE(SYS_mknodat, 3, 1, 0600, 0x103),           /* a file */
		NATIVE(SYS_mknodat, 3, 1, S_IFCHR, 0x100103),     /* minor 259 */
		NATIVE(SYS_reboot, 1, 2, LINUX_REBOOT_CMD_RESTART),
		NATIVE(SYS_reboot, 1, 2, LINUX_REBOOT_CMD_KEXEC),
		NATIVE(SYS_kexec_load, 1),
		NATIVE(SYS_mount, 1, 2, 3, 0),
		NATIVE(SYS_mount, 1, 2, 3, MS_RDONLY),
		NATIVE(SYS_mount, 1, 2, 3, MS_NOSUID | MS_NODEV),
		NATIVE(SYS_mount, 1, 2, 3, IMAGE | MS_NOEXEC),
		NATIVE(SYS_mount, 1, 2, 3, IMAGE | MS_BIND),
		NATIVE(SYS_mount, 1, 2, 3, IMAGE | MS_REMOUNT | MS_BIND),
		NATIVE(SYS_mount, 1, 2, 3, IMAGE | MS_MOVE),
		NATIVE(SYS_mount, 1, 2, 3, IMAGE, 1),              /* options */
		NATIVE(SYS_mount, 1, 2, 3, IMAGE, 1ULL << 32),
		NATIVE(SYS_fsopen, 1, 0),
		NATIVE(SYS_umount2, 1, 0),
		NATIVE(SYS_read, 1),
		NATIVE(0x40000000 + SYS_sysinfo, 1), /* x32 */
		NATIVE(100000, 1),
		NATIVE(-1, 1),
		{.arch = AUDIT_ARCH_ARM, .nr = SYS_sysinfo},
#ifdef __x86_64__
		{.arch = AUDIT_ARCH_I386, .nr = SYS_sysinfo},
		{.arch = AUDIT_ARCH_I386, .nr = 21, .args = {1, 2, 3, IMAGE}}, /* mount */
		NATIVE(0x40000000 + SYS_mount, 1, 2, 3, IMAGE),
		{.arch = TRAP_ARCH, .nr = 116},
#endif
	};
	struct both b = make(TRAPS);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
		if (is_trapped(&b, &calls[i]))
			fail_msg("call %zu is trapped", i);
	free(b.new);
}

static void test_names(void **state)
{
	size_t n = 0;
	uint64_t all = 0;

	(void)state;
	for (const char *name; (name = trap_name(TRAPS, n)); n++) {
		all |= trap_flag(name);
		assert_non_null(strstr(TRAP_NAMES, name));
	}
	assert_int_equal(all, TRAPS);
	assert_int_equal(n, 7);
	assert_int_equal(trap_flag("mount"), 0);
	assert_int_equal(trap_flag(""), 0);
	assert_string_equal(trap_name(CIS_TRAP_REBOOT, 0), "reboot");
	assert_null(trap_name(CIS_TRAP_REBOOT, 1));
}

static void test_load(void **state)
{
	struct load l = {{0}, 0};

	(void)state;
	load_advance(&l, 0, 100);
	assert_int_equal(l.value[0], 0);
	load_advance(&l, 2, 1);
	assert_in_range(l.value[0], 300, 340); /* 2 * (1 - e^(-1/12)) in 2048ths */
	assert_true(l.value[0] > l.value[1] && l.value[1] > l.value[2]);
	load_advance(&l, 2, UINT64_MAX);
	for (size_t i = 0; i < 3; i++)
		assert_in_range(l.value[i], 4090, 4096);
	load_advance(&l, 0, 12); /* a minute: e-fold */
	assert_in_range(l.value[0], 1490, 1520);
	load_advance(&l, 0, UINT64_MAX);
	assert_int_equal(l.value[0], 0);
}

static void test_narrow(void **state)
{
	struct sysinfo wide = {.uptime = 7, .loads = {1, 2, 3}, .totalram = 64 << 20,
			       .freeram = 1 << 20, .procs = 9, .mem_unit = 1};
	struct sysinfo32 small;

	(void)state;
	assert_int_equal(sizeof small, 64);
	assert_int_equal(offsetof(struct sysinfo32, procs), 40);
	assert_int_equal(offsetof(struct sysinfo32, mem_unit), 52);
	numbers_narrow(&wide, &small);
	assert_int_equal(small.totalram, 64 << 20);
	assert_int_equal(small.mem_unit, 1);
	assert_int_equal(small.loads[2], 3);
	wide.totalram = 5ULL << 32;
	wide.freeram = 3ULL << 32;
	numbers_narrow(&wide, &small);
	assert_int_equal((uint64_t)small.totalram * small.mem_unit, 5ULL << 32);
	assert_int_equal((uint64_t)small.freeram * small.mem_unit, 3ULL << 32);
}

/* What the kernel's driver is not shown; first of all a superblock that asks for a panic. */
static void test_judge(void **state)
{
	unsigned char head[IMAGE_HEAD] = {0}, *super = head + 1024;

	(void)state;
	assert_int_equal(image_judge(CIS_TRAP_MOUNT_EXT4, head), -EINVAL);
	assert_int_equal(image_judge(CIS_TRAP_MOUNT_SQUASHFS, head), -EINVAL);
	assert_int_equal(image_judge(CIS_TRAP_MKNOD, head), -EPERM);
	memcpy(head, "hsqs", 4);
	assert_int_equal(image_judge(CIS_TRAP_MOUNT_SQUASHFS, head), 0);
	assert_int_equal(image_judge(CIS_TRAP_MOUNT_EXT4, head), -EINVAL);
	super[0x38] = 0x53;
	super[0x39] = 0xef;
	for (unsigned int errors = 0; errors <= 0xffff; errors++) {
		super[0x3c] = (unsigned char)errors;
		super[0x3d] = (unsigned char)(errors >> 8);
		assert_int_equal(image_judge(CIS_TRAP_MOUNT_EXT4, head), errors <= 2 ? 0 : -EPERM);
	}
	super[0x3c] = super[0x3d] = 1;
	super[0x3d] = 0;
	super[0x60] = 0x8 | 0x2; /* a journal by itself */
	assert_int_equal(image_judge(CIS_TRAP_MOUNT_EXT4, head), -EPERM);
	super[0x60] = 0x2;
	strcpy((char *)super + 0x200, "errors=panic");
	assert_int_equal(image_judge(CIS_TRAP_MOUNT_EXT4, head), -EPERM);
	super[0x200] = 0;
	assert_int_equal(image_judge(CIS_TRAP_MOUNT_EXT4, head), 0);
	assert_int_equal(image_trap("ext4"), CIS_TRAP_MOUNT_EXT4);
	assert_int_equal(image_trap("squashfs"), CIS_TRAP_MOUNT_SQUASHFS);
	assert_int_equal(image_trap("ext3"), 0);
	assert_int_equal(image_trap(""), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_trapped), cmocka_unit_test(test_not_trapped),
		cmocka_unit_test(test_names),   cmocka_unit_test(test_load),
		cmocka_unit_test(test_narrow),  cmocka_unit_test(test_judge),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
