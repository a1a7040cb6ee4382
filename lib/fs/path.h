/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Paths inside a root file system that somebody hostile may have filled.
 * They are resolved once, in the caller, against the read-only image, into a
 * path without symbolic links; whoever acts on it later refuses any link.
 */
#ifndef CIS_FS_PATH_H
#define CIS_FS_PATH_H

#include <stdbool.h>

#include "../base/error.h"

/*
 * Resolves @path as seen from inside: links are followed as inside, absolute
 * ones from the root. Components that do not exist are kept. *ret: no leading
 * slash, no dots, no links; "" is the root itself.
 *
 * -EXDEV: it would leave the root (".." above it), or its last component is a
 * link: what is mounted there would land somewhere the user did not name.
 */
int path_resolve(int rootfd, const char *path, char **ret, struct cis_error *err);

/*
 * Of a directory. 0: it is there, links followed, and *ret says nothing; 1: it is not, and could be
 * made; -ENOTDIR: a file is, or is in the way.
 */
int path_resolve_dir(int rootfd, const char *path, char **ret, struct cis_error *err);

/*
 * Opens a file inside for reading, following links as inside, but never onto another
 * mount: a job may have put a file system of its own there that never answers.
 * fd or -errno; -EXDEV.
 */
int path_open_in(int rootfd, const char *path);

/*
 * Makes @target (from path_resolve) below @rootfd: parents and itself as
 * directories, or itself as an empty file. What exists stays. Raw calls only.
 */
int path_make(int rootfd, const char *target, bool file);

/* Relative, and without ".", ".." or empty parts: by its words alone, whatever links there are. */
bool path_is_below(const char *s);

#endif
