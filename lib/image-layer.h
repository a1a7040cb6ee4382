/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Layers of the store: unpacked once, named by what they hold, shared by images. */
#ifndef CIS_IMAGE_LAYER_H
#define CIS_IMAGE_LAYER_H

#include <stdint.h>

#include "base/error.h"
#include "image-store.h"
#include "image-unpack.h"

#define IMAGE_LAYERS_MAX 128

/*
 * A descriptor that keeps the layer from being pruned while it is open. -ENOENT, without a
 * message: it is not there, or what is there is known to be corrupt.
 */
int layer_hold(const struct store *s, const char *hex, struct cis_error *err);

struct layer_source {
	const char *chain;       /* its name */
	const char *diff, *blob; /* sha256 in hex; blob may be NULL: only diff is known */
	const struct strv *below; /* names of layers below it, the lowest first */
	uint64_t size;           /* of the blob; not looked at without one */
	int fd;
};

/*
 * Unpacks it in @w and makes it one of the store's, in place of a corrupt one if no
 * sandbox runs from that. Held as above.
 */
int layer_add(const struct work *w, const struct unpacker *u, const struct layer_source *src,
	      struct cis_error *err);

/* Bytes of its files. */
int layer_size(const struct store *s, const char *hex, uint64_t *ret, struct cis_error *err);

/* Compares it with what was unpacked; -EIO: it is corrupt, and from now on marked so. */
int layer_verify(const struct store *s, const struct unpacker *u, const char *hex,
		 struct cis_error *err);
bool layer_is_corrupt(const struct store *s, const char *hex);

/* Under the lock of the store: moves those not in @used (sorted) to @w. */
int layers_drop(const struct work *w, const struct strv *used, uint64_t *ret_layers,
		uint64_t *ret_bytes, struct cis_error *err);

#endif
