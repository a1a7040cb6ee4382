/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the filter refuses, as data: seccomp-compile.c and seccomp-export.c make filters of it. */
#ifndef CIS_ISOLATE_SECCOMP_RULES_H
#define CIS_ISOLATE_SECCOMP_RULES_H

#include <stdint.h>

/* file_setattr, Linux 6.17: the highest number whose meaning we have read. */
#define SECCOMP_LAST_JUDGED 469

struct seccomp_rule {
	const char *name;
	int error;
	uint64_t unless; /* a CIS_ALLOW_ flag */
};
extern const struct seccomp_rule seccomp_rules[]; /* the last has no name */

/* Of sockets, those that may be made, in the order of their numbers. */
#define SECCOMP_FAMILIES 6
extern const uint32_t seccomp_families[SECCOMP_FAMILIES];

#endif
