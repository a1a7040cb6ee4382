/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * lib/guard/mask*: against a reference that marks every occurrence in the whole text, over
 * random words, texts and cuts; what words are made of a value.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/macros.h"
#include "guard/mask.h"

/* ---- the reference --------------------------------------------------------------- */

#define TEXT_MAX 600
#define WORDS_MAX 12

struct word {
	char at[MASK_WORD_MAX];
	size_t len;
};

/* Which of @n bytes belong to an occurrence. */
static void mark(const struct word *words, size_t n_words, const char *text, size_t n, bool *ret)
{
	memset(ret, 0, n);
	for (size_t at = 0; at < n; at++)
		for (size_t w = 0; w < n_words; w++)
			if (words[w].len <= n - at && !memcmp(text + at, words[w].at, words[w].len))
				memset(ret + at, 1, words[w].len);
}

static size_t show(const char *text, const bool *marked, size_t n, char *out)
{
	size_t len = 0;

	for (size_t i = 0; i < n; i++) {
		if (!marked[i]) {
			out[len++] = text[i];
		} else if (!i || !marked[i - 1]) {
			memcpy(out + len, MASK_TEXT, strlen(MASK_TEXT));
			len += strlen(MASK_TEXT);
		}
	}
	return len;
}

/* ---- random cases ------------------------------------------------------------------- */

static uint32_t seed;

static uint32_t any(uint32_t below)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % below;
}

/* Two or three letters, so that words begin, overlap and contain each other all the time. */
static size_t fill(char *at, size_t min, size_t max, uint32_t letters)
{
	size_t n = min + any((uint32_t)(max - min + 1));

	for (size_t i = 0; i < n; i++)
		at[i] = (char)('a' + any(letters));
	return n;
}

struct shot {
	struct word words[WORDS_MAX];
	size_t n_words, n;
	char text[TEXT_MAX];
	struct mask *m;
};

static void aim(struct shot *c)
{
	uint32_t letters = 1 + any(4);

	c->n_words = 1 + any(WORDS_MAX);
	c->m = mask_new();
	for (size_t i = 0; i < c->n_words; i++) {
		size_t max = any(8) ? 9 : MASK_WORD_MAX;

		c->words[i].len = fill(c->words[i].at, MASK_WORD_MIN, max, letters);
		assert_int_equal(mask_add_word(c->m, c->words[i].at, c->words[i].len), 0);
	}
	c->n = fill(c->text, 0, TEXT_MAX, letters);
	/* And some that certainly are there. */
	for (uint32_t i = any(4); i && c->n; i--) {
		const struct word *w = &c->words[any((uint32_t)c->n_words)];

		if (w->len <= c->n)
			memcpy(c->text + any((uint32_t)(c->n - w->len + 1)), w->at, w->len);
	}
}

static void test_whole(void **state)
{
	char out[4 * TEXT_MAX + 16], wanted[4 * TEXT_MAX + 16];
	bool marked[TEXT_MAX];
	struct shot c;

	(void)state;
	for (seed = 1; seed < 4000; seed += 7) {
		uint32_t kept = seed;
		size_t n, len;

		aim(&c);
		mark(c.words, c.n_words, c.text, c.n, marked);
		n = show(c.text, marked, c.n, wanted);
		len = mask_text(c.m, c.text, c.n, out, sizeof out);
		assert_int_equal(len, n);
		assert_memory_equal(out, wanted, n);
		assert_int_equal(out[len], 0);
		mask_free(c.m);
		seed = kept;
	}
}

/*
 * In pieces, and now and then what is held back is asked for: a byte is shown by what was
 * known when it had to be given out.
 */
static void stream(struct shot *c, bool impatient)
{
	char out[8 * TEXT_MAX + 64], wanted[8 * TEXT_MAX + 64], piece[MASK_OUT(64)];
	struct mask_stream *s = mask_stream_new(c->m, 64);
	bool now[TEXT_MAX], marked[TEXT_MAX];
	size_t at = 0, len = 0, shown = 0, n;

	assert_non_null(s);
	while (at < c->n) {
		size_t k = 1 + any(64);

		k = MIN(k, c->n - at);
		memcpy(mask_stream_in(s), c->text + at, k);
		n = mask_stream_take(s, k, piece);
		assert_true(n <= sizeof piece);
		memcpy(out + len, piece, n);
		len += n;
		at += k;
		if (at < c->n && (!impatient || any(4)))
			continue;
		n = mask_stream_let_go(s, piece);
		assert_true(n <= sizeof piece);
		memcpy(out + len, piece, n);
		len += n;
		assert_false(mask_stream_holds(s));
		mark(c->words, c->n_words, c->text, at, now);
		memcpy(marked + shown, now + shown, at - shown);
		shown = at;
	}
	n = show(c->text, marked, c->n, wanted);
	assert_int_equal(len, n);
	assert_memory_equal(out, wanted, n);
	mask_stream_free(s);
}

static void test_streams(void **state)
{
	struct shot c;

	(void)state;
	for (uint32_t i = 1; i < 6000; i++) {
		seed = i * 2654435761u;
		aim(&c);
		stream(&c, i & 1);
		mask_free(c.m);
	}
}

/* ---- values --------------------------------------------------------------------------- */

static const char *masked(const char *value, const char *text)
{
	static char out[4096];
	cleanup(mask_freep) struct mask *m = mask_new();

	assert_int_equal(mask_add_value(m, value, strlen(value)), 1);
	mask_text(m, text, strlen(text), out, sizeof out);
	return out;
}

static void test_values(void **state)
{
	(void)state;
	assert_string_equal(masked("hunter22\n", "a hunter22!"), "a [MASKED]!");
	assert_string_equal(masked("hunter22", "hunter2 hunter222"), "hunter2 [MASKED]2");
	assert_string_equal(masked("one two\n  three\r\n}\nfour", "one two|three|}|four"),
			    "[MASKED]|[MASKED]|}|[MASKED]");
	/* Of "one two\nthree" the lines, in any indentation. */
	assert_string_equal(masked("one two\nthree", "> one two\n>   three\n"),
			    "> [MASKED]\n>   [MASKED]\n");
	/* printf hunter22 | base64, and with one and two bytes before it and some behind. */
	assert_string_equal(masked("hunter22", "aHVudGVyMjI="), "[MASKED]I=");
	assert_string_equal(masked("hunter22", "eGh1bnRlcjIy"), "eG[MASKED]");
	assert_string_equal(masked("hunter22", "eHhodW50ZXIyMnl5"), "eHh[MASKED]nl5");
	/* \xff\xfe\xfd... has the digits that differ for URLs. */
	assert_string_equal(masked("\xff\xfe\xff\xfe\xff\xfe\xff\xfe\xff", "__7__v_-__7_"),
			    "[MASKED]");
	assert_string_equal(masked("\xff\xfe\xff\xfe\xff\xfe\xff\xfe\xff", "//7//v/+//7/"),
			    "[MASKED]");
}

static void test_long_values(void **state)
{
	static char value[MASK_VALUE_MAX + 2], text[3000], out[3000], wanted[64];
	struct mask *m = mask_new();
	size_t n;

	(void)state;
	seed = 42;
	n = fill(value, 1500, 1500, 26);
	assert_int_equal(mask_add_value(m, value, n), 1);
	snprintf(text, sizeof text, "<%.1500s>", value);
	mask_text(m, text, strlen(text), out, sizeof out);
	assert_string_equal(out, "<" MASK_TEXT ">");
	/* A piece of it that has a whole word of it is not shown but at its ends. */
	snprintf(text, sizeof text, "%.900s", value + 10);
	mask_text(m, text, strlen(text), out, sizeof out);
	snprintf(wanted, sizeof wanted, "%.20s", value + 10);
	assert_null(strstr(out + 250, wanted));
	assert_non_null(strstr(out, MASK_TEXT));
	mask_free(m);

	m = mask_new();
	memset(value, 'x', sizeof value);
	assert_int_equal(mask_add_value(m, value, MASK_VALUE_MAX + 1), 0);
	assert_int_equal(mask_add_value(m, value, MASK_VALUE_MAX), 1);
	mask_free(m);
}

/* As base64(1) writes it, and as one line. */
static void test_wrapped(void **state)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char value[203], one[400], wrapped[400], out[800];
	struct mask *m = mask_new();
	size_t n, k = 0, w = 0;

	(void)state;
	seed = 7;
	n = fill(value, 201, 201, 26);
	value[n] = '\0';
	for (size_t i = 0; i < n; i += 3) {
		uint32_t v = (uint32_t)value[i] << 16 | (uint32_t)value[i + 1] << 8 |
			     (uint32_t)value[i + 2];

		for (int shift = 18; shift >= 0; shift -= 6)
			one[k++] = digits[v >> shift & 63];
	}
	one[k] = '\0';
	for (size_t i = 0; i < k; i++) {
		wrapped[w++] = one[i];
		if (i % 76 == 75)
			wrapped[w++] = '\n';
	}
	assert_int_equal(mask_add_value(m, value, n), 1);
	mask_text(m, one, k, out, sizeof out);
	assert_string_equal(out, MASK_TEXT);
	mask_text(m, wrapped, w, out, sizeof out);
	assert_string_equal(out, MASK_TEXT "\n" MASK_TEXT "\n" MASK_TEXT "\n" MASK_TEXT);
	mask_free(m);
}

static void test_too_short(void **state)
{
	struct mask *m = mask_new();
	char out[16];

	(void)state;
	assert_int_equal(mask_add_value(m, "abc\n", 4), 0);
	assert_int_equal(mask_add_value(m, "", 0), 0);
	assert_int_equal(mask_add_value(m, "\n\n\n", 3), 0);
	assert_int_equal(mask_add_value(m, "a\nbb\n{\n}\n", 9), 0);
	assert_int_equal(mask_text(m, "abc", 3, out, sizeof out), 3);
	assert_string_equal(out, "abc");
	assert_int_equal(mask_text(m, "", 0, out, sizeof out), 0);
	mask_free(m);
}

/* Never more than there is room for, and always an end. */
static void test_room(void **state)
{
	struct mask *m = mask_new();
	char out[6];

	(void)state;
	assert_int_equal(mask_add_value(m, "hunter22", 8), 1);
	assert_int_equal(mask_text(m, "a hunter22", 10, out, sizeof out), 5);
	assert_string_equal(out, "a [MA");
	mask_free(m);
}

/* ---- secrets ---------------------------------------------------------------------------- */

static int give(struct secrets *s, const char *name, const char *value, size_t n)
{
	FILE *f = tmpfile();
	int r;

	assert_non_null(f);
	assert_int_equal(fwrite(value, 1, n, f), n);
	assert_int_equal(fflush(f), 0);
	lseek(fileno(f), 0, SEEK_SET);
	r = secrets_add(s, name, fileno(f), NULL);
	fclose(f);
	return r;
}

static void test_secrets(void **state)
{
	static const char *const bad[] = {"", ".", "..", ".a", "-a", "a/b", "a b", "a\n", "a=b",
		"\xc3\xa4", "0123456789012345678901234567890123456789012345678901234567890123"};
	static char much[SECRET_MAX + 1];
	struct secrets s = {0};
	char name[16];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(give(&s, bad[i], "x", 1), -EINVAL);
	assert_int_equal(give(&s, "a", "value", 5), 0);
	assert_int_equal(give(&s, "a", "other", 5), -EEXIST);
	assert_int_equal(give(&s, "_.b-1", "", 0), 0);
	assert_int_equal(s.n, 2);
	assert_memory_equal(s.v[0].vault.at, "value", 5);
	assert_int_equal(give(&s, "large", much, SECRET_MAX + 1), -E2BIG);
	for (int i = 0; i < 3; i++) {
		snprintf(name, sizeof name, "m%d", i);
		assert_int_equal(give(&s, name, much, SECRET_MAX), 0);
	}
	assert_int_equal(give(&s, "m3", much, SECRET_MAX), -E2BIG); /* with "value" */
	assert_int_equal(give(&s, "m3", much, SECRET_MAX - 5), 0);
	assert_int_equal(s.n, 6);
	for (int i = 6; i < SECRETS_MAX; i++) {
		snprintf(name, sizeof name, "n%d", i);
		assert_int_equal(give(&s, name, "", 0), 0);
	}
	assert_int_equal(give(&s, "last", "", 0), -E2BIG);
	secrets_done(&s);
}

/* What is cloned has none of it; before the seal it has. */
static void test_seal(void **state)
{
	struct vault v = {0};

	(void)state;
	for (int sealed = 0; sealed < 2; sealed++) {
		int status;
		pid_t pid;

		assert_int_equal(vault_make(&v, 100), 0);
		memcpy(v.at, "secret", 6);
		if (sealed)
			assert_int_equal(vault_seal(&v), 0);
		pid = fork();
		if (pid == 0)
			_exit(memcmp(v.at, "secret", 6) == 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(WEXITSTATUS(status), !sealed);
		assert_memory_equal(v.at, "secret", 6);
		vault_done(&v);
		assert_null(v.at);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),	    cmocka_unit_test(test_streams),
		cmocka_unit_test(test_values),	    cmocka_unit_test(test_long_values),
		cmocka_unit_test(test_wrapped),	    cmocka_unit_test(test_too_short),
		cmocka_unit_test(test_room),	    cmocka_unit_test(test_secrets),
		cmocka_unit_test(test_seal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
