/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* image.json: what the store knows of an image. */
#ifndef CIS_IMAGE_INFO_H
#define CIS_IMAGE_INFO_H

#include <cisandbox.h>

#include "../base/error.h"
#include "../base/json.h"
#include "../base/str.h"
#include "admit.h"
#include "store.h"

struct image_info {
	struct cis_image img;
	struct strv layers; /* chain ids in hex, the topmost first; none: it has a tree */
	uint64_t verity;    /* of a tree: bytes of its files that have fs-verity */
	char *source;       /* what was pulled: "docker.io/library/debian:12"; NULL: it was not */
	struct admit_record admitted;
	bool broken; /* image.json cannot be read: only its name is known, and what its links say */
};
void image_info_done(struct image_info *info);

struct json *image_info_json(const struct image_info *info);
/* As a new file of the directory. -errno. */
int image_info_write(int dir, const struct image_info *info);
/* In place of the one that is there, in one step. Under the lock of the store. -errno. */
int image_info_replace(int dir, const struct image_info *info);
int image_info_read(const struct store *s, int dir, const char *name, struct image_info *ret,
		    struct cis_error *err);

#endif
