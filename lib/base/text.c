/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "text.h"

#include <string.h>

#include "macros.h"

void text_bytes(struct text *t, const char *s, size_t n)
{
	n = MIN(n, t->size - t->len);
	memcpy(t->buf + t->len, s, n);
	t->len += n;
}

void text_str(struct text *t, const char *s)
{
	text_bytes(t, s, strlen(s));
}

void text_num_pad(struct text *t, uint64_t v, unsigned int width)
{
	char digits[20];
	size_t n = sizeof digits;

	do
		digits[--n] = (char)('0' + v % 10);
	while ((v /= 10) > 0);
	for (size_t used = sizeof digits - n; used < width; used++)
		text_bytes(t, " ", 1);
	text_bytes(t, digits + n, sizeof digits - n);
}

void text_num(struct text *t, uint64_t v)
{
	text_num_pad(t, v, 0);
}

void text_hundredths(struct text *t, uint64_t hundredths)
{
	text_num(t, hundredths / 100);
	text_str(t, hundredths % 100 < 10 ? ".0" : ".");
	text_num(t, hundredths % 100);
}

uint64_t text_read_num(const char *s, const char **ret_end)
{
	uint64_t v = 0;

	while (*s == ' ' || *s == '\t')
		s++;
	for (; *s >= '0' && *s <= '9'; s++)
		v = v * 10 + (uint64_t)(*s - '0');
	if (ret_end)
		*ret_end = s;
	return v;
}

const char *text_next_line(const char *s)
{
	const char *end = strchr(s, '\n');

	return end ? end + 1 : s + strlen(s);
}

uint64_t text_find_num(const char *s, const char *key, uint64_t fallback)
{
	size_t n = strlen(key);

	for (; *s; s = text_next_line(s))
		if (strncmp(s, key, n) == 0)
			return text_read_num(s + n, NULL);
	return fallback;
}
