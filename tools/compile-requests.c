/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Prints the requests of lib/net/netlink.h as a C header. */
#include <stdio.h>

#include "net/netlink.h"

int main(void)
{
	puts("static const struct {\n\tint protocol;\n\tsize_t len;\n\tconst char *bytes;\n"
	     "} requests[] = {");
	for (int request = 0; request < NET_REQUESTS; request++) {
		char buf[NET_REQUEST_MAX];
		int protocol;
		size_t len = net_request_build((enum net_request)request, buf, &protocol);

		printf("\t[%d] = {%d, %zu, \"", request, protocol, len);
		for (size_t i = 0; i < len; i++)
			printf("\\%03o", (unsigned char)buf[i]);
		puts("\"},");
	}
	puts("};");
	return ferror(stdout) || fflush(stdout) != 0;
}
