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
 * (mount, network, ipc, uts, cgroup) they are run in, while its root is still the
 * host's; -1: ours. The first that fails or takes too long ends it. Not for startContainer:
 * those are the container's own programs, and hooks-child.c's.
 */
int hooks_run(const struct config *c, enum hook_point point, const char *state, int pidfd,
	      struct cis_error *err);

#endif
