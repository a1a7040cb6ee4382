/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * linux.intelRdt: what is written where, in a folder that only looks like resctrl, since few
 * machines have that. Its files are FIFOs: they keep every write, in order. That the
 * processor does what is written, nobody tests here.
 */
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
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/io.h"
#include "base/json.h"
#include "cgroup/rdt.h"
#include "container/config.h"

struct fixture {
	char path[64];
	int root;
	struct rdt t;
	struct cis_error err;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	strcpy(f->path, "/tmp/cisandbox-rdt.XXXXXX");
	assert_non_null(mkdtemp(f->path));
	f->root = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	rdt_init(&f->t);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	char command[128];

	rdt_done(&f->t);
	close(f->root);
	snprintf(command, sizeof command, "rm -rf %s", f->path);
	assert_int_equal(system(command), 0);
	free(f);
	return 0;
}

/* Keeps what is written to it: the descriptor. */
static int make_fifo(const struct fixture *f, const char *path)
{
	int fd;

	assert_int_equal(mkfifoat(f->root, path, 0600), 0);
	fd = openat(f->root, path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static void assert_written(int fd, const char *wanted)
{
	char text[512] = "";

	if (read(fd, text, sizeof text - 1) < 0)
		text[0] = '\0';
	assert_string_equal(text, wanted);
}

static void make_class(const struct fixture *f, const char *name, const char *schemata)
{
	cleanup_close int dir = -1, file = -1;

	mkdirat(f->root, name, 0755);
	dir = openat(f->root, name, O_RDONLY | O_DIRECTORY);
	file = openat(dir, "schemata", O_WRONLY | O_CREAT, 0600);
	assert_int_equal(io_write_all(file, schemata, strlen(schemata)), 0);
	assert_int_equal(mkdirat(dir, "mon_groups", 0755), 0);
	close(openat(dir, "tasks", O_WRONLY | O_CREAT, 0600));
}

static bool is_there(const struct fixture *f, const char *path)
{
	return faccessat(f->root, path, F_OK, 0) == 0;
}

static void test_own_class(void **state)
{
	struct fixture *f = *state;
	char l3[] = "L3:0=ff;1=f\nMB:0=10", mb[] = "MB:0=20;1=70";
	char one[] = "L2:0=f", two[] = "L3:0=3";
	char *lines[] = {one, two, NULL};
	struct config c = {.has_intel_rdt = true, .rdt_l3 = l3, .rdt_mb = mb,
			   .rdt_schemata = {.v = lines, .n = 2}};
	cleanup_close int schemata = -1, tasks = -1;

	assert_int_equal(rdt_make_class(&f->t, f->root, &c, "c1", &f->err), 0);
	assert_true(f->t.made && is_there(f, "c1"));
	schemata = make_fifo(f, "c1/schemata");
	tasks = make_fifo(f, "c1/tasks");
	assert_int_equal(rdt_fill_class(&f->t, f->root, &c, "c1", &f->err), 0);
	/* Without the bandwidth of the cache's member; the exact lines last. */
	assert_written(schemata, "L3:0=ff;1=f\nMB:0=20;1=70\nL2:0=f\nL3:0=3\n");
	assert_int_equal(rdt_join_child(&f->t), 0);
	assert_written(tasks, "0");
	assert_int_equal(rdt_change(&f->t, f->root, "L3:0=1", NULL, &f->err), 0);
	assert_written(schemata, "L3:0=1\n");
	unlinkat(f->root, "c1/schemata", 0);
	unlinkat(f->root, "c1/tasks", 0);
	assert_int_equal(rdt_remove(&f->t, f->root, "c1", &f->err), 0);
	assert_false(is_there(f, "c1"));
}

static void test_class_of_the_administrator(void **state)
{
	struct fixture *f = *state;
	char name[] = "gold";
	struct config c = {.has_intel_rdt = true, .rdt_clos = name};

	assert_int_equal(rdt_make(&f->t, f->root, &c, "c1", &f->err), -ENOENT);
	assert_string_equal(f->err.message, "linux.intelRdt.closID: there is no class gold, and "
					    "nothing is said to make it of");
	make_class(f, "gold", "    L3:0=0ff;1=00f\n    MB:0= 20;1= 70\n");
	assert_int_equal(rdt_make(&f->t, f->root, &c, "c1", &f->err), 0);
	assert_false(f->t.made);
	assert_int_equal(rdt_remove(&f->t, f->root, "c1", &f->err), 0);
	assert_true(is_there(f, "gold/tasks"));
}

static int make_with(struct fixture *f, char *l3, char *mb)
{
	char name[] = "gold";
	struct config c = {.has_intel_rdt = true, .rdt_clos = name, .rdt_l3 = l3,
			   .rdt_mb = mb};

	rdt_done(&f->t);
	f->err = (struct cis_error){0};
	return rdt_make(&f->t, f->root, &c, "c1", &f->err);
}

/* A class that is there must be what is asked for, and is not changed. */
static void test_class_is_compared(void **state)
{
	struct fixture *f = *state;
	char same[] = "L3:0=ff;1=f", part[] = "L3:1=00f", other[] = "L3:0=ff;1=1f";
	char more[] = "L3:0=ff;2=1", none[] = "L2:0=1", mb[] = "MB:1=70", mb2[] = "MB:1=71";

	make_class(f, "gold", "    L3:0=0ff;1=00f\n    MB:0= 20;1= 70\n");
	assert_int_equal(make_with(f, same, mb), 0);
	assert_int_equal(make_with(f, part, NULL), 0);
	assert_int_equal(make_with(f, other, NULL), -EEXIST);
	assert_string_equal(f->err.message, "linux.intelRdt.closID: the class is there and has "
					    "not \"L3:0=ff;1=1f\"");
	assert_int_equal(make_with(f, more, NULL), -EEXIST);
	assert_int_equal(make_with(f, none, NULL), -EEXIST);
	assert_int_equal(make_with(f, same, mb2), -EEXIST);
	assert_true(is_there(f, "gold/tasks"));
}

static void test_monitoring(void **state)
{
	struct fixture *f = *state;
	char name[] = "gold";
	struct config c = {.has_intel_rdt = true, .rdt_clos = name, .rdt_monitoring = true};
	struct json *saved = json_object_new();
	cleanup_close int tasks = -1;

	make_class(f, "gold", "");
	/* Nobody puts files into it here: it is made, found wanting, and removed. */
	assert_int_equal(rdt_make(&f->t, f->root, &c, "c1", &f->err), -ENOENT);
	assert_string_equal(f->err.message,
			    "linux.intelRdt: open mon_groups/c1/tasks: No such file or directory");
	assert_false(is_there(f, "gold/mon_groups/c1"));
	assert_int_equal(rdt_make_class(&f->t, f->root, &c, "c1", &f->err), 0);
	rdt_fill_class(&f->t, f->root, &c, "c1", &f->err);
	assert_true(f->t.monitored && is_there(f, "gold/mon_groups/c1"));
	rdt_save(&f->t, saved);
	rdt_done(&f->t);
	rdt_load(&f->t, saved);
	json_free(saved);
	assert_true(f->t.given && f->t.monitored && !f->t.made);
	assert_string_equal(f->t.clos, "gold");
	tasks = make_fifo(f, "gold/mon_groups/c1/tasks");
	assert_int_equal(rdt_open(&f->t, f->root, "c1", &f->err), 0);
	assert_int_equal(rdt_join_child(&f->t), 0);
	assert_written(tasks, "0");
	unlinkat(f->root, "gold/mon_groups/c1/tasks", 0);
	assert_int_equal(rdt_remove(&f->t, f->root, "c1", &f->err), 0);
	assert_false(is_there(f, "gold/mon_groups/c1"));
	assert_true(is_there(f, "gold"));
}

static void test_everybodys_class(void **state)
{
	struct fixture *f = *state;
	char slash[] = "/";
	struct config c = {.has_intel_rdt = true, .rdt_clos = slash};
	cleanup_close int tasks = make_fifo(f, "tasks");

	assert_int_equal(rdt_make(&f->t, f->root, &c, "c1", &f->err), 0);
	assert_int_equal(rdt_join_child(&f->t), 0);
	assert_written(tasks, "0");
	assert_int_equal(rdt_remove(&f->t, f->root, "c1", &f->err), 0);
}

static void test_host_without(void **state)
{
	struct fixture *f = *state;
	int fd;

	if (access("/sys/fs/resctrl/schemata", F_OK) == 0)
		skip();
	fd = rdt_open_root(&f->err);
	assert_int_equal(fd, -EOPNOTSUPP);
	assert_non_null(strstr(f->err.message, "linux.intelRdt: there is no resctrl"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_own_class), TEST(test_class_of_the_administrator),
		TEST(test_class_is_compared), TEST(test_monitoring),
		TEST(test_everybodys_class), TEST(test_host_without),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
