/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fault.h"

#include <limits.h>

unsigned int fault_ordered(void)
{
	return UINT_MAX;
}
