/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What all ways into the store end with. */
#ifndef CIS_IMAGE_IMPORT_H
#define CIS_IMAGE_IMPORT_H

#include <stdbool.h>

#include "base/error.h"
#include "image-compose.h"
#include "image-store.h"

/* Says early what import_publish() would say in the end. */
int import_check_free(const struct store *s, const char *name, struct cis_error *err);
/* @w's directory "image" becomes the image @name, in place of one that has it. */
int import_publish(const struct work *w, const char *name, struct cis_error *err);
/* One layer being bad, those before it are of no use: the store is to be as it was. */
void import_forget_layers(const struct work *w, struct holds *holds);
/* What failed seldom says so: tar goes on with smaller files. */
bool import_is_full(int fd);

#endif
