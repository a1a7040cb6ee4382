/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "str.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

int str_set(char **dst, const char *src)
{
	char *copy = NULL;

	if (src) {
		copy = strdup(src);
		if (!copy)
			return -ENOMEM;
	}
	free(*dst);
	*dst = copy;
	return 0;
}

int str_format(char **ret, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(ret, fmt, ap);
	va_end(ap);
	if (n >= 0)
		return 0;
	*ret = NULL;
	return -ENOMEM;
}

size_t str_utf8(const char *s, size_t n, unsigned *ret)
{
	static const unsigned least[] = {0, 0, 0x80, 0x800, 0x10000};
	unsigned char c = (unsigned char)*s;
	size_t len = c < 0x80 ? 1 : c < 0xc0 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
	unsigned code = len == 1 ? c : c & (0x7fU >> len);

	if (len == 0 || len > n || c >= 0xf8)
		return 0;
	for (size_t i = 1; i < len; i++) {
		if (((unsigned char)s[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | ((unsigned char)s[i] & 0x3f);
	}
	if (code < least[len] || code > 0x10ffff || (code & ~0x7ffU) == 0xd800)
		return 0;
	*ret = code;
	return len;
}

/* Steers the terminal, ends a line, or has letters change places. */
static bool is_wild(unsigned code)
{
	return code < ' ' || (code >= 0x7f && code <= 0x9f) || code == 0x61c ||
	       code == 0x200e || code == 0x200f || (code >= 0x2028 && code <= 0x202e) ||
	       (code >= 0x2066 && code <= 0x2069);
}

void str_tame(char *s)
{
	char *to = s;

	while (*s) {
		unsigned code;
		size_t n = str_utf8(s, strnlen(s, 4), &code);

		if (n == 0 || is_wild(code)) {
			*to++ = '?';
		} else {
			memmove(to, s, n);
			to += n;
		}
		s += MAX(n, (size_t)1);
	}
	*to = '\0';
}

bool str_starts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

void strv_done(struct strv *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i]);
	free(l->v);
	*l = (struct strv){0};
}

int strv_add(struct strv *l, const char *s)
{
	char **bigger = reallocarray(l->v, l->n + 2, sizeof *bigger);
	char *copy;

	if (!bigger)
		return -ENOMEM;
	l->v = bigger;
	copy = strdup(s);
	if (!copy) {
		l->v[l->n] = NULL;
		return -ENOMEM;
	}
	l->v[l->n++] = copy;
	l->v[l->n] = NULL;
	return 0;
}

int strv_set(struct strv *l, char *const argv[])
{
	strv_done(l);
	for (size_t i = 0; argv[i]; i++) {
		int r = strv_add(l, argv[i]);

		if (r < 0)
			return r;
	}
	return 0;
}

struct unit {
	const char *suffix;
	uint64_t factor;
};

/*
 * A decimal number, at most three places behind the point, times a unit.
 * Integers throughout: a limit must not depend on floating-point rounding.
 */
static int parse_scaled(const char *s, const struct unit *units, size_t n, uint64_t *ret)
{
	uint64_t whole = 0, rest = 0, place = 100, factor = 0;
	const char *p = s;

	if (!isdigit((unsigned char)*p))
		return -EINVAL;
	for (; isdigit((unsigned char)*p); p++)
		if (__builtin_mul_overflow(whole, 10, &whole) ||
		    __builtin_add_overflow(whole, (uint64_t)(*p - '0'), &whole))
			return -ERANGE;
	if (*p == '.') {
		if (!isdigit((unsigned char)*++p))
			return -EINVAL;
		for (; isdigit((unsigned char)*p); p++, place /= 10)
			rest += (uint64_t)(*p - '0') * place;
	}
	for (size_t i = 0; i < n && !factor; i++)
		if (strcasecmp(p, units[i].suffix) == 0)
			factor = units[i].factor;
	if (!factor)
		return -EINVAL;
	/* 128 bits, so that neither a big number nor a big unit loses digits. */
	unsigned __int128 value = ((unsigned __int128)whole * 1000 + rest) * factor / 1000;

	if (value > UINT64_MAX)
		return -ERANGE;
	*ret = (uint64_t)value;
	return 0;
}

int str_parse_size(const char *s, uint64_t *ret_bytes)
{
	static const struct unit units[] = {
		{"", 1},           {"b", 1},
		{"k", 1ULL << 10}, {"kb", 1ULL << 10}, {"kib", 1ULL << 10},
		{"m", 1ULL << 20}, {"mb", 1ULL << 20}, {"mib", 1ULL << 20},
		{"g", 1ULL << 30}, {"gb", 1ULL << 30}, {"gib", 1ULL << 30},
		{"t", 1ULL << 40}, {"tb", 1ULL << 40}, {"tib", 1ULL << 40},
	};

	return parse_scaled(s, units, ARRAY_SIZE(units), ret_bytes);
}

int str_parse_duration(const char *s, uint64_t *ret_ms)
{
	static const struct unit units[] = {
		{"", 1000},    {"ms", 1},      {"s", 1000},
		{"m", 60000},  {"h", 3600000}, {"d", 86400000},
	};

	return parse_scaled(s, units, ARRAY_SIZE(units), ret_ms);
}

int str_parse_cpus(const char *s, uint64_t *ret_milli)
{
	static const struct unit units[] = {{"", 1000}};

	return parse_scaled(s, units, ARRAY_SIZE(units), ret_milli);
}

int str_parse_u64(const char *s, uint64_t *ret)
{
	static const struct unit units[] = {{"", 1}};

	if (strchr(s, '.'))
		return -EINVAL;
	return parse_scaled(s, units, ARRAY_SIZE(units), ret);
}
