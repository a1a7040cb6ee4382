/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files of several names, on a walk over a tree. */
#ifndef CIS_FS_HARDLINKS_H
#define CIS_FS_HARDLINKS_H

#include <sys/stat.h>

/* The zeroed struct is empty. */
struct hardlinks {
	void *seen;
};
void hardlinks_done(struct hardlinks *h);

/* *ret: the first name that was given of the file, or NULL: @path is the first. -ENOMEM. */
int hardlinks_find(struct hardlinks *h, const struct stat *st, const char *path,
		   const char **ret);

#endif
