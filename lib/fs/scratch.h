/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The scratch: the disposable, capped disk under everything the job writes. Bytes are
 * capped and, but on btrfs, inodes. Back ends, each a file:
 *
 *	tmpfs   in memory, counts against the memory limit; small disks
 *	quota   a directory with a project id of its own, on ext4 or XFS: no mkfs, no loop
 *	        device, the host's page cache; where kernel and mount have project quotas
 *	loop    ext4 in a sparse file without a name, behind a loop device: anywhere
 *	btrfs   a subvolume with a limit on its quota group; where quotas are on
 *
 * All are sparse: what is promised to sandboxes may be more than the host has. That the
 * host's file system is full, and not the sandbox's disk, is told apart by scratch_left().
 * Rejected: fallocate() of what is promised, since jobs use a tenth of it; LVM and device
 * mapper, which want a device of the host's; XFS on the loop device, which takes five
 * times as long to make.
 */
#ifndef CIS_FS_SCRATCH_H
#define CIS_FS_SCRATCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "../base/error.h"

struct scratch_want {
	uint64_t bytes;
	uint64_t inodes;  /* 0: as many as the back end gives for so many bytes */
	uid_t base;       /* host id of the sandbox's root */
	int dir;          /* where disks are, on the host, or a place there; -1: in memory */
	const char *name; /* nobody else's there; of a disk that has one */
};

/* "tmpfs", "quota" ... as options have it; NULL for what is none. */
const char *scratch_name(enum cis_disk kind);
/* -EINVAL */
int scratch_parse(const char *name, enum cis_disk *ret);

/* See struct scratch_backend. */
bool scratch_is_owned(enum cis_disk kind);
bool scratch_is_named(enum cis_disk kind);

/* Whether @kind can be made in @dir, without making any: -errno, and why not. */
int scratch_probe(enum cis_disk kind, int dir, struct cis_error *err);
/* The first that can, of those that are not in memory. */
int scratch_choose(int dir, enum cis_disk *ret, struct cis_error *err);

/*
 * Makes one; the descriptor of its detached mount. Owners are 0-based, unless
 * scratch_is_owned(). Runs mkfs.ext4 for loop. What is named may be there, half made,
 * after a failure.
 */
int scratch_make(enum cis_disk kind, const struct scratch_want *w, struct cis_error *err);

/*
 * Removes the disk @name from the place @dir, if there is one, and what the file system
 * kept for it; its files may be left for scratch_empty_gone(). Whoever wrote on it must be
 * dead.
 */
int scratch_remove(int dir, const char *name, struct cis_error *err);

struct scratch_usage {
	uint64_t used, size;
	uint64_t left; /* what a writer still gets: less than size - used on ext4 */
	uint64_t inodes, inodes_size; /* size 0: no cap */
};
int scratch_usage(int fd, struct scratch_usage *ret);
/* The same by a process of the sandbox: its root is an overlay on the scratch. */
int scratch_usage_of(pid_t init, struct scratch_usage *ret);

/* Below this the host's file system counts as full: scratch_make() gives it 5 s, and up. */
#define SCRATCH_HOST_LEAST (16ULL << 20)
/* Bytes that sandboxes still get of the file system of @dir, all disks together. */
uint64_t scratch_left(int dir);

#endif
