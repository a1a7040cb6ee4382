/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The profile door: a JSON document into the spec. cisandbox-spec(5) is its manual. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "fs/scratch.h"
#include "notify/traps.h"
#include "profiles.h"
#include "spec.h"

typedef int (*parser)(const char *text, uint64_t *ret);

/* 64, "64M", 1.5: numbers are read as they are spelt, never as floating point. */
static int want_scaled(const struct json *v, parser parse, const char *example, uint64_t *ret,
		       struct cis_error *err)
{
	char digits[32];
	const char *text = v->string;

	if (v->type == JSON_INT) {
		snprintf(digits, sizeof digits, "%" PRId64, v->integer);
		text = digits;
	} else if (v->type != JSON_STRING && v->type != JSON_NUMBER) {
		return json_fail(v, err, EINVAL, "expected a number or a string like %s",
				 example);
	}
	if (parse(text, ret) < 0)
		return json_fail(v, err, EINVAL, "\"%s\" is not of the form %s", text, example);
	return 0;
}

static int want_copy(const struct json *v, char **dst, struct cis_error *err)
{
	const char *s;
	int r = json_want_string(v, &s, err);

	if (r < 0)
		return r;
	return str_set(dst, s) < 0 ? json_fail(v, err, ENOMEM, "no memory") : 0;
}

static int read_image(struct spec *s, const struct json *v, struct cis_error *err)
{
	str_set(&s->rootfs, NULL);
	return want_copy(v, &s->image, err);
}

static int read_rootfs(struct spec *s, const struct json *v, struct cis_error *err)
{
	str_set(&s->image, NULL);
	return want_copy(v, &s->rootfs, err);
}

static int read_hostname(struct spec *s, const struct json *v, struct cis_error *err)
{
	int r = want_copy(v, &s->hostname, err);

	if (r >= 0 && !spec_hostname_is_valid(s->hostname))
		r = json_fail(v, err, EINVAL, "a host name has 1 to 64 characters");
	return r;
}

static int read_user(struct spec *s, const struct json *v, struct cis_error *err)
{
	int r = want_copy(v, &s->user, err);

	return r >= 0 && !*s->user ? json_fail(v, err, EINVAL, "empty") : r;
}

static int read_workdir(struct spec *s, const struct json *v, struct cis_error *err)
{
	return want_copy(v, &s->workdir, err);
}

static int read_memory(struct spec *s, const struct json *v, struct cis_error *err)
{
	return want_scaled(v, str_parse_size, "\"64M\"", &s->memory, err);
}

static int read_disk(struct spec *s, const struct json *v, struct cis_error *err)
{
	return want_scaled(v, str_parse_size, "\"20G\"", &s->disk, err);
}

static int read_disk_inodes(struct spec *s, const struct json *v, struct cis_error *err)
{
	return want_scaled(v, str_parse_u64, "1000000", &s->disk_inodes, err);
}

static int read_disk_backend(struct spec *s, const struct json *v, struct cis_error *err)
{
	const char *name;
	int r = json_want_string(v, &name, err);

	if (r >= 0 && scratch_parse(name, &s->disk_kind) < 0)
		r = json_fail(v, err, EINVAL,
			      "\"%s\" is no back end of disks (auto, quota, loop, btrfs, tmpfs)",
			      name);
	return r;
}

static int read_io(struct spec *s, const struct json *v, struct cis_error *err)
{
	static const char *const keys[] = {"rbps", "wbps", "riops", "wiops", NULL};
	uint64_t *const limits[] = {&s->io.rbps, &s->io.wbps, &s->io.riops, &s->io.wiops};
	int r = json_check_keys(v, keys, err);

	for (size_t i = 0; keys[i] && r >= 0; i++) {
		const struct json *limit = json_get(v, keys[i]);

		if (limit)
			r = want_scaled(limit, i < 2 ? str_parse_size : str_parse_u64,
					i < 2 ? "\"50M\"" : "1000", limits[i], err);
	}
	return r;
}

static int read_cpus(struct spec *s, const struct json *v, struct cis_error *err)
{
	return want_scaled(v, str_parse_cpus, "1.5", &s->cpus_milli, err);
}

static int read_timeout(struct spec *s, const struct json *v, struct cis_error *err)
{
	return want_scaled(v, str_parse_duration, "\"10m\"", &s->timeout_ms, err);
}

static int read_pids(struct spec *s, const struct json *v, struct cis_error *err)
{
	return want_scaled(v, str_parse_u64, "4096", &s->pids, err);
}

static int read_ids(struct spec *s, const struct json *v, struct cis_error *err)
{
	int r = want_scaled(v, str_parse_u64, "65536", &s->ids, err);

	s->ids = MAX(s->ids, SPEC_IDS_UNIT);
	return r;
}

static int read_net(struct spec *s, const struct json *v, struct cis_error *err)
{
	const char *mode;
	int r = json_want_string(v, &mode, err);

	if (r < 0)
		return r;
	if (strcmp(mode, "none") != 0 && strcmp(mode, "egress") != 0)
		return json_fail(v, err, EINVAL,
				 "\"%s\" is not a network mode (none, egress)", mode);
	s->net = strcmp(mode, "none") == 0 ? CIS_NET_NONE : CIS_NET_EGRESS;
	return 0;
}

static int read_publish(struct spec *s, const struct json *v, struct cis_error *err)
{
	cleanup(strv_done) struct strv ports = {0};
	int r = json_want_strv(v, &ports, err);

	for (size_t i = 0; i < ports.n && r >= 0; i++) {
		struct cis_error why = {0};

		r = spec_add_publish(s, ports.v[i], &why);
		if (r < 0)
			r = json_fail(v, err, -r, "%s", why.message);
	}
	return r;
}

static int read_vfs(struct spec *s, const struct json *v, struct cis_error *err)
{
	bool on;
	int r = json_want_bool(v, &on, err);

	if (r >= 0)
		s->vfs = on ? CIS_VFS_ON : CIS_VFS_OFF;
	return r;
}

static int read_inner_runtime(struct spec *s, const struct json *v, struct cis_error *err)
{
	static const char *const names[] = {
		[CIS_INNER_IMAGE] = "image",
		[CIS_INNER_AUTO] = "auto",
		[CIS_INNER_CISANDBOX] = "cisandbox",
	};
	const char *name;
	int r = json_want_string(v, &name, err);

	for (size_t i = 0; i < ARRAY_SIZE(names) && r >= 0; i++) {
		if (strcmp(name, names[i]) != 0)
			continue;
		s->inner = (enum cis_inner_runtime)i;
		return 0;
	}
	return r < 0 ? r
		     : json_fail(v, err, EINVAL,
				 "\"%s\" is no inner runtime (cisandbox, image, auto)", name);
}

static int read_env(struct spec *s, const struct json *v, struct cis_error *err)
{
	int r = json_want(v, JSON_ARRAY, err);

	for (const struct json *it = v->first; it && r >= 0; it = it->next) {
		const char *text;

		r = json_want_string(it, &text, err);
		if (r >= 0 && spec_add_env(&s->env, text) < 0)
			r = json_fail(it, err, EINVAL, "\"%s\" is not K=V or K", text);
	}
	return r;
}

static int read_labels(struct spec *s, const struct json *v, struct cis_error *err)
{
	return json_want_strv(v, &s->labels, err);
}

static int read_scratch_dirs(struct spec *s, const struct json *v, struct cis_error *err)
{
	return json_want_strv(v, &s->scratch_dirs, err);
}

static int read_no_new_privs(struct spec *s, const struct json *v, struct cis_error *err)
{
	bool on;
	int r = json_want_bool(v, &on, err);

	if (r >= 0)
		s->flags = (s->flags & ~CIS_NO_NEW_PRIVS) | (on ? CIS_NO_NEW_PRIVS : 0);
	return r;
}

static int read_allow(struct spec *s, const struct json *v, struct cis_error *err)
{
	static const struct {
		const char *name;
		uint64_t flag;
	} known[] = {
		{"bpf", CIS_ALLOW_BPF},
		{"perf", CIS_ALLOW_PERF},
		{"io_uring", CIS_ALLOW_IO_URING},
	};
	int r = json_want(v, JSON_ARRAY, err);

	for (const struct json *it = v->first; it && r >= 0; it = it->next) {
		const char *name;
		uint64_t flag = 0;

		r = json_want_string(it, &name, err);
		for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(known); i++)
			if (strcmp(known[i].name, name) == 0)
				flag = known[i].flag;
		if (r >= 0 && !flag)
			r = json_fail(it, err, EINVAL,
				      "\"%s\" cannot be allowed (bpf, perf, io_uring)", name);
		s->flags |= flag;
	}
	return r;
}

static int read_trap(struct spec *s, const struct json *v, struct cis_error *err)
{
	int r = json_want(v, JSON_ARRAY, err);

	for (const struct json *it = v->first; it && r >= 0; it = it->next) {
		const char *name;

		r = json_want_string(it, &name, err);
		if (r >= 0 && !trap_flag(name))
			r = json_fail(it, err, EINVAL, "\"%s\" cannot be trapped (%s)", name,
				      TRAP_NAMES);
		if (r >= 0)
			s->flags |= trap_flag(name);
	}
	return r;
}

static int read_bind(struct spec *s, const struct json *v, struct cis_error *err)
{
	static const char *const keys[] = {"source", "target", "readonly", NULL};
	const struct json *source, *target, *flag;
	const char *from, *to;
	bool readonly = false;
	int r = json_check_keys(v, keys, err);

	if (r >= 0)
		r = json_need(v, "source", &source, err);
	if (r >= 0)
		r = json_need(v, "target", &target, err);
	if (r >= 0)
		r = json_want_string(source, &from, err);
	if (r >= 0)
		r = json_want_string(target, &to, err);
	flag = r >= 0 ? json_get(v, "readonly") : NULL;
	if (flag)
		r = json_want_bool(flag, &readonly, err);
	return r < 0 ? r : spec_add_bind(s, from, to, readonly, err);
}

static int read_ulimit(struct spec *s, const struct json *v, struct cis_error *err)
{
	static const char *const keys[] = {"name", "soft", "hard", NULL};
	const struct json *name, *limit;
	const char *text;
	uint64_t soft, hard;
	int r = json_check_keys(v, keys, err);

	if (r >= 0)
		r = json_need(v, "name", &name, err);
	if (r >= 0)
		r = json_want_string(name, &text, err);
	if (r >= 0)
		r = json_need(v, "soft", &limit, err);
	if (r >= 0)
		r = want_scaled(limit, str_parse_u64, "1024", &soft, err);
	hard = soft;
	limit = r >= 0 ? json_get(v, "hard") : NULL;
	if (limit)
		r = want_scaled(limit, str_parse_u64, "1024", &hard, err);
	if (r >= 0 && spec_add_ulimit(s, text, soft, hard) < 0)
		r = json_fail(v, err, EINVAL, "no such limit, or soft is above hard");
	return r;
}

static int read_ready(struct spec_service *svc, const struct json *v, struct cis_error *err)
{
	static const char *const keys[] = {"unix", "http", NULL};
	const struct json *unix_path, *http;
	int r = json_check_keys(v, keys, err);

	if (r >= 0)
		r = json_need(v, "unix", &unix_path, err);
	if (r >= 0)
		r = want_copy(unix_path, &svc->ready_unix, err);
	if (r >= 0 && strlen(svc->ready_unix) > 107)
		r = json_fail(unix_path, err, ENAMETOOLONG, "longer than a socket's name may be");
	http = r >= 0 ? json_get(v, "http") : NULL;
	return http ? want_copy(http, &svc->ready_http, err) : r;
}

static int fill_service(struct spec_service *svc, const struct json *v, struct cis_error *err)
{
	static const char *const keys[] = {"name", "argv", "log", "ready", "timeout", NULL};
	const struct json *name, *argv, *rest;
	int r = json_check_keys(v, keys, err);

	svc->timeout_ms = 30000;
	if (r >= 0)
		r = json_need(v, "name", &name, err);
	if (r >= 0)
		r = want_copy(name, &svc->name, err);
	if (r >= 0)
		r = json_need(v, "argv", &argv, err);
	if (r >= 0)
		r = json_want_strv(argv, &svc->argv, err);
	if (r >= 0 && !svc->argv.n)
		r = json_fail(argv, err, EINVAL, "no program in it");
	rest = r >= 0 ? json_get(v, "log") : NULL;
	if (rest)
		r = want_copy(rest, &svc->log, err);
	rest = r >= 0 ? json_get(v, "ready") : NULL;
	if (rest)
		r = read_ready(svc, rest, err);
	rest = r >= 0 ? json_get(v, "timeout") : NULL;
	if (rest)
		r = want_scaled(rest, str_parse_duration, "\"30s\"", &svc->timeout_ms, err);
	return r;
}

static int read_service(struct spec *s, const struct json *v, struct cis_error *err)
{
	struct spec_service svc = {0};
	int r = fill_service(&svc, v, err);

	if (r >= 0 && spec_add_service(s, &svc) < 0)
		r = json_fail(v, err, ENOMEM, "no memory");
	spec_service_done(&svc);
	return r;
}

static int each(struct spec *s, const struct json *v,
		int (*read)(struct spec *, const struct json *, struct cis_error *),
		struct cis_error *err)
{
	int r = json_want(v, JSON_ARRAY, err);

	for (const struct json *it = v->first; it && r >= 0; it = it->next)
		r = read(s, it, err);
	return r;
}

static int read_binds(struct spec *s, const struct json *v, struct cis_error *err)
{
	return each(s, v, read_bind, err);
}

static int read_ulimits(struct spec *s, const struct json *v, struct cis_error *err)
{
	return each(s, v, read_ulimit, err);
}

static int read_services(struct spec *s, const struct json *v, struct cis_error *err)
{
	return each(s, v, read_service, err);
}

static const struct {
	const char *key;
	int (*read)(struct spec *s, const struct json *v, struct cis_error *err);
} fields[] = {
	{"image", read_image},
	{"rootfs", read_rootfs},
	{"hostname", read_hostname},
	{"user", read_user},
	{"workdir", read_workdir},
	{"env", read_env},
	{"labels", read_labels},
	{"memory", read_memory},
	{"cpus", read_cpus},
	{"pids", read_pids},
	{"disk", read_disk},
	{"disk_backend", read_disk_backend},
	{"disk_inodes", read_disk_inodes},
	{"io", read_io},
	{"ids", read_ids},
	{"timeout", read_timeout},
	{"net", read_net},
	{"egress", spec_read_egress},
	{"publish", read_publish},
	{"vfs", read_vfs},
	{"inner_runtime", read_inner_runtime},
	{"binds", read_binds},
	{"ulimits", read_ulimits},
	{"scratch_dirs", read_scratch_dirs},
	{"services", read_services},
	{"no_new_privs", read_no_new_privs},
	{"allow", read_allow},
	{"trap", read_trap},
};

int spec_load_json(struct spec *s, const char *text, size_t len, const char *name,
		   struct cis_error *err)
{
	cleanup(json_freep) struct json *doc = NULL;
	const char *keys[ARRAY_SIZE(fields) + 1] = {NULL};
	int r = json_parse(text, len, JSON_COMMENTS, name, &doc, err);

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		keys[i] = fields[i].key;
	if (r >= 0)
		r = json_check_keys(doc, keys, err);
	for (size_t i = 0; i < ARRAY_SIZE(fields) && r >= 0; i++) {
		const struct json *v = json_get(doc, fields[i].key);

		if (v)
			r = fields[i].read(s, v, err);
	}
	return r;
}

const char *spec_builtin_profile(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(builtin_profiles); i++)
		if (strcmp(builtin_profiles[i].name, name) == 0)
			return builtin_profiles[i].text;
	return NULL;
}
