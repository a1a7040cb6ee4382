/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Virtual files: what the generators make of numbers made by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/macros.h"
#include "vfs.h"
#include "vfs/cpus.h"
#include "vfs/files.h"
#include "vfs/load.h"

static struct vfs_numbers unlimited(void)
{
	return (struct vfs_numbers){
		.memory_limit = VFS_NO_LIMIT,
		.swap_limit = VFS_NO_LIMIT,
		.meminfo = host_meminfo,
		.quota = VFS_NO_LIMIT,
		.period = 100000,
		.cpus = cpus(0, 4),
		.text = "",
		.io = "",
	};
}

static char made[65536];

static const char *make(void (*generate)(const struct vfs_numbers *, struct text *),
			const struct vfs_numbers *n)
{
	struct text out = {.buf = made, .size = sizeof made - 1};

	generate(n, &out);
	made[out.len] = '\0';
	return made;
}

static uint64_t key(const char *text, const char *name)
{
	return text_find_num(text, name, UINT64_MAX);
}

/* ---- generators ------------------------------------------------------------------- */

static void test_meminfo(void **state)
{
	struct vfs_numbers n = unlimited();
	const char *text;

	(void)state;
	assert_string_equal(make(gen_meminfo, &n), host_meminfo);
	n.memory_limit = 9000000ULL << 10; /* above what there is */
	assert_string_equal(make(gen_meminfo, &n), host_meminfo);

	n.memory_limit = 64 * MIB;
	n.memory_used = 24 * MIB;
	n.memory.file = 10 * MIB;
	n.memory.inactive_file = 8 * MIB;
	n.memory.slab_reclaimable = 1 * MIB;
	n.swap_limit = 16 * MIB;
	n.swap_used = 4 * MIB;
	text = make(gen_meminfo, &n);
	assert_int_equal(key(text, "MemTotal:"), 65536);
	assert_int_equal(key(text, "MemFree:"), 40 << 10);
	assert_int_equal(key(text, "MemAvailable:"), 49 << 10);
	assert_int_equal(key(text, "Cached:"), 10 << 10);
	assert_int_equal(key(text, "SwapTotal:"), 16 << 10);
	assert_int_equal(key(text, "SwapFree:"), 12 << 10);
	assert_int_equal(key(text, "Hugepagesize:"), 2048);
	assert_non_null(strstr(text, "MemTotal:          65536 kB\n"));
	assert_non_null(strstr(text, "Active(anon):          0 kB\n"));

	n.swap_limit = 0;
	assert_int_equal(key(make(gen_meminfo, &n), "SwapTotal:"), 0);
	n.memory_used = 70 * MIB; /* counted a moment later than the limit was lowered */
	assert_int_equal(key(make(gen_meminfo, &n), "MemFree:"), 0);
	n.memory_used = 0;
	n.meminfo = "MemTotal: 8000000 kB\nMemFree: 1000 kB\nMemAvailable: 2000 kB\n";
	text = make(gen_meminfo, &n);
	assert_int_equal(key(text, "MemFree:"), 1000);
	assert_int_equal(key(text, "MemAvailable:"), 2000);
}

static void test_swaps(void **state)
{
	struct vfs_numbers n = unlimited();

	(void)state;
	n.swap_limit = 0;
	assert_string_equal(make(gen_swaps, &n),
			    "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n");
	n.swap_limit = VFS_NO_LIMIT;
	assert_non_null(strstr(make(gen_swaps, &n), "\t\t1048576\t\t0\t\t"));
}

static void test_n_cpus(void **state)
{
	static const struct {
		uint64_t quota, period;
		unsigned int set, wanted;
	} cases[] = {
		{VFS_NO_LIMIT, 100000, 4, 4},
		{150000, 100000, 4, 2},  /* a started cpu counts */
		{200000, 100000, 4, 2},
		{200001, 100000, 4, 3},
		{1000, 100000, 4, 1},
		{800000, 100000, 4, 4},  /* more than there are */
		{50000, 25000, 4, 2},
		{VFS_NO_LIMIT, 100000, 0, 1},
		{100000, 0, 3, 3},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct vfs_numbers n = {.quota = cases[i].quota, .period = cases[i].period};

		n.cpus = cpus(0, cases[i].set);
		assert_int_equal(vfs_n_cpus(&n), cases[i].wanted);
	}
}

static void test_cpu_list(void **state)
{
	struct vfs_numbers n = unlimited();

	(void)state;
	assert_string_equal(make(gen_cpu_list, &n), "0-3\n");
	n.quota = 50000;
	assert_string_equal(make(gen_cpu_list, &n), "0\n");
	n.quota = VFS_NO_LIMIT;
	n.cpus = cpus(2, 2);
	CPU_SET(7, &n.cpus);
	assert_string_equal(make(gen_cpu_list, &n), "2-3,7\n");
	n.quota = 250000; /* the cpuset is smaller than that */
	assert_string_equal(make(gen_cpu_list, &n), "2-3,7\n");
}

static void test_cpuinfo(void **state)
{
	struct vfs_numbers n = unlimited();

	(void)state;
	n.text = "processor\t: 0\nmodel name\t: A\n\nprocessor\t: 1\nmodel name\t: B\n\n"
		 "processor\t: 2\nmodel name\t: C\n\nHardware\t: board\n";
	n.cpus = cpus(1, 1);
	assert_string_equal(make(gen_cpuinfo, &n), "processor\t: 1\nmodel name\t: B\n\n"
						   "Hardware\t: board\n");
	n.cpus = cpus(0, 3);
	n.quota = 150000;
	assert_string_equal(make(gen_cpuinfo, &n),
			    "processor\t: 0\nmodel name\t: A\n\nprocessor\t: 1\nmodel name\t: B\n\n"
			    "Hardware\t: board\n");
	n.text = "vendor_id : other\n# processors : 2\n";
	assert_string_equal(make(gen_cpuinfo, &n), n.text);
}

static void test_stat(void **state)
{
	struct vfs_numbers n = unlimited();

	(void)state;
	n.cpus = cpus(0, 2);
	n.user_usec = 4000000;
	n.system_usec = 2000000;
	n.uptime_usec = 10000000;
	n.boot_sec = 1234567;
	make(gen_stat, &n);
	assert_non_null(strstr(made, "cpu  400 0 200 1400 0 0 0 0 0 0\n"));
	assert_non_null(strstr(made, "cpu0 200 0 100 700 0 0 0 0 0 0\n"));
	assert_non_null(strstr(made, "cpu1 200 0 100 700 0 0 0 0 0 0\n"));
	assert_null(strstr(made, "cpu2"));
	assert_non_null(strstr(made, "\nbtime 1234567\n"));
	assert_non_null(strstr(made, "\nprocs_running 1\n"));
	assert_non_null(strstr(made, "\nctxt 6001\n"));
	assert_non_null(strstr(made, "\nprocesses 1\n"));
	n.last_pid = 289;
	assert_non_null(strstr(make(gen_stat, &n), "\nprocesses 289\n"));
	n.user_usec = 50000; /* an odd number of ticks */
	make(gen_stat, &n);
	assert_non_null(strstr(made, "cpu  5 0 200 "));
	assert_non_null(strstr(made, "cpu0 3 0 100 "));
	assert_non_null(strstr(made, "cpu1 2 0 100 "));
	n.user_usec = 4000000;
	assert_string_equal(make(gen_uptime, &n), "10.00 14.00\n");
	n.user_usec = 90000000; /* more than it can have been */
	assert_string_equal(make(gen_uptime, &n), "10.00 0.00\n");
}

static void test_cpus(void **state)
{
	static const struct {
		const char *list, *mask;
	} cases[] = {
		{"0\n", "1\n"},		    {"0-3\n", "f\n"},
		{"1,3-4\n", "1a\n"},		    {"0-31\n", "ffffffff\n"},
		{"32\n", "1,00000000\n"},	    {"0,63\n", "80000000,00000001\n"},
		{"5,64-65\n", "3,00000000,00000020\n"}, {"\n", "0\n"},
	};
	char buf[512];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct text out = {.buf = buf, .size = sizeof buf - 1};
		cpu_set_t set;

		cpus_parse_list(cases[i].list, &set);
		cpus_list(&set, &out);
		buf[out.len] = '\0';
		assert_string_equal(buf, cases[i].list);
		out.len = 0;
		cpus_mask(&set, &out);
		buf[out.len] = '\0';
		assert_string_equal(buf, cases[i].mask);
	}
}

static void test_cpus_bad(void **state)
{
	cpu_set_t set;

	(void)state;
	cpus_parse_list("0-99999999999\n", &set);
	assert_int_equal(CPU_COUNT(&set), CPU_SETSIZE);
	cpus_parse_list("5-3,7", &set);
	assert_int_equal(CPU_COUNT(&set), 1);
	cpus_parse_list("x", &set);
	assert_int_equal(CPU_COUNT(&set), 0);
	cpus_parse_list("99999999999999999999999", &set);
	assert_int_equal(CPU_COUNT(&set), 0);
	cpus_parse_list("", &set);
	assert_int_equal(CPU_COUNT(&set), 0);
	cpus_parse_list("1,", &set);
	assert_int_equal(CPU_COUNT(&set), 1);
}

/* A machine of two nodes and eight cpus, of which the sandbox has 2-3 and 6. */
static void test_node(void **state)
{
	struct vfs_numbers n = unlimited();
	const char *text;

	(void)state;
	n.cpus = cpus(2, 2);
	CPU_SET(6, &n.cpus);
	assert_string_equal(make(gen_cpu_mask, &n), "4c\n");
	text = make(gen_node_meminfo, &n);
	assert_int_equal(key(text, "Node 0 MemTotal:"), 8000000);
	n.memory_limit = 64 * MIB;
	n.memory_used = 24 * MIB;
	n.memory.file = 10 * MIB;
	n.memory.shmem = 1 * MIB;
	text = make(gen_node_meminfo, &n);
	assert_non_null(strstr(text, "Node 0 MemTotal:          65536 kB\n"));
	assert_int_equal(key(text, "Node 0 MemFree:"), 40 << 10);
	assert_int_equal(key(text, "Node 0 MemUsed:"), 24 << 10);
	assert_int_equal(key(text, "Node 0 FilePages:"), 10 << 10);
	assert_int_equal(key(text, "Node 0 Shmem:"), 1 << 10);
	assert_non_null(strstr(text, "Node 0 HugePages_Total:     0\n"));
}

static void test_diskstats(void **state)
{
	struct vfs_numbers n = unlimited();

	(void)state;
	n.text = "   7       0 loop0 39996 2723 587064 25262 753610 801402 147286368 1582892 0 "
		 "191000 1656781 0 0 0 0 176002 48627\n"
		 " 254       0 vda 1 2 3 4 5 6 7 8 9 10 11\n"
		 " 254       1 vda1 1 2 3 4 5 6 7 8 9 10 11\n";
	assert_string_equal(make(gen_diskstats, &n), "");
	n.io = "254:0 rbytes=1024 wbytes=4096 rios=2 wios=3 dbytes=512 dios=1\n"
	       "7:0 \n"
	       "9:9 rbytes=1 wbytes=1 rios=1 wios=1 dbytes=1 dios=1\n";
	assert_string_equal(make(gen_diskstats, &n),
			    "   7       0 loop0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n"
			    " 254       0 vda 2 0 2 0 3 0 8 0 0 0 0 1 0 1 0 0 0\n");
}

static void test_vmstat(void **state)
{
	struct vfs_numbers n = unlimited();
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	char wanted[256];

	(void)state;
	n.text = "nr_free_pages 5\nnr_anon_pages 6\nnr_kernel_stack 7\npgpgin 8\npgpgout 9\n"
		 "pgfault 10\nthp_split 11\nnr_anon_pages_not 1\n";
	n.memory_limit = 64 * MIB;
	n.memory_used = 24 * MIB;
	n.memory.anon = 4 * MIB;
	n.memory.kernel_stack = 16384;
	n.memory.pgfault = 77;
	n.io = "8:0 rbytes=2048 wbytes=4096 rios=1 wios=1 dbytes=0 dios=0\n"
	       "8:16 rbytes=1024 wbytes=0 rios=1 wios=1 dbytes=0 dios=0\n";
	snprintf(wanted, sizeof wanted,
		 "nr_free_pages %zu\nnr_anon_pages %zu\nnr_kernel_stack 16\npgpgin 3\n"
		 "pgpgout 4\npgfault 77\nthp_split 0\nnr_anon_pages_not 0\n",
		 (size_t)(40 * MIB / page), (size_t)(4 * MIB / page));
	assert_string_equal(make(gen_vmstat, &n), wanted);
}

static void test_short(void **state)
{
	struct vfs_numbers n = unlimited();

	(void)state;
	assert_string_equal(make(gen_empty_line, &n), "\n");
	assert_string_equal(make(gen_nothing, &n), "");
	n.cpus = cpus(1, 2);
	assert_string_equal(make(gen_cpu_head, &n), "           CPU1       CPU2      \n");
	assert_int_equal(strncmp(make(gen_slabinfo, &n), "slabinfo - version: 2.1\n# name ", 31), 0);
	n.product_uuid = "an-id";
	assert_string_equal(make(gen_product_uuid, &n), "an-id\n");
}

static void test_loadavg(void **state)
{
	struct vfs_numbers n = unlimited();
	struct vfs_load l = {{0}};

	(void)state;
	n.load[0] = 7;
	n.load[1] = 123;
	n.running = 3;
	n.tasks = 40;
	n.last_pid = 77;
	assert_string_equal(make(gen_loadavg, &n), "0.07 1.23 0.00 3/40 77\n");
	for (int i = 0; i < 12; i++)
		vfs_load_add(&l, 4);
	/* 4 * (1 - 1/e) after one minute of it */
	assert_in_range(vfs_load_hundredths(&l, 0), 245, 260);
	assert_in_range(vfs_load_hundredths(&l, 1), 65, 80);
	for (int i = 0; i < 1000; i++)
		vfs_load_add(&l, 4);
	assert_int_equal(vfs_load_hundredths(&l, 0), 400);
	for (int i = 0; i < 10000; i++)
		vfs_load_add(&l, 0);
	assert_int_equal(vfs_load_hundredths(&l, 2), 0);
}

/* Counted when something may be active, and only then; the averages are the same. */
static void test_load_idle(void **state)
{
	struct vfs_load l = {{0}}, all = {{0}};

	(void)state;
	assert_false(vfs_load_is_due(&l, 1000, 10)); /* the beginning */
	assert_false(vfs_load_is_due(&l, 5999, 10));
	assert_true(vfs_load_is_due(&l, 6000, 10)); /* cpu time was spent */
	vfs_load_add(&l, 4);
	vfs_load_add(&all, 4);
	assert_true(vfs_load_is_due(&l, 11000, 10)); /* none, but they may wait for a disk */
	vfs_load_add(&l, 2);
	vfs_load_add(&all, 2);
	assert_true(vfs_load_is_due(&l, 26500, 11)); /* two were missed */
	vfs_load_add(&l, 0);
	vfs_load_add(&all, 2);
	vfs_load_add(&all, 2);
	vfs_load_add(&all, 0);
	assert_memory_equal(l.average, all.average, sizeof l.average);
	assert_false(vfs_load_is_due(&l, 91000, 11)); /* thirteen, and nothing to count */
	for (int i = 0; i < 13; i++)
		vfs_load_add(&all, 0);
	assert_memory_equal(l.average, all.average, sizeof l.average);
	assert_true(vfs_load_is_due(&l, 96000, 0)); /* nobody knows */
	vfs_load_add(&l, 1);
	assert_true(vfs_load_is_due(&l, UINT64_MAX, 12)); /* ends */
}

/* Too small a buffer cuts off and never writes beyond. */
static void test_cut(void **state)
{
	struct vfs_numbers n = unlimited();

	(void)state;
	n.text = "processor\t: 0\n\n";
	for (size_t i = 0; i < vfs_n_files; i++) {
		for (size_t size = 0; size < 64; size++) {
			char *buf = malloc(size ? size : 1);
			struct text out = {.buf = buf, .size = size};

			n.boot_id = n.product_uuid = "0000";
			n.io = "0:0 rios=1\n";
			vfs_files[i].generate(&n, &out);
			assert_true(out.len <= size);
			free(buf);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_meminfo),
		cmocka_unit_test(test_swaps),
		cmocka_unit_test(test_n_cpus),
		cmocka_unit_test(test_cpu_list),
		cmocka_unit_test(test_cpuinfo),
		cmocka_unit_test(test_stat),
		cmocka_unit_test(test_cpus),
		cmocka_unit_test(test_cpus_bad),
		cmocka_unit_test(test_node),
		cmocka_unit_test(test_diskstats),
		cmocka_unit_test(test_vmstat),
		cmocka_unit_test(test_short),
		cmocka_unit_test(test_loadavg),
		cmocka_unit_test(test_load_idle),
		cmocka_unit_test(test_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
