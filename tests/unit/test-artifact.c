/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lib/guard/artifact*: which links stay in the tree; what may be asked for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/macros.h"
#include "fs/move.h"
#include "guard/artifact.h"

static void test_links(void **state)
{
	static const struct {
		const char *target;
		unsigned int depth; /* of the directory it is in, below the top */
		bool stays;
	} cases[] = {
		{"file", 0, true},	   {"./file", 0, true},	     {"a//b/", 0, true},
		{".", 0, true},		   {"..", 1, true},	     {"../", 1, true},
		{"../../a/b", 2, true},	   {"./../a", 1, true},	     {"..a", 0, true},
		{"...", 0, true},	   {"a/..b", 0, true},
		{"", 0, false},		   {"/", 5, false},	     {"/etc/shadow", 5, false},
		{"..", 0, false},	   {"../a", 0, false},	     {"../../a", 1, false},
		{"./..", 0, false},	   {".//..", 0, false},
		/* Its first name may be a link itself, and what is above that is anywhere. */
		{"a/..", 3, false},	   {"a/../b", 3, false},     {"../a/..", 3, false},
		{"a/./..", 3, false},	   {"a//../..", 3, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (copier_link_stays(cases[i].target, cases[i].depth) != cases[i].stays)
			fail_msg("%s at %u", cases[i].target, cases[i].depth);
}

static void test_requests(void **state)
{
	struct artifacts a = {0};
	char dest[300], path[32];

	(void)state;
	assert_int_equal(artifacts_add(&a, "/out/report.xml", NULL, NULL), 0);
	assert_string_equal(a.v[0].path, "/out/report.xml");
	assert_string_equal(a.v[0].dest, "report.xml");
	assert_int_equal(artifacts_add(&a, "/out/dir//", NULL, NULL), 0);
	assert_string_equal(a.v[1].path, "/out/dir");
	assert_string_equal(a.v[1].dest, "dir");
	assert_int_equal(artifacts_add(&a, "/", "all/", NULL), 0);
	assert_string_equal(a.v[2].path, "/");
	assert_string_equal(a.v[2].dest, "all");
	assert_int_equal(artifacts_add(&a, "/x", "dir", NULL), -EEXIST);
	assert_int_equal(artifacts_add(&a, "x", NULL, NULL), -EINVAL);
	assert_int_equal(artifacts_add(&a, "", NULL, NULL), -EINVAL);
	assert_int_equal(artifacts_add(&a, "/", NULL, NULL), -EINVAL);
	assert_int_equal(artifacts_add(&a, "/a/..", NULL, NULL), -EINVAL);
	assert_int_equal(artifacts_add(&a, "/a/.", NULL, NULL), -EINVAL);
	assert_int_equal(artifacts_add(&a, "/a", "/", NULL), -EINVAL);
	assert_int_equal(artifacts_add(&a, "/a", "..", NULL), -EINVAL);
	assert_int_equal(artifacts_add(&a, "/a", "", NULL), -EINVAL);
	memset(dest, 'd', sizeof dest);
	dest[256] = '\0';
	assert_int_equal(artifacts_add(&a, "/a", dest, NULL), -EINVAL);
	dest[255] = '\0';
	assert_int_equal(artifacts_add(&a, "/a", dest, NULL), 0);
	for (int i = 4; i < ARTIFACTS_MAX; i++) {
		snprintf(path, sizeof path, "/%d", i);
		assert_int_equal(artifacts_add(&a, path, NULL, NULL), 0);
	}
	assert_int_equal(artifacts_add(&a, "/last", NULL, NULL), -E2BIG);
	artifacts_done(&a);
	assert_int_equal(a.n, 0);
}

/* ---- into place, also where the file system has no rename that replaces nothing ---- */

static int work = -1;

static void put(const char *name, const char *text)
{
	int fd = openat(work, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (write(fd, text, strlen(text)) < 0)
		abort();
	close(fd);
}

static bool has(const char *name, const char *text)
{
	char buf[32] = "";
	int fd = openat(work, name, O_RDONLY | O_CLOEXEC);
	bool yes = read(fd, buf, sizeof buf - 1) >= 0 && strcmp(buf, text) == 0;

	close(fd);
	return yes;
}

static bool is_gone(const char *name)
{
	return faccessat(work, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0;
}

/* 0, or which step went wrong. */
static int move_all(void)
{
	put("file", "new");
	if (move_new(work, "file", work, "there") != 0 || !has("there", "new") || !is_gone("file"))
		return 1;
	put("file", "newer");
	if (move_new(work, "file", work, "there") != -EEXIST || !has("there", "new"))
		return 2;
	symlinkat("nowhere", work, "link");
	if (move_new(work, "file", work, "link") != -EEXIST || !is_gone("nowhere"))
		return 3;
	mkdirat(work, "dir", 0755);
	put("dir/a", "in it");
	if (move_new(work, "dir", work, "there") != -EEXIST || !has("dir/a", "in it"))
		return 4;
	if (move_new(work, "dir", work, "link") != -EEXIST || !is_gone("nowhere"))
		return 5;
	if (move_new(work, "dir", work, "moved") != 0 || !has("moved/a", "in it") || !is_gone("dir"))
		return 6;
	/* Also an empty one is somebody's. */
	mkdirat(work, "empty", 0755);
	mkdirat(work, "dir", 0755);
	put("dir/b", "");
	if (move_new(work, "dir", work, "empty") != -EEXIST || !is_gone("empty/b"))
		return 7;
	if (move_new(work, "dir", work, "no/such") != -ENOENT)
		return 8;
	return 0;
}

/* In a child, which these system calls fail. */
static int move_without(int call, uint32_t flags, int errnum)
{
	char dir[] = "/var/tmp/cisandbox-test-move.XXXXXX", command[80];
	int status = -1;
	pid_t pid;

	assert_non_null(mkdtemp(dir));
	pid = fork();
	if (pid == 0) {
		scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);

		work = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (flags)
			seccomp_rule_add(filter, SCMP_ACT_ERRNO((uint32_t)errnum), call, 1,
					 SCMP_A4(SCMP_CMP_EQ, flags));
		if (flags && seccomp_load(filter) < 0)
			_exit(99);
		_exit(move_all());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	snprintf(command, sizeof command, "rm -rf %s", dir);
	assert_int_equal(system(command), 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 98;
}

static void test_move(void **state)
{
	const int call = SCMP_SYS(renameat2);

	(void)state;
	assert_int_equal(move_without(call, 0, 0), 0);
	assert_int_equal(move_without(call, RENAME_NOREPLACE, EINVAL), 0);
	assert_int_equal(move_without(call, RENAME_NOREPLACE, ENOSYS), 0);
	/* Anything else is the answer. */
	assert_int_equal(move_without(call, RENAME_NOREPLACE, EIO), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_move),
		cmocka_unit_test(test_links),
		cmocka_unit_test(test_requests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
