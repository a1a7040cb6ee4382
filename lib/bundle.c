/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bundle.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "container/container.h"
#include "state.h"

int bundle_runtime(struct cis_oci *ret, char **ret_root, struct cis_error *err)
{
	if (str_format(ret_root, "%s/" BUNDLE_ROOT, state_root()) < 0)
		return cis_fail(err, ENOMEM, "bundle");
	*ret = (struct cis_oci){.root = *ret_root};
	return 0;
}

/* ---- figures ------------------------------------------------------------------------ */

/* The number at @path, of names with dots between, or 0. */
static uint64_t number(const struct json *doc, const char *path)
{
	char name[32];

	while (doc && *path) {
		size_t n = strcspn(path, ".");

		snprintf(name, sizeof name, "%.*s", (int)n, path);
		doc = json_get(doc, name);
		path += n + (path[n] == '.');
	}
	return doc && doc->type == JSON_INT && doc->integer > 0 ? (uint64_t)doc->integer : 0;
}

void bundle_stat(const struct place *p, struct group_stat *ret)
{
	cleanup(json_freep) struct json *doc = NULL;

	*ret = (struct group_stat){0};
	place_oom_kills(p, &ret->oom_kills);
	if (place_stats(p, &doc, NULL) < 0)
		return;
	ret->memory = number(doc, "memory.usage.usage");
	ret->memory_peak = number(doc, "memory.usage.max");
	ret->cpu_usec = number(doc, "cpu.usage.total") / 1000;
	ret->pids = number(doc, "pids.current");
}

int bundle_stat_of(const char *id, struct group_stat *ret)
{
	cleanup(container_done) struct container ct;
	cleanup_free char *root = NULL;
	struct cis_oci rt;
	int r = bundle_runtime(&rt, &root, NULL);

	container_init(&ct);
	if (r >= 0)
		r = container_open(&ct, &rt, id, false, NULL);
	if (r >= 0)
		bundle_stat(&ct.place, ret);
	return r;
}

/* ---- the end -------------------------------------------------------------------------- */

int bundle_remove(const char *id, struct cis_error *err)
{
	cleanup_free char *root = NULL;
	struct cis_oci rt;
	int r = bundle_runtime(&rt, &root, err);

	return r < 0 ? r : cis_oci_delete(&rt, id, 1, err);
}
