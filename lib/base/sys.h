/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * System calls as -errno. Two kinds of caller need them in this form: code
 * that runs between clone and execve, where no libc wrapper that may lock or
 * allocate is allowed, and everyone else who is tired of errno.
 *
 * Numbers and structures that Debian 12's headers lack are in compat.h.
 */
#ifndef CIS_BASE_SYS_H
#define CIS_BASE_SYS_H

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include "compat.h"

static inline int sys_ret(long r)
{
	return r < 0 ? -errno : (int)r;
}

#define SYS(name, ...) sys_ret(syscall(SYS_##name, ##__VA_ARGS__))

static inline int sys_clone3(struct clone_args *args)
{
	return SYS(clone3, args, sizeof *args);
}
static inline int sys_pidfd_open(pid_t pid)
{
	return SYS(pidfd_open, pid, 0);
}
static inline int sys_pidfd_send_signal(int pidfd, int sig)
{
	return SYS(pidfd_send_signal, pidfd, sig, NULL, 0);
}
static inline int sys_close_range(unsigned int first, unsigned int last, unsigned int flags)
{
	return SYS(close_range, first, last, flags);
}
static inline int sys_openat2(int dfd, const char *path, uint64_t flags, uint64_t mode,
			      uint64_t resolve)
{
	struct open_how how = {.flags = flags | O_CLOEXEC, .mode = mode, .resolve = resolve};

	return SYS(openat2, dfd, path, &how, sizeof how);
}

/* The mount API that never touches a path twice. */
static inline int sys_open_tree(int dfd, const char *path, unsigned int flags)
{
	return SYS(open_tree, dfd, path, flags | OPEN_TREE_CLOEXEC);
}
static inline int sys_move_mount(int from, int to)
{
	return SYS(move_mount, from, "", to, "",
		   MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
}
static inline int sys_mount_setattr(int fd, unsigned int flags, struct mount_attr *attr)
{
	return SYS(mount_setattr, fd, "", AT_EMPTY_PATH | flags, attr, sizeof *attr);
}
static inline int sys_fsopen(const char *type)
{
	return SYS(fsopen, type, FSOPEN_CLOEXEC);
}
static inline int sys_fsconfig(int fs, unsigned int cmd, const char *key, const char *value)
{
	return SYS(fsconfig, fs, cmd, key, value, 0);
}
static inline int sys_fsmount(int fs, unsigned int attrs)
{
	return SYS(fsmount, fs, FSMOUNT_CLOEXEC, attrs);
}
static inline int sys_pivot_root(const char *new_root, const char *put_old)
{
	return SYS(pivot_root, new_root, put_old);
}

/*
 * Credentials of the calling thread only: libc's setuid() family signals all
 * threads, which must not happen in a library and cannot in a cloned child.
 */
static inline int sys_setresuid(uid_t r, uid_t e, uid_t s)
{
	return SYS(setresuid, r, e, s);
}
static inline int sys_setresgid(gid_t r, gid_t e, gid_t s)
{
	return SYS(setresgid, r, e, s);
}
static inline int sys_setgroups(size_t n, const gid_t *list)
{
	return SYS(setgroups, n, list);
}
static inline int sys_capget(struct __user_cap_data_struct data[2])
{
	struct __user_cap_header_struct hdr = {.version = _LINUX_CAPABILITY_VERSION_3};

	return SYS(capget, &hdr, data);
}
static inline int sys_capset(const struct __user_cap_data_struct data[2])
{
	struct __user_cap_header_struct hdr = {.version = _LINUX_CAPABILITY_VERSION_3};

	return SYS(capset, &hdr, data);
}

#endif
