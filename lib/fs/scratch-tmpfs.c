/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The scratch in memory. It needs nothing of the host, and nobody pays for making it. */
#include <stdio.h>
#include <sys/mount.h>

#include "mount.h"
#include "scratch-backend.h"

static int probe(int dir, struct cis_error *err)
{
	(void)dir;
	(void)err;
	return 0;
}

static int make(const struct scratch_want *w, struct cis_error *err)
{
	char options[128];
	int fd;

	snprintf(options, sizeof options, "mode=755,size=%llu,nr_inodes=%llu,uid=%u,gid=%u",
		 (unsigned long long)w->bytes, (unsigned long long)w->inodes, w->base, w->base);
	fd = mount_new("tmpfs", "cisandbox-scratch", options, MOUNT_ATTR_NODEV);
	if (fd < 0)
		return cis_fail(err, -fd, "scratch: mount tmpfs of %llu bytes and %llu inodes",
				(unsigned long long)w->bytes, (unsigned long long)w->inodes);
	return fd;
}

const struct scratch_backend scratch_tmpfs = {
	.name = "tmpfs",
	.owned = true,
	/* An inode costs about that much of kernel memory. */
	.inode_bytes = 1024,
	.probe = probe,
	.make = make,
};
