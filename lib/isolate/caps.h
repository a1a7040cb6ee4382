/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Capabilities of a container's process, as sets of bits 1 << CAP_*. Together:
 *
 *	caps_limit_bounding_child(sets[CAPS_BOUNDING]);
 *	prctl(PR_SET_KEEPCAPS, 1); setgroups, setresgid, setresuid
 *	caps_apply_child(sets);
 */
#ifndef CIS_ISOLATE_CAPS_H
#define CIS_ISOLATE_CAPS_H

#include <stdint.h>

#include "../container/config.h"

/* Those that this kernel has. */
uint64_t caps_all(void);

/* "CAP_CHOWN", or NULL for a number we know no name of. */
const char *caps_name(int cap);

/* Exactly that spelling, as with runc; -EINVAL. The kernel may lack it: caps_all(). */
int caps_from_name(const char *name);

/* The bounding set without all but @keep. -EPERM: one is to go, and no CAP_SETPCAP. */
int caps_limit_bounding_child(uint64_t keep);

/*
 * The other four. -EPERM: permitted or inheritable has what the process does not. An
 * ambient one that is not both permitted and inheritable is passed over.
 */
int caps_apply_child(const uint64_t sets[CAP_SETS]);

#endif
