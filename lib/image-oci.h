/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What an image in a directory says of itself: an OCI layout, or what docker save wrote,
 * unpacked. Every word of it is a stranger's.
 */
#ifndef CIS_IMAGE_OCI_H
#define CIS_IMAGE_OCI_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "image-unpack.h"

struct oci_layer {
	char diff[UNPACK_HEX], blob[UNPACK_HEX]; /* blob is "" where nobody says */
	char chain[UNPACK_HEX];                  /* of it and all below */
	uint64_t size;                           /* of the blob */
	char *path;                              /* below the directory */
};

struct oci_image {
	char digest[UNPACK_HEX];  /* of the manifest; of the config if there is none */
	char *manifest, *config;  /* their text; manifest may be NULL */
	struct oci_layer *layers; /* the lowest first */
	size_t n_layers;
};
void oci_image_done(struct oci_image *img);

/* Whether the directory is one of these. */
bool oci_is_image(int dir);

/*
 * The image called @ref in it, or the only one there is if @ref is NULL; of several
 * platforms that of this machine. Digests of all but layers are verified.
 */
int oci_read(int dir, const char *ref, struct oci_image *ret, struct cis_error *err);

/* A regular file below the directory, its size as the manifest says. */
int oci_open_layer(int dir, const struct oci_layer *layer, struct cis_error *err);

#endif
