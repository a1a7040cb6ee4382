/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which seed a plan has: opened, held, and fitting the spec. Makes nothing. */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "plan.h"

static bool is_scratch_dir(const struct spec *s, const char *path)
{
	for (size_t i = 0; i < s->scratch_dirs.n; i++)
		if (strcmp(s->scratch_dirs.v[i], path) == 0)
			return true;
	return false;
}

/* Its stores have to be on the disk: what is bound could not lie over an overlay's directory. */
int plan_open_seed(struct plan *p, struct cis_error *err)
{
	int r = p->spec->seed ? seed_open(p->spec->seed, &p->seed, err) : 0;

	for (size_t i = 0; i < p->seed.stores.n && r >= 0; i++) {
		const char *path = seed_store_find(p->seed.stores.v[i])->path;

		if (!is_scratch_dir(p->spec, path))
			r = cis_fail_plain(err, EINVAL,
					   "seed \"%s\" is for %s, which is not one of this "
					   "sandbox's scratch_dirs (--docker has it)",
					   p->spec->seed, path);
	}
	return r;
}

const char *plan_seed_own(const struct plan *p, const char *path)
{
	for (size_t i = 0; i < p->seed.stores.n; i++) {
		const char *name = p->seed.stores.v[i];
		const struct seed_store *store = seed_store_find(name);
		size_t n = strlen(name), own = store->own ? strlen(store->own) : 0;

		if (!own || strcmp(store->path, path) != 0)
			continue;
		for (size_t j = 0; j < p->seed.n_dirs; j++) {
			const char *at = p->seed.at.v[j];

			if (strncmp(at, name, n) == 0 && at[n] == '/' &&
			    strncmp(at + n + 1, store->own, own) == 0 && at[n + 1 + own] == '/')
				return store->own;
		}
	}
	return NULL;
}
