/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The root: a read-only, id-mapped image under a scratch layer. */
#ifndef CIS_FS_OVERLAY_H
#define CIS_FS_OVERLAY_H

/*
 * Runs in the stage, whose file-system ids are the sandbox's root: whatever
 * the overlay makes in "@place/upper" and "@place/work" of the scratch then
 * belongs to it. Both must exist. fd of the detached overlay, or -errno.
 */
int overlay_mount_stage(int image_fd, int scratch_fd, const char *place);

#endif
