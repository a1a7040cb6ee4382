/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The relay between real sockets on the loopback: who is let through, and who is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/macros.h"
#include "egress-relay.h"
#include "egress/relay.h"

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
	logged(&f, "deny - name;");
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
	logged(&f, "deny evil.example name;");
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
	logged(&f, "deny - name;");
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
				      "deny evil.example name;end 2"));
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
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_tls),
		cmocka_unit_test(test_tls_refused),
		cmocka_unit_test(test_tls_retry),
		cmocka_unit_test(test_audit),
		cmocka_unit_test(test_http),
		cmocka_unit_test(test_http_refused),
		cmocka_unit_test(test_websocket),
		cmocka_unit_test(test_cuts),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
