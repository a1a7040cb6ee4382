/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From a value to the words by which it would show. Logs are read line by line, and tools
 * print values line by line, indented anew; so each line is a word. Base64 is what tools do to
 * values most: its characters hold six bits, so what the value looks like depends on where
 * in what is encoded it begins, modulo three, and the characters at both ends are
 * partly its neighbours'. These are left out.
 */
#include <errno.h>
#include <string.h>

#include "../base/str.h"
#include "mask.h"

#define LINE_IN_BASE64 76u /* where base64(1) wraps */
#define BASE64_MIN 8u      /* fewer characters are often a word of some other kind */

struct text {
	const char *at;
	size_t len;
};

/* Side by side; the last one reaches back, so that none is short. */
static int add_long(struct mask *m, struct text t, size_t max)
{
	int r = 0;

	for (size_t at = 0; at + max < t.len && r >= 0; at += max)
		r = mask_add_word(m, t.at + at, max);
	return r < 0 ? r : mask_add_word(m, t.at + (t.len > max ? t.len - max : 0),
					 MIN(t.len, max));
}

/* The last line of what was wrapped does not reach back. */
static int add_wrapped(struct mask *m, struct text t)
{
	size_t rest = t.len % LINE_IN_BASE64;

	if (t.len <= LINE_IN_BASE64 || rest < BASE64_MIN)
		return 0;
	return mask_add_word(m, t.at + t.len - rest, rest);
}

/* The six bits from @bit on of what stands @shift bytes in. */
static unsigned int six_bits(struct text t, size_t shift, size_t bit)
{
	unsigned int v = 0;

	for (size_t i = bit; i < bit + 6; i++)
		v = v << 1 | ((unsigned char)t.at[i / 8 - shift] >> (7 - i % 8) & 1);
	return v;
}

/* Its last two digits are what tells the two kinds of base64 apart. 1: it has one of them. */
static int add_base64(struct mask *m, struct text t, size_t shift, const char *last_two)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
	size_t first = (8 * shift + 5) / 6, end = 8 * (shift + t.len) / 6;
	int r, has_last = 0;
	struct text out;
	char *p;

	if (end < first + BASE64_MIN)
		return 0;
	p = mask_make_room(m, end - first);
	if (!p)
		return -ENOMEM;
	for (size_t i = first; i < end; i++) {
		unsigned int v = six_bits(t, shift, 6 * i);

		has_last |= v >= 62;
		p[i - first] = v < 62 ? digits[v] : last_two[v - 62];
	}
	out = (struct text){p, end - first};
	r = add_long(m, out, LINE_IN_BASE64);
	if (r >= 0 && !shift)
		r = add_wrapped(m, out);
	return r < 0 ? r : has_last;
}

static int add_encoded(struct mask *m, struct text t)
{
	int r = 0;

	for (size_t shift = 0; shift < 3 && r >= 0; shift++) {
		r = add_base64(m, t, shift, "+/");
		if (r > 0)
			r = add_base64(m, t, shift, "-_");
	}
	return r;
}

/* As errors show it, in which what a terminal would obey has become "?". */
static int add_tamed(struct mask *m, struct text t)
{
	bool may_change = false;
	char *p;

	for (size_t i = 0; i < t.len; i++)
		may_change = may_change || (unsigned char)t.at[i] < ' ' ||
			     (unsigned char)t.at[i] >= 0x7f;
	if (!may_change)
		return 0;
	p = mask_make_room(m, t.len + 1);
	if (!p)
		return -ENOMEM;
	memcpy(p, t.at, t.len);
	p[t.len] = '\0';
	str_tame(p);
	if (strlen(p) < MASK_WORD_MIN || memcmp(p, t.at, strlen(p)) == 0)
		return 0;
	return add_long(m, (struct text){p, strlen(p)}, MASK_WORD_MAX);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct text without_blanks(struct text t)
{
	for (; t.len && is_blank(t.at[0]); t.at++)
		t.len--;
	while (t.len && is_blank(t.at[t.len - 1]))
		t.len--;
	return t;
}

int mask_add_value(struct mask *m, const char *value, size_t len)
{
	struct text whole = {value, len};
	int added = 0;

	while (whole.len && (whole.at[whole.len - 1] == '\n' || whole.at[whole.len - 1] == '\r'))
		whole.len--;
	if (whole.len > MASK_VALUE_MAX)
		return 0;
	for (size_t at = 0; at < whole.len;) {
		const char *nl = memchr(value + at, '\n', whole.len - at);
		size_t end = nl ? (size_t)(nl - value) : whole.len;
		struct text line = without_blanks((struct text){value + at, end - at});

		at = end + 1;
		if (line.len < MASK_WORD_MIN)
			continue;
		if (add_long(m, line, MASK_WORD_MAX) < 0 || add_tamed(m, line) < 0 ||
		    add_encoded(m, line) < 0)
			return -ENOMEM;
		added = 1;
	}
	return added && add_encoded(m, whole) < 0 ? -ENOMEM : added;
}
