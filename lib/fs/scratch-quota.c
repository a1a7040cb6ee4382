/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The scratch as a directory of the host's file system whose tree has a project id of its
 * own, with hard limits on that id. What is made below inherits the id, df inside shows the
 * limits, and a writer gets EDQUOT at them.
 *
 * The job cannot leave its project: the kernel lets nobody in a user namespace change a
 * project id or the flag that inherits it, and renames and links across projects are
 * EXDEV. It must not have CAP_SYS_RESOURCE over the host, which is above quotas: overlayfs
 * drops it from the credentials it writes with, and nobody inside has it.
 *
 * Ids are drawn by lot and looked at: data roots on one file system know nothing of each
 * other, nor of what an administrator has in /etc/projid. The directory carries its id, so
 * nothing else has to be written down for reap to find it.
 */
#include <fcntl.h>
#include <linux/dqblk_xfs.h>
#include <linux/fs.h>
#include <linux/quota.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/random.h>

#include "../base/fd.h"
#include "../base/sys.h"
#include "scratch-backend.h"
#include "scratch-place.h"

#define FIRST_ID 0x70000000u
#define N_IDS 0x0fff0000u
#define SECTOR 512

static int quota(int fd, int cmd, uint32_t id, void *arg)
{
	return SYS(quotactl_fd, fd, QCMD(cmd, PRJQUOTA), id, arg);
}

static int probe(int dir, struct cis_error *err)
{
	struct fs_quota_statv st = {.qs_version = FS_QSTATV_VERSION1};
	int r = quota(dir, Q_XGETQSTATV, 0, &st);

	if (r == -ENOSYS || (r >= 0 && !(st.qs_flags & FS_QUOTA_PDQ_ACCT)))
		return cis_fail_plain(err, EOPNOTSUPP,
				      "the file system of the disks has no project quotas (ext4 "
				      "or XFS, mounted with prjquota)");
	if (r < 0)
		return cis_fail(err, -r, "ask for project quotas");
	if (!(st.qs_flags & FS_QUOTA_PDQ_ENFD))
		return cis_fail_plain(err, EOPNOTSUPP,
				      "project quotas are counted there, but not enforced "
				      "(mount -o prjquota)");
	return 0;
}

/* Nobody has limits for it or files of it. */
static bool is_free(int dir, uint32_t id)
{
	struct fs_disk_quota q = {0};
	int r = quota(dir, Q_XGETQUOTA, id, &q);

	return r == -ENOENT ||
	       (r >= 0 && !q.d_bcount && !q.d_icount && !q.d_blk_hardlimit &&
		!q.d_blk_softlimit && !q.d_ino_hardlimit && !q.d_ino_softlimit);
}

/* Under the lock of the directory. */
static int draw_id(int dir, uint32_t *ret)
{
	for (int tries = 0; tries < 64; tries++) {
		uint32_t n;

		if (getrandom(&n, sizeof n, 0) != sizeof n)
			return -EIO;
		*ret = FIRST_ID + n % N_IDS;
		if (is_free(dir, *ret))
			return 0;
	}
	return -EBUSY;
}

static int set_limits(int dir, uint32_t id, uint64_t bytes, uint64_t inodes)
{
	struct fs_disk_quota q = {
		.d_version = FS_DQUOT_VERSION,
		.d_flags = FS_PROJ_QUOTA,
		.d_fieldmask = FS_DQ_BSOFT | FS_DQ_BHARD | FS_DQ_ISOFT | FS_DQ_IHARD,
		.d_id = id,
		.d_blk_hardlimit = bytes / SECTOR,
		.d_ino_hardlimit = inodes,
	};

	return quota(dir, Q_XSETQLIM, id, &q);
}

static int give_project(int dir, uint32_t id)
{
	struct fsxattr attr;

	if (ioctl(dir, FS_IOC_FSGETXATTR, &attr) < 0)
		return -errno;
	attr.fsx_projid = id;
	attr.fsx_xflags |= FS_XFLAG_PROJINHERIT;
	return ioctl(dir, FS_IOC_FSSETXATTR, &attr) < 0 ? -errno : 0;
}

/* The id before the limits: whoever is killed between leaves none without a directory. */
static int make_project(int parent, int dir, const struct scratch_want *w)
{
	uint32_t id;
	int r = draw_id(parent, &id);

	if (r >= 0)
		r = give_project(dir, id);
	return r < 0 ? r : set_limits(parent, id, w->bytes, w->inodes);
}

static int make(const struct scratch_want *w, struct cis_error *err)
{
	/* That of all places: their own has another meaning. */
	cleanup_close int lock = openat(w->dir, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_close int dir = -1;
	int r;

	if (lock < 0 || flock(lock, LOCK_EX) < 0)
		return cis_fail(err, errno, "scratch: lock the directory of disks");
	if (mkdirat(w->dir, w->name, 0700) < 0)
		return cis_fail(err, errno, "scratch: make directory %s", w->name);
	dir = openat(w->dir, w->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	r = dir < 0 ? -errno : make_project(lock, dir, w);
	if (r < 0)
		return cis_fail(err, -r, "scratch: give %s a project of %llu bytes and %llu "
				"inodes", w->name, (unsigned long long)w->bytes,
				(unsigned long long)w->inodes);
	r = scratch_mount_dir(dir);
	return r < 0 ? cis_fail(err, -r, "scratch: mount %s", w->name) : r;
}

/*
 * The limits first: while the directory is in its place its id is known, so that whoever is
 * killed in the middle can begin again. Nobody gets the id while it has files.
 */
static int remove_disk(int dir, const char *name, struct cis_error *err)
{
	cleanup_close int top =
		openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct fsxattr attr;
	int r = 0;

	if (top < 0)
		return cis_fail(err, errno, "scratch: open %s", name);
	/* Not an id of ours: it was killed before it had one. */
	if (ioctl(top, FS_IOC_FSGETXATTR, &attr) == 0 &&
	    (attr.fsx_xflags & FS_XFLAG_PROJINHERIT) && attr.fsx_projid - FIRST_ID < N_IDS)
		r = set_limits(dir, attr.fsx_projid, 0, 0);
	if (r < 0)
		return cis_fail(err, -r, "scratch: free project %u of %s", attr.fsx_projid, name);
	r = scratch_throw_away(dir, name);
	/* The directory of disks has a project of its own, which nothing may be moved into. */
	if (r == -EXDEV)
		return scratch_remove_tree(dir, name, err);
	return r < 0 ? cis_fail(err, -r, "scratch: throw %s away", name) : 0;
}

const struct scratch_backend scratch_quota = {
	.name = "quota",
	.named = true,
	.inode_bytes = 16384, /* as loop */
	.probe = probe,
	.make = make,
	.remove = remove_disk,
};
