/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cache.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../base/fd.h"
#include "../base/io.h"
#include "../base/json.h"
#include "../image/tree.h"
#include "cache-scope.h"

#define JSON_FILE_MAX (1u << 16)

static void policy_done(struct cache_policy *p)
{
	strv_done(&p->writers);
	strv_done(&p->readers);
}

void cache_done(struct cache *c)
{
	generation_done(&c->g);
	policy_done(&c->policy);
	free(c->info.scope);
	c->info.scope = NULL;
}

/* ---- writing ------------------------------------------------------------------------- */

static int write_json(int dir, const char *name, struct json *doc_consumed)
{
	cleanup(json_freep) struct json *doc = doc_consumed;
	cleanup_free char *text = NULL;
	cleanup_close int fd = -1;
	int r = doc ? json_write(doc, JSON_PRETTY, &text) : -ENOMEM;

	if (r == 0 && strlen(text) > JSON_FILE_MAX)
		r = -E2BIG;
	if (r < 0)
		return r;
	fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	return fd < 0 ? -errno : io_write_all(fd, text, strlen(text));
}

int cache_write_policy(int dir, const struct cache_policy *p)
{
	struct json *doc = json_object_new();

	json_set_int(doc, "created", p->created);
	json_set_strv(doc, "writers", &p->writers);
	json_set_strv(doc, "readers", &p->readers);
	json_set_int(doc, "max", (int64_t)p->max);
	return write_json(dir, "policy.json", doc);
}

int cache_write_info(int dir, const struct cache_info *i)
{
	struct json *doc = json_object_new();

	json_set_int(doc, "created", i->created);
	json_set_int(doc, "size", (int64_t)i->size);
	json_set_int(doc, "files", (int64_t)i->files);
	json_set_string(doc, "scope", i->scope);
	return write_json(dir, "cache.json", doc);
}

int cache_write_empty(int dir, const char *name)
{
	const struct cache_info info = {.created = time(NULL)};
	cleanup_close int fd = -1;

	if (mkdirat(dir, name, 0700) < 0)
		return -errno;
	fd = tree_open_dir(dir, name);
	if (fd < 0)
		return fd;
	/* The mode for all jobs: the caller's umask is nothing to them. */
	if (mkdirat(fd, CACHE_TREE, 0755) < 0 || fchmodat(fd, CACHE_TREE, 0755, 0) < 0)
		return -errno;
	return cache_write_info(fd, &info);
}

/* ---- reading ------------------------------------------------------------------------- */

static int read_json(int dir, const char *path, const char *name, struct json **ret,
		     struct cis_error *err)
{
	cleanup_free char *text = NULL;
	size_t len;
	int r = io_read_file_at(dir, path, JSON_FILE_MAX, &text, &len);

	return r < 0 ? cis_fail(err, -r, "%s", name) : json_parse(text, len, 0, name, ret, err);
}

static int want_size(const struct json *doc, const char *key, uint64_t *ret,
		     struct cis_error *err)
{
	const struct json *v;
	int64_t n = 0;
	int r = json_need(doc, key, &v, err);

	if (r == 0)
		r = json_want_int(v, 0, INT64_MAX, &n, err);
	*ret = (uint64_t)n;
	return r;
}

static int want_patterns(const struct json *doc, const char *key, struct strv *ret,
			 struct cis_error *err)
{
	const struct json *v;
	int r = json_need(doc, key, &v, err);

	if (r == 0)
		r = json_want_strv(v, ret, err);
	for (size_t i = 0; r == 0 && i < ret->n; i++)
		if (!cache_pattern_is_valid(ret->v[i]))
			r = json_fail(v, err, EINVAL, "has what is no pattern of scopes");
	return r;
}

static int read_policy(int dir, struct cache_policy *ret, struct cis_error *err)
{
	cleanup(json_freep) struct json *doc = NULL;
	uint64_t created = 0;
	int r = read_json(dir, "../policy.json", "policy.json", &doc, err);

	if (r == 0)
		r = want_size(doc, "created", &created, err);
	if (r == 0)
		r = want_patterns(doc, "writers", &ret->writers, err);
	if (r == 0)
		r = want_patterns(doc, "readers", &ret->readers, err);
	if (r == 0)
		r = want_size(doc, "max", &ret->max, err);
	ret->created = (int64_t)created;
	return r;
}

static int read_info(int dir, struct cache_info *ret, struct cis_error *err)
{
	cleanup(json_freep) struct json *doc = NULL;
	const struct json *scope_v;
	const char *scope = NULL;
	uint64_t created = 0;
	int r = read_json(dir, "cache.json", "cache.json", &doc, err);

	if (r == 0)
		r = want_size(doc, "created", &created, err);
	if (r == 0)
		r = want_size(doc, "size", &ret->size, err);
	if (r == 0)
		r = want_size(doc, "files", &ret->files, err);
	if (r == 0)
		r = json_need(doc, "scope", &scope_v, err);
	if (r == 0 && scope_v->type != JSON_NULL)
		r = json_want_string(scope_v, &scope, err);
	if (r == 0 && str_set(&ret->scope, scope) < 0)
		r = cis_fail(err, ENOMEM, "cache.json");
	ret->created = (int64_t)created;
	return r;
}

int cache_read(const char *name, const struct generation *g, struct cache *ret,
	       struct cis_error *err)
{
	int r = read_policy(g->fd, &ret->policy, err);

	if (r == 0)
		r = read_info(g->fd, &ret->info, err);
	if (r < 0) {
		cis_wrap(err, r, "cache \"%s\": %s", name, g->path);
		cis_hint(err, "cisandbox cache rm %s removes it", name);
	}
	return r;
}

int cache_open(const char *name, struct cache *ret, struct cis_error *err)
{
	cleanup(cache_done) struct cache c = CACHE_CLOSED;
	int r = generation_open(GENERATIONS_CACHE, name, &c.g, err);

	if (r == 0)
		r = cache_read(name, &c.g, &c, err);
	if (r < 0)
		return r;
	*ret = c;
	c = (struct cache)CACHE_CLOSED;
	return 0;
}

/* ---- use ------------------------------------------------------------------------------ */

int cache_admit(const struct cache *c, const char *name, const char *scope,
		struct cis_error *err)
{
	const struct cache_policy *p = &c->policy;

	if (!scope)
		return cis_fail_plain(err, EINVAL, "cache \"%s\" without a scope (say for whom "
						   "the job runs: --scope main, --scope pr-17)",
				      name);
	if (cache_scope_is_among(&p->writers, scope))
		return 1;
	if (!p->readers.n || cache_scope_is_among(&p->readers, scope))
		return 0;
	return cis_fail_plain(err, EACCES,
			      "cache \"%s\": scope \"%s\" is neither of its readers nor of its "
			      "writers (cisandbox cache inspect %s shows them)",
			      name, scope, name);
}
