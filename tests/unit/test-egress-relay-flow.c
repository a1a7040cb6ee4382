/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The relay between real sockets on the loopback: waiting, errors, ends, and many bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/macros.h"
#include "egress-relay.h"
#include "egress/relay.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_waiting),
		cmocka_unit_test(test_connect_errors),
		cmocka_unit_test(test_resets),
		cmocka_unit_test(test_bulk),
		cmocka_unit_test(test_budget),
		cmocka_unit_test(test_original),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
