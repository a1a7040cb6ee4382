/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Groups of a container: numbers and paths as they are converted, and who may use which device. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/str.h"
#include "cgroup/devices.h"
#include "cgroup/place.h"
#include "cgroup/resources.h"
#include "place.h"

/* ---- conversions --------------------------------------------------------- */

static void test_weight(void **state)
{
	/* As runc's ConvertCPUSharesToCgroupV2Value has them. */
	static const uint64_t cases[][2] = {
		{0, 0},		{1, 1},		 {2, 1},	  {3, 2},
		{4, 2},		{10, 4},	 {100, 17},	  {512, 59},
		{1024, 100},	{2048, 174},	 {4096, 303},	  {10000, 627},
		{100000, 4340}, {262143, 10000}, {262144, 10000}, {300000, 10000},
	};
	uint64_t last = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(resources_weight(cases[i][0]), cases[i][1]);
	for (uint64_t s = 0; s <= 262144; s++) {
		assert_true(resources_weight(s) >= last);
		last = resources_weight(s);
	}
	assert_int_equal(resources_io_weight(10), 1);
	assert_int_equal(resources_io_weight(1000), 10000);
	assert_int_equal(resources_io_weight(100), 910);
	assert_int_equal(resources_io_weight(0), 1);
}

static void test_swap(void **state)
{
	static const struct {
		int64_t limit, swap;
		uint64_t current;
		int r;
		int64_t value;
	} cases[] = {
		{100, 300, UINT64_MAX, 0, 200},
		{100, 100, UINT64_MAX, 0, 0},
		{100, 99, UINT64_MAX, -EINVAL, 0},
		{100, -1, UINT64_MAX, 0, -1},
		{100, CONFIG_NONE, UINT64_MAX, 0, CONFIG_NONE},
		{100, 0, UINT64_MAX, 0, CONFIG_NONE},
		{-1, CONFIG_NONE, 50, 0, -1},
		{-1, 100, 50, -EINVAL, 0},
		{CONFIG_NONE, 100, 50, 0, 50},
		{CONFIG_NONE, 100, UINT64_MAX, -EINVAL, 0},
		{CONFIG_NONE, CONFIG_NONE, 50, 0, CONFIG_NONE},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int64_t v = 0;

		assert_int_equal(resources_swap(cases[i].limit, cases[i].swap,
						cases[i].current, &v), cases[i].r);
		if (cases[i].r == 0)
			assert_int_equal(v, cases[i].value);
	}
}

static void test_cpu_bits(void **state)
{
	static const char *const bad[] = {"a",	   "3-", "-3",	"3-1",
					  "1-2-3", "99", "1;2", "1,,x"};
	unsigned char bits[8];
	size_t n;

	(void)state;
	assert_int_equal(resources_cpu_bits("0-2,7\n", bits, sizeof bits, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(bits[0], 0x87);
	assert_int_equal(resources_cpu_bits("0,9-16", bits, sizeof bits, &n), 0);
	assert_int_equal(n, 3);
	assert_int_equal(bits[0], 1);
	assert_int_equal(bits[1], 0xfe);
	assert_int_equal(bits[2], 1);
	assert_int_equal(resources_cpu_bits("\n", bits, sizeof bits, &n), 0);
	assert_int_equal(n, 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(resources_cpu_bits(bad[i], bits, sizeof bits, &n),
				 -EINVAL);
}

/* ---- paths --------------------------------------------------------------- */

static void test_path(void **state)
{
	static const char *const cases[][2] = {
		{"/docker/ab", "docker/ab"},
		{"//docker///ab/", "docker/ab"},
		{"/a/./b/../c", "a/c"},
		{"/../../a", "a"},
		{"a/b", "cisandbox-oci/a/b"},
		{"../../a", "cisandbox-oci/a"},
		{"", "cisandbox-oci/id"},
		{NULL, "cisandbox-oci/id"},
	};
	static const char *const bad[] = {"/", "/a/..", ".", "..", "///"};
	char path[PLACE_PATH], longest[PLACE_PATH + 10] = "/";

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(place_path(cases[i][0], "id", path, NULL), 0);
		assert_string_equal(path, cases[i][1]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(place_path(bad[i], "id", path, NULL), -EINVAL);
	memset(longest + 1, 'x', 256);
	assert_int_equal(place_path(longest, "id", path, NULL), -ENAMETOOLONG);
	for (size_t i = 1; i < sizeof longest - 1; i++)
		longest[i] = i % 2 ? 'x' : '/';
	assert_int_equal(place_path(longest, "id", path, NULL), -ENAMETOOLONG);
}

static void test_systemd_path(void **state)
{
	static const struct {
		const char *text, *path, *slice, *unit;
	} cases[] = {
		{"system.slice:docker:ID", "system.slice/docker-ID.scope", "system.slice",
		 "docker-ID.scope"},
		{":cri-containerd:ID", "system.slice/cri-containerd-ID.scope",
		 "system.slice", "cri-containerd-ID.scope"},
		{"user.slice:p:ID", "user.slice/p-ID.scope", "user.slice", "p-ID.scope"},
		{"-.slice:p:ID", "p-ID.scope", "-.slice", "p-ID.scope"},
		{"a-b.slice:p:ID", "a.slice/a-b.slice/p-ID.scope", "a-b.slice",
		 "p-ID.scope"},
		{"kubepods-besteffort-pod1.slice:crio:ID",
		 "kubepods.slice/kubepods-besteffort.slice/"
		 "kubepods-besteffort-pod1.slice/crio-ID.scope",
		 "kubepods-besteffort-pod1.slice", "crio-ID.scope"},
		{"a.slice:p:a-c.slice", "a.slice/a-c.slice", "a.slice", "a-c.slice"},
		{"a.slice:p:x.scope", "a.slice/x.scope", "a.slice", "x.scope"},
		{"a.slice::ID", "a.slice/ID.scope", "a.slice", "ID.scope"},
		{"", "system.slice/cisandbox-id.scope", "system.slice",
		 "cisandbox-id.scope"},
		{NULL, "system.slice/cisandbox-id.scope", "system.slice",
		 "cisandbox-id.scope"},
	};
	static const char *const bad[] = {"/docker/ID",	     "a.slice:p",
					  "a.slice:p:",	     "a:p:ID",
					  "a.slice:p:x:y",   ".slice:p:ID",
					  "a--b.slice:p:ID", "-a.slice:p:ID",
					  "a-.slice:p:ID",   "a/b.slice:p:ID",
					  "a.slice:p:../x",  "a.slice:p/q:x"};
	char path[PLACE_PATH], slice[PLACE_UNIT], unit[PLACE_UNIT], small[12];
	struct cis_error err = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(place_path_systemd(cases[i].text, "id", path, slice,
						    unit, NULL),
				 0);
		assert_string_equal(path, cases[i].path);
		assert_string_equal(slice, cases[i].slice);
		assert_string_equal(unit, cases[i].unit);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(place_path_systemd(bad[i], "id", path, slice, unit,
						    &err),
				 -EINVAL);
	assert_int_equal(place_expand_slice("a-b.slice", small, sizeof small),
			 -ENAMETOOLONG);
}

/* ---- devices ------------------------------------------------------------- */

/* What the kernel would say; only what device_program() uses is known. */
static int interpret(const struct bpf_insn *insns, size_t n,
		     const struct bpf_cgroup_dev_ctx *ctx)
{
	uint64_t reg[11] = {0};

	for (size_t pc = 0; pc < n; pc++) {
		const struct bpf_insn *i = &insns[pc];
		uint64_t src = BPF_SRC(i->code) == BPF_X ? reg[i->src_reg]
							 : (uint64_t)(int64_t)i->imm;
		bool jump = false;

		switch (i->code & ~BPF_X) {
		case BPF_LDX | BPF_MEM | BPF_W:
			assert_int_equal(i->src_reg, 1);
			memcpy(&reg[i->dst_reg], (const char *)ctx + i->off, 4);
			continue;
		case BPF_ALU64 | BPF_MOV:
			reg[i->dst_reg] = src;
			continue;
		case BPF_ALU64 | BPF_AND:
			reg[i->dst_reg] &= src;
			continue;
		case BPF_ALU64 | BPF_RSH:
			reg[i->dst_reg] >>= src;
			continue;
		case BPF_JMP32 | BPF_JNE:
			jump = (uint32_t)reg[i->dst_reg] != (uint32_t)src;
			break;
		case BPF_JMP32 | BPF_JEQ:
			jump = (uint32_t)reg[i->dst_reg] == (uint32_t)src;
			break;
		case BPF_JMP | BPF_EXIT:
			return (int)reg[0];
		default:
			fail_msg("instruction %zu has unknown code %#x", pc, i->code);
		}
		if (jump) {
			assert_true(i->off > 0);
			pc += (size_t)i->off;
		}
	}
	fail_msg("the program does not end");
	return -1;
}

static bool permits(const struct device_policy *d, char type, uint32_t major,
		    uint32_t minor, unsigned int access)
{
	struct bpf_cgroup_dev_ctx ctx = {
		.access_type = access << 16 |
			       (type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR),
		.major = major,
		.minor = minor,
	};
	struct bpf_insn *insns;
	size_t n;
	int r;

	assert_int_equal(device_program(d, &insns, &n), 0);
	r = interpret(insns, n, &ctx);
	free(insns);
	return r;
}

static void test_devices_denied(void **state)
{
	const struct config_device_rule rules[] = {
		RULE(true, 'a', -1, -1, DEVICE_ALL), /* forgotten by the next */
		RULE(false, 'a', -1, -1, DEVICE_ALL),
		RULE(true, 'b', 8, 0, DEVICE_READ),
		RULE(true, 'b', 8, 0, DEVICE_WRITE),
		RULE(true, 'c', 10, -1, DEVICE_ALL),
		RULE(true, 'c', 20, 1, DEVICE_ALL),
		RULE(true, 'c', 20, 2, DEVICE_ALL),
		RULE(false, 'c', 20, -1, DEVICE_WRITE),
		RULE(true, 'a', 30, 5, DEVICE_READ),
		RULE(true, 'c', 4294967295, 3, DEVICE_ALL),
	};
	struct device_policy d;

	(void)state;
	assert_int_equal(policy_of(&d, rules, ARRAY_SIZE(rules)), 0);
	assert_false(d.allow);
	assert_true(permits(&d, 'b', 8, 0, DEVICE_READ | DEVICE_WRITE));
	assert_true(permits(&d, 'b', 8, 0, DEVICE_MKNOD));
	assert_false(permits(&d, 'b', 8, 0, DEVICE_ALL));
	assert_false(permits(&d, 'b', 8, 1, DEVICE_READ));
	assert_false(permits(&d, 'c', 8, 0, DEVICE_READ));
	assert_true(permits(&d, 'c', 10, 77, DEVICE_ALL));
	/* a wildcard takes from all below it */
	assert_true(permits(&d, 'c', 20, 1, DEVICE_READ));
	assert_false(permits(&d, 'c', 20, 1, DEVICE_WRITE));
	assert_false(permits(&d, 'c', 20, 2, DEVICE_WRITE));
	/* "a" with numbers is these numbers alone */
	assert_true(permits(&d, 'b', 30, 5, DEVICE_READ));
	assert_true(permits(&d, 'c', 30, 5, DEVICE_READ));
	assert_false(permits(&d, 'c', 30, 5, DEVICE_WRITE));
	assert_false(permits(&d, 'b', 31, 5, DEVICE_READ));
	assert_true(permits(&d, 'c', UINT32_MAX, 3, DEVICE_READ));
	/* what everybody has */
	assert_true(permits(&d, 'c', 1, 3, DEVICE_ALL));
	assert_true(permits(&d, 'c', 136, 12, DEVICE_READ | DEVICE_WRITE));
	assert_false(permits(&d, 'c', 1, 1, DEVICE_READ));
	device_policy_done(&d);
}

static void test_devices_allowed(void **state)
{
	const struct config_device_rule rules[] = {
		RULE(true, 'a', -1, -1, DEVICE_ALL),
		RULE(false, 'b', 8, -1, DEVICE_WRITE),
		RULE(false, 'c', 1, 1, DEVICE_ALL),
		RULE(false, 'c', 1, 2, DEVICE_ALL),
		RULE(true, 'c', 1, 2, DEVICE_READ),
	};
	const struct config_device_rule hole[] = {
		RULE(false, 'a', -1, -1, DEVICE_ALL),
		RULE(true, 'c', 1, -1, DEVICE_ALL),
		RULE(false, 'c', 1, 1, DEVICE_READ),
	};
	const struct config_device_rule crossed[] = {
		RULE(true, 'c', 1, -1, DEVICE_ALL),
		RULE(false, 'c', -1, 1, DEVICE_READ),
	};
	struct device_policy d;

	(void)state;
	assert_int_equal(policy_of(&d, rules, ARRAY_SIZE(rules)), 0);
	assert_true(d.allow);
	assert_true(permits(&d, 'b', 8, 3, DEVICE_READ));
	assert_false(permits(&d, 'b', 8, 3, DEVICE_WRITE));
	assert_false(permits(&d, 'b', 8, 3, DEVICE_READ | DEVICE_WRITE));
	assert_false(permits(&d, 'c', 1, 1, DEVICE_MKNOD));
	assert_true(permits(&d, 'c', 1, 2, DEVICE_READ));
	assert_false(permits(&d, 'c', 1, 2, DEVICE_WRITE));
	assert_true(permits(&d, 'c', 10, 200, DEVICE_ALL));
	device_policy_done(&d);
	assert_int_equal(policy_of(&d, hole, ARRAY_SIZE(hole)), -EINVAL);
	assert_int_equal(policy_of(&d, crossed, ARRAY_SIZE(crossed)), -EINVAL);
	assert_int_equal(policy_of(&d, NULL, 0), 0);
	assert_false(permits(&d, 'b', 8, 0, DEVICE_READ));
	assert_true(permits(&d, 'c', 1, 5, DEVICE_READ));
	device_policy_done(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_weight),
		cmocka_unit_test(test_swap),
		cmocka_unit_test(test_cpu_bits),
		cmocka_unit_test(test_path),
		cmocka_unit_test(test_systemd_path),
		cmocka_unit_test(test_devices_denied),
		cmocka_unit_test(test_devices_allowed),
	};

	return cmocka_run_group_tests_name("place", tests, NULL, NULL);
}
