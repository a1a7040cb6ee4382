/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "spec.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

void spec_init(struct spec *s)
{
	*s = (struct spec){.ids = SPEC_IDS_UNIT};
}

void spec_service_done(struct spec_service *svc)
{
	free(svc->name);
	free(svc->log);
	free(svc->ready_unix);
	free(svc->ready_http);
	strv_done(&svc->argv);
	*svc = (struct spec_service){0};
}

void spec_done(struct spec *s)
{
	free(s->id);
	free(s->image);
	free(s->rootfs);
	free(s->user);
	free(s->workdir);
	free(s->hostname);
	free(s->seed);
	free(s->entrypoint);
	free(s->scope);
	strv_done(&s->env);
	strv_done(&s->labels);
	strv_done(&s->scratch_dirs);
	ruleset_done(&s->egress.rules);
	secrets_done(&s->secrets);
	artifacts_done(&s->artifacts);
	for (size_t i = 0; i < s->n_binds; i++) {
		free(s->binds[i].source);
		free(s->binds[i].target);
	}
	free(s->binds);
	for (size_t i = 0; i < s->n_caches; i++) {
		free(s->caches[i].name);
		free(s->caches[i].path);
	}
	free(s->ulimits);
	for (size_t i = 0; i < s->n_services; i++)
		spec_service_done(&s->services[i]);
	free(s->services);
	*s = (struct spec){0};
}

int spec_add_bind(struct spec *s, const char *source, const char *target, bool readonly,
		  struct cis_error *err)
{
	struct spec_bind *bigger;
	struct spec_bind b = {.readonly = readonly};

	if (!*source)
		return cis_fail_plain(err, EINVAL, "bind: the host path is empty");
	if (target[0] != '/')
		return cis_fail_plain(err, EINVAL,
				      "bind %s: the path inside, \"%s\", is not absolute",
				      source, target);
	bigger = reallocarray(s->binds, s->n_binds + 1, sizeof *bigger);
	if (!bigger)
		return cis_fail(err, ENOMEM, "bind");
	s->binds = bigger;
	if (str_set(&b.source, source) < 0 || str_set(&b.target, target) < 0) {
		free(b.source);
		return cis_fail(err, ENOMEM, "bind");
	}
	s->binds[s->n_binds++] = b;
	return 0;
}

static bool same_end(const struct publish *a, const struct publish *b)
{
	return a->six == b->six && a->udp == b->udp && a->port == b->port &&
	       memcmp(a->address, b->address, sizeof a->address) == 0;
}

int spec_add_publish(struct spec *s, const char *text, struct cis_error *err)
{
	struct spec_egress *e = &s->egress;
	struct publish p;
	int r = publish_parse(text, &p, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < e->n_published; i++)
		if (same_end(&e->published[i], &p))
			return cis_fail_plain(err, EEXIST,
					      "publish \"%s\": that port of the host is "
					      "published already", text);
	if (e->n_published == PUBLISH_MAX)
		return cis_fail_plain(err, E2BIG, "publish \"%s\": more than %d ports", text,
				      PUBLISH_MAX);
	e->is_set = true;
	e->published[e->n_published++] = p;
	return 0;
}

static const struct {
	const char *name;
	int resource;
} ulimits[] = {
	{"as", RLIMIT_AS},
	{"core", RLIMIT_CORE},
	{"cpu", RLIMIT_CPU},
	{"data", RLIMIT_DATA},
	{"fsize", RLIMIT_FSIZE},
	{"locks", RLIMIT_LOCKS},
	{"memlock", RLIMIT_MEMLOCK},
	{"msgqueue", RLIMIT_MSGQUEUE},
	{"nice", RLIMIT_NICE},
	{"nofile", RLIMIT_NOFILE},
	{"nproc", RLIMIT_NPROC},
	{"rtprio", RLIMIT_RTPRIO},
	{"rttime", RLIMIT_RTTIME},
	{"sigpending", RLIMIT_SIGPENDING},
	{"stack", RLIMIT_STACK},
};

const char *spec_ulimit_name(int resource)
{
	for (size_t i = 0; i < ARRAY_SIZE(ulimits); i++)
		if (ulimits[i].resource == resource)
			return ulimits[i].name;
	return NULL;
}

int spec_add_ulimit(struct spec *s, const char *name, uint64_t soft, uint64_t hard)
{
	struct spec_ulimit *bigger, u = {.resource = -1};

	for (size_t i = 0; i < ARRAY_SIZE(ulimits); i++)
		if (strcmp(ulimits[i].name, name) == 0)
			u.resource = ulimits[i].resource;
	if (u.resource < 0 || soft > hard)
		return -EINVAL;
	/* UINT64_MAX and RLIM_INFINITY are the same number. */
	u.limit = (struct rlimit){.rlim_cur = soft, .rlim_max = hard};
	bigger = reallocarray(s->ulimits, s->n_ulimits + 1, sizeof *bigger);
	if (!bigger)
		return -ENOMEM;
	s->ulimits = bigger;
	s->ulimits[s->n_ulimits++] = u;
	return 0;
}

int spec_add_service(struct spec *s, struct spec_service *svc)
{
	struct spec_service *bigger =
		reallocarray(s->services, s->n_services + 1, sizeof *bigger);

	if (!bigger)
		return -ENOMEM;
	s->services = bigger;
	s->services[s->n_services++] = *svc;
	*svc = (struct spec_service){0};
	return 0;
}

int spec_add_env(struct strv *env, const char *assignment)
{
	const char *eq = strchr(assignment, '=');
	size_t key_len = eq ? (size_t)(eq - assignment) : strlen(assignment);
	cleanup_free char *full = NULL;
	int r;

	if (key_len == 0)
		return -EINVAL;
	if (!eq) {
		const char *value = getenv(assignment);

		if (!value)
			return 0;
		r = str_format(&full, "%s=%s", assignment, value);
		if (r < 0)
			return r;
		assignment = full;
	}
	for (size_t i = 0; i < env->n; i++)
		if (strncmp(env->v[i], assignment, key_len + 1) == 0)
			return str_set(&env->v[i], assignment);
	return strv_add(env, assignment);
}

uint64_t *spec_limit(struct spec *s, enum spec_limit which)
{
	uint64_t *const limits[N_LIMITS] = {
		[LIMIT_MEMORY] = &s->memory,
		[LIMIT_CPUS] = &s->cpus_milli,
		[LIMIT_PIDS] = &s->pids,
		[LIMIT_DISK] = &s->disk,
		[LIMIT_TIMEOUT] = &s->timeout_ms,
	};

	return limits[which];
}

void spec_demand(struct spec *s, enum spec_limit which, uint64_t value)
{
	*spec_limit(s, which) = value;
	s->builtin &= ~(1u << which);
}

bool spec_id_is_valid(const char *id)
{
	size_t n = strlen(id);

	if (n < 1 || n > 63 || !isalnum((unsigned char)id[0]))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)id[i]) && !strchr("_.-", id[i]))
			return false;
	return true;
}

bool spec_hostname_is_valid(const char *name)
{
	size_t n = strlen(name);

	return n >= 1 && n <= 64; /* the kernel's own limits */
}

int spec_validate(const struct spec *s, struct cis_error *err)
{
	if (!s->image && !s->rootfs)
		return cis_fail_plain(err, EINVAL, "no root file system named "
						   "(give an image or a rootfs)");
	if (s->image && s->rootfs)
		return cis_fail_plain(err, EINVAL, "both an image and a rootfs named");
	if (s->memory && s->memory < SPEC_MEMORY_MIN)
		return cis_fail_plain(err, EINVAL,
				      "memory limit %llu bytes: below the %lluM that the "
				      "sandbox's own init needs",
				      (unsigned long long)s->memory,
				      SPEC_MEMORY_MIN >> 20);
	if (s->cpus_milli && s->cpus_milli < 10)
		return cis_fail_plain(err, EINVAL, "cpu limit: below 0.01, the least "
						   "the kernel can schedule");
	if (s->pids && s->pids < SPEC_PIDS_MIN + s->n_services)
		return cis_fail_plain(err, EINVAL,
				      "pids limit %llu: below the %llu that setting up takes, "
				      "with %zu service(s)",
				      (unsigned long long)s->pids,
				      SPEC_PIDS_MIN + s->n_services, s->n_services);
	if (s->disk && s->disk < SPEC_DISK_MIN)
		return cis_fail_plain(err, EINVAL, "disk limit %llu bytes: below 1M",
				      (unsigned long long)s->disk);
	if (s->disk > INT64_MAX)
		return cis_fail_plain(err, ERANGE,
				      "disk limit %llu bytes: more than a file can have",
				      (unsigned long long)s->disk);
	if (s->disk_inodes && (s->disk_inodes < SPEC_INODES_MIN || s->disk_inodes > UINT32_MAX))
		return cis_fail_plain(err, EINVAL, "limit of %llu inodes: not from %llu to %u",
				      (unsigned long long)s->disk_inodes, SPEC_INODES_MIN,
				      UINT32_MAX);
	if (s->ids > SPEC_IDS_MAX)
		return cis_fail_plain(err, ERANGE, "%llu ids: more than user ids exist",
				      (unsigned long long)s->ids);
	if ((s->egress.is_set || s->egress.is_logged) && s->net != CIS_NET_EGRESS)
		return cis_fail_plain(err, EINVAL,
				      "egress rules or a log without a network (say --net egress)");
	if (s->hold && s->n_caches)
		return cis_fail_plain(err, EINVAL, "cache %s: a sandbox that waits for its job has "
						   "none, for it would be old by then",
				      s->caches[0].name);
	if (s->workdir && s->workdir[0] != '/')
		return cis_fail_plain(err, EINVAL, "workdir \"%s\" is not absolute",
				      s->workdir);
	return 0;
}
