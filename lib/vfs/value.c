/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What may be written to a virtual file, judged as the kernel would: numbers of /proc/sys
 * in any base that C has, apart by blanks; parameters of modules as one number and
 * nothing else; strings up to the end of their line.
 */
#include <errno.h>
#include <string.h>

#include "../base/macros.h"
#include "files.h"

/* The kernel takes no longer ones, whatever is in them. */
#define NUMBER_MAX 20

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n';
}

static size_t skip_blanks(const char *s, size_t n, size_t at)
{
	while (at < n && is_blank(s[at]))
		at++;
	return at;
}

static unsigned int digit(char c)
{
	return c >= '0' && c <= '9'   ? (unsigned int)(c - '0')
	       : c >= 'a' && c <= 'f' ? (unsigned int)(c - 'a' + 10)
	       : c >= 'A' && c <= 'F' ? (unsigned int)(c - 'A' + 10)
				      : 16;
}

/* "0x" and "0" say the base, as in C. */
static unsigned int read_base(const char *s, size_t n, size_t *i)
{
	if (*i + 1 >= n || s[*i] != '0')
		return 10;
	if (s[*i + 1] != 'x' && s[*i + 1] != 'X')
		return 8;
	if (*i + 2 >= n || digit(s[*i + 2]) >= 16)
		return 8; /* which ends at the x */
	*i += 2;
	return 16;
}

/* One number that ends at a blank or at the end. */
static int read_int(const char *s, size_t n, size_t *at, int64_t *ret)
{
	bool negative = *at < n && s[*at] == '-';
	size_t i = *at + negative, first = i;
	unsigned int base = read_base(s, n, &i);
	uint64_t v = 0;

	if (first == n || digit(s[first]) >= 10)
		return -EINVAL;
	for (; i < n && digit(s[i]) < base; i++) {
		if (v > ((uint64_t)INT64_MAX - digit(s[i])) / base)
			return -EINVAL;
		v = v * base + digit(s[i]);
	}
	if (i - *at > NUMBER_MAX || (i < n && !is_blank(s[i])))
		return -EINVAL;
	*at = i;
	*ret = negative ? -(int64_t)v : (int64_t)v;
	return 0;
}

static int put_int(const struct vfs_file *f, int64_t v, struct text *out)
{
	if (v < f->min || v > f->max)
		return -EINVAL;
	text_str(out, v < 0 ? "-" : "");
	text_num(out, (uint64_t)(v < 0 ? -v : v));
	return 0;
}

/* The numbers from the @i-th on stay what they were. */
static void keep_rest(const char *old, size_t i, struct text *out)
{
	while (i-- > 0) {
		while (is_blank(*old))
			old++;
		while (*old && !is_blank(*old))
			old++;
	}
	text_bytes(out, old, strcspn(old, "\n"));
}

/* Fewer numbers than the file has are taken too; of what comes after them nothing is. */
int value_ints(const struct vfs_file *f, const char *old, const char *text, size_t len,
	       struct text *out)
{
	size_t at = skip_blanks(text, len, 0), i;

	for (i = 0; i < f->values && (i == 0 || at < len); i++) {
		int64_t v;
		int r = read_int(text, len, &at, &v);

		text_str(out, i ? "\t" : "");
		if (r >= 0)
			r = put_int(f, v, out);
		if (r < 0)
			return r;
		at = skip_blanks(text, len, at);
	}
	if (i < f->values)
		keep_rest(old, i, out);
	text_str(out, "\n");
	return (int)at;
}

int value_parameter(const struct vfs_file *f, const char *old, const char *text, size_t len,
		    struct text *out)
{
	size_t at = 0;
	int64_t v;
	int r = len && text[0] != '-' ? read_int(text, len, &at, &v) : -EINVAL;

	(void)old;
	if (r >= 0 && at + (at < len && text[at] == '\n') != len)
		r = -EINVAL;
	if (r >= 0)
		r = put_int(f, v, out);
	text_str(out, "\n");
	return r < 0 ? r : (int)len;
}

/* Up to @max bytes; more are taken, and cut off. */
int value_string(const struct vfs_file *f, const char *old, const char *text, size_t len,
		 struct text *out)
{
	const char *end = memchr(text, '\n', len), *nul = memchr(text, '\0', len);
	size_t n = end ? (size_t)(end - text) : len;

	(void)old;
	if (nul && (size_t)(nul - text) < n)
		n = (size_t)(nul - text);
	text_bytes(out, text, MIN(n, (size_t)f->max));
	text_str(out, "\n");
	return (int)len;
}
