/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "subids.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "../base/macros.h"

static bool is_owner(const char *line, size_t len, const char *name, uid_t uid)
{
	char number[16];

	snprintf(number, sizeof number, "%u", uid);
	return (strlen(name) == len && strncmp(line, name, len) == 0) ||
	       (strlen(number) == len && strncmp(line, number, len) == 0);
}

/* Beyond 2^32 - 2 there are no ids. */
static void take(struct subids *s, uint64_t first, uint64_t count, uint32_t want)
{
	if (!count || s->n == SUBIDS_RANGES || first > UINT32_MAX - 1 ||
	    count > UINT32_MAX - first)
		return;
	count = MIN(count, want - s->total);
	s->v[s->n].first = (uint32_t)first;
	s->v[s->n++].count = (uint32_t)count;
	s->total += count;
}

void subids_parse(const char *text, const char *name, uid_t uid, uint32_t want,
		  struct subids *ret)
{
	*ret = (struct subids){0};
	while (*text && ret->total < want) {
		size_t len = strcspn(text, "\n"), owner = strcspn(text, ":\n");
		unsigned long long first, count;
		char range[64], end;

		snprintf(range, sizeof range, "%.*s", (int)MIN(len - owner, sizeof range),
			 text + owner);
		if (owner > 0 && is_owner(text, owner, name, uid) &&
		    sscanf(range, ":%llu:%llu%c", &first, &count, &end) == 2)
			take(ret, first, count, want);
		text += len + (text[len] == '\n');
	}
}
