/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What nobody who serves others may wait for himself, in a process of its own: that all on a
 * file system is written out, and then that nobody has the lock of a store.
 */
#ifndef CIS_SETTLE_H
#define CIS_SETTLE_H

#include "../image/store.h"

struct settler {
	int pidfd; /* readable at its end; -1: there is none */
	int go;    /* its end is the process's */
};
#define SETTLER_CLOSED {.pidfd = -1, .go = -1}

/* @dir is on the file system, and was opened before what counts was written. -errno. */
int settler_start(struct settler *t, const struct store *s, int dir);
/*
 * When pidfd is readable: 0, the lock was to be had; somebody else may be quicker. Or -errno, and
 * what could not be done, "write to" and the like.
 */
int settler_finish(struct settler *t, const char **ret_step);
/* Kills it, if it is there. */
void settler_drop(struct settler *t);

#endif
