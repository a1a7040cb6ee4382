/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "name.h"

#include <errno.h>

int name_canonical(const char *text, size_t len, char ret[static NAME_MAX_LEN + 1])
{
	size_t label = 0;

	if (len > 0 && text[len - 1] == '.')
		len--;
	if (len == 0 || len > NAME_MAX_LEN)
		return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (c >= 'A' && c <= 'Z')
			c = (char)(c - 'A' + 'a');
		if (c == '.' ? label == 0 : label == 63)
			return -EINVAL;
		if (c != '.' && c != '-' && c != '_' && !(c >= 'a' && c <= 'z') &&
		    !(c >= '0' && c <= '9'))
			return -EINVAL;
		label = c == '.' ? 0 : label + 1;
		ret[i] = c;
	}
	ret[len] = '\0';
	return label > 0 ? 0 : -EINVAL;
}
