/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What of a layer depends on those below it, and what only the host's root may do. */
#ifndef CIS_IMAGE_FIX_H
#define CIS_IMAGE_FIX_H

#include "../base/error.h"
#include "store.h"
#include "unpack.h"

struct layer_fix {
	int root; /* of the layer that is being unpacked */
	const struct work *w;
	const struct strv *below; /* names of the layers below, the lowest first */
};

/* An unpack_turn; @arg is a struct layer_fix. */
int layer_fix_turn(const struct unpacked *u, void *arg, struct cis_error *err);

/* 1: the open directory hides those below it; 0; -errno. */
int layer_is_opaque(int dir);
/* 1: @path is a directory that should hide those below it, and does not; 0; -errno. */
int layer_lost_opaque(int root, const char *path);

#endif
