/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fault.h"

#include <limits.h>
#include <stdlib.h>

#include "base/str.h"

unsigned int fault_ordered(void)
{
	const char *text = getenv("CISANDBOX_FAULT");
	uint64_t n;

	return text && str_parse_u64(text, &n) == 0 && n < UINT_MAX ? (unsigned int)n : UINT_MAX;
}
