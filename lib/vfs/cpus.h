/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sets of cpus as the kernel writes them: "0-2,5" and "00000001,00000027". */
#ifndef CIS_VFS_CPUS_H
#define CIS_VFS_CPUS_H

#include <sched.h>

#include "../base/text.h"

void cpus_list(const cpu_set_t *set, struct text *out);
void cpus_mask(const cpu_set_t *set, struct text *out);
/* What is no list ends it. */
void cpus_parse_list(const char *s, cpu_set_t *ret);

#endif
