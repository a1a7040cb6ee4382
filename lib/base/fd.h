/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * File descriptors: owned by exactly one variable, CLOEXEC from birth.
 * A plain `int fd` argument is borrowed; `_consume` in a name means taken.
 */
#ifndef CIS_BASE_FD_H
#define CIS_BASE_FD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "macros.h"

/* Closes if open, keeps errno, returns -1: fd = fd_close(fd). */
int fd_close(int fd);

static inline void fd_closep(int *fd)
{
	*fd = fd_close(*fd);
}
#define cleanup_close cleanup(fd_closep)

static inline int steal_fd(int *fd)
{
	int v = *fd;

	*fd = -1;
	return v;
}

/*
 * Closes every descriptor from 3 up that is not in @keep (sorted ascending,
 * no duplicates, entries below 3 ignored). Raw system calls only: usable
 * between fork and exec.
 */
int fd_close_others(const int *keep, size_t n);

/* The same and 0 to 2, which a process that nobody talks to does without. */
void fd_close_all_but(const int *keep, size_t n);

/* Puts @fd into such a list (with room for it); below 3 is left out. */
void fd_keep(int *keep, size_t *n, int fd);

#endif
