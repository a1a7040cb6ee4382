/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Virtual files: where their numbers come from, and which values may be written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "base/macros.h"
#include "vfs.h"
#include "vfs/files.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_numbers_v1),
		cmocka_unit_test(test_numbers_v2),
		cmocka_unit_test(test_numbers_hybrid),
		cmocka_unit_test(test_pick_cpus),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_long_string),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
