/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The same refusals as seccomp-compile.c has, but as permissions: what the profile format
 * does not name gets ENOSYS, so that newer system calls do not come in by themselves. Known
 * are those up to SECCOMP_LAST_JUDGED that libseccomp had names for when we were built. Not
 * said is that subvolumes of btrfs must not be made: no disk is limited here.
 */
#include "seccomp-export.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

#include "../base/json.h"
#include "calls.h" /* by tools/compile-filter.c: known_calls, in the order of their names */
#include "seccomp-rules.h"

#define NEW_NAMESPACES \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | \
	 CLONE_NEWPID | CLONE_NEWNET)

/* What docker lets only those call who have CAP_SYS_ADMIN. */
static const char *const nesting[] = {
	"fsconfig",   "fsmount",   "fsopen",	     "fspick",	   "mount",	    "mount_setattr",
	"move_mount", "open_tree", "open_tree_attr", "pivot_root", "setdomainname", "sethostname",
	"setns",      "umount",	   "umount2",	     "unshare",
};
/* Not refused in the first place, but by what they are asked for. */
static const char *const conditional[] = {"socket", "socketpair"};
/* glibc does without it, where it is not there: then clone() shows its flags. */
#define HIDDEN "clone3"

static bool is_in(const char *name, const char *const list[], size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(list[i], name) == 0)
			return true;
	return false;
}

static bool is_refused(const char *name, uint64_t flags)
{
	for (const struct seccomp_rule *rule = seccomp_rules; rule->name; rule++)
		if (strcmp(rule->name, name) == 0)
			return !(flags & rule->unless);
	return false;
}

static bool is_permitted(const char *name, uint64_t flags, bool engines)
{
	if (is_refused(name, flags) || is_in(name, conditional, ARRAY_SIZE(conditional)))
		return false;
	return engines || !(is_in(name, nesting, ARRAY_SIZE(nesting)) ||
			    strcmp(name, "clone") == 0 || strcmp(name, HIDDEN) == 0);
}

/* ---- the format ------------------------------------------------------------------------ */

static struct json *rule_new(struct json *names, int error)
{
	struct json *rule = json_object_new();

	json_set(rule, "names", names);
	json_set_string(rule, "action", error ? "SCMP_ACT_ERRNO" : "SCMP_ACT_ALLOW");
	if (error)
		json_set_int(rule, "errnoRet", error);
	return rule;
}

/* Permitted if so; of the first argument's low half, since the kernel looks at no more. */
static struct json *compared_new(const char *name, uint32_t value, uint32_t mask)
{
	struct json *names = json_array_new(), *args = json_array_new(), *arg = json_object_new();
	struct json *rule;

	json_push(names, json_string_new(name));
	rule = rule_new(names, 0);
	json_set_int(arg, "index", 0);
	json_set_int(arg, "value", mask);
	json_set_int(arg, "valueTwo", value);
	json_set_string(arg, "op", "SCMP_CMP_MASKED_EQ");
	json_push(args, arg);
	json_set(rule, "args", args);
	return rule;
}

static struct json *architectures_new(void)
{
	struct json *list = json_array_new();

#if defined(__x86_64__)
	json_push(list, json_string_new("SCMP_ARCH_X86_64"));
	json_push(list, json_string_new("SCMP_ARCH_X86"));
#elif defined(__aarch64__)
	json_push(list, json_string_new("SCMP_ARCH_AARCH64"));
#endif
	return list;
}

/* ---- the calls --------------------------------------------------------------------------- */

static struct json *permitted_new(uint64_t flags, bool engines)
{
	struct json *list = json_array_new();

	for (size_t i = 0; i < ARRAY_SIZE(known_calls); i++)
		if (is_permitted(known_calls[i], flags, engines))
			json_push(list, json_string_new(known_calls[i]));
	return list;
}

/* Those with EPERM; the others' ENOSYS is what all get that is not named. */
static struct json *refused_new(uint64_t flags, bool engines)
{
	struct json *list = json_array_new();

	for (const struct seccomp_rule *rule = seccomp_rules; rule->name; rule++)
		if (rule->error == EPERM && !(flags & rule->unless))
			json_push(list, json_string_new(rule->name));
	for (size_t i = 0; i < ARRAY_SIZE(nesting) && !engines; i++)
		json_push(list, json_string_new(nesting[i]));
	return list;
}

/*
 * One kind of action only: libseccomp adds the i386 call, too, to its socketcall(2), whose
 * arguments no filter can see, and refuses two that differ. So 32-bit programs may make
 * sockets of all families by that; and others get ENOSYS for them, not EAFNOSUPPORT.
 */
static void add_sockets(struct json *rules, const char *name)
{
	for (size_t i = 0; i < SECCOMP_FAMILIES; i++)
		json_push(rules, compared_new(name, seccomp_families[i], UINT32_MAX));
}

struct json *seccomp_export(uint64_t flags, bool engines)
{
	struct json *filter = json_object_new(), *rules = json_array_new();

	json_set_string(filter, "defaultAction", "SCMP_ACT_ERRNO");
	json_set_int(filter, "defaultErrnoRet", ENOSYS);
	json_set(filter, "architectures", architectures_new());
	json_push(rules, rule_new(permitted_new(flags, engines), 0));
	json_push(rules, rule_new(refused_new(flags, engines), EPERM));
	for (size_t i = 0; i < ARRAY_SIZE(conditional); i++)
		add_sockets(rules, conditional[i]);
	if (!engines)
		json_push(rules, compared_new("clone", 0, NEW_NAMESPACES));
	json_set(filter, "syscalls", rules);
	return filter;
}
