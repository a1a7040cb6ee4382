/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Filters of the runtime-spec: compiled, interpreted, loaded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/sys.h"
#include "bpf.h"
#include "container/config.h"
#include "isolate.h"
#include "isolate/seccomp-oci.h"

/* ---- an interpreter, and profiles to ask it about ----------------------------- */

static void refused(const struct config_seccomp *s, int code, const char *word)
{
	struct cis_error err = {0};
	struct program p = {0};

	assert_int_equal(seccomp_from_config(s, -1, &p.f, &p.n, &err), -code);
	assert_int_equal(err.code, code);
	if (!strstr(err.message, word))
		fail_msg("\"%s\" lacks \"%s\"", err.message, word);
	assert_null(p.f);
}

#define X86 AUDIT_ARCH_I386
#define X32 SCMP_ARCH_X32

/* ---- filters --------------------------------------------------------------------- */

static void test_profile(void **state)
{
	static const uint32_t archs[] = {X64, X86, X32};
	struct config_seccomp s = docker;
	struct program p = compile(&s, -1);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(archs); i++) {
		assert_int_equal(ask(&p, archs[i], "read", 0), ALLOW);
		assert_int_equal(ask(&p, archs[i], "exit_group", 0), ALLOW);
		assert_int_equal(ask(&p, archs[i], "mount", 0), ERRNO(EPERM));
		assert_int_equal(ask(&p, archs[i], "swapon", 0), ERRNO(EPERM));
		assert_int_equal(ask(&p, archs[i], "clone3", 0), ERRNO(ENOSYS));
		assert_int_equal(ask(&p, archs[i], "personality", 8), ALLOW);
		assert_int_equal(ask(&p, archs[i], "personality", 9), ERRNO(EPERM));
		assert_int_equal(ask(&p, archs[i], "clone", SIGCHLD), ALLOW);
		assert_int_equal(ask(&p, archs[i], "clone", CLONE_NEWUSER), ERRNO(EPERM));
	}
	assert_int_equal(ask(&p, X86, "stime", 0), ALLOW);
	assert_int_equal(ask(&p, X64, "socket", 1), ALLOW);
	assert_int_equal(ask(&p, X64, "socket", 40), ERRNO(EPERM));
	/* 64 bits count on a machine of 64. */
	assert_int_equal(ask(&p, X64, "socket", 40 | 1ULL << 32), ALLOW);
	assert_int_equal(ask_nr(&p, X64, 140 /* getpriority */, 2, 10), ALLOW);
	assert_int_equal(ask_nr(&p, X64, 140, 2, 9), ERRNO(EPERM));
	assert_int_equal(ask_nr(&p, X64, 140, 3, 10), ERRNO(EPERM));
	assert_int_equal(ask_nr(&p, AUDIT_ARCH_ARM, 3, 0, 0), SECCOMP_RET_KILL_THREAD);
	free(p.f);
}

/* Any of several conditions on one argument is enough, as with runc. */
static void test_same_index(void **state)
{
	struct config_seccomp_arg same[] = {{1, SCMP_CMP_EQ, 5, 0},
					    {1, SCMP_CMP_EQ, 6, 0},
					    {0, SCMP_CMP_EQ, 7, 0}};
	struct config_seccomp_rule rule = {.names = NAMES("kill"),
					   .action = SCMP_ACT_TRACE(0),
					   .has_errno = true,
					   .errno_ret = 77,
					   .args = same,
					   .n_args = 3};
	struct config_seccomp s = {.default_action = SCMP_ACT_ALLOW,
				   .rules = &rule,
				   .n_rules = 1};
	struct program p = compile(&s, -1);

	(void)state;
	assert_int_equal(ask_nr(&p, X64, 62 /* kill */, 0, 5), SECCOMP_RET_TRACE | 77);
	assert_int_equal(ask_nr(&p, X64, 62, 0, 6), SECCOMP_RET_TRACE | 77);
	assert_int_equal(ask_nr(&p, X64, 62, 7, 0), SECCOMP_RET_TRACE | 77);
	assert_int_equal(ask_nr(&p, X64, 62, 0, 0), ALLOW);
	/* No list of architectures: the native one alone; and no stub, for it permits. */
	assert_int_equal(ask_nr(&p, X86, 37, 0, 0), SECCOMP_RET_KILL_THREAD);
	assert_int_equal(ask_nr(&p, X64, 1000, 0, 0), ALLOW);
	free(p.f);
}

static void test_stub(void **state)
{
	static const struct {
		uint32_t action;
		bool has_errno;
		unsigned int value;
		uint32_t known, newer; /* answers */
	} cases[] = {
		{SCMP_ACT_ERRNO(0), false, 0, ERRNO(EPERM), ERRNO(ENOSYS)},
		{SCMP_ACT_ERRNO(0), true, EACCES, ERRNO(EACCES), ERRNO(ENOSYS)},
		{SCMP_ACT_ERRNO(0), true, ENOSYS, ERRNO(ENOSYS), ERRNO(ENOSYS)},
		{SCMP_ACT_KILL, false, 0, SECCOMP_RET_KILL_THREAD, ERRNO(ENOSYS)},
		{SCMP_ACT_KILL_PROCESS, false, 0, SECCOMP_RET_KILL_PROCESS,
		 ERRNO(ENOSYS)},
		{SCMP_ACT_TRAP, false, 0, SECCOMP_RET_TRAP, ERRNO(ENOSYS)},
		{SCMP_ACT_TRACE(0), false, 0, SECCOMP_RET_TRACE | EPERM,
		 SECCOMP_RET_TRACE | EPERM},
		{SCMP_ACT_LOG, false, 0, SECCOMP_RET_LOG, SECCOMP_RET_LOG},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct config_seccomp s = docker;
		struct program p;

		s.default_action = cases[i].action;
		s.has_default_errno = cases[i].has_errno;
		s.default_errno = cases[i].value;
		p = compile(&s, -1);
		assert_int_equal(ask(&p, X64, "ptrace", 0), cases[i].known);
		assert_int_equal(ask(&p, X64, "futex_waitv", 0),
				 ALLOW); /* the newest named */
		assert_int_equal(ask_nr(&p, X64, 450, 0, 0), cases[i].newer);
		assert_int_equal(ask_nr(&p, X86, 450, 0, 0), cases[i].newer);
		assert_int_equal(ask_nr(&p, X64, 0x40000000 | 600, 0, 0), cases[i].newer);
		assert_int_equal(ask_nr(&p, X64, 0x3fffffff, 0, 0), cases[i].newer);
		assert_int_equal(ask_nr(&p, AUDIT_ARCH_ARM, 1000, 0, 0),
				 SECCOMP_RET_KILL_THREAD);
		free(p.f);
	}
}

/* Each architecture has its own newest call; x32 without being asked for is foreign. */
static void test_stub_archs(void **state)
{
	struct config_seccomp_rule rules[] = {
		{.names = NAMES("read", "write"), .action = SCMP_ACT_ALLOW},
	};
	struct config_seccomp s = {
		.default_action = SCMP_ACT_ERRNO(0),
		.architectures = NAMES("SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM",
				       "SCMP_ARCH_ARM"),
		.rules = rules,
		.n_rules = 1,
	};
	struct program p = compile(&s, -1);

	(void)state;
	assert_int_equal(ask_nr(&p, X64, 1, 0, 0), ALLOW);
	assert_int_equal(ask_nr(&p, X64, 2, 0, 0),
			 ERRNO(ENOSYS)); /* open, to whom it is new */
	assert_int_equal(ask_nr(&p, X64, 0x40000001, 0, 0), SECCOMP_RET_KILL_THREAD);
	assert_int_equal(ask(&p, AUDIT_ARCH_AARCH64, "write", 0), ALLOW); /* 64 */
	assert_int_equal(ask_nr(&p, AUDIT_ARCH_AARCH64, 62, 0, 0), ERRNO(EPERM));
	assert_int_equal(ask_nr(&p, AUDIT_ARCH_AARCH64, 65, 0, 0), ERRNO(ENOSYS));
	assert_int_equal(ask(&p, AUDIT_ARCH_ARM, "write", 0), ALLOW); /* 4 */
	assert_int_equal(ask_nr(&p, AUDIT_ARCH_ARM, 2, 0, 0), ERRNO(EPERM));
	assert_int_equal(ask_nr(&p, AUDIT_ARCH_ARM, 5, 0, 0), ERRNO(ENOSYS));
	free(p.f);

	/* x32 alone beside the native one, which no rule of it names. */
	s.architectures = (struct strv)NAMES("SCMP_ARCH_X32");
	p = compile(&s, -1);
	assert_int_equal(ask_nr(&p, X64, 0x40000001, 0, 0), ALLOW);
	assert_int_equal(ask_nr(&p, X64, 0x40000002, 0, 0), ERRNO(ENOSYS));
	assert_int_equal(ask_nr(&p, X64, 2, 0, 0), ERRNO(ENOSYS));
	free(p.f);

	/* Nothing named: nothing is known to be new. */
	s.n_rules = 0;
	p = compile(&s, -1);
	assert_int_equal(ask_nr(&p, X64, 1000, 0, 0), ERRNO(EPERM));
	free(p.f);
}

static void test_refused_profiles(void **state)
{
	struct config_seccomp_arg arg = {6, SCMP_CMP_EQ, 0, 0};
	struct config_seccomp_rule rule = {.names = NAMES("read"),
					   .action = SCMP_ACT_ALLOW};
	struct config_seccomp s = {.default_action = SCMP_ACT_ERRNO(0),
				   .rules = &rule,
				   .n_rules = 1,
				   .listener_path = "/run/agent"};

	(void)state;
	s.architectures = (struct strv)NAMES("SCMP_ARCH_Z80");
	refused(&s, EINVAL, "SCMP_ARCH_Z80");
	s.architectures = (struct strv)NAMES("x86_64");
	refused(&s, EINVAL, "x86_64");
	s.architectures = (struct strv){0};
	s.has_default_errno = true;
	s.default_errno = 65536;
	refused(&s, EINVAL, "65536");
	s.has_default_errno = false;
	rule.args = &arg;
	rule.n_args = 1;
	refused(&s, EINVAL, "index 6");
	arg = (struct config_seccomp_arg){0, 99, 0, 0};
	refused(&s, EINVAL, "operator 99");
	rule.n_args = 0;
	rule.names = (struct strv)NAMES("");
	refused(&s, EINVAL, "empty");
	rule.names = (struct strv)NAMES("read", "write");
	rule.action = SCMP_ACT_NOTIFY;
	refused(&s, EINVAL, "SCMP_ACT_NOTIFY cannot be used for the write syscall");
	rule.names = (struct strv)NAMES("read");
	s.listener_path = NULL;
	refused(&s, EINVAL, "listenerPath");
	rule.action = SCMP_ACT_ALLOW;
	s.default_action = SCMP_ACT_NOTIFY;
	refused(&s, EINVAL, "SCMP_ACT_NOTIFY cannot be used as default action");
}

static void test_notify(void **state)
{
	struct config_seccomp_rule rule = {.names = NAMES("mkdirat"),
					   .action = SCMP_ACT_NOTIFY};
	struct config_seccomp s = {.default_action = SCMP_ACT_ALLOW,
				   .rules = &rule,
				   .n_rules = 1,
				   .listener_path = "/run/agent"};
	struct program p;

	(void)state;
	if (seccomp_api_get() < 6)
		skip();
	assert_true(seccomp_wants_listener(&s));
	p = compile(&s, -1);
	assert_int_equal(ask(&p, X64, "mkdirat", 0), SECCOMP_RET_USER_NOTIF);
	assert_int_equal(ask(&p, X64, "read", 0), ALLOW);
	free(p.f);
	rule.action = SCMP_ACT_ERRNO(0);
	assert_false(seccomp_wants_listener(&s));
}

/* All that libseccomp knows at once: no rule may fail, whatever architecture has it. */
static void test_every_call(void **state)
{
	struct config_seccomp_rule rule = {.action = SCMP_ACT_ALLOW};
	struct config_seccomp s = {
		.default_action = SCMP_ACT_ERRNO(0),
		.architectures = NAMES("SCMP_ARCH_X86_64", "SCMP_ARCH_X86",
				       "SCMP_ARCH_X32"),
		.rules = &rule,
		.n_rules = 1,
	};
	static const uint32_t archs[] = {X64, X86, SCMP_ARCH_ARM, SCMP_ARCH_S390};
	struct program p;

	(void)state;
	for (size_t a = 0; a < ARRAY_SIZE(archs); a++)
		for (int nr = 0; nr < 460; nr++) {
			char *name = seccomp_syscall_resolve_num_arch(archs[a], nr);

			if (name)
				assert_int_equal(strv_add(&rule.names, name), 0);
			free(name);
		}
	assert_true(rule.names.n > 1200);
	p = compile(&s, -1);
	assert_int_equal(ask(&p, X64, "ptrace", 0), ALLOW);
	assert_int_equal(ask_nr(&p, X86, 359, 0, 0), ALLOW); /* socket */
	assert_int_equal(ask_nr(&p, X64, 1000, 0, 0), ERRNO(ENOSYS));
	free(p.f);
	strv_done(&rule.names);
}

/* ---- in a child ------------------------------------------------------------------ */

static int load(void *arg)
{
	const struct program *p = arg;

	WANT(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	WANT(seccomp_load_child(p->f, p->n,
				SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_LOG |
					SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV,
				false) == 0);
	WANT(SYS(getpid) > 0);
	WANT(SYS(getppid) == -EPERM);
	WANT(SYS(clone3, NULL, 0) == -ENOSYS);
	WANT(sys_ret(syscall(600)) == -ENOSYS);
	return 0;
}

static int load_listener(void *arg)
{
	const struct program *p = arg;
	int fd;

	WANT(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	fd = seccomp_load_child(p->f, p->n, 0, true);
	WANT(fd >= 3 && (fcntl(fd, F_GETFD) & FD_CLOEXEC));
	return 0;
}

static void test_load(void **state)
{
	struct config_seccomp s = docker;
	struct program p = compile(&s, -1);
	struct cis_error err = {0};

	(void)state;
	good(load, &p);
	good(load_listener, &p);
	free(p.f);
	assert_int_equal(seccomp_check_flags(0, &err), 0);
	assert_int_equal(seccomp_check_flags(SECCOMP_FILTER_FLAG_TSYNC |
						     SECCOMP_FILTER_FLAG_LOG |
						     SECCOMP_FILTER_FLAG_SPEC_ALLOW,
					     &err),
			 0);
	/* Linux 5.19. */
	assert_int_equal(seccomp_check_flags(1U << 5, &err), 0);
	assert_int_equal(seccomp_check_flags(1U << 30, &err), -EINVAL);
	assert_non_null(strstr(err.message, "0x40000000"));
}

/* ---- labels ---------------------------------------------------------------------- */

/* What profile docker adds: permitted, whatever libseccomp knows, and nothing between. */
static void test_added_calls(void **state)
{
	char *plain_names[] = {"read", "mount_setattr"}, *added_names[] = {"statmount", "mount", "fsopen"};
	struct config_seccomp_rule rules[] = {
		{.names = {plain_names, 2}, .action = SCMP_ACT_ALLOW},
		{.names = {added_names, 3}, .action = SCMP_ACT_ALLOW, .added = true},
	};
	struct config_seccomp s = {.given = true, .default_action = SCMP_ACT_ERRNO(0),
				   .rules = rules, .n_rules = 2};
	struct program p = compile(&s, -1);

	(void)state;
	assert_int_equal(ask_nr(&p, X64, 0, 0, 0), SECCOMP_RET_ALLOW);
	assert_int_equal(ask_nr(&p, X64, 165, 0, 0), SECCOMP_RET_ALLOW);
	assert_int_equal(ask_nr(&p, X64, 430, 0, 0), SECCOMP_RET_ALLOW);
	assert_int_equal(ask_nr(&p, X64, 457, 0, 0), SECCOMP_RET_ALLOW);
	assert_int_equal(ask_nr(&p, X64, 428, 0, 0), ERRNO(EPERM));
	assert_int_equal(ask_nr(&p, X64, 443, 0, 0), ERRNO(ENOSYS));
	assert_int_equal(ask_nr(&p, X64, 452, 0, 0), ERRNO(ENOSYS));
	assert_int_equal(ask_nr(&p, X64, 458, 0, 0), ERRNO(ENOSYS));
	free(p.f);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_profile),
		cmocka_unit_test(test_same_index),
		cmocka_unit_test(test_stub),
		cmocka_unit_test(test_stub_archs),
		cmocka_unit_test(test_refused_profiles),
		cmocka_unit_test(test_notify),
		cmocka_unit_test(test_every_call),
		cmocka_unit_test(test_load),
		cmocka_unit_test(test_added_calls),
	};

	if (seccomp_arch_native() != SCMP_ARCH_X86_64)
		return 77; /* the numbers above are of x86 */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
