/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/json.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct json *parse(const char *text, unsigned flags)
{
	struct cis_error err = {0};
	struct json *v = NULL;

	if (json_parse(text, strlen(text), flags, "t.json", &v, &err) < 0)
		fail_msg("%s", err.message);
	assert_non_null(v);
	return v;
}

static void refuse_n(const char *text, size_t len, unsigned flags, int r,
		     const char *message)
{
	struct json *untouched = (struct json *)1, *v = untouched;
	struct cis_error err = {0};

	/* From the heap, exactly as long: the sanitizer sees what is read too far. */
	cleanup_free char *copy = malloc(len ? len : 1);

	assert_non_null(copy);
	memcpy(copy, text, len);
	assert_int_equal(json_parse(copy, len, flags, "t.json", &v, &err), r);
	assert_int_equal(err.code, -r);
	assert_string_equal(err.message, message);
	assert_ptr_equal(v, untouched);
	assert_int_equal(json_parse(copy, len, flags, "t.json", &v, NULL), r);
}

static void refuse(const char *text, const char *message)
{
	refuse_n(text, strlen(text), 0, -EINVAL, message);
}

static void assert_written(const struct json *v, unsigned flags, const char *text)
{
	cleanup_free char *s = NULL;

	assert_int_equal(json_write(v, flags, &s), 0);
	assert_string_equal(s, text);
}

static void assert_at(const struct json *v, unsigned line, unsigned column)
{
	assert_non_null(v);
	assert_int_equal(v->line, line);
	assert_int_equal(v->column, column);
}

static const char sample[] = "{\n"
			     "  \"name\" : \"b\\u00f6x \\ud83d\\ude00\",\n"
			     "  \"\xc3\xbc\": 12,  \"neg\": -9223372036854775808,\n"
			     "\t\"list\": [ 1.50, true ,false,\n"
			     "null, [ ], {} ],\n"
			     "  \"o\": {\"a\\\"b\":{\"deep\":\"x\"}}\r\n"
			     "}";

static void test_values(void **state)
{
	cleanup(json_freep) struct json *v = parse(sample, 0);
	const struct json *list = json_get(v, "list"), *it;

	(void)state;
	assert_int_equal(v->type, JSON_OBJECT);
	assert_int_equal(v->n, 5);
	assert_string_equal(json_get(v, "name")->string, "b\xc3\xb6x \xf0\x9f\x98\x80");
	assert_int_equal(json_get(v, "name")->n, 9);
	assert_int_equal(json_get(v, "\xc3\xbc")->integer, 12);
	assert_true(json_get(v, "neg")->integer == INT64_MIN);
	assert_null(json_get(v, "nam"));
	assert_null(json_get(list, "name"));
	assert_null(json_get(NULL, "name"));
	assert_int_equal(list->n, 6);
	it = list->first;
	assert_int_equal(it->type, JSON_NUMBER);
	assert_true(it->number > 1.49 && it->number < 1.51);
	it = it->next;
	assert_true(it->type == JSON_BOOL && it->boolean);
	it = it->next;
	assert_true(it->type == JSON_BOOL && !it->boolean);
	it = it->next;
	assert_int_equal(it->type, JSON_NULL);
	assert_true(it->next->type == JSON_ARRAY && it->next->n == 0);
	assert_ptr_equal(it->next->next, list->last);
	json_foreach(none, list->first)
		fail_msg("a number has no items");
}

static void test_positions(void **state)
{
	cleanup(json_freep) struct json *v = parse(sample, 0);
	const struct json *m, *it;

	(void)state;
	assert_at(v, 1, 1);
	m = json_get(v, "name");
	assert_at(m, 2, 12);
	assert_int_equal(m->key_line, 2);
	assert_int_equal(m->key_column, 3);
	m = json_get(v, "\xc3\xbc");
	assert_at(m, 3, 8);
	m = json_get(v, "neg");
	assert_at(m, 3, 20);
	assert_int_equal(m->key_column, 13);
	m = json_get(v, "list");
	assert_at(m, 4, 10);
	assert_int_equal(m->key_column, 2);
	it = m->first;
	assert_at(it, 4, 12);
	assert_at(it->next, 4, 18);
	assert_at(it->next->next, 4, 24);
	it = it->next->next->next;
	assert_at(it, 5, 1);
	assert_at(it->next, 5, 7);
	assert_at(it->next->next, 5, 12);
	m = json_get(json_get(v, "o"), "a\"b");
	assert_at(m, 6, 16);
	assert_int_equal(m->key_column, 9);
	assert_at(json_get(m, "deep"), 6, 24);
	assert_int_equal(json_get(m, "deep")->key_column, 17);
}

static void test_scalar_documents(void **state)
{
	static const char *const docs[] = {"1",	     " -0 ", "\n\n\"x\"", "true",
					   "null\n", "1e3",  "0.5"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(docs); i++) {
		struct json *v = parse(docs[i], 0);

		assert_int_equal(v->line, i == 2 ? 3 : 1);
		assert_int_equal(v->column, i == 1 ? 2 : 1);
		json_free(v);
	}
}

static void test_comments(void **state)
{
	static const char text[] =
		"// \"one\" {\n/* two * ** , : */ [ /*\n*/ 1 /* x */ , // [\n"
		" /**/ /***/ 2, {\"a\" /*:*/ : /*,*/ 3} ] // end";
	cleanup(json_freep) struct json *v = parse(text, JSON_COMMENTS);
	const struct json *o = v->last;

	(void)state;
	assert_at(v, 2, 20);
	assert_at(v->first, 3, 4);
	assert_at(v->first->next, 4, 13);
	assert_int_equal(o->first->key_column, 17);
	assert_at(o->first, 4, 35);
	refuse("[1, // x\n2]",
	       "t.json:1:5: unexpected \"/\": probable comment found in input "
	       "text, comments are not enabled");
	refuse("/**/ 1", "t.json:1:1: unexpected \"/\": probable comment found in input "
			 "text, comments are not enabled");
	refuse_n("[1] /* x", 8, JSON_COMMENTS, -EINVAL,
		 "t.json:1:5: unexpected \"/\" after the document");
	refuse_n("[1 /* x", 7, JSON_COMMENTS, -EINVAL,
		 "t.json:1:8: unexpected end of document in an array opened at line 1");
	refuse_n("// x", 4, JSON_COMMENTS, -EINVAL, "t.json:1:5: the document is empty");
	refuse_n("[1, / 2]", 8, JSON_COMMENTS, -EINVAL,
		 "t.json:1:5: unexpected \"/\": invalid char in json text");
}

static void test_refuse_syntax(void **state)
{
	(void)state;
	refuse("", "t.json:1:1: the document is empty");
	refuse(" \n \n", "t.json:3:1: the document is empty");
	refuse("{\n\"a\":\n  }", "t.json:3:3: unexpected \"}\"");
	refuse("[1,,2]", "t.json:1:4: unexpected \",\"");
	refuse("[1 , ]", "t.json:1:6: unexpected \"]\"");
	refuse("]", "t.json:1:1: unexpected \"]\"");
	refuse("{\"a\":1,}",
	       "t.json:1:8: unexpected \"}\": invalid object key (must be a string)");
	refuse("{\"a\":1 \"b\"}",
	       "t.json:1:8: unexpected string: after key and value, inside map, "
	       "I expect ',' or '}'");
	refuse("{\"a\" \"b\"}",
	       "t.json:1:6: unexpected string: object key and value must be "
	       "separated by a colon (':')");
	refuse("{\"a\",}", "t.json:1:5: unexpected \",\": object key and value must be "
			   "separated by a colon (':')");
	refuse("[1}",
	       "t.json:1:3: unexpected \"}\": after array element, I expect ',' or ']'");
	refuse("{1:2}",
	       "t.json:1:2: unexpected \"1\": invalid object key (must be a string)");
	refuse("[ nul ]", "t.json:1:3: unexpected \"nul\": invalid string in json text");
	refuse("[ yes ]", "t.json:1:3: unexpected \"yes\": invalid char in json text");
	refuse("{'a':1}", "t.json:1:2: unexpected \"'\": invalid char in json text");
	refuse("[\xe2\x80\x9cx]",
	       "t.json:1:2: unexpected character U+201C: invalid char in json text");
	refuse("\xef\xbb\xbf[]",
	       "t.json:1:1: unexpected character U+FEFF: invalid char in json text");
	refuse("[\033]",
	       "t.json:1:2: unexpected character U+001B: invalid char in json text");
	refuse("[1,01]",
	       "t.json:1:5: unexpected \"1\": after array element, I expect ',' or ']'");
	refuse("[ 1.x ]",
	       "t.json:1:3: unexpected \"1.x\": malformed number, a digit is required "
	       "after the decimal point");
	refuse("[\"abc\n\"]",
	       "t.json:1:6: unexpected end of line: invalid character inside string");
	refuse("[\"a\\qb\"]",
	       "t.json:1:5: unexpected \"qb\": inside a string, '\\' occurs before a "
	       "character which it may not");
	refuse("[\"a\\u12g4\"]",
	       "t.json:1:8: unexpected \"g4\": invalid (non-hex) character "
	       "occurs after '\\u' inside string");
	refuse_n("[\0]", 3, 0, -EINVAL,
		 "t.json:1:2: unexpected character U+0000: invalid char in json text");
}

static void test_refuse_trailing(void **state)
{
	static const char *const tails[] = {"x", "tru", "1", "\"ab", "\"", "}",
					    "]", "{",	"-", ",",    "1 2"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(tails); i++) {
		cleanup_free char *text = NULL, *message = NULL;
		bool is_string = tails[i][0] == '"';

		assert_int_equal(str_format(&text, "{\"a\":1}\n  %s", tails[i]), 0);
		assert_int_equal(
			str_format(&message,
				   "t.json:2:3: unexpected %s%.*s%s after the document",
				   is_string ? "" : "\"",
				   is_string ? 6 : (int)strcspn(tails[i], " "),
				   is_string ? "string" : tails[i],
				   is_string ? "" : "\""),
			0);
		refuse(text, message);
	}
	refuse("1 2", "t.json:1:3: unexpected \"2\" after the document");
	refuse("nullx", "t.json:1:5: unexpected \"x\" after the document");
	refuse("[] // x", "t.json:1:4: unexpected \"/\" after the document");
}

static void test_refuse_duplicates(void **state)
{
	(void)state;
	refuse("{\"a\":1,\n \"a\":2}",
	       "t.json:2:2: a: duplicate key, first at line 1, column 2");
	refuse("[{\"x\":{\"b\":1,\"a\":2,\"c\":3,\n\"\\u0061\":null,\"a\":0}}]",
	       "t.json:2:1: [0].x.a: duplicate key, first at line 1, column 14");
	json_free(parse("{\"a\":{\"a\":{\"a\":1}},\"A\":1}", 0));
}

static void test_refuse_strings(void **state)
{
	(void)state;
	refuse("[\"a\\u0000b\"]", "t.json:1:4: \\u0000 (NUL) in a string");
	refuse("{\"\\u0000\":1}", "t.json:1:3: \\u0000 (NUL) in a string");
	refuse("[\"\\\\\\u0000\"]", "t.json:1:5: \\u0000 (NUL) in a string");
	json_free(parse("[\"\\\\u0000\"]", 0));
	refuse("[\"\\ud800\"]", "t.json:1:3: \\ud800 is half a character");
	refuse("[\"x\\uDC00\"]", "t.json:1:4: \\udc00 is half a character");
	refuse("[\"\\ud800x\"]", "t.json:1:3: \\ud800 is half a character");
	refuse("[\"\\ud800\\n\"]", "t.json:1:3: \\ud800 is half a character");
	refuse("[\"\\ud800\\ud800\"]", "t.json:1:3: \\ud800 is half a character");
	refuse("[\"\\ud83d\\ude00\\udbff\\u0041\"]",
	       "t.json:1:15: \\udbff is half a character");
	refuse("[\"a\",\n\"b\xff\"]", "t.json:2:3: invalid UTF-8");
	refuse("[\"\xc0\x80\"]", "t.json:1:3: invalid UTF-8");
	refuse("[\"\xe0\x80\x80\"]", "t.json:1:3: invalid UTF-8");
	refuse("[\"\xed\xa0\x80\"]", "t.json:1:3: invalid UTF-8");
	refuse("[\"\xf4\x90\x80\x80\"]", "t.json:1:3: invalid UTF-8");
	refuse("[\"\xf8\x88\x80\x80\x80\"]", "t.json:1:3: invalid UTF-8");
	refuse("[\"\xc3", "t.json:1:3: invalid UTF-8");
	refuse("[\x80]", "t.json:1:2: invalid UTF-8");
}

static void test_refuse_numbers(void **state)
{
	static const char range[] =
		"t.json:1:2: integer out of range (it must fit in 64 bits, signed)";

	(void)state;
	json_free(
		parse("[9223372036854775807,-9223372036854775808,1e308,1e-999,-0.0]", 0));
	refuse_n("[9223372036854775808]", 21, 0, -ERANGE, range);
	refuse_n("[-9223372036854775809]", 22, 0, -ERANGE, range);
	refuse_n("[99999999999999999999999999999]", 31, 0, -ERANGE, range);
	refuse_n("[-1E999]", 8, 0, -ERANGE, "t.json:1:2: number out of range");
}

static void test_unsigned(void **state)
{
	static const char text[] =
		"[18446744073709551615,9223372036854775808,9223372036854775807,-1,1.5]";
	static const uint64_t values[] = {UINT64_MAX, 1ULL << 63, INT64_MAX};
	cleanup(json_freep) struct json *v = parse(text, JSON_UNSIGNED);
	const struct json *it = v->first;
	struct cis_error err = {0};
	uint64_t u = 0;
	int64_t i = 0;

	(void)state;
	assert_written(v, 0, text);
	assert_int_equal(it->type, JSON_NUMBER);
	for (size_t k = 0; k < ARRAY_SIZE(values); k++, it = it->next) {
		assert_int_equal(json_want_u64(it, UINT64_MAX, &u, &err), 0);
		assert_true(u == values[k]);
	}
	assert_int_equal(json_want_u64(it, UINT64_MAX, &u, &err), -ERANGE);
	assert_string_equal(err.message, "t.json:1:63: [3]: -1 is less than the minimum, 0");
	assert_int_equal(json_want_u64(it->next, UINT64_MAX, &u, &err), -EINVAL);
	assert_string_equal(err.message,
			    "t.json:1:66: [4]: expected an integer, found a number");
	assert_int_equal(json_want_u64(v->first, 7, &u, &err), -ERANGE);
	assert_string_equal(
		err.message,
		"t.json:1:2: [0]: 18446744073709551615 is more than the maximum, 7");
	assert_int_equal(json_want_int(v->first, 0, 7, &i, &err), -ERANGE);
	assert_string_equal(
		err.message,
		"t.json:1:2: [0]: 18446744073709551615 is more than the maximum, 7");
	refuse_n("18446744073709551616", 20, JSON_UNSIGNED, -ERANGE,
		 "t.json:1:1: integer out of range (it must fit in 64 bits)");
	refuse_n("-9223372036854775809", 20, JSON_UNSIGNED, -ERANGE,
		 "t.json:1:1: integer out of range (it must fit in 64 bits)");
}

/* "[[[...]]]", @n deep, every level being an object every other time. */
static char *nested(size_t n)
{
	char *text = malloc(n * 6 + 3), *s = text;

	assert_non_null(text);
	for (size_t i = 0; i < n; i++)
		s = stpcpy(s, i % 2 ? "{\"a\":" : "[");
	s = stpcpy(s, "1");
	for (size_t i = n; i > 0; i--)
		s = stpcpy(s, (i - 1) % 2 ? "}" : "]");
	return text;
}

static void test_limits(void **state)
{
	cleanup_free char *ok = nested(JSON_MAX_DEPTH),
			  *deep = nested(JSON_MAX_DEPTH + 1);
	cleanup_free char *hostile = nested(500000), *big = malloc(JSON_MAX_TEXT + 1);

	(void)state;
	json_free(parse(ok, 0));
	refuse(deep, "t.json:1:193: nested more than 64 levels deep");
	refuse(hostile, "t.json:1:193: nested more than 64 levels deep");
	assert_non_null(big);
	memset(big, ' ', JSON_MAX_TEXT + 1);
	big[0] = '1';
	refuse_n(big, JSON_MAX_TEXT + 1, 0, -EFBIG, "t.json:1:1: larger than 4 MiB");
	json_free(parse((big[JSON_MAX_TEXT] = '\0', big), 0));
	memset(big, ',', JSON_MAX_TEXT);
	for (size_t i = 1; i < JSON_MAX_TEXT; i += 2)
		big[i] = '1';
	big[0] = '[';
	refuse(big, "t.json:1:200000: more than 100000 values");
}

/* The two buffers in the arena at their largest: all text is one token. */
static void test_big_strings(void **state)
{
	cleanup_free char *text = malloc(JSON_MAX_TEXT + 1);
	struct json *v;

	(void)state;
	assert_non_null(text);
	memset(text, 'x', JSON_MAX_TEXT);
	text[JSON_MAX_TEXT] = '\0';
	text[0] = '"';
	refuse(text, "t.json:1:4194305: unexpected end of document");
	text[1] = '\\';
	text[2] = 'n';
	text[JSON_MAX_TEXT - 1] = '"';
	v = parse(text, 0);
	assert_int_equal(v->n, JSON_MAX_TEXT - 3);
	json_free(v);
	for (size_t i = 1; i + 2 < JSON_MAX_TEXT; i += 2)
		memcpy(text + i, "\\n", 2);
	v = parse(text, 0);
	assert_int_equal(v->n, JSON_MAX_TEXT / 2 - 1);
	json_free(v);
	text[0] = '[';
	text[1] = '"';
	text[2] = '\\';
	text[3] = 'n';
	text[JSON_MAX_TEXT / 2 - 1] = '"';
	text[JSON_MAX_TEXT / 2] = ',';
	memset(text + JSON_MAX_TEXT / 2 + 1, '1', JSON_MAX_TEXT / 2 - 1);
	for (size_t i = 4; i + 1 < JSON_MAX_TEXT / 2 - 1; i += 2)
		memcpy(text + i, "\\n", 2);
	text[JSON_MAX_TEXT / 2 - 2] = 'n';
	refuse_n(text, JSON_MAX_TEXT, 0, -ERANGE,
		 "t.json:1:2097154: integer out of range (it must fit in 64 bits, "
		 "signed)");
}

static void test_truncated(void **state)
{
	size_t len = sizeof sample - 1, line = 1, column = 1;

	(void)state;
	for (size_t i = 0; i < len; i++) {
		cleanup_free char *copy = malloc(i ? i : 1), *at = NULL;
		struct cis_error err = {0};
		struct json *v = NULL;

		assert_non_null(copy);
		memcpy(copy, sample, i);
		assert_int_equal(json_parse(copy, i, 0, "t.json", &v, &err), -EINVAL);
		assert_null(v);
		assert_int_equal(str_format(&at, "t.json:%zu:%zu: ", line, column), 0);
		if (!strstr(err.message, "invalid UTF-8"))
			assert_true(str_starts(err.message, at));
		assert_null(strchr(err.message, '\n'));
		if (sample[i] == '\n') {
			line++;
			column = 1;
		} else if (((unsigned char)sample[i] & 0xc0) != 0x80) {
			column++;
		}
	}
	json_free(parse(sample, 0));
}

/* Not what is said, but that nothing breaks: every byte replaced by others. */
static void test_mutated(void **state)
{
	static const char bytes[] = "\0\n\"\\u{}[],:/*-0e.tn \x80\xff\xed";

	(void)state;
	for (size_t i = 0; i < sizeof sample - 1; i++)
		for (size_t b = 0; b < sizeof bytes - 1; b++) {
			char copy[sizeof sample];
			struct json *v = NULL;

			memcpy(copy, sample, sizeof sample);
			copy[i] = bytes[b];
			if (json_parse(copy, sizeof sample - 1, b % 2, "t", &v, NULL) ==
			    0)
				json_free(v);
		}
}

static void test_round_trip(void **state)
{
	static const char compact[] =
		"{\"name\":\"b\xc3\xb6x \xf0\x9f\x98\x80\",\"\xc3\xbc\":12,"
		"\"neg\":-9223372036854775808,\"list\":[1.50,true,false,null,[],{}],"
		"\"o\":{\"a\\\"b\":{\"deep\":\"x\"}}}";
	cleanup(json_freep) struct json *v = parse(sample, 0);
	cleanup(json_freep) struct json *again = parse(compact, 0), *third = NULL;
	cleanup_free char *pretty = NULL;

	(void)state;
	assert_written(v, 0, compact);
	assert_written(again, 0, compact);
	assert_int_equal(json_write(v, JSON_PRETTY, &pretty), 0);
	third = parse(pretty, 0);
	assert_written(third, 0, compact);
	assert_at(json_get(json_get(third, "o"), "a\"b"), 14, 17);
}

static void test_pretty(void **state)
{
	cleanup(json_freep) struct json *v = parse("{\"a\":[1,{}],\"b\":[]}", 0);

	(void)state;
	assert_written(
		v, JSON_PRETTY,
		"{\n    \"a\": [\n        1,\n        {}\n    ],\n    \"b\": []\n}\n");
}

static void test_want(void **state)
{
	static const char text[] =
		"{\"s\":\"x\",\n\"n\":5,\"f\":1.5,\"t\":true,\"z\":null,\n"
		"\"m\":[{\"src\":3}],\"l\":[\"a\",\"b\"]}";
	cleanup(json_freep) struct json *v = parse(text, 0);
	const struct json *src = json_get(json_get(v, "m")->first, "src"), *m = NULL;
	struct cis_error err = {0};
	const char *s = NULL;
	int64_t i = 0;
	double d = 0;
	bool b = false;

	(void)state;
	assert_int_equal(json_want_string(json_get(v, "s"), &s, &err), 0);
	assert_string_equal(s, "x");
	assert_int_equal(json_want_int(json_get(v, "n"), 0, 5, &i, &err), 0);
	assert_int_equal(i, 5);
	assert_int_equal(json_want_number(json_get(v, "n"), &d, &err), 0);
	assert_true(d > 4.9 && d < 5.1);
	assert_int_equal(json_want_number(json_get(v, "f"), &d, &err), 0);
	assert_true(d > 1.4 && d < 1.6);
	assert_int_equal(json_want_bool(json_get(v, "t"), &b, &err), 0);
	assert_true(b);
	assert_int_equal(json_need(v, "m", &m, &err), 0);
	assert_int_equal(json_want(m, JSON_ARRAY, &err), 0);

	assert_int_equal(json_want_string(src, &s, &err), -EINVAL);
	assert_string_equal(err.message,
			    "t.json:3:13: m[0].src: expected a string, found an integer");
	assert_int_equal(json_want_int(json_get(v, "f"), 0, 9, &i, &err), -EINVAL);
	assert_string_equal(err.message,
			    "t.json:2:11: f: expected an integer, found a number");
	assert_int_equal(json_want_int(json_get(v, "n"), 6, 9, &i, &err), -ERANGE);
	assert_string_equal(err.message, "t.json:2:5: n: 5 is less than the minimum, 6");
	assert_int_equal(json_want_int(json_get(v, "n"), 0, 4, &i, &err), -ERANGE);
	assert_string_equal(err.message, "t.json:2:5: n: 5 is more than the maximum, 4");
	assert_int_equal(json_want_bool(json_get(v, "z"), &b, &err), -EINVAL);
	assert_string_equal(err.message,
			    "t.json:2:28: z: expected a boolean, found null");
	assert_int_equal(json_want_number(json_get(v, "s"), &d, NULL), -EINVAL);
	assert_int_equal(json_want(v, JSON_ARRAY, &err), -EINVAL);
	assert_string_equal(err.message,
			    "t.json:1:1: expected an array, found an object");
	assert_int_equal(json_need(v, "q", &m, &err), -EINVAL);
	assert_string_equal(err.message, "t.json:1:1: the key \"q\" is missing");
	assert_int_equal(json_need(src->parent, "dst", &m, &err), -EINVAL);
	assert_string_equal(err.message, "t.json:3:6: m[0]: the key \"dst\" is missing");
	assert_int_equal(json_need(src, "dst", &m, &err), -EINVAL);
	assert_int_equal(json_fail(src, &err, ENOENT, "no %s", "luck"), -ENOENT);
	assert_string_equal(err.message, "t.json:3:13: m[0].src: no luck");
	assert_int_equal(json_fail_key(src, &err, EPERM, "no"), -EPERM);
	assert_string_equal(err.message, "t.json:3:7: m[0].src: no");
}

static void test_want_strv(void **state)
{
	cleanup(json_freep) struct json *v =
		parse("{\"l\":[\"a\",\"b\"],\"e\":[],\"x\":[\"a\", 1]}", 0);
	cleanup(strv_done) struct strv l = {0};
	struct cis_error err = {0};

	(void)state;
	assert_int_equal(json_want_strv(json_get(v, "l"), &l, &err), 0);
	assert_int_equal(l.n, 2);
	assert_string_equal(l.v[1], "b");
	assert_null(l.v[2]);
	assert_int_equal(json_want_strv(json_get(v, "x"), &l, &err), -EINVAL);
	assert_string_equal(err.message,
			    "t.json:1:33: x[1]: expected a string, found an integer");
	assert_int_equal(json_want_strv(v, &l, &err), -EINVAL);
	assert_int_equal(l.n, 2);
	assert_int_equal(json_want_strv(json_get(v, "e"), &l, &err), 0);
	assert_int_equal(l.n, 0);
}

static void check_key(const char *key, const char *message)
{
	static const char *const allowed[] = {"memory", "rootfs", "env", "network", NULL};
	cleanup(json_freep) struct json *v = NULL;
	cleanup_free char *text = NULL;
	struct cis_error err = {0};

	assert_int_equal(str_format(&text, "[{\"env\":1,\n%s:[]}]", key), 0);
	v = parse(text, 0);
	if (!message) {
		assert_int_equal(json_check_keys(v->first, allowed, &err), 0);
		return;
	}
	assert_int_equal(json_check_keys(v->first, allowed, &err), -EINVAL);
	assert_string_equal(err.message, message);
	assert_int_equal(json_check_keys(v->first, allowed, NULL), -EINVAL);
}

static void test_check_keys(void **state)
{
	cleanup(json_freep) struct json *v = parse("[1]", 0);
	struct cis_error err = {0};

	(void)state;
	check_key("\"memory\"", NULL);
	check_key("\"Memory\"",
		  "t.json:2:1: [0].Memory: unknown key (did you mean \"memory\"?)");
	check_key("\"memry\"",
		  "t.json:2:1: [0].memry: unknown key (did you mean \"memory\"?)");
	check_key("\"meemory\"",
		  "t.json:2:1: [0].meemory: unknown key (did you mean \"memory\"?)");
	check_key("\"rootsf\"",
		  "t.json:2:1: [0].rootsf: unknown key (did you mean \"rootfs\"?)");
	check_key("\"netwirk\"",
		  "t.json:2:1: [0].netwirk: unknown key (did you mean \"network\"?)");
	check_key("\"\"", "t.json:2:1: [0].: unknown key");
	check_key("\"x\"", "t.json:2:1: [0].x: unknown key");
	check_key("\"disk\"", "t.json:2:1: [0].disk: unknown key");
	/* What a terminal would act on does not get there. */
	check_key("\"\\u001b[2J\\n\xc2\x9b\"", "t.json:2:1: [0].?[2J???: unknown key");
	assert_int_equal(json_check_keys(v, (const char *const[]){NULL}, &err), -EINVAL);
	assert_string_equal(err.message,
			    "t.json:1:1: expected an object, found an array");
}

static void test_long_path(void **state)
{
	cleanup_free char *text = malloc(5000);
	cleanup(json_freep) struct json *v = NULL;
	struct cis_error err = {0};

	(void)state;
	assert_non_null(text);
	memset(text, 'k', 4999);
	memcpy(text, "{\"", 2);
	strcpy(text + 4000, "end\":1}");
	v = parse(text, 0);
	assert_int_equal(json_fail(v->first, &err, EINVAL, "bad"), -EINVAL);
	assert_true(str_starts(err.message, "t.json:1:4006: ...kkk"));
	assert_non_null(strstr(err.message, "kkkend: bad"));
	assert_true(strlen(err.message) < 256);
}

static void test_build(void **state)
{
	cleanup(json_freep) struct json *v = json_object_new();
	struct json *arr = json_array_new();
	struct cis_error err = {0};
	struct strv l = {0};

	(void)state;
	json_set_string(v, "id", "first");
	json_set_string(v, "none", NULL);
	json_set_int(v, "pid", INT64_MIN);
	json_set_bool(v, "up", true);
	json_push(arr, json_null_new());
	json_push(arr, json_bool_new(false));
	json_push(arr, json_object_new());
	json_set(v, "list", arr);
	assert_int_equal(strv_add(&l, "a"), 0);
	assert_int_equal(strv_add(&l, "\xff"
				      "b"),
			 0);
	json_set_strv(v, "argv", &l);
	strv_done(&l);
	json_set_strv(v, "empty", &l);
	json_set_string(v, "id", "second");
	json_set_int(v, "empty", 3);
	json_set_int(v, "after", 4);
	assert_int_equal(v->n, 8);
	assert_written(v, 0,
		       "{\"id\":\"second\",\"none\":null,\"pid\":-9223372036854775808,"
		       "\"up\":true,"
		       "\"list\":[null,false,{}],\"argv\":[\"a\",\"\xef\xbf\xbd"
		       "b\"],"
		       "\"empty\":3,\"after\":4}");
	assert_int_equal(json_want(arr->first, JSON_INT, &err), -EINVAL);
	assert_string_equal(err.message, "list[0]: expected an integer, found null");
}

static void test_hostile_output(void **state)
{
	cleanup(json_freep) struct json *v = json_object_new();
	cleanup(json_freep) struct json *back = NULL;
	cleanup_free char *text = NULL;
	char all[256];

	(void)state;
	for (size_t i = 0; i < 255; i++)
		all[i] = (char)(i + 1);
	all[255] = '\0';
	json_set_string(v, all, all);
	json_set_string(v, "\xed\xa0\x80", "\xf0\x9f\x98");
	json_set_string(v, "esc", "\x01\x1f\n\t\"\\/\x7f");
	assert_int_equal(json_write(v, 0, &text), 0);
	for (const char *s = text; *s; s++)
		assert_true((unsigned char)*s >= ' ');
	assert_non_null(
		strstr(text, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\":\"\xef\xbf\xbd"));
	assert_non_null(strstr(text, "\"esc\":\"\\u0001\\u001F\\n\\t\\\"\\\\/\x7f\""));
	back = parse(text, 0);
	assert_string_equal(back->first->key, v->first->key);
	assert_string_equal(back->first->string, v->first->string);
	assert_string_equal(json_get(back, "esc")->string, "\x01\x1f\n\t\"\\/\x7f");
}

static void refuse_write(struct json *v, int r)
{
	char *untouched = (char *)1, *text = untouched;

	assert_int_equal(json_write(v, 0, &text), r);
	assert_ptr_equal(text, untouched);
	json_free(v);
}

/* NULL stands for what could not be allocated. */
static void test_sticky(void **state)
{
	struct json *v = json_object_new(), *inner = json_object_new();
	struct strv l = {0};

	(void)state;
	refuse_write(NULL, -ENOMEM);
	json_set(v, "a", NULL);
	json_set_int(v, "b", 1);
	refuse_write(v, -ENOMEM);

	v = json_array_new();
	json_push(v, NULL);
	refuse_write(v, -ENOMEM);

	v = json_array_new();
	json_set_string(inner, "ok", "x");
	json_set(inner, "lost", NULL);
	json_push(v, inner);
	refuse_write(v, -ENOMEM);

	json_set_int(NULL, "a", 1);
	json_set_strv(NULL, "a", &l);
	json_set(NULL, "a", NULL);
	json_push(NULL, json_string_new("x"));
	json_push(NULL, NULL);
	json_free(NULL);

	v = json_array_new();
	json_set_int(v, "a", 1);
	refuse_write(v, -EINVAL);
	v = json_object_new();
	json_push(v, json_int_new(1));
	refuse_write(v, -EINVAL);
	v = json_string_new("x");
	json_push(v, json_int_new(1));
	refuse_write(v, -EINVAL);
}

static void test_deep_output(void **state)
{
	struct json *v = json_array_new();

	(void)state;
	for (size_t i = 1; i < 200000; i++) {
		struct json *outer = json_array_new();

		if (i == JSON_MAX_DEPTH) {
			cleanup_free char *text = NULL;

			assert_int_equal(json_write(v, 0, &text), 0);
			json_free(parse(text, 0));
		}
		json_push(outer, v);
		v = outer;
	}
	refuse_write(v, -E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_positions),
		cmocka_unit_test(test_scalar_documents),
		cmocka_unit_test(test_comments),
		cmocka_unit_test(test_refuse_syntax),
		cmocka_unit_test(test_refuse_trailing),
		cmocka_unit_test(test_refuse_duplicates),
		cmocka_unit_test(test_refuse_strings),
		cmocka_unit_test(test_refuse_numbers),
		cmocka_unit_test(test_unsigned),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_big_strings),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_mutated),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_pretty),
		cmocka_unit_test(test_want),
		cmocka_unit_test(test_want_strv),
		cmocka_unit_test(test_check_keys),
		cmocka_unit_test(test_long_path),
		cmocka_unit_test(test_build),
		cmocka_unit_test(test_hostile_output),
		cmocka_unit_test(test_sticky),
		cmocka_unit_test(test_deep_output),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
