/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What an image wants of whoever runs it, where nobody says otherwise. */
#ifndef CIS_IMAGE_CONFIG_H
#define CIS_IMAGE_CONFIG_H

#include "../base/error.h"
#include "../base/json.h"
#include "../base/str.h"

struct image_config {
	struct strv env, entrypoint, cmd;
	char *user, *workdir; /* NULL: none */
	int stop_signal;      /* 0: none */
};
void image_config_done(struct image_config *c);

/* Of a document with an object "config", as config.json is one. */
int image_config_parse(const struct json *doc, struct image_config *ret, struct cis_error *err);
/* Such an object, of what concerns another command in the same sandbox. */
struct json *image_config_for_exec(const struct image_config *c);

/* config.json of the image's directory @dir; without one nothing is wanted. */
int image_config_read(int dir, const char *image, struct image_config *ret,
		      struct cis_error *err);

#endif
