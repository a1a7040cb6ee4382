/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is in a file, into a new one, for as little as the file systems let it be had. */
#ifndef CIS_FS_COPYFILE_H
#define CIS_FS_COPYFILE_H

#include <sys/types.h>

/*
 * @size bytes of @from; @to is empty. Shared with it where the file system can, else copied.
 * Holes stay holes: a stranger's archive of a kilobyte may have them by the gigabyte.
 * 0 or -errno; -EIO: @from is shorter.
 */
int copyfile_content(int to, int from, off_t size);

#endif
