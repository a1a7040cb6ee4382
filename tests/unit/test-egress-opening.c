/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The engine that opens TLS connections: hellos, judged and held. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "base/macros.h"
#include "egress-opening.h"
#include "egress/judge.h"
#include "egress/opening.h"
#include "egress/segment.h"

/* ---- hellos ------------------------------------------------------------------------------ */

static const char retry[64] = "\x16\x03\x03\0\x30\x02\0\0\x2c\x03\x03"
			      "\xcf\x21\xad\x74\xe5\x9a\x61\x11\xbe\x1d\x8c\x02\x1e\x65\xb8\x91"
			      "\xc2\xa2\x11\x16\x7a\xbb\x8c\x5e\x07\x9e\x09\xe2\xc8\xa8\x33\x9c";

/* ---- tests --------------------------------------------------------------------------------- */

static void opens(void **state)
{
	const struct text good = hello("good.example", 0);

	(void)state;
	for (int six = 0; six < 2; six++) {
		struct world *w = connected(six);
		uint32_t id;

		assert_int_equal(say(w, &good, 0, good.n), OPENING_PASS);
		/* Not before it has all of it, and has said what it wants. */
		assert_int_equal(reply(w, good.n - 1, NULL, 0), OPENING_PASS);
		assert_int_equal(reply(w, good.n, NULL, 0), OPENING_PASS);
		id = send_to(w, true, PORT, ACK, ISN + 1 + (uint32_t)good.n, SISN + 1, "x", 1);
		assert_int_equal(w->verdicts[id], PENDING);
		assert_int_equal(reply(w, good.n, server_hello, 8), OPENING_PASS);
		assert_int_equal(reply(w, good.n, server_hello, 60), OPENING_OPEN);
		assert_int_equal(w->verdicts[id], OPENING_OPEN);
		/* What was queued meanwhile. */
		assert_int_equal(up(w, ACK, ISN + 100, "y", 1), OPENING_OPEN);
		assert_int_equal(down(w, ACK, SISN + 90, ISN, "y", 1), OPENING_OPEN);
		assert_true(opening_is_busy(w->o));
		tick(w, 20000);
		assert_false(opening_is_busy(w->o));
		assert_int_equal(up(w, ACK, ISN + 100, "y", 1), OPENING_REFUSE);
		free_world(w);
	}
}

static void refuses_names(void **state)
{
	static const struct {
		const char *name, *why;
	} rows[] = {{"evil.example", "name"}, {NULL, "name"}, {"192.0.2.1", "the name in the hello is an address"}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct text t = hello(rows[i].name, 0);
		struct world *w = connected(i % 2);

		assert_int_equal(say(w, &t, 0, t.n), OPENING_REFUSE);
		assert_int_equal(w->refused, 1);
		assert_string_equal(w->why, rows[i].why);
		assert_int_equal(say(w, &t, 0, t.n), OPENING_REFUSE);
		assert_int_equal(w->refused, 1);
		/* Its end may be told, and nothing else. */
		assert_int_equal(up(w, RST, ISN + 1, NULL, 0), OPENING_PASS);
		assert_int_equal(up(w, RST, ISN + 1, "x", 1), OPENING_DROP);
		assert_int_equal(reply(w, 0, "x", 1), OPENING_DROP);
		assert_int_equal(reply(w, 0, NULL, 0), OPENING_PASS);
		free_world(w);
	}
}

static void passes_in_pieces(void **state)
{
	const struct text good = hello("good.example", 5000), bad = hello("evil.example", 5000);

	(void)state;
	for (size_t piece = 1; piece < 3000; piece = piece * 3 + 1) {
		struct world *w = connected(false);

		for (size_t at = 0; at < good.n; at += piece)
			assert_int_equal(say(w, &good, at, MIN(at + piece, good.n)), OPENING_PASS);
		assert_int_equal(reply(w, good.n, server_hello, 60), OPENING_OPEN);
		free_world(w);
		w = connected(true);
		for (size_t at = 0; at < bad.n; at += piece) {
			/* The name is the last there is. */
			bool is_last = at + piece >= bad.n;

			assert_int_equal(say(w, &bad, at, MIN(at + piece, bad.n)),
					 is_last ? OPENING_REFUSE : OPENING_PASS);
		}
		free_world(w);
	}
}

/* A wrong name does not leave even if more of the hello is to come. */
static void sees_a_wrong_name_early(void **state)
{
	struct text t = hello("evil.example", 0);
	struct world *w = connected(false);
	const size_t whole = t.n;

	(void)state;
	/* Another extension is announced: of the record, the message, the list. */
	t.v[4] += 100, t.v[8] += 100, t.v[51] += 100;
	assert_int_equal(say(w, &t, 0, whole - 1), OPENING_PASS);
	assert_int_equal(say(w, &t, whole - 1, whole), OPENING_REFUSE);
	assert_string_equal(w->why, "name");
	free_world(w);
}

static void compares_what_comes_again(void **state)
{
	const struct text good = hello("good.example", 100), evil = hello("evil.example", 100);
	struct world *w = connected(false);

	(void)state;
	assert_int_equal(say(w, &good, 0, 60), OPENING_PASS);
	assert_int_equal(say(w, &good, 0, 60), OPENING_PASS);
	assert_int_equal(say(w, &good, 10, 30), OPENING_PASS);
	/* An overlap, of which the old part is the same. */
	assert_int_equal(say(w, &good, 30, 90), OPENING_PASS);
	assert_int_equal(say(w, &good, 95, 100), OPENING_DROP); /* a gap */
	assert_int_equal(say(w, &good, 90, good.n), OPENING_PASS);
	assert_int_equal(say(w, &good, 90, good.n), OPENING_PASS);
	assert_int_equal(say(w, &evil, 90, evil.n), OPENING_REFUSE);
	assert_int_equal(reply(w, good.n, server_hello, 60), OPENING_DROP);
	free_world(w);

	w = connected(false);
	assert_int_equal(say(w, &good, 0, 150), OPENING_PASS);
	assert_int_equal(say(w, &evil, 100, evil.n), OPENING_REFUSE);
	free_world(w);

	w = connected(false);
	assert_int_equal(say(w, &good, 0, 60), OPENING_PASS);
	assert_int_equal(say(w, &evil, 60, evil.n), OPENING_REFUSE);
	free_world(w);

	/* Each byte of what has passed, before there is a name. */
	for (size_t i = 0; i < 100; i++) {
		struct text other = good;

		w = connected(false);
		assert_int_equal(say(w, &good, 0, 100), OPENING_PASS);
		other.v[i] ^= 1;
		assert_int_equal(say(w, &other, i / 2, 110), OPENING_REFUSE);
		free_world(w);
	}
}

static void holds_until_it_is_answered(void **state)
{
	const struct text good = hello("good.example", 3000);
	struct world *w = connected(false);
	uint32_t first, again, second;

	(void)state;
	first = send_to(w, true, PORT, ACK, ISN + 1, 0, good.v, 1000);
	again = send_to(w, true, PORT, ACK, ISN + 1, 0, good.v, 1000);
	second = send_to(w, true, PORT, ACK, ISN + 1001, 0, good.v + 1000, good.n - 1000);
	assert_int_equal(w->verdicts[first], PENDING);
	assert_int_equal(w->asked, 1);
	answer_all(w); /* about the first, and then about all of it */
	assert_int_equal(w->asked, 2);
	assert_int_equal(w->verdicts[first], OPENING_PASS);
	assert_int_equal(w->verdicts[again], OPENING_PASS);
	assert_int_equal(w->verdicts[second], OPENING_PASS);
	free_world(w);

	/* Who does not answer is asked again. */
	w = connected(false);
	w->deaf = true;
	first = send_to(w, true, PORT, ACK, ISN + 1, 0, good.v, good.n);
	tick(w, 1000);
	assert_int_equal(w->asked, 2);
	w->deaf = false;
	tick(w, 1000);
	assert_int_equal(w->verdicts[first], OPENING_PASS);
	free_world(w);

	/* More than it holds comes again later. */
	w = connected(false);
	w->deaf = true;
	for (int i = 1; i < OPENING_HELD; i++)
		assert_int_equal(up(w, ACK, ISN + 1, good.v, 10), PENDING);
	assert_int_equal(up(w, ACK, ISN + 1, good.v, 10), OPENING_DROP);
	free_world(w);
}

static void cuts_off_what_is_behind(void **state)
{
	struct text good = hello("good.example", 0);
	const size_t end = good.n;

	(void)state;
	memcpy(good.v + good.n, "early data", 10);
	good.n += 10;
	for (int six = 0; six < 2; six++) {
		struct world *w = connected(six);
		struct segment s;

		assert_int_equal(say(w, &good, 0, good.n), OPENING_DROP);
		assert_int_equal(up(w, ACK | FIN, ISN + 1, good.v, good.n), TRIMMED);
		assert_true(segment_parse(w->trimmed, w->trimmed_len, &s));
		assert_int_equal(s.n, end);
		assert_int_equal(s.flags, ACK);
		assert_memory_equal(s.data, good.v, end);
		assert_int_equal(up(w, ACK, ISN + 1 + (uint32_t)end, good.v + end, 10), PENDING);
		assert_int_equal(reply(w, end, server_hello, 60), OPENING_OPEN);
		free_world(w);
	}
}

static void second_hello(const struct text *second, int expected)
{
	static const uint8_t change[] = {20, 3, 3, 0, 1, 1};
	const struct text good = hello("good.example", 0);
	struct world *w = connected(false);
	struct text all = good;

	memcpy(all.v + all.n, change, sizeof change);
	memcpy(all.v + all.n + sizeof change, second->v, second->n);
	all.n += sizeof change + second->n;
	assert_int_equal(say(w, &all, 0, good.n), OPENING_PASS);
	/* In the hope that a retry comes. */
	assert_int_equal(up(w, ACK, ISN + 1 + (uint32_t)good.n, all.v + good.n, 40), PENDING);
	assert_int_equal(reply(w, good.n, retry, 43), OPENING_PASS);
	assert_int_equal(say(w, &all, good.n, good.n + 3), OPENING_PASS);
	assert_int_equal(say(w, &all, good.n + 3, all.n), expected);
	assert_int_equal(reply(w, good.n, retry, 60), expected == OPENING_PASS ? OPENING_PASS : OPENING_DROP);
	assert_int_equal(reply(w, all.n, server_hello, 60),
			 expected == OPENING_PASS ? OPENING_OPEN : OPENING_DROP);
	free_world(w);
}

static void judges_the_second_hello(void **state)
{
	struct text good = hello("good.example", 70), evil = hello("evil.example", 0),
		    none = hello(NULL, 0), odd = {.v = {23, 3, 3, 0xff, 0xff}, .n = 5};

	(void)state;
	second_hello(&good, OPENING_PASS);
	second_hello(&evil, OPENING_REFUSE);
	second_hello(&none, OPENING_REFUSE);
	second_hello(&odd, OPENING_REFUSE);
	assert_int_equal(hello_asks_again((const uint8_t *)retry, 42), -EAGAIN);
	assert_int_equal(hello_asks_again((const uint8_t *)retry, 43), 1);
	assert_int_equal(hello_asks_again((const uint8_t *)server_hello, 43), 0);
	assert_int_equal(hello_asks_again((const uint8_t *)"\x15", 1), 0);
}

/* Both ends hear of it: the client's word that it is there is what is answered. */
static void resets_who_is_silent(void **state)
{
	struct world *w = new_world(false);
	uint32_t there;

	(void)state;
	assert_int_equal(up(w, SYN, ISN, NULL, 0), OPENING_PASS);
	assert_int_equal(down(w, SYN | ACK, SISN, ISN + 1, NULL, 0), OPENING_PASS);
	there = send_to(w, true, PORT, ACK, ISN + 1, SISN + 1, NULL, 0);
	assert_int_equal(w->verdicts[there], PENDING);
	/* The server has not heard, and so asks. */
	assert_int_equal(down(w, SYN | ACK, SISN, ISN + 1, NULL, 0), OPENING_PASS);
	assert_int_equal(up(w, ACK, ISN + 1, NULL, 0), OPENING_DROP);
	tick(w, 10000);
	assert_int_equal(w->verdicts[there], OPENING_REFUSE);
	assert_int_equal(w->refused, 1);
	assert_int_equal(down(w, SYN | ACK, SISN, ISN + 1, NULL, 0), OPENING_PASS);
	assert_int_equal(up(w, RST, ISN + 1, NULL, 0), OPENING_PASS);
	free_world(w);

	/* Who only looks whether somebody is there has done so. */
	w = new_world(true);
	assert_int_equal(up(w, SYN, ISN, NULL, 0), OPENING_PASS);
	assert_int_equal(down(w, SYN | ACK, SISN, ISN + 1, NULL, 0), OPENING_PASS);
	there = send_to(w, true, PORT, ACK, ISN + 1, SISN + 1, NULL, 0);
	assert_int_equal(up(w, ACK | FIN, ISN + 1, NULL, 0), OPENING_PASS);
	assert_int_equal(w->verdicts[there], OPENING_PASS);
	/* And hears the end of who was there: one more would be waited for, and asked for. */
	assert_int_equal(down(w, ACK | FIN, SISN + 1, ISN + 2, NULL, 0), OPENING_PASS);
	assert_int_equal(up(w, ACK, ISN + 2, NULL, 0), OPENING_PASS);
	assert_int_equal(up(w, ACK, ISN + 2, NULL, 0), OPENING_PASS);
	free_world(w);
}

/* Who resets makes room for others, of whom there may be as many as are held at all. */
static void a_reset_holds_nothing(void **state)
{
	struct world *w = new_world(false);
	uint32_t there = 0;

	(void)state;
	for (uint16_t port = 1; port <= 2 * OPENING_HELD_ALL; port++) {
		send_to(w, true, port, SYN, ISN, 0, NULL, 0);
		send_to(w, false, port, SYN | ACK, SISN, ISN + 1, NULL, 0);
		there = send_to(w, true, port, ACK, ISN + 1, SISN + 1, NULL, 0);
		assert_int_equal(w->verdicts[there], PENDING);
		send_to(w, true, port, RST, ISN + 1, 0, NULL, 0);
		assert_int_equal(w->verdicts[there], OPENING_DROP);
		assert_int_equal(w->verdicts[w->id], OPENING_PASS);
	}
	/* It was none that the server believed. */
	there = send_to(w, true, 1, ACK, ISN + 1, SISN + 1, NULL, 0);
	assert_int_equal(w->verdicts[there], PENDING);
	free_world(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(opens),
		cmocka_unit_test(refuses_names),
		cmocka_unit_test(passes_in_pieces),
		cmocka_unit_test(sees_a_wrong_name_early),
		cmocka_unit_test(compares_what_comes_again),
		cmocka_unit_test(holds_until_it_is_answered),
		cmocka_unit_test(cuts_off_what_is_behind),
		cmocka_unit_test(judges_the_second_hello),
		cmocka_unit_test(resets_who_is_silent),
		cmocka_unit_test(a_reset_holds_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
