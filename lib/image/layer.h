/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Layers of the store: unpacked once, named by what they hold, shared by images. */
#ifndef CIS_IMAGE_LAYER_H
#define CIS_IMAGE_LAYER_H

#include <stdint.h>

#include "../base/error.h"
#include "store.h"
#include "unpack.h"

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
	unpack_tell *tell;       /* may be NULL */
	void *arg;
};

/*
 * Unpacks it in @w and makes it one of the store's, in place of a corrupt one if no
 * sandbox runs from that. Held as above. What it made before it failed stays in @w.
 */
int layer_add(const struct work *w, const struct unpacker *u, const struct layer_source *src,
	      struct cis_error *err);

/* Bytes of its files; of those that have fs-verity. */
int layer_size(const struct store *s, const char *hex, uint64_t *ret, uint64_t *ret_verity,
	       struct cis_error *err);

/* Compares it with what was unpacked; -EIO: it is corrupt, and from now on marked so. */
int layer_verify(const struct store *s, const struct unpacker *u, const char *hex,
		 struct cis_error *err);
/* 1: by verify, or it is gone; 0; -errno: we cannot say. */
int layer_is_corrupt(const struct store *s, const char *hex);
/* 1: its root is opaque, which overlayfs heeds in directories below a root only; 0; -errno. */
int layer_hides_below(const struct store *s, const char *hex);

/* On their way out: nobody finds them any more, and nobody else deletes them. */
#define LAYERS_AT_ONCE 64
struct hidden_layers {
	int fds[LAYERS_AT_ONCE];
	char hex[LAYERS_AT_ONCE][UNPACK_HEX];
	size_t n;
	uint64_t bytes; /* of their files */
};

/*
 * Under the lock of the store: those of @only (all, if NULL) that are not in @used, but no
 * more than there is room for. Both are sorted. Nothing is made by it: the disk may be full.
 */
int layers_hide(const struct store *s, const struct strv *only, const struct strv *used,
		struct hidden_layers *ret, struct cis_error *err);
/* Without it. */
int layers_delete(const struct store *s, struct hidden_layers *h, struct cis_error *err);

#endif
