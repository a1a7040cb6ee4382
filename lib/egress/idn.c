/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Punycode as RFC 3492 has it, for one label. */
#include "idn.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "../base/macros.h"
#include "idn-table.h"

enum { BASE = 36, T_MIN = 1, T_MAX = 26, SKEW = 38, DAMP = 700, BIAS = 72, FIRST = 0x80 };

#define PREFIX "xn--"
#define PREFIX_LEN 4

struct label {
	uint32_t character[NAME_LABEL_MAX];
	size_t n;
};

/* ---- which characters -------------------------------------------------------------------- */

static bool is_taken(uint32_t c)
{
	size_t from = 0, to = ARRAY_SIZE(idn_runs);

	while (from < to) {
		size_t mid = (from + to) / 2;

		if (c < idn_runs[mid].first)
			to = mid;
		else if (c > idn_runs[mid].last)
			from = mid + 1;
		else
			return (c - idn_runs[mid].first) % idn_runs[mid].step == 0;
	}
	return false;
}

/* Alphabets with letters that look the same: each a bit. */
static unsigned int alphabet(uint32_t c)
{
	if ((c >= 'a' && c <= 'z') || (c >= 0xdf && c <= 0x24f) ||
	    (c >= 0x1e00 && c <= 0x1eff))
		return 1;
	if ((c >= 0x370 && c <= 0x3ff) || (c >= 0x1f00 && c <= 0x1fff))
		return 2;
	if ((c >= 0x400 && c <= 0x52f) || (c >= 0x1c80 && c <= 0x1c8f) ||
	    (c >= 0xa640 && c <= 0xa69f))
		return 4;
	return 0;
}

static int fail(struct idn_problem *p, enum idn_fault fault, uint32_t character)
{
	*p = (struct idn_problem){fault, character};
	return -EINVAL;
}

static int judge(const struct label *l, struct idn_problem *p)
{
	unsigned int alphabets = 0;

	for (size_t i = 0; i < l->n; i++) {
		if (l->character[i] >= FIRST && !is_taken(l->character[i]))
			return fail(p, IDN_CHARACTER, l->character[i]);
		alphabets |= alphabet(l->character[i]);
	}
	if (alphabets & (alphabets - 1))
		return fail(p, IDN_MIXED, 0);
	return 0;
}

/* One character of UTF-8 in its shortest form. Its length, or 0. */
static size_t read_utf8(const char *text, size_t len, uint32_t *ret)
{
	static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
	const unsigned char *s = (const unsigned char *)text;
	size_t n = s[0] < 0x80 ? 1 : s[0] < 0xc0 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	uint32_t c = n == 1 ? s[0] : s[0] & (0x7fU >> n);

	if (n == 0 || n > len || s[0] >= 0xf8)
		return 0;
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < smallest[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	*ret = c;
	return n;
}

size_t idn_shows(const char *text, size_t len)
{
	uint32_t c;
	size_t n = read_utf8(text, len, &c);

	/* Capitals of Latin, Greek and Cyrillic: what is left out there is no letter. */
	return n > 1 && (is_taken(c) || (c >= 0xc0 && c <= 0x24f) || (c >= 0x386 && c <= 0x481))
		       ? n
		       : 0;
}

static int read_label(const char *text, size_t len, struct label *ret, struct idn_problem *p)
{
	ret->n = 0;
	for (size_t i = 0; i < len;) {
		uint32_t c;
		size_t n = read_utf8(text + i, len - i, &c);

		if (n == 0)
			return fail(p, IDN_UTF8, (unsigned char)text[i]);
		if (ret->n == NAME_LABEL_MAX)
			return fail(p, IDN_LENGTH, 0);
		ret->character[ret->n++] = c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c;
		i += n;
	}
	return 0;
}

/* ---- punycode ---------------------------------------------------------------------------- */

static uint32_t adapt(uint32_t delta, uint32_t n, bool first)
{
	uint32_t k = 0;

	delta /= first ? DAMP : 2;
	delta += delta / n;
	for (; delta > (BASE - T_MIN) * T_MAX / 2; k += BASE)
		delta /= BASE - T_MIN;
	return k + (BASE - T_MIN + 1) * delta / (delta + SKEW);
}

static uint32_t threshold(uint32_t k, uint32_t bias)
{
	return k <= bias + T_MIN ? T_MIN : k >= bias + T_MAX ? T_MAX : k - bias;
}

static char digit(uint32_t v)
{
	return (char)(v < 26 ? 'a' + v : '0' + v - 26);
}

static int digit_value(char c)
{
	return c >= 'a' && c <= 'z' ? c - 'a' : c >= '0' && c <= '9' ? c - '0' + 26 : -1;
}

struct text {
	char s[NAME_LABEL_MAX + 1];
	size_t n;
	bool full;
};

static void put(struct text *t, char c)
{
	if (t->n < NAME_LABEL_MAX)
		t->s[t->n++] = c;
	else
		t->full = true;
}

static void put_number(struct text *t, uint32_t v, uint32_t bias)
{
	for (uint32_t k = BASE;; k += BASE) {
		uint32_t min = threshold(k, bias);

		if (v < min)
			break;
		put(t, digit(min + (v - min) % (BASE - min)));
		v = (v - min) / (BASE - min);
	}
	put(t, digit(v));
}

/* No overflow: 63 characters below 0x110000 are less than 2^27. -EINVAL: too long. */
static int encode(const struct label *l, struct text *ret)
{
	uint32_t at = FIRST, bias = BIAS, delta = 0, done = 0, basic;

	*ret = (struct text){.n = 0};
	for (size_t i = 0; i < PREFIX_LEN; i++)
		put(ret, PREFIX[i]);
	for (size_t i = 0; i < l->n; i++) {
		if (l->character[i] < FIRST) {
			put(ret, (char)l->character[i]);
			done++;
		}
	}
	basic = done;
	if (basic)
		put(ret, '-');
	while (done < l->n) {
		uint32_t next = UINT32_MAX;

		for (size_t i = 0; i < l->n; i++)
			if (l->character[i] >= at && l->character[i] < next)
				next = l->character[i];
		delta += (next - at) * (done + 1);
		for (size_t i = 0; i < l->n; i++) {
			if (l->character[i] < next)
				delta++;
			if (l->character[i] != next)
				continue;
			put_number(ret, delta, bias);
			bias = adapt(delta, done + 1, done == basic);
			done++;
			delta = 0;
		}
		delta++;
		at = next + 1;
	}
	return ret->full ? -EINVAL : 0;
}

/* Reads a number, *at moving behind it. -EINVAL. */
static int get_number(const char *s, size_t len, size_t *at, uint32_t bias, uint64_t *ret)
{
	uint64_t weight = 1;

	*ret = 0;
	for (uint32_t k = BASE;; k += BASE) {
		uint32_t min = threshold(k, bias);
		int v = *at < len ? digit_value(s[(*at)++]) : -1;

		if (v < 0)
			return -EINVAL;
		*ret += (uint64_t)v * weight;
		if (*ret > UINT32_MAX)
			return -EINVAL;
		if ((uint32_t)v < min)
			return 0;
		weight *= BASE - min;
		if (weight > UINT32_MAX)
			return -EINVAL;
	}
}

/* @s: what follows the prefix, in small letters. */
static int decode(const char *s, size_t len, struct label *ret)
{
	uint64_t at = FIRST, place = 0, number;
	uint32_t bias = BIAS;
	size_t from = 0;

	ret->n = 0;
	for (size_t i = len; i > 0 && !from; i--)
		if (s[i - 1] == '-')
			from = i;
	for (size_t i = 0; i + 1 < from; i++)
		ret->character[ret->n++] = (unsigned char)s[i];
	while (from < len) {
		if (get_number(s, len, &from, bias, &number) < 0 || ret->n == NAME_LABEL_MAX)
			return -EINVAL;
		bias = adapt((uint32_t)number, (uint32_t)ret->n + 1,
			     place == 0 && at == FIRST);
		place += number;
		at += place / (ret->n + 1);
		place %= ret->n + 1;
		if (at > 0x10ffff || (at >= 0xd800 && at <= 0xdfff))
			return -EINVAL;
		memmove(ret->character + place + 1, ret->character + place,
			(ret->n - place) * sizeof *ret->character);
		ret->character[place++] = (uint32_t)at;
		ret->n++;
	}
	return 0;
}

/* ---- labels ------------------------------------------------------------------------------- */

static int check_alabel(const struct label *l, struct text *spelt, struct idn_problem *p)
{
	struct text again;
	struct label meant;
	bool foreign = false;

	*spelt = (struct text){.n = 0};
	for (size_t i = 0; i < l->n; i++)
		put(spelt, (char)l->character[i]);
	if (decode(spelt->s + PREFIX_LEN, spelt->n - PREFIX_LEN, &meant) < 0)
		return fail(p, IDN_ALABEL, 0);
	for (size_t i = 0; i < meant.n; i++)
		foreign |= meant.character[i] >= FIRST;
	if (!foreign || encode(&meant, &again) < 0 || strcmp(again.s, spelt->s) != 0)
		return fail(p, IDN_ALABEL, 0);
	return 0;
}

static bool has_prefix(const struct label *l)
{
	for (size_t i = 0; i < PREFIX_LEN; i++)
		if (i >= l->n || l->character[i] != (unsigned char)PREFIX[i])
			return false;
	return true;
}

static int spell(const struct label *l, struct text *ret, struct idn_problem *p)
{
	bool foreign = false;
	int r;

	*ret = (struct text){.n = 0};
	for (size_t i = 0; i < l->n; i++) {
		foreign |= l->character[i] >= FIRST;
		put(ret, (char)l->character[i]);
	}
	if (has_prefix(l))
		return foreign ? fail(p, IDN_ALABEL, 0) : check_alabel(l, ret, p);
	if (!foreign)
		return 0;
	r = judge(l, p);
	if (r < 0)
		return r;
	return encode(l, ret) < 0 ? fail(p, IDN_LENGTH, 0) : 0;
}

int idn_to_ascii(const char *text, size_t len, char ret[static NAME_MAX_LEN + 2],
		 struct idn_problem *ret_problem)
{
	size_t used = 0;

	for (size_t from = 0, to; from <= len; from = to + 1) {
		const char *dot = memchr(text + from, '.', len - from);
		struct label l;
		struct text t;
		int r;

		to = dot ? (size_t)(dot - text) : len;
		r = read_label(text + from, to - from, &l, ret_problem);
		if (r >= 0)
			r = spell(&l, &t, ret_problem);
		if (r < 0)
			return r;
		/* One more than a name has: a dot at the end. */
		if (used + t.n + (dot != NULL) > NAME_MAX_LEN + 1)
			return fail(ret_problem, IDN_LENGTH, 0);
		memcpy(ret + used, t.s, t.n);
		used += t.n;
		if (dot)
			ret[used++] = '.';
	}
	ret[used] = '\0';
	return 0;
}
