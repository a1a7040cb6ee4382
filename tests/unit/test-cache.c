/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lib/volumes/cache-scope.c: who is meant by a pattern, and what is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/macros.h"
#include "volumes/cache-scope.h"

static void test_scopes(void **state)
{
	static const char *const good[] = {"main", "release/1.2", "pr-17", "a", "feature/#4/x",
					   "user@host+x=y", "..a", "a..", "v1.0"};
	static const char *const bad[] = {"", "/", "/main", "main/", "a//b", ".", "..", "a/../b",
					  "./a", "*", "a*", "a b", "a,b", "a\n", "a:b", "\xc3\xa4",
					  "a\\b", "-\x7f", "a'"};
	char longest[CACHE_SCOPE_LEN + 2];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		if (!cache_scope_is_valid(good[i]) || !cache_pattern_is_valid(good[i]))
			fail_msg("refused: %s", good[i]);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (cache_scope_is_valid(bad[i]))
			fail_msg("taken: %s", bad[i]);
	memset(longest, 'a', sizeof longest);
	longest[CACHE_SCOPE_LEN + 1] = '\0';
	assert_false(cache_scope_is_valid(longest));
	longest[CACHE_SCOPE_LEN] = '\0';
	assert_true(cache_scope_is_valid(longest));
}

static void test_patterns(void **state)
{
	static const char *const good[] = {"*", "a*", "*/*", "release/*", "team-*/main"};
	static const char *const bad[] = {"", "**", "a**", "*a", "a*b", "*/", "/*", "a//*", "../*",
					  "a*/..", "a,*", "[a]*", "a?"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		if (!cache_pattern_is_valid(good[i]))
			fail_msg("refused: %s", good[i]);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (cache_pattern_is_valid(bad[i]))
			fail_msg("taken: %s", bad[i]);
}

static void test_matches(void **state)
{
	static const struct {
		const char *pattern, *scope;
		bool matches;
	} cases[] = {
		{"main", "main", true},		  {"main", "Main", false},
		{"main", "main2", false},	  {"main", "mai", false},
		{"main", "x/main", false},	  {"main", "main/x", false},
		{"release/*", "release/1", true}, {"release/*", "release", false},
		{"release/*", "release/1/2", false}, {"release/*", "prerelease/1", false},
		{"pr-*", "pr-17", true},	  {"pr-*", "pr-", false},
		{"pr-*", "pr-1/main", false},	  {"*", "anything", true},
		{"*", "any/thing", false},	  {"*/main", "team/main", true},
		{"*/main", "main", false},	  {"team-*/main", "team-a/main", true},
		{"team-*/main", "team-a/b/main", false}, {"team-*/main", "team-/main", false},
		{"a/b", "a", false},		  {"a", "a/b", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (cache_pattern_matches(cases[i].pattern, cases[i].scope) != cases[i].matches)
			fail_msg("%s and %s", cases[i].pattern, cases[i].scope);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scopes),
		cmocka_unit_test(test_patterns),
		cmocka_unit_test(test_matches),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
