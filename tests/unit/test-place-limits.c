/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Groups of a container on this host: their limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/str.h"
#include "cgroup/devices.h"
#include "cgroup/place.h"
#include "place-live.h"
#include "place.h"

/* ---- on this host -------------------------------------------------------- */

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

static void test_live_v1_limits(void **state)
{
	struct config_resources r = no_resources();
	struct live *l = *state;
	const uint64_t mib = 1 << 20;

	need_host();
	OK(make_place(&l->p, NULL, test_name, false, NULL, &failure));
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
	OK(place_apply(&l->p, &r, &failure));
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
	OK(place_apply(&l->p, &r, &failure));
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
	OK(place_apply(&l->p, &r, &failure));
	assert_int_equal(value(&l->p, PLACE_MEMORY, "memory.limit_in_bytes"), 16 * mib);
	assert_int_equal(value(&l->p, PLACE_MEMORY, "memory.memsw.limit_in_bytes"),
			 32 * mib);
	assert_int_equal(value(&l->p, PLACE_CPU, "cpu.cfs_quota_us"), 20000);
	assert_int_equal(value(&l->p, PLACE_PIDS, "pids.max"), UINT64_MAX);
	r = no_resources();
	r.memory_limit = -1;
	OK(place_apply(&l->p, &r, &failure));
	assert_true(value(&l->p, PLACE_MEMORY, "memory.memsw.limit_in_bytes") >
		    1ULL << 60);
	r = no_resources();
	r.memory_limit = 1;
	r.memory_check_before_update = true;
	l->child = spawn_sleep(&l->p);
	assert_int_equal(place_apply(&l->p, &r, &failure), -EBUSY);
	OK(place_kill(&l->p, SIGKILL, &failure));
}

static void test_live_refused(void **state)
{
	struct config_hugepage page = {(char *)"3MB", 0};
	struct config_rdma rdma = {.device = (char *)"mlx5_1", .has_handles = true};
	struct config_pair unified = {(char *)"nosuch.file", (char *)"1"};
	struct config_resources r = no_resources();
	struct live *l = *state;

	need_host();
	OK(make_place(&l->p, NULL, test_name, false, NULL, &failure));
	r.hugepages = &page;
	r.n_hugepages = 1;
	if (place_of(&l->p, PLACE_HUGETLB)) {
		assert_int_equal(place_apply(&l->p, &r, &failure), -EINVAL);
		assert_non_null(strstr(failure.message, "3MB"));
		page.page_size = (char *)"2MB";
		page.limit = 4 << 20;
		OK(place_apply(&l->p, &r, &failure));
	}
	r.n_hugepages = 0;
	r.unified = &unified;
	r.n_unified = 1;
	assert_int_equal(place_apply(&l->p, &r, &failure), -EOPNOTSUPP);
	assert_non_null(strstr(failure.message, "nosuch"));
	unified.key = (char *)"../cgroup.procs";
	if (place_unified_fd(&l->p) >= 0) {
		assert_int_equal(place_apply(&l->p, &r, &failure), -EINVAL);
		unified.key = (char *)"cgroup.max.depth";
		unified.value = (char *)"5\n6";
		OK(place_apply(&l->p, &r, &failure));
		assert_true(io_read_u64_at(place_unified_fd(&l->p), "cgroup.max.depth",
					   &(uint64_t){0}) == 0);
		unified.key = (char *)"cgroup.nosuch";
		assert_int_equal(place_apply(&l->p, &r, &failure), -ENOENT);
	}
	r.n_unified = 0;
	r.rdma = &rdma;
	r.n_rdma = 1;
	if (!place_of(&l->p, PLACE_RDMA)) {
		assert_int_equal(place_apply(&l->p, &r, &failure), -EOPNOTSUPP);
		assert_non_null(strstr(failure.message, "rdma"));
		place_remove(&l->p, NULL);
		assert_int_equal(make_place(&l->p, NULL, test_name, false, &r, &failure),
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
	OK(make_place(&l->p, NULL, test_name, false, NULL, &failure));
	if (!is_v1(&l->p, PLACE_BLKIO) || stat("/dev/vda", &st) < 0)
		skip();
	d.major = major(st.st_rdev);
	d.minor = minor(st.st_rdev);
	r.blkio_weight = 300;
	r.blkio_throttles[BLKIO_WRITE_BPS] = &d;
	r.n_blkio_throttles[BLKIO_WRITE_BPS] = 1;
	OK(place_apply(&l->p, &r, &failure));
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
	OK(make_place(&l->p, NULL, test_name, false, NULL, &failure));
	if (try_device("/dev/kmsg", O_RDONLY) != 0)
		skip();
	dir = place_of(&l->p, PLACE_DEVICES)->dir;
	assert_int_equal(ask(dir), 0);
	/* Fresh: denied although nothing is said about devices. */
	OK(place_apply(&l->p, &r, &failure));
	assert_int_equal(ask(dir), 2);
	r.devices = rules;
	r.n_devices = 2;
	OK(place_apply(&l->p, &r, &failure));
	assert_int_equal(ask(dir), 0);
	/* With a group below, whose existence forbids starting afresh. */
	assert_int_equal(mkdirat(dir, "below", 0755), 0);
	l->p.fresh = false;
	r.n_devices = 1;
	OK(place_apply(&l->p, &r, &failure));
	assert_int_equal(ask(dir), 2);
	r.n_devices = 0;
	OK(place_apply(&l->p, &r, &failure));
	assert_int_equal(ask(dir), 2);
	assert_int_equal(unlinkat(dir, "below", AT_REMOVEDIR), 0);

	/* The program, whichever of both the host prefers. */
	dir = place_unified_fd(&l->p);
	if (dir < 0)
		return;
	assert_int_equal(policy_of(&d, rules, 1), 0);
	r2 = device_program_attach(dir, &d, &failure);
	device_policy_done(&d);
	if (r2 == -EPERM || r2 == -EINVAL)
		skip(); /* a kernel without CONFIG_CGROUP_BPF */
	OK(r2);
	assert_int_equal(ask(dir), 2);
	assert_int_equal(policy_of(&d, rules, 2), 0);
	OK(device_program_attach(dir, &d, &failure));
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
	OK(make_place(&l->p, NULL, test_name, false, NULL, &failure));
	if (!place_of(&l->p, PLACE_MEMORY))
		skip();
	r.memory_limit = 8 << 20;
	r.memory_swap = 8 << 20;
	OK(place_apply(&l->p, &r, &failure));
	fd = place_oom_fd(&l->p, &failure);
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

static int run(void)
{
	const struct CMUnitTest tests[] = {
		LIVE(test_live_v1_limits),
		LIVE(test_live_refused),
		LIVE(test_live_blkio),
		LIVE(test_live_devices),
		LIVE(test_live_oom),
	};

	return cmocka_run_group_tests_name("place", tests, NULL, NULL);
}

int main(void)
{
	return run_live(run);
}
