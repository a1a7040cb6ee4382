/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Hooks: programs the config names, which get the container's state on stdin. They get
 * nothing else of us: their environment is what the config gives them, and no
 * descriptor above stderr is open.
 */
#ifndef CIS_CONTAINER_HOOKS_H
#define CIS_CONTAINER_HOOKS_H

#include "config.h"

/*
 * Runs those of one point in order. @state: text. @pidfd: of a process whose namespaces
 * (mount, network, ipc, uts, cgroup) they are run in; -1: ours. @inside: its root too.
 * The first that fails or takes too long ends it.
 */
int hooks_run(const struct config *c, enum hook_point point, const char *state, int pidfd,
	      bool inside, struct cis_error *err);

#endif
