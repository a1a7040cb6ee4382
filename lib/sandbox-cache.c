/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Caches on the handle: what is asked for, and for whom the job runs. */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "sandbox.h"
#include "volumes/cache-scope.h"

int cis_sandbox_set_scope(struct cis_sandbox *sb, const char *scope)
{
	if (sb->spec.hold)
		return -EBUSY;
	return cache_scope_is_valid(scope) ? str_set(&sb->spec.scope, scope) : -EINVAL;
}

static int check(const struct spec *s, const char *name, const char *path,
		 struct cis_error *err)
{
	if (path[0] != '/')
		return cis_fail_plain(err, EINVAL,
				      "cache %s: the path inside, \"%s\", is not absolute", name,
				      path);
	if (s->n_caches == CACHES_MAX)
		return cis_fail_plain(err, E2BIG, "cache %s: more than %d", name, CACHES_MAX);
	for (size_t i = 0; i < s->n_caches; i++) {
		if (strcmp(s->caches[i].name, name) == 0)
			return cis_fail_plain(err, EEXIST, "cache %s: it is at %s already", name,
					      s->caches[i].path);
		if (strcmp(s->caches[i].path, path) == 0)
			return cis_fail_plain(err, EEXIST, "cache %s: another is at %s", name,
					      path);
	}
	return 0;
}

int cis_sandbox_add_cache(struct cis_sandbox *sb, const char *name, const char *path,
			  uint64_t flags, struct cis_error *err)
{
	struct spec *s = &sb->spec;
	struct spec_cache one = {.readonly = flags & CIS_CACHE_READONLY};
	int r;

	if (flags & ~CIS_CACHE_READONLY)
		return cis_fail(err, EINVAL, "cache %s", name);
	if (s->hold)
		return cis_fail_plain(err, EBUSY, "the sandbox has come up already: a cache would "
						  "be too late");
	r = check(s, name, path, err);
	if (r < 0)
		return r;
	if (str_set(&one.name, name) < 0 || str_set(&one.path, path) < 0) {
		free(one.name);
		return cis_fail(err, ENOMEM, "cache %s", name);
	}
	s->caches[s->n_caches++] = one;
	return 0;
}
