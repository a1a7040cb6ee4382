/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What an image wants of whoever runs it, where nobody says otherwise. */
#ifndef CIS_IMAGE_CONFIG_H
#define CIS_IMAGE_CONFIG_H

#include "base/error.h"
#include "base/str.h"

struct image_config {
	struct strv env, entrypoint, cmd;
	char *user, *workdir; /* NULL: none */
	int stop_signal;      /* 0: none */
};
void image_config_done(struct image_config *c);

/* config.json of the image's directory @dir; without one nothing is wanted. */
int image_config_read(int dir, const char *image, struct image_config *ret,
		      struct cis_error *err);

#endif
