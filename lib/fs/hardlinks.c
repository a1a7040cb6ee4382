/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hardlinks.h"

#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

struct linked {
	dev_t dev;
	ino_t ino;
	char path[];
};

void hardlinks_done(struct hardlinks *h)
{
	tdestroy(h->seen, free);
	h->seen = NULL;
}

static int compare(const void *a, const void *b)
{
	const struct linked *x = a, *y = b;

	if (x->ino != y->ino)
		return x->ino < y->ino ? -1 : 1;
	return x->dev < y->dev ? -1 : x->dev > y->dev;
}

int hardlinks_find(struct hardlinks *h, const struct stat *st, const char *path,
		   const char **ret)
{
	size_t n = strlen(path) + 1;
	struct linked *key = malloc(sizeof *key + n), **found;

	*ret = NULL;
	if (!key)
		return -ENOMEM;
	key->dev = st->st_dev;
	key->ino = st->st_ino;
	memcpy(key->path, path, n);
	found = tsearch(key, &h->seen, compare);
	if (!found || *found != key)
		free(key);
	if (!found)
		return -ENOMEM;
	if (*found != key)
		*ret = (*found)->path;
	return 0;
}
