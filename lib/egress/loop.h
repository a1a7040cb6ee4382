/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a gate's processes have in common: how they begin. Raw calls only. */
#ifndef CIS_EGRESS_LOOP_H
#define CIS_EGRESS_LOOP_H

#include <stddef.h>
#include <stdint.h>

#include "../isolate/seccomp.h"

struct gate;

/*
 * What is not needed of the supervisor's goes: descriptors, standard streams among them, but
 * for those of @keep (by fd_keep()), and the directory it stands in.
 */
void loop_begin(const char *name, const int *keep, size_t n);

/* Into the gate's network namespace, whose descriptor is closed. */
int loop_enter(const struct gate *g);

/* All zero, and not paid for until it is touched. NULL: there is none. */
void *loop_memory(size_t size);

/* @epoll shall tell @source when @fd can be read. One that is not there (-1) never can. */
int loop_watch(int epoll, int fd, uint64_t source);

/*
 * The last step before hostile bytes: the gate's id, no capability, two descriptors a stream
 * and pipes (as many as we may), a file of records.
 */
int loop_confine(const struct gate *g, enum seccomp_helper filter);

#endif
