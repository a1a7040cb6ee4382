/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which caches a plan has: opened, held, and judged by the scope. Makes nothing. */
#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "plan.h"

int plan_open_caches(struct plan *p, struct cis_error *err)
{
	const struct spec *s = p->spec;

	if (!s->n_caches)
		return 0;
	p->caches = calloc(s->n_caches, sizeof *p->caches);
	p->cache_writes = calloc(s->n_caches, sizeof *p->cache_writes);
	if (!p->caches || !p->cache_writes)
		return cis_fail(err, ENOMEM, "plan");
	for (; p->n_caches < s->n_caches; p->n_caches++) {
		const struct spec_cache *c = &s->caches[p->n_caches];
		int r = cache_open(c->name, &p->caches[p->n_caches], err);

		if (r < 0)
			return r;
		r = cache_admit(&p->caches[p->n_caches], c->name, s->scope, err);
		if (r < 0) {
			cache_done(&p->caches[p->n_caches]);
			return r;
		}
		p->cache_writes[p->n_caches] = r && !c->readonly;
	}
	return 0;
}
