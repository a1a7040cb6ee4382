/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What of an image's configuration becomes annotations of a container. */
#ifndef CIS_IMAGE_ANNOTATIONS_H
#define CIS_IMAGE_ANNOTATIONS_H

#include "../base/error.h"
#include "../base/str.h"

/*
 * "KEY=VALUE", as the image-spec's conversion has them, of config.json in the image's
 * directory @dir; none without one. A label of a key that is not the image-spec's becomes
 * IMAGE_LABEL and its key: runtimes do what annotations say, and the image is a stranger's.
 */
#define IMAGE_LABEL "io.cisandbox.image.label."
int image_annotations_read(int dir, const char *image, struct strv *ret,
			   struct cis_error *err);

#endif
