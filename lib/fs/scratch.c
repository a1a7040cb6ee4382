/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scratch.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <time.h>

#include "../base/fd.h"
#include "../base/spawn.h"
#include "../base/sys.h"
#include "scratch-backend.h"

static const struct scratch_backend *const backends[] = {
	[CIS_DISK_QUOTA] = &scratch_quota,
	[CIS_DISK_LOOP] = &scratch_loop,
	[CIS_DISK_BTRFS] = &scratch_btrfs,
	[CIS_DISK_TMPFS] = &scratch_tmpfs,
};

const char *scratch_name(enum cis_disk kind)
{
	if (kind == CIS_DISK_AUTO)
		return "auto";
	return (size_t)kind < ARRAY_SIZE(backends) ? backends[kind]->name : NULL;
}

int scratch_parse(const char *name, enum cis_disk *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(backends); i++) {
		if (strcmp(name, scratch_name((enum cis_disk)i)) != 0)
			continue;
		*ret = (enum cis_disk)i;
		return 0;
	}
	return -EINVAL;
}

bool scratch_is_owned(enum cis_disk kind)
{
	return backends[kind]->owned;
}

bool scratch_is_named(enum cis_disk kind)
{
	return backends[kind]->named;
}

int scratch_probe(enum cis_disk kind, int dir, struct cis_error *err)
{
	int r = backends[kind]->probe(dir, err);

	return r < 0 ? cis_wrap(err, r, "scratch: back end %s", backends[kind]->name) : 0;
}

/* btrfs last: its quota groups slow the host's file system down, and df shows all of it. */
int scratch_choose(int dir, enum cis_disk *ret, struct cis_error *err)
{
	static const enum cis_disk order[] = {CIS_DISK_QUOTA, CIS_DISK_LOOP, CIS_DISK_BTRFS};

	for (size_t i = 0; i < ARRAY_SIZE(order); i++)
		if (backends[order[i]]->probe(dir, NULL) >= 0) {
			*ret = order[i];
			return 0;
		}
	/* What is missing of the one that every host can have. */
	return scratch_probe(CIS_DISK_LOOP, dir, err);
}

/* What those had who have just ended is given back behind their backs. */
static bool has_room(int dir)
{
	for (int i = 0; i < 100; i++) {
		if (scratch_left(dir) >= SCRATCH_HOST_LEAST)
			return true;
		nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
	}
	return false;
}

int scratch_make(enum cis_disk kind, const struct scratch_want *w, struct cis_error *err)
{
	const struct scratch_backend *b = backends[kind];
	struct scratch_want full = *w;

	if (w->inodes && !b->inode_bytes)
		return cis_fail_plain(err, EOPNOTSUPP,
				      "scratch: back end %s cannot limit inodes (they are paid "
				      "for in bytes there; leave --disk-inodes out)", b->name);
	if (!w->inodes && b->inode_bytes)
		full.inodes = MAX(w->bytes / b->inode_bytes, 1024);
	if (w->dir >= 0 && !has_room(w->dir))
		return cis_fail_plain(err, ENOSPC,
				      "scratch: the host's file system is full: less than %lluM "
				      "are left for disks (free some, or move CISANDBOX_ROOT)",
				      SCRATCH_HOST_LEAST >> 20);
	return b->make(&full, err);
}

int scratch_remove(int dir, const char *name, struct cis_error *err)
{
	const struct scratch_backend *b = &scratch_quota;
	struct statfs fs;

	if (faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : cis_fail(err, errno, "scratch: look at %s", name);
	if (fstatfs(dir, &fs) < 0)
		return cis_fail(err, errno, "scratch: look at its file system");
	if (fs.f_type == BTRFS_SUPER_MAGIC)
		b = &scratch_btrfs;
	return b->remove(dir, name, err);
}

/* ---- for back ends that have a directory ------------------------------------------ */

int scratch_mount_dir(int dir)
{
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_NODEV | MOUNT_ATTR_NOATIME,
		/* Instead of relatime or whatever the host's mount has. */
		.attr_clr = MOUNT_ATTR__ATIME,
		.propagation = MS_PRIVATE,
	};
	cleanup_close int fd = sys_open_tree(dir, "", OPEN_TREE_CLONE | AT_EMPTY_PATH);
	int r = fd < 0 ? fd : sys_mount_setattr(fd, 0, &attr);

	return r < 0 ? r : steal_fd(&fd);
}

/*
 * By rm, which follows no link and minds neither depth nor width. The directory goes to it
 * as a descriptor: whatever is renamed meanwhile, it stays there.
 */
int scratch_remove_tree(int dir, const char *name, struct cis_error *err)
{
	char path[320];
	char *const argv[] = {"rm", "-rf", "--one-file-system", "--", path, NULL};
	int r;

	snprintf(path, sizeof path, "/proc/self/fd/%d/%s", dir, name);
	r = spawn_wait(argv, dir, "coreutils", err);
	return r < 0 ? cis_wrap(err, r, "scratch: remove %s", name) : 0;
}

/* ---- figures ---------------------------------------------------------------------- */

uint64_t scratch_left(int dir)
{
	struct statvfs st;

	return fstatvfs(dir, &st) < 0 ? 0 : (uint64_t)st.f_bavail * st.f_frsize;
}

int scratch_usage(int fd, struct scratch_usage *ret)
{
	struct statvfs st;
	struct statfs fs;

	if (fstatfs(fd, &fs) == 0 && fs.f_type == BTRFS_SUPER_MAGIC)
		return scratch_btrfs_usage(fd, ret);
	if (fstatvfs(fd, &st) < 0)
		return -errno;
	*ret = (struct scratch_usage){
		.used = (uint64_t)(st.f_blocks - st.f_bfree) * st.f_frsize,
		.size = (uint64_t)st.f_blocks * st.f_frsize,
		.left = (uint64_t)st.f_bavail * st.f_frsize,
		.inodes = st.f_files - st.f_ffree,
		.inodes_size = st.f_files,
	};
	return 0;
}

int scratch_usage_of(pid_t init, struct scratch_usage *ret)
{
	char path[64];
	cleanup_close int root = -1;

	snprintf(path, sizeof path, "/proc/%d/root", init);
	root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return root < 0 ? -errno : scratch_usage(root, ret);
}
