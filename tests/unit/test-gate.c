/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Gates: addresses; then, as root, a round in network namespaces that are gone when the
 * child is that made them. And what goes with gates: id ranges with several users.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/io.h"
#include "isolate/ids.h"
#include "net/gate.h"

static void test_ranges(void **state)
{
	uint8_t a[16], b[16];

	(void)state;
	gate_range4(0, a);
	assert_memory_equal(a, ((uint8_t[]){192, 0, 0, 0}), 4);
	gate_range4(1, a);
	assert_memory_equal(a, ((uint8_t[]){192, 0, 0, 4}), 4);
	gate_range4(2, a);
	assert_memory_equal(a, ((uint8_t[]){100, 127, 255, 0}), 4);
	gate_range4(GATE_RANGES4 - 1, a);
	assert_memory_equal(a, ((uint8_t[]){100, 127, 255, 124}), 4);
	for (int i = 1; i < GATE_RANGES6; i++) {
		gate_range6(i - 1, a);
		gate_range6(i, b);
		assert_int_equal(a[0], 0xfd);
		assert_memory_not_equal(a, b, 16);
	}
}

/* 0, or the line that it did not come past. */
#define MUST(what) do { if (!(what)) _exit(__LINE__ & 0x7f ? __LINE__ & 0x7f : 1); } while (0)

static int new_netns(void)
{
	MUST(unshare(CLONE_NEWNET) == 0);
	return open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
}

static bool forwards(int procfd)
{
	uint64_t value;

	MUST(io_read_u64_at(procfd, "sys/net/ipv4/ip_forward", &value) == 0);
	return value;
}

static void round_main(void)
{
	int procfd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int box = new_netns(), given = new_netns();
	struct gate_facts f, again;
	struct cis_error err = {0};

	MUST(io_write_file_at(procfd, "sys/net/ipv4/ip_forward", "0") == 0);
	MUST(gate_look(given, procfd, &f, &err) == 0);
	MUST(f.mtu == 1500 && !f.six && f.range4 == 0 && !f.forwards4 && !*f.uplink);
	MUST(gate_make(given, box, procfd, &f, &err) == 0);
	MUST(forwards(procfd));
	MUST(if_nametoindex("cisgate") > 0);
	MUST(gate_look(given, procfd, &again, &err) == -EEXIST);
	MUST(strstr(err.message, "the gate of another sandbox"));
	/* What there is already is no reason to take away what is there. */
	MUST(gate_make(given, box, procfd, &f, &err) == -EEXIST);
	MUST(if_nametoindex("cisgate") > 0);
	MUST(gate_undo(given, procfd, &f, &err) == 0);
	MUST(if_nametoindex("cisgate") == 0 && !forwards(procfd));
	MUST(gate_undo(given, procfd, &f, &err) == 0);
	MUST(gate_look(given, procfd, &again, &err) == 0);
	MUST(again.range4 == 0);
	MUST(gate_make(-1, box, procfd, &f, &err) == -EBADF);
	MUST(strstr(err.message, "enter it"));
	_exit(0);
}

static void test_round(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	if (geteuid() != 0)
		skip();
	pid = fork();
	if (pid == 0)
		round_main();
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void test_shared_ids(void **state)
{
	char path[] = "/tmp/cisandbox-ids.XXXXXX", name[64];
	struct cis_error err = {0};
	uint32_t base;
	int dir;

	(void)state;
	assert_non_null(mkdtemp(path));
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(ids_alloc(dir, "/run/one", 65536, &base, &err), 0);
	snprintf(name, sizeof name, "%u+65536", base);
	assert_int_equal(ids_share(dir, "/run/on", base, 65536, &err), 0);
	assert_int_equal(ids_share(dir, "/run/two", base, 65536, &err), 0);
	assert_int_equal(ids_share(dir, "/run/x", base + 65536, 65536, &err), -ENOENT);
	assert_true(ids_are_lent(dir, base, 65536));
	assert_false(ids_are_lent(dir, base + 65536, 65536));
	/* Whoever goes first; a name that only begins like one is another's. */
	ids_release(dir, "/run/one");
	ids_release(dir, "/run/o");
	assert_int_equal(faccessat(dir, name, F_OK, 0), 0);
	ids_release(dir, "/run/two");
	assert_int_equal(faccessat(dir, name, F_OK, 0), 0);
	ids_release(dir, "/run/on");
	assert_int_equal(faccessat(dir, name, F_OK, 0), -1);
	close(dir);
	assert_int_equal(rmdir(path), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_round),
		cmocka_unit_test(test_shared_ids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
