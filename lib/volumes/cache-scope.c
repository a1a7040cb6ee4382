/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cache-scope.h"

#include <string.h>

/* What forges have in names of branches, and nothing that a shell, a list or a pattern has. */
static const char characters[] =
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/@+=#";

/* @n bytes at @label; with @star an asterisk may be the last. */
static bool label_is_valid(const char *label, size_t n, bool star)
{
	if (star && n && label[n - 1] == '*')
		return memchr(label, '*', n - 1) == NULL;
	if (n == 0 || (n == 1 && label[0] == '.') || (n == 2 && memcmp(label, "..", 2) == 0))
		return false;
	return memchr(label, '*', n) == NULL;
}

static bool is_valid(const char *text, bool star)
{
	size_t n = strlen(text);

	if (n > CACHE_SCOPE_LEN)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!strchr(characters, text[i]) && !(star && text[i] == '*'))
			return false;
	for (;;) {
		n = strcspn(text, "/");
		if (!label_is_valid(text, n, star))
			return false;
		if (!text[n])
			return true;
		text += n + 1;
	}
}

bool cache_scope_is_valid(const char *scope)
{
	return is_valid(scope, false);
}

bool cache_pattern_is_valid(const char *pattern)
{
	return is_valid(pattern, true);
}

static bool label_matches(const char *pattern, size_t np, const char *scope, size_t ns)
{
	if (pattern[np - 1] == '*')
		return ns >= np && memcmp(pattern, scope, np - 1) == 0;
	return ns == np && memcmp(pattern, scope, np) == 0;
}

bool cache_pattern_matches(const char *pattern, const char *scope)
{
	for (;;) {
		size_t np = strcspn(pattern, "/"), ns = strcspn(scope, "/");

		if (!np || !ns || !label_matches(pattern, np, scope, ns) ||
		    pattern[np] != scope[ns])
			return false;
		if (!pattern[np])
			return true;
		pattern += np + 1;
		scope += ns + 1;
	}
}

bool cache_scope_is_among(const struct strv *patterns, const char *scope)
{
	for (size_t i = 0; i < patterns->n; i++)
		if (cache_pattern_matches(patterns->v[i], scope))
			return true;
	return false;
}
