/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What all ways into the store end with. */
#ifndef CIS_IMAGE_IMPORT_H
#define CIS_IMAGE_IMPORT_H

#include <stdbool.h>

#include "../base/error.h"
#include "compose.h"
#include "store.h"

/* @w's directory "image" becomes the image @name, in place of one that has it: image.c. */
int import_publish(const struct work *w, const char *name, struct cis_error *err);
/* One layer being bad, those before it are of no use: the store is to be as it was. */
void import_forget_layers(const struct store *s, struct holds *holds);
/*
 * The error @r of @what, with a full disk said to be one: to be called while all that filled
 * it is still there. @what may be NULL. @is_tree: by tar, which seldom says so itself.
 */
int import_explain(const struct store *s, const char *what, bool is_tree, int r,
		   struct cis_error *err);

#endif
