/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the mounter does with an image. Raw calls only. */
#ifndef CIS_NOTIFY_IMAGE_H
#define CIS_NOTIFY_IMAGE_H

#include <stdbool.h>
#include <sys/types.h>

#include "mounter.h"

#define IMAGE_PLACE "/mnt" /* in the mounter's root: where its child attaches */

/* Whether there may still be something of it: its loop device has that file. */
struct image {
	int loop; /* its number */
	dev_t dev;
	ino_t ino;
};
struct image_table {
	bool is_used[IMAGES_MAX];
	struct image v[IMAGES_MAX];
};

/* The trap of that type, or 0. */
uint64_t image_trap(const char *type);

/*
 * What the driver of that type must not be shown, by the first bytes. 0, -EINVAL (it is
 * not one), -EPERM.
 */
#define IMAGE_HEAD 2048
int image_judge(uint64_t trap, const unsigned char head[static IMAGE_HEAD]);

int image_mount(const struct mounter *m, struct image_table *t, const struct mount_request *q,
		const int fds[static N_MOUNT_FDS]);

#endif
