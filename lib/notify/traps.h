/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * System calls that the kernel refuses in a user namespace, or answers with the host's
 * figures, and that a helper of ours answers instead (serve.h): which there are, and the
 * instructions that send them there. Off unless asked for: a chain of filters has one
 * listener, so that nobody inside can have one of his own (EBUSY).
 */
#ifndef CIS_NOTIFY_TRAPS_H
#define CIS_NOTIFY_TRAPS_H

#include <cisandbox.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mount.h>

#define TRAPS                                                                          \
	(CIS_TRAP_MKNOD | CIS_TRAP_SYSINFO | CIS_TRAP_SWAPON | CIS_TRAP_REBOOT |           \
	 CIS_TRAP_MODULE | TRAP_MOUNTS)
#define TRAP_MOUNTS (CIS_TRAP_MOUNT_SQUASHFS | CIS_TRAP_MOUNT_EXT4)
/* Where device nodes would count: the control group lets only harmless ones be opened. */
#define TRAPS_WITH_DEVICES (CIS_TRAP_MKNOD | TRAP_MOUNTS)
#define TRAP_NAMES                                                                     \
	"mknod, sysinfo, swapon, reboot, module, mount-squashfs, mount-ext4"

/* As seccomp calls the architecture that we are built for. */
#if defined(__x86_64__)
#define TRAP_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define TRAP_ARCH AUDIT_ARCH_AARCH64
#elif defined(__riscv)
#define TRAP_ARCH AUDIT_ARCH_RISCV64
#else
#error "traps are not known for this architecture"
#endif

/* The CIS_TRAP_ flag of that name, or 0. */
uint64_t trap_flag(const char *name);
/* The I-th name of those in @flags, or NULL when there are no more. */
const char *trap_name(uint64_t flags, size_t i);

/*
 * @old with the traps of @flags in front of it, in one allocation. In front, and in one
 * program: of two filters the refusal of the one would win over the listener of the other.
 */
int trap_filter(uint64_t flags, const struct sock_filter *old, unsigned short n_old,
		struct sock_filter **ret, unsigned short *ret_n);

/* Whether a character device of this number (as mknod(2) takes it) does no harm. */
bool trap_device_is_harmless(uint32_t dev);

/*
 * A mount(2) is trapped if it asks for exactly what an image gets. All others are the
 * kernel's: nothing that was trapped could be let go on, since what it is depends on
 * memory of the caller's.
 */
#define TRAP_MOUNT_FLAGS (MS_RDONLY | MS_NOSUID | MS_NODEV)
#define TRAP_MOUNT_MASK (~(uint32_t)(MS_SILENT | MS_NOATIME | MS_NODIRATIME | MS_RELATIME))

/* What a trapped call is; 0 if it is none. */
struct seccomp_data;
enum trap_call {
	TRAP_MKNOD = 1,
	TRAP_MKNODAT,
	TRAP_SYSINFO,
	TRAP_SYSINFO32, /* with the structure of 32-bit programs */
	TRAP_SWAPON,
	TRAP_SWAPOFF,
	TRAP_REBOOT,
	TRAP_LOAD_MODULE,
	TRAP_DELETE_MODULE,
	TRAP_MOUNT,
};
enum trap_call trap_call_of(const struct seccomp_data *d);

#endif
