/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * config.json: the document as a whole, and those of its members that no other file is
 * about. Nothing here looks at the host: the same text always gives the same answer.
 */
#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <sched.h>
#include <string.h>

#include "../base/compat.h"
#include "../base/io.h"
#include "config-read.h"

#define AT(member) offsetof(struct config, member)

/* Digits, and the point behind them unless it is the last part. */
static const char *skip_part(const char *s, bool last)
{
	const char *end = s;

	while (isdigit((unsigned char)*end))
		end++;
	if (end == s || (!last && *end != '.'))
		return NULL;
	return last ? end : end + 1;
}

/*
 * SemVer. Any 1.x is good: the specification only adds, and engines raise the number
 * before they use anything new.
 */
static int read_version(void *to, const struct json *v, struct cis_error *err)
{
	int r = config_want_string(to, v, err);
	const char *s = r < 0 ? NULL : v->string, *rest = s;

	for (int part = 0; part < 3 && rest; part++)
		rest = skip_part(rest, part == 2);
	if (r < 0)
		return r;
	if (!rest || (*rest && !strchr("-+", *rest)) || (*rest && !rest[1]))
		return config_refuse(v, err, "a version like 1.3.0");
	if (!str_starts(s, "1."))
		return config_refuse(v, err,
				     "a version that is known here (1.0.0 to 1.3.0)");
	return 0;
}

static int read_root(void *to, const struct json *v, struct cis_error *err)
{
	static const struct config_field fields[] = {
		{"path", config_want_string, AT(root_path), .required = true},
		{"readonly", config_want_bool, AT(root_readonly)},
	};

	return config_read_fields(to, fields, ARRAY_SIZE(fields), v, err);
}

static int read_host_name(void *to, const struct json *v, struct cis_error *err)
{
	int r = config_want_text(to, v, err);

	/* __NEW_UTS_LEN */
	if (r >= 0 && v->n > 64)
		r = json_fail(v, err, EINVAL, "longer than 64 bytes");
	return r;
}

/* ---- hooks ----------------------------------------------------------------------- */

static int want_timeout(void *to, const struct json *v, struct cis_error *err)
{
	int64_t value = 0;
	int r = json_want_int(v, 1, INT32_MAX, &value, err);

	*(unsigned int *)to = (unsigned int)value;
	return r;
}

static int read_hook(void *to, const struct json *v, struct cis_error *err)
{
	static const struct config_field fields[] = {
		{"path", config_want_path, offsetof(struct config_hook, path),
		 .required = true},
		{"args", config_want_strv, offsetof(struct config_hook, args)},
		{"env", config_want_strv, offsetof(struct config_hook, env)},
		{"timeout", want_timeout, offsetof(struct config_hook, timeout)},
	};

	return config_read_fields(to, fields, ARRAY_SIZE(fields), v, err);
}

static int read_point(void *to, const struct json *v, struct cis_error *err)
{
	struct config_hooks *h = to;

	return CONFIG_READ_ITEMS(h->v, h->n, v, JSON_ARRAY, read_hook, err);
}

static int read_hooks(void *to, const struct json *v, struct cis_error *err)
{
	static const struct config_field fields[] = {
		{"prestart", read_point, AT(hooks[HOOK_PRESTART])},
		{"createRuntime", read_point, AT(hooks[HOOK_CREATE_RUNTIME])},
		{"createContainer", read_point, AT(hooks[HOOK_CREATE_CONTAINER])},
		{"startContainer", read_point, AT(hooks[HOOK_START_CONTAINER])},
		{"poststart", read_point, AT(hooks[HOOK_POSTSTART])},
		{"poststop", read_point, AT(hooks[HOOK_POSTSTOP])},
	};

	return config_read_fields(to, fields, ARRAY_SIZE(fields), v, err);
}

static void hooks_done(struct config_hooks *h)
{
	for (size_t i = 0; i < h->n; i++) {
		free(h->v[i].path);
		strv_done(&h->v[i].args);
		strv_done(&h->v[i].env);
	}
	free(h->v);
}

/* ---- the whole ------------------------------------------------------------------- */

static int read_annotations(void *to, const struct json *v, struct cis_error *err)
{
	struct config *c = to;

	return CONFIG_READ_ITEMS(c->annotations, c->n_annotations, v, JSON_OBJECT,
				 config_want_pair, err);
}

/* The version first: of a document from another age, that is what is wrong with it. */
static const struct config_field fields[] = {
	{"ociVersion", read_version, AT(version), .required = true},
	{"process", config_read_process, AT(process), .has = AT(has_process)},
	{"root", read_root, .required = true},
	{"hostname", read_host_name, AT(hostname)},
	{"domainname", read_host_name, AT(domainname)},
	{"mounts", config_read_mounts},
	{"hooks", read_hooks},
	{"annotations", read_annotations},
	{"linux", config_read_linux},
};

static int check_uts(const struct config *c, const char *name, const char *key,
		     struct cis_error *err)
{
	if (!name || config_namespace(c, CLONE_NEWUTS))
		return 0;
	return json_fail(json_get(c->json, key), err, EINVAL,
			 "it would be the host's: there is no uts namespace in "
			 "linux.namespaces");
}

int config_parse(struct config *c, const char *text, size_t len, struct cis_error *err)
{
	int r;

	*c = (struct config){0};
	config_resources_init(&c->resources);
	r = json_parse(text, len, JSON_UNSIGNED, "config.json", &c->json, err);
	if (r >= 0)
		r = config_read_fields(c, fields, ARRAY_SIZE(fields), c->json, err);
	if (r >= 0)
		r = check_uts(c, c->hostname, "hostname", err);
	if (r >= 0)
		r = check_uts(c, c->domainname, "domainname", err);
	return r < 0 ? r : config_check_linux(c, err);
}

int config_load(struct config *c, int bundle, const char *name, struct cis_error *err)
{
	cleanup_free char *text = NULL;
	size_t len;
	int r = io_read_file_at(bundle, name, JSON_MAX_TEXT, &text, &len);

	if (r >= 0)
		return config_parse(c, text, len, err);
	*c = (struct config){0};
	return cis_fail(err, -r, "bundle: read %s", name);
}

void config_done(struct config *c)
{
	config_process_done(&c->process);
	config_mounts_done(c);
	for (size_t i = 0; i < HOOK_POINTS; i++)
		hooks_done(&c->hooks[i]);
	config_pairs_done(c->annotations, c->n_annotations);
	config_linux_done(c);
	config_resources_done(&c->resources);
	config_seccomp_done(&c->seccomp);
	free(c->version);
	free(c->root_path);
	free(c->hostname);
	free(c->domainname);
	json_free(c->json);
	*c = (struct config){0};
}

const struct config_namespace *config_namespace(const struct config *c, int flag)
{
	for (size_t i = 0; i < c->n_namespaces; i++)
		if (c->namespaces[i].flag == flag)
			return &c->namespaces[i];
	return NULL;
}

const char *config_annotation(const struct config *c, const char *key)
{
	for (size_t i = 0; i < c->n_annotations; i++)
		if (strcmp(c->annotations[i].key, key) == 0)
			return c->annotations[i].value;
	return NULL;
}
