/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "authority.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

static int parse_port(const char *text, size_t len, uint16_t *ret)
{
	unsigned int v = 0;

	if (len == 0 || len > 5)
		return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -EINVAL;
		v = v * 10 + (unsigned int)(text[i] - '0');
	}
	if (v == 0 || v > UINT16_MAX)
		return -EINVAL;
	*ret = (uint16_t)v;
	return 0;
}

static int parse_address(int family, const char *text, size_t len, struct authority *a)
{
	char copy[INET6_ADDRSTRLEN];

	if (len >= sizeof copy || memchr(text, '\0', len))
		return -EINVAL;
	memcpy(copy, text, len);
	copy[len] = '\0';
	if (inet_pton(family, copy, a->address) != 1)
		return -EINVAL;
	a->family = family;
	return 0;
}

int authority_parse(const char *text, size_t len, struct authority *ret)
{
	struct authority a = {.port = 0};
	const char *end = text + len, *host_end, *colon;
	int r;

	if (len > 0 && text[0] == '[') {
		const char *bracket = memchr(text, ']', len);

		if (!bracket)
			return -EINVAL;
		r = parse_address(AF_INET6, text + 1, (size_t)(bracket - text - 1), &a);
		host_end = bracket + 1;
	} else {
		colon = memchr(text, ':', len);
		host_end = colon ? colon : end;
		r = name_canonical(text, (size_t)(host_end - text), a.name);
		if (r == 0 && name_ends_in_number(a.name)) {
			a.name[0] = '\0';
			r = parse_address(AF_INET, text, (size_t)(host_end - text), &a);
		}
	}
	if (r == 0 && host_end < end)
		r = *host_end == ':'
			    ? parse_port(host_end + 1, (size_t)(end - host_end - 1), &a.port)
			    : -EINVAL;
	if (r == 0)
		*ret = a;
	return r;
}
