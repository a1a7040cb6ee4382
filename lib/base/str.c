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

/* How many bytes at @s are one character that str_tame() takes away; 0: none. */
static size_t count_wild(const unsigned char *s)
{
	if (s[0] < ' ' || s[0] == 127)
		return 1;
	if (s[0] == 0xc2 && (s[1] & 0xe0) == 0x80) /* U+0080 to U+009F */
		return 2;
	if (s[0] == 0xd8 && s[1] == 0x9c) /* U+061C */
		return 2;
	if (s[0] != 0xe2)
		return 0;
	/* U+200E, U+200F, and U+2028 to U+202E, two of which end a line; U+2066 to U+2069 */
	if (s[1] == 0x80 && (s[2] == 0x8e || s[2] == 0x8f || (s[2] >= 0xa8 && s[2] <= 0xae)))
		return 3;
	return s[1] == 0x81 && s[2] >= 0xa6 && s[2] <= 0xa9 ? 3 : 0;
}

void str_tame(char *s)
{
	char *to = s;

	while (*s) {
		size_t n = count_wild((const unsigned char *)s);

		*to++ = n ? '?' : *s;
		s += n ? n : 1;
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
