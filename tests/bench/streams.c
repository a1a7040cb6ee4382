/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Both ends of TCP streams and the relay between them, each a process to be started in its
 * own network namespace: see tests/bench/relay. Streams begin as TLS does: the client says a
 * hello, the server answers, then bytes flow one way.
 *
 *	streams serve PORT...                     forever
 *	streams relay PORT [ADDRESS PORT]         forever, by lib/egress/relay.c: there, or to where
 *	                                          clients wanted before they were redirected
 *	streams bulk up|down ADDRESS PORT MIB N   MiB/s of N streams at once
 *	streams rate ADDRESS PORT COUNT N         connections/s, N at a time
 */
#include <arpa/inet.h>
#include <err.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "egress/relay.h"

#define WORKERS 8
#define CHUNK (256 << 10)

static const char hello[] = "\x16\x03\x01\0\x44\x01\0\0\x40\x03\x03"
			    "0123456789abcdef0123456789abcdef\0\0\x02\x13\x01\x01\0\0\x15"
			    "\0\0\0\x11\0\x0f\0\0\x0cgood.example";
static const char answer[] = "\x16\x03\x03\0\x30\x02\0\0\x2c\x03\x03"
			     "0123456789abcdef0123456789abcdef......";

static char chunk[CHUNK];

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct sockaddr_in address(const char *text, const char *port)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
				.sin_port = htons((uint16_t)atoi(port))};

	if (inet_pton(AF_INET, text, &a.sin_addr) != 1)
		errx(1, "%s is no address", text);
	return a;
}

static int listening(const char *port, int flags)
{
	struct sockaddr_in a = address("0.0.0.0", port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0), on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(fd, (struct sockaddr *)&a, sizeof a) < 0 || listen(fd, 1024) < 0)
		err(1, "listen on %s", port);
	return fd;
}

static void read_all(int fd, void *buf, size_t n)
{
	if (recv(fd, buf, n, MSG_WAITALL) != (ssize_t)n)
		err(1, "a stream ended early");
}

/* After the hello a letter: u, d or e for its end; and how many chunks. */
struct order {
	char what;
	uint32_t chunks;
};

static void serve_one(int fd)
{
	struct order o;
	char buf[sizeof hello - 1];

	read_all(fd, buf, sizeof buf);
	send(fd, answer, sizeof answer - 1, MSG_NOSIGNAL);
	read_all(fd, &o, sizeof o);
	for (; o.what == 'd' && o.chunks > 0; o.chunks--)
		if (send(fd, chunk, sizeof chunk, MSG_NOSIGNAL) != (ssize_t)sizeof chunk)
			err(1, "send");
	if (o.what == 'u')
		while (recv(fd, chunk, sizeof chunk, 0) > 0)
			;
	close(fd);
}

static void serve(const char *port)
{
	int fd = listening(port, 0);

	for (int i = 1; i < WORKERS; i++)
		if (fork() == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			break;
		}
	for (;;)
		serve_one(accept(fd, NULL, NULL));
}

static struct sockaddr_in target;

static int to_target(void *context, int fd, struct sockaddr_storage *ret)
{
	if (!target.sin_family)
		return egress_relay_original(context, fd, ret);
	memcpy(ret, &target, sizeof target);
	return 0;
}

static bool allow(void *context, const struct egress_ask *ask, const char **ret_why)
{
	(void)context, (void)ret_why;
	return ask->name && strcmp(ask->name, "good.example") == 0;
}

static void opened(void *context, uint64_t id, const struct egress_ask *ask, bool allowed,
		   const char *why)
{
	(void)context, (void)id, (void)ask, (void)allowed, (void)why;
}

static void ended(void *context, uint64_t id, uint64_t up, uint64_t down, int error)
{
	(void)context, (void)id, (void)up, (void)down, (void)error;
}

static void relay(const char *port)
{
	static const struct egress_relay_ops ops = {
		.original = to_target,
		.decide = allow,
		.connect = egress_relay_connect,
		.opened = opened,
		.ended = ended,
	};
	struct egress_relay_config config;
	struct egress_relay *r;
	int error = 0, wait = 0;
	void *memory;

	egress_relay_defaults(&config);
	config.ops = &ops;
	memory = mmap(NULL, egress_relay_size(&config), PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	r = memory == MAP_FAILED ? NULL : egress_relay_init(memory, &config, &error);
	if (!r || egress_relay_listen(r, listening(port, SOCK_NONBLOCK)) < 0)
		errx(1, "no relay");
	for (;;) {
		struct pollfd p = {.fd = egress_relay_fd(r), .events = POLLIN};

		if (wait != 0)
			poll(&p, 1, wait);
		wait = egress_relay_run(r, (uint64_t)(now_s() * 1e3));
	}
}

static int begin(const struct sockaddr_in *to, struct order o)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
	char buf[sizeof answer - 1];

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (connect(fd, (const struct sockaddr *)to, sizeof *to) < 0)
		err(1, "connect");
	send(fd, hello, sizeof hello - 1, MSG_NOSIGNAL);
	read_all(fd, buf, sizeof buf);
	send(fd, &o, sizeof o, MSG_NOSIGNAL);
	return fd;
}

static void bulk_one(const struct sockaddr_in *to, char what, uint32_t chunks)
{
	int fd = begin(to, (struct order){what, chunks});
	uint64_t left = (uint64_t)chunks * sizeof chunk;

	for (; what == 'u' && chunks > 0; chunks--)
		if (send(fd, chunk, sizeof chunk, MSG_NOSIGNAL) != (ssize_t)sizeof chunk)
			err(1, "send");
	shutdown(fd, SHUT_WR);
	for (ssize_t n; (n = recv(fd, chunk, sizeof chunk, 0)) != 0; left -= (uint64_t)n)
		if (n < 0)
			err(1, "recv");
	if (what == 'd' && left)
		errx(1, "%llu bytes are missing", (unsigned long long)left);
}

static void rate_one(const struct sockaddr_in *to, uint32_t count)
{
	while (count-- > 0) {
		int fd = begin(to, (struct order){'e', 0});
		char c;

		if (recv(fd, &c, 1, 0) != 0)
			err(1, "no end");
		close(fd);
	}
}

static double timed(const struct sockaddr_in *to, char what, uint32_t each, int n)
{
	double begun = now_s();
	int status, failed = 0;

	for (int i = 0; i < n; i++)
		if (fork() == 0) {
			if (what == 'r')
				rate_one(to, each);
			else
				bulk_one(to, what, each);
			_exit(0);
		}
	while (wait(&status) > 0)
		failed += status != 0;
	if (failed)
		errx(1, "%d streams failed", failed);
	return now_s() - begun;
}

int main(int argc, char **argv)
{
	struct sockaddr_in to;

	signal(SIGPIPE, SIG_IGN);
	if (argc >= 3 && strcmp(argv[1], "serve") == 0) {
		for (int i = 3; i < argc; i++)
			if (fork() == 0) {
				prctl(PR_SET_PDEATHSIG, SIGKILL);
				serve(argv[i]);
			}
		serve(argv[2]);
	}
	if ((argc == 3 || argc == 5) && strcmp(argv[1], "relay") == 0) {
		if (argc == 5)
			target = address(argv[3], argv[4]);
		relay(argv[2]);
	}
	if (argc == 7 && strcmp(argv[1], "bulk") == 0) {
		int mib = atoi(argv[5]), n = atoi(argv[6]);

		to = address(argv[3], argv[4]);
		printf("%.0f\n", mib / timed(&to, argv[2][0],
					     (uint32_t)((uint64_t)mib * (1 << 20) / CHUNK /
							(uint64_t)n),
					     n));
		return 0;
	}
	if (argc == 6 && strcmp(argv[1], "rate") == 0) {
		int count = atoi(argv[4]), n = atoi(argv[5]);

		to = address(argv[2], argv[3]);
		printf("%.0f\n", count / timed(&to, 'r', (uint32_t)(count / n), n));
		return 0;
	}
	errx(1, "usage: streams serve | relay | bulk | rate ...");
}
