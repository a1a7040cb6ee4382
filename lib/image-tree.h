/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whole trees, for image.c only: away with one, and the digest of one. */
#ifndef CIS_IMAGE_TREE_H
#define CIS_IMAGE_TREE_H

#include <cisandbox.h>
#include <dirent.h>
#include <stdbool.h>

#include "base/error.h"

static inline void dir_closep(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

/* A stream of its own over @dirfd, which stays as it is. NULL and errno. */
DIR *tree_list(int dirfd);
/* The directory itself, never what a link of that name leads to. -errno. */
int tree_open_dir(int dirfd, const char *name);

/* Removes the directory @name with all that is in it. 0 or -errno. */
int tree_remove(int dirfd, const char *name);
/*
 * Digest and size of the tree @path into *ret. Devices and sockets are no part of an image: with
 * @clean they go, without it they are -EIO.
 */
int tree_digest(const char *path, bool clean, struct cis_image *ret, struct cis_error *err);

#endif
