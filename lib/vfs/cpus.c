/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cpus.h"

#include "../base/macros.h"

#define WORD_BITS 32

void cpus_list(const cpu_set_t *set, struct text *out)
{
	bool first = true;

	for (size_t i = 0; i < CPU_SETSIZE; i++) {
		size_t end = i;

		if (!CPU_ISSET(i, set))
			continue;
		while (end + 1 < CPU_SETSIZE && CPU_ISSET(end + 1, set))
			end++;
		text_str(out, first ? "" : ",");
		text_num(out, i);
		if (end > i) {
			text_str(out, "-");
			text_num(out, end);
		}
		first = false;
		i = end;
	}
	text_str(out, "\n");
}

static uint32_t word_of(const cpu_set_t *set, size_t word)
{
	uint32_t v = 0;

	for (size_t bit = 0; bit < WORD_BITS; bit++)
		if (CPU_ISSET(word * WORD_BITS + bit, set))
			v |= UINT32_C(1) << bit;
	return v;
}

/* The first word without zeros before it, as wide as the number; the others with. */
static void hex(struct text *out, uint32_t v, bool pad)
{
	for (int shift = WORD_BITS - 4; shift >= 0; shift -= 4) {
		pad = pad || v >> shift || !shift;
		if (pad)
			text_bytes(out, &"0123456789abcdef"[v >> shift & 15], 1);
	}
}

void cpus_mask(const cpu_set_t *set, struct text *out)
{
	size_t word = CPU_SETSIZE / WORD_BITS;
	bool begun = false;

	while (word-- > 0) {
		uint32_t v = word_of(set, word);

		if (!begun && !v && word)
			continue;
		text_str(out, begun ? "," : "");
		hex(out, v, begun);
		begun = true;
	}
	text_str(out, "\n");
}

void cpus_parse_list(const char *s, cpu_set_t *ret)
{
	CPU_ZERO(ret);
	while (*s >= '0' && *s <= '9') {
		uint64_t first = text_read_num(s, &s), last = first;

		if (*s == '-')
			last = text_read_num(s + 1, &s);
		for (uint64_t i = first; i <= MIN(last, (uint64_t)CPU_SETSIZE - 1); i++)
			CPU_SET(i, ret);
		if (*s == ',')
			s++;
	}
}
