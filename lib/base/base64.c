/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base64.h"

#include <errno.h>
#include <stdlib.h>

#include "str.h"

static int value_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

int base64_decode(const char *text, size_t len, char **ret, size_t *ret_len)
{
	cleanup_free char *out = malloc(len / 4 * 3 + 1);
	size_t n = 0, pad = 0;

	if (!out)
		return -ENOMEM;
	if (len % 4 != 0)
		return -EBADMSG;
	while (pad < 2 && pad < len && text[len - 1 - pad] == '=')
		pad++;
	for (size_t i = 0; i < len; i += 4) {
		unsigned int bits = 0;

		for (size_t k = 0; k < 4; k++) {
			int v = i + k < len - pad ? value_of(text[i + k]) : 0;

			if (v < 0)
				return -EBADMSG;
			bits = bits << 6 | (unsigned int)v;
		}
		/* Bits that the padding leaves over say nothing, or two texts mean the same. */
		if (i + 4 == len && bits & ((1U << 8 * pad) - 1))
			return -EBADMSG;
		for (int k = 16; k >= 0; k -= 8)
			out[n++] = (char)(bits >> k);
	}
	n -= pad;
	out[n] = '\0';
	*ret = steal_ptr(&out);
	*ret_len = n;
	return 0;
}
