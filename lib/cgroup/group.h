/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The groups of one sandbox: "cisandbox-NAME" in each hierarchy that has a
 * controller of ours, and always in cgroup2. No common parent: somebody would have to make
 * it, and to find the moment when nobody needs it. In cgroup2 it is delegated: the
 * sandbox's root may make groups below it and move processes there; the
 * files with the limits stay the host's.
 */
#ifndef CIS_CGROUP_GROUP_H
#define CIS_CGROUP_GROUP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "hierarchy.h"
#include "io.h"

#define GROUP_PREFIX "cisandbox-"
#define GROUP_LEAF "init.scope"

struct group_limits {
	uint64_t memory, cpus_milli, pids; /* 0: none */
	struct io_limits io;
};

struct group {
	struct hierarchies hs;         /* none of them: a user without groups */
	char name[120];                /* "cisandbox-NAME" */
	int dirs[CTL_COUNT + 1];       /* by hierarchy; -1: no group there */
	int tasks[CTL_COUNT + 1];      /* v1: open for joining; -1 on v2 */
	int leaf;                      /* cgroup2: where init lives, or -1 */
};

void group_init(struct group *g);
void group_done(struct group *g); /* closes; removes nothing */

/*
 * Says what the host cannot enforce: -EOPNOTSUPP naming limit, missing
 * controller and mode. Makes nothing.
 */
int group_check_limits(const struct hierarchies *hs, const struct group_limits *l,
		       struct cis_error *err);

/*
 * Looks for the hierarchies, and whether they can hold @l. -EEXIST: somebody has groups of
 * that name; they are not ours to remove, and @g is as it was.
 * @cache_dirfd: as for hierarchies_find().
 */
int group_choose(struct group *g, const char *name, const struct group_limits *l,
		 int cache_dirfd, struct cis_error *err);

/*
 * Makes what was chosen; nothing where a user has no groups. On failure group_remove()
 * takes away what is there. -EEXIST: as of group_choose(), from whom somebody has hidden.
 */
int group_create(struct group *g, const struct group_limits *l, uid_t owner,
		 struct cis_error *err);

/*
 * Other limits for groups that were made, and processes in them. -EOPNOTSUPP: io on a v1
 * host, where a group of that controller is not made unless it was asked for at first.
 */
int group_limit(struct group *g, const struct group_limits *l, struct cis_error *err);

/*
 * All processes stop where they are, new ones too, and use no cpu until they go on. Returns when
 * they have stopped. -EOPNOTSUPP: a user without groups; -ETIMEDOUT: one would not.
 */
int group_freeze(const struct group *g);
int group_thaw(const struct group *g);

/* Finds the groups of a sandbox that exists. */
int group_open(struct group *g, const char *name, int cache_dirfd, struct cis_error *err);

/* Stage or entering process, about itself: into the v1 groups. Raw calls. */
int group_join_v1_child(const struct group *g);

struct group_stat {
	uint64_t memory, memory_peak, cpu_usec, pids;
	uint64_t oom_kills, pids_refused;
};
/* What the host counts; the rest is 0. */
void group_stat(const struct group *g, struct group_stat *ret);
/* The cpu time of it alone. */
uint64_t group_cpu_usec(const struct group *g);

/* SIGKILL to every process of every group, until none is left or 5 s are over. */
int group_kill(const struct group *g);

/*
 * Removes the groups with all that the job made below them. Processes that are left in
 * them are killed. -EBUSY when one would not go.
 */
int group_remove(const struct group *g);

#endif
