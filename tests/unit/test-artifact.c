/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lib/guard/artifact*: which links stay in the tree; what may be asked for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/macros.h"
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
		if (artifact_link_stays(cases[i].target, cases[i].depth) != cases[i].stays)
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_links),
		cmocka_unit_test(test_requests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
