/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * tty-inject TEXT: types TEXT into every terminal it can find, as if at the keyboard (ioctl
 * TIOCSTI, TIOCLINUX). Prints "place=ERRNO" or "place=done".
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "only-inside.h"

static void type(const char *place, int fd, const char *text)
{
	int r = fd;

	for (const char *p = text; r >= 0 && *p; p++)
		r = ioctl(fd, TIOCSTI, p);
	if (r >= 0)
		r = ioctl(fd, TIOCSTI, "\n");
	printf("%s=%s\n", place, r < 0 ? strerrorname_np(errno) : "done");
}

int main(int argc, char **argv)
{
	const char *text = argc > 1 ? argv[1] : "x";
	char subcode[] = {3, 0};

	only_inside();
	type("stdin", 0, text);
	type("stdout", 1, text);
	type("stderr", 2, text);
	type("tty", open("/dev/tty", O_RDWR | O_NOCTTY), text);
	type("console", open("/dev/console", O_RDWR | O_NOCTTY), text);
	type("fd3", 3, text);
	printf("tioclinux=%s\n", ioctl(0, TIOCLINUX, subcode) < 0 ? strerrorname_np(errno) : "done");
	return 0;
}
