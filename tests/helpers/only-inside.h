/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An attack is for the inside of a sandbox: on the host, with the host's root, it
 * would succeed. Ends the program in the first user namespace.
 */
#ifndef CIS_TEST_ONLY_INSIDE_H
#define CIS_TEST_ONLY_INSIDE_H

#include <stdio.h>
#include <stdlib.h>

static inline void only_inside(void)
{
	unsigned long inside = 0, outside = 0, n = 0;
	FILE *f = fopen("/proc/self/uid_map", "re");

	if (f && fscanf(f, "%lu %lu %lu", &inside, &outside, &n) == 3 &&
	    n != 0xffffffffUL) {
		fclose(f);
		return;
	}
	fputs("this is an attack: it runs in a sandbox only\n", stderr);
	exit(99);
}

#endif
