/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Virtual files: generators with numbers made by hand, values, the protocol, the server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/macros.h"
#include "vfs/cpus.h"
#include "vfs/files.h"
#include "vfs/load.h"
#include "vfs/server.h"
#include "vfs/vfs.h"
#include "vfs/wire.h"

#define MIB (1ULL << 20)

static const char host_meminfo[] = "MemTotal:        8000000 kB\n"
				   "MemFree:         6000000 kB\n"
				   "MemAvailable:    7000000 kB\n"
				   "SwapTotal:       1048576 kB\n"
				   "SwapFree:        1048576 kB\n"
				   "HugePages_Total:       0\n"
				   "Hugepagesize:       2048 kB\n";

static cpu_set_t cpus(unsigned int first, unsigned int n)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	for (unsigned int i = first; i < first + n; i++)
		CPU_SET(i, &set);
	return set;
}

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
	assert_string_equal(make(gen_loadavg, &n), "0.07 1.23 0.00 3/40 40\n");
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

/* ---- numbers ------------------------------------------------------------------------ */

static void test_parse(void **state)
{
	struct vfs_memory_stat m;
	uint64_t a, b;

	(void)state;
	assert_true(vfs_parse_limit("max\n") == VFS_NO_LIMIT);
	assert_true(vfs_parse_limit("-1\n") == VFS_NO_LIMIT);
	assert_true(vfs_parse_limit("") == VFS_NO_LIMIT);
	assert_int_equal(vfs_parse_limit("67108864\n"), 67108864);
	vfs_parse_cpu_max("150000 100000\n", &a, &b);
	assert_int_equal(a, 150000);
	assert_int_equal(b, 100000);
	vfs_parse_cpu_max("max 100000\n", &a, &b);
	assert_true(a == VFS_NO_LIMIT && b == 100000);
	vfs_parse_cpu_usage("user 300\nsystem 12\n", false, &a, &b);
	assert_int_equal(a, 3000000);
	assert_int_equal(b, 120000);
	vfs_parse_cpu_usage("usage_usec 9\nuser_usec 5\nsystem_usec 4\n", true, &a, &b);
	assert_int_equal(a, 5);
	assert_int_equal(b, 4);
	vfs_parse_memory_stat("cache 1\ninactive_file 2\ntotal_cache 30\ntotal_inactive_file 40\n",
			      false, &m);
	assert_int_equal(m.file, 30);
	assert_int_equal(m.inactive_file, 40);
	assert_int_equal(m.anon, 0);
	vfs_parse_memory_stat("anon 7\nfile 30\nfile_mapped 5\ninactive_file 40\n", true, &m);
	assert_int_equal(m.anon, 7);
	assert_int_equal(m.mapped, 5);
}

/* A file with that text, as a descriptor. */
static int file_of(const char *text)
{
	int fd = memfd_create("text", MFD_CLOEXEC);

	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	return fd;
}

#define ALL (0xffff & ~VFS_NEED_HOST)

static void test_numbers_v1(void **state)
{
	static char scratch[65536];
	struct vfs_facts facts = {.started_usec = 0, .boot_sec = 5};
	struct vfs_kept kept = {0};
	struct vfs_sources s;
	struct vfs_numbers n;

	(void)state;
	vfs_sources_init(&s);
	s.fd[VFS_MEMORY_LIMIT] = file_of("67108864\n");
	s.fd[VFS_MEMORY_LIMIT_ABOVE] = file_of("33554432\n"); /* the nearer end counts */
	s.fd[VFS_MEMORY_USED] = file_of("1048576\n");
	s.fd[VFS_SWAP_LIMIT] = file_of("67108864\n");
	s.fd[VFS_SWAP_USED] = file_of("3145728\n");
	s.fd[VFS_MEMORY_STAT] = file_of("total_cache 4096\n");
	s.fd[VFS_CPU_QUOTA] = file_of("150000\n");
	s.fd[VFS_CPU_PERIOD] = file_of("100000\n");
	s.fd[VFS_CPU_QUOTA_ABOVE] = file_of("-1\n");
	s.fd[VFS_CPU_USAGE] = file_of("user 200\nsystem 100\n");
	s.fd[VFS_MEMINFO] = file_of(host_meminfo);
	vfs_numbers_read(&n, &kept, &s, &facts, ALL, 0, scratch, sizeof scratch);
	assert_int_equal(n.memory_limit, 32 * MIB);
	assert_int_equal(n.memory_used, 1 * MIB);
	assert_int_equal(n.swap_limit, 32 * MIB); /* both together, less memory */
	assert_int_equal(n.swap_used, 2 * MIB);
	assert_int_equal(n.memory.file, 4096);
	assert_int_equal(n.quota, 150000);
	assert_int_equal(n.period, 100000);
	assert_int_equal(n.user_usec, 2000000);
	assert_string_equal(n.meminfo, host_meminfo);
	vfs_sources_done(&s);
}

static void test_numbers_v2(void **state)
{
	static char scratch[65536];
	struct vfs_facts facts = {0};
	struct vfs_kept kept = {0};
	struct vfs_sources s;
	struct vfs_numbers n;

	(void)state;
	vfs_sources_init(&s);
	s.memory_v2 = s.cpu_v2 = true;
	s.fd[VFS_MEMORY_LIMIT] = file_of("max\n");
	s.fd[VFS_MEMORY_USED] = file_of("1048576\n");
	s.fd[VFS_SWAP_LIMIT] = file_of("0\n");
	s.fd[VFS_SWAP_USED] = file_of("0\n");
	s.fd[VFS_CPU_QUOTA] = file_of("max 100000\n");
	s.fd[VFS_CPU_QUOTA_ABOVE] = file_of("50000 25000\n");
	s.fd[VFS_CPU_USAGE] = file_of("usage_usec 30\nuser_usec 20\nsystem_usec 10\n");
	s.fd[VFS_PRESSURE_CPU] = file_of("some avg10=0.00\n");
	vfs_numbers_read(&n, &kept, &s, &facts,
			 VFS_NEED_MEMORY | VFS_NEED_CPU | VFS_NEED_USAGE | VFS_NEED_PRESSURE_CPU,
			 0, scratch, sizeof scratch);
	assert_true(n.memory_limit == VFS_NO_LIMIT);
	assert_int_equal(n.swap_limit, 0);
	assert_int_equal(n.quota, 50000);
	assert_int_equal(n.period, 25000);
	assert_int_equal(n.user_usec, 20);
	assert_string_equal(n.text, "some avg10=0.00\n");
	vfs_sources_done(&s);
	/* Limits are kept for a moment, and what is used is not. */
	vfs_numbers_read(&n, &kept, &s, &facts, ALL, 0, scratch, sizeof scratch);
	assert_int_equal(n.quota, 50000);
	assert_int_equal(n.memory_used, 0);
	/* Without any: no limit, nothing used. */
	kept = (struct vfs_kept){0};
	vfs_numbers_read(&n, &kept, &s, &facts, ALL, 0, scratch, sizeof scratch);
	assert_true(n.memory_limit == VFS_NO_LIMIT && n.quota == VFS_NO_LIMIT);
	assert_int_equal(n.memory_used, 0);
	assert_string_equal(n.meminfo, "");
	assert_string_equal(n.text, "");
}

/* Memory in v1, cpu and io in v2, as some hybrid hosts have it. */
static void test_numbers_hybrid(void **state)
{
	static char scratch[65536];
	struct vfs_facts facts = {.product_uuid = "an-id"};
	struct vfs_kept kept = {0};
	struct vfs_sources s;
	struct vfs_numbers n;

	(void)state;
	vfs_sources_init(&s);
	s.cpu_v2 = true;
	s.fd[VFS_MEMORY_LIMIT] = file_of("9223372036854771712\n"); /* v1's word for none */
	s.fd[VFS_MEMORY_LIMIT_ABOVE] = file_of("67108864\n");
	s.fd[VFS_MEMORY_STAT] = file_of("pgfault 1\ntotal_pgfault 30\ntotal_pgmajfault 4\n");
	s.fd[VFS_SWAP_LIMIT] = file_of("9223372036854771712\n");
	s.fd[VFS_CPU_QUOTA] = file_of("300000 100000\n");
	s.fd[VFS_CPU_QUOTA_ABOVE] = file_of("120000 50000\n"); /* 2.4 is less than 3 */
	s.fd[VFS_IO_STAT] = file_of("8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6\n");
	s.host[3] = file_of("the host's\n");
	vfs_numbers_read(&n, &kept, &s, &facts,
			 VFS_NEED_MEMORY | VFS_NEED_CPU | VFS_NEED_IO | VFS_NEED_HOST, 3, scratch,
			 sizeof scratch);
	assert_int_equal(n.memory_limit, 64 * MIB);
	assert_int_equal(n.memory.pgfault, 30);
	assert_int_equal(n.memory.pgmajfault, 4);
	assert_true(n.swap_limit > 1ULL << 60); /* none either */
	assert_int_equal(n.quota, 120000);
	assert_int_equal(n.period, 50000);
	n.cpus = cpus(0, 4);
	assert_int_equal(vfs_n_cpus(&n), 3);
	assert_int_equal(strncmp(n.io, "8:0 rbytes=1 ", 13), 0);
	assert_string_equal(n.text, "the host's\n");
	assert_string_equal(n.product_uuid, "an-id");
	/* Half a value must not be kept when a source is empty. */
	vfs_sources_done(&s);
	s.fd[VFS_CPU_QUOTA] = file_of("");
	kept = (struct vfs_kept){0};
	vfs_numbers_read(&n, &kept, &s, &facts, VFS_NEED_CPU | VFS_NEED_IO, 0, scratch,
			 sizeof scratch);
	assert_true(n.quota == VFS_NO_LIMIT);
	assert_string_equal(n.io, "");
	vfs_sources_done(&s);
}

static void test_pick_cpus(void **state)
{
	cpu_set_t all = cpus(0, 8), some, a, b;

	(void)state;
	vfs_pick_cpus(0, 3, &all, &some);
	assert_true(CPU_EQUAL(&some, &all));
	vfs_pick_cpus(8000, 3, &all, &some);
	assert_true(CPU_EQUAL(&some, &all));
	vfs_pick_cpus(1500, 0, &all, &a);
	vfs_pick_cpus(1500, 1, &all, &b);
	assert_int_equal(CPU_COUNT(&a), 2);
	assert_int_equal(CPU_COUNT(&b), 2);
	CPU_AND(&some, &a, &b);
	assert_int_equal(CPU_COUNT(&some), 0);
	for (unsigned int turn = 0; turn < 40; turn++) {
		vfs_pick_cpus(3000, turn, &all, &some);
		assert_int_equal(CPU_COUNT(&some), 3);
	}
	all = cpus(5, 1);
	vfs_pick_cpus(500, 9, &all, &some);
	assert_true(CPU_ISSET(5, &some));
}

/* ---- values ----------------------------------------------------------------------------- */

static void test_values(void **state)
{
	static const struct {
		const char *path, *written;
		int r; /* bytes taken */
		const char *shown;
	} cases[] = {
#define OVERCOMMIT "proc/sys/vm/overcommit_memory"
#define PANIC "proc/sys/kernel/panic"
#define PRINTK "proc/sys/kernel/printk"
#define HASHSIZE "sys/module/nf_conntrack/parameters/hashsize"
#define PATTERN "proc/sys/kernel/core_pattern"
		{OVERCOMMIT, "1\n", 2, "1\n"},
		{OVERCOMMIT, "1", 1, "1\n"},
		{OVERCOMMIT, "  2  \n", 6, "2\n"},
		{OVERCOMMIT, "\n\t2", 3, "2\n"},
		{OVERCOMMIT, "0x2\n", 4, "2\n"},
		{OVERCOMMIT, "0X1", 3, "1\n"},
		{OVERCOMMIT, "02", 2, "2\n"},
		{OVERCOMMIT, "-0", 2, "0\n"},
		{OVERCOMMIT, "3\n", -EINVAL, NULL},
		{OVERCOMMIT, "0x3", -EINVAL, NULL},
		{OVERCOMMIT, "-1\n", -EINVAL, NULL},
		{OVERCOMMIT, "+1\n", -EINVAL, NULL},
		{OVERCOMMIT, "- 1\n", -EINVAL, NULL},
		{OVERCOMMIT, "-", -EINVAL, NULL},
		{OVERCOMMIT, "x\n", -EINVAL, NULL},
		{OVERCOMMIT, "0x", -EINVAL, NULL},
		{OVERCOMMIT, "1x\n", -EINVAL, NULL},
		{OVERCOMMIT, "1,2\n", -EINVAL, NULL},
		{OVERCOMMIT, "1.0\n", -EINVAL, NULL},
		{OVERCOMMIT, "08\n", -EINVAL, NULL},
		{OVERCOMMIT, "\n", -EINVAL, NULL},
		{OVERCOMMIT, "", -EINVAL, NULL},
		{OVERCOMMIT, "99999999999999999999999", -EINVAL, NULL},
		{OVERCOMMIT, "000000000000000000001", -EINVAL, NULL}, /* 21 of them */
		{OVERCOMMIT, "00000000000000000001", 20, "1\n"},
		/* One number is taken, and no more said to be. */
		{OVERCOMMIT, "1 2 3", 2, "1\n"},
		{OVERCOMMIT, "1\n2\n", 2, "1\n"},
		{PANIC, "-1\n", 3, "-1\n"},
		{PANIC, "0xff", 4, "255\n"},
		{PANIC, "-0x10", 5, "-16\n"},
		{PANIC, "2147483647", 10, "2147483647\n"},
		{PANIC, "2147483648", -EINVAL, NULL},
		{PANIC, "-2147483648", 11, "-2147483648\n"},
		{PANIC, "-2147483649", -EINVAL, NULL},
		{"proc/sys/fs/file-max", "9223372036854775807\n", 20, "9223372036854775807\n"},
		{"proc/sys/fs/file-max", "9223372036854775808\n", -EINVAL, NULL},
		{"proc/sys/fs/file-max", "0x7fffffffffffffff", 18, "9223372036854775807\n"},
		{"proc/sys/fs/nr_open", "63", -EINVAL, NULL},
		{"proc/sys/kernel/pid_max", "300", -EINVAL, NULL},
		{"proc/sys/kernel/pid_max", "4194304", 7, "4194304\n"},
		{"proc/sys/kernel/pid_max", "4194305", -EINVAL, NULL},
		{PRINTK, "4 3 2 1\n", 8, "4\t3\t2\t1\n"},
		{PRINTK, "4\n", 2, "4\t6\t1\t7\n"},
		{PRINTK, "4 3 x", -EINVAL, NULL},
		{PRINTK, "4\t3\n2 \n", 7, "4\t3\t2\t7\n"},
		{PRINTK, "1 2 3 4 5", 8, "1\t2\t3\t4\n"},
		{HASHSIZE, "32768\n", 6, "32768\n"},
		{HASHSIZE, "0x100", 5, "256\n"},
		{HASHSIZE, "0", -EINVAL, NULL},
		{HASHSIZE, "-1", -EINVAL, NULL},
		{HASHSIZE, " 1", -EINVAL, NULL},
		{HASHSIZE, "1 ", -EINVAL, NULL},
		{HASHSIZE, "1\n\n", -EINVAL, NULL},
		{HASHSIZE, "", -EINVAL, NULL},
		{PATTERN, "|/bin/x %p\n", 11, "|/bin/x %p\n"},
		{PATTERN, "core", 4, "core\n"},
		{PATTERN, "\n", 1, "\n"},
		{PATTERN, "a\nb\n", 4, "a\n"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct vfs_file *f = NULL;
		char buf[VFS_VALUE_MAX + 4] = "";
		struct text out = {.buf = buf, .size = sizeof buf - 1};

		for (size_t k = 0; k < vfs_n_files; k++)
			if (strcmp(vfs_files[k].path, cases[i].path) == 0)
				f = &vfs_files[k];
		assert_non_null(f);
		assert_int_equal(f->write(f, "5\t6\t1\t7\n", cases[i].written,
					  strlen(cases[i].written), &out),
				 cases[i].r);
		if (cases[i].shown)
			assert_string_equal(buf, cases[i].shown);
	}
}

static void test_long_string(void **state)
{
	char text[1000], buf[VFS_VALUE_MAX + 4] = "";
	struct text out = {.buf = buf, .size = sizeof buf - 1};
	struct vfs_file f = {.max = 127};

	(void)state;
	memset(text, 'a', sizeof text);
	assert_int_equal(value_string(&f, "", text, sizeof text, &out), sizeof text);
	assert_int_equal(out.len, 128);
	out.len = 0;
	assert_int_equal(value_string(&f, "", "ab\0cd", 5, &out), 5);
	assert_int_equal(out.len, 3);
	assert_memory_equal(buf, "ab\n", 3);
}

/* ---- the protocol and the server ------------------------------------------------------------ */

static struct server *server;
static struct vfs_shared *shared;
static struct vfs_sources sources;

static int set_up(void **state)
{
	(void)state;
	server = calloc(1, sizeof *server);
	shared = calloc(1, sizeof *shared);
	vfs_sources_init(&sources);
	shared->facts.cpus = cpus(0, 2);
	memcpy(shared->facts.boot_id, "the-boot-id", 12);
	server_init(server, &sources, shared, 1000);
	return server && shared ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	vfs_sources_done(&sources);
	free(server);
	free(shared);
	return 0;
}

static uint64_t node_of(const char *path)
{
	for (size_t i = 0; i < vfs_n_files; i++)
		if (strcmp(vfs_files[i].path, path) == 0)
			return i + 2;
	fail_msg("no %s", path);
	return 0;
}

/* A request into @buf; its length. */
static size_t request(char *buf, uint32_t opcode, uint64_t node, const void *arg, size_t n,
		      const void *more, size_t n_more)
{
	struct fuse_in_header h = {.opcode = opcode, .nodeid = node, .unique = 42,
				   .len = (uint32_t)(sizeof h + n + n_more)};

	memcpy(buf, &h, sizeof h);
	memcpy(buf + sizeof h, arg, n);
	if (n_more)
		memcpy(buf + sizeof h + n, more, n_more);
	return h.len;
}

static struct wire_answer ask(uint32_t opcode, uint64_t node, const void *arg, size_t n,
			      const void *more, size_t n_more)
{
	_Alignas(16) static char buf[WIRE_REQUEST_SIZE];
	struct wire_request q;
	struct wire_answer a;

	assert_int_equal(wire_parse(buf, request(buf, opcode, node, arg, n, more, n_more), &q), 1);
	assert_int_equal(q.unique, 42);
	server_answer(server, &q, &a);
	return a;
}

static uint64_t open_file(uint64_t node, uint32_t flags, int wanted)
{
	struct fuse_open_in in = {.flags = flags};
	struct wire_answer a = ask(FUSE_OPEN, node, &in, sizeof in, NULL, 0);

	assert_int_equal(a.header.error, wanted);
	return a.open.fh;
}

static struct wire_answer read_file(uint64_t node, uint64_t fh, uint64_t at, uint32_t size)
{
	struct fuse_read_in in = {.fh = fh, .offset = at, .size = size,
				  .read_flags = FUSE_READ_LOCKOWNER};

	return ask(FUSE_READ, node, &in, sizeof in, NULL, 0);
}

/* Bytes taken, or the error. */
static int write_some(uint64_t node, const char *text, uint64_t at, uint32_t flags)
{
	struct fuse_write_in in = {.offset = at, .size = (uint32_t)strlen(text), .flags = flags};
	struct wire_answer a = ask(FUSE_WRITE, node, &in, sizeof in, text, strlen(text));

	return a.header.error ? a.header.error : (int)a.write.size;
}

/* Without an owner of locks, which tells it from a read(2). */
static int read_by_cache(uint64_t node, uint64_t fh)
{
	struct fuse_read_in in = {.fh = fh, .size = 4096};

	return ask(FUSE_READ, node, &in, sizeof in, NULL, 0).header.error;
}

static int write_file(uint64_t node, const char *text, uint64_t at)
{
	return MIN(write_some(node, text, at, 0), 0);
}

static void is_text(const struct wire_answer *a, const char *wanted)
{
	assert_int_equal(a->header.error, 0);
	assert_int_equal(a->len, strlen(wanted));
	assert_memory_equal(a->data ? a->data : "", wanted, a->len);
}

static void test_read(void **state)
{
	uint64_t node = node_of("proc/sys/kernel/random/boot_id"), fh;
	struct wire_answer a;

	(void)state;
	fh = open_file(node, O_RDONLY, 0);
	memcpy(shared->facts.boot_id, "another-one", 12);
	a = read_file(node, fh, 0, 4096); /* made when it was opened */
	is_text(&a, "the-boot-id\n");
	a = read_file(node, fh, 4, 4);
	is_text(&a, "boot");
	a = read_file(node, fh, 12, 4096);
	is_text(&a, "");
	a = read_file(node, fh, 0, 4096); /* from the start again */
	is_text(&a, "another-one\n");
	a = read_file(node, fh, UINT64_MAX, 4096);
	is_text(&a, "");
	assert_int_equal(read_by_cache(node, fh), -EINVAL);
	a = read_file(node, fh, INT64_MAX, UINT32_MAX);
	is_text(&a, "");
	/* A handle of a helper that is dead, or of nobody. */
	a = read_file(node, 0xdeadbeef00ULL, 0, 4096);
	is_text(&a, "another-one\n");
	a = read_file(node_of("proc/diskstats"), fh, 0, 4096);
	is_text(&a, "");
	memcpy(shared->facts.product_uuid, "an-id", 6);
	node = node_of("sys/devices/virtual/dmi/id/product_uuid");
	assert_int_equal(ask(FUSE_GETATTR, node, "", 0, NULL, 0).attr.attr.mode, S_IFREG | 0400);
	a = read_file(node, open_file(node, O_RDONLY, 0), 0, 4096);
	is_text(&a, "an-id\n");
	node = node_of("proc/sys/kernel/random/boot_id");
	assert_int_equal(open_file(node, O_WRONLY, -EACCES), 0);
	assert_int_equal(open_file(node, O_RDWR, -EACCES), 0);
}

static void test_many_open(void **state)
{
	uint64_t node = node_of("proc/sys/kernel/random/boot_id"), fh[2 * SERVER_SLOTS];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(fh); i++)
		fh[i] = open_file(node, O_RDONLY, 0);
	for (size_t i = 0; i < ARRAY_SIZE(fh); i++) {
		struct fuse_release_in in = {.fh = fh[i]};
		struct wire_answer a = read_file(node, fh[i], 0, 4096);

		assert_int_equal(a.len, 12);
		ask(FUSE_RELEASE, node, &in, sizeof in, NULL, 0);
	}
	assert_int_not_equal(open_file(node, O_RDONLY, 0), 0);
}

static void test_write(void **state)
{
	uint64_t node = node_of("proc/sys/vm/overcommit_memory"), fh;
	struct wire_answer a;

	(void)state;
	sources.host[node - 2] = file_of("0\n");
	fh = open_file(node, O_RDWR, 0);
	a = read_file(node, fh, 0, 10);
	is_text(&a, "0\n");
	assert_int_equal(write_file(node, "2\n", 0), 0);
	a = read_file(node, fh, 0, 10);
	is_text(&a, "2\n");
	assert_int_equal(write_file(node, "7\n", 0), -EINVAL);
	assert_int_equal(write_some(node, "2 1\n", 0, 0), 2); /* as much as it takes */
	assert_int_equal(write_some(node, "1\n", 4096, O_APPEND), 2);
	a = read_file(node, fh, 0, 10);
	is_text(&a, "1\n");
	assert_int_equal(write_some(node, "2\n", 0, 0), 2);
	assert_int_equal(write_file(node, "1\n", 5), 0); /* no effect */
	a = read_file(node, fh, 0, 10);
	is_text(&a, "2\n");
	assert_int_equal(write_file(node_of("proc/meminfo"), "2\n", 0), -EACCES);
	/* Written before the first read of that descriptor, by whomever. */
	fh = open_file(node, O_RDWR, 0);
	assert_int_equal(write_file(node, "0\n", 0), 0);
	a = read_file(node, fh, 0, 10);
	is_text(&a, "0\n");
	assert_int_equal(write_file(node, "2\n", 0), 0);
	/* A helper that takes over knows it. */
	memset(server, 0, sizeof *server);
	server_init(server, &sources, shared, 1000);
	a = read_file(node, fh, 0, 10);
	is_text(&a, "2\n");
}

static void test_rest(void **state)
{
	uint64_t meminfo = node_of("proc/meminfo"), sysctl = node_of("proc/sys/kernel/panic");
	struct fuse_setattr_in mode = {.valid = FATTR_MODE}, size = {.valid = FATTR_SIZE};
	struct fuse_init_in init = {.major = 7, .minor = 40, .flags = ~0u};
	struct fuse_read_in list = {.size = 1000};
	struct wire_answer a;

	(void)state;
	assert_int_equal(ask(FUSE_SETATTR, sysctl, &mode, sizeof mode, NULL, 0).header.error, -EPERM);
	assert_int_equal(ask(FUSE_SETATTR, sysctl, &size, sizeof size, NULL, 0).header.error, 0);
	assert_int_equal(ask(FUSE_SETATTR, meminfo, &size, sizeof size, NULL, 0).header.error, -EACCES);
	assert_int_equal(ask(FUSE_LOOKUP, 1, "0", 2, NULL, 0).entry.nodeid, 2);
	assert_int_equal(ask(FUSE_LOOKUP, 1, "9999", 5, NULL, 0).header.error, -ENOENT);
	assert_int_equal(ask(FUSE_LOOKUP, 1, "..", 3, NULL, 0).header.error, -ENOENT);
	assert_int_equal(ask(FUSE_LOOKUP, 1, "", 1, NULL, 0).header.error, -ENOENT);
	assert_int_equal(ask(FUSE_LOOKUP, 2, "0", 2, NULL, 0).header.error, -ENOENT);
	assert_int_equal(ask(FUSE_GETATTR, 2 + vfs_n_files, "", 0, NULL, 0).header.error, -ENOENT);
	assert_int_equal(ask(FUSE_GETATTR, UINT64_MAX, "", 0, NULL, 0).header.error, -ENOENT);
	assert_int_equal(ask(FUSE_POLL, 2, "", 0, NULL, 0).header.error, -ENOSYS);
	assert_int_equal(ask(FUSE_MKDIR, 1, "", 0, NULL, 0).header.error, -EPERM);
	a = ask(FUSE_READDIRPLUS, 1, &list, sizeof list, NULL, 0);
	assert_int_equal(a.len, 6 * 160); /* as many as there is room for */
	list.offset = vfs_n_files - 1;
	assert_int_equal(ask(FUSE_READDIRPLUS, 1, &list, sizeof list, NULL, 0).len, 160);
	list.offset = vfs_n_files;
	assert_int_equal(ask(FUSE_READDIRPLUS, 1, &list, sizeof list, NULL, 0).len, 0);
	list.offset = UINT64_MAX;
	assert_int_equal(ask(FUSE_READDIRPLUS, 1, &list, sizeof list, NULL, 0).len, 0);
	/* All at once; and how long a file is only who asks for it is told. */
	list = (struct fuse_read_in){.size = 16384};
	a = ask(FUSE_READDIRPLUS, 1, &list, sizeof list, NULL, 0);
	assert_int_equal(a.len, vfs_n_files * 160);
	for (size_t i = 0; i < vfs_n_files; i++) {
		const struct fuse_direntplus *d = (const void *)((const char *)a.data + i * 160);

		assert_int_equal(d->entry_out.nodeid, i + 2);
		assert_true(d->entry_out.entry_valid > 0);
		if (vfs_files[i].needs & VFS_LONG)
			assert_int_equal(d->entry_out.attr_valid, 0);
		else
			assert_true(d->entry_out.attr_valid > 0);
	}
	a = ask(FUSE_INIT, 0, &init, sizeof init, NULL, 0);
	assert_int_equal(a.init.major, 7);
	assert_int_equal(a.init.max_write, WIRE_WRITE_MAX);
}

static void test_parse_bad(void **state)
{
	_Alignas(16) char buf[256] = "";
	struct fuse_write_in in = {.size = 100};
	struct wire_request q;
	size_t n = request(buf, FUSE_READ, 2, "", 0, NULL, 0);

	(void)state;
	assert_int_equal(wire_parse(buf, n, &q), -EINVAL); /* no arguments */
	assert_int_equal(wire_parse(buf, n - 1, &q), -EBADMSG);
	assert_int_equal(wire_parse(buf, 0, &q), -EBADMSG);
	assert_int_equal(wire_parse(buf, n + 1, &q), -EBADMSG); /* another length than it says */
	n = request(buf, FUSE_WRITE, 2, &in, sizeof in, "abc", 3);
	assert_int_equal(wire_parse(buf, n, &q), -EINVAL);
	n = request(buf, FUSE_LOOKUP, 1, "abc", 3, NULL, 0);
	assert_int_equal(wire_parse(buf, n, &q), -EINVAL); /* no end */
	n = request(buf, FUSE_LOOKUP, 1, "", 0, NULL, 0);
	assert_int_equal(wire_parse(buf, n, &q), -EINVAL);
	n = request(buf, FUSE_FORGET, 1, "", 0, NULL, 0);
	assert_int_equal(wire_parse(buf, n, &q), 0);
}

/*
 * Requests with bits turned, of exactly their length in memory (the sanitizers of
 * build-dev see what is read beyond): whatever comes is answered within its bounds.
 */
static void test_mutations(void **state)
{
	static const uint32_t opcodes[] = {FUSE_LOOKUP, FUSE_GETATTR, FUSE_SETATTR, FUSE_OPEN,
					   FUSE_READ,   FUSE_WRITE,   FUSE_RELEASE, FUSE_INIT,
					   FUSE_STATFS, FUSE_OPENDIR, FUSE_READDIRPLUS, FUSE_IOCTL};
	const int rounds = 500000;
	unsigned int answered = 0;

	(void)state;
	srandom(1);
	for (int i = 0; i < rounds; i++) {
		size_t n = sizeof(struct fuse_in_header) + (size_t)random() % 160;
		char *buf = malloc(n); /* of exactly so many, for the sanitizer */
		struct fuse_in_header *h = (void *)buf;
		struct wire_request q;
		struct wire_answer a;
		struct iovec iov[2];
		int n_iov, r;

		for (size_t k = 0; k < n; k++)
			buf[k] = random() % 4 ? 0 : (char)random();
		h->len = (uint32_t)n;
		h->opcode = random() % 8 ? opcodes[(size_t)random() % ARRAY_SIZE(opcodes)]
					 : (uint32_t)random() % 64;
		h->nodeid = random() % 8 ? (uint64_t)random() % (vfs_n_files + 4)
					 : (uint64_t)random() << 32;
		if (h->opcode == FUSE_LOOKUP)
			buf[n - 1] = '\0';
		if (h->opcode == FUSE_WRITE && n >= sizeof *h + sizeof(struct fuse_write_in))
			((struct fuse_write_in *)(void *)(h + 1))->size =
				(uint32_t)(n - sizeof *h - sizeof(struct fuse_write_in));
		if (random() % 4 == 0)
			buf[(size_t)random() % n] ^= (char)(1 << random() % 8);
		r = wire_parse(buf, n, &q);
		if (r > 0) {
			server_answer(server, &q, &a);
			wire_finish(&a, q.unique, iov, &n_iov);
			assert_true(a.header.error <= 0 && a.header.error > -4096);
			assert_true(a.header.error == 0 || a.len == 0);
			if (a.data)
				assert_true(a.len <= q.read->size);
			answered++;
		}
		free(buf);
	}
	assert_true(answered > (unsigned int)rounds / 4);
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
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_numbers_v1),
		cmocka_unit_test(test_numbers_v2),
		cmocka_unit_test(test_numbers_hybrid),
		cmocka_unit_test(test_pick_cpus),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_long_string),
		cmocka_unit_test_setup_teardown(test_read, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_many_open, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_write, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_rest, set_up, tear_down),
		cmocka_unit_test(test_parse_bad),
		cmocka_unit_test_setup_teardown(test_mutations, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
