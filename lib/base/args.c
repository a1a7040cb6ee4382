/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "args.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "io.h"
#include "str.h"

#define FIELD_ARG_START 48

void args_find(struct args_area *ret)
{
	cleanup_free char *text = NULL;
	unsigned long long start, end;
	char *p;

	*ret = (struct args_area){0};
	if (io_read_file_at(AT_FDCWD, "/proc/self/stat", 4096, &text, NULL) < 0)
		return;
	/* Field 2 may hold anything, but ends in the last ')'. */
	p = strrchr(text, ')');
	for (int field = 2; p && field < FIELD_ARG_START; field++)
		p = strchr(p + 1, ' ');
	if (!p)
		return;
	start = strtoull(p, &p, 10);
	end = strtoull(p, NULL, 10);
	if (start == 0 || end <= start)
		return;
	ret->start = (char *)(uintptr_t)start;
	ret->len = (size_t)(end - start);
}

void args_hide_child(const struct args_area *a, const char *name)
{
	if (!a->start)
		return;
	memset(a->start, 0, a->len);
	strncpy(a->start, name, a->len - 1);
}
