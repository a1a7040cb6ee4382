/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * config.json's process, which is also what exec --process is given. The names of
 * capabilities are a table of ours, not libcap's: that one knows those of its own age,
 * takes any case, and would be linked in for one function.
 */
#include <errno.h>
#include <string.h>

#include <linux/capability.h>

#include "../base/compat.h"
#include "config-read.h"

#define AT(member) offsetof(struct config_process, member)

/* The kernel's NGROUPS_MAX. */
#define MAX_GROUPS 65536

static int read_console(void *to, const struct json *v, struct cis_error *err)
{
	static const struct config_field fields[] = {
		{"height", config_want_u16, AT(rows), .required = true},
		{"width", config_want_u16, AT(cols), .required = true},
	};

	return config_read_fields(to, fields, ARRAY_SIZE(fields), v, err);
}

static int read_args(void *to, const struct json *v, struct cis_error *err)
{
	int r = config_want_strv(to, v, err);

	return r >= 0 && !v->n ? json_fail(v, err, EINVAL, "no program in it") : r;
}

static int read_env(void *to, const struct json *v, struct cis_error *err)
{
	int r = config_want_strv(to, v, err);

	for (const struct json *it = v->first; it && r >= 0; it = it->next)
		if (it->string[0] == '=' || !strchr(it->string, '='))
			r = config_refuse(it, err, "of the form NAME=VALUE");
	return r;
}

/* ---- user ------------------------------------------------------------------------ */

static int want_umask(void *to, const struct json *v, struct cis_error *err)
{
	int64_t value = 0;
	int r = json_want_int(v, 0, 0777, &value, err);

	*(mode_t *)to = (mode_t)value;
	return r;
}

static int read_groups(void *to, const struct json *v, struct cis_error *err)
{
	struct config_process *p = to;

	if (v->type == JSON_ARRAY && v->n > MAX_GROUPS)
		return json_fail(v, err, EINVAL, "more than %d groups", MAX_GROUPS);
	return CONFIG_READ_ITEMS(p->groups, p->n_groups, v, JSON_ARRAY, config_want_u32,
				 err);
}

static int read_user(void *to, const struct json *v, struct cis_error *err)
{
	static const struct config_field fields[] = {
		{"uid", config_want_u32, AT(uid)},
		{"gid", config_want_u32, AT(gid)},
		{"umask", want_umask, AT(umask), .has = AT(has_umask)},
		{"additionalGids", read_groups},
	};

	return config_read_fields(to, fields, ARRAY_SIZE(fields), v, err);
}

/* ---- capabilities ---------------------------------------------------------------- */

static const char *const capabilities[] = {
	[CAP_CHOWN] = "CHOWN",
	[CAP_DAC_OVERRIDE] = "DAC_OVERRIDE",
	[CAP_DAC_READ_SEARCH] = "DAC_READ_SEARCH",
	[CAP_FOWNER] = "FOWNER",
	[CAP_FSETID] = "FSETID",
	[CAP_KILL] = "KILL",
	[CAP_SETGID] = "SETGID",
	[CAP_SETUID] = "SETUID",
	[CAP_SETPCAP] = "SETPCAP",
	[CAP_LINUX_IMMUTABLE] = "LINUX_IMMUTABLE",
	[CAP_NET_BIND_SERVICE] = "NET_BIND_SERVICE",
	[CAP_NET_BROADCAST] = "NET_BROADCAST",
	[CAP_NET_ADMIN] = "NET_ADMIN",
	[CAP_NET_RAW] = "NET_RAW",
	[CAP_IPC_LOCK] = "IPC_LOCK",
	[CAP_IPC_OWNER] = "IPC_OWNER",
	[CAP_SYS_MODULE] = "SYS_MODULE",
	[CAP_SYS_RAWIO] = "SYS_RAWIO",
	[CAP_SYS_CHROOT] = "SYS_CHROOT",
	[CAP_SYS_PTRACE] = "SYS_PTRACE",
	[CAP_SYS_PACCT] = "SYS_PACCT",
	[CAP_SYS_ADMIN] = "SYS_ADMIN",
	[CAP_SYS_BOOT] = "SYS_BOOT",
	[CAP_SYS_NICE] = "SYS_NICE",
	[CAP_SYS_RESOURCE] = "SYS_RESOURCE",
	[CAP_SYS_TIME] = "SYS_TIME",
	[CAP_SYS_TTY_CONFIG] = "SYS_TTY_CONFIG",
	[CAP_MKNOD] = "MKNOD",
	[CAP_LEASE] = "LEASE",
	[CAP_AUDIT_WRITE] = "AUDIT_WRITE",
	[CAP_AUDIT_CONTROL] = "AUDIT_CONTROL",
	[CAP_SETFCAP] = "SETFCAP",
	[CAP_MAC_OVERRIDE] = "MAC_OVERRIDE",
	[CAP_MAC_ADMIN] = "MAC_ADMIN",
	[CAP_SYSLOG] = "SYSLOG",
	[CAP_WAKE_ALARM] = "WAKE_ALARM",
	[CAP_BLOCK_SUSPEND] = "BLOCK_SUSPEND",
	[CAP_AUDIT_READ] = "AUDIT_READ",
	[CAP_PERFMON] = "PERFMON",
	[CAP_BPF] = "BPF",
	[CAP_CHECKPOINT_RESTORE] = "CHECKPOINT_RESTORE",
};

/* A name nobody knows grants nothing, so that it is left out harms nobody. */
static int read_cap_set(void *to, const struct json *v, struct cis_error *err)
{
	uint64_t *set = to;
	int r = json_want(v, JSON_ARRAY, err);

	for (const struct json *it = v->first; it && r >= 0; it = it->next) {
		r = json_want(it, JSON_STRING, err);
		if (r < 0 || !str_starts(it->string, "CAP_"))
			continue;
		for (size_t i = 0; i < ARRAY_SIZE(capabilities); i++)
			if (strcmp(capabilities[i], it->string + strlen("CAP_")) == 0)
				*set |= 1ULL << i;
	}
	return r;
}

static int read_caps(void *to, const struct json *v, struct cis_error *err)
{
	static const struct config_field fields[] = {
		{"bounding", read_cap_set, AT(caps[CAPS_BOUNDING])},
		{"effective", read_cap_set, AT(caps[CAPS_EFFECTIVE])},
		{"inheritable", read_cap_set, AT(caps[CAPS_INHERITABLE])},
		{"permitted", read_cap_set, AT(caps[CAPS_PERMITTED])},
		{"ambient", read_cap_set, AT(caps[CAPS_AMBIENT])},
	};

	return config_read_fields(to, fields, ARRAY_SIZE(fields), v, err);
}

/* ---- limits ---------------------------------------------------------------------- */

static int want_resource(void *to, const struct json *v, struct cis_error *err)
{
	static const struct config_name names[] = {
		{"RLIMIT_AS", RLIMIT_AS},
		{"RLIMIT_CORE", RLIMIT_CORE},
		{"RLIMIT_CPU", RLIMIT_CPU},
		{"RLIMIT_DATA", RLIMIT_DATA},
		{"RLIMIT_FSIZE", RLIMIT_FSIZE},
		{"RLIMIT_LOCKS", RLIMIT_LOCKS},
		{"RLIMIT_MEMLOCK", RLIMIT_MEMLOCK},
		{"RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE},
		{"RLIMIT_NICE", RLIMIT_NICE},
		{"RLIMIT_NOFILE", RLIMIT_NOFILE},
		{"RLIMIT_NPROC", RLIMIT_NPROC},
		{"RLIMIT_RSS", RLIMIT_RSS},
		{"RLIMIT_RTPRIO", RLIMIT_RTPRIO},
		{"RLIMIT_RTTIME", RLIMIT_RTTIME},
		{"RLIMIT_SIGPENDING", RLIMIT_SIGPENDING},
		{"RLIMIT_STACK", RLIMIT_STACK},
	};
	int64_t value = 0;
	int r = config_want_name(names, ARRAY_SIZE(names), "a resource limit", v, &value,
				 err);

	*(int *)to = (int)value;
	return r;
}

/* RLIM_INFINITY is 2^64 - 1 as it stands in the document. */
static int want_rlim(void *to, const struct json *v, struct cis_error *err)
{
	uint64_t value = 0;
	int r = json_want_u64(v, UINT64_MAX, &value, err);

	*(rlim_t *)to = value;
	return r;
}

static int read_rlimit(void *to, const struct json *v, struct cis_error *err)
{
	static const struct config_field fields[] = {
		{"type", want_resource, offsetof(struct config_rlimit, resource),
		 .required = true},
		{"hard", want_rlim, offsetof(struct config_rlimit, limit.rlim_max),
		 .required = true},
		{"soft", want_rlim, offsetof(struct config_rlimit, limit.rlim_cur),
		 .required = true},
	};
	struct config_rlimit *l = to;
	int r = config_read_fields(l, fields, ARRAY_SIZE(fields), v, err);

	if (r >= 0 && l->limit.rlim_cur > l->limit.rlim_max)
		r = json_fail(v, err, EINVAL, "soft is above hard");
	return r;
}

static int read_rlimits(void *to, const struct json *v, struct cis_error *err)
{
	struct config_process *p = to;
	int r = CONFIG_READ_ITEMS(p->rlimits, p->n_rlimits, v, JSON_ARRAY, read_rlimit,
				  err);
	const struct json *it = v->first;

	for (size_t i = 0; r >= 0 && i < p->n_rlimits; i++, it = it->next)
		for (size_t j = 0; j < i; j++)
			if (p->rlimits[j].resource == p->rlimits[i].resource)
				return json_fail(json_get(it, "type"), err, EINVAL,
						 "it stands in rlimits[%zu] already", j);
	return r;
}

static int want_oom_score(void *to, const struct json *v, struct cis_error *err)
{
	int64_t value = 0;
	int r = json_want_int(v, -1000, 1000, &value, err);

	*(int *)to = (int)value;
	return r;
}

/* ---- scheduling ------------------------------------------------------------------ */

static int want_policy(void *to, const struct json *v, struct cis_error *err)
{
	static const struct config_name names[] = {
		{"SCHED_OTHER", SCHED_NORMAL},
		{"SCHED_FIFO", SCHED_FIFO},
		{"SCHED_RR", SCHED_RR},
		{"SCHED_BATCH", SCHED_BATCH},
		{"SCHED_ISO", 4},
		{"SCHED_IDLE", SCHED_IDLE},
		{"SCHED_DEADLINE", SCHED_DEADLINE},
	};
	int64_t value = 0;
	int r = config_want_name(names, ARRAY_SIZE(names), "a scheduling policy", v,
				 &value, err);

	*(uint32_t *)to = (uint32_t)value;
	return r;
}

static int want_sched_flags(void *to, const struct json *v, struct cis_error *err)
{
	static const struct config_name names[] = {
		{"SCHED_FLAG_RESET_ON_FORK", SCHED_FLAG_RESET_ON_FORK},
		{"SCHED_FLAG_RECLAIM", SCHED_FLAG_RECLAIM},
		{"SCHED_FLAG_DL_OVERRUN", SCHED_FLAG_DL_OVERRUN},
		{"SCHED_FLAG_KEEP_POLICY", SCHED_FLAG_KEEP_POLICY},
		{"SCHED_FLAG_KEEP_PARAMS", SCHED_FLAG_KEEP_PARAMS},
		{"SCHED_FLAG_UTIL_CLAMP_MIN", SCHED_FLAG_UTIL_CLAMP_MIN},
		{"SCHED_FLAG_UTIL_CLAMP_MAX", SCHED_FLAG_UTIL_CLAMP_MAX},
	};

	return config_want_flags(names, ARRAY_SIZE(names), "a scheduling flag", v, to,
				 err);
}

static int want_nice(void *to, const struct json *v, struct cis_error *err)
{
	int64_t value = 0;
	int r = json_want_int(v, -20, 19, &value, err);

	*(int32_t *)to = (int32_t)value;
	return r;
}

static int want_priority(void *to, const struct json *v, struct cis_error *err)
{
	int64_t value = 0;
	int r = json_want_int(v, 0, 99, &value, err);

	*(uint32_t *)to = (uint32_t)value;
	return r;
}

#define SCHED_AT(member) offsetof(struct config_scheduler, member)
static int read_scheduler(void *to, const struct json *v, struct cis_error *err)
{
	static const struct config_field fields[] = {
		{"policy", want_policy, SCHED_AT(policy), .required = true},
		{"nice", want_nice, SCHED_AT(nice)},
		{"priority", want_priority, SCHED_AT(priority)},
		{"flags", want_sched_flags, SCHED_AT(flags)},
		{"runtime", config_want_u64, SCHED_AT(runtime)},
		{"deadline", config_want_u64, SCHED_AT(deadline)},
		{"period", config_want_u64, SCHED_AT(period)},
	};
	struct config_scheduler *s = to;
	int r = config_read_fields(s, fields, ARRAY_SIZE(fields), v, err);

	s->given = true;
	if (r < 0)
		return r;
	if (s->priority && s->policy != SCHED_FIFO && s->policy != SCHED_RR)
		return json_fail(json_get(v, "priority"), err, EINVAL,
				 "only SCHED_FIFO and SCHED_RR have one");
	if (s->policy != SCHED_DEADLINE && (s->runtime || s->deadline || s->period))
		return json_fail(v, err, EINVAL,
				 "runtime, deadline and period are SCHED_DEADLINE's");
	return 0;
}

static int want_io_class(void *to, const struct json *v, struct cis_error *err)
{
	static const struct config_name names[] = {
		{"IOPRIO_CLASS_RT", 1},
		{"IOPRIO_CLASS_BE", 2},
		{"IOPRIO_CLASS_IDLE", 3},
	};

	return config_want_name(names, ARRAY_SIZE(names), "a class of i/o priority", v,
				to, err);
}

static int want_io_level(void *to, const struct json *v, struct cis_error *err)
{
	return json_want_int(v, 0, 7, to, err);
}

static int read_ioprio(void *to, const struct json *v, struct cis_error *err)
{
	struct pair {
		int64_t class, level;
	} p = {0};
	static const struct config_field fields[] = {
		{"class", want_io_class, offsetof(struct pair, class), .required = true},
		{"priority", want_io_level, offsetof(struct pair, level)},
	};
	int r = config_read_fields(&p, fields, ARRAY_SIZE(fields), v, err);

	/* IOPRIO_PRIO_VALUE() */
	*(int *)to = (int)(p.class << 13 | p.level);
	return r;
}

static int read_affinity(void *to, const struct json *v, struct cis_error *err)
{
	static const struct config_field fields[] = {
		{"initial", config_want_list, AT(affinity_initial)},
		{"final", config_want_list, AT(affinity_final)},
	};

	return config_read_fields(to, fields, ARRAY_SIZE(fields), v, err);
}

/* ---- process --------------------------------------------------------------------- */

int config_read_process(void *to, const struct json *v, struct cis_error *err)
{
	static const struct config_field fields[] = {
		{"terminal", config_want_bool, AT(terminal)},
		{"consoleSize", read_console},
		{"user", read_user},
		{"args", read_args, AT(args), .required = true},
		{"env", read_env, AT(env)},
		{"cwd", config_want_path, AT(cwd), .required = true},
		{"capabilities", read_caps, .has = AT(has_caps)},
		{"rlimits", read_rlimits},
		{"noNewPrivileges", config_want_bool, AT(no_new_privs)},
		{"apparmorProfile", config_want_text, AT(apparmor)},
		{"selinuxLabel", config_want_text, AT(selinux)},
		{"oomScoreAdj", want_oom_score, AT(oom_score), .has = AT(has_oom_score)},
		{"scheduler", read_scheduler, AT(scheduler)},
		{"ioPriority", read_ioprio, AT(ioprio), .has = AT(has_ioprio)},
		{"execCPUAffinity", read_affinity},
	};
	struct config_process *p = to;
	int r = config_read_fields(p, fields, ARRAY_SIZE(fields), v, err);

	/* "Runtimes MUST ignore consoleSize if terminal is false." */
	if (!p->terminal)
		p->rows = p->cols = 0;
	return r;
}

int config_load_process(struct config_process *p, const struct json *v,
			struct cis_error *err)
{
	*p = (struct config_process){0};
	return config_read_process(p, v, err);
}

void config_process_done(struct config_process *p)
{
	strv_done(&p->args);
	strv_done(&p->env);
	free(p->cwd);
	free(p->groups);
	free(p->rlimits);
	free(p->apparmor);
	free(p->selinux);
	free(p->affinity_initial);
	free(p->affinity_final);
	*p = (struct config_process){0};
}
