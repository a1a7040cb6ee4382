/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Extensible records, by the kernel's rule: see SINCE in cisandbox.h. */
#ifndef CIS_BASE_RECORD_H
#define CIS_BASE_RECORD_H

#include <errno.h>
#include <string.h>

#include "macros.h"

/* A user's record of @user_size into ours; -E2BIG if it says more than we know. */
static inline int record_in(void *ours, size_t size, const void *user, size_t user_size)
{
	const char *p = user;

	for (size_t i = size; i < user_size; i++)
		if (p[i])
			return -E2BIG;
	memset(ours, 0, size);
	memcpy(ours, user, MIN(size, user_size));
	return 0;
}

/* Ours into the user's: what we do not know is zero. */
static inline void record_out(void *user, size_t user_size, const void *ours, size_t size)
{
	memset(user, 0, user_size);
	memcpy(user, ours, MIN(size, user_size));
}

#endif
