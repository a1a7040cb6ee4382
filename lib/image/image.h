/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The image store: read-only trees and stacks of layers by name, with a digest. */
#ifndef CIS_IMAGE_H
#define CIS_IMAGE_H

#include <stdint.h>

#include "../base/error.h"
#include "../base/str.h"
#include "store.h"

/*
 * Host paths of the directories of which an overlay makes the image's root, the topmost
 * first; and the image's own directory (compose.h), locked as by image_lock(). Returns 1 if the
 * root is one tree, which is to be opened as "rootfs" of that directory: what is at its path may
 * be another by then. -EINVAL for a name no image can have, -ENOENT; -EIO: it, or a layer, is
 * known to be corrupt; -EACCES: the host's policy of now does not admit it.
 */
int image_open(const char *name, struct strv *ret_paths, int *ret_dir, struct cis_error *err);

/*
 * A descriptor of the image's directory: as long as it, or a copy of it in any process, is
 * open, all of the image stays, though another may get the name. Errors as above.
 */
int image_lock(const char *name, struct cis_error *err);
/* @dir may be -1. Its last user has an image that was replaced taken away, without waiting. */
void image_close(int dir, const char *name);

/* Deletes the layers of @only (all, if NULL) that no image refers to and no import holds. */
int image_drop_unused(const struct store *s, struct strv *only, uint64_t *ret_layers,
		      uint64_t *ret_bytes, struct cis_error *err);
/* Under the lock of the store: no sandbox runs from an image with that layer, or -EBUSY. */
int image_layer_is_idle(const struct store *s, const char *hex, struct cis_error *err);

#endif
