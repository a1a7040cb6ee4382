/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "array.h"

#include <stdlib.h>

#define FIRST 16

void *array_room(void *v, size_t n, size_t *room, size_t size)
{
	size_t wanted = *room ? *room : FIRST / 2, bytes;

	if (n < *room)
		return v;
	if (__builtin_mul_overflow(wanted, 2, &wanted) ||
	    __builtin_mul_overflow(wanted, size, &bytes))
		return NULL;
	v = realloc(v, bytes);
	if (v)
		*room = wanted;
	return v;
}
