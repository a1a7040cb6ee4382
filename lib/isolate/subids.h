/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which ids an ordinary user may map: lines "NAME:FIRST:COUNT" of /etc/subuid, /etc/subgid. */
#ifndef CIS_ISOLATE_SUBIDS_H
#define CIS_ISOLATE_SUBIDS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SUBIDS_RANGES 16

struct subids {
	struct { uint32_t first, count; } v[SUBIDS_RANGES];
	size_t n;
	uint64_t total;
};

/*
 * The ranges of the user, by @name or by the number @uid, until they come to @want ids; the
 * last one is cut to that. Lines that say nothing sensible are nobody's.
 */
void subids_parse(const char *text, const char *name, uid_t uid, uint32_t want,
		  struct subids *ret);

#endif
