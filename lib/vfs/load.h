/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The load of a sandbox: its own tasks, counted as often as the kernel counts all of them,
 * by whoever keeps its virtual files: a supervisor, or a container's keeper, which is a
 * clone and so has raw calls only.
 */
#ifndef CIS_VFS_LOAD_H
#define CIS_VFS_LOAD_H

#include "numbers.h"

struct vfs_load {
	uint64_t average[3]; /* fixed point, as the kernel's */
	uint64_t added_msec, cpu_usec;
	unsigned int active;
	bool idles; /* the last time it was due nothing had happened */
};

/*
 * Now and then: what is over since the last time, in steps of 5 s. @cpu_usec: spent by the
 * sandbox so far; 0: unknown. @dir: its group of cgroup2, or of any version.
 */
void vfs_load_note(struct vfs_load *l, uint64_t now_msec, uint64_t cpu_usec, int dir,
		   struct vfs_facts *facts);

/* Cpu time of a group as above; 0: unknown. */
uint64_t vfs_load_cpu_usec(int dir);

/*
 * Parts of it. Whether tasks are to be counted and added: 5 s are over, and some may be
 * active. None is, if none was the last time and no cpu time has been spent since, for
 * who becomes active spends some. Takes such times into the averages itself.
 */
bool vfs_load_is_due(struct vfs_load *l, uint64_t now_msec, uint64_t cpu_usec);
void vfs_load_add(struct vfs_load *l, unsigned int active);
uint32_t vfs_load_hundredths(const struct vfs_load *l, size_t i);

#endif
