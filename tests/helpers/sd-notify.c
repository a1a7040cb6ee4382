/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sd-notify TEXT...: sends each as a message to $NOTIFY_SOCKET, as services do. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

int main(int argc, char **argv)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	if (!path || strlen(path) >= sizeof addr.sun_path) {
		fputs("NOTIFY_SOCKET is not set\n", stderr);
		return 1;
	}
	strcpy(addr.sun_path, path);
	for (int i = 1; i < argc; i++) {
		if (sendto(fd, argv[i], strlen(argv[i]), 0, (struct sockaddr *)&addr,
			   sizeof addr) < 0) {
			perror(path);
			return 1;
		}
	}
	return 0;
}
