/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "name.h"

#include <errno.h>
#include <string.h>

/* As it is compared; 0: no name has it. Not isalnum(), which follows the locale. */
static char fold(char c)
{
	if (c >= 'A' && c <= 'Z')
		return (char)(c - 'A' + 'a');
	if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_')
		return c;
	return 0;
}

int name_canonical(const char *text, size_t len, char ret[static NAME_MAX_LEN + 1])
{
	char name[NAME_MAX_LEN + 1];
	size_t label = 0;

	if (len > 0 && text[len - 1] == '.')
		len--;
	if (len == 0 || len > NAME_MAX_LEN)
		return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '.') {
			if (label == 0)
				return -EINVAL;
			label = 0;
			name[i] = '.';
			continue;
		}
		name[i] = fold(text[i]);
		if (!name[i] || ++label > NAME_LABEL_MAX)
			return -EINVAL;
	}
	if (label == 0)
		return -EINVAL;
	memcpy(ret, name, len);
	ret[len] = '\0';
	return 0;
}

const char *name_parent(const char *name)
{
	const char *dot = strchr(name, '.');

	return dot ? dot + 1 : NULL;
}

unsigned int name_labels(const char *name)
{
	unsigned int n = 1;

	while ((name = name_parent(name)))
		n++;
	return n;
}

bool name_ends_in_number(const char *name)
{
	const char *dot = strrchr(name, '.'), *last = dot ? dot + 1 : name;

	if (last[0] == '0' && last[1] == 'x')
		return last[2 + strspn(last + 2, "0123456789abcdef")] == '\0';
	return last[strspn(last, "0123456789")] == '\0';
}
