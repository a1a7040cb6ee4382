/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lib/relay.c at the end of a stream: all that was written arrives, and nobody is waited for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "relay.h"

/* Two pipes with a relay between: what is written into @in can be read from @out. */
struct stream {
	struct relay *relay;
	int in, out;
};

static struct stream begin(void)
{
	int a[2], b[2];
	struct stream s;

	assert_int_equal(pipe2(a, O_CLOEXEC) | pipe2(b, O_CLOEXEC), 0);
	s = (struct stream){.relay = relay_new(a[0], b[1]), .in = a[1], .out = b[0]};
	assert_non_null(s.relay);
	return s;
}

static size_t read_all(int fd)
{
	static char buf[1 << 16];
	size_t sum = 0;
	ssize_t n;

	while ((n = read(fd, buf, sizeof buf)) > 0)
		sum += (size_t)n;
	return sum;
}

/* Whoever holds the other end says nothing: it is not waited for. */
static void test_silent(void **state)
{
	struct stream s = begin();

	(void)state;
	assert_int_equal(write(s.in, "last words", 10), 10);
	relay_last(s.relay);
	assert_true(relay_drain(s.relay));
	relay_free(s.relay);
	assert_int_equal(read_all(s.out), 10);
	close(s.in);
	close(s.out);
}

/* A reader that takes nothing does not block us; once it does, it gets everything. */
static void test_slow_reader(void **state)
{
	static char text[65536];
	struct stream s = begin();
	size_t sum = 0;

	(void)state;
	assert_int_equal(fcntl(s.relay->to, F_SETPIPE_SZ, 4096), 4096);
	assert_int_equal(write(s.in, text, sizeof text), sizeof text);
	relay_last(s.relay);
	for (int i = 0; i < 3; i++)
		assert_false(relay_drain(s.relay));
	for (int i = 0; i < 100 && !relay_drain(s.relay); i++) {
		char buf[4096];
		ssize_t n = read(s.out, buf, sizeof buf);

		assert_true(n > 0);
		sum += (size_t)n;
	}
	relay_free(s.relay);
	assert_int_equal(sum + read_all(s.out), sizeof text);
	close(s.in);
	close(s.out);
}

static void *flood(void *arg)
{
	static const char text[4096];
	const int *fd = arg;

	while (write(*fd, text, sizeof text) > 0)
		;
	return NULL;
}

static void *swallow(void *arg)
{
	const int *fd = arg;

	read_all(*fd);
	return NULL;
}

/* Who never stops is not of the sandbox. */
static void test_flood(void **state)
{
	struct stream s = begin();
	pthread_t writer, reader;
	uint64_t before;

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(pthread_create(&writer, NULL, flood, &s.in), 0);
	assert_int_equal(pthread_create(&reader, NULL, swallow, &s.out), 0);
	while (s.relay->taken < 1 << 20)
		assert_int_equal(relay_run(s.relay), 1);
	before = s.relay->taken;
	relay_last(s.relay);
	/* It ends; without a bound this would be for ever. */
	for (int i = 0; !relay_drain(s.relay); i++) {
		if (i > 1000000)
			fail_msg("%llu bytes more", (unsigned long long)(s.relay->taken - before));
		usleep(10);
	}
	assert_true(s.relay->taken - before < 4 << 20);
	relay_free(s.relay);
	pthread_join(writer, NULL);
	pthread_join(reader, NULL);
	close(s.in);
	close(s.out);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_silent),
		cmocka_unit_test(test_slow_reader),
		cmocka_unit_test(test_flood),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
