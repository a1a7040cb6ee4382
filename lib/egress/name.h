/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names of hosts, in the one form in which they are compared. */
#ifndef CIS_EGRESS_NAME_H
#define CIS_EGRESS_NAME_H

#include <stddef.h>

#define NAME_MAX_LEN 253

/*
 * Lower case, no dot at the end, labels of 1 to 63 letters, digits, '-' and '_'.
 * 0 or -EINVAL.
 */
int name_canonical(const char *text, size_t len, char ret[static NAME_MAX_LEN + 1]);

#endif
