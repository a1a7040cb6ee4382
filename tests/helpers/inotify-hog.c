/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * inotify-hog N: opens at most N inotify instances, says how many it got and
 * why no more, and holds them until its standard input ends.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int wanted = argc > 1 ? atoi(argv[1]) : 1, n = 0;
	const char *why = "enough";
	char c;

	for (; n < wanted; n++)
		if (inotify_init1(IN_CLOEXEC) < 0) {
			why = strerrorname_np(errno);
			break;
		}
	printf("instances=%d\nwhy=%s\n", n, why);
	fflush(stdout);
	while (read(0, &c, 1) > 0)
		;
	return 0;
}
