/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Engines expect of a profile what runc makes of it, so the choices are runc's:
 *
 *	- the native architecture is always in; others give libseccomp's default, KILL
 *	- names that this libseccomp does not know, and rules that do what the default
 *	  does, are passed over
 *	- of a rule with two conditions on one argument each condition is a rule of its
 *	  own: any of them is enough
 *	- a refusing profile answers ENOSYS to system calls newer than the newest one it
 *	  names, so that libc falls back instead of believing an EPERM. libseccomp cannot
 *	  compare the number itself, so instructions of our own stand in front.
 *
 * What our profile docker adds to an engine's does not make that one newer: else calls
 * between would have EPERM instead of ENOSYS. And it adds calls that this libseccomp may not
 * know yet; they have one number everywhere, so they are permitted by that.
 *
 * Compiling docker's profile takes longer than all else that starting a container does,
 * hence the cache (seccomp-cache.c). Its key is all that goes into a program.
 */
#include "seccomp-oci.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "../base/sys.h"
#include "../container/config.h"
#include "seccomp-cache.h"
#include "seccomp-program.h"

/* Part of the key: to be raised when the same profile shall give another program. */
#define FORMAT 2

#define MAX_ARCHS 32   /* libseccomp 2.6 knows 21 */
#define MAX_ERRNO 4095 /* the kernel cuts off above */
#define MAX_ARGS 6
#define TREE_FROM 32   /* names: a tree of few gains nothing, of none 2.5.4 fails */
#define API_NOTIFY 6
#define X32_BIT 0x40000000U
#define NO_LIMIT UINT32_MAX

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

/* ---- what the profile says --------------------------------------------------- */

struct archs {
	uint32_t v[MAX_ARCHS]; /* SCMP_ARCH_*: the native one, then the profile's */
	size_t n;
};

static int find_arch(const char *name, uint32_t *ret)
{
	static const char prefix[] = "SCMP_ARCH_";
	char lower[32];
	size_t n = 0;

	if (!str_starts(name, prefix))
		return -EINVAL;
	for (const char *p = name + strlen(prefix); *p; p++) {
		if (n + 1 == sizeof lower)
			return -EINVAL;
		lower[n++] = (char)(*p >= 'A' && *p <= 'Z' ? *p - 'A' + 'a' : *p);
	}
	lower[n] = '\0';
	*ret = seccomp_arch_resolve_name(lower);
	return *ret ? 0 : -EINVAL;
}

static int read_archs(const struct config_seccomp *s, struct archs *ret,
		      struct cis_error *err)
{
	ret->v[0] = seccomp_arch_native();
	ret->n = 1;
	for (size_t i = 0; i < s->architectures.n; i++) {
		bool known = false;
		uint32_t arch;

		if (find_arch(s->architectures.v[i], &arch) < 0)
			return cis_fail_plain(err, EINVAL,
					      "seccomp: unknown architecture \"%s\"",
					      s->architectures.v[i]);
		for (size_t j = 0; j < ret->n; j++)
			known = known || ret->v[j] == arch;
		if (!known && ret->n == MAX_ARCHS)
			return cis_fail_plain(err, E2BIG,
					      "seccomp: too many architectures");
		if (!known)
			ret->v[ret->n++] = arch;
	}
	return 0;
}

/* The whole action: libseccomp's number with the errno in its lower half. */
static int read_action(uint32_t action, bool has_errno, unsigned int code, uint32_t *ret,
		       struct cis_error *err)
{
	const uint32_t kind = action & SECCOMP_RET_ACTION_FULL;
	const unsigned int value = has_errno ? code : EPERM;

	*ret = kind;
	if (kind != SCMP_ACT_ERRNO(0) && kind != SCMP_ACT_TRACE(0))
		return 0;
	if (value > (kind == SCMP_ACT_ERRNO(0) ? MAX_ERRNO : SECCOMP_RET_DATA))
		return cis_fail_plain(err, EINVAL, "seccomp: errnoRet %u is no errno",
				      value);
	*ret |= value;
	return 0;
}

static int read_default(const struct config_seccomp *s, uint32_t *ret,
			struct cis_error *err)
{
	return read_action(s->default_action, s->has_default_errno, s->default_errno, ret,
			   err);
}

static bool is_notify(uint32_t action)
{
	return (action & SECCOMP_RET_ACTION_FULL) == SCMP_ACT_NOTIFY;
}

bool seccomp_wants_listener(const struct config_seccomp *s)
{
	for (size_t i = 0; i < s->n_rules; i++)
		if (is_notify(s->rules[i].action))
			return true;
	return false;
}

static int check_notify(const struct config_seccomp *s, struct cis_error *err)
{
	if (is_notify(s->default_action))
		return cis_fail_plain(err, EINVAL,
				      "seccomp: SCMP_ACT_NOTIFY cannot be used "
				      "as default action");
	if (!seccomp_wants_listener(s))
		return 0;
	if (!s->listener_path || !*s->listener_path)
		return cis_fail_plain(err, EINVAL,
				      "seccomp: SCMP_ACT_NOTIFY needs a listenerPath");
	if (seccomp_api_get() < API_NOTIFY)
		return cis_fail_plain(err, EOPNOTSUPP,
				      "seccomp: SCMP_ACT_NOTIFY needs libseccomp 2.5 and "
				      "Linux 5.7");
	return 0;
}

static int check_rule(const struct config_seccomp_rule *rule, struct cis_error *err)
{
	for (size_t i = 0; i < rule->names.n; i++) {
		if (!*rule->names.v[i])
			return cis_fail_plain(err, EINVAL,
					      "seccomp: empty name of a system call");
		/* It is by write() that the listener is handed on. */
		if (is_notify(rule->action) && strcmp(rule->names.v[i], "write") == 0)
			return cis_fail_plain(err, EINVAL,
					      "seccomp: SCMP_ACT_NOTIFY cannot "
					      "be used for the write syscall");
	}
	for (size_t i = 0; i < rule->n_args; i++) {
		if (rule->args[i].index >= MAX_ARGS)
			return cis_fail_plain(err, EINVAL,
					      "seccomp: no argument has index %u",
					      rule->args[i].index);
		if (rule->args[i].op <= _SCMP_CMP_MIN ||
		    rule->args[i].op >= _SCMP_CMP_MAX)
			return cis_fail_plain(err, EINVAL, "seccomp: unknown operator %d",
					      rule->args[i].op);
	}
	return 0;
}

/* ---- libseccomp's part --------------------------------------------------------- */

static bool index_repeats(const struct config_seccomp_rule *rule)
{
	unsigned int seen = 0;

	for (size_t i = 0; i < rule->n_args; i++) {
		if (seen & 1U << rule->args[i].index)
			return true;
		seen |= 1U << rule->args[i].index;
	}
	return false;
}

static int add_name(scmp_filter_ctx ctx, const struct config_seccomp_rule *rule,
		    uint32_t action, const char *name)
{
	struct scmp_arg_cmp args[MAX_ARGS];
	const bool repeats = index_repeats(rule);
	int r = 0, nr = seccomp_syscall_resolve_name(name);

	if (nr == __NR_SCMP_ERROR)
		return 0;
	if (rule->n_args == 0)
		return seccomp_rule_add_array(ctx, action, nr, 0, NULL);
	for (size_t i = 0; i < rule->n_args && r >= 0; i++) {
		const struct config_seccomp_arg *a = &rule->args[i];
		const struct scmp_arg_cmp c = {a->index, (enum scmp_compare)a->op,
					       a->value, a->value_two};

		if (repeats)
			r = seccomp_rule_add_array(ctx, action, nr, 1, &c);
		else
			args[i] = c; /* at most MAX_ARGS, the indices being different */
	}
	if (r < 0 || repeats)
		return r;
	return seccomp_rule_add_array(ctx, action, nr, (unsigned int)rule->n_args, args);
}

static int add_rules(scmp_filter_ctx ctx, const struct config_seccomp *s,
		     uint32_t otherwise, struct cis_error *err)
{
	for (size_t i = 0; i < s->n_rules; i++) {
		const struct config_seccomp_rule *rule = &s->rules[i];
		uint32_t action;
		int r = read_action(rule->action, rule->has_errno, rule->errno_ret,
				    &action, err);

		if (r < 0)
			return r;
		for (size_t j = 0; j < rule->names.n && action != otherwise; j++) {
			r = add_name(ctx, rule, action, rule->names.v[j]);
			if (r < 0)
				return cis_fail(err, -r, "seccomp: add a rule for %s",
						rule->names.v[j]);
		}
	}
	return 0;
}

static int set_up(scmp_filter_ctx ctx, const struct config_seccomp *s,
		  const struct archs *archs, struct cis_error *err)
{
	size_t names = 0;

	for (size_t i = 1; i < archs->n; i++) {
		int r = seccomp_arch_add(ctx, archs->v[i]);

		if (r < 0 && r != -EEXIST)
			return cis_fail(err, -r, "seccomp: add architecture %#x",
					archs->v[i]);
	}
	for (size_t i = 0; i < s->n_rules; i++)
		names += s->rules[i].names.n;
	/* Not there before libseccomp 2.5: then the program is a longer walk, no more. */
	if (names > TREE_FROM)
		seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	return 0;
}

/* ---- our part ------------------------------------------------------------------ */

#define LOAD(field) \
	(struct sock_filter) \
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define JUMP(op, k, yes, no) \
	(struct sock_filter) BPF_JUMP(BPF_JMP | BPF_K | (op), (k), (yes), (no))
#define RETURN(k) (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, (k))

/* Of what profile docker adds, calls younger than some profile or libseccomp. */
static const struct new_call {
	const char *name;
	uint32_t nr; /* on every architecture but alpha */
} new_calls[] = {
	{"open_tree", 428},	{"move_mount", 429}, {"fsopen", 430},	{"fsconfig", 431},
	{"fsmount", 432},	{"fspick", 433},     {"clone3", 435},	{"mount_setattr", 442},
	{"statmount", 457},	{"listmount", 458},  {"open_tree_attr", 467},
};

/* Whether profile docker has permitted it. */
static bool is_added(const struct config_seccomp *s, const char *name)
{
	for (size_t i = 0; i < s->n_rules; i++)
		for (size_t j = 0; s->rules[i].added && j < s->rules[i].names.n; j++)
			if (strcmp(s->rules[i].names.v[j], name) == 0)
				return true;
	return false;
}

/* x32 is an architecture to libseccomp, and to the kernel a bit in x86_64's numbers. */
struct newest {
	uint32_t arch; /* AUDIT_ARCH_* */
	uint32_t plain, x32;
};
#define SECTION_MAX (7 + 2 * ARRAY_SIZE(new_calls))
#define STUB_MAX (1 + MAX_ARCHS * SECTION_MAX)

/* The highest number that any rule of the profile names, 0 if none does. */
static uint32_t newest_named(const struct config_seccomp *s, uint32_t arch)
{
	int newest = 0;

	for (size_t i = 0; i < s->n_rules; i++)
		for (size_t j = 0; j < s->rules[i].names.n && !s->rules[i].added; j++) {
			const char *name = s->rules[i].names.v[j];
			int nr = seccomp_syscall_resolve_name_arch(arch, name);

			/* Negative: libseccomp's own numbers for what is not there. */
			if (nr > newest)
				newest = nr;
		}
	return (uint32_t)newest;
}

static size_t find_newest(const struct config_seccomp *s, const struct archs *archs,
			  struct newest *ret)
{
	size_t n = 0;

	for (size_t i = 0; i < archs->n; i++) {
		const bool x32 = archs->v[i] == SCMP_ARCH_X32;
		const uint32_t arch = x32 ? AUDIT_ARCH_X86_64 : archs->v[i];
		const uint32_t nr = newest_named(s, archs->v[i]);
		size_t at = 0;

		if (nr == 0)
			continue;
		while (at < n && ret[at].arch != arch)
			at++;
		if (at == n)
			ret[n++] = (struct newest){arch, NO_LIMIT, NO_LIMIT};
		*(x32 ? &ret[at].x32 : &ret[at].plain) = nr;
	}
	return n;
}

/*
 * Jumps count the instructions between. The last one, to the end of the stub, is filled
 * in when its length is known.
 */
static size_t emit_section(struct sock_filter *f, const struct newest *a,
			   const struct config_seccomp *s)
{
	size_t n = 1;

	f[n++] = LOAD(nr);
	for (size_t i = 0; i < ARRAY_SIZE(new_calls); i++)
		if (is_added(s, new_calls[i].name)) {
			f[n++] = JUMP(BPF_JEQ, new_calls[i].nr, 0, 1);
			f[n++] = RETURN(SECCOMP_RET_ALLOW);
		}
	if (a->arch == AUDIT_ARCH_X86_64) {
		f[n++] = JUMP(BPF_JSET, X32_BIT, 1, 0);
		f[n++] = JUMP(BPF_JGT, a->plain, 1, 2);
		f[n++] = JUMP(BPF_JGT, a->x32, 0, 1);
	} else {
		f[n++] = JUMP(BPF_JGT, a->plain, 0, 1);
	}
	f[n++] = RETURN(SECCOMP_RET_ERRNO | ENOSYS);
	f[n++] = JUMP(BPF_JA, 0, 0, 0);
	f[0] = JUMP(BPF_JEQ, a->arch, 0, (uint8_t)(n - 1));
	return n;
}

/* What permits by default permits new calls; and ENOSYS need not be said twice. */
static bool wants_stub(uint32_t otherwise)
{
	const uint32_t kind = otherwise & SECCOMP_RET_ACTION_FULL;

	return kind != SCMP_ACT_ALLOW && kind != SCMP_ACT_LOG &&
	       kind != SCMP_ACT_TRACE(0) && otherwise != SCMP_ACT_ERRNO(ENOSYS);
}

static size_t emit_stub(struct sock_filter *f, const struct config_seccomp *s,
			const struct archs *archs, uint32_t otherwise)
{
	struct newest newest[MAX_ARCHS];
	size_t n_archs = wants_stub(otherwise) ? find_newest(s, archs, newest) : 0, n = 0;

	if (n_archs == 0)
		return 0;
	f[n++] = LOAD(arch);
	for (size_t i = 0; i < n_archs; i++)
		n += emit_section(f + n, &newest[i], s);
	for (size_t i = 0; i < n; i++)
		if (f[i].code == (BPF_JMP | BPF_JA))
			f[i].k = (uint32_t)(n - i - 1);
	return n;
}

/* ---- together ------------------------------------------------------------------ */

static int compile_rules(const struct config_seccomp *s, const struct archs *archs,
			 uint32_t otherwise, struct sock_filter **ret, size_t *ret_n,
			 struct cis_error *err)
{
	scmp_filter_ctx ctx = seccomp_init(otherwise);
	int r;

	if (!ctx)
		return cis_fail_plain(err, EINVAL,
				      "seccomp: libseccomp or the kernel does "
				      "not know the default action");
	r = set_up(ctx, s, archs, err);
	if (r >= 0)
		r = add_rules(ctx, s, otherwise, err);
	if (r >= 0) {
		r = seccomp_program(ctx, ret, ret_n);
		if (r < 0)
			cis_fail(err, -r, "seccomp: compile the filter");
	}
	seccomp_release(ctx);
	return r;
}

static int compile(const struct config_seccomp *s, const struct archs *archs,
		   uint32_t otherwise, struct sock_filter **ret, unsigned short *ret_n,
		   struct cis_error *err)
{
	cleanup_free struct sock_filter *program = NULL, *rules = NULL;
	size_t n_rules, n;
	int r = compile_rules(s, archs, otherwise, &rules, &n_rules, err);

	if (r < 0)
		return r;
	program = calloc(STUB_MAX + n_rules, sizeof *program);
	if (!program)
		return cis_fail(err, ENOMEM, "seccomp: compile the filter");
	n = emit_stub(program, s, archs, otherwise);
	memcpy(program + n, rules, n_rules * sizeof *rules);
	n += n_rules;
	if (n > BPF_MAXINSNS)
		return cis_fail_plain(err, E2BIG,
				      "seccomp: the profile makes %zu instructions, the "
				      "kernel takes %d",
				      n, BPF_MAXINSNS);
	*ret = steal_ptr(&program);
	*ret_n = (unsigned short)n;
	return 0;
}

/* Strings with their length: a name may hold anything that JSON can say. */
static void put(FILE *f, const char *s)
{
	fprintf(f, " %zu:%s", strlen(s), s);
}

static void write_key(FILE *f, const struct config_seccomp *s, uint32_t otherwise)
{
	const struct scmp_version *v = seccomp_version();
	struct utsname host;

	fprintf(f, "cisandbox-seccomp %d libseccomp %u.%u.%u native %x", FORMAT, v->major,
		v->minor, v->micro, seccomp_arch_native());
	uname(&host);
	put(f, host.release);
	put(f, host.machine);
	fprintf(f, "\ndefault %x archs %zu", otherwise, s->architectures.n);
	for (size_t i = 0; i < s->architectures.n; i++)
		put(f, s->architectures.v[i]);
	for (size_t i = 0; i < s->n_rules; i++) {
		const struct config_seccomp_rule *rule = &s->rules[i];

		fprintf(f, "\nrule %x %d %u %d args %zu", rule->action, rule->has_errno,
			rule->has_errno ? rule->errno_ret : 0, rule->added, rule->n_args);
		for (size_t j = 0; j < rule->n_args; j++)
			fprintf(f, " %u %d %llx %llx", rule->args[j].index,
				rule->args[j].op, (unsigned long long)rule->args[j].value,
				(unsigned long long)rule->args[j].value_two);
		fprintf(f, " names %zu", rule->names.n);
		for (size_t j = 0; j < rule->names.n; j++)
			put(f, rule->names.v[j]);
	}
	fputc('\n', f);
}

static int make_key(const struct config_seccomp *s, uint32_t otherwise, char **ret,
		    size_t *ret_len)
{
	FILE *f = open_memstream(ret, ret_len);
	int failed;

	if (!f)
		return -ENOMEM;
	write_key(f, s, otherwise);
	failed = ferror(f);
	return fclose(f) != 0 || failed ? -ENOMEM : 0;
}

int seccomp_from_config(const struct config_seccomp *s, int cache_dirfd,
			struct sock_filter **ret, unsigned short *ret_n,
			struct cis_error *err)
{
	cleanup_free char *key = NULL;
	struct archs archs;
	uint32_t otherwise = 0;
	size_t len = 0;
	int r = check_notify(s, err);

	for (size_t i = 0; i < s->n_rules && r >= 0; i++)
		r = check_rule(&s->rules[i], err);
	if (r >= 0)
		r = read_archs(s, &archs, err);
	if (r >= 0)
		r = read_default(s, &otherwise, err);
	if (r < 0)
		return r;
	if (cache_dirfd >= 0 && make_key(s, otherwise, &key, &len) < 0)
		cache_dirfd = -1;
	if (cache_dirfd >= 0 &&
	    seccomp_cache_load(cache_dirfd, key, len, ret, ret_n) == 0)
		return 0;
	r = compile(s, &archs, otherwise, ret, ret_n, err);
	/* A full disk or a read-only one costs time, not the container. */
	if (r >= 0 && cache_dirfd >= 0)
		seccomp_cache_store(cache_dirfd, key, len, *ret, *ret_n);
	return r;
}

/* ---- loading ------------------------------------------------------------------- */

/*
 * The kernel looks at the flags before it looks for the program: EFAULT means that it
 * knows them. WAIT_KILLABLE_RECV is only valid with a listener.
 */
static int probe_flag(uint32_t flag)
{
	unsigned long flags = flag;

	if (flag == SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV)
		flags |= SECCOMP_FILTER_FLAG_NEW_LISTENER;
	return SYS(seccomp, SECCOMP_SET_MODE_FILTER, flags, NULL);
}

uint32_t seccomp_default_flags(void)
{
	return probe_flag(SECCOMP_FILTER_FLAG_SPEC_ALLOW) == -EFAULT
		       ? SECCOMP_FILTER_FLAG_SPEC_ALLOW
		       : 0;
}

int seccomp_check_flags(uint32_t flags, struct cis_error *err)
{
	static const struct {
		uint32_t bit;
		const char *name;
	} known[] = {
		{SECCOMP_FILTER_FLAG_TSYNC, "TSYNC"},
		{SECCOMP_FILTER_FLAG_LOG, "LOG"},
		{SECCOMP_FILTER_FLAG_SPEC_ALLOW, "SPEC_ALLOW"},
		{SECCOMP_FILTER_FLAG_NEW_LISTENER, "NEW_LISTENER"},
		{SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, "WAIT_KILLABLE_RECV"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (!(flags & known[i].bit))
			continue;
		flags &= ~known[i].bit;
		if (probe_flag(known[i].bit) != -EFAULT)
			return cis_fail_plain(err, EINVAL,
					      "seccomp: SECCOMP_FILTER_FLAG_%s is not "
					      "supported by this kernel",
					      known[i].name);
	}
	if (flags)
		return cis_fail_plain(err, EINVAL, "seccomp: unknown flags %#x", flags);
	return 0;
}

int seccomp_load_child(const struct sock_filter *f, unsigned short n, uint32_t flags,
		       bool wants_listener)
{
	struct sock_fprog program = {.len = n, .filter = (struct sock_filter *)f};
	unsigned long all = flags;

	/* One thread is all there is, and with a listener the kernel would refuse it. */
	all &= ~(SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_NEW_LISTENER);
	/* About notifications; the kernel refuses it where there are none. */
	if (wants_listener)
		all |= SECCOMP_FILTER_FLAG_NEW_LISTENER;
	else
		all &= ~SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
	return SYS(seccomp, SECCOMP_SET_MODE_FILTER, all, &program);
}
