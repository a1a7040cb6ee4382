/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * disk-attack DIR: tries to leave the limits of the disk that DIR is on, or to harm the
 * file system under it, by every call that could. Prints "way=ERRNO" or "way=done"; also
 * from a user namespace further inside, as "inner-way".
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/btrfs.h>
#include <linux/fs.h>
#include <linux/quota.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "only-inside.h"

#define FILE_SETATTR 469
#define EXT4_RESIZE_FS _IOW('f', 16, uint64_t)
#define EXT4_GROUP_EXTEND _IOW('f', 7, unsigned long)
#define EXT4_SWAP_BOOT _IO('f', 17)
#define SHUTDOWN _IOR('X', 125, uint32_t)
#define XFS_GROW_DATA _IOW('X', 110, struct xfs_grow)
#define PROJINHERIT_FLAG 0x20000000
#define IMMUTABLE_FLAG 0x10

struct xfs_grow {
	uint64_t blocks;
	uint32_t percent;
};

static const char *depth = "";

static void say(const char *what, const char *way, long r)
{
	printf("%s%s-%s=%s\n", depth, what, way, r < 0 ? strerrorname_np(errno) : "done");
}

/* A change that the kernel takes for none is none: what counts is what is there afterwards. */
static void set_project(const char *what, int fd, const char *way, uint32_t id, uint32_t flags)
{
	struct fsxattr before = {0}, attr, after = {0};
	long r = ioctl(fd, FS_IOC_FSGETXATTR, &before);

	attr = before;
	attr.fsx_projid = id;
	attr.fsx_xflags = flags;
	if (r >= 0)
		r = ioctl(fd, FS_IOC_FSSETXATTR, &attr);
	if (r >= 0 && ioctl(fd, FS_IOC_FSGETXATTR, &after) >= 0 &&
	    after.fsx_projid == before.fsx_projid &&
	    !((after.fsx_xflags ^ before.fsx_xflags) & FS_XFLAG_PROJINHERIT)) {
		r = -1;
		errno = EALREADY;
	}
	say(what, way, r);
}

static void set_flags(const char *what, int fd, const char *way, int clear, int set)
{
	int before = 0, flags, after = 0;
	long r = ioctl(fd, FS_IOC_GETFLAGS, &before);

	flags = (before & ~clear) | set;
	if (r >= 0)
		r = ioctl(fd, FS_IOC_SETFLAGS, &flags);
	if (r >= 0 && ioctl(fd, FS_IOC_GETFLAGS, &after) >= 0 && after == before) {
		r = -1;
		errno = EALREADY;
	}
	say(what, way, r);
}

/* struct file_attr of Linux 6.17. */
static long by_file_setattr(int fd)
{
	struct {
		uint64_t xflags;
		uint32_t extsize, nextents, projid, cowextsize;
	} attr = {.projid = 4711};

	return syscall(FILE_SETATTR, fd, "", &attr, sizeof attr, AT_EMPTY_PATH);
}

static void leave_project(const char *what, int fd)
{
	set_project(what, fd, "project_0", 0, FS_XFLAG_PROJINHERIT);
	set_project(what, fd, "project_other", 4711, FS_XFLAG_PROJINHERIT);
	set_project(what, fd, "no_inherit", 4711, 0);
	set_flags(what, fd, "flag_no_inherit", PROJINHERIT_FLAG, 0);
	set_flags(what, fd, "flag_immutable", 0, IMMUTABLE_FLAG);
	say(what, "file_setattr", by_file_setattr(fd));
}

static void harm(int dir)
{
	struct btrfs_ioctl_vol_args sub = {.name = "sub"}, grow = {.name = "max"};
	struct btrfs_ioctl_vol_args_v2 sub2 = {.name = "sub2"}, snap = {.fd = dir, .name = "snap"};
	struct btrfs_ioctl_qgroup_limit_args limit = {.lim.flags = BTRFS_QGROUP_LIMIT_MAX_RFER,
						      .lim.max_rfer = UINT64_MAX};
	struct fstrim_range trim = {.len = UINT64_MAX};
	struct xfs_grow xfs = {.blocks = 1ULL << 32};
	uint64_t blocks = 1ULL << 32;
	unsigned long extend = 1UL << 32;
	uint32_t now = 0;

	say("fs", "quotactl", syscall(SYS_quotactl, QCMD(Q_QUOTAOFF, PRJQUOTA), NULL, 0, NULL));
	say("fs", "quotactl_fd",
	    syscall(SYS_quotactl_fd, dir, QCMD(Q_QUOTAOFF, PRJQUOTA), 0, NULL));
	say("fs", "ext4_resize", ioctl(dir, EXT4_RESIZE_FS, &blocks));
	say("fs", "ext4_extend", ioctl(dir, EXT4_GROUP_EXTEND, &extend));
	say("fs", "ext4_swap_boot", ioctl(dir, EXT4_SWAP_BOOT));
	say("fs", "xfs_grow", ioctl(dir, XFS_GROW_DATA, &xfs));
	say("fs", "btrfs_resize", ioctl(dir, BTRFS_IOC_RESIZE, &grow));
	say("fs", "btrfs_subvolume", ioctl(dir, BTRFS_IOC_SUBVOL_CREATE, &sub));
	say("fs", "btrfs_subvolume_2", ioctl(dir, BTRFS_IOC_SUBVOL_CREATE_V2, &sub2));
	say("fs", "btrfs_snapshot", ioctl(dir, BTRFS_IOC_SNAP_CREATE_V2, &snap));
	say("fs", "btrfs_limit", ioctl(dir, BTRFS_IOC_QGROUP_LIMIT, &limit));
	say("fs", "trim", ioctl(dir, FITRIM, &trim));
	say("fs", "freeze", ioctl(dir, FIFREEZE, 0));
	say("fs", "shutdown", ioctl(dir, SHUTDOWN, &now));
}

static void attack(const char *path)
{
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int file = openat(dir, "attacked", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	int fresh, nameless = openat(dir, ".", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);

	mkdirat(dir, "below", 0700);
	fresh = openat(dir, "below", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	leave_project("top", dir);
	leave_project("file", file);
	leave_project("dir", fresh);
	leave_project("nameless", nameless);
	harm(dir);
}

int main(int argc, char *argv[])
{
	pid_t pid;

	only_inside();
	if (argc != 2)
		return 2;
	attack(argv[1]);
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		depth = "inner-";
		if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
			say("fs", "unshare", -1);
		else
			attack(argv[1]);
		return 0;
	}
	waitpid(pid, NULL, 0);
	return 0;
}
