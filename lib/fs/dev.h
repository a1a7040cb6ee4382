/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* /dev: one tmpfs with real nodes, owned by the sandbox's root. */
#ifndef CIS_FS_DEV_H
#define CIS_FS_DEV_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * Runs in the stage, with CAP_MKNOD on the host and the file-system ids of the
 * sandbox's root (@base on the host). fd of the detached tmpfs, or -errno.
 */
int dev_make_stage(uid_t base, bool console);

#endif
