/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A relay on the loopback; time and destinations are made up. After <cmocka.h>. */
#ifndef TEST_EGRESS_RELAY_H
#define TEST_EGRESS_RELAY_H

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "egress/relay.h"

struct fixture {
	struct egress_relay *relay;
	void *memory;
	size_t size;
	int listener, server; /* of the relay; of where it connects to */
	uint16_t port;	      /* where clients wanted to go */
	int connect_error;
	bool denies_unnamed;
	uint64_t budget, now;
	uint64_t asked; /* bytes */
	char log[4096];
	unsigned int open_fds;
};

static void put_log(struct fixture *f, const char *format, ...)
{
	size_t n = strlen(f->log);
	va_list args;

	va_start(args, format);
	vsnprintf(f->log + n, sizeof f->log - n, format, args);
	va_end(args);
}

static int fake_original(void *context, int fd, struct sockaddr_storage *ret)
{
	struct fixture *f = context;
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(f->port)};

	(void)fd;
	inet_pton(AF_INET, "192.0.2.1", &to.sin_addr);
	memcpy(ret, &to, sizeof to);
	return 0;
}

static bool fake_decide(void *context, const struct egress_ask *ask, const char **ret_why)
{
	struct fixture *f = context;

	*ret_why = "name";
	return ask->name ? strcmp(ask->name, "good.example") == 0 ||
				   strcmp(ask->name, "b.example") == 0
			 : !f->denies_unnamed;
}

static int fake_connect(void *context, const struct egress_ask *ask)
{
	struct fixture *f = context;
	struct sockaddr_in to;
	socklen_t n = sizeof to;
	int fd;

	assert_memory_equal(ask->address, "\xc0\0\x02\x01", 4);
	if (f->connect_error)
		return f->connect_error;
	fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	getsockname(f->server, (struct sockaddr *)&to, &n);
	if (connect(fd, (struct sockaddr *)&to, sizeof to) < 0)
		assert_int_equal(errno, EINPROGRESS);
	return fd;
}

static void fake_opened(void *context, uint64_t id, const struct egress_ask *ask,
			bool allowed, const char *why)
{
	(void)id;
	put_log(context, "%s %s %s;", allowed ? "open" : "deny", ask->name ? ask->name : "-",
		allowed ? "" : why);
}

static void fake_ended(void *context, uint64_t id, uint64_t up, uint64_t down, int error)
{
	(void)id;
	put_log(context, "end %llu %llu %s;", (unsigned long long)up,
		(unsigned long long)down, error ? strerrorname_np(error) : "0");
}

static bool fake_may_upload(void *context, uint64_t id, uint64_t n)
{
	struct fixture *f = context;

	(void)id;
	f->asked += n;
	return f->asked <= f->budget;
}

static const struct egress_relay_ops ops = {
	.original = fake_original,
	.decide = fake_decide,
	.connect = fake_connect,
	.opened = fake_opened,
	.ended = fake_ended,
	.may_upload = fake_may_upload,
};

static unsigned int count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned int n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static int listening(int flags)
{
	struct sockaddr_in any = {.sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&any, sizeof any), 0);
	assert_int_equal(listen(fd, 128), 0);
	return fd;
}

static void begin(struct fixture *f, uint16_t port, const struct egress_relay_config *c)
{
	struct egress_relay_config config;
	int error;

	memset(f, 0, sizeof *f);
	f->open_fds = count_fds();
	f->port = port;
	f->budget = UINT64_MAX;
	f->now = 1000;
	egress_relay_defaults(&config);
	config.connections = 16;
	if (c)
		config = *c;
	config.ops = &ops;
	config.context = f;
	f->size = egress_relay_size(&config);
	f->memory = mmap(NULL, f->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0);
	f->relay = egress_relay_init(f->memory, &config, &error);
	assert_non_null(f->relay);
	f->listener = listening(SOCK_NONBLOCK);
	f->server = listening(0);
	assert_int_equal(egress_relay_listen(f->relay, f->listener), 0);
}

static void end(struct fixture *f)
{
	egress_relay_done(f->relay);
	munmap(f->memory, f->size);
	close(f->listener);
	close(f->server);
	assert_int_equal(count_fds(), f->open_fds);
}

/* Until it is silent for a while: packets on the loopback come at once, but not in no time. */
static void run(struct fixture *f)
{
	struct pollfd p = {.fd = egress_relay_fd(f->relay), .events = POLLIN};

	for (int i = 0; i < 1000; i++) {
		int wait = egress_relay_run(f->relay, f->now);

		if (wait != 0 && poll(&p, 1, 10) == 0)
			return;
	}
}

/* What a test says shall go now, not when the peer has acknowledged what it said before. */
static int at_once(int fd)
{
	int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	return fd;
}

static int to_peer(int listener)
{
	struct sockaddr_in to;
	socklen_t n = sizeof to;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	getsockname(listener, (struct sockaddr *)&to, &n);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
	return at_once(fd);
}

static int client(struct fixture *f)
{
	int fd = to_peer(f->listener);

	run(f);
	return fd;
}

/* -1: the relay has not connected. */
static int served(struct fixture *f)
{
	struct pollfd p = {.fd = f->server, .events = POLLIN};

	run(f);
	return poll(&p, 1, 0) > 0 ? at_once(accept4(f->server, NULL, NULL, SOCK_CLOEXEC))
				  : -1;
}

static void say(struct fixture *f, int fd, const char *text, size_t n)
{
	assert_int_equal(send(fd, text, n, MSG_NOSIGNAL), n);
	run(f);
}

#define SAY(f, fd, text) say(f, fd, text, sizeof(text) - 1)

/* What came: its length, 0 with *@ret_end at an end, or -errno. */
static ssize_t hear(int fd, char *buf, size_t size, bool *ret_end)
{
	size_t n = 0;
	ssize_t k;

	*ret_end = false;
	while ((k = recv(fd, buf + n, size - n, MSG_DONTWAIT)) > 0)
		n += (size_t)k;
	buf[n] = '\0';
	*ret_end = k == 0;
	return n > 0 || k == 0 || errno == EAGAIN ? (ssize_t)n : -errno;
}

static void assert_reset(int fd)
{
	char buf[64];
	bool is_end;

	assert_int_equal(hear(fd, buf, sizeof buf - 1, &is_end), -ECONNRESET);
}

/* The end of the log; and it is forgotten. */
static void logged(struct fixture *f, const char *wanted)
{
	assert_string_equal(f->log, wanted);
	f->log[0] = '\0';
}

/* A hello of TLS 1.2 with a name of 12 bytes. */
#define HELLO(name) \
	"\x16\x03\x01\0\x44\x01\0\0\x40\x03\x03" \
	"0123456789abcdef0123456789abcdef\0\0\x02\x13\x01\x01\0\0\x15" \
	"\0\0\0\x11\0\x0f\0\0\x0c" name

#define GOOD_HELLO HELLO("good.example")
#define GET(host) "GET / HTTP/1.1\r\nHost: " host "\r\n\r\n"

#endif
