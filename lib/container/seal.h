/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* This program, executed anew from where nobody can write to it. */
#ifndef CIS_CONTAINER_SEAL_H
#define CIS_CONTAINER_SEAL_H

#include "../base/error.h"

/* Whatever it runs from now. Returns only when that fails. */
int seal_execute(char *const argv[], struct cis_error *err);

#endif
