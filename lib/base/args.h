/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The command line that /proc/PID/cmdline shows, to everybody in the pid
 * namespace: a fork of ours that never executes anything must not show the
 * host's paths and another program's secrets in there.
 */
#ifndef CIS_BASE_ARGS_H
#define CIS_BASE_ARGS_H

#include <stddef.h>

/* Where this process's arguments lie. Read by the caller, before it clones. */
struct args_area {
	char *start;
	size_t len;
};
void args_find(struct args_area *ret);

/* Child: overwrites its own copy with @name. Raw memory only. */
void args_hide_child(const struct args_area *a, const char *name);

#endif
