/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where engines inside a sandbox keep their data: overlays cannot lie on an overlay, so
 * each of these directories is on a real disk. What the user mounts there is respected,
 * and belongs to one sandbox at a time.
 */
#ifndef CIS_CONTAINER_ENGINE_DIRS_H
#define CIS_CONTAINER_ENGINE_DIRS_H

#include "config.h"

/*
 * Those that nothing is mounted at, from @dir beside the upper layer: they live as long as it
 * does. Where the root is read-only also /run, /tmp and /etc/docker, as tmpfs.
 */
int engine_dirs_add(struct config *c, const char *rootfs, const char *dir,
		    struct cis_error *err);

/*
 * What the user mounts there is ours until engine_dirs_release(), or until init or the
 * one that makes it dies. @path: of the container; @bundle: where relative sources
 * begin. -EBUSY: another container has it, and is named.
 */
int engine_dirs_claim(const struct config *c, const char *path, int bundle,
		      struct cis_error *err);
void engine_dirs_release(const char *path);

#endif
