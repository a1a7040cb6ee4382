/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "upstreams.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "../base/fd.h"
#include "../base/io.h"
#include "../base/macros.h"
#include "../base/str.h"

#define FILE_NAME "/etc/resolv.conf"
#define FILE_MAX 65536
#define DNS_PORT 53
#define PATIENCE_MSEC 3000

void upstreams_init(struct gate_upstreams *u)
{
	*u = (struct gate_upstreams){0};
	for (size_t i = 0; i < GATE_UPSTREAMS; i++) {
		u->tcp[i] = -1;
		for (size_t k = 0; k < GATE_UDP_EACH; k++)
			u->udp[i][k] = -1;
	}
}

static void close_one(struct gate_upstreams *u, size_t i)
{
	u->tcp[i] = fd_close(u->tcp[i]);
	for (size_t k = 0; k < GATE_UDP_EACH; k++)
		u->udp[i][k] = fd_close(u->udp[i][k]);
}

void upstreams_done(struct gate_upstreams *u)
{
	for (size_t i = 0; i < GATE_UPSTREAMS; i++)
		close_one(u, i);
	upstreams_init(u);
}

/* ---- which ---------------------------------------------------------------------------------- */

static bool parse_address(char *text, struct sockaddr_storage *ret)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)ret;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;
	char *zone = strchr(text, '%');

	*ret = (struct sockaddr_storage){0};
	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(DNS_PORT);
		return true;
	}
	if (zone)
		*zone++ = '\0';
	if (inet_pton(AF_INET6, text, &v6->sin6_addr) != 1)
		return false;
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(DNS_PORT);
	if (zone)
		v6->sin6_scope_id = if_nametoindex(zone);
	return true;
}

void upstreams_parse(struct gate_upstreams *u, const char *text)
{
	while (*text && u->n < GATE_UPSTREAMS) {
		size_t len = strcspn(text, "\n");
		char line[128] = "", *at = line;

		memcpy(line, text, MIN(len, sizeof line - 1));
		text += len + (text[len] == '\n');
		if (strncmp(line, "nameserver", 10) != 0 || !strchr(" \t", line[10]))
			continue;
		at += 10 + strspn(line + 10, " \t");
		at[strcspn(at, " \t\r")] = '\0';
		if (parse_address(at, &u->address[u->n]))
			u->n++;
	}
}

/* ---- sockets -------------------------------------------------------------------------------- */

static socklen_t length_of(const struct sockaddr_storage *a)
{
	return a->ss_family == AF_INET ? sizeof(struct sockaddr_in)
				       : sizeof(struct sockaddr_in6);
}

static int open_one(struct gate_upstreams *u, size_t i)
{
	const struct sockaddr_storage *a = &u->address[i];

	for (size_t k = 0; k < GATE_UDP_EACH; k++) {
		int fd = u->udp[i][k] =
			socket(a->ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

		if (fd < 0 || connect(fd, (const struct sockaddr *)a, length_of(a)) < 0)
			return -errno;
	}
	u->tcp[i] = socket(a->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	return u->tcp[i] < 0 ? -errno : 0;
}

/* NS of the root: whoever resolves anything knows it. An error is an answer too. */
static void ask_root(int fd)
{
	unsigned char query[17] = {[2] = 1, [5] = 1, [14] = 2, [16] = 1};

	if (getrandom(query, 2, 0) == 2)
		send(fd, query, sizeof query, MSG_NOSIGNAL);
}

static int no_resolver(const char *text, struct cis_error *err)
{
	cis_fail_plain(err, EDESTADDRREQ, "network: " FILE_NAME " of the host names no resolver");
	return cis_hint(err, strstr(text, "nameserver")
				     ? "\"nameserver\" stands at the beginning of a line, with an "
				       "address behind it"
				     : "a line \"nameserver ADDRESS\" does");
}

/* One that there is no way to, as to IPv6 on a host without, is left out if there are others. */
int upstreams_open(struct gate_upstreams *u, struct cis_error *err)
{
	cleanup_free char *text = NULL;
	int r = io_read_file_at(AT_FDCWD, FILE_NAME, FILE_MAX, &text, NULL), why = 0;
	size_t n = 0;

	if (r < 0)
		return cis_fail(err, -r, "network: read " FILE_NAME);
	upstreams_parse(u, text);
	if (!u->n)
		return no_resolver(text, err);
	for (size_t i = 0; i < u->n; i++) {
		u->address[n] = u->address[i];
		r = open_one(u, n);
		if (r >= 0) {
			ask_root(u->udp[n++][0]);
			continue;
		}
		close_one(u, n);
		why = r;
	}
	u->n = (unsigned int)n;
	return n ? 0 : cis_fail(err, -why, "network: reach a resolver of " FILE_NAME);
}

/* An answer of any kind, or a refusal. */
static bool answered(int fd)
{
	char byte;

	return recv(fd, &byte, sizeof byte, MSG_DONTWAIT) > 0;
}

int upstreams_await(struct gate_upstreams *u, struct cis_error *err)
{
	struct pollfd p[GATE_UPSTREAMS];
	size_t silent = u->n;

	for (size_t i = 0; i < u->n; i++)
		p[i] = (struct pollfd){.fd = u->udp[i][0], .events = POLLIN};
	while (silent && poll(p, u->n, PATIENCE_MSEC) > 0) {
		for (size_t i = 0; i < u->n; i++) {
			if (!p[i].revents)
				continue;
			if (answered(p[i].fd))
				return 0;
			/* Refused: there is nobody. */
			p[i].fd = -1;
			silent--;
		}
	}
	cis_fail_plain(err, ETIMEDOUT, "network: no resolver of the host's " FILE_NAME
				       " answers");
	return cis_hint(err, "a sandbox with --net egress resolves names by them");
}
