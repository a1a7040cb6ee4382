/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What people call an image of a registry, as docker understands it. */
#ifndef CIS_IMAGE_REF_H
#define CIS_IMAGE_REF_H

#include "../base/error.h"
#include "store.h"
#include "unpack.h"

struct image_ref {
	char *repo;		 /* "docker.io/library/debian" */
	char *tag;		 /* NULL if there is only a digest; "latest" if neither */
	char digest[UNPACK_HEX]; /* of sha256, or "" */
	char name[IMAGE_NAME_LEN + 1]; /* in our store, where nobody says another; or "" */
};
void image_ref_done(struct image_ref *ref);

/*
 * "[docker://][HOST[:PORT]/]PATH[:TAG][@sha256:HEX]". -EINVAL. Pure; no registry is asked. The
 * name is empty where it would be too long.
 */
int image_ref_parse(const char *text, struct image_ref *ret, struct cis_error *err);

/* "docker.io/library/debian:12", what a pull of it says it came from; the caller frees. */
int image_ref_format(const struct image_ref *ref, char **ret);

#endif
