/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "seed.h"

#include <cisandbox.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/fd.h"
#include "../base/io.h"

#define INFO_MAX (1u << 20)

const struct seed_store *seed_store_find(const char *name)
{
	static const struct seed_store all[] = {
		{"docker", "/var/lib/docker", NULL},
		{"containerd", "/var/lib/containerd", NULL},
		{"containers", "/var/lib/containers", "storage/overlay"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (strcmp(all[i].name, name) == 0)
			return &all[i];
	return NULL;
}

void seed_done(struct seed *s)
{
	generation_done(&s->g);
	strv_done(&s->stores);
	strv_done(&s->at);
}

/* ---- seed.json ----------------------------------------------------------------------- */

static struct json *to_json(const struct seed *s)
{
	struct json *doc = json_object_new();

	json_set_int(doc, "created", s->created);
	json_set_int(doc, "size", (int64_t)s->size);
	json_set_strv(doc, "stores", &s->stores);
	json_set_int(doc, "dirs", (int64_t)s->n_dirs);
	json_set_strv(doc, "big", &s->at);
	return doc;
}

int seed_write(int dir, const struct seed *s)
{
	cleanup(json_freep) struct json *doc = to_json(s);
	cleanup_free char *text = NULL;
	cleanup_close int fd = -1;
	int r = doc ? json_write(doc, JSON_PRETTY, &text) : -ENOMEM;

	if (r == 0 && strlen(text) > INFO_MAX)
		r = -E2BIG;
	if (r < 0)
		return r;
	fd = openat(dir, "seed.json", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	return fd < 0 ? -errno : io_write_all(fd, text, strlen(text));
}

/* "docker/overlay2/...", without dots. What is wrong with it would be so for every job. */
static bool is_clean(const char *path, const struct strv *stores)
{
	size_t n = strcspn(path, "/");

	for (const char *p = path; p; p = strchr(p, '/') ? strchr(p, '/') + 1 : NULL)
		if (!*p || *p == '/' || *p == '.')
			return false;
	for (size_t i = 0; i < stores->n; i++)
		if (strlen(stores->v[i]) == n && strncmp(stores->v[i], path, n) == 0)
			return path[n] == '/';
	return false;
}

static int judge(const struct json *stores_v, const struct json *big_v, const struct seed *s,
		 struct cis_error *err)
{
	for (size_t i = 0; i < s->stores.n; i++)
		if (!seed_store_find(s->stores.v[i]))
			return json_fail(stores_v, err, EINVAL, "has one that is not known");
	if (s->at.n > SEED_BIG_MAX || s->n_dirs > s->at.n)
		return json_fail(big_v, err, EINVAL, "has too many");
	for (size_t i = 0; i < s->at.n; i++)
		if (!is_clean(s->at.v[i], &s->stores))
			return json_fail(big_v, err, EINVAL, "has what is no place for it");
	return 0;
}

static int parse(const struct json *doc, struct seed *ret, struct cis_error *err)
{
	const struct json *created_v, *size_v, *stores_v, *dirs_v, *big_v;
	int64_t size = 0, dirs = 0;
	int r = json_need(doc, "created", &created_v, err);

	if (r == 0)
		r = json_need(doc, "size", &size_v, err);
	if (r == 0)
		r = json_need(doc, "stores", &stores_v, err);
	if (r == 0)
		r = json_need(doc, "dirs", &dirs_v, err);
	if (r == 0)
		r = json_need(doc, "big", &big_v, err);
	if (r == 0)
		r = json_want_int(created_v, INT64_MIN, INT64_MAX, &ret->created, err);
	if (r == 0)
		r = json_want_int(size_v, 0, INT64_MAX, &size, err);
	if (r == 0)
		r = json_want_int(dirs_v, 0, SEED_BIG_MAX, &dirs, err);
	if (r == 0)
		r = json_want_strv(stores_v, &ret->stores, err);
	if (r == 0)
		r = json_want_strv(big_v, &ret->at, err);
	if (r < 0)
		return r;
	ret->size = (uint64_t)size;
	ret->n_dirs = (uint64_t)dirs;
	return judge(stores_v, big_v, ret, err);
}

int seed_read(const char *name, const struct generation *g, struct seed *ret,
	      struct cis_error *err)
{
	cleanup(json_freep) struct json *doc = NULL;
	cleanup_free char *text = NULL;
	size_t len;
	int r = io_read_file_at(g->fd, "seed.json", INFO_MAX, &text, &len);

	if (r < 0)
		return cis_fail(err, -r, "seed \"%s\": %s/seed.json", name, g->path);
	r = json_parse(text, len, 0, "seed.json", &doc, err);
	if (r == 0)
		r = parse(doc, ret, err);
	return r < 0 ? cis_wrap(err, r, "seed \"%s\"", name) : 0;
}

int seed_open(const char *name, struct seed *ret, struct cis_error *err)
{
	cleanup(seed_done) struct seed s = SEED_CLOSED;
	int r = generation_open(GENERATIONS_SEED, name, &s.g, err);

	if (r == 0)
		r = seed_read(name, &s.g, &s, err);
	if (r < 0)
		return r;
	*ret = s;
	s = (struct seed)SEED_CLOSED;
	return 0;
}

/* ---- for people ----------------------------------------------------------------------- */

static struct cis_seed summary(const char *name, const struct seed *s,
			       const struct generation *g)
{
	struct cis_seed one = {.generation = g->number, .size = s->size, .created = s->created,
			       .used = generation_used(g), .shared = s->at.n};

	snprintf(one.name, sizeof one.name, "%s", name);
	return one;
}

static struct json *summary_json(const struct cis_seed *one)
{
	struct json *o = json_object_new();

	json_set_string(o, "name", one->name);
	if (*one->error) {
		json_set_string(o, "error", one->error);
		return o;
	}
	json_set_int(o, "generation", (int64_t)one->generation);
	json_set_int(o, "created", one->created);
	json_set_int(o, "used", one->used);
	json_set_int(o, "size", (int64_t)one->size);
	json_set_int(o, "shared", (int64_t)one->shared);
	return o;
}

static int look(const char *name, const struct generation *g, void *entry, struct cis_error *err)
{
	cleanup(seed_done) struct seed s = SEED_CLOSED;
	struct cis_seed *ret = entry;
	int r = g->fd;

	if (r == -ENOENT)
		return 1; /* none was ever published */
	if (r >= 0 && (r = seed_read(name, g, &s, err)) < 0)
		cis_hint(err, "cisandbox seed rm %s removes it", name);
	if (r >= 0)
		*ret = summary(name, &s, g);
	return MIN(r, 0);
}

int cis_seed_list(struct cis_seed **ret, size_t *ret_n, struct cis_error *err)
{
	static const struct generations_entry entry = {
		sizeof **ret, offsetof(struct cis_seed, error), look};
	void *list;
	int unreadable = generations_list(GENERATIONS_SEED, &entry, &list, ret_n, err);

	if (unreadable >= 0)
		*ret = list;
	return unreadable;
}

int cis_seed_list_json(char **ret, struct cis_error *err)
{
	cleanup(json_freep) struct json *doc = json_array_new();
	cleanup_free struct cis_seed *list = NULL;
	size_t n = 0;
	int unreadable = cis_seed_list(&list, &n, err), r;

	if (unreadable < 0)
		return unreadable;
	for (size_t i = 0; doc && i < n; i++)
		json_push(doc, summary_json(&list[i]));
	r = doc ? json_write(doc, JSON_PRETTY, ret) : -ENOMEM;
	return r < 0 ? cis_fail(err, -r, "seed list") : unreadable;
}

int cis_seed_inspect_json(const char *name, char **ret, struct cis_error *err)
{
	cleanup(seed_done) struct seed s = SEED_CLOSED;
	cleanup(json_freep) struct json *doc = NULL;
	struct cis_seed one;
	int r = seed_open(name, &s, err);

	if (r < 0)
		return r;
	one = summary(name, &s, &s.g);
	doc = summary_json(&one);
	json_set_strv(doc, "stores", &s.stores);
	json_set_strv(doc, "places", &s.at);
	r = doc ? json_write(doc, JSON_PRETTY, ret) : -ENOMEM;
	return r < 0 ? cis_fail(err, -r, "seed \"%s\"", name) : 0;
}

int cis_seed_remove(const char *name, struct cis_error *err)
{
	return generations_remove(GENERATIONS_SEED, name, GENERATION_ANY, err);
}

static uint64_t sum_of(const struct cis_seed *list, size_t n)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum = seed_sum(sum, list[i].size);
	return sum;
}

static int by_use(const void *a, const void *b)
{
	const struct cis_seed *x = a, *y = b;

	return x->used != y->used ? (x->used > y->used ? 1 : -1) : strcmp(x->name, y->name);
}

static int shrink(uint64_t max, uint64_t *ret, struct cis_error *err)
{
	cleanup_free struct cis_seed *list = NULL;
	size_t n = 0;
	int unreadable = cis_seed_list(&list, &n, err);

	if (unreadable < 0)
		return unreadable;
	qsort(list, n, sizeof *list, by_use);
	for (size_t i = 0; i < n && sum_of(list, n) > max; i++) {
		struct cis_error why = {0};
		int r;

		if (*list[i].error)
			continue;
		r = generations_remove(GENERATIONS_SEED, list[i].name, list[i].generation, &why);
		/* In use, or built anew since it was looked at. */
		if (r == -EBUSY || r == -ESTALE)
			continue;
		/* Somebody else's prune, or rm, was there before. */
		if (r < 0 && r != -ENOENT) {
			if (err)
				*err = why;
			return r;
		}
		list[i].size = 0;
		*ret += r == 0;
	}
	return unreadable;
}

int cis_seed_prune(const uint64_t *max, uint64_t *ret_generations, uint64_t *ret_removed,
		   struct cis_error *err)
{
	int r = generations_prune(GENERATIONS_SEED, ret_generations, err);

	*ret_removed = 0;
	return r < 0 || !max ? r : shrink(*max, ret_removed, err);
}
