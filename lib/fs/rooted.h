/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Paths below a root that somebody hostile may be changing at this moment: the kernel
 * resolves them, links included, as if the root were "/", and everything is done on the
 * descriptor that came out, never on the path again. Raw calls only.
 */
#ifndef CIS_FS_ROOTED_H
#define CIS_FS_ROOTED_H

#include <stdbool.h>
#include <stdint.h>

/* O_CLOEXEC is added. fd or -errno. */
int rooted_open(int root, const char *path, uint64_t flags);

/*
 * An O_PATH descriptor of @path, made if it is not there, its parents too: as a
 * directory, or as an empty file. A link that leads nowhere is followed, below the root.
 */
int rooted_make(int root, const char *path, bool file);

/* Moves the detached mount @tree onto @path, made if it is not there. */
int rooted_attach(int root, const char *path, int tree, bool file);

#endif
