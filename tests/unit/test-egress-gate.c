/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The pure parts of a gate: packets, resolv.conf, elements of sets, records. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/json.h"
#include "base/macros.h"
#include "egress/flows.h"
#include "egress/pasta.h"
#include "egress/record.h"
#include "egress/upstreams.h"
#include "net/elements.h"

/* ---- packets ---------------------------------------------------------------------- */

static const uint8_t tcp4[] = {
	0x45, 0, 0, 60, 0, 0, 0x40, 0, 64, 6, 0, 0, 100, 127, 255, 2, 192, 0, 2, 80,
	0xc0, 0x01, 0x01, 0xbb};
static const uint8_t udp6[] = {
	0x60, 0, 0, 0, 0, 8, 17, 64, 0xfd, 0x63, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2,
	0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x53, 0x12, 0x34, 0, 53};

static void test_packets(void **state)
{
	static const uint8_t target4[] = {192, 0, 2, 80};
	uint8_t later[sizeof tcp4];
	struct flow f;

	(void)state;
	assert_true(flow_of_packet(tcp4, sizeof tcp4, &f));
	assert_false(f.six);
	assert_int_equal(f.protocol, IPPROTO_TCP);
	assert_int_equal(f.source_port, 0xc001);
	assert_int_equal(f.target_port, 443);
	assert_memory_equal(f.target, target4, sizeof target4);
	assert_true(flow_of_packet(udp6, sizeof udp6, &f));
	assert_true(f.six);
	assert_int_equal(f.target_port, 53);

	/* What is no beginning has no ports. */
	memcpy(later, tcp4, sizeof later);
	later[7] = 8;
	assert_true(flow_of_packet(later, sizeof later, &f));
	assert_int_equal(f.target_port, 0);
	/* Options: the ports are behind them. */
	memcpy(later, tcp4, sizeof later);
	later[0] = 0x46;
	assert_true(flow_of_packet(later, sizeof later, &f));
	assert_int_equal(f.target_port, 0);
}

static void test_short_packets(void **state)
{
	struct flow f;

	(void)state;
	for (size_t n = 0; n < 20; n++)
		assert_false(flow_of_packet(tcp4, n, &f));
	for (size_t n = 20; n < sizeof tcp4; n++) {
		assert_true(flow_of_packet(tcp4, n, &f));
		assert_int_equal(f.target_port, 0);
	}
	for (size_t n = 0; n < 40; n++)
		assert_false(flow_of_packet(udp6, n, &f));
}

static void test_any_packet(void **state)
{
	struct flow f;

	(void)state;
	srand(1);
	for (int round = 0; round < 100000; round++) {
		size_t n = (size_t)rand() % 65;
		uint8_t *p = malloc(n + !n);

		for (size_t i = 0; i < n; i++)
			p[i] = (uint8_t)rand();
		flow_of_packet(p, n, &f); /* the sanitizer looks */
		free(p);
	}
}

/* ---- resolv.conf ------------------------------------------------------------------- */

static unsigned int parse(const char *text, struct gate_upstreams *u)
{
	upstreams_init(u);
	upstreams_parse(u, text);
	return u->n;
}

static void test_upstreams(void **state)
{
	struct gate_upstreams u;
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)&u.address[0];
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&u.address[1];

	(void)state;
	assert_int_equal(parse("# x\nnameserver 192.0.2.1\nsearch a b\nnameserver\t2001:db8::1 \n", &u),
			 2);
	assert_int_equal(v4->sin_family, AF_INET);
	assert_int_equal(ntohs(v4->sin_port), 53);
	assert_int_equal(v6->sin6_family, AF_INET6);
	assert_int_equal(parse("nameserver 127.0.0.53\r\n", &u), 1);
	assert_int_equal(parse("nameserver fe80::1%lo", &u), 1);
	assert_int_equal(((const struct sockaddr_in6 *)&u.address[0])->sin6_scope_id, 1);
	assert_int_equal(parse("", &u), 0);
	assert_int_equal(parse("nameserver\nnameserver x\nnameservers 1.2.3.4\n;nameserver 1.2.3.4",
			       &u), 0);
	assert_int_equal(parse("nameserver 1.1.1.1\nnameserver 1.1.1.2\nnameserver 1.1.1.3\n"
			       "nameserver 1.1.1.4\n", &u), GATE_UPSTREAMS);
}

/* ---- elements ----------------------------------------------------------------------- */

static void test_elements(void **state)
{
	const struct egress_element v[2] = {
		{.low = {10}, .high = {10, 255, 255, 255}},
		{.low = {224}, .high = {255, 255, 255, 255}},
	};
	_Alignas(struct nlmsghdr) char buf[EGRESS_ELEMENTS_SIZE(2)];
	size_t one = elements_put(buf, sizeof buf, EGRESS_NEVER, v, 1), two;

	(void)state;
	assert_true(one > 0 && one % 4 == 0);
	assert_int_equal(((struct nlmsghdr *)buf)->nlmsg_len, one);
	two = elements_put(buf, sizeof buf, EGRESS_NEVER, v, 2);
	/* A range is two elements; that up to the highest address has no end. */
	assert_true(two > one && two - one < one);
	/* No room, nothing, too much. */
	assert_int_equal(elements_put(buf, two - 1, EGRESS_NEVER, v, 2), 0);
	assert_int_equal(elements_put(buf, 8, EGRESS_NEVER, v, 2), 0);
	assert_int_equal(elements_put(buf, sizeof buf, EGRESS_NEVER, v, 0), 0);
	assert_int_equal(elements_put(buf, sizeof buf, EGRESS_NEVER, v, EGRESS_ELEMENTS_MAX + 1), 0);
}

static void test_elements_fit(void **state)
{
	static struct egress_element v[EGRESS_ELEMENTS_MAX];
	static char buf[EGRESS_ELEMENTS_SIZE(EGRESS_ELEMENTS_MAX)];
	static const enum egress_set sets[] = {EGRESS_NEVER, EGRESS_HOSTS, EGRESS_NAMES,
					       EGRESS_NETS};

	(void)state;
	for (int six = 0; six < 2; six++) {
		for (size_t i = 0; i < EGRESS_ELEMENTS_MAX; i++)
			v[i] = (struct egress_element){.six = six, .low = {1}, .high = {2},
						       .seconds = UINT32_MAX, .port_high = 9};
		for (size_t s = 0; s < ARRAY_SIZE(sets); s++)
			assert_true(elements_put(buf, sizeof buf, sets[s], v,
						 EGRESS_ELEMENTS_MAX) > 0);
	}
}

/* ---- records ---------------------------------------------------------------------------- */

static void test_records(void **state)
{
	static const uint8_t six[16] = {0x20, 1, 0x0d, 0xb8, [15] = 0x0a};
	int fd = memfd_create("records", MFD_CLOEXEC);
	struct json *line = NULL;
	char text[RECORD_SIZE * 2] = "", longest[RECORD_SIZE];
	struct record r;

	(void)state;
	memset(longest, 'x', sizeof longest - 1);
	longest[sizeof longest - 1] = '\0';
	record_begin(&r, "flow");
	record_text(&r, "name", "a\"b\\c\n\x80");
	record_text(&r, "too", longest);
	record_address(&r, "address", true, six);
	record_number(&r, "port", 443);
	assert_true(record_end(&r, fd));
	assert_true(pread(fd, text, sizeof text - 1, 0) > 0);
	assert_int_equal(json_parse(text, strlen(text), 0, "record", &line, NULL), 0);
	assert_string_equal(json_get(line, "name")->string, "a?b?c??");
	assert_string_equal(json_get(line, "address")->string, "2001:db8:0:0:0:0:0:a");
	assert_int_equal(json_get(line, "port")->integer, 443);
	assert_null(json_get(line, "too"));
	json_free(line);
	/* Full is full. */
	assert_int_equal(ftruncate(fd, (off_t)RECORDS_MAX + 1), 0);
	record_begin(&r, "flow");
	assert_false(record_end(&r, fd));
	close(fd);
}

/* ---- pasta ------------------------------------------------------------------------------ */

static void check_word(const char *said, const char *wanted)
{
	struct pasta p = {-1, -1, -1};
	char word[24];
	int fds[2];

	assert_int_equal(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
	assert_int_equal(write(fds[1], said, strlen(said)), strlen(said));
	p.says = fds[0];
	pasta_read_word(&p, word, sizeof word);
	assert_string_equal(word, wanted);
	close(fds[0]);
	close(fds[1]);
}

static void test_pasta_says(void **state)
{
	(void)state;
	check_word("", "");
	check_word("\n\n", "");
	check_word("first\nlast\n", "last");
	check_word("no end", "no end");
	check_word("why\nFailed to send 9 bytes to syslog\n", "why");
	check_word("a\tb\033[1m", "a?b?[1m");
	check_word("longer than what there is room for", "longer than what there ");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_packets),	   cmocka_unit_test(test_short_packets),
		cmocka_unit_test(test_any_packet), cmocka_unit_test(test_upstreams),
		cmocka_unit_test(test_elements),   cmocka_unit_test(test_elements_fit),
		cmocka_unit_test(test_records),	   cmocka_unit_test(test_pasta_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
