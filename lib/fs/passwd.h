/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names of users and groups, as the files of a root file system say. */
#ifndef CIS_FS_PASSWD_H
#define CIS_FS_PASSWD_H

#include <sys/types.h>

#include "../base/error.h"

struct passwd_entry {
	uid_t uid;
	gid_t gid;
	gid_t *groups; /* supplementary */
	size_t n_groups;
	char home[256];
};

/*
 * @user: "NAME|UID[:NAME|GID]". Numbers need no entry. The files are read
 * without trust: by size, without following links out, never blocking.
 */
int passwd_lookup(int rootfd, const char *user, struct passwd_entry *ret,
		  struct cis_error *err);
void passwd_entry_done(struct passwd_entry *e);

#endif
