/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A handle's sandbox that was described by an OCI bundle, as the host knows it: outside a
 * sandbox as any other, with a state directory, a lock and a journal, so list, inspect,
 * wait and reap know it; inside a container of lib/container, whose directory is
 * STATE/.bundles/ID.
 */
#ifndef CIS_BUNDLE_H
#define CIS_BUNDLE_H

#include <cisandbox.h>

#include "cgroup/group.h"
#include "cgroup/place.h"

#define BUNDLE_ROOT ".bundles" /* below the state root; no sandbox can have this id */

/* Where such containers are; *ret_root is the caller's, and *ret points to it. */
int bundle_runtime(struct cis_oci *ret, char **ret_root, struct cis_error *err);

void bundle_stat(const struct place *p, struct group_stat *ret);
/* By id. -ENOENT: it is no bundle's. */
int bundle_stat_of(const char *id, struct group_stat *ret);

/* Kills it, runs its poststop hooks, removes all that was made. */
int bundle_remove(const char *id, struct cis_error *err);

#endif
