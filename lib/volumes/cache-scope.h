/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Trust scopes: who may write to a cache, and who may read it. A scope is said by whoever
 * starts a sandbox ("main", "release/1.2", "pr-17"), a pattern by whoever made the cache.
 *
 * Both are labels with "/" between them. In a pattern a label may end in "*", which stands for one
 * or more characters of that label, so never for a "/".
 */
#ifndef CIS_CACHE_SCOPE_H
#define CIS_CACHE_SCOPE_H

#include <stdbool.h>

#include "../base/error.h"
#include "../base/str.h"

#define CACHE_SCOPE_LEN 255

bool cache_scope_is_valid(const char *scope);
bool cache_pattern_is_valid(const char *pattern);
/* Both must be valid. */
bool cache_pattern_matches(const char *pattern, const char *scope);
bool cache_scope_is_among(const struct strv *patterns, const char *scope);

#endif
