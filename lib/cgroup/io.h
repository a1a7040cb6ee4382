/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Limits on what a group reads and writes: io.max of cgroup v2, blkio.throttle of v1. They
 * are of one device, the one under the scratch disk; what the sandbox reads of its image is
 * on another, and in the page cache that it shares with all others.
 */
#ifndef CIS_CGROUP_IO_H
#define CIS_CGROUP_IO_H

#include <stdbool.h>
#include <sys/types.h>

#include "hierarchy.h"

struct io_limits {
	struct cis_io most;
	dev_t device;
};

bool io_is_limited(const struct io_limits *l);

/* -EOPNOTSUPP, and what of it this host cannot hold. */
int io_check(const struct hierarchies *hs, const struct io_limits *l, struct cis_error *err);

/* The settings for it; how many, at most IO_SETTINGS. */
#define IO_SETTINGS 2
size_t io_render(const struct hierarchies *hs, const struct io_limits *l, struct setting *out);

/*
 * The device that the file system of @fd is on, as limits want it: the whole disk, not the
 * partition. -EOPNOTSUPP where there is none, or more than one.
 */
int io_device_of(int fd, dev_t *ret, struct cis_error *err);

#endif
