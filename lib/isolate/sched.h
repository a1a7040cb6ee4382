/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How the kernel treats the calling process: on which processors, with what memory, how
 * urgently, and whether it is the one to go when memory is short.
 */
#ifndef CIS_ISOLATE_SCHED_H
#define CIS_ISOLATE_SCHED_H

#include <stddef.h>

struct config_scheduler;

/* All return 0 or -errno; raw calls. */
int sched_policy_child(const struct config_scheduler *s); /* if given */
int sched_ioprio_child(int ioprio);
int sched_affinity_child(const char *cpus);
void sched_affinity_reset_child(void); /* all that its groups allow */
int sched_mempolicy_child(int mode, const char *nodes); /* nodes may be NULL or "" */
int sched_personality_child(unsigned long persona);
int sched_oom_score_child(int procfd, int score); /* procfd: procfd_open() */

/*
 * "0-3,7" into @mask of @bits bits, a multiple of those of a long. Blanks around and
 * empty elements are taken, as by runc. -EINVAL not of that form, or no number at all;
 * -ERANGE a number too high. Raw memory only; @mask is written in any case.
 */
int sched_parse_list(const char *text, unsigned long *mask, size_t bits);

#endif
