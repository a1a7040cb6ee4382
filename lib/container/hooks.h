/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Hooks: programs the config names, which get the container's state on stdin. They get
 * nothing else of us: their environment is what the config gives them, and no
 * descriptor above stderr is open. What they say is for the sentence of their failure.
 */
#ifndef CIS_CONTAINER_HOOKS_H
#define CIS_CONTAINER_HOOKS_H

#include "config.h"

/* Other namespaces (mount, network, ipc, uts, cgroup) than ours, while the root is the host's. */
struct hook_place {
	int pidfd;       /* of a process in them */
	const char *dir; /* the container's root file system there */
};

/*
 * Runs those of one point in order. @state: text. @place: NULL for where we are. The first
 * that fails or takes too long ends it. Not for startContainer: those are the container's
 * own programs, and hooks-child.c's.
 */
int hooks_run(const struct config *c, enum hook_point point, const char *state,
	      const struct hook_place *place, struct cis_error *err);
/* The sentence when the @i-th of startContainer ended with @status; @out: what it said. */
int hooks_explain_start(const struct config *c, size_t i, int status, int out,
			struct cis_error *err);

#endif
