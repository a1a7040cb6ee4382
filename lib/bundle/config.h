/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * config.json of a bundle that any runtime runs: out of plain data, and of nothing else, so
 * the same data give the same bytes. sandbox-bundle.c gathers it, tree.c has the root.
 */
#ifndef CIS_BUNDLE_CONFIG_H
#define CIS_BUNDLE_CONFIG_H

#include "../plan.h"

#define BUNDLE_MAPS_MAX 8

struct bundle_map {
	uint32_t inside, outside, count;
};

struct bundle_maps {
	struct bundle_map v[BUNDLE_MAPS_MAX];
	size_t n;
};

struct bundle_config {
	const struct spec *spec;
	const struct plan_exec *exec;
	const struct strv *annotations; /* the image's, "KEY=VALUE" */
	const struct strv *sources;     /* of the spec's binds: absolute */
	struct bundle_maps uids, gids;  /* none: no user namespace */
};

/* Whether engines are to run inside: then root has all rights that a user namespace gives. */
bool bundle_has_engines(const struct spec *s);

/* *ret: the text, pretty. -errno. */
int bundle_config_write(const struct bundle_config *c, char **ret);

#endif
