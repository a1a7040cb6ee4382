/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The root: a read-only, id-mapped image under a scratch layer. */
#ifndef CIS_FS_OVERLAY_H
#define CIS_FS_OVERLAY_H

#include <stddef.h>

/*
 * Runs in a mount namespace of our own: the scratch goes over the directory @at, the
 * image into it. They stay there, below what is attached at @at next.
 */
struct overlay_lowers {
	int top;
	const int *more; /* those below it */
	size_t n_more;
};
int overlay_attach_layers_stage(const struct overlay_lowers *image, int scratch_fd,
				const char *at);

/*
 * Runs in the stage, whose file-system ids are the sandbox's root: whatever
 * the overlay makes in "@place/upper" and "@place/work" of the scratch then
 * belongs to it. Both must exist, and the layers be attached. @how: OVERLAY_*.
 * fd of the detached overlay, or -errno.
 */
int overlay_mount_stage(const struct overlay_lowers *image, int scratch_fd, const char *place,
			unsigned int how);
#define OVERLAY_NODES 1u /* device nodes count */
#define OVERLAY_USER 2u  /* marks are user.overlay.*; -EOPNOTSUPP: the scratch has none */

/*
 * One character, of which no two are alike, for each of OVERLAY_LAYERS_MAX layers: the
 * kernel takes 255 bytes in one option, and only since 6.7 a layer at a time.
 */
#define OVERLAY_LAYERS_MAX 128
char overlay_layer_name(size_t i);

/*
 * A detached read-only overlay of the @n (2 or more) layers called so in the directory @dir,
 * the first on top: to look at an image before there is a sandbox. In the caller, which
 * may have threads. fd or -errno.
 */
int overlay_view(int dir, size_t n);

#endif
