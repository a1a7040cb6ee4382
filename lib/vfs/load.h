/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The load of a sandbox: its own tasks, counted as often as the kernel counts all of them,
 * by whoever keeps its virtual files: a supervisor, or a container's keeper, which is a
 * clone and so has raw calls only.
 */
#ifndef CIS_VFS_LOAD_H
#define CIS_VFS_LOAD_H

#include "numbers.h"

#define VFS_LOAD_SEC 5

struct vfs_load {
	uint64_t average[3]; /* fixed point, as the kernel's */
};

/* Every VFS_LOAD_SEC seconds. @dir: its group of cgroup2, or of any version. */
void vfs_load_note(struct vfs_load *l, int dir, struct vfs_facts *facts);

/* Parts of it. */
void vfs_load_add(struct vfs_load *l, unsigned int active);
uint32_t vfs_load_hundredths(const struct vfs_load *l, size_t i);

#endif
