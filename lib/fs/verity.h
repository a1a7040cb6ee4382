/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fs-verity: files that the kernel compares with a digest whenever a page of them is read. */
#ifndef CIS_FS_VERITY_H
#define CIS_FS_VERITY_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Files below this do without: each one that has it is written out at once, and costs a block
 * or two. Of Debian with docker 7 % of the files are as big, and these have 94 % of the bytes.
 */
#define VERITY_MIN 65536

/*
 * Gives it to the file @fd, open for reading and by nobody for writing, if it is big enough
 * and the file system can; *ret says whether it has it now. -errno: the disk failed, or is full.
 */
int verity_give(int fd, uint64_t size, bool *ret);
/* The digest of one that has it: true. It is another than that of the bytes. */
bool verity_measure(int fd, unsigned char ret[static 32]);

#endif
