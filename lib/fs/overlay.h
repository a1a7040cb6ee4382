/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The root: a read-only, id-mapped image under a scratch layer. */
#ifndef CIS_FS_OVERLAY_H
#define CIS_FS_OVERLAY_H

/*
 * Runs in a mount namespace of our own: the scratch goes over the directory @at, the
 * image into it. They stay there, below what is attached at @at next.
 */
int overlay_attach_layers_stage(int image_fd, int scratch_fd, const char *at);

/*
 * Runs in the stage, whose file-system ids are the sandbox's root: whatever
 * the overlay makes in "@place/upper" and "@place/work" of the scratch then
 * belongs to it. Both must exist, and the layers be attached. @how: OVERLAY_*.
 * fd of the detached overlay, or -errno.
 */
int overlay_mount_stage(int image_fd, int scratch_fd, const char *place, unsigned int how);
#define OVERLAY_NODES 1u /* device nodes count */
#define OVERLAY_USER 2u  /* marks are user.overlay.*; -EOPNOTSUPP: the scratch has none */

#endif
