/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * lib/state.c and lib/fs/scratch-place.c: nobody who looks at sandboxes keeps one from
 * starting; a disk or a group is removed by whoever's it was, or by anybody once it is
 * nobody's, and never before.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/io.h"
#include "base/str.h"
#include "disk.h"
#include "fs/scratch-place.h"
#include "state.h"

static char work[] = "/var/tmp/cisandbox-test-state.XXXXXX";

static const char *below(const char *name)
{
	static char path[4][512];
	static unsigned int turn;
	char *p = path[turn++ % 4];

	snprintf(p, sizeof path[0], "%s/%s", work, name);
	return p;
}

static bool is_there(const char *name)
{
	return faccessat(AT_FDCWD, below(name), F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void make_dir(const char *name)
{
	assert_int_equal(mkdir(below(name), 0755), 0);
}

static bool await_gone(const char *name)
{
	for (int i = 0; i < 500 && is_there(name); i++)
		nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
	return !is_there(name);
}

static int set_up(void **state)
{
	(void)state;
	if (!mkdtemp(work))
		return -1;
	setenv("CISANDBOX_STATE", below("state"), 1);
	setenv("CISANDBOX_ROOT", below("data"), 1);
	return mkdir(below("state"), 0700) || mkdir(below("data"), 0700) ||
	       mkdir(below("data/scratch"), 0700);
}

static int tear_down(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof command, "rm -rf %s", work);
	return system(command);
}

/* ---- the lock ----------------------------------------------------------------------- */

/* As list and wait do, without a pause; now and then as reap. */
static void *look(void *arg)
{
	const char *lock = below("state/one/lock");
	atomic_bool *over = arg;

	for (unsigned int i = 0, n; !*over; i++) {
		cleanup_close int fd = open(lock, O_RDWR | O_CLOEXEC);

		if (fd >= 0)
			flock(fd, LOCK_SH | LOCK_NB);
		if (i % 1024 == 0)
			cis_reap(&n, NULL);
	}
	return NULL;
}

/* With the lock taken after it had its name, some of these failed. */
static void test_readers_do_not_matter(void **state)
{
	atomic_bool over = false;
	struct cis_error err = {0};
	pthread_t reader;
	struct state st;

	(void)state;
	assert_int_equal(pthread_create(&reader, NULL, look, &over), 0);
	for (int i = 0; i < 3000; i++) {
		state_init(&st);
		if (state_create(&st, "one", &err) < 0)
			fail_msg("start %d: %s", i, err.message);
		assert_true(state_is_alive(&st));
		assert_int_equal(state_undo(&st, NULL, &err), 0);
		state_done(&st);
	}
	over = true;
	pthread_join(reader, NULL);
	assert_false(is_there("state/one"));
}

static void test_unborn(void **state)
{
	unsigned int n = 0;

	(void)state;
	make_dir("state/empty");
	make_dir("state/half");
	close(open(below("state/half/lock.new"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	assert_int_equal(cis_reap(&n, NULL), 0);
	assert_int_equal(n, 2);
	assert_false(is_there("state/empty"));
	assert_false(is_there("state/half"));
}

/* ---- the journal ---------------------------------------------------------------------- */

static char *journal_of(const struct state *st)
{
	char *text = NULL;

	return io_read_file_at(st->dir, "journal", 8192, &text, NULL) < 0 ? NULL : text;
}

static void test_retract(void **state)
{
	struct state st;
	char *text;

	(void)state;
	state_init(&st);
	assert_int_equal(state_create(&st, NULL, NULL), 0);
	state_journal(&st, JOURNAL_IDS, NULL);
	state_journal(&st, JOURNAL_CGROUP, NULL);
	state_retract(&st, JOURNAL_CGROUP);
	text = journal_of(&st);
	assert_string_equal(text, "ids\n");
	free(text);
	assert_int_equal(state_undo(&st, NULL, NULL), 0);
	state_done(&st);
}

/* What is there before us is not written down, and so not removed. */
static void test_anothers_disk(void **state)
{
	cleanup_free char *place = NULL;
	struct cis_error err = {0};
	struct state st, again;
	char path[400];

	(void)state;
	state_init(&st);
	state_init(&again);
	assert_int_equal(state_create(&st, "one", &err), 0);
	assert_int_equal(state_claim_disk(&st, &err), 0);
	assert_int_equal(state_disk_place(&st, &place), 0);
	snprintf(path, sizeof path, "%s/one", place);
	assert_int_equal(mkdir(path, 0700), 0);

	assert_int_equal(state_create(&again, "two", &err), 0);
	snprintf(path, sizeof path, "%s/two", place);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(state_claim_disk(&again, &err), -EEXIST);
	assert_non_null(strstr(err.message, "/two is there already"));
	assert_int_equal(state_undo(&again, NULL, &err), 0);
	assert_int_equal(access(path, F_OK), 0);
	rmdir(path);

	assert_int_equal(state_undo(&st, NULL, &err), 0);
	snprintf(path, sizeof path, "%s/one", place);
	assert_int_not_equal(access(path, F_OK), 0);
	/* With its last disk its place goes. */
	assert_int_not_equal(access(place, F_OK), 0);
	state_done(&st);
	state_done(&again);
}

/* ---- places --------------------------------------------------------------------------- */

#define EARLIER "data/scratch/01234567-89ab-cdef-0123-456789abcdef.1f.2a"

static void test_names(void **state)
{
	char a[SCRATCH_PLACE_MAX], b[SCRATCH_PLACE_MAX];
	struct stat owner = {.st_dev = 0x1f, .st_ino = 7}, other = {.st_dev = 0x1f, .st_ino = 8};

	(void)state;
	assert_int_equal(scratch_place_name(&owner, a, NULL), 0);
	assert_int_equal(scratch_place_name(&other, b, NULL), 0);
	assert_int_equal(strlen(a), 36 + strlen(".1f.7"));
	assert_string_not_equal(a, b);
	other = (struct stat){.st_dev = UINT64_MAX, .st_ino = UINT64_MAX};
	assert_int_equal(scratch_place_name(&other, b, NULL), 0);
	assert_non_null(strstr(b, ".ffffffffffffffff.ffffffffffffffff"));
}

/* A boot id that differs proves nothing: a lock does. */
static void test_sweep(void **state)
{
	cleanup_close int lock = -1;

	(void)state;
	make_dir(EARLIER);
	make_dir(EARLIER "/disk");
	make_dir(EARLIER "/disk/full");
	make_dir("data/scratch/lost+found");
	make_dir("data/scratch/lost+found/dear");
	make_dir("data/scratch/01234567-89ab-cdef-0123-456789abcdef");
	lock = open(below(EARLIER), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(flock(lock, LOCK_SH), 0);
	assert_int_equal(disk_sweep(true, NULL), 0);
	assert_true(is_there(EARLIER "/disk/full"));

	lock = fd_close(lock);
	assert_int_equal(disk_sweep(true, NULL), 0);
	assert_false(is_there(EARLIER));
	assert_true(is_there("data/scratch/lost+found/dear"));
	assert_true(is_there("data/scratch/01234567-89ab-cdef-0123-456789abcdef"));
	/* Nothing of it is left, here or there. */
	assert_int_equal(rmdir(below("data/scratch/gone")), 0);
}

static void test_sweep_in_background(void **state)
{
	cleanup_close int busy = -1;

	(void)state;
	make_dir("data/scratch/gone");
	make_dir("data/scratch/gone/left");
	make_dir("data/scratch/gone/left/d");
	make_dir("data/scratch/gone/busy");
	busy = open(below("data/scratch/gone/busy"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(flock(busy, LOCK_EX), 0);
	assert_int_equal(disk_sweep(false, NULL), 0);
	assert_true(await_gone("data/scratch/gone/left"));
	/* That is somebody's at work. */
	assert_true(is_there("data/scratch/gone/busy"));
	busy = fd_close(busy);
	assert_int_equal(disk_sweep(false, NULL), 0);
	assert_true(await_gone("data/scratch/gone/busy"));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_readers_do_not_matter),
		cmocka_unit_test(test_unborn),
		cmocka_unit_test(test_retract),
		cmocka_unit_test(test_anothers_disk),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_sweep),
		cmocka_unit_test(test_sweep_in_background),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
