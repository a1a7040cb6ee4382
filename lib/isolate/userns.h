/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The user namespace: who is root inside, and how the stage and init get there. */
#ifndef CIS_ISOLATE_USERNS_H
#define CIS_ISOLATE_USERNS_H

#include <stdint.h>
#include <sys/types.h>

/*
 * Stage: effective and file-system ids become @base, all capabilities stay.
 * The user namespace made next is then owned by @base, so that its inotify,
 * namespace and key counts are charged to it and not to the host's root.
 *
 * Mustn't: run in a thread of the caller, whose process would become undumpable.
 */
int userns_become_owner_stage(uid_t base);

/* Stage: ids 0..count-1 of @pid's user namespace are @base.. on the host. */
int userns_write_maps_stage(pid_t pid, uid_t base, uint32_t count);

/* Init and payload: root of the user namespace, no supplementary groups. */
int userns_become_root_child(void);

#endif
