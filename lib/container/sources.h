/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What of the host goes into a container: detached mounts, taken before anything is cloned. */
#ifndef CIS_CONTAINER_SOURCES_H
#define CIS_CONTAINER_SOURCES_H

#include "box.h"

/* Fills root, trees, is_file, devices of @b; @bundle is where relative paths begin. */
int sources_take(struct box *b, int bundle, struct cis_error *err);
/*
 * Once the container's user namespace has its ids: those mounts that asked for them. @c
 * is b->c: one that cannot be may become another.
 */
int sources_idmap(struct box *b, struct config *c, int userns, struct cis_error *err);
/*
 * Where in the root mount @m has its source, or NULL. Such a bind is not taken before: what
 * stands there may be another mount of the config.
 */
const char *sources_in_root(const struct box *b, const struct config_mount *m);
int sources_set_attrs_child(int tree, const struct config_mount *m);
/* Once the groups are made, for a container that shares the host's cgroup namespace. */
int sources_take_groups(struct box *b, struct cis_error *err);
void sources_done(struct box *b);

#endif
