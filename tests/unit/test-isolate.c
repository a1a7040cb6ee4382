/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Capabilities, scheduling, and the ids that users have. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <linux/ioprio.h>
#include <linux/mempolicy.h>
#include <stdio.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/sys.h"
#include "bpf.h"
#include "container/config.h"
#include "isolate.h"
#include "isolate/caps.h"
#include "isolate/sched.h"
#include "isolate/subids.h"

/* ---- capabilities ---------------------------------------------------------------- */

#define BIT(c) (UINT64_C(1) << (c))

static void test_caps_names(void **state)
{
	const uint64_t all = caps_all();

	(void)state;
	assert_true((all & BIT(CAP_CHOWN)) && (all & BIT(CAP_AUDIT_READ)));
	assert_int_equal(all & (all + 1), 0); /* no holes */
	for (int i = 0; i < 64; i++) {
		const char *name = caps_name(i);
		char *theirs = cap_to_name(i);

		assert_non_null(theirs);
		if (name) {
			assert_int_equal(strcasecmp(name, theirs), 0);
			assert_int_equal(caps_from_name(name), i);
		} else {
			/* libcap spells what it does not know as a number. */
			assert_true(theirs[0] >= '0' && theirs[0] <= '9');
		}
		cap_free(theirs);
	}
	assert_null(caps_name(-1));
	assert_null(caps_name(64));
	assert_int_equal(caps_from_name("CAP_SYS_ADMIN"), CAP_SYS_ADMIN);
	assert_int_equal(caps_from_name("cap_sys_admin"), -EINVAL);
	assert_int_equal(caps_from_name("SYS_ADMIN"), -EINVAL);
	assert_int_equal(caps_from_name("CAP_SYS"), -EINVAL);
	assert_int_equal(caps_from_name(""), -EINVAL);
}

static int apply_caps(void *arg)
{
	const uint64_t sets[CAP_SETS] = {
		[CAPS_BOUNDING] = BIT(CAP_CHOWN) | BIT(CAP_KILL) | BIT(CAP_NET_RAW),
		[CAPS_PERMITTED] = BIT(CAP_CHOWN) | BIT(CAP_KILL),
		[CAPS_EFFECTIVE] = BIT(CAP_CHOWN),
		[CAPS_INHERITABLE] = BIT(CAP_KILL) | BIT(CAP_NET_RAW),
		[CAPS_AMBIENT] = BIT(CAP_CHOWN) | BIT(CAP_KILL) | BIT(CAP_NET_RAW) |
				 BIT(63),
	};
	const uint64_t more[CAP_SETS] = {[CAPS_PERMITTED] = BIT(CAP_CHOWN) |
							    BIT(CAP_SYS_ADMIN)};
	struct __user_cap_data_struct data[2];

	(void)arg;
	WANT(caps_limit_bounding_child(sets[CAPS_BOUNDING]) == 0);
	WANT(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == 0);
	WANT(sys_setresuid(12345, 12345, 12345) == 0);
	WANT(caps_apply_child(sets) == 0);
	for (int c = 0; c < 64 && (caps_all() & BIT(c)); c++) {
		WANT(prctl(PR_CAPBSET_READ, c) == !!(sets[CAPS_BOUNDING] & BIT(c)));
		/* Only what is permitted and inheritable. */
		WANT(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, c, 0, 0) ==
		     (c == CAP_KILL));
	}
	WANT(sys_capget(data) == 0);
	WANT(data[0].permitted == sets[CAPS_PERMITTED] && data[1].permitted == 0);
	WANT(data[0].effective == sets[CAPS_EFFECTIVE] && data[1].effective == 0);
	WANT(data[0].inheritable == sets[CAPS_INHERITABLE] && data[1].inheritable == 0);
	WANT(prctl(PR_GET_KEEPCAPS) == 0);
	WANT(caps_apply_child(more) == -EPERM);
	/* CAP_SETPCAP is gone: what is there stays, and no more can be taken away. */
	WANT(caps_limit_bounding_child(sets[CAPS_BOUNDING]) == 0);
	WANT(caps_limit_bounding_child(0) == -EPERM);
	return 0;
}

static int drop_caps(void *arg)
{
	const uint64_t none[CAP_SETS] = {0};

	(void)arg;
	WANT(caps_limit_bounding_child(0) == 0);
	WANT(caps_apply_child(none) == 0);
	WANT(sys_setresuid(12345, 12345, 12345) == -EPERM);
	return 0;
}

static void test_caps_apply(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	good(apply_caps, NULL);
	good(drop_caps, NULL);
}

/* ---- scheduling ------------------------------------------------------------------ */

static void test_list(void **state)
{
	static const struct {
		const char *text;
		int r;
		unsigned long mask[2];
	} cases[] = {
		{"0", 0, {1, 0}},
		{"0-3,7", 0, {0x8f, 0}},
		{"7,0-3", 0, {0x8f, 0}},
		{" 1 , 3-3\n", 0, {0xa, 0}},
		{",,2,", 0, {4, 0}},
		{"63-64,127", 0, {1UL << 63, 1UL | 1UL << 63}},
		{"0-127", 0, {~0UL, ~0UL}},
		{"", -EINVAL, {0, 0}},
		{" , ", -EINVAL, {0, 0}},
		{"3-1", -EINVAL, {0, 0}},
		{"1-", -EINVAL, {0, 0}},
		{"-1", -EINVAL, {0, 0}},
		{"1-2-3", -EINVAL, {0, 0}},
		{"0x1", -EINVAL, {0, 0}},
		{"1 2", -EINVAL, {0, 0}},
		{"1 - 2", -EINVAL, {0, 0}},
		{"all", -EINVAL, {0, 0}},
		{"128", -ERANGE, {0, 0}},
		{"0-128", -ERANGE, {0, 0}},
		{"99999999999999999999999999", -ERANGE, {0, 0}},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		unsigned long mask[2] = {0x55, 0x55};
		int r = sched_parse_list(cases[i].text, mask, 128);

		if (r != cases[i].r)
			fail_msg("\"%s\": %d", cases[i].text, r);
		if (r == 0)
			assert_memory_equal(mask, cases[i].mask, sizeof mask);
	}
}

static int first_cpu(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	if (sched_getaffinity(0, sizeof set, &set) < 0)
		return -1;
	for (int i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &set))
			return i;
	return -1;
}

static int schedule(void *arg)
{
	const struct config_scheduler none = {.policy = 77};
	const struct config_scheduler batch = {.given = true,
					       .policy = SCHED_BATCH,
					       .nice = 5};
	const struct config_scheduler wrong = {.given = true,
					       .policy = SCHED_FIFO,
					       .priority = 1000};
	char cpu[16];
	cpu_set_t set;
	int r;

	(void)arg;
	WANT(sched_policy_child(&none) == 0);
	WANT(sched_policy_child(&wrong) == -EINVAL);
	WANT(sched_policy_child(&batch) == 0);
	WANT(sched_getscheduler(0) == SCHED_BATCH);
	WANT(sched_ioprio_child(IOPRIO_PRIO_VALUE(IOPRIO_CLASS_BE, 6)) == 0);
	WANT(SYS(ioprio_get, IOPRIO_WHO_PROCESS, 0) ==
	     IOPRIO_PRIO_VALUE(IOPRIO_CLASS_BE, 6));
	snprintf(cpu, sizeof cpu, "%d", first_cpu());
	WANT(sched_affinity_child(cpu) == 0);
	WANT(sched_getaffinity(0, sizeof set, &set) == 0);
	WANT(CPU_COUNT(&set) == 1);
	WANT(sched_affinity_child("8191") == -EINVAL);
	WANT(sched_affinity_child("8192") == -ERANGE);
	WANT(sched_affinity_child("x") == -EINVAL);
	WANT(sched_personality_child(ADDR_NO_RANDOMIZE) == 0);
	WANT(personality(0xffffffff) == ADDR_NO_RANDOMIZE);
	r = sched_mempolicy_child(MPOL_PREFERRED, "0");
	if (r == -ENOSYS)
		return 0; /* CONFIG_NUMA */
	WANT(r == 0);
	WANT(sched_mempolicy_child(MPOL_BIND, "0-") == -EINVAL);
	WANT(sched_mempolicy_child(MPOL_BIND, "1023") == -EINVAL);
	WANT(sched_mempolicy_child(MPOL_BIND, NULL) == -EINVAL);
	WANT(sched_mempolicy_child(MPOL_DEFAULT, "") == 0);
	return 0;
}

static void test_schedule(void **state)
{
	(void)state;
	good(schedule, NULL);
}

/* ---- labels ---------------------------------------------------------------------- */

static void test_subids(void **state)
{
	struct subids s;

	(void)state;
	subids_parse("ci:100000:65536\n", "ci", 1000, 65536, &s);
	assert_int_equal(s.n, 1);
	assert_int_equal(s.v[0].first, 100000);
	assert_int_equal(s.total, 65536);
	/* No newline at the end; by number; several; cut to what is wanted. */
	subids_parse("other:1:9\nci:100000:65536\n1000:300000:1000", "ci", 1000, 66000, &s);
	assert_int_equal(s.n, 2);
	assert_int_equal(s.v[1].first, 300000);
	assert_int_equal(s.v[1].count, 464);
	/* Names that begin or end alike are others'. */
	subids_parse("cic:1:9\nc:1:9\nxci:1:9\n10001:1:9\n:1:9\n", "ci", 1000, 65536, &s);
	assert_int_equal(s.total, 0);
	/* What is no range. */
	subids_parse("ci:1\nci:1:0\nci:1:x\nci:1:5x\nci:4294967295:1\nci:4294967290:100\n"
		     "ci:18446744073709551615:9\nci\n\n", "ci", 1000, 65536, &s);
	assert_int_equal(s.total, 0);
	/* The next line's numbers are not this line's. */
	subids_parse("ci:5:\n7\n", "ci", 1000, 65536, &s);
	assert_int_equal(s.total, 0);
	subids_parse("", "ci", 1000, 65536, &s);
	assert_int_equal(s.n, 0);
}

static void test_subids_many(void **state)
{
	char text[2048] = "";
	struct subids s;

	(void)state;
	for (int i = 0; i < 40; i++)
		snprintf(text + strlen(text), sizeof text - strlen(text), "ci:%d:10\n", 1000 * i);
	subids_parse(text, "ci", 1000, 65536, &s);
	assert_int_equal(s.n, SUBIDS_RANGES);
	assert_int_equal(s.total, 10 * SUBIDS_RANGES);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_subids),
		cmocka_unit_test(test_subids_many),
		cmocka_unit_test(test_caps_names),
		cmocka_unit_test(test_caps_apply),
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_schedule),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
