/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "num.h"

#include <string.h>

void num_append(char *buf, size_t size, unsigned long long v)
{
	char digits[24];
	size_t n = sizeof digits, used = strlen(buf);

	digits[--n] = '\0';
	do
		digits[--n] = (char)('0' + v % 10);
	while ((v /= 10) > 0);
	for (const char *p = digits + n; *p && used + 1 < size; p++)
		buf[used++] = *p;
	buf[used] = '\0';
}
