/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which scratch a spec gets on this host, and where: between spec, state and fs/scratch.h. */
#ifndef CIS_DISK_H
#define CIS_DISK_H

#include "fs/scratch.h"
#include "spec.h"
#include "state.h"

/* The limit in bytes that a spec asks for, or the default. */
uint64_t disk_size(const struct spec *s);

/*
 * What it is made of. Probes, makes nothing; the directory of disks may not exist yet.
 * Where a back end is asked for that this host has not: -errno, and the reason.
 */
int disk_choose(const struct spec *s, enum cis_disk *ret, struct cis_error *err);

/* The directory of disks, or what it would be made in: one file system. fd or -errno. */
int disk_open_dir(struct cis_error *err);

/* Makes it, journalled. The descriptor of its detached mount. */
int disk_make(struct state *st, const struct spec *s, enum cis_disk kind, uid_t base,
	      struct cis_error *err);

/* Of a live sandbox somebody else supervises: by its directory, if it has one, or by init. */
int disk_usage_of(const struct state *st, pid_t init, struct scratch_usage *ret);

/*
 * The root of the live process @init, if so much is on the disk @mount below it that the
 * kernel will take long to drop it; -1: it will not, or @init is no more.
 */
int disk_hold(pid_t init, int mount);

/*
 * Closes both: the mount of a disk of @kind that is over, and disk_hold()'s. If it is a loop
 * device's, or much is on it, another process is the last to do so.
 */
void disk_let_go(enum cis_disk kind, int *mount, int *held);

/*
 * Removes disks that are nobody's: of earlier boots, of state roots that are gone. With @wait
 * nothing is left of them, else it has been begun.
 */
int disk_sweep(bool wait, struct cis_error *err);

/* What the host still has for disks; UINT64_MAX where that cannot be told. */
uint64_t disk_host_left(void);

#endif
