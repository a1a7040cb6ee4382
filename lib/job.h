/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The command of a sandbox that was held (hold.c), on its way from the supervisor to init: init
 * is a copy of the supervisor's memory of long ago, and executes nothing itself.
 *
 * A memfd and not memory shared since the clone: the helpers of the sandbox, which read what is
 * hostile, are copies of the supervisor, too, and would share it.
 */
#ifndef CIS_JOB_H
#define CIS_JOB_H

#include "plan.h"

#define JOB_MAX (16u << 20) /* bytes of all words: execve() takes fewer */

struct job {
	struct plan_exec exec; /* of pointers into the mapping */
	const char *hostname;
	unsigned short rows, cols;
};

/* A memfd with it, or -E2BIG and the like. */
int job_write(const struct plan_exec *e, const char *hostname, unsigned short rows,
	      unsigned short cols);

/* In init, by raw calls; what it maps stays until the end. Closes nothing. 0 or -errno. */
int job_open_child(int fd, struct job *ret);

#endif
