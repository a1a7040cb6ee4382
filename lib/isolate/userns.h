/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The user namespace: who is root inside, and how our processes get there. */
#ifndef CIS_ISOLATE_USERNS_H
#define CIS_ISOLATE_USERNS_H

#include <stdint.h>
#include <sys/types.h>

/*
 * Effective and file-system ids become @base, all capabilities stay. A user
 * namespace made next is then owned by @base, so that its inotify, namespace and key
 * counts are charged to it and not to the host's root.
 *
 * Mustn't: run in a thread of the caller, whose process would become undumpable.
 */
int userns_become_owner_child(uid_t base);

/* Ids 0..count-1 of @pid's user namespace are @base.. on the host. Raw calls only. */
int userns_write_maps(pid_t pid, uid_t base, uint32_t count);

/* And the id @count inside is @uid and @gid. */
int userns_write_maps_with(pid_t pid, uid_t base, uint32_t count, uid_t uid, gid_t gid);
/*
 * Ids 0..count-1 of it are the same of ours, where these are pieces: the kernel takes no range
 * that spans two. Not for children.
 */
int userns_write_same_maps(pid_t pid, uint32_t count);

/* A descriptor of @pid's user namespace. */
int userns_open(pid_t pid);

/* Init and payload: root of the user namespace, no supplementary groups. */
int userns_become_root_child(void);

#endif
