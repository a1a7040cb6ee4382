/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The relay between real sockets on the loopback; time and destinations are made up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/macros.h"
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

	*ret_why = "no rule";
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

static void assert_heard(int fd, const char *text, size_t n, bool end_too)
{
	char buf[65536];
	bool is_end;

	assert_int_equal(hear(fd, buf, sizeof buf - 1, &is_end), n);
	assert_memory_equal(buf, text, n);
	assert_int_equal(is_end, end_too);
}
#define HEARD(fd, text) assert_heard(fd, text, sizeof(text) - 1, false)
#define HEARD_END(fd, text) assert_heard(fd, text, sizeof(text) - 1, true)

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
#define SERVER_HELLO \
	"\x16\x03\x03\0\x30\x02\0\0\x2c\x03\x03" \
	"0123456789abcdef0123456789abcdef" \
	"......"
#define RETRY \
	"\x16\x03\x03\0\x30\x02\0\0\x2c\x03\x03" \
	"\xcf\x21\xad\x74\xe5\x9a\x61\x11\xbe\x1d\x8c\x02\x1e\x65\xb8\x91" \
	"\xc2\xa2\x11\x16\x7a\xbb\x8c\x5e\x07\x9e\x09\xe2\xc8\xa8\x33\x9c" \
	"......"

static void test_plain(void **state)
{
	struct fixture f;
	int c, s;

	(void)state;
	begin(&f, 22, NULL);
	c = client(&f);
	s = served(&f);
	assert_true(s >= 0);
	SAY(&f, s, "SSH-2.0\n");
	HEARD(c, "SSH-2.0\n");
	SAY(&f, c, "hello");
	shutdown(c, SHUT_WR);
	run(&f);
	HEARD_END(s, "hello");
	SAY(&f, s, "still there");
	HEARD(c, "still there");
	logged(&f, "open - ;");
	close(s);
	run(&f);
	HEARD_END(c, "");
	logged(&f, "end 5 19 0;");
	close(c);
	f.denies_unnamed = true;
	c = client(&f);
	assert_reset(c);
	assert_int_equal(served(&f), -1);
	logged(&f, "deny - no rule;");
	close(c);
	end(&f);
}

static void test_tls(void **state)
{
	struct fixture f;
	int c, s;

	(void)state;
	begin(&f, 443, NULL);
	c = client(&f);
	say(&f, c, GOOD_HELLO, 30);
	assert_int_equal(served(&f), -1);
	/* 0-RTT behind it waits for the server. */
	say(&f, c, GOOD_HELLO "early" + 30, sizeof GOOD_HELLO "early" - 31);
	s = served(&f);
	assert_true(s >= 0);
	HEARD(s, GOOD_HELLO);
	SAY(&f, c, " data");
	HEARD(s, "");
	SAY(&f, s, "\x16\x03\x03");
	HEARD(s, "");
	say(&f, s, SERVER_HELLO "rest" + 3, sizeof SERVER_HELLO "rest" - 4);
	HEARD(c, SERVER_HELLO "rest");
	HEARD(s, "early data");
	logged(&f, "open good.example ;");
	close(c);
	run(&f);
	HEARD_END(s, "");
	close(s);
	run(&f);
	assert_int_equal(egress_relay_connections(f.relay), 0);
	assert_non_null(strstr(f.log, "end "));
	end(&f);
}

static void test_tls_refused(void **state)
{
	struct fixture f;
	int c;

	(void)state;
	begin(&f, 443, NULL);
	f.denies_unnamed = true;
	c = client(&f);
	SAY(&f, c, HELLO("evil.example") "more");
	HEARD_END(c, "\x15\x03\x03\0\x02\x02\x70");
	assert_int_equal(served(&f), -1);
	SAY(&f, c, "and more");
	close(c);
	run(&f);
	assert_int_equal(egress_relay_connections(f.relay), 0);
	logged(&f, "deny evil.example no rule;");
	/* No name. */
	c = client(&f);
	say(&f, c,
	    "\x16\x03\x01\0\x2d\x01\0\0\x29\x03\x03"
	    "0123456789abcdef0123456789abcdef"
	    "\0\0\x02\x13\x01\x01\0",
	    50);
	HEARD_END(c, "\x15\x03\x03\0\x02\x02\x31");
	/* Who does not go is made to. */
	f.now += 5000;
	run(&f);
	assert_int_equal(egress_relay_connections(f.relay), 0);
	close(c);
	logged(&f, "deny - no rule;");
	c = client(&f);
	SAY(&f, c, "SSH-2.0-x\r\n");
	assert_reset(c);
	logged(&f, "deny - no TLS;");
	close(c);
	assert_int_equal(served(&f), -1);
	end(&f);
}

/* A server that asks for a second hello gets one of the same name. */
static void test_tls_retry(void **state)
{
	static const char ccs[] = "\x14\x03\x03\0\x01\x01", data[] = "\x17\x03\x03\0\x03xyz";
	struct fixture f;
	int c, s;

	(void)state;
	begin(&f, 443, NULL);
	for (int evil = 0; evil <= 2; evil++) {
		c = client(&f);
		SAY(&f, c, GOOD_HELLO);
		s = served(&f);
		HEARD(s, GOOD_HELLO);
		SAY(&f, s, RETRY);
		HEARD(c, RETRY);
		say(&f, c, ccs, sizeof ccs - 1);
		say(&f, c, data, sizeof data - 1);
		HEARD(s, "\x14\x03\x03\0\x01\x01\x17\x03\x03\0\x03xyz");
		SAY(&f, c, "\x16\x03");
		HEARD(s, "");
		if (evil == 2) {
			SAY(&f, c, "\x01\0\x04\x10..."); /* ClientKeyExchange */
		} else {
			const char *hello = evil ? HELLO("b...example") : GOOD_HELLO;

			if (evil)
				hello = HELLO("b12e.example");
			say(&f, c, hello + 2, sizeof GOOD_HELLO - 3);
		}
		if (evil) {
			assert_reset(s);
			assert_reset(c);
		} else {
			HEARD(s, GOOD_HELLO);
			SAY(&f, c, "anything");
			HEARD(s, "anything");
		}
		close(c);
		close(s);
		run(&f);
		assert_non_null(strstr(f.log, evil ? "deny - its second hello"
						   : "open good.example"));
		f.log[0] = '\0';
	}
	end(&f);
}

static void test_audit(void **state)
{
	struct egress_relay_config config;
	struct fixture f;
	int c, s;

	(void)state;
	egress_relay_defaults(&config);
	config.audit = true;
	config.connections = 4;
	begin(&f, 443, &config);
	c = client(&f);
	SAY(&f, c, "SSH-2.0-x\r\n");
	s = served(&f);
	HEARD(s, "SSH-2.0-x\r\n");
	SAY(&f, c, "more");
	HEARD(s, "more");
	close(c);
	close(s);
	/* A server that speaks first. */
	c = client(&f);
	assert_int_equal(served(&f), -1);
	f.now += config.head_ms + 1;
	s = served(&f);
	SAY(&f, s, "220 hello\r\n");
	HEARD(c, "220 hello\r\n");
	close(c);
	close(s);
	run(&f);
	f.port = 80;
	c = client(&f);
	SAY(&f, c, "no http\r\n");
	s = served(&f);
	HEARD(s, "no http\r\n");
	close(c);
	close(s);
	end(&f);
}

#define GET(host) "GET / HTTP/1.1\r\nHost: " host "\r\n\r\n"

static void test_http(void **state)
{
	struct fixture f;
	char buf[4096];
	bool is_end;
	int c, s;

	(void)state;
	begin(&f, 80, NULL);
	c = client(&f);
	say(&f, c, GET("good.example"), 20);
	assert_int_equal(served(&f), -1);
	say(&f, c, GET("good.example") GET("b.example") + 20,
	    sizeof GET("good.example") GET("b.example") - 21);
	s = served(&f);
	HEARD(s, GET("good.example") GET("b.example"));
	SAY(&f, c, "POST / HTTP/1.1\r\nHost: good.example\r\nContent-Length: 20000\r\n\r\n");
	memset(buf, 'x', sizeof buf);
	for (int i = 0; i < 5; i++)
		say(&f, c, buf, 4000);
	SAY(&f, c, GET("good.example") "GET / HTT");
	SAY(&f, s, "first answer");
	hear(s, (char[65536]){0}, 65535, &is_end);
	assert_false(is_end);
	HEARD(c, "first answer");
	/* One that is refused: nothing of it goes, answers to others still come. */
	SAY(&f, c, "P/1.1\r\nHost: evil.example\r\n\r\n");
	HEARD_END(s, "");
	HEARD(c, "");
	SAY(&f, s, "second answer");
	close(s);
	run(&f);
	assert_true(hear(c, buf, sizeof buf - 1, &is_end) > 0 && is_end);
	assert_ptr_equal(strstr(buf, "second answerHTTP/1.1 403 Forbidden\r\n"), buf);
	assert_non_null(strstr(buf, "--allow evil.example:80\n"));
	close(c);
	run(&f);
	assert_int_equal(egress_relay_connections(f.relay), 0);
	assert_non_null(strstr(f.log, "open good.example ;open b.example ;open good.example ;"
				      "deny evil.example no rule;end 2"));
	end(&f);
}

static void test_http_refused(void **state)
{
	static const char *const refused[] = {
		GET("evil.example"),
		GET("good.example:81"),
		GET("203.0.113.7"),
		GET("[2001:db8::1]"),
		"GET / HTTP/1.1\r\n\r\n",
		"CONNECT good.example:443 HTTP/1.1\r\n",
		"PRI * HTTP/2.0\r\n\r\n",
		"GET /\r\n",
		"GET http://b.example/ HTTP/1.1\r\nHost: good.example\r\n\r\n",
		GET("good.example\r\nUpgrade: h2c"),
		"\x16\x03\x01\x02\x01",
	};
	struct fixture f;
	char buf[4096], *body;
	bool is_end;
	int c, s;

	(void)state;
	begin(&f, 80, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		c = client(&f);
		say(&f, c, refused[i], strlen(refused[i]));
		assert_int_equal(served(&f), -1);
		assert_true(hear(c, buf, sizeof buf - 1, &is_end) > 0 && is_end);
		assert_ptr_equal(strstr(buf, "HTTP/1.1 403 "), buf);
		body = strstr(buf, "\r\n\r\n") + 4;
		assert_int_equal(atoi(strstr(buf, "Length: ") + 8), strlen(body));
		assert_ptr_equal(strstr(body, "cisandbox: "), body);
		close(c);
	}
	/* An address that is the one connected to is no name, but no lie either. */
	c = client(&f);
	SAY(&f, c, GET("192.0.2.1"));
	s = served(&f);
	HEARD(s, GET("192.0.2.1"));
	close(c);
	close(s);
	end(&f);
}

#define WS \
	"GET / HTTP/1.1\r\nHost: good.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"

static void test_websocket(void **state)
{
	struct fixture f;
	int c, s;

	(void)state;
	begin(&f, 80, NULL);
	for (int agreed = 0; agreed <= 1; agreed++) {
		c = client(&f);
		SAY(&f, c, WS GET("evil.example"));
		s = served(&f);
		HEARD(s, WS);
		SAY(&f, s, "HTTP/1.1 ");
		HEARD(s, "");
		if (agreed) {
			SAY(&f, s, "101 Switching\r\n\r\n");
			HEARD(c, "HTTP/1.1 101 Switching\r\n\r\n");
			HEARD(s, GET("evil.example"));
		} else {
			SAY(&f, s, "200 OK\r\n\r\n");
			HEARD_END(s, "");
		}
		close(c);
		close(s);
		run(&f);
	}
	end(&f);
}

static void test_waiting(void **state)
{
	struct egress_relay_config config;
	struct fixture f;
	int c[6], s;

	(void)state;
	egress_relay_defaults(&config);
	config.connections = 4;
	config.waiting = 3;
	begin(&f, 443, &config);
	assert_int_equal(egress_relay_run(f.relay, f.now), -1);
	for (int i = 0; i < 4; i++) {
		c[i] = client(&f);
		say(&f, c[i], GOOD_HELLO, 10);
	}
	/* The oldest made room. */
	assert_int_equal(egress_relay_connections(f.relay), 3);
	assert_reset(c[0]);
	logged(&f, "deny - it did not say in time what it wants;");
	f.now += 1000;
	assert_int_equal(egress_relay_run(f.relay, f.now), config.head_ms - 1000);
	say(&f, c[1], GOOD_HELLO + 10, sizeof GOOD_HELLO - 11);
	s = served(&f);
	assert_true(s >= 0);
	/* A byte now and then buys no time. */
	for (int i = 0; i < 9; i++) {
		f.now += 1001;
		say(&f, c[2], GOOD_HELLO + 10 + i, 1);
	}
	assert_reset(c[2]);
	assert_reset(c[3]);
	assert_int_equal(egress_relay_connections(f.relay), 1);
	close(s);
	for (int i = 0; i < 4; i++)
		close(c[i]);
	run(&f);
	/* A full table: of connections that flow none is taken away. */
	f.port = 22;
	for (int i = 0; i < 5; i++)
		c[i] = client(&f);
	assert_int_equal(egress_relay_connections(f.relay), 4);
	assert_reset(c[4]);
	for (int i = 0; i < 5; i++)
		close(c[i]);
	end(&f);
}

static void test_connect_errors(void **state)
{
	struct fixture f;
	int c;

	(void)state;
	begin(&f, 22, NULL);
	f.connect_error = -EHOSTUNREACH;
	c = client(&f);
	assert_reset(c);
	close(c);
	logged(&f, "open - ;end 0 0 EHOSTUNREACH;");
	f.connect_error = 0;
	shutdown(f.server, SHUT_RDWR); /* listens no more */
	c = client(&f);
	run(&f);
	assert_reset(c);
	close(c);
	logged(&f, "open - ;end 0 0 ECONNREFUSED;");
	end(&f);
}

static void reset(struct fixture *f, int fd)
{
	struct linger now = {1, 0};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
	close(fd);
	run(f);
}

static void test_resets(void **state)
{
	struct fixture f;
	char big[65536] = "";
	int c, s;

	(void)state;
	begin(&f, 22, NULL);
	c = client(&f);
	s = served(&f);
	SAY(&f, c, "abc");
	reset(&f, c);
	assert_int_equal(recv(s, big, 10, 0), 3);
	assert_reset(s);
	close(s);
	logged(&f, "open - ;end 3 0 ECONNRESET;");
	c = client(&f);
	s = served(&f);
	reset(&f, s);
	assert_reset(c);
	close(c);
	/* Also when bytes for the other one, who reads nothing, are on their way. */
	c = client(&f);
	s = served(&f);
	while (send(c, big, sizeof big, MSG_DONTWAIT) > 0)
		run(&f);
	reset(&f, c);
	assert_int_equal(egress_relay_connections(f.relay), 0);
	close(s);
	end(&f);
}

/* What was not redirected is not carried on: it would be to the relay itself. */
static void test_original(void **state)
{
	struct sockaddr_storage to;
	int l = listening(0), c = to_peer(l), s = accept4(l, NULL, NULL, SOCK_CLOEXEC);

	(void)state;
	assert_true(egress_relay_original(NULL, s, &to) < 0);
	assert_int_equal(egress_relay_original(NULL, -1, &to), -EBADF);
	close(s);
	close(c);
	close(l);
}

static uint8_t pattern(size_t at)
{
	return (uint8_t)(at * 7 + (at >> 8) + (at >> 16) * 13);
}

struct stream {
	int from, to;
	size_t sent, got, size;
	bool is_shut, has_ended;
};

/* Sends and reads a little of each; false when all have ended. */
static bool move(struct stream *v, size_t n, unsigned int *seed)
{
	static uint8_t buf[100000];
	bool more = false;

	for (size_t i = 0; i < n; i++) {
		size_t some = 1 + (size_t)rand_r(seed) % sizeof buf;
		ssize_t k;

		some = MIN(some, v[i].size - v[i].sent);
		for (size_t b = 0; b < some; b++)
			buf[b] = pattern(v[i].sent + b);
		k = send(v[i].from, buf, some, MSG_DONTWAIT | MSG_NOSIGNAL);
		v[i].sent += k > 0 ? (size_t)k : 0;
		if (v[i].sent == v[i].size && !v[i].is_shut)
			v[i].is_shut = shutdown(v[i].from, SHUT_WR) == 0;
		if (rand_r(seed) % 3) {
			k = recv(v[i].to, buf, 1 + (size_t)rand_r(seed) % sizeof buf,
				 MSG_DONTWAIT);
			for (ssize_t b = 0; b < k; b++)
				assert_int_equal(buf[b], pattern(v[i].got + (size_t)b));
			v[i].got += k > 0 ? (size_t)k : 0;
			v[i].has_ended = v[i].has_ended || k == 0;
		}
		more = more || !v[i].has_ended;
	}
	return more;
}

/* Both ways, slow readers, more connections than pipes: every byte comes, once, in order. */
static void bulk(uint32_t pipes, uint16_t port)
{
	struct egress_relay_config config;
	struct stream v[6];
	struct fixture f;
	unsigned int seed = 11;
	bool more = true;

	egress_relay_defaults(&config);
	config.connections = 8;
	config.pipes = pipes;
	begin(&f, port, &config);
	for (size_t i = 0; i < ARRAY_SIZE(v); i += 2) {
		char buf[512];
		bool is_end;
		int c = client(&f), s;

		if (port == 80)
			SAY(&f, c,
			    "PUT / HTTP/1.1\r\nHost: good.example\r\nContent-Length: 3000000\r\n\r\n");
		s = served(&f);
		assert_true(s >= 0);
		if (port == 80)
			assert_true(hear(s, buf, sizeof buf - 1, &is_end) > 60);
		v[i] = (struct stream){.from = c, .to = s, .size = 3000000};
		v[i + 1] = (struct stream){.from = s, .to = c, .size = 2000000 + i};
	}
	for (int i = 0; more && i < 20000; i++) {
		more = move(v, ARRAY_SIZE(v), &seed);
		f.now++;
		egress_relay_run(f.relay, f.now);
	}
	for (size_t i = 0; i < ARRAY_SIZE(v); i++)
		assert_int_equal(v[i].got, v[i].size);
	run(&f);
	assert_int_equal(egress_relay_connections(f.relay), 0);
	for (size_t i = 0; i < ARRAY_SIZE(v); i++)
		close(v[i].from);
	end(&f);
}

static void test_bulk(void **state)
{
	(void)state;
	bulk(64, 22);
	bulk(1, 22);
	bulk(64, 80);
}

static void test_budget(void **state)
{
	struct fixture f;
	char buf[4096] = "";
	bool is_end;
	int c, s;

	(void)state;
	begin(&f, 22, NULL);
	f.budget = 10000;
	c = client(&f);
	s = served(&f);
	say(&f, c, buf, 4000);
	say(&f, c, buf, 4000);
	assert_int_equal(hear(s, (char[9000]){0}, 8999, &is_end), 8000);
	say(&f, c, buf, 4000);
	assert_reset(s);
	assert_reset(c);
	logged(&f, "open - ;end 8000 0 EDQUOT;");
	close(c);
	close(s);
	f.asked = 0;
	f.budget = 50;
	f.port = 80;
	c = client(&f);
	SAY(&f, c, GET("good.example") "");
	SAY(&f, c, GET("good.example"));
	s = served(&f);
	assert_int_equal(hear(s, buf, 100, &is_end), sizeof GET("good.example") - 1);
	close(c);
	close(s);
	end(&f);
}

/* Whatever the cuts: the server has exactly what comes before the first refused request. */
static void test_cuts(void **state)
{
	static const char *const pieces[] = {
		GET("good.example"),
		GET("b.example:80"),
		"POST /c HTTP/1.1\r\nHost: b.example\r\nContent-Length: 7\r\n\r\nGET / H",
		"PUT /d HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: good.example\r\n\r\n"
		"19\r\nGET / HTTP/1.1\r\nHost: e.e\r\n0\r\n\r\n",
	};
	static const char *const refused[] = {
		GET("evil.example"),
		GET("good.example\r\nHost: b.example"),
		"GET / HTTP/1.1\r\n\r\n",
		"GET / HTTP/1.1\nHost: good.example\n\n",
		"POST / HTTP/1.1\r\nHost : good.example\r\n\r\n",
	};
	unsigned int seed = 4711;
	struct fixture f;

	(void)state;
	begin(&f, 80, NULL);
	for (int i = 0; i < 150; i++) {
		char text[2048] = "", got[2048];
		size_t good, n;
		bool is_end;
		int c = client(&f), s;

		for (int k = 1 + rand_r(&seed) % 4; k > 0; k--)
			strcat(text, pieces[(size_t)rand_r(&seed) % ARRAY_SIZE(pieces)]);
		good = strlen(text);
		strcat(text, refused[(size_t)rand_r(&seed) % ARRAY_SIZE(refused)]);
		strcat(text, pieces[0]);
		n = strlen(text);
		for (size_t at = 0; at < n;) {
			size_t any = 1 + (size_t)rand_r(&seed) % (i % 2 ? 20 : 400);

			any = MIN(any, n - at);
			send(c, text + at, any, MSG_NOSIGNAL);
			egress_relay_run(f.relay, ++f.now);
			at += any;
		}
		s = served(&f);
		assert_true(s >= 0);
		assert_int_equal(hear(s, got, sizeof got - 1, &is_end), good);
		assert_memory_equal(got, text, good);
		assert_true(is_end);
		close(s);
		close(c);
		run(&f);
		f.log[0] = '\0';
	}
	assert_int_equal(egress_relay_connections(f.relay), 0);
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),	     cmocka_unit_test(test_tls),
		cmocka_unit_test(test_tls_refused),  cmocka_unit_test(test_tls_retry),
		cmocka_unit_test(test_audit),	     cmocka_unit_test(test_http),
		cmocka_unit_test(test_http_refused), cmocka_unit_test(test_websocket),
		cmocka_unit_test(test_waiting),	     cmocka_unit_test(test_connect_errors),
		cmocka_unit_test(test_resets),	     cmocka_unit_test(test_bulk),
		cmocka_unit_test(test_budget),	     cmocka_unit_test(test_cuts),
		cmocka_unit_test(test_original),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
