/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What profile docker decides from what it is told, without a container. */
#include "container/profile.h"
#include "container/unmapped.h"

#include <errno.h>
#include <linux/magic.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>
#include <linux/capability.h>
#include <seccomp.h>

#include "isolate/caps.h"

/* ---- what cannot be id-mapped ------------------------------------------------- */

#define NFS 0x6969
#define FUSE 0x65735546

static void test_unmapped(void **state)
{
	static const struct {
		struct unmapped_facts facts;
		enum unmapped wanted;
	} cases[] = {
		{{"/data", NULL, NFS, false}, UNMAPPED_REFUSED},
		{{"/data", "/data", NFS, false}, UNMAPPED_AS_IT_IS},
		{{"/data", "/a,/data,/b", NFS, false}, UNMAPPED_AS_IT_IS},
		{{"/data", "/a,/database", FUSE, false}, UNMAPPED_REFUSED},
		{{"/data", "/data/", FUSE, false}, UNMAPPED_REFUSED},
		{{"/data", "", FUSE, false}, UNMAPPED_REFUSED},
		{{"/data", "all", FUSE, false}, UNMAPPED_AS_IT_IS},
		{{"/host/proc", NULL, PROC_SUPER_MAGIC, false}, UNMAPPED_AS_IT_IS},
		{{"/host/sys", NULL, SYSFS_MAGIC, false}, UNMAPPED_AS_IT_IS},
		{{"/cg", NULL, CGROUP2_SUPER_MAGIC, false}, UNMAPPED_AS_IT_IS},
		{{"/dev/nvidia0", NULL, TMPFS_MAGIC, true}, UNMAPPED_AS_IT_IS},
		/* tmpfs: on a kernel before 6.3, or it would not come here. */
		{{"/dev/shm", NULL, TMPFS_MAGIC, false}, UNMAPPED_OWN_SHM},
		{{"/dev/shm", NULL, NFS, false}, UNMAPPED_REFUSED},
		{{"/run/secrets", NULL, TMPFS_MAGIC, false}, UNMAPPED_REFUSED},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (unmapped_decide(&cases[i].facts) != cases[i].wanted)
			fail_msg("case %zu: %d", i, unmapped_decide(&cases[i].facts));
	assert_true(unmapped_is_optional("/,/data", "/"));
	assert_false(unmapped_is_optional("/data", "/"));
	assert_false(unmapped_is_optional(NULL, "/"));
}

/* ---- names --------------------------------------------------------------------- */

static void test_names(void **state)
{
	struct config_pair annotation = {(char *)PROFILE_ANNOTATION, (char *)"docker"};
	struct config bare = {0}, c = {.annotations = &annotation, .n_annotations = 1};
	struct cis_oci none = {0}, plain = {.profile = "plain"}, nested = {.profile = "nested"};
	struct cis_oci wrong = {.profile = "nest"};
	struct cis_error err = {0};

	(void)state;
	assert_int_equal(profile_of(NULL, &bare, &err), PROFILE_PLAIN);
	assert_int_equal(profile_of(&none, &bare, &err), PROFILE_PLAIN);
	assert_int_equal(profile_of(&none, &c, &err), PROFILE_DOCKER);
	/* The program's name is stronger than the bundle. */
	assert_int_equal(profile_of(&plain, &c, &err), PROFILE_PLAIN);
	assert_int_equal(profile_of(&nested, &c, &err), PROFILE_NESTED);
	assert_int_equal(profile_of(&wrong, &bare, &err), -EINVAL);
}

/* ---- capabilities --------------------------------------------------------------- */

static void test_capabilities(void **state)
{
	struct config_pair annotation = {(char *)CAPABILITIES_ANNOTATION, (char *)"engine"};
	struct config c = {.annotations = &annotation, .n_annotations = 1};
	struct config_process p = {.has_caps = true};
	struct cis_error err = {0};
	const uint64_t chown = UINT64_C(1) << CAP_CHOWN;

	(void)state;
	p.caps[CAPS_BOUNDING] = chown;
	assert_int_equal(profile_apply_process(&c, &p, &err), 0);
	assert_true(p.has_caps && p.caps[CAPS_BOUNDING] == chown && !p.caps[CAPS_EFFECTIVE]);
	annotation.value = (char *)"some";
	assert_int_equal(profile_apply_process(&c, &p, &err), -EINVAL);
	assert_non_null(strstr(err.message, CAPABILITIES_ANNOTATION "=some"));
	annotation.value = (char *)"all";
	assert_int_equal(profile_apply_process(&c, &p, &err), 0);
	assert_true(p.caps[CAPS_BOUNDING] == caps_all());
	p.caps[CAPS_BOUNDING] = p.caps[CAPS_INHERITABLE] = chown;
	c.n_annotations = 0;
	assert_int_equal(profile_apply_process(&c, &p, &err), 0);
	assert_true(p.caps[CAPS_EFFECTIVE] == caps_all() && !p.caps[CAPS_INHERITABLE]);
}

/* ---- the filter ------------------------------------------------------------------- */

static const struct config_seccomp_rule *rule_of(const struct config_seccomp *s, const char *name)
{
	for (size_t i = 0; i < s->n_rules; i++)
		for (size_t j = 0; j < s->rules[i].names.n; j++)
			if (strcmp(s->rules[i].names.v[j], name) == 0)
				return &s->rules[i];
	return NULL;
}

static void add_rule(struct config_seccomp *s, uint32_t action, const char *name)
{
	s->rules = reallocarray(s->rules, s->n_rules + 1, sizeof *s->rules);
	assert_non_null(s->rules);
	s->rules[s->n_rules] = (struct config_seccomp_rule){.action = action};
	assert_int_equal(strv_add(&s->rules[s->n_rules++].names, name), 0);
}

static void widen(struct config *c, uint32_t default_action)
{
	struct config_process p = {0};
	struct cis_error err = {0};

	*c = (struct config){.seccomp = {.given = true, .default_action = default_action}};
	add_rule(&c->seccomp, SCMP_ACT_ALLOW, "read");
	add_rule(&c->seccomp, SCMP_ACT_ERRNO(0), "ptrace");
	add_rule(&c->seccomp, SCMP_ACT_ERRNO(0), "clone3");
	add_rule(&c->seccomp, SCMP_ACT_KILL_PROCESS, "setns");
	add_rule(&c->seccomp, SCMP_ACT_NOTIFY, "mount");
	assert_int_equal(profile_apply_process(c, &p, &err), 0);
}

static void filter_done(struct config *c)
{
	for (size_t i = 0; i < c->seccomp.n_rules; i++)
		strv_done(&c->seccomp.rules[i].names);
	free(c->seccomp.rules);
}

static void test_refusing_filter(void **state)
{
	const struct config_seccomp *s;
	struct config c;

	(void)state;
	widen(&c, SCMP_ACT_ERRNO(0));
	s = &c.seccomp;
	assert_true(rule_of(s, "open_tree")->added && rule_of(s, "pivot_root")->added);
	/* The engine's, by what the container may on the host. */
	assert_true(rule_of(s, "clone3")->added);
	/* Somebody's own word. */
	assert_int_equal(rule_of(s, "ptrace")->action, SCMP_ACT_ERRNO(0));
	assert_int_equal(rule_of(s, "setns")->action, SCMP_ACT_KILL_PROCESS);
	assert_int_equal(rule_of(s, "mount")->action, SCMP_ACT_NOTIFY);
	assert_false(rule_of(s, "read")->added);
	assert_null(rule_of(s, "kexec_load"));
	assert_null(rule_of(s, "bpf"));
	filter_done(&c);
}

static void test_permitting_filter(void **state)
{
	struct config c;

	(void)state;
	widen(&c, SCMP_ACT_ALLOW);
	assert_int_equal(c.seccomp.n_rules, 5);
	assert_int_equal(rule_of(&c.seccomp, "clone3")->action, SCMP_ACT_ERRNO(0));
	filter_done(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unmapped),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_capabilities),
		cmocka_unit_test(test_refusing_filter),
		cmocka_unit_test(test_permitting_filter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
