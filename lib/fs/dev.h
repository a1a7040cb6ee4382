/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* /dev: one tmpfs with real nodes, owned by the sandbox's root. */
#ifndef CIS_FS_DEV_H
#define CIS_FS_DEV_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * Runs in the stage, with CAP_MKNOD on the host and the file-system ids of the
 * sandbox's root (@base on the host). fd of the detached tmpfs, or -errno.
 * @empty: without nodes, and without CAP_MKNOD; dev_bind_stage() follows.
 */
int dev_make_stage(uid_t base, bool console, bool empty);

/*
 * The host's own nodes, as mounts over empty files in @target of @root: what who is root of a
 * user namespace only can have. Those it has not are left out, but -ENODEV for the first six.
 */
int dev_bind_stage(int root, const char *target);

#endif
