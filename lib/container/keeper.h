/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Virtual files (vfs/) of a container. A sandbox has a supervisor that keeps them; create
 * ends, so it leaves one behind: the keeper, which is nobody's child but the reaper's of
 * orphans, holds the connection, replaces the helper when it dies, samples the load, and
 * ends when init has. It has nothing open that an engine could wait for, is in none
 * of the container's groups and namespaces, and no other program talks to it.
 *
 * Rejected: one for all containers, whose death would be everybody's; init as the keeper:
 * it becomes the command.
 */
#ifndef CIS_CONTAINER_KEEPER_H
#define CIS_CONTAINER_KEEPER_H

#include "../base/args.h"
#include "../vfs/load.h"
#include "../vfs/vfs.h"
#include "config.h"
#include "container.h"
#include "shown-cpus.h"

#define VFS_ANNOTATION "io.cisandbox.vfs" /* on, off */

struct keeper {
	bool on;
	bool is_missing;  /* it would be on, but cannot be had */
	struct shown_cpus *cpus; /* shared with init, who begins on them; NULL if not on */
	int mount;        /* detached, for init to attach; or -1 */
	struct vfs vfs;
	int talk;         /* to it: where it is told who init is; -1 when it has been */
	int pidfd;        /* of it */
	pid_t pid;
	uint64_t started; /* with the pid it names the process for good */
	/* its own */
	const char *id; /* of the container */
	int hears, tasks;
	struct args_area args;
	struct vfs_load load;
	uint64_t pause_msec; /* until it samples that again */
};

void keeper_init(struct keeper *k);
void keeper_done(struct keeper *k); /* closes; the process lives on */

/*
 * Whether there are to be virtual files, and then their file system, detached. @base: host
 * id of root of the container @id.
 */
int keeper_decide(struct keeper *k, const struct config *c, bool by_default, uid_t base,
		  const char *id, struct cis_error *err);
/* Once the groups are there, and before there is an init: which cpus it is shown. */
void keeper_look(struct keeper *k, const struct place *p);
/* Then, too: the process, and with it the helper. */
int keeper_start(struct keeper *k, const char *id, const struct place *p, struct cis_error *err);
/* From now on it lives as long as @init. */
int keeper_settle(struct keeper *k, pid_t init, struct cis_error *err);
/* There will be no container. */
void keeper_cancel(struct keeper *k);

/* Who it is: in state.json. */
void keeper_save(const struct keeper *k, struct json *doc);
bool keeper_is_in(const struct json *doc);
/* Init is gone: waits until it is, too. */
void keeper_await(const struct json *doc);

#endif
