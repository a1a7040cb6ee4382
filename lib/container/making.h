/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A container while it is made, as the caller's two files share it. */
#ifndef CIS_CONTAINER_MAKING_H
#define CIS_CONTAINER_MAKING_H

#include "box.h"
#include "container.h"
#include "create.h"
#include "keeper.h"
#include "network.h"
#include "overlay-root.h"

struct making {
	const struct cis_oci *rt;
	const struct cis_oci_create *how;
	const struct create_more *more; /* or NULL */
	struct config config;
	struct container ct;
	struct box box;
	struct overlay_root overlay;
	struct network network;
	struct keeper keeper;
	char *bundle_path;
	const char *config_name; /* in it */
	int bundle;
	int stage; /* pidfd */
	bool docker, nested; /* profile */
	bool made_place, made_directory, took_shared;
	bool made_gate;
};

/* decide.c. In this order; between them the container gets its directory. */
int making_load(struct making *m, struct cis_error *err);
int making_decide(struct making *m, struct cis_error *err);

#endif
