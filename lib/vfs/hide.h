/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Init: takes out of /sys what the sandbox does not have. */
#ifndef CIS_VFS_HIDE_H
#define CIS_VFS_HIDE_H

#include <sched.h>
#include <stdbool.h>

/*
 * @sys: the sandbox's sysfs, attached. Of devices/system/cpu stay the cpus in @shown, of
 * devices/system/node, if @one_node or a cpu is hidden, node0; firmware becomes empty, and
 * with @one_node devices/system/memory.
 * Before vfs_cover_child(), whose files go on top. Unlocked, as these are. Raw calls.
 */
int vfs_hide_child(int sys, const cpu_set_t *shown, bool one_node);

#endif
