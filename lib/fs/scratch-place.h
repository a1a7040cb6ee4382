/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where on the host's file system disks with a name are, and who may remove them:
 *
 *	DIR/PLACE/NAME    a disk; PLACE is its owner's, a state root of one boot
 *	DIR/gone/NAME.N   a disk that is over, being removed
 *
 * Whoever has a disk in a place keeps a shared lock on the place, which the kernel drops
 * with him: so a place that can be locked for oneself is nobody's any more, whoever made
 * it. It may be of an earlier boot, or of a container that has gone with its state root.
 * That the boot differs is not enough: some containers are shown a boot id of their own,
 * and two of them may share DIR. A process of the dead that still writes for a moment
 * costs nobody anything but that the disk is in gone a little longer.
 */
#ifndef CIS_FS_SCRATCH_PLACE_H
#define CIS_FS_SCRATCH_PLACE_H

#include <stdbool.h>
#include <sys/stat.h>

#include "../base/error.h"

/* What the place of the state root @owner is called, in this boot. */
#define SCRATCH_PLACE_MAX 80
int scratch_place_name(const struct stat *owner, char ret[static SCRATCH_PLACE_MAX],
		       struct cis_error *err);

/* Made where it is missing, and its owner's for as long as the descriptor is open. */
int scratch_place_open(int dir, const char *name, struct cis_error *err);

/* Removes the place, if it is empty and nobody's. */
void scratch_place_drop(const char *path);

/*
 * Puts the directory @name of a place out of the way, in one step however much is in it.
 * -EXDEV where the file system lets it not move: then it is where it was.
 */
int scratch_throw_away(int place, const char *name);

/*
 * Has what is in gone of @dir removed, by processes that nobody waits for; or with @wait
 * does it, and waits for those that others have begun.
 */
int scratch_empty_gone(int dir, bool wait, struct cis_error *err);

/* Throws away what is in places of @dir that are nobody's, and empties gone. */
int scratch_sweep(int dir, bool wait, struct cis_error *err);

#endif
