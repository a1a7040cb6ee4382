/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The part of cgroup2 that was delegated to a user: a hierarchy that begins there. */
#ifndef CIS_CGROUP_OWN_H
#define CIS_CGROUP_OWN_H

#include "hierarchy.h"

/*
 * The group that sandboxes are to be made in: our own if nobody else is in it, or the nearest
 * above that is ours to divide. None: ret->n is 0. -EPERM: one that root inside could change
 * from within, being the same user.
 */
int own_find(struct hierarchies *ret, struct cis_error *err);

/*
 * In cgroup2 a group has processes or hands controllers on: if we are in the very group that
 * is to be divided, into one below it. Before anything is cloned.
 */
int own_step_aside(struct cis_error *err);

#endif
