/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Requests: what is followed, what is refused, and that a model that sees all at once agrees. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "egress/http.h"

/* What became of a stream. */
struct outcome {
	char hosts[512]; /* of requests, each followed by a blank */
	size_t free;	 /* bytes that may leave */
	bool is_bad, is_raw, waits;
	const char *why;
};

/* Feeds as the relay does, @step bytes at a time (0: at random); an allowed host is any. */
static struct outcome follow(const char *bytes, size_t n, size_t step, int answer,
			     unsigned int *seed)
{
	struct outcome o = {.hosts = ""};
	struct http h;
	size_t at = 0, have = 0;

	http_init(&h);
	while (!o.is_bad && !o.is_raw) {
		size_t some = step ? step : 1 + (size_t)rand_r(seed) % 30, used, passes;
		enum http_state s;
		uint8_t *copy;

		/* Sometimes what may pass unread does. */
		passes = (size_t)MIN(http_passes(&h), (uint64_t)(n - have));
		if (at == have && passes > 0 && seed && rand_r(seed) % 2) {
			http_skip(&h, passes);
			at = have += passes;
			o.free = at;
			continue;
		}
		have += MIN(some, n - have);
		do {
			copy = malloc(have - at + 1);
			memcpy(copy, bytes + at, have - at);
			s = http_feed(&h, copy, have - at, &used);
			free(copy);
			at += used;
			if (s == HTTP_REQUEST) {
				strncat(o.hosts, h.host.name,
					sizeof o.hosts - strlen(o.hosts) - 2);
				strcat(o.hosts, " ");
			}
			if (s == HTTP_REQUEST || s == HTTP_PASS || s == HTTP_RAW)
				o.free = at;
			if (s == HTTP_UPGRADE && answer < 0) {
				o.waits = true;
				return o;
			}
			if (s == HTTP_UPGRADE)
				http_answered(&h, answer);
		} while (s != HTTP_BAD && s != HTTP_RAW && (at < have || s == HTTP_REQUEST));
		o.is_bad = s == HTTP_BAD;
		o.is_raw = s == HTTP_RAW;
		o.why = h.why;
		if (have == n)
			break;
	}
	if (o.is_raw)
		o.free = n;
	return o;
}

static void assert_follows(const char *bytes, size_t n, const char *hosts, bool is_bad,
			   size_t free_bytes)
{
	static const size_t steps[] = {1, 2, 3, 7, 50, 100000};
	unsigned int seed = 5;

	for (size_t i = 0; i < ARRAY_SIZE(steps) + 20; i++) {
		struct outcome o = follow(bytes, n, i < ARRAY_SIZE(steps) ? steps[i] : 0, -1,
					  &seed);

		if (o.is_bad != is_bad)
			print_message("%s: %.*s\n", o.why ? o.why : "good", (int)n, bytes);
		assert_int_equal(o.is_bad, is_bad);
		assert_int_equal(o.why != NULL, is_bad);
		assert_string_equal(o.hosts, hosts);
		assert_int_equal(o.free, free_bytes);
	}
}

#define GOOD(text, hosts) \
	assert_follows(text, sizeof(text) - 1, hosts, false, sizeof(text) - 1)
/* Nothing of it leaves. */
#define REFUSED(text) assert_follows(text, sizeof(text) - 1, "", true, 0)
/* A good one before, all of which leaves, and nothing of what follows. */
#define BEFORE "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"
#define REFUSED_AFTER(text) \
	(assert_follows(BEFORE text, sizeof(BEFORE text) - 1, "a.example ", true, \
			sizeof BEFORE - 1), \
	 REFUSED(text))
#define GET(fields) "GET / HTTP/1.1\r\n" fields "\r\n"
#define POST(fields) "POST / HTTP/1.1\r\nHost: a.example\r\n" fields "\r\n"

static void test_good(void **state)
{
	(void)state;
	GOOD(BEFORE, "a.example ");
	GOOD(BEFORE "GET /x HTTP/1.1\r\nHost:B.Example.\r\n\r\n" BEFORE,
	     "a.example b.example a.example ");
	GOOD("GET / HTTP/1.0\r\nhOsT: \t a.example \t\r\n\r\n", "a.example ");
	GOOD(GET("Host: a.example:80\r\nX:\r\nY: \x80\xff\tz\r\n"), "a.example ");
	GOOD("GET http://a.example/x HTTP/1.1\r\nHost: a.example\r\n\r\n", "a.example ");
	GOOD("GET HTTP://A.example:80?q HTTP/1.1\r\nHost: a.example.\r\n\r\n", "a.example ");
	GOOD("GET http://a.example HTTP/1.1\r\nHost: a.example\r\n\r\n", "a.example ");
	GOOD("OPTIONS * HTTP/1.1\r\nHost: a.example\r\n\r\n", "a.example ");
	GOOD(GET("Host: 192.0.2.1\r\n"), " ");
	GOOD(GET("Host: [2001:db8::1]:80\r\n"), " ");
	GOOD(POST("Content-Length: 5\r\n") "GET /" BEFORE, "a.example a.example ");
	GOOD(POST("Content-Length: 0\r\n") BEFORE, "a.example a.example ");
	GOOD(POST("Content-Length: 5\r\nContent-Length: 5\r\n") "12345" BEFORE,
	     "a.example a.example ");
	GOOD(POST("Transfer-Encoding: Chunked\r\n") "5\r\nGET /\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n" BEFORE,
	     "a.example a.example ");
	GOOD(POST("Transfer-Encoding: chunked\r\n") "1\r\nx\r\n000\r\nX-Sum: 1\r\nY: 2\r\n\r\n" BEFORE,
	     "a.example a.example ");
	GOOD(GET("Host: a.example\r\nConnection: keep-alive, TE\r\n"), "a.example ");
	GOOD(POST("Content-Length: 3\r\nExpect: 100-continue\r\n") "abc", "a.example ");
}

static void test_heads(void **state)
{
	(void)state;
	REFUSED_AFTER("CONNECT b.example:443 HTTP/1.1\r\nHost: b.example\r\n\r\n");
	REFUSED_AFTER("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
	REFUSED_AFTER("GET /\r\n");
	REFUSED_AFTER("GET /\n");
	REFUSED_AFTER("GET / HTTP/2.0\r\nHost: a.example\r\n\r\n");
	REFUSED_AFTER("GET / HTTP/1.2\r\nHost: a.example\r\n\r\n");
	REFUSED_AFTER("GET / http/1.1\r\nHost: a.example\r\n\r\n");
	REFUSED_AFTER("GET  / HTTP/1.1\r\nHost: a.example\r\n\r\n");
	REFUSED_AFTER("GET / x HTTP/1.1\r\nHost: a.example\r\n\r\n");
	REFUSED_AFTER("GET / HTTP/1.1 \r\nHost: a.example\r\n\r\n");
	REFUSED_AFTER("GET / HTTP/1.1\nHost: a.example\n\n");
	REFUSED_AFTER("GET / HTTP/1.1\r\nHost: a.example\n\r\n");
	REFUSED_AFTER("GET / HTTP/1.1\r\nX: a\rHost: b.example\r\nHost: a.example\r\n\r\n");
	REFUSED_AFTER("GET / HTTP/1.1\r\nHost: a.example\r\n\rX");
	REFUSED_AFTER("\r\nGET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
	REFUSED_AFTER("GET /\xc3\xbc HTTP/1.1\r\nHost: a.example\r\n\r\n");
	REFUSED_AFTER("G\0T / HTTP/1.1\r\nHost: a.example\r\n\r\n");
	REFUSED_AFTER(GET("Host: a.example\r\nX: \0\r\n"));
	REFUSED_AFTER(GET("Host: a.example\r\nX\0: a\r\n"));
	REFUSED_AFTER(GET("Host: a.example\r\nX : a\r\n"));
	REFUSED_AFTER(GET("Host : a.example\r\n"));
	REFUSED_AFTER(GET("Host: a.example\r\n b.example\r\n"));
	REFUSED_AFTER(GET("Host: a.example\r\nX: a\r\n\tb\r\n"));
	REFUSED_AFTER(GET(" Host: a.example\r\n"));
	REFUSED_AFTER(GET("Host: a.example\r\n: x\r\n"));
	REFUSED_AFTER(GET("Host: a.example\r\nnothing\r\n"));
	REFUSED_AFTER("\x16\x03\x01\x02");
}

static void test_hosts(void **state)
{
	(void)state;
	REFUSED_AFTER(GET("X: y\r\n"));
	REFUSED_AFTER("GET / HTTP/1.0\r\n\r\n");
	REFUSED_AFTER(GET("Host: a.example\r\nHost: a.example\r\n"));
	REFUSED_AFTER(GET("Host: a.example\r\nhost: b.example\r\n"));
	REFUSED_AFTER(GET("Host:\r\n"));
	REFUSED_AFTER(GET("Host: a.example, b.example\r\n"));
	REFUSED_AFTER(GET("Host: a.example b.example\r\n"));
	REFUSED_AFTER(GET("Host: a.example:\r\n"));
	REFUSED_AFTER(GET("Host: a.example:80:80\r\n"));
	REFUSED_AFTER(GET("Host: u@a.example\r\n"));
	REFUSED_AFTER(GET("Host: http://a.example\r\n"));
	REFUSED_AFTER(GET("Host: 127.1\r\n"));
	REFUSED_AFTER("GET http://b.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n");
	REFUSED_AFTER("GET http://a.example:81/ HTTP/1.1\r\nHost: a.example\r\n\r\n");
	REFUSED_AFTER("GET http://a.example/ HTTP/1.1\r\n\r\n");
	REFUSED_AFTER("GET http://u@a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n");
	REFUSED_AFTER(
		"GET http://b.example\\@a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n");
	REFUSED_AFTER("GET https://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n");
	REFUSED_AFTER("GET a.example:80 HTTP/1.1\r\nHost: a.example\r\n\r\n");
	REFUSED_AFTER("GET * HTTP/1.1\r\nHost: a.example\r\n\r\n");
	REFUSED_AFTER(GET("Host: a.example\r\nConnection: close, Host\r\n"));
	REFUSED_AFTER(POST("Connection: content-length\r\nContent-Length: 3\r\n"));
}

static void test_bodies(void **state)
{
	static const char chunked[] = POST("Transfer-Encoding: chunked\r\n");
	static const char *const wrong[] = {
		"\r\n",	 ";x\r\n",     " 5\r\n",     "5 \r\n",
		"g\r\n", "0x5\r\n",    "-1\r\n",     "5\n",
		"5\rx",	 "5;a\nb\r\n", "5;a\rb\r\n", "1234567890123456\r\n",
	};
	char text[1024];

	(void)state;
	REFUSED_AFTER(POST("Content-Length: 5\r\nContent-Length: 6\r\n"));
	REFUSED_AFTER(POST("Content-Length: 5, 5\r\n"));
	REFUSED_AFTER(POST("Content-Length: +5\r\n"));
	REFUSED_AFTER(POST("Content-Length: 0x5\r\n"));
	REFUSED_AFTER(POST("Content-Length: 5 5\r\n"));
	REFUSED_AFTER(POST("Content-Length:\r\n"));
	REFUSED_AFTER(POST("Content-Length: 9999999999999999999\r\n"));
	REFUSED_AFTER(POST("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"));
	REFUSED_AFTER(POST("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n"));
	REFUSED_AFTER(POST("Transfer-Encoding: gzip, chunked\r\n"));
	REFUSED_AFTER(POST("Transfer-Encoding: identity\r\n"));
	REFUSED_AFTER(POST("Transfer-Encoding: xchunked\r\n"));
	REFUSED_AFTER(POST("Transfer-Encoding: \x0b"
			   "chunked\r\n"));
	REFUSED_AFTER(POST("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"));
	REFUSED_AFTER(
		"POST / HTTP/1.0\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n");
	REFUSED_AFTER(GET("Host: a.example\r\nContent-Length: 30\r\n"));
	REFUSED_AFTER(GET("Host: a.example\r\nTransfer-Encoding: chunked\r\n"));
	/* The head was good and has gone; of the line that is wrong nothing goes. */
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		size_t n = (size_t)snprintf(text, sizeof text, "%s%s", chunked, wrong[i]);

		assert_follows(text, n, "a.example ", true, sizeof chunked - 1);
	}
	memset(text, 'x', sizeof text);
	memcpy(text, chunked, sizeof chunked - 1);
	memcpy(text + sizeof chunked - 1, "1;", 2);
	assert_follows(text, sizeof text, "a.example ", true, sizeof chunked - 1);
#define AFTER(good, bytes) \
	assert_follows(good bytes, sizeof(good bytes) - 1, "a.example ", true, \
		       sizeof(good) - 1)
#define CHUNKED POST("Transfer-Encoding: chunked\r\n")
	AFTER(CHUNKED "1\r\nx", "x\r\n");
	AFTER(CHUNKED "1\r\nx", "\n0\r\n");
	AFTER(CHUNKED "0\r\n", "Host: b.example\r\n\r\n");
	AFTER(CHUNKED "0\r\n", "Content-Length: 1\r\n\r\n");
	AFTER(CHUNKED "0\r\n", " x: y\r\n\r\n");
	AFTER(CHUNKED "0\r\n\r\n", "GET / HTTP/1.1\r\n\r\n");
}

static void test_upgrades(void **state)
{
	static const char ws[] =
		GET("Host: a.example\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n");
	char text[512];
	struct outcome o;
	size_t n;

	(void)state;
	REFUSED_AFTER(GET("Host: a.example\r\nUpgrade: h2c\r\n"));
	REFUSED_AFTER(GET("Host: a.example\r\nUpgrade: websocket, h2c\r\n"));
	REFUSED_AFTER(GET("Host: a.example\r\nUpgrade: websocket\r\nUpgrade: h2c\r\n"));
	REFUSED_AFTER(GET("Host: a.example\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"));
	REFUSED_AFTER(GET("Host: a.example\r\nUpgrade: TLS/1.0\r\n"));
	REFUSED(POST("Content-Length: 3\r\nUpgrade: websocket\r\n"));
	n = (size_t)snprintf(text, sizeof text, "%s%s", BEFORE, ws);
	assert_follows(text, n, "a.example ", true, sizeof BEFORE - 1);
	/* First on its connection: what follows waits for the server. */
	n = (size_t)snprintf(text, sizeof text, "%s%s", ws, "\x81\x05hello");
	for (size_t step = 1; step < 300; step += 7) {
		o = follow(text, n, step, -1, NULL);
		assert_true(o.waits && o.free == sizeof ws - 1);
		o = follow(text, n, step, 1, NULL);
		assert_true(o.is_raw && o.free == n);
		o = follow(text, n, step, 0, NULL);
		assert_true(o.is_bad && o.free == sizeof ws - 1);
	}
	n = (size_t)snprintf(text, sizeof text, "%s%s", ws, BEFORE);
	o = follow(text, n, 9, 0, NULL);
	assert_string_equal(o.hosts, "a.example a.example ");
	assert_int_equal(http_is_101("HTTP/1.1 101 Switching", 22), 1);
	assert_int_equal(http_is_101("HTTP/1.1 101\r\n", 14), 1);
	assert_int_equal(http_is_101("HTTP/1.1 1011 x", 15), 0);
	assert_int_equal(http_is_101("HTTP/1.1 200 OK", 15), 0);
	assert_int_equal(http_is_101("HTTP/1.1 101", 12), -EAGAIN);
	assert_int_equal(http_is_101("HT", 2), -EAGAIN);
	assert_int_equal(http_is_101("", 0), -EAGAIN);
	assert_int_equal(http_is_101("x", 1), 0);
}

static void test_bounds(void **state)
{
	static const char begin[] = "GET / HTTP/1.1\r\nHost: a.example\r\nX: ";
	size_t n = HTTP_HEAD_MAX;
	static char text[HTTP_HEAD_MAX + 10];

	(void)state;
	memset(text, 'x', n + 10);
	memcpy(text, begin, sizeof begin - 1);
	memcpy(text + n - 4, "\r\n\r\n", 4);
	assert_follows(text, n, "a.example ", false, n);
	memset(text + n - 4, 'x', 4);
	memcpy(text + n - 3, "\r\n\r\n", 4);
	assert_follows(text, n + 1, "", true, 0);
	memset(text, 'A', n);
	assert_follows(text, n, "", true, 0);
	memcpy(text, "GET ", 4);
	assert_follows(text, n, "", true, 0);
	/* Values that matter are kept whole or not at all. */
	n = (size_t)sprintf(text,
			    "GET / HTTP/1.1\r\nHost: a.example\r\nConnection: %0*d\r\n\r\n",
			    HTTP_VALUE_MAX + 1, 0);
	assert_follows(text, n, "", true, 0);
	n = (size_t)sprintf(text,
			    "GET http://%0*d.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n",
			    HTTP_VALUE_MAX, 0);
	assert_follows(text, n, "", true, 0);
}

/*
 * The naive model: the whole stream at once, with strstr() and strtoull(). It knows no
 * chunks; what it does not like ends it. It is looser than the follower: where the follower
 * lets a request go, the model must see that request at the same place with that Host.
 */
static void model(const char *text, char *hosts, size_t size)
{
	const char *p = text;
	size_t n = 0;

	*hosts = '\0';
	for (;;) {
		const char *end = strstr(p, "\r\n\r\n"), *host = NULL, *length = NULL, *line;

		if (!end)
			return;
		for (line = strstr(p, "\r\n"); line && line < end;
		     line = strstr(line + 2, "\r\n")) {
			if (strncasecmp(line + 2, "Host:", 5) == 0)
				host = line + 7;
			if (strncasecmp(line + 2, "Content-Length:", 15) == 0)
				length = line + 17;
		}
		if (!host)
			return;
		host += strspn(host, " \t");
		for (; *host && !strchr(" \t\r\n", *host) && n + 2 < size; host++)
			hosts[n++] = (char)(*host | 0x20);
		hosts[n++] = ' ';
		hosts[n] = '\0';
		p = end + 4;
		if (length) {
			unsigned long long body = strtoull(length, NULL, 10);

			if (body > strlen(p))
				return;
			p += body;
		}
	}
}

/* Streams of whole requests, some bytes of them changed. */
static void test_mutations(void **state)
{
	static const char *const pieces[] = {
		BEFORE,
		"GET /b HTTP/1.1\r\nHost: b.example\r\n\r\n",
		"POST /c HTTP/1.1\r\nHost: c.example\r\nContent-Length: 7\r\n\r\nGET / H",
		"PUT /d HTTP/1.1\r\nContent-Length: 40\r\nHost: d.example\r\n\r\n"
		"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n..",
	};
	static const char odd[] = "\r\n\t :0123456789aGH\x80-";
	unsigned int seed = 77, good = 0, bad = 0;

	(void)state;
	for (int i = 0; i < 40000; i++) {
		char text[1024] = "", hosts[512];
		struct outcome one, many;
		size_t n;

		for (int k = 1 + rand_r(&seed) % 4; k > 0; k--)
			strcat(text, pieces[(size_t)rand_r(&seed) % ARRAY_SIZE(pieces)]);
		n = strlen(text);
		for (int k = rand_r(&seed) % 3; k > 0; k--)
			text[(size_t)rand_r(&seed) % n] =
				odd[(size_t)rand_r(&seed) % (sizeof odd - 1)];
		one = follow(text, n, n, -1, NULL);
		many = follow(text, n, 0, -1, &seed);
		assert_string_equal(one.hosts, many.hosts);
		assert_int_equal(one.is_bad, many.is_bad);
		assert_int_equal(one.free, many.free);
		model(text, hosts, sizeof hosts);
		/* All it let go the model has seen, in that order, and nothing else was free. */
		if (strncmp(hosts, one.hosts, strlen(one.hosts)) != 0)
			fail_msg("%s\n%s\n%s", text, hosts, one.hosts);
		assert_true(one.free <= n);
		good += !one.is_bad;
		bad += one.is_bad;
	}
	assert_in_range(good, 5000, 39000);
	assert_in_range(bad, 1000, 35000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),	  cmocka_unit_test(test_heads),
		cmocka_unit_test(test_hosts),	  cmocka_unit_test(test_bodies),
		cmocka_unit_test(test_upgrades),  cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_mutations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
