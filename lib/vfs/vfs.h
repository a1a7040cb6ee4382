/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The supervisor's side of the virtual files: the connection, the memory that outlives
 * helpers, and the helper of the moment.
 *
 *	vfs_make()    opens /dev/fuse and makes the mount, detached      prepare.c
 *	vfs_connect() opens what there is to read, once groups exist     launch.c
 *	vfs_spawn()   clones a helper; again when it has died            launch.c, supervise.c
 *	vfs_drop()    kills it and drops the connection: whoever waits inside for an
 *	              answer is woken by an error instead of hanging
 *
 * The file system is of the host's user namespace, as the root's overlay is: made there it
 * needs nobody to go inside and come back with a descriptor, and /dev/fuse of the host
 * alone. What init binds over /proc is a clone made inside, hence not locked.
 *
 * The helper ends by itself when the file system is gone, which is when the last
 * process inside is: nobody has to survive to end it.
 */
#ifndef CIS_VFS_VFS_H
#define CIS_VFS_VFS_H

#include "../base/error.h"
#include "helper.h"

struct vfs {
	struct helper helper;
	struct vfs_sources sources;
	int pidfd;               /* of the helper, or -1 */
	uint64_t spawned_msec;
	unsigned int quick_deaths; /* in a row */
};

void vfs_init(struct vfs *v);
void vfs_done(struct vfs *v);

/* Whether this process can open /dev/fuse. 0 or -errno. */
int vfs_probe(void);

/*
 * @base: host id of the sandbox's root. @id: the helper's. @without: how to have none, for
 * the message. *ret_mount: detached.
 */
int vfs_make(struct vfs *v, uid_t base, uid_t id, const cpu_set_t *cpus, const char *without,
	     int *ret_mount, struct cis_error *err);
void vfs_connect(struct vfs *v, const struct vfs_groups *g);
bool vfs_is_on(const struct vfs *v);

/* 0 or -errno. */
int vfs_spawn(struct vfs *v);
/* It is dead: reaps it. Milliseconds to wait before the next; *ret_status: wait status. */
unsigned int vfs_bury(struct vfs *v, int *ret_status);
/* So many quick deaths are worth an event. */
#define VFS_CRASH_LOOP 8
/* Kills it and drops the connection; vfs_done() waits for it. */
void vfs_drop(struct vfs *v);

#endif
