/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What people do with caches: make, look, remove, and keep all of them together small. */
#include <cisandbox.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "../base/fd.h"
#include "../base/json.h"
#include "../base/record.h"
#include "../fs/move.h"
#include "../image/tree.h"
#include "cache-scope.h"
#include "cache.h"

#define MADE "new" /* in the working directory */

/* ---- make ----------------------------------------------------------------------------- */

static int take_patterns(struct strv *to, const char *const *from, const char *name,
			 const char *whose, struct cis_error *err)
{
	for (; from && *from; from++) {
		if (!cache_pattern_is_valid(*from))
			return cis_fail_plain(err, EINVAL,
					      "cache \"%s\": %s \"%.*s\": not labels of A-Z, a-z, "
					      "0-9 and ._-@+=# with \"/\" between them, of which "
					      "each may end in \"*\"",
					      name, whose, CACHE_SCOPE_LEN, *from);
		if (to->n == CACHE_PATTERNS_MAX)
			return cis_fail_plain(err, E2BIG, "cache \"%s\": more than %d %ss", name,
					      CACHE_PATTERNS_MAX, whose);
		if (strv_add(to, *from) < 0)
			return cis_fail(err, ENOMEM, "cache \"%s\"", name);
	}
	return 0;
}

static int write_new(const struct work *w, const struct cache_policy *p)
{
	cleanup_close int dir = -1;
	int r = mkdirat(w->fd, MADE, 0700) < 0 ? -errno : 0;

	if (r >= 0)
		r = dir = tree_open_dir(w->fd, MADE);
	if (r >= 0)
		r = cache_write_policy(dir, p);
	return r < 0 ? r : cache_write_empty(dir, "1");
}

/* All of it appears in one step, or nothing. */
static int create(const char *name, const struct cache_policy *p, struct cis_error *err)
{
	cleanup(store_done) struct store s = STORE_CLOSED;
	cleanup(work_done) struct work w = {.fd = -1};
	int r = generations_open(&s, GENERATIONS_CACHE, err);

	if (r == 0)
		r = work_begin(&w, &s, err);
	if (r < 0)
		return r;
	r = write_new(&w, p);
	if (r >= 0 && syncfs(w.fd) < 0)
		r = -errno;
	if (r < 0)
		return cis_fail(err, -r, "write to %s", s.path);
	r = store_lock(&s, err);
	if (r < 0)
		return r;
	r = move_new(w.fd, MADE, s.fd, name);
	store_unlock(&s);
	if (r == -EEXIST)
		return cis_fail_plain(err, EEXIST, "cache \"%s\" is there already (cisandbox cache "
						   "rm %s removes it)", name, name);
	return r < 0 ? cis_fail(err, -r, "cache \"%s\"", name) : 0;
}

int cis_cache_create(const char *name, const struct cis_cache_policy *policy, size_t size,
		     struct cis_error *err)
{
	struct cis_cache_policy given = {0};
	struct cache_policy p = {.created = time(NULL)};
	int r = record_in(&given, sizeof given, policy, size);

	if (r < 0)
		return cis_fail(err, -r, "cache");
	if (!store_is_name(name))
		return cis_fail_plain(err, EINVAL,
				      "cache name \"%.127s\": not 1 to %d of a-z, 0-9, \".\", "
				      "\"_\" and \"-\", the first a letter or digit",
				      name, IMAGE_NAME_LEN);
	if (!given.writers || !*given.writers)
		return cis_fail_plain(err, EINVAL, "cache \"%s\" without a writer", name);
	if (given.max > INT64_MAX)
		return cis_fail(err, ERANGE, "cache \"%s\": its size", name);
	p.max = given.max ? given.max : CACHE_MAX_DEFAULT;
	r = take_patterns(&p.writers, given.writers, name, "writer", err);
	if (r == 0)
		r = take_patterns(&p.readers, given.readers, name, "reader", err);
	if (r == 0)
		r = create(name, &p, err);
	strv_done(&p.writers);
	strv_done(&p.readers);
	return r;
}

/* ---- look ----------------------------------------------------------------------------- */

static struct cis_cache summary(const char *name, const struct cache *c,
				const struct generation *g)
{
	struct cis_cache one = {.generation = g->number, .size = c->info.size,
				.files = c->info.files, .max = c->policy.max,
				.created = c->policy.created,
				.used = generation_used(g)};

	snprintf(one.name, sizeof one.name, "%s", name);
	return one;
}

static struct json *summary_json(const struct cis_cache *one)
{
	struct json *o = json_object_new();

	json_set_string(o, "name", one->name);
	if (*one->error) {
		json_set_string(o, "error", one->error);
		return o;
	}
	json_set_int(o, "generation", (int64_t)one->generation);
	json_set_int(o, "size", (int64_t)one->size);
	json_set_int(o, "files", (int64_t)one->files);
	json_set_int(o, "max", (int64_t)one->max);
	json_set_int(o, "created", one->created);
	json_set_int(o, "used", one->used);
	return o;
}

static int look(const char *name, const struct generation *g, void *entry, struct cis_error *err)
{
	cleanup(cache_done) struct cache c = CACHE_CLOSED;
	struct cis_cache *ret = entry;
	int r = g->fd;

	if (r == -ENOENT) /* and it never was without one */
		cis_fail_plain(err, ENOENT, "cache \"%s\": it has lost its generations (cisandbox "
					    "cache rm %s removes it)", name, name);
	else if (r >= 0)
		r = cache_read(name, g, &c, err);
	if (r >= 0)
		*ret = summary(name, &c, g);
	return MIN(r, 0);
}

int cis_cache_list(struct cis_cache **ret, size_t *ret_n, struct cis_error *err)
{
	static const struct generations_entry entry = {
		sizeof **ret, offsetof(struct cis_cache, error), look};
	void *list;
	int unreadable = generations_list(GENERATIONS_CACHE, &entry, &list, ret_n, err);

	if (unreadable >= 0)
		*ret = list;
	return unreadable;
}

int cis_cache_list_json(char **ret, struct cis_error *err)
{
	cleanup(json_freep) struct json *doc = json_array_new();
	cleanup_free struct cis_cache *list = NULL;
	size_t n = 0;
	int unreadable = cis_cache_list(&list, &n, err), r;

	if (unreadable < 0)
		return unreadable;
	for (size_t i = 0; doc && i < n; i++)
		json_push(doc, summary_json(&list[i]));
	r = doc ? json_write(doc, JSON_PRETTY, ret) : -ENOMEM;
	return r < 0 ? cis_fail(err, -r, "cache list") : unreadable;
}

int cis_cache_inspect_json(const char *name, char **ret, struct cis_error *err)
{
	cleanup(cache_done) struct cache c = CACHE_CLOSED;
	cleanup(json_freep) struct json *doc = NULL;
	struct cis_cache one;
	int r = cache_open(name, &c, err);

	if (r < 0)
		return r;
	one = summary(name, &c, &c.g);
	doc = summary_json(&one);
	json_set_strv(doc, "writers", &c.policy.writers);
	json_set_strv(doc, "readers", &c.policy.readers);
	json_set_int(doc, "published", c.info.created);
	json_set_string(doc, "published_by", c.info.scope);
	r = doc ? json_write(doc, JSON_PRETTY, ret) : -ENOMEM;
	return r < 0 ? cis_fail(err, -r, "cache \"%s\"", name) : 0;
}

/* ---- remove --------------------------------------------------------------------------- */

int cis_cache_remove(const char *name, struct cis_error *err)
{
	return generations_remove(GENERATIONS_CACHE, name, GENERATION_ANY, err);
}

/* Whether somebody has it open. Who opens it later keeps it, whatever becomes of the name. */
static int is_used(const struct store *s, const struct cis_cache *c)
{
	cleanup_close int dir = tree_open_dir(s->fd, c->name), fd = -1;
	char number[24];
	int r = dir;

	snprintf(number, sizeof number, "%llu", (unsigned long long)c->generation);
	if (r >= 0)
		r = fd = tree_open_dir(dir, number);
	if (r >= 0)
		r = store_lock_fd(fd, LOCK_EX | LOCK_NB);
	return r == -EWOULDBLOCK || r == -ENOENT ? 1 : MIN(r, 0);
}

/* Its name and policy stay; the next generation is one without content. 1: it is in use. */
static int empty_one(const struct store *s, const struct cis_cache *c, struct cis_error *err)
{
	cleanup(work_done) struct work w = {.fd = -1};
	uint64_t number;
	int r = is_used(s, c);

	if (r > 0)
		return r;
	if (r == 0)
		r = work_begin(&w, s, err);
	else
		cis_fail(err, -r, "cache \"%s\"", c->name);
	if (r < 0)
		return r;
	r = cache_write_empty(w.fd, MADE);
	if (r < 0)
		return cis_fail(err, -r, "write to %s", s->path);
	r = generation_publish(&w, MADE, GENERATIONS_CACHE, c->name, c->generation, NULL, &number,
			       err);
	return r == -ESTALE ? 1 : r;
}

static int by_use(const void *a, const void *b)
{
	const struct cis_cache *x = a, *y = b;

	return x->used != y->used ? (x->used > y->used ? 1 : -1) : strcmp(x->name, y->name);
}

static int shrink(const struct store *s, uint64_t max, uint64_t *ret, struct cis_error *err)
{
	cleanup_free struct cis_cache *list = NULL;
	uint64_t sum = 0;
	size_t n = 0;
	int unreadable = cis_cache_list(&list, &n, err), r = 0;

	if (unreadable < 0)
		return unreadable;
	qsort(list, n, sizeof *list, by_use);
	for (size_t i = 0; i < n; i++)
		sum += list[i].size;
	for (size_t i = 0; i < n && sum > max && r >= 0; i++) {
		if (!list[i].size)
			continue;
		r = empty_one(s, &list[i], err);
		if (r != 0)
			continue;
		sum -= list[i].size;
		++*ret;
	}
	return r < 0 ? r : unreadable;
}

int cis_cache_prune(const uint64_t *max, uint64_t *ret_generations, uint64_t *ret_emptied,
		    struct cis_error *err)
{
	cleanup(store_done) struct store s = STORE_CLOSED;
	int r = generations_prune(GENERATIONS_CACHE, ret_generations, err);

	*ret_emptied = 0;
	if (r < 0 || !max)
		return r;
	r = generations_open(&s, GENERATIONS_CACHE, err);
	return r < 0 ? r : shrink(&s, *max, ret_emptied, err);
}
