/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The scratch as a subvolume of the host's btrfs, with a limit on what its quota group
 * refers to, metadata included: inodes are paid for in bytes. It goes in one step, however
 * much is on it.
 *
 * A subvolume that the job made within would have a group of its own, without a limit: the
 * sandbox's filter refuses to make any (isolate/seccomp-compile.c). df inside shows the
 * whole file system; our own figures are the group's.
 *
 * Quotas are not switched on here: they slow down all who use the file system, and counting
 * what is there already takes minutes.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/btrfs.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "../base/fd.h"
#include "../base/io.h"
#include "../base/sys.h"
#include "scratch-backend.h"

#define FIRST_INODE 256 /* of every subvolume */

/* "/sys/fs/btrfs/UUID/qgroups": there, while quotas are on. */
static int open_groups(int dir)
{
	struct btrfs_ioctl_fs_info_args info = {0};
	char path[80] = "/sys/fs/btrfs/";
	size_t n = strlen(path);
	int fd;

	if (ioctl(dir, BTRFS_IOC_FS_INFO, &info) < 0)
		return -errno;
	for (size_t i = 0; i < BTRFS_FSID_SIZE; i++)
		n += (size_t)snprintf(path + n, sizeof path - n, "%s%02x",
				      i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "",
				      info.fsid[i]);
	snprintf(path + n, sizeof path - n, "/qgroups");
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int probe(int dir, struct cis_error *err)
{
	cleanup_close int groups = -1;
	struct statfs fs;

	if (fstatfs(dir, &fs) < 0 || fs.f_type != BTRFS_SUPER_MAGIC)
		return cis_fail_plain(err, EOPNOTSUPP, "the disks are not on a btrfs");
	groups = open_groups(dir);
	if (groups < 0)
		return cis_fail_plain(err, EOPNOTSUPP,
				      "quotas are off on the btrfs of the disks (btrfs quota "
				      "enable --simple, or without it before Linux 6.7)");
	return 0;
}

static int set_limit(int subvolume, uint64_t bytes)
{
	/* Group 0 is the subvolume's own. */
	struct btrfs_ioctl_qgroup_limit_args limit = {
		.lim = {.flags = BTRFS_QGROUP_LIMIT_MAX_RFER, .max_rfer = bytes},
	};

	return ioctl(subvolume, BTRFS_IOC_QGROUP_LIMIT, &limit) < 0 ? -errno : 0;
}

static int make(const struct scratch_want *w, struct cis_error *err)
{
	struct btrfs_ioctl_vol_args args = {0};
	cleanup_close int subvolume = -1;
	int r;

	snprintf(args.name, sizeof args.name, "%s", w->name);
	if (ioctl(w->dir, BTRFS_IOC_SUBVOL_CREATE, &args) < 0)
		return cis_fail(err, errno, "scratch: make subvolume %s", w->name);
	subvolume = openat(w->dir, w->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	r = subvolume < 0 || fchmod(subvolume, 0700) < 0 ? -errno : set_limit(subvolume, w->bytes);
	if (r < 0)
		return cis_fail(err, -r, "scratch: limit subvolume %s to %llu bytes", w->name,
				(unsigned long long)w->bytes);
	r = scratch_mount_dir(subvolume);
	return r < 0 ? cis_fail(err, -r, "scratch: mount %s", w->name) : r;
}

static int subvolume_id(int fd, uint64_t *ret)
{
	struct btrfs_ioctl_ino_lookup_args args = {.objectid = FIRST_INODE};

	if (ioctl(fd, BTRFS_IOC_INO_LOOKUP, &args) < 0)
		return -errno;
	*ret = args.treeid;
	return 0;
}

/* Its group goes with it, or, before Linux 6.10, is left with nothing in it. */
static int remove_disk(int dir, const char *name, struct cis_error *err)
{
	struct btrfs_ioctl_vol_args args = {0};

	snprintf(args.name, sizeof args.name, "%s", name);
	if (ioctl(dir, BTRFS_IOC_SNAP_DESTROY, &args) < 0)
		return cis_fail(err, errno, "scratch: remove subvolume %s", name);
	/* The space comes back by the cleaner, after a commit: now, not in half a minute. */
	ioctl(dir, BTRFS_IOC_START_SYNC, NULL);
	return 0;
}

int scratch_btrfs_usage(int fd, struct scratch_usage *ret)
{
	/* @fd may be a mount's, which takes no ioctl. */
	cleanup_close int dir = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_close int groups = dir < 0 ? -1 : open_groups(dir);
	uint64_t id, used, max;
	char path[64];
	int r = groups < 0 ? -ENOENT : subvolume_id(dir, &id);

	if (r >= 0) {
		snprintf(path, sizeof path, "0_%llu/referenced", (unsigned long long)id);
		r = io_read_u64_at(groups, path, &used);
	}
	if (r >= 0) {
		snprintf(path, sizeof path, "0_%llu/max_referenced", (unsigned long long)id);
		r = io_read_u64_at(groups, path, &max);
	}
	if (r < 0)
		return r;
	*ret = (struct scratch_usage){
		.used = used, .size = max, .left = max > used ? max - used : 0};
	return 0;
}

const struct scratch_backend scratch_btrfs = {
	.name = "btrfs",
	.named = true,
	.probe = probe,
	.make = make,
	.remove = remove_disk,
};
