/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "publish.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "../base/fd.h"
#include "../base/macros.h"

#define BACKLOG 512

static int bad(const char *text, const char *why, struct cis_error *err)
{
	return cis_fail_plain(err, EINVAL, "publish \"%s\": %s", text, why);
}

/* Decimal, 1 to 65535, up to @end; 0 otherwise. */
static uint16_t read_port(const char *at, const char *end)
{
	uint32_t n = 0;

	if (at == end || end - at > 5 || *at == '0')
		return 0;
	for (; at < end; at++) {
		if (*at < '0' || *at > '9')
			return 0;
		n = n * 10 + (uint32_t)(*at - '0');
	}
	return n > UINT16_MAX ? 0 : (uint16_t)n;
}

static bool read_address(const char *at, size_t n, struct publish *p)
{
	char text[INET6_ADDRSTRLEN + 1];

	p->six = n > 2 && at[0] == '[' && at[n - 1] == ']';
	if (p->six) {
		at++;
		n -= 2;
	}
	if (n >= sizeof text)
		return false;
	memcpy(text, at, n);
	text[n] = '\0';
	return inet_pton(p->six ? AF_INET6 : AF_INET, text, p->address) == 1;
}

int publish_parse(const char *text, struct publish *ret, struct cis_error *err)
{
	struct publish p = {.address = {127, 0, 0, 1}};
	const char *slash = strchr(text, '/');
	const char *end = slash ? slash : text + strlen(text), *inside = end, *outside;

	p.udp = slash && strcmp(slash, "/udp") == 0;
	if (slash && !p.udp && strcmp(slash, "/tcp") != 0)
		return bad(text, "the protocol is tcp or udp", err);
	while (inside > text && inside[-1] != ':')
		inside--;
	if (inside == text)
		return bad(text, "it is [IP:]PORT:PORT, on the host and then inside", err);
	p.to = read_port(inside, end);
	outside = --inside;
	while (outside > text && outside[-1] != ':')
		outside--;
	p.port = read_port(outside, inside);
	if (!p.port || !p.to)
		return bad(text, "a port is a number from 1 to 65535", err);
	if (outside > text && !read_address(text, (size_t)(outside - text - 1), &p))
		return bad(text, "the address is none (IPv6 stands in brackets)", err);
	*ret = p;
	return 0;
}

void publish_print(const struct publish *p, char buf[static PUBLISH_TEXT])
{
	char address[INET6_ADDRSTRLEN];

	inet_ntop(p->six ? AF_INET6 : AF_INET, p->address, address, sizeof address);
	snprintf(buf, PUBLISH_TEXT, p->six ? "[%s]:%u%s" : "%s:%u%s", address, p->port,
		 p->udp ? "/udp" : "");
}

int publish_open(const struct publish *p, struct cis_error *err)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(p->port)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(p->port)};
	const int type = p->udp ? SOCK_DGRAM : SOCK_STREAM;
	cleanup_close int fd = socket(p->six ? AF_INET6 : AF_INET,
				      type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	char text[PUBLISH_TEXT];
	int r;

	publish_print(p, text);
	if (fd < 0)
		return cis_fail(err, errno, "publish: listen on %s", text);
	memcpy(&v4.sin_addr, p->address, sizeof v4.sin_addr);
	memcpy(&v6.sin6_addr, p->address, sizeof v6.sin6_addr);
	/* Over connections that have ended; with datagrams it would let others listen, too. */
	if (!p->udp)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
	/* Of several addresses the one that was spoken to is to answer. */
	else if (p->six)
		setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &(int){1}, sizeof(int));
	else
		setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &(int){1}, sizeof(int));
	/* [::] would be all of IPv4 too, which nobody named. */
	if (p->six)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &(int){1}, sizeof(int));
	r = p->six ? bind(fd, (struct sockaddr *)&v6, sizeof v6)
		   : bind(fd, (struct sockaddr *)&v4, sizeof v4);
	if (r >= 0 && !p->udp)
		r = listen(fd, BACKLOG);
	if (r >= 0)
		return steal_fd(&fd);
	r = -errno;
	cis_fail(err, -r, "publish: listen on %s", text);
	if (r == -EADDRINUSE)
		cis_hint(err, "another program listens there: take another port");
	return r;
}
