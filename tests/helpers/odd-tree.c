/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a shell cannot make in a directory:
 *
 *	odd-tree DIR N         N directories in each other, of 255 bytes each
 *	odd-tree DIR socket    a socket, sock
 */
#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static void make_socket(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX, .sun_path = "sock"};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof addr) < 0)
		err(1, "socket");
}

static void make_levels(int n)
{
	char name[256];

	memset(name, 'd', 255);
	name[255] = '\0';
	for (; n > 0; n--)
		if (mkdir(name, 0700) < 0 || chdir(name) < 0)
			err(1, "%d to go", n);
}

int main(int argc, char **argv)
{
	if (argc != 3 || chdir(argv[1]) < 0)
		err(1, "odd-tree DIR N|socket");
	if (strcmp(argv[2], "socket") == 0)
		make_socket();
	else
		make_levels(atoi(argv[2]));
	return 0;
}
