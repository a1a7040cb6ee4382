/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "array.h"

#include <stdlib.h>

#define FIRST 16

void *array_room(void *v, size_t n, size_t *room, size_t size)
{
	const size_t wanted = *room ? 2 * *room : FIRST;

	if (n < *room)
		return v;
	v = reallocarray(v, wanted, size);
	if (v)
		*room = wanted;
	return v;
}
