/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "range.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "../base/array.h"
#include "../base/macros.h"

void ranges_done(struct ranges *l)
{
	free(l->v);
	*l = (struct ranges){0};
}

int ranges_add(struct ranges *l, struct range r)
{
	struct range *v = array_room(l->v, l->n, &l->room, sizeof *v);

	if (!v)
		return -ENOMEM;
	l->v = v;
	l->v[l->n++] = r;
	return 0;
}

static int by_first(const void *pa, const void *pb)
{
	const struct range *a = pa, *b = pb;

	return (a->first > b->first) - (a->first < b->first);
}

void ranges_sort(struct ranges *l)
{
	size_t kept = 0;

	if (l->n > 1)
		qsort(l->v, l->n, sizeof *l->v, by_first);
	for (size_t i = 0; i < l->n; i++) {
		/* The last address there is has none behind it. */
		if (kept > 0 && (l->v[i].first <= l->v[kept - 1].last ||
				 l->v[i].first == l->v[kept - 1].last + 1))
			l->v[kept - 1].last = MAX(l->v[kept - 1].last, l->v[i].last);
		else
			l->v[kept++] = l->v[i];
	}
	l->n = kept;
}

/* The first range that ends at @a or later. */
static size_t find(const struct ranges *l, address_t a)
{
	size_t from = 0, to = l->n;

	while (from < to) {
		size_t mid = (from + to) / 2;

		if (l->v[mid].last < a)
			from = mid + 1;
		else
			to = mid;
	}
	return from;
}

int ranges_subtract(const struct ranges *from, const struct ranges *holes, struct ranges *ret)
{
	int r = 0;

	for (size_t i = 0; i < from->n && r >= 0; i++) {
		struct range rest = from->v[i];
		bool left = true;

		for (size_t h = find(holes, rest.first); left && r >= 0 && h < holes->n;
		     h++) {
			const struct range *hole = &holes->v[h];

			if (hole->first > rest.last)
				break;
			if (hole->first > rest.first)
				r = ranges_add(ret,
					       (struct range){rest.first, hole->first - 1});
			left = hole->last < rest.last;
			rest.first = hole->last + 1;
		}
		if (left && r >= 0)
			r = ranges_add(ret, rest);
	}
	return r;
}

bool ranges_overlap(const struct ranges *sorted, struct range r)
{
	size_t i = find(sorted, r.first);

	return i < sorted->n && sorted->v[i].first <= r.last;
}

bool ranges_contain(const struct ranges *sorted, struct range r)
{
	size_t i = find(sorted, r.first);

	return i < sorted->n && sorted->v[i].first <= r.first && sorted->v[i].last >= r.last;
}

struct range range_of(int family, const uint8_t *address, unsigned int bits)
{
	unsigned int width = family == AF_INET ? 32 : 128;
	address_t a = 0, host;

	for (unsigned int i = 0; i < width / 8; i++)
		a = a << 8 | address[i];
	/* A shift by the whole width has no meaning in C. */
	host = bits == 0 ? (family == AF_INET ? UINT32_MAX : ~(address_t)0)
			 : ((address_t)1 << (width - bits)) - 1;
	return (struct range){a & ~host, a | host};
}

void range_bytes(int family, address_t a, uint8_t ret[static 16])
{
	unsigned int bytes = family == AF_INET ? 4 : 16;

	memset(ret, 0, 16);
	for (unsigned int i = bytes; i > 0; i--, a >>= 8)
		ret[i - 1] = (uint8_t)a;
}
