/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An image of layers, made from a directory that has them all as blobs. */
#ifndef CIS_IMAGE_COMPOSE_H
#define CIS_IMAGE_COMPOSE_H

#include <cisandbox.h>

#include "../base/error.h"
#include "admit.h"
#include "info.h"
#include "layer.h"
#include "oci.h"

/* Layers that are not to be pruned before the image refers to them. */
struct holds {
	int fds[IMAGE_LAYERS_MAX];
	size_t n;
	struct strv made; /* names of those that the store lacked */
};
void holds_let_go(struct holds *h);
void holds_done(struct holds *h);

/* An image becomes @w's directory "image"; layers that the store lacks are unpacked into it. */
struct compose {
	const struct work *w;
	const struct unpacker *u;
	int dir;
	const struct oci_image *img; /* as oci_read() has it of @dir */
	const char *name;
	const char *source;     /* for image.json; may be NULL */
	struct admit_record *admitted; /* the same, and taken over */
	uint64_t deadline;      /* now_msec() after which no layer is begun; 0: none */
	/* CIS_IMAGE_UNPACK; may be NULL */
	void (*progress)(const struct cis_image_progress *p, void *arg);
	void *arg;
};
int compose_image(const struct compose *c, struct holds *holds, struct cis_error *err);

/* Of whose image.json cannot be read: layers that its links, if any are left, lead to, in hex. */
int compose_linked(int dir, struct strv *ret);

/*
 * Whether all of the image's directory but image.json is as it was made, that is, all but the
 * layers: cheap enough for each start. -EIO: it is corrupt.
 */
int compose_check(int dir, const struct image_info *info, struct cis_error *err);

#endif
