/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The process that serves: a clone of the supervisor with nothing left of its powers. It
 * holds the connection and descriptors it can only read, may do eleven system calls, and
 * runs as an id that nobody else has. Raw calls only, as in every child of ours.
 */
#ifndef CIS_VFS_HELPER_H
#define CIS_VFS_HELPER_H

#include "server.h"

struct helper {
	int conn;
	const struct vfs_sources *sources;
	struct vfs_shared *shared;
	uid_t owner, id;
};

void helper_main(const struct helper *h) __attribute__((noreturn));

#endif
