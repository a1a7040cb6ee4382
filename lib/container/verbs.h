/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the verbs on an existing container share. */
#ifndef CIS_CONTAINER_VERBS_H
#define CIS_CONTAINER_VERBS_H

#include "config.h"
#include "container.h"

/* The config the container was made from. config_done() in any case. */
int verb_config(const struct container *ct, struct config *ret, struct cis_error *err);
/* All of a locked one; with @force one that runs, too. */
int container_delete(struct container *ct, bool force, struct cis_error *err);

#endif
