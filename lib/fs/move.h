/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CIS_FS_MOVE_H
#define CIS_FS_MOVE_H

/*
 * Gives the file or directory @name of @from the name @to_name in @to, of the same file
 * system, complete and in one step. What is there is never replaced: -EEXIST.
 *
 * Where the file system has no such rename (NFS, 9p, some FUSE) a file is linked, and a
 * directory replaces an empty one that was made first: whoever is killed in between leaves
 * that. -EOPNOTSUPP: it has no links either.
 */
int move_new(int from, const char *name, int to, const char *to_name);

#endif
