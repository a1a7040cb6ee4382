/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a back end of the scratch is made of: one file and one constant each. */
#ifndef CIS_FS_SCRATCH_BACKEND_H
#define CIS_FS_SCRATCH_BACKEND_H

#include "scratch.h"

struct scratch_backend {
	const char *name;     /* as --disk-backend has it */
	bool owned;           /* its files belong to the sandbox's ids: never id-mapped */
	bool named;           /* has a directory on the host: journalled, and removed by name */
	uint64_t inode_bytes; /* without --disk-inodes: one for so many; 0: no cap of inodes */
	/*
	 * Whether disks can be made in the directory @dir. Makes nothing, wants no privilege.
	 * 0, or -errno with the reason and a remedy in one sentence.
	 */
	int (*probe)(int dir, struct cis_error *err);
	/* The descriptor of the detached mount. What it leaves on failure remove() takes. */
	int (*make)(const struct scratch_want *w, struct cis_error *err);
	/* What is @name in @dir, made by it or half made, is gone from there. */
	int (*remove)(int dir, const char *name, struct cis_error *err);
};

extern const struct scratch_backend scratch_tmpfs, scratch_loop, scratch_quota, scratch_btrfs;

/*
 * A detached mount of the directory @dir alone, for those who have one: nobody gets from
 * there to what is above it.
 */
int scratch_mount_dir(int dir);

/* rm -r of @name in @dir, whatever the job has left there. */
int scratch_remove_tree(int dir, const char *name, struct cis_error *err);

/* The figures of the subvolume @fd: btrfs's statfs knows nothing of its limit. */
int scratch_btrfs_usage(int fd, struct scratch_usage *ret);

#endif
