/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whole trees: away with one, and the digest of one. */
#ifndef CIS_IMAGE_TREE_H
#define CIS_IMAGE_TREE_H

#include <cisandbox.h>
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include "../base/error.h"

static inline void dir_closep(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

/* A stream of its own over @dirfd, which stays as it is. NULL and errno. */
DIR *tree_list(int dirfd);
/* The directory itself, never what a link of that name leads to. -errno. */
int tree_open_dir(int dirfd, const char *name);
/* Its -errno says that there is no such directory, not that we could not look. */
static inline bool tree_is_gone(int r)
{
	return r == -ENOENT || r == -ENOTDIR || r == -ELOOP;
}

/* Removes the directory @name with all that is in it. 0 or -errno. */
int tree_remove(int dirfd, const char *name);
/*
 * Digest and size of the tree @path into *ret. With @ret_verity it is a new one: files get
 * fs-verity, *ret_verity is how many bytes have it; devices and sockets, no part of an image, go.
 * Without, they are -EIO.
 */
int tree_digest(const char *path, struct cis_image *ret, uint64_t *ret_verity,
		struct cis_error *err);

#endif
