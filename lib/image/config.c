/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/io.h"
#include "../base/json.h"

void image_config_done(struct image_config *c)
{
	strv_done(&c->env);
	strv_done(&c->entrypoint);
	strv_done(&c->cmd);
	free(c->user);
	free(c->workdir);
	*c = (struct image_config){0};
}

/* Absent, null and empty are the same. */
static const struct json *get(const struct json *obj, const char *key)
{
	const struct json *v = json_get(obj, key);

	return v && v->type != JSON_NULL ? v : NULL;
}

static int read_list(const struct json *obj, const char *key, struct strv *ret,
		     struct cis_error *err)
{
	const struct json *v = get(obj, key);

	return v ? json_want_strv(v, ret, err) : 0;
}

static int read_text(const struct json *obj, const char *key, char **ret, struct cis_error *err)
{
	const struct json *v = get(obj, key);
	const char *text;
	int r = v ? json_want_string(v, &text, err) : 0;

	if (r < 0 || !v || !*text)
		return r;
	return str_set(ret, text) < 0 ? cis_fail(err, ENOMEM, "image") : 0;
}

/* "SIGTERM", "TERM", "15", "SIGRTMIN+3" */
static int signal_of(const char *text)
{
	const char *name = str_starts(text, "SIG") ? text + 3 : text;
	uint64_t n;

	if (str_parse_u64(text, &n) == 0)
		return n > 0 && n <= (uint64_t)SIGRTMAX ? (int)n : -EINVAL;
	if (str_starts(name, "RTMIN+") && str_parse_u64(name + 6, &n) == 0)
		return n <= (uint64_t)(SIGRTMAX - SIGRTMIN) ? SIGRTMIN + (int)n : -EINVAL;
	for (int sig = 1; sig < SIGRTMIN; sig++) {
		const char *known = sigabbrev_np(sig);

		if (known && strcmp(known, name) == 0)
			return sig;
	}
	return -EINVAL;
}

static int read_signal(const struct json *obj, int *ret, struct cis_error *err)
{
	const struct json *v = get(obj, "StopSignal");
	const char *text;
	int r = v ? json_want_string(v, &text, err) : 0;

	if (r < 0 || !v || !*text)
		return r;
	*ret = signal_of(text);
	return *ret < 0 ? json_fail(v, err, EINVAL, "\"%.50s\" is no signal", text) : 0;
}

static int check_env(const struct json *obj, const struct strv *env, struct cis_error *err)
{
	for (size_t i = 0; i < env->n; i++)
		if (!strchr(env->v[i], '=') || env->v[i][0] == '=')
			return json_fail(get(obj, "Env"), err, EINVAL,
					 "\"%.100s\" is not NAME=VALUE", env->v[i]);
	return 0;
}

int image_config_parse(const struct json *doc, struct image_config *ret, struct cis_error *err)
{
	const struct json *obj = get(doc, "config");
	int r = obj ? json_want(obj, JSON_OBJECT, err) : 0;

	if (r < 0 || !obj)
		return r;
	r = read_list(obj, "Env", &ret->env, err);
	if (r == 0)
		r = check_env(obj, &ret->env, err);
	if (r == 0)
		r = read_list(obj, "Entrypoint", &ret->entrypoint, err);
	if (r == 0)
		r = read_list(obj, "Cmd", &ret->cmd, err);
	if (r == 0)
		r = read_text(obj, "User", &ret->user, err);
	if (r == 0)
		r = read_text(obj, "WorkingDir", &ret->workdir, err);
	if (r == 0 && ret->workdir && ret->workdir[0] != '/')
		r = json_fail(get(obj, "WorkingDir"), err, EINVAL, "is not absolute");
	return r == 0 ? read_signal(obj, &ret->stop_signal, err) : r;
}

int image_config_read(int dir, const char *image, struct image_config *ret,
		      struct cis_error *err)
{
	cleanup(json_freep) struct json *doc = NULL;
	cleanup_free char *text = NULL, *name = NULL;
	size_t len;
	int r = io_read_file_at(dir, "config.json", JSON_MAX_TEXT, &text, &len);

	if (r == -ENOENT)
		return 0;
	if (r == 0)
		r = str_format(&name, "image \"%s\": config.json", image);
	if (r < 0)
		return cis_fail(err, -r, "image \"%s\": config.json", image);
	r = json_parse(text, len, 0, name, &doc, err);
	return r == 0 ? image_config_parse(doc, ret, err) : r;
}

struct json *image_config_for_exec(const struct image_config *c)
{
	struct json *config = json_object_new();

	if (c->env.n)
		json_set_strv(config, "Env", &c->env);
	if (c->user)
		json_set_string(config, "User", c->user);
	if (c->workdir)
		json_set_string(config, "WorkingDir", c->workdir);
	return config;
}
