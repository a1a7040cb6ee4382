/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * linux.seccomp. libseccomp's numbers are taken from its header; nothing of it is called
 * here, so that reading a document costs nothing of it. The names of system calls are
 * left as they are: whether there is such a call is for who compiles the filter.
 */
#include <errno.h>
#include <string.h>
#include <sys/un.h>

#include <linux/seccomp.h>
#include <seccomp.h>

#include "config-read.h"

#define AT(member) offsetof(struct config_seccomp, member)
#define RULE_AT(member) offsetof(struct config_seccomp_rule, member)
#define ARG_AT(member) offsetof(struct config_seccomp_arg, member)

static int want_action(void *to, const struct json *v, struct cis_error *err)
{
	static const struct config_name names[] = {
		{"SCMP_ACT_KILL", SCMP_ACT_KILL_THREAD},
		{"SCMP_ACT_KILL_THREAD", SCMP_ACT_KILL_THREAD},
		{"SCMP_ACT_KILL_PROCESS", SCMP_ACT_KILL_PROCESS},
		{"SCMP_ACT_TRAP", SCMP_ACT_TRAP},
		{"SCMP_ACT_ERRNO", SCMP_ACT_ERRNO(0)},
		{"SCMP_ACT_TRACE", SCMP_ACT_TRACE(0)},
		{"SCMP_ACT_ALLOW", SCMP_ACT_ALLOW},
		{"SCMP_ACT_LOG", SCMP_ACT_LOG},
		{"SCMP_ACT_NOTIFY", SCMP_ACT_NOTIFY},
	};
	int64_t value = 0;
	int r = config_want_name(names, ARRAY_SIZE(names), "an action", v, &value, err);

	*(uint32_t *)to = (uint32_t)value;
	return r;
}

static int want_op(void *to, const struct json *v, struct cis_error *err)
{
	static const struct config_name names[] = {
		{"SCMP_CMP_NE", SCMP_CMP_NE},
		{"SCMP_CMP_LT", SCMP_CMP_LT},
		{"SCMP_CMP_LE", SCMP_CMP_LE},
		{"SCMP_CMP_EQ", SCMP_CMP_EQ},
		{"SCMP_CMP_GE", SCMP_CMP_GE},
		{"SCMP_CMP_GT", SCMP_CMP_GT},
		{"SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ},
	};
	int64_t value = 0;
	int r = config_want_name(names, ARRAY_SIZE(names), "an operator", v, &value, err);

	*(int *)to = (int)value;
	return r;
}

/* 16 bits are what a filter can return. */
static int want_errno(void *to, const struct json *v, struct cis_error *err)
{
	uint16_t value = 0;
	int r = config_want_u16(&value, v, err);

	*(unsigned int *)to = value;
	return r;
}

static int want_index(void *to, const struct json *v, struct cis_error *err)
{
	int64_t value = 0;
	int r = json_want_int(v, 0, 5, &value, err);

	*(unsigned int *)to = (unsigned int)value;
	return r;
}

static int read_architectures(void *to, const struct json *v, struct cis_error *err)
{
	/* All of the specification's, whatever libseccomp this is built with. */
	static const char *const names[] = {
		"X86",	   "X86_64",  "X32",	   "ARM",      "AARCH64",     "MIPS",
		"MIPS64",  "MIPSEL",  "MIPS64N32", "MIPSEL64", "MIPSEL64N32", "PPC",
		"PPC64",   "PPC64LE", "S390",	   "S390X",    "PARISC",      "PARISC64",
		"RISCV64", "M68K",    "SH",	   "SHEB",     "LOONGARCH64",
	};
	int r = config_want_strv(to, v, err);

	for (const struct json *it = v->first; it && r >= 0; it = it->next) {
		bool known = false;

		for (size_t i = 0; i < ARRAY_SIZE(names); i++)
			known |= str_starts(it->string, "SCMP_ARCH_") &&
				 strcmp(it->string + strlen("SCMP_ARCH_"), names[i]) == 0;
		if (!known)
			r = config_refuse(it, err, "an architecture");
	}
	return r;
}

static int want_flags(void *to, const struct json *v, struct cis_error *err)
{
	static const struct config_name names[] = {
		{"SECCOMP_FILTER_FLAG_TSYNC", SECCOMP_FILTER_FLAG_TSYNC},
		{"SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG},
		{"SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW},
		{"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
		 SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV},
	};
	uint64_t flags = 0;
	int r = config_want_flags(names, ARRAY_SIZE(names), "a flag of filters", v,
				  &flags, err);

	*(uint32_t *)to = (uint32_t)flags;
	return r;
}

static int want_listener(void *to, const struct json *v, struct cis_error *err)
{
	int r = config_want_text(to, v, err);

	if (r >= 0 && v->n >= sizeof((struct sockaddr_un *)0)->sun_path)
		r = json_fail(v, err, ENAMETOOLONG, "longer than a socket's name may be");
	return r;
}

static int read_arg(void *to, const struct json *v, struct cis_error *err)
{
	static const struct config_field fields[] = {
		{"index", want_index, ARG_AT(index), .required = true},
		{"value", config_want_u64, ARG_AT(value), .required = true},
		{"valueTwo", config_want_u64, ARG_AT(value_two)},
		{"op", want_op, ARG_AT(op), .required = true},
	};

	return config_read_fields(to, fields, ARRAY_SIZE(fields), v, err);
}

static int read_args(void *to, const struct json *v, struct cis_error *err)
{
	struct config_seccomp_rule *rule = to;

	return CONFIG_READ_ITEMS(rule->args, rule->n_args, v, JSON_ARRAY, read_arg, err);
}

static int read_names(void *to, const struct json *v, struct cis_error *err)
{
	int r = config_want_strv(to, v, err);

	if (r >= 0 && !v->n)
		r = json_fail(v, err, EINVAL, "no system call in it");
	for (const struct json *it = v->first; it && r >= 0; it = it->next)
		if (!*it->string)
			r = json_fail(it, err, EINVAL, "empty");
	return r;
}

/* The specification demands it: a number that is not used is a rule misunderstood. */
static int check_errno(bool given, uint32_t action, const struct json *v, const char *key,
		       struct cis_error *err)
{
	if (!given || action == SCMP_ACT_ERRNO(0) || action == SCMP_ACT_TRACE(0))
		return 0;
	return json_fail(json_get(v, key), err, EINVAL,
			 "only SCMP_ACT_ERRNO and SCMP_ACT_TRACE return a number");
}

static int read_rule(void *to, const struct json *v, struct cis_error *err)
{
	static const struct config_field fields[] = {
		{"names", read_names, RULE_AT(names), .required = true},
		{"action", want_action, RULE_AT(action), .required = true},
		{"errnoRet", want_errno, RULE_AT(errno_ret), .has = RULE_AT(has_errno)},
		{"args", read_args},
	};
	struct config_seccomp_rule *rule = to;
	int r = config_read_fields(rule, fields, ARRAY_SIZE(fields), v, err);

	return r < 0 ? r : check_errno(rule->has_errno, rule->action, v, "errnoRet", err);
}

static int read_rules(void *to, const struct json *v, struct cis_error *err)
{
	struct config_seccomp *s = to;

	return CONFIG_READ_ITEMS(s->rules, s->n_rules, v, JSON_ARRAY, read_rule, err);
}

static int check_listener(const struct config_seccomp *s, const struct json *v,
			  struct cis_error *err)
{
	const struct json *list = json_get(v, "syscalls"),
			  *it = list ? list->first : NULL;

	if (s->listener_path)
		return 0;
	if (s->listener_metadata)
		return json_fail(json_get(v, "listenerMetadata"), err, EINVAL,
				 "there is no listenerPath");
	if (s->default_action == SCMP_ACT_NOTIFY)
		return json_fail(json_get(v, "defaultAction"), err, EINVAL,
				 "it needs a listenerPath");
	for (size_t i = 0; i < s->n_rules; i++, it = it->next)
		if (s->rules[i].action == SCMP_ACT_NOTIFY)
			return json_fail(json_get(it, "action"), err, EINVAL,
					 "it needs a listenerPath");
	return 0;
}

int config_read_seccomp(void *to, const struct json *v, struct cis_error *err)
{
	static const struct config_field fields[] = {
		{"defaultAction", want_action, AT(default_action), .required = true},
		{"defaultErrnoRet", want_errno, AT(default_errno),
		 .has = AT(has_default_errno)},
		{"architectures", read_architectures, AT(architectures)},
		{"flags", want_flags, AT(flags), .has = AT(has_flags)},
		{"listenerPath", want_listener, AT(listener_path)},
		{"listenerMetadata", config_want_text, AT(listener_metadata)},
		{"syscalls", read_rules},
	};
	struct config_seccomp *s = to;
	int r = config_read_fields(s, fields, ARRAY_SIZE(fields), v, err);

	s->given = true;
	if (r >= 0)
		r = check_errno(s->has_default_errno, s->default_action, v,
				"defaultErrnoRet", err);
	return r < 0 ? r : check_listener(s, v, err);
}

void config_seccomp_done(struct config_seccomp *s)
{
	for (size_t i = 0; i < s->n_rules; i++) {
		strv_done(&s->rules[i].names);
		free(s->rules[i].args);
	}
	free(s->rules);
	strv_done(&s->architectures);
	free(s->listener_path);
	free(s->listener_metadata);
	*s = (struct config_seccomp){0};
}
