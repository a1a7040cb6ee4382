/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What an image in a directory says of itself: an OCI layout, or what docker save wrote,
 * unpacked. Every word of it is a stranger's.
 */
#ifndef CIS_IMAGE_OCI_H
#define CIS_IMAGE_OCI_H

#include <stdbool.h>
#include <stdint.h>

#include "../base/error.h"
#include "unpack.h"

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

/* For which machine, as Go has it: "linux", "amd64". */
struct oci_platform {
	char os[32], arch[32], variant[32]; /* variant is "" where any will do */
};
/* "OS/ARCH[/VARIANT]". -EINVAL. */
int oci_platform_parse(const char *text, struct oci_platform *ret, struct cis_error *err);

/* Whether the directory is one of these. */
bool oci_is_image(int dir);

/*
 * The image called @ref in it, or the only one there is if @ref is NULL; of several
 * platforms @platform, or if that is NULL that of this machine. Digests of all but layers are
 * verified.
 */
int oci_read(int dir, const char *ref, const struct oci_platform *platform,
	     struct oci_image *ret, struct cis_error *err);

/* What a manifest or an index of a registry leads to. */
struct oci_lead {
	bool is_index;
	char media[128];     /* its own media type */
	char hex[UNPACK_HEX]; /* of the image's configuration, or of the entry for the platform */
	uint64_t size;
};
/* Pure. @what: its name in messages. -EINVAL: neither, or one that could not be imported. */
int oci_follow(const char *text, size_t len, const char *what,
	       const struct oci_platform *platform, struct oci_lead *ret, struct cis_error *err);

/* A regular file below the directory, its size as the manifest says. */
int oci_open_layer(int dir, const struct oci_layer *layer, struct cis_error *err);

#endif
