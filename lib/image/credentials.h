/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Passwords for one registry out of a file that has those for all: containers-auth.json(5). */
#ifndef CIS_IMAGE_CREDENTIALS_H
#define CIS_IMAGE_CREDENTIALS_H

#include "../base/error.h"

/*
 * Of the file's @text, which errors call @name, what is for the host of @repo
 * ("docker.io/library/debian") alone: whoever is to ask one registry has no need of the others'.
 * *ret is the caller's. -EINVAL: it is no such file.
 */
int credentials_of(const char *text, size_t len, const char *name, const char *repo, char **ret,
		   struct cis_error *err);

#endif
