/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The scratch's words and choices, and the settings of --io, as far as nothing is made. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/macros.h"
#include "cgroup/io.h"
#include "disk.h"
#include "fs/scratch.h"
#include "spec.h"

static void test_names(void **state)
{
	static const char *const bad[] = {"", "Loop", "loop ", "zfs", "quotas"};
	enum cis_disk kind, got;

	(void)state;
	for (kind = CIS_DISK_AUTO; kind <= CIS_DISK_TMPFS; kind++) {
		assert_int_equal(scratch_parse(scratch_name(kind), &got), 0);
		assert_int_equal(got, kind);
	}
	assert_null(scratch_name(kind));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(scratch_parse(bad[i], &got), -EINVAL);
}

/* Only who has a name on the host needs a journal; only memory is owned by the ids. */
static void test_kinds(void **state)
{
	(void)state;
	assert_true(scratch_is_named(CIS_DISK_QUOTA));
	assert_true(scratch_is_named(CIS_DISK_BTRFS));
	assert_false(scratch_is_named(CIS_DISK_LOOP));
	assert_false(scratch_is_named(CIS_DISK_TMPFS));
	assert_true(scratch_is_owned(CIS_DISK_TMPFS));
	assert_false(scratch_is_owned(CIS_DISK_QUOTA));
	assert_false(scratch_is_owned(CIS_DISK_LOOP));
	assert_false(scratch_is_owned(CIS_DISK_BTRFS));
}

static void test_choice(void **state)
{
	struct spec s = {0};
	struct cis_error err = {0};
	enum cis_disk kind;

	(void)state;
	assert_int_equal(disk_size(&s), SPEC_DISK_DEFAULT);
	assert_int_equal(disk_choose(&s, &kind, &err), 0);
	assert_int_equal(kind, CIS_DISK_TMPFS);
	s.disk = SPEC_DISK_IN_MEMORY;
	assert_int_equal(disk_choose(&s, &kind, &err), 0);
	assert_int_equal(kind, CIS_DISK_TMPFS);
	s.io.rbps = 1;
	assert_int_equal(disk_choose(&s, &kind, &err), -EOPNOTSUPP);
	assert_non_null(strstr(err.message, "in memory"));
	/* Whatever this host has of them, it is never memory. */
	s = (struct spec){.disk = SPEC_DISK_IN_MEMORY + 1};
	if (disk_choose(&s, &kind, &err) == 0)
		assert_true(kind != CIS_DISK_AUTO && kind != CIS_DISK_TMPFS);
	s.disk_kind = CIS_DISK_TMPFS;
	assert_int_equal(disk_choose(&s, &kind, &err), 0);
	assert_int_equal(kind, CIS_DISK_TMPFS);
}

/* proc has neither quotas nor subvolumes: who asks for them is told so. */
static void test_refusals(void **state)
{
	const int dir = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct scratch_want inodes = {.bytes = 1 << 20, .inodes = 100, .dir = -1};
	struct cis_error err = {0};

	(void)state;
	assert_true(dir >= 0);
	assert_true(scratch_probe(CIS_DISK_QUOTA, dir, &err) < 0);
	assert_non_null(strstr(err.message, "back end quota"));
	assert_true(scratch_probe(CIS_DISK_BTRFS, dir, &err) < 0);
	assert_non_null(strstr(err.message, "not on a btrfs"));
	assert_int_equal(scratch_make(CIS_DISK_BTRFS, &inodes, &err), -EOPNOTSUPP);
	assert_non_null(strstr(err.message, "cannot limit inodes"));
	/* What is not there has been removed. */
	assert_int_equal(scratch_remove(dir, "no such disk", &err), 0);
	close(dir);
}

static struct hierarchies with_io(bool v2)
{
	struct hierarchies hs = {.n = 2, .unified = 0, .mode = v2 ? "unified" : "hybrid"};

	hs.h[0] = (struct hierarchy){.mount = "/a", .v2 = true};
	hs.h[1] = (struct hierarchy){.mount = "/b", .v2 = v2, .controllers = 1u << CTL_IO};
	return hs;
}

static void test_io_v2(void **state)
{
	const struct hierarchies hs = with_io(true);
	struct io_limits l = {.device = makedev(259, 65536)};
	struct setting out[IO_SETTINGS];

	(void)state;
	assert_false(io_is_limited(&l));
	assert_int_equal(io_render(&hs, &l, out), 0);
	l.most = (struct cis_io){.rbps = UINT64_MAX, .wbps = UINT64_MAX, .riops = UINT64_MAX,
				 .wiops = UINT64_MAX};
	assert_int_equal(io_check(&hs, &l, NULL), 0);
	assert_int_equal(io_render(&hs, &l, out), 1);
	/* The longest there is, whole. */
	assert_string_equal(out[0].value,
			    "259:65536 rbps=18446744073709551615 wbps=18446744073709551615 "
			    "riops=18446744073709551615 wiops=18446744073709551615");
	assert_string_equal(out[0].file, "io.max");
	l.most = (struct cis_io){.wbps = 5};
	assert_int_equal(io_render(&hs, &l, out), 1);
	assert_string_equal(out[0].value, "259:65536 wbps=5");
	assert_false(hierarchy_is_optional(&hs.h[1]));
}

static void test_io_v1(void **state)
{
	const struct hierarchies hs = with_io(false);
	struct io_limits l = {.most = {.rbps = 7, .riops = 8}, .device = makedev(7, 3)};
	struct setting out[IO_SETTINGS];
	struct cis_error err = {0};

	(void)state;
	assert_true(hierarchy_is_optional(&hs.h[1]));
	assert_int_equal(io_check(&hs, &l, &err), 0);
	assert_int_equal(io_render(&hs, &l, out), 2);
	assert_string_equal(out[0].file, "blkio.throttle.read_bps_device");
	assert_string_equal(out[0].value, "7:3 7");
	assert_string_equal(out[1].file, "blkio.throttle.read_iops_device");
	assert_string_equal(out[1].value, "7:3 8");
	l.most.wiops = 1;
	assert_int_equal(io_check(&hs, &l, &err), -EOPNOTSUPP);
	assert_non_null(strstr(err.message, "only reads"));
}

static void test_io_absent(void **state)
{
	const struct hierarchies hs = {.n = 1, .unified = 0, .mode = "unified"};
	struct io_limits l = {.most = {.rbps = 7}};
	struct cis_error err = {0};
	const int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)state;
	assert_int_equal(io_check(&hs, &l, &err), -EOPNOTSUPP);
	assert_non_null(strstr(err.message, "no io controller"));
	assert_int_equal(io_device_of(proc, &l.device, &err), -EOPNOTSUPP);
	assert_non_null(strstr(err.message, "not on one device"));
	close(proc);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),	 cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_choice),	 cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_io_v2),	 cmocka_unit_test(test_io_v1),
		cmocka_unit_test(test_io_absent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
