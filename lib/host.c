/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All sandboxes of the host: list, inspect, stats, wait, reap. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "bundle.h"
#include "describe.h"
#include "disk.h"
#include "host.h"
#include "pool.h"

/* ---- reap --------------------------------------------------------------------- */

/* Under the lock of the root: whether it is dead, and then nobody else's to undo. */
static bool take_dead(const char *id, struct state *ret)
{
	state_init(ret);
	if (state_open(ret, id, NULL) >= 0 && flock(ret->lock, LOCK_EX | LOCK_NB) >= 0)
		return true;
	state_done(ret);
	return false;
}

/* A few at a time: each is two descriptors. */
#define REAP_AT_ONCE 32

/* From ids[*at] on, which moves behind what has been looked at. */
static int take_some(struct state dead[static REAP_AT_ONCE], size_t *ret_n,
		     unsigned int *empty, const struct strv *ids, size_t *at,
		     struct cis_error *err)
{
	cleanup_close int lock = state_lock_root(err);

	*ret_n = 0;
	if (lock < 0)
		return lock;
	for (; *at < ids->n && *ret_n < REAP_AT_ONCE; ++*at)
		if (take_dead(ids->v[*at], &dead[*ret_n]))
			++*ret_n;
		else
			*empty += state_remove_unborn(ids->v[*at]);
	return 0;
}

static int reap(unsigned int *ret_n, struct cis_error *err)
{
	cleanup(strv_done) struct strv ids = {0};
	struct state dead[REAP_AT_ONCE];
	unsigned int n = 0;
	int worst = 0, r = state_list(&ids, err);

	for (size_t at = 0, n_dead; at < ids.n && r >= 0;) {
		r = take_some(dead, &n_dead, &n, &ids, &at, err);
		for (size_t i = 0; i < n_dead; i++) {
			int one = state_undo(&dead[i], NULL, err);

			if (one < 0)
				worst = one; /* the others still deserve to be tried */
			else
				n++;
			state_done(&dead[i]);
		}
	}
	*ret_n = n;
	return r < 0 ? r : worst;
}

int cis_reap(unsigned int *ret_n, struct cis_error *err)
{
	unsigned int n = 0;
	int r = reap(&n, err), swept = disk_sweep(true, r < 0 ? NULL : err);

	if (ret_n)
		*ret_n = n;
	return r < 0 ? r : swept;
}

void host_reap(void)
{
	unsigned int n;

	reap(&n, NULL);
	disk_sweep(false, NULL);
}

/* ---- list ------------------------------------------------------------------------- */

static const char *status_of(const struct state *st, const struct json *doc)
{
	char pool[64];

	if (!state_is_alive(st))
		return "dead";
	pool_of(st, pool);
	if (*pool)
		return "pooled";
	return doc ? "running" : "starting";
}

static void copy_string(char *dst, size_t n, const struct json *doc, const char *key)
{
	const struct json *v = doc ? json_get(doc, key) : NULL;

	if (v && v->type == JSON_STRING)
		snprintf(dst, n, "%s", v->string);
}

static int64_t get_int(const struct json *doc, const char *key)
{
	const struct json *v = doc ? json_get(doc, key) : NULL;

	return v && v->type == JSON_INT ? v->integer : 0;
}

static void copy_command(char *dst, size_t n, const struct json *doc)
{
	const struct json *v = doc ? json_get(doc, "command") : NULL;
	size_t used = 0;

	*dst = '\0';
	for (const struct json *it = v ? v->first : NULL; it && used + 1 < n; it = it->next)
		used += (size_t)snprintf(dst + used, n - used, "%s%s", used ? " " : "",
					 it->string ? it->string : "");
}

static bool fill_info(const char *id, struct cis_info *ret)
{
	cleanup(state_done) struct state st;
	cleanup(json_freep) struct json *doc = NULL;

	state_init(&st);
	if (state_open(&st, id, NULL) < 0)
		return false;
	if (state_read(&st, &doc, NULL) < 0)
		doc = NULL;
	*ret = (struct cis_info){
		.created = get_int(doc, "created"),
		.init = (int32_t)get_int(doc, "init"),
		.id_base = (uint32_t)get_int(doc, "id_base"),
		.id_count = (uint32_t)get_int(doc, "id_count"),
	};
	snprintf(ret->id, sizeof ret->id, "%s", id);
	snprintf(ret->status, sizeof ret->status, "%s", status_of(&st, doc));
	copy_string(ret->image, sizeof ret->image, doc, "rootfs");
	copy_string(ret->image, sizeof ret->image, doc, "image");
	copy_command(ret->command, sizeof ret->command, doc);
	return true;
}

int cis_list(struct cis_info **ret, size_t *ret_n, struct cis_error *err)
{
	cleanup(strv_done) struct strv ids = {0};
	struct cis_info *infos;
	size_t n = 0;
	int r = state_list(&ids, err);

	if (r < 0)
		return r;
	infos = calloc(ids.n + 1, sizeof *infos);
	if (!infos)
		return cis_fail(err, ENOMEM, "list");
	for (size_t i = 0; i < ids.n; i++)
		n += fill_info(ids.v[i], &infos[n]);
	*ret = infos;
	*ret_n = n;
	return 0;
}

static int write_json(const struct json *doc, char **ret, struct cis_error *err)
{
	int r = json_write(doc, JSON_PRETTY, ret);

	return r < 0 ? cis_fail(err, -r, "write JSON") : 0;
}

int cis_list_json(char **ret, struct cis_error *err)
{
	cleanup(json_freep) struct json *array = json_array_new();
	cleanup_free struct cis_info *infos = NULL;
	size_t n;
	int r = cis_list(&infos, &n, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++) {
		struct json *o = json_object_new();

		json_set_string(o, "id", infos[i].id);
		json_set_string(o, "status", infos[i].status);
		json_set_string(o, "image", infos[i].image);
		json_set_string(o, "command", infos[i].command);
		json_set_int(o, "created", infos[i].created);
		json_set_int(o, "init", infos[i].init);
		json_set_int(o, "id_base", infos[i].id_base);
		json_set_int(o, "id_count", infos[i].id_count);
		json_push(array, o);
	}
	return write_json(array, ret, err);
}

/* ---- one ----------------------------------------------------------------------------- */

static void add_network(struct json *o, const struct state *st, uint32_t number)
{
	struct gate_numbers g;
	struct json *n;

	if (gate_read_numbers(st->dir, number, &g) < 0)
		return;
	n = json_object_new();
	json_set_int(n, "flows", (int64_t)g.flows);
	json_set_int(n, "bytes_up", (int64_t)g.up);
	json_set_int(n, "bytes_down", (int64_t)g.down);
	json_set_int(n, "denied", (int64_t)g.refused);
	json_set_int(n, "questions", (int64_t)g.questions);
	json_set(o, "network", n);
}

static struct json *usage(const struct state *st, const struct json *doc)
{
	struct json *o = json_object_new();
	char name[STATE_GROUP_NAME_MAX];
	struct group_stat stat;
	struct group g;
	struct scratch_usage disk = {0};
	cleanup_close int root = state_open_cache(st, NULL);

	if (bundle_stat_of(st->id, &stat) < 0) {
		group_init(&g);
		state_group_name(st, name);
		group_open(&g, name, root, NULL);
		group_stat(&g, &stat);
		group_done(&g);
	}
	disk_usage_of(st, (pid_t)get_int(doc, "init"), &disk);
	json_set_int(o, "memory", (int64_t)stat.memory);
	json_set_int(o, "memory_peak", (int64_t)stat.memory_peak);
	json_set_int(o, "cpu_usec", (int64_t)stat.cpu_usec);
	json_set_int(o, "pids", (int64_t)stat.pids);
	json_set_int(o, "oom_kills", (int64_t)stat.oom_kills);
	json_set_int(o, "disk", (int64_t)disk.used);
	json_set_int(o, "disk_size", (int64_t)disk.size);
	json_set_int(o, "disk_inodes", (int64_t)disk.inodes);
	json_set_int(o, "disk_inodes_size", (int64_t)disk.inodes_size);
	add_network(o, st, (uint32_t)get_int(doc, "gate"));
	return o;
}

static int open_live(const char *id, struct state *st, struct json **ret,
		     struct cis_error *err)
{
	int r = state_open(st, id, err);

	if (r < 0)
		return r;
	r = state_read(st, ret, err);
	return r < 0 ? cis_fail_plain(err, EAGAIN, "the sandbox %s is still starting", id) : 0;
}

int cis_inspect_json(const char *id, char **ret, struct cis_error *err)
{
	cleanup(state_done) struct state st;
	cleanup(json_freep) struct json *doc = NULL;
	int r;

	state_init(&st);
	r = open_live(id, &st, &doc, err);
	if (r < 0)
		return r;
	json_set_string(doc, "status", status_of(&st, doc));
	json_set(doc, "usage", usage(&st, doc));
	return write_json(doc, ret, err);
}

int cis_stats_json(const char *id, char **ret, struct cis_error *err)
{
	cleanup(state_done) struct state st;
	cleanup(json_freep) struct json *doc = NULL, *o = NULL;
	int r;

	state_init(&st);
	r = open_live(id, &st, &doc, err);
	if (r < 0)
		return r;
	o = usage(&st, doc);
	json_set_string(o, "id", id);
	return write_json(o, ret, err);
}

int cis_wait(const char *id, int *ret_status, struct cis_error *err)
{
	cleanup(state_done) struct state st;
	int r;

	state_init(&st);
	r = state_open(&st, id, err);
	return r < 0 ? r : state_wait_exit(&st, ret_status, err);
}
