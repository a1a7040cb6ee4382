/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A container's groups: conversions, paths and device programs as pure functions;
 * cgroup2's files in a folder that only looks like one; then, as root, a round on this
 * host's own hierarchies. Everything made there is named after this process, and removed
 * by its parent whatever becomes of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/io.h"
#include "base/json.h"
#include "base/str.h"
#include "base/sys.h"
#include "cgroup/devices.h"
#include "cgroup/place.h"
#include "cgroup/resources.h"

/* As create does: decide, then make. */
static int make_place(struct place *p, const char *path, const char *id, bool systemd,
		      const struct config_resources *r, struct cis_error *err)
{
	int k = place_decide(p, path, id, systemd, r, err);

	return k < 0 || systemd ? k : place_make(p, err);
}

static struct config_resources no_resources(void)
{
	return (struct config_resources){
		.memory_limit = CONFIG_NONE,
		.memory_reservation = CONFIG_NONE,
		.memory_swap = CONFIG_NONE,
		.memory_swappiness = CONFIG_NONE,
		.cpu_quota = CONFIG_NONE,
		.cpu_rt_runtime = CONFIG_NONE,
		.cpu_idle = CONFIG_NONE,
		.pids_limit = CONFIG_NONE,
	};
}

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

#define RULE(a, t, ma, mi, acc) \
	(struct config_device_rule) \
	{ \
		.allow = (a), .type = (t), .major = (ma), .minor = (mi), \
		.read = ((acc)&DEVICE_READ) != 0, .write = ((acc)&DEVICE_WRITE) != 0, \
		.mknod = ((acc)&DEVICE_MKNOD) != 0, \
	}

static int policy_of(struct device_policy *d, const struct config_device_rule *rules,
		     size_t n)
{
	struct config_resources r = no_resources();

	r.devices = (struct config_device_rule *)rules;
	r.n_devices = n;
	return device_policy_make(d, &r, NULL);
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

/* ---- cgroup2's files ------------------------------------------------------- */

struct fake {
	char root[64];
	struct place p;
};

static void put_fake(struct fake *f, const char *file, const char *text)
{
	cleanup_close int fd = openat(f->p.g[0].dir, file,
				      O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(io_write_all(fd, text, strlen(text)), 0);
}

/* Nothing is cut off by a write to a control file: the beginning counts. */
static void check_fake(struct fake *f, const char *file, const char *text)
{
	cleanup_free char *now = NULL;

	assert_int_equal(io_read_file_at(f->p.g[0].dir, file, 4096, &now, NULL), 0);
	if (strncmp(now, text, strlen(text)) != 0)
		fail_msg("%s has %s and not %s", file, now, text);
}

static int fake_setup(void **state)
{
	static const char *const files[][2] = {
		{"cpu.max", "max 100000\n"},
		{"cpu.weight", ""},
		{"cpu.max.burst", ""},
		{"cpu.idle", ""},
		{"cpuset.cpus", ""},
		{"cpuset.mems", ""},
		{"memory.low", ""},
		{"memory.max", "max"},
		{"memory.current", "5000\n"},
		{"pids.max", ""},
		{"io.weight", ""},
		{"io.max", ""},
		{"hugetlb.2MB.max", ""},
		{"hugetlb.2MB.rsvd.max", ""},
		{"rdma.max", ""},
		{"memory.high", ""},
		{"memory.events", "oom_kill 3\n"},
		{"io.stat",
		 "254:1 rbytes=7 wbytes=8 rios=2 wios=3 dbytes=0 dios=0\n253:0 \n"},
		{"memory.stat", "anon 4\nfile 12\n"},
		{"memory.pressure", "some avg10=0.50 avg60=0.00 avg300=0.00 total=17\n"
				    "full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"},
		{"cpu.stat", "usage_usec 9\nuser_usec 5\nsystem_usec 4\nnr_periods 1\n"},
		{"hugetlb.2MB.current", "2097152\n"},
		{"hugetlb.2MB.events", "max 6\n"},
		{"hugetlb.2MB.rsvd.current", "1\n"},
		{"cpuset.cpus.effective", "0-1,3\n"},
	};
	struct fake *f = calloc(1, sizeof *f);

	strcpy(f->root, "/tmp/test-place.XXXXXX");
	if (!mkdtemp(f->root))
		return -1;
	place_init(&f->p);
	f->p.n = 1;
	f->p.unified = 0;
	f->p.g[0].v2 = true;
	f->p.g[0].controllers = (1u << PLACE_CONTROLLERS) - 1;
	f->p.g[0].dir = open(f->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	snprintf(f->p.g[0].mount, sizeof f->p.g[0].mount, "/tmp");
	strcpy(f->p.path, f->root + strlen("/tmp/"));
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		put_fake(f, files[i][0], files[i][1]);
	*state = f;
	return 0;
}

static void remove_files(const char *dir)
{
	char pattern[80];
	glob_t g = {0};

	snprintf(pattern, sizeof pattern, "%s/*", dir);
	glob(pattern, 0, NULL, &g);
	for (size_t i = 0; i < g.gl_pathc; i++)
		unlink(g.gl_pathv[i]);
	globfree(&g);
	rmdir(dir);
}

static int fake_teardown(void **state)
{
	struct fake *f = *state;

	remove_files(f->root);
	place_done(&f->p);
	free(f);
	return 0;
}

static void test_v2_limits(void **state)
{
	struct config_blkio_device weight = {8, 0, 500, 7}, bps = {8, 16, 1000, 0};
	struct config_hugepage page = {(char *)"2MB", 4096};
	struct config_rdma rdma = {(char *)"mlx", true, true, 3, 4};
	struct config_resources r = no_resources();
	struct fake *f = *state;
	struct cis_error err = {0};

	r.cpu_shares = 1024;
	r.cpu_quota = 25000;
	r.cpu_period = 50000;
	r.has_cpu_burst = true;
	r.cpu_burst = 77;
	r.cpus = (char *)"0-1";
	r.mems = (char *)"0";
	r.memory_limit = 1 << 20;
	r.memory_swap = 3 << 20;
	r.memory_reservation = 4096;
	r.memory_swappiness = 10;
	r.pids_limit = 12;
	r.blkio_weight = 1000;
	r.blkio_weights = &weight;
	r.blkio_throttles[BLKIO_WRITE_IOPS] = &bps;
	r.n_blkio_throttles[BLKIO_WRITE_IOPS] = 1;
	r.hugepages = &page;
	r.n_hugepages = 1;
	r.rdma = &rdma;
	r.n_rdma = 1;
	r.has_net_class = true;
	r.net_class = 1;
	/* Limited swap where none is counted. */
	assert_int_equal(place_apply(&f->p, &r, &err), -ENOENT);
	put_fake(f, "memory.swap.max", "");
	assert_int_equal(place_apply(&f->p, &r, &err), 0);
	check_fake(f, "cpu.weight", "100");
	check_fake(f, "cpu.max", "25000 50000");
	check_fake(f, "cpu.max.burst", "77");
	check_fake(f, "cpuset.cpus", "0-1");
	check_fake(f, "memory.max", "1048576");
	check_fake(f, "memory.swap.max", "2097152");
	check_fake(f, "memory.low", "4096");
	check_fake(f, "pids.max", "12");
	check_fake(f, "io.weight", "10000");
	check_fake(f, "io.max", "8:16 wiops=1000");
	check_fake(f, "hugetlb.2MB.max", "4096");
	check_fake(f, "hugetlb.2MB.rsvd.max", "4096");
	check_fake(f, "rdma.max", "mlx hca_object=4");
	r.n_blkio_weights = 1;
	put_fake(f, "io.bfq.weight", "");
	assert_int_equal(place_apply(&f->p, &r, &err), 0);
	check_fake(f, "io.bfq.weight", "8:0 500");
}

static void test_v2_update(void **state)
{
	struct config_pair unified = {(char *)"memory.high", (char *)"a\n\nb"};
	struct config_resources r = no_resources();
	struct fake *f = *state;
	struct cis_error err = {0};

	/* The period alone keeps the quota, and the other way round. */
	put_fake(f, "cpu.max", "7000 100000\n");
	r.cpu_period = 60000;
	assert_int_equal(place_apply(&f->p, &r, &err), 0);
	check_fake(f, "cpu.max", "7000 60000");
	put_fake(f, "cpu.max", "");
	r.cpu_period = 0;
	r.cpu_quota = -1;
	assert_int_equal(place_apply(&f->p, &r, &err), 0);
	check_fake(f, "cpu.max", "max");
	/* Swap alone, after a limit of before. */
	r = no_resources();
	r.memory_swap = 9000;
	put_fake(f, "memory.swap.max", "");
	assert_int_equal(place_apply(&f->p, &r, &err), -EINVAL);
	put_fake(f, "memory.max", "6000\n");
	assert_int_equal(place_apply(&f->p, &r, &err), 0);
	check_fake(f, "memory.swap.max", "3000");
	r.memory_check_before_update = true;
	r.memory_limit = 5000;
	assert_int_equal(place_apply(&f->p, &r, &err), -EBUSY);
	assert_non_null(strstr(err.message, "5000"));
	/* No limit needs no controller; a limit does. */
	r = no_resources();
	f->p.g[0].controllers &= ~((1u << PLACE_PIDS) | (1u << PLACE_BLKIO));
	r.pids_limit = -1;
	assert_int_equal(place_apply(&f->p, &r, &err), 0);
	r.pids_limit = 1;
	assert_int_equal(place_apply(&f->p, &r, &err), -EOPNOTSUPP);
	assert_non_null(strstr(err.message, "pids"));
	r = no_resources();
	r.blkio_weight = 10;
	assert_int_equal(place_apply(&f->p, &r, &err), -EOPNOTSUPP);
	assert_non_null(strstr(err.message, "no io controller"));
	r = no_resources();
	r.cpu_rt_runtime = 1;
	assert_int_equal(place_apply(&f->p, &r, &err), -EOPNOTSUPP);
	/* unified: line by line */
	r = no_resources();
	r.unified = &unified;
	r.n_unified = 1;
	assert_int_equal(place_apply(&f->p, &r, &err), 0);
	check_fake(f, "memory.high", "b");
	f->p.unified = -1;
	assert_int_equal(place_apply(&f->p, &r, &err), -EOPNOTSUPP);
	f->p.unified = 0;
}

static void test_v2_stats(void **state)
{
	static const char *const parts[] = {
		"\"limit\":18446744073709551615",
		"\"cache\":12",
		"\"raw\":{\"anon\":4,\"file\":12}",
		"\"avg10\":0.50",
		"\"total\":9000",
		"\"kernel\":4000",
		"\"user\":5000",
		"{\"major\":254,\"minor\":1,\"op\":\"Read\",\"value\":7}",
		"\"2MB\":{\"usage\":2097152,\"max\":0,\"failcnt\":6}",
		"\"cpus\":[0,1,3]",
	};
	cleanup(json_freep) struct json *data = NULL;
	cleanup_free char *text = NULL;
	struct fake *f = *state;
	struct pollfd wait = {.events = POLLIN};
	uint64_t kills = 0, seen = 3;

	assert_int_equal(place_stats(&f->p, &data, NULL), 0);
	assert_int_equal(json_write(data, 0, &text), 0);
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		if (!strstr(text, parts[i]))
			fail_msg("no %s in %s", parts[i], text);
	assert_null(strstr(text, "rsvd"));
	wait.fd = place_oom_fd(&f->p, NULL);
	assert_true(wait.fd >= 0);
	assert_int_equal(poll(&wait, 1, 0), 0);
	put_fake(f, "memory.events", "oom_kill 4\n");
	assert_int_equal(poll(&wait, 1, 1000), 1);
	assert_int_equal(place_oom_next(&f->p, wait.fd, &seen), 1);
	assert_int_equal(poll(&wait, 1, 0), 0);
	/* Another event of memory, and two at once. */
	put_fake(f, "memory.events", "oom_kill 4\n");
	assert_int_equal(place_oom_next(&f->p, wait.fd, &seen), 0);
	put_fake(f, "memory.events", "oom_kill 6\n");
	assert_int_equal(place_oom_next(&f->p, wait.fd, &seen), 2);
	close(wait.fd);
	assert_int_equal(place_oom_kills(&f->p, &kills), 0);
	assert_int_equal(kills, 6);
}

/* exec --cgroup: only what is below, whatever links say. */
static void test_enter_sub(void **state)
{
	static const char *const refused[] = {"..",     "a/../..",   "nothere", "link",
					      "dance:a", "a/up/a", "pids:nothere"};
	struct fake *f = *state;
	int dir = f->p.g[0].dir;
	struct stat wanted, got;

	assert_int_equal(mkdirat(dir, "a", 0755), 0);
	assert_int_equal(mkdirat(dir, "a/b", 0755), 0);
	assert_int_equal(symlinkat("/", dir, "link"), 0);
	assert_int_equal(symlinkat("..", dir, "a/up"), 0);
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		struct cis_error err = {0};

		if (place_enter_sub(&f->p, refused[i], &err) >= 0 || f->p.g[0].is_sub)
			fail_msg("%s was entered", refused[i]);
	}
	assert_int_equal(fstatat(dir, "a/b", &wanted, 0), 0);
	unlinkat(dir, "a/up", 0);
	assert_int_equal(place_enter_sub(&f->p, "memory,pids:/a/b", NULL), 0);
	assert_int_equal(place_enter_sub(&f->p, "cpu:/", NULL), -EINVAL);
	assert_int_equal(fstat(f->p.g[0].dir, &got), 0);
	assert_true(got.st_ino == wanted.st_ino && f->p.g[0].is_sub);
	dir = open(f->root, O_RDONLY | O_DIRECTORY);
	unlinkat(dir, "a/b", AT_REMOVEDIR);
	unlinkat(dir, "a", AT_REMOVEDIR);
	close(dir);
}

/* ---- on this host -------------------------------------------------------- */

static char test_name[64];

struct live {
	struct place p;
	pid_t child;
};

static struct cis_error last;

#define OK(call)                                                             \
	do {                                                                 \
		int _r = (call);                                             \
		if (_r < 0)                                                  \
			fail_msg("%s: %d: %s", #call, _r, last.message);     \
	} while (0)

static int live_setup(void **state)
{
	struct live *l = calloc(1, sizeof *l);

	place_init(&l->p);
	l->child = -1;
	*state = l;
	return 0;
}

static int live_teardown(void **state)
{
	struct live *l = *state;

	if (l->child > 0) {
		kill(l->child, SIGKILL);
		place_freeze(&l->p, false, NULL);
		waitpid(l->child, NULL, 0);
	}
	place_remove(&l->p, NULL);
	place_done(&l->p);
	free(l);
	return 0;
}

static void need_host(void)
{
	if (geteuid() != 0 || access("/sys/fs/cgroup", W_OK) < 0)
		skip();
}

/* In all groups, cgroup2 too. */
static pid_t spawn_sleep(const struct place *p)
{
	int pipes[2];
	char c = 0;
	pid_t pid;

	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		c = (char)place_join_child(p);
		if (place_unified_fd(p) >= 0 && c == 0)
			c = (char)io_write_file_at(place_unified_fd(p), "cgroup.procs",
						   "0");
		if (write(pipes[1], &c, 1) != 1 || c != 0)
			_exit(1);
		execlp("sleep", "sleep", "600", NULL);
		_exit(127);
	}
	assert_int_equal(read(pipes[0], &c, 1), 1);
	close(pipes[0]);
	close(pipes[1]);
	assert_int_equal(c, 0);
	return pid;
}

static uint64_t value(const struct place *p, enum place_controller c, const char *file)
{
	const struct place_group *g = place_of(p, c);
	uint64_t v = 0;

	assert_non_null(g);
	if (io_read_u64_at(g->dir, file, &v) < 0)
		fail_msg("no %s", file);
	return v;
}

static bool is_v1(const struct place *p, enum place_controller c)
{
	const struct place_group *g = place_of(p, c);

	return g && !g->v2;
}

/* Of our own and of the parent's name: others make groups at the same time. */
static size_t count_groups(void)
{
	char pattern[256];
	size_t n;
	glob_t g = {0};

	snprintf(pattern, sizeof pattern, "/sys/fs/cgroup/*/%s*", test_name);
	glob(pattern, 0, NULL, &g);
	snprintf(pattern, sizeof pattern, "/sys/fs/cgroup/*/" PLACE_PARENT "/%s*",
		 test_name);
	glob(pattern, GLOB_APPEND, NULL, &g);
	n = g.gl_pathc;
	globfree(&g);
	return n;
}

static void check_reload(struct place *p)
{
	cleanup(json_freep) struct json *obj = json_object_new(), *back = NULL;
	cleanup_free char *text = NULL;
	struct place copy;

	place_init(&copy);
	place_save(p, obj);
	assert_int_equal(json_write(obj, 0, &text), 0);
	OK(json_parse(text, strlen(text), 0, "saved", &back, &last));
	OK(place_load(&copy, back, &last));
	assert_int_equal(copy.n, p->n);
	assert_string_equal(copy.path, p->path);
	assert_int_equal(copy.unified, p->unified);
	for (size_t i = 0; i < p->n; i++) {
		assert_string_equal(copy.g[i].mount, p->g[i].mount);
		assert_int_equal(copy.g[i].controllers, p->g[i].controllers);
		assert_true(copy.g[i].dir >= 0);
		assert_true(copy.g[i].v2 || copy.g[i].tasks >= 0);
	}
	place_done(p);
	*p = copy;
}

static void test_live_round(void **state)
{
	struct live *l = *state;
	struct place other;
	int *pids, status;
	char path[96];
	size_t n;

	need_host();
	snprintf(path, sizeof path, "/%s/a/b", test_name);
	OK(make_place(&l->p, path, "id", false, NULL, &last));
	for (size_t i = 0; i < l->p.n; i++)
		assert_true(l->p.g[i].dir >= 0);
	check_reload(&l->p);
	l->child = spawn_sleep(&l->p);
	OK(place_pids(&l->p, &pids, &n, &last));
	assert_int_equal(n, 1);
	assert_int_equal(pids[0], l->child);
	free(pids);

	/* Taken; and refusing it must not harm it. */
	place_init(&other);
	assert_int_equal(make_place(&other, path, "id", false, NULL, &last), -EBUSY);
	place_remove(&other, NULL);
	assert_int_equal(waitpid(l->child, &status, WNOHANG), 0);

	assert_int_equal(place_is_frozen(&l->p), 0);
	OK(place_freeze(&l->p, true, &last));
	assert_int_equal(place_is_frozen(&l->p), 1);
	OK(place_kill(&l->p, SIGTERM, &last));
	usleep(20000);
	assert_int_equal(waitpid(l->child, &status, WNOHANG), 0);
	assert_int_equal(place_is_frozen(&l->p), 1);
	OK(place_freeze(&l->p, false, &last));
	assert_int_equal(waitpid(l->child, &status, 0), l->child);
	assert_int_equal(WTERMSIG(status), SIGTERM);

	/* The same with cgroup2's freezer, and killing without cgroup.kill. */
	for (size_t i = 0; i < l->p.n; i++)
		if (!l->p.g[i].v2)
			l->p.g[i].controllers &= ~(1u << PLACE_FREEZER);
	if (place_of(&l->p, PLACE_FREEZER)) {
		int unified = l->p.unified;

		l->child = spawn_sleep(&l->p);
		OK(place_freeze(&l->p, true, &last));
		assert_int_equal(place_is_frozen(&l->p), 1);
		OK(place_freeze(&l->p, false, &last));
		l->p.unified = -1;
		OK(place_kill(&l->p, SIGKILL, &last));
		l->p.unified = unified;
		assert_int_equal(waitpid(l->child, &status, 0), l->child);
		assert_int_equal(WTERMSIG(status), SIGKILL);
	}
	place_done(&l->p);
	OK(make_place(&l->p, path, "id", false, NULL, &last));

	/* SIGKILL thaws. */
	l->child = spawn_sleep(&l->p);
	OK(place_freeze(&l->p, true, &last));
	OK(place_kill(&l->p, SIGKILL, &last));
	assert_int_equal(waitpid(l->child, &status, 0), l->child);
	l->child = -1;
	assert_int_equal(WTERMSIG(status), SIGKILL);
	OK(place_remove(&l->p, &last));
	for (size_t i = 0; i < l->p.n; i++) {
		char above[512];

		/* Parents that are not cisandbox-oci are the engine's; here: ours. */
		snprintf(above, sizeof above, "%s/%s/a", l->p.g[i].mount, test_name);
		assert_int_equal(rmdir(above), 0);
		*strrchr(above, '/') = '\0';
		assert_int_equal(rmdir(above), 0);
	}
	assert_int_equal(count_groups(), 0);
}

static void test_live_frozen(void **state)
{
	struct live *l = *state;
	struct place again;

	need_host();
	OK(make_place(&l->p, NULL, test_name, false, NULL, &last));
	OK(place_freeze(&l->p, true, &last));
	place_init(&again);
	assert_int_equal(make_place(&again, NULL, test_name, false, NULL, &last), -EBUSY);
	assert_non_null(strstr(last.message, "frozen"));
	OK(place_freeze(&l->p, false, &last));
	/* Empty and thawed: taken over. */
	OK(make_place(&again, NULL, test_name, false, NULL, &last));
	place_done(&again);
	OK(place_remove(&l->p, &last));
	assert_int_equal(count_groups(), 0);
}

static void test_live_subtree(void **state)
{
	struct live *l = *state;
	int dir, status;
	int *pids;
	size_t n;

	need_host();
	OK(make_place(&l->p, NULL, test_name, false, NULL, &last));
	if (place_unified_fd(&l->p) < 0)
		skip();
	OK(place_delegate(&l->p, 1000, 1001, &last));
	l->child = spawn_sleep(&l->p);
	/* As a job could: deeper than there are descriptors. */
	dir = dup(place_unified_fd(&l->p));
	for (int i = 0; i < 1500; i++) {
		int sub;

		if (mkdirat(dir, "d", 0755) < 0)
			fail_msg("level %d: %s", i, strerror(errno));
		sub = openat(dir, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(sub >= 0);
		close(dir);
		dir = sub;
	}
	{
		char text[24];

		snprintf(text, sizeof text, "%d", l->child);
		assert_int_equal(io_write_file_at(dir, "cgroup.procs", text), 0);
	}
	close(dir);
	OK(place_pids(&l->p, &pids, &n, &last));
	assert_int_equal(n, 1);
	free(pids);
	/* Nobody kills first: removal does. Our zombie must not be in its way. */
	OK(place_remove(&l->p, &last));
	assert_int_equal(waitpid(l->child, &status, 0), l->child);
	l->child = -1;
	assert_int_equal(WTERMSIG(status), SIGKILL);
	assert_int_equal(count_groups(), 0);
}

static void test_live_v1_limits(void **state)
{
	struct config_resources r = no_resources();
	struct live *l = *state;
	const uint64_t mib = 1 << 20;

	need_host();
	OK(make_place(&l->p, NULL, test_name, false, NULL, &last));
	if (!is_v1(&l->p, PLACE_MEMORY) || !is_v1(&l->p, PLACE_CPU) ||
	    !is_v1(&l->p, PLACE_PIDS) || !is_v1(&l->p, PLACE_CPUSET))
		skip();
	r.memory_limit = 64 << 20;
	r.memory_swap = 128 << 20;
	r.memory_reservation = 32 << 20;
	r.memory_swappiness = 10;
	r.cpu_shares = 512;
	r.cpu_period = 50000;
	r.cpu_quota = 25000;
	r.has_cpu_burst = true;
	r.cpu_burst = 10000;
	r.pids_limit = 77;
	r.cpus = (char *)"0";
	r.mems = (char *)"0";
	OK(place_apply(&l->p, &r, &last));
	assert_int_equal(value(&l->p, PLACE_MEMORY, "memory.limit_in_bytes"), 64 * mib);
	assert_int_equal(value(&l->p, PLACE_MEMORY, "memory.memsw.limit_in_bytes"),
			 128 * mib);
	assert_int_equal(value(&l->p, PLACE_MEMORY, "memory.swappiness"), 10);
	assert_int_equal(value(&l->p, PLACE_CPU, "cpu.shares"), 512);
	assert_int_equal(value(&l->p, PLACE_CPU, "cpu.cfs_burst_us"), 10000);
	assert_int_equal(value(&l->p, PLACE_PIDS, "pids.max"), 77);

	/* Raised above both of before, then lowered below both; only what is given. */
	r = no_resources();
	r.memory_limit = 256 << 20;
	r.memory_swap = 512 << 20;
	r.cpu_quota = 20000;
	OK(place_apply(&l->p, &r, &last));
	assert_int_equal(value(&l->p, PLACE_MEMORY, "memory.limit_in_bytes"), 256 * mib);
	assert_int_equal(value(&l->p, PLACE_CPU, "cpu.cfs_period_us"), 50000);
	assert_int_equal(value(&l->p, PLACE_CPU, "cpu.cfs_quota_us"), 20000);
	assert_int_equal(value(&l->p, PLACE_CPU, "cpu.cfs_burst_us"), 10000);
	assert_int_equal(value(&l->p, PLACE_PIDS, "pids.max"), 77);
	r.memory_limit = 16 << 20;
	r.memory_swap = 32 << 20;
	r.cpu_quota = CONFIG_NONE;
	r.cpu_period = 100000;
	r.pids_limit = 0;
	OK(place_apply(&l->p, &r, &last));
	assert_int_equal(value(&l->p, PLACE_MEMORY, "memory.limit_in_bytes"), 16 * mib);
	assert_int_equal(value(&l->p, PLACE_MEMORY, "memory.memsw.limit_in_bytes"),
			 32 * mib);
	assert_int_equal(value(&l->p, PLACE_CPU, "cpu.cfs_quota_us"), 20000);
	assert_int_equal(value(&l->p, PLACE_PIDS, "pids.max"), UINT64_MAX);
	r = no_resources();
	r.memory_limit = -1;
	OK(place_apply(&l->p, &r, &last));
	assert_true(value(&l->p, PLACE_MEMORY, "memory.memsw.limit_in_bytes") >
		    1ULL << 60);
	r = no_resources();
	r.memory_limit = 1;
	r.memory_check_before_update = true;
	l->child = spawn_sleep(&l->p);
	assert_int_equal(place_apply(&l->p, &r, &last), -EBUSY);
	OK(place_kill(&l->p, SIGKILL, &last));
}

static void test_live_refused(void **state)
{
	struct config_hugepage page = {(char *)"3MB", 0};
	struct config_rdma rdma = {.device = (char *)"mlx5_1", .has_handles = true};
	struct config_pair unified = {(char *)"nosuch.file", (char *)"1"};
	struct config_resources r = no_resources();
	struct live *l = *state;

	need_host();
	OK(make_place(&l->p, NULL, test_name, false, NULL, &last));
	r.hugepages = &page;
	r.n_hugepages = 1;
	if (place_of(&l->p, PLACE_HUGETLB)) {
		assert_int_equal(place_apply(&l->p, &r, &last), -EINVAL);
		assert_non_null(strstr(last.message, "3MB"));
		page.page_size = (char *)"2MB";
		page.limit = 4 << 20;
		OK(place_apply(&l->p, &r, &last));
	}
	r.n_hugepages = 0;
	r.unified = &unified;
	r.n_unified = 1;
	assert_int_equal(place_apply(&l->p, &r, &last), -EOPNOTSUPP);
	assert_non_null(strstr(last.message, "nosuch"));
	unified.key = (char *)"../cgroup.procs";
	if (place_unified_fd(&l->p) >= 0) {
		assert_int_equal(place_apply(&l->p, &r, &last), -EINVAL);
		unified.key = (char *)"cgroup.max.depth";
		unified.value = (char *)"5\n6";
		OK(place_apply(&l->p, &r, &last));
		assert_true(io_read_u64_at(place_unified_fd(&l->p), "cgroup.max.depth",
					   &(uint64_t){0}) == 0);
		unified.key = (char *)"cgroup.nosuch";
		assert_int_equal(place_apply(&l->p, &r, &last), -ENOENT);
	}
	r.n_unified = 0;
	r.rdma = &rdma;
	r.n_rdma = 1;
	if (!place_of(&l->p, PLACE_RDMA)) {
		assert_int_equal(place_apply(&l->p, &r, &last), -EOPNOTSUPP);
		assert_non_null(strstr(last.message, "rdma"));
		place_remove(&l->p, NULL);
		assert_int_equal(make_place(&l->p, NULL, test_name, false, &r, &last),
				 -EOPNOTSUPP);
		assert_int_equal(count_groups(), 0);
	}
}

static void test_live_blkio(void **state)
{
	struct config_blkio_device d = {.value = 1 << 20};
	struct config_resources r = no_resources();
	struct live *l = *state;
	cleanup_free char *text = NULL;
	struct stat st;
	char want[64];

	need_host();
	OK(make_place(&l->p, NULL, test_name, false, NULL, &last));
	if (!is_v1(&l->p, PLACE_BLKIO) || stat("/dev/vda", &st) < 0)
		skip();
	d.major = major(st.st_rdev);
	d.minor = minor(st.st_rdev);
	r.blkio_weight = 300;
	r.blkio_throttles[BLKIO_WRITE_BPS] = &d;
	r.n_blkio_throttles[BLKIO_WRITE_BPS] = 1;
	OK(place_apply(&l->p, &r, &last));
	OK(io_read_file_at(place_of(&l->p, PLACE_BLKIO)->dir,
			   "blkio.throttle.write_bps_device", 4096, &text, NULL));
	snprintf(want, sizeof want, "%d:%d 1048576\n", (int)d.major, (int)d.minor);
	assert_string_equal(text, want);
}

/* Two bits a device: may be read, may be made. Asked by a process in the group. */
static int try_device(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);

	if (fd >= 0)
		close(fd);
	return fd >= 0 ? 0 : errno;
}

/* null writable, /dev/mem readable (1:1), in bits. */
static int ask(int procs_dir)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		int r = io_write_file_at(procs_dir, "cgroup.procs", "0");

		if (r < 0)
			_exit(64);
		_exit((try_device("/dev/null", O_RDWR) == EPERM ? 1 : 0) |
		      (try_device("/dev/kmsg", O_RDONLY) == EPERM ? 2 : 0));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void test_live_devices(void **state)
{
	struct config_device_rule rules[] = {
		RULE(false, 'a', -1, -1, DEVICE_ALL),
		RULE(true, 'c', 1, 11, DEVICE_ALL), /* kmsg */
	};
	struct config_resources r = no_resources();
	struct live *l = *state;
	struct device_policy d;
	int dir, r2;

	need_host();
	OK(make_place(&l->p, NULL, test_name, false, NULL, &last));
	if (try_device("/dev/kmsg", O_RDONLY) != 0)
		skip();
	dir = place_of(&l->p, PLACE_DEVICES)->dir;
	assert_int_equal(ask(dir), 0);
	/* Fresh: denied although nothing is said about devices. */
	OK(place_apply(&l->p, &r, &last));
	assert_int_equal(ask(dir), 2);
	r.devices = rules;
	r.n_devices = 2;
	OK(place_apply(&l->p, &r, &last));
	assert_int_equal(ask(dir), 0);
	/* With a group below, whose existence forbids starting afresh. */
	assert_int_equal(mkdirat(dir, "below", 0755), 0);
	l->p.fresh = false;
	r.n_devices = 1;
	OK(place_apply(&l->p, &r, &last));
	assert_int_equal(ask(dir), 2);
	r.n_devices = 0;
	OK(place_apply(&l->p, &r, &last));
	assert_int_equal(ask(dir), 2);
	assert_int_equal(unlinkat(dir, "below", AT_REMOVEDIR), 0);

	/* The program, whichever of both the host prefers. */
	dir = place_unified_fd(&l->p);
	if (dir < 0)
		return;
	assert_int_equal(policy_of(&d, rules, 1), 0);
	r2 = device_program_attach(dir, &d, &last);
	device_policy_done(&d);
	if (r2 == -EPERM || r2 == -EINVAL)
		skip(); /* a kernel without CONFIG_CGROUP_BPF */
	OK(r2);
	assert_int_equal(ask(dir), 2);
	assert_int_equal(policy_of(&d, rules, 2), 0);
	OK(device_program_attach(dir, &d, &last));
	device_policy_done(&d);
	assert_int_equal(ask(dir), 0); /* the former would still deny */
}

static void test_live_oom(void **state)
{
	struct config_resources r = no_resources();
	struct live *l = *state;
	struct pollfd wait = {.events = POLLIN};
	uint64_t kills = 0, seen = 0;
	int fd, status;

	need_host();
	OK(make_place(&l->p, NULL, test_name, false, NULL, &last));
	if (!place_of(&l->p, PLACE_MEMORY))
		skip();
	r.memory_limit = 8 << 20;
	r.memory_swap = 8 << 20;
	OK(place_apply(&l->p, &r, &last));
	fd = place_oom_fd(&l->p, &last);
	OK(fd);
	wait.fd = fd;
	assert_int_equal(poll(&wait, 1, 0), 0);
	l->child = fork();
	if (l->child == 0) {
		size_t size = 64 << 20;
		char *m = mmap(NULL, size, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (place_join_child(&l->p) < 0)
			_exit(1);
		for (size_t i = 0; i < size; i += 4096)
			((volatile char *)m)[i] = 1;
		_exit(0);
	}
	assert_int_equal(waitpid(l->child, &status, 0), l->child);
	l->child = -1;
	assert_true(WIFSIGNALED(status));
	assert_int_equal(poll(&wait, 1, 1000), 1);
	assert_true(place_oom_next(&l->p, fd, &seen) >= 1);
	assert_int_equal(poll(&wait, 1, 0), 0);
	assert_int_equal(place_oom_next(&l->p, fd, &seen), 0);
	close(fd);
	assert_int_equal(place_oom_kills(&l->p, &kills), 0);
	assert_int_equal(kills, 1);
}

static void test_live_stats(void **state)
{
	static const char *const keys[] = {"cpu",  "cpuset", "memory",
					   "pids", "blkio",  "hugetlb"};
	cleanup(json_freep) struct json *data = NULL;
	cleanup_free char *text = NULL;
	struct config_resources r = no_resources();
	struct live *l = *state;

	need_host();
	OK(make_place(&l->p, NULL, test_name, false, NULL, &last));
	r.pids_limit = 9;
	OK(place_apply(&l->p, &r, &last));
	l->child = spawn_sleep(&l->p);
	OK(place_stats(&l->p, &data, &last));
	assert_int_equal(json_write(data, 0, &text), 0);
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		assert_non_null(json_get(data, keys[i]));
	assert_int_equal(json_get(json_get(data, "pids"), "current")->integer, 1);
	assert_int_equal(json_get(json_get(data, "pids"), "limit")->integer, 9);
	if (getenv("SHOW_STATS"))
		fprintf(stderr, "%s\n", text);
	OK(place_kill(&l->p, SIGKILL, &last));
}

static void test_live_systemd(void **state)
{
	struct live *l = *state;

	need_host();
	if (access("/run/systemd/system", F_OK) == 0)
		skip(); /* the bus part has its test in a machine with one */
	OK(make_place(&l->p, ":t:x", test_name, true, NULL, &last));
	assert_string_equal(l->p.unit, "t-x.scope");
	assert_true(place_unified_fd(&l->p) < 0);
	assert_true(place_start_scope(&l->p, getpid(), NULL, &last) < 0);
	assert_int_equal(count_groups(), 0);
	place_done(&l->p);
}

/* ---- all of it ----------------------------------------------------------- */

#define FAKE(test) cmocka_unit_test_setup_teardown(test, fake_setup, fake_teardown)
#define LIVE(test) cmocka_unit_test_setup_teardown(test, live_setup, live_teardown)

static int run(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_weight),
		cmocka_unit_test(test_swap),
		cmocka_unit_test(test_cpu_bits),
		cmocka_unit_test(test_path),
		cmocka_unit_test(test_systemd_path),
		cmocka_unit_test(test_devices_denied),
		cmocka_unit_test(test_devices_allowed),
		FAKE(test_v2_limits),
		FAKE(test_enter_sub),
		FAKE(test_v2_update),
		FAKE(test_v2_stats),
		LIVE(test_live_round),
		LIVE(test_live_frozen),
		LIVE(test_live_subtree),
		LIVE(test_live_v1_limits),
		LIVE(test_live_refused),
		LIVE(test_live_blkio),
		LIVE(test_live_devices),
		LIVE(test_live_oom),
		LIVE(test_live_stats),
		LIVE(test_live_systemd),
	};

	return cmocka_run_group_tests_name("place", tests, NULL, NULL);
}

static void remove_leftovers(const char *pattern)
{
	glob_t g = {0};

	glob(pattern, GLOB_NOSORT, NULL, &g);
	for (size_t i = 0; i < g.gl_pathc; i++) {
		char deeper[4096];

		snprintf(deeper, sizeof deeper, "%s/*/", g.gl_pathv[i]);
		remove_leftovers(deeper);
		rmdir(g.gl_pathv[i]);
	}
	globfree(&g);
}

/* What a run enables in cgroup2's root for the groups below, it takes back. */
static void forget_controllers(const char *before)
{
	cleanup_free char *after = NULL;
	cleanup_close int dir = open("/sys/fs/cgroup/unified", O_RDONLY | O_DIRECTORY);
	char *save = NULL;

	if (dir < 0 || !before ||
	    io_read_file_at(dir, "cgroup.subtree_control", 4096, &after, NULL) < 0)
		return;
	for (char *c = strtok_r(after, " \n", &save); c;
	     c = strtok_r(NULL, " \n", &save)) {
		char off[64];

		snprintf(off, sizeof off, "-%s", c);
		if (!strstr(before, c))
			io_write_file_at(dir, "cgroup.subtree_control", off);
	}
}

int main(void)
{
	cleanup_free char *before = NULL;
	char pattern[256];
	int status = 0;
	pid_t pid;

	io_read_file_at(AT_FDCWD, "/sys/fs/cgroup/unified/cgroup.subtree_control", 4096,
			&before, NULL);
	snprintf(test_name, sizeof test_name, "cisandbox-test-%d", getpid());
	pid = fork();
	if (pid == 0)
		return run();
	waitpid(pid, &status, 0);
	if (geteuid() == 0) {
		snprintf(pattern, sizeof pattern, "/sys/fs/cgroup/*/%s*", test_name);
		remove_leftovers(pattern);
		snprintf(pattern, sizeof pattern, "/sys/fs/cgroup/*/" PLACE_PARENT "/%s*",
			 test_name);
		remove_leftovers(pattern);
		remove_leftovers("/sys/fs/cgroup/*/" PLACE_PARENT);
		forget_controllers(before);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
