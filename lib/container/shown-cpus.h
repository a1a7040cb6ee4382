/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A container's virtual files show as many cpus as its quota comes to. Who asks the
 * scheduler instead, nproc(1) and most runtimes of languages, shall hear the same: so its
 * processes begin with these as their affinity. Not a limit, and not for ever: update
 * moves those that have not chosen another.
 */
#ifndef CIS_CONTAINER_SHOWN_CPUS_H
#define CIS_CONTAINER_SHOWN_CPUS_H

#include "../cgroup/place.h"
#include "../vfs/numbers.h"

struct shown_cpus {
	cpu_set_t allowed, shown;
	bool fewer; /* are shown than allowed */
};

/*
 * By which the shown ones take turns: the host id of the container's root, or where they
 * all have the same, as in a sandbox, its name.
 */
unsigned int shown_cpus_turn(uid_t base, const char *id);

void shown_cpus_read(struct shown_cpus *ret, const struct place *p, unsigned int turn);
/* The quota or the set have changed: moves threads that have what @before says. */
void shown_cpus_move(const struct shown_cpus *before, const struct place *p,
		     unsigned int turn);

/* Its parts, for the keeper. */
void shown_cpus_groups(const struct place *p, struct vfs_groups *ret);
void shown_cpus_facts(unsigned int turn, struct vfs_facts *ret);

#endif
