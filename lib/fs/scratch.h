/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The scratch: the disposable, capped disk under everything the job writes.
 * Small ones live in memory (and count against the memory limit), larger ones
 * are ext4 in a sparse file without a name, so that the kernel gives the
 * space back whatever kills us.
 */
#ifndef CIS_FS_SCRATCH_H
#define CIS_FS_SCRATCH_H

#include <stdint.h>
#include <sys/types.h>

#include "../base/error.h"

/* A tmpfs of that size owned by host id @base. fd of the detached mount. */
int scratch_in_memory(uint64_t bytes, uid_t base, struct cis_error *err);

/*
 * ext4 of that size on a loop device over an unnamed file in @dir. fd of the
 * detached mount, owners 0-based. Runs mkfs.ext4.
 */
int scratch_on_disk(uint64_t bytes, const char *dir, struct cis_error *err);

struct scratch_usage {
	uint64_t used, size;
	uint64_t left; /* what a writer still gets: less than size - used on ext4 */
};
int scratch_usage(int fd, struct scratch_usage *ret);
/* The same by a process of the sandbox: its root is an overlay on the scratch. */
int scratch_usage_of(pid_t init, struct scratch_usage *ret);

#endif
