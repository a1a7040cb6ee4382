/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Arrays that grow: in steps that double, so that adding stays cheap. */
#ifndef CIS_BASE_ARRAY_H
#define CIS_BASE_ARRAY_H

#include <stddef.h>

/*
 * @v with room for one more behind the @n entries of @size bytes that it has; *room entries
 * fit so far. It may have moved. NULL: no memory, and @v is as it was.
 *
 *	struct range *v = array_room(l->v, l->n, &l->room, sizeof *v);
 */
void *array_room(void *v, size_t n, size_t *room, size_t size);

#endif
