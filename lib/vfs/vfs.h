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

/* @base: host id of the sandbox's root. @id: the helper's. *ret_mount: detached. */
int vfs_make(struct vfs *v, uid_t base, uid_t id, const cpu_set_t *cpus, int *ret_mount,
	     struct cis_error *err);
void vfs_connect(struct vfs *v, const struct group *g);
bool vfs_is_on(const struct vfs *v);

/* 0 or -errno. */
int vfs_spawn(struct vfs *v);
/* It is dead: reaps it. Milliseconds to wait before the next; *ret_status: wait status. */
unsigned int vfs_bury(struct vfs *v, int *ret_status);
/* So many quick deaths are worth an event. */
#define VFS_CRASH_LOOP 8
/* Kills it and drops the connection; vfs_done() waits for it. */
void vfs_drop(struct vfs *v);

/* What runs and waits in there, averaged like the kernel does: every 5 seconds. */
struct vfs_load {
	uint64_t average[3]; /* fixed point, as the kernel's */
	uint64_t added_msec, cpu_usec;
	unsigned int active;
};
void vfs_load_add(struct vfs_load *l, unsigned int active);
/*
 * Whether tasks are to be counted and added: 5 s are over, and some may be active. None
 * is, if none was the last time and no cpu time (@cpu_usec; 0: unknown) has been spent
 * since, for who becomes active spends some. Takes such times into the averages itself.
 */
bool vfs_load_is_due(struct vfs_load *l, uint64_t now_msec, uint64_t cpu_usec);
uint32_t vfs_load_hundredths(const struct vfs_load *l, size_t i);

/*
 * The cpus that a sandbox of @milli thousandths of one (0: no limit) runs on, out of
 * @allowed: as many as these come to, by turns with the other sandboxes.
 */
void vfs_pick_cpus(uint64_t milli, unsigned int turn, const cpu_set_t *allowed, cpu_set_t *ret);

#endif
