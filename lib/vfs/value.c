/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What may be written to a virtual /proc/sys file, judged as the kernel would. */
#include <errno.h>
#include <string.h>

#include "../base/macros.h"
#include "files.h"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\0';
}

static size_t skip_blanks(const char *s, size_t n, size_t at)
{
	while (at < n && is_blank(s[at]))
		at++;
	return at;
}

/* One decimal number that ends at a blank or at the end. */
static int read_int(const char *s, size_t n, size_t *at, int64_t *ret)
{
	bool negative = *at < n && s[*at] == '-';
	size_t i = *at + negative, first = i;
	uint64_t v = 0;

	for (; i < n && s[i] >= '0' && s[i] <= '9'; i++) {
		if (v > ((uint64_t)INT64_MAX - 9) / 10)
			return -EINVAL;
		v = v * 10 + (uint64_t)(s[i] - '0');
	}
	if (i == first || (i < n && !is_blank(s[i])))
		return -EINVAL;
	*at = i;
	*ret = negative ? -(int64_t)v : (int64_t)v;
	return 0;
}

/* The numbers from the @i-th on stay what they were. */
static void keep_rest(const char *old, size_t i, struct text *out)
{
	while (i-- > 0) {
		while (is_blank(*old) && *old)
			old++;
		while (!is_blank(*old))
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

		if (r < 0)
			return r;
		if (v < f->min || v > f->max)
			return -EINVAL;
		text_str(out, i ? "\t" : "");
		text_str(out, v < 0 ? "-" : "");
		text_num(out, (uint64_t)(v < 0 ? -v : v));
		at = skip_blanks(text, len, at);
	}
	if (i < f->values)
		keep_rest(old, i, out);
	text_str(out, "\n");
	return 0;
}
