/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The image store: read-only trees by name, with a digest. */
#ifndef CIS_IMAGE_H
#define CIS_IMAGE_H

#include "base/error.h"

/* Host path of the image's root. -EINVAL for a name no image can have, -ENOENT. */
int image_rootfs_path(const char *name, char **ret, struct cis_error *err);

/*
 * A descriptor: as long as it, or a copy of it in any process, is open, the image is
 * neither removed nor replaced. Take it before opening the tree. Errors as above.
 */
int image_lock(const char *name, struct cis_error *err);

#endif
