/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An engine's overlay as our root. An overlay cannot be id-mapped, so the same layers are
 * mounted again, id-mapped, into a second overlay: owners on disk stay as they were,
 * and the engine's own mount goes on showing what is written.
 */
#ifndef CIS_CONTAINER_OVERLAY_ROOT_H
#define CIS_CONTAINER_OVERLAY_ROOT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "../base/error.h"
#include "../base/str.h"

#define OVERLAY_MAX_LAYERS 500 /* the kernel's */

struct overlay_root {
	struct strv lower;    /* absolute paths, the topmost first */
	char *upper;          /* absolute; NULL: read-only */
	char *dir;            /* that upper and our work directory are in */
	char *below;          /* "diff": upper below dir */
	/* taken by overlay_root_take(): */
	int *trees;           /* of lower */
	int dir_tree;
};

/*
 * 1: @rootfs is an overlay, and *o says of what. 0: it is not. o_done() in any case.
 * @upper_only: the others are not looked for, and need not be there any more.
 */
int overlay_root_find(struct overlay_root *o, const char *rootfs, bool upper_only,
		      struct cis_error *err);
/* Clones of all layers, id-mapped by @userns. */
int overlay_root_take(struct overlay_root *o, int userns, struct cis_error *err);
void overlay_root_done(struct overlay_root *o);

/*
 * Stage, in a mount namespace of its own: mounts it somewhere below @at, which is
 * covered meanwhile. @label: of SELinux, for all files in it, or NULL. A descriptor of the
 * mount, or -errno. Raw calls.
 */
int overlay_root_mount_stage(const struct overlay_root *o, const char *at,
			     const char *label);

/*
 * Two overlays over one upper layer do not see each other's changes in what they have looked
 * up before: an overlay forgets all that nobody has open. The engine's at @rootfs; that of
 * a container by its init. Best effort, and nothing for what is no overlay.
 */
void overlay_root_refresh(const char *rootfs);
void overlay_root_refresh_in(pid_t init);

#endif
