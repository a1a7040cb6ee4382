/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a directory holds, into a fresh tmpfs that is about to cover it (tmpcopyup). */
#ifndef CIS_FS_COPYUP_H
#define CIS_FS_COPYUP_H

/*
 * Directories, files and links with owner, mode and times, and the mode of @from itself;
 * devices, sockets and other file systems are left out. Raw calls only. -ELOOP: deeper
 * than any image is.
 */
int copyup_child(int from, int to);

#endif
