/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Init: puts the virtual files where they belong. */
#ifndef CIS_VFS_COVER_H
#define CIS_VFS_COVER_H

/*
 * Over those files below @root that this kernel has, as far as their paths begin with
 * @where. @vfs: the directory of the file system. Clones made here, in the sandbox's own
 * namespace, are not locked: root inside may take them off, and a nested proc may be
 * mounted (plan.c). Raw calls.
 */
int vfs_cover_child(int root, int vfs, const char *where);

/*
 * The same with the virtual files over those below "/": of a sandbox, for a container in it
 * that can have none of its own. What is no virtual file there covers nothing.
 */
int vfs_cover_again_child(int root, const char *where);

#endif
