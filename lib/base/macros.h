/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The words the whole library is written in: cleanup attributes, ownership
 * moves, and a few compiler hints. Nothing here allocates.
 */
#ifndef CIS_BASE_MACROS_H
#define CIS_BASE_MACROS_H

#include <stddef.h>

#define CIS_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define CIS_MUST_CHECK __attribute__((warn_unused_result))

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

/* cleanup(topic_freep) struct topic *t = NULL; */
#define cleanup(fn) __attribute__((cleanup(fn)))

/* Give up ownership: evaluates to the pointer and leaves NULL behind. */
#define steal_ptr(p)                           \
	({                                     \
		__typeof__(p) _p = (p);        \
		__typeof__(*_p) _v = *_p;      \
		*_p = NULL;                    \
		_v;                            \
	})

#endif
