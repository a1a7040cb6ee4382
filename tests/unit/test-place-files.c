/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is written to and read of the files of cgroup2, in a directory that looks like it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/io.h"
#include "base/json.h"
#include "base/str.h"
#include "cgroup/place.h"
#include "place.h"

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

/* ---- all of it ----------------------------------------------------------- */

#define FAKE(test) cmocka_unit_test_setup_teardown(test, fake_setup, fake_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAKE(test_v2_limits),
		FAKE(test_enter_sub),
		FAKE(test_v2_update),
		FAKE(test_v2_stats),
	};

	return cmocka_run_group_tests_name("place", tests, NULL, NULL);
}
