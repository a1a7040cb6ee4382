/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Running the well-kept program instead of writing our own. */
#ifndef CIS_BASE_SPAWN_H
#define CIS_BASE_SPAWN_H

#include "error.h"

/* Where @name is among the system's bin and sbin directories; the caller frees. -ENOENT. */
int spawn_find(const char *name, char **ret);

/*
 * Runs argv[0] (from the system's bin and sbin directories) and waits. @keep_fd, if not
 * -1, stays open in it under the same number. stdout goes nowhere, the last
 * line of stderr becomes part of the error. @package: what to install when the
 * program is missing.
 */
int spawn_wait(char *const argv[], int keep_fd, const char *package, struct cis_error *err);

/*
 * Begins it and does not wait: it is nobody's child, of no terminal, and has none of our
 * streams, so that whoever waits for their end does not wait for it. @in: its stdin, or -1.
 */
int spawn_detached(char *const argv[], int keep_fd, int in, struct cis_error *err);

/*
 * Runs it with what @feed writes to @fd as its stdin; @fd is closed for it. @ret: its
 * stdout (at most 64 KiB) in a fresh string; may be NULL. A failure of the program
 * is told rather than @feed's, which is then mostly -EPIPE. SIGPIPE is held back in
 * the meantime.
 */
typedef int spawn_feed(int fd, void *arg, struct cis_error *err);
int spawn_filter(char *const argv[], int keep_fd, const char *package, spawn_feed *feed,
		 void *arg, char **ret, struct cis_error *err);

#endif
