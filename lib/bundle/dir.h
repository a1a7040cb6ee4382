/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A directory that appears whole or not at all: made under a hidden name beside it, and
 * renamed. Its maker holds a lock on it, so that what the killed left behind is known, and
 * goes when the next one is made in the same place.
 */
#ifndef CIS_BUNDLE_DIR_H
#define CIS_BUNDLE_DIR_H

#include <sys/types.h>
#include <time.h>

#include "../base/error.h"

#define BUNDLE_TEMP ".cisandbox-bundle-"

struct bundle_dir {
	const char *path; /* borrowed: what it is to become */
	int parent, fd;
	char name[256];   /* there */
	char temp[sizeof BUNDLE_TEMP + 16];
};
#define BUNDLE_DIR_CLOSED {.parent = -1, .fd = -1}

/* -EEXIST: something is there, other than an empty directory. */
int bundle_dir_begin(struct bundle_dir *d, const char *path, struct cis_error *err);
/* All of it is on the disk when it appears. @changed: its time. */
int bundle_dir_finish(struct bundle_dir *d, mode_t mode, gid_t group,
		      const struct timespec *changed, struct cis_error *err);
/* Removes it, unless it was finished. */
void bundle_dir_done(struct bundle_dir *d);

#endif
