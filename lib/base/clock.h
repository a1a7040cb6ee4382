/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Time that does not go back, for timeouts. By a raw call: children ask, too. */
#ifndef CIS_BASE_CLOCK_H
#define CIS_BASE_CLOCK_H

#include <stdint.h>

/* Milliseconds of CLOCK_MONOTONIC, the same in all processes. */
uint64_t now_msec(void);

#endif
