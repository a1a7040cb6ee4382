/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* config.json cut, changed, and with every value exchanged: an error or a plan, no crash. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "base/fd.h"
#include "base/str.h"
#include "config-documents.h"
#include "config-parts.h"
#include "container/config-read.h"
#include "container/config.h"

/* ---- anything at all -------------------------------------------------------------------- */

static int try_text(const char *text, size_t len)
{
	/* From the heap, exactly as long: the sanitizer sees what is read too far. */
	cleanup_free char *copy = malloc(len ? len : 1);
	struct cis_error err = {0};
	struct config c;
	int r;

	assert_non_null(copy);
	memcpy(copy, text, len);
	r = config_parse(&c, copy, len, &err);
	config_done(&c);
	assert_true(r <= 0);
	assert_int_equal(err.code, -r);
	assert_true(r == 0 || str_starts(err.message, "config.json"));
	assert_null(strchr(err.message, '\n'));
	return r;
}

static void test_truncated(void **state)
{
	cleanup_free char *doc = document(DOC, maximal);
	size_t len = strlen(doc);

	(void)state;
	for (size_t i = 0; i < len; i++)
		assert_true(try_text(doc, i) < 0);
	assert_int_equal(try_text(doc, len), 0);
}

static void test_mutated(void **state)
{
	static const char bytes[] = "\0\"\\{}[],:-09.x/ \xff";
	cleanup_free char *doc = document(DOC, maximal);
	size_t len = strlen(doc);

	(void)state;
	/* 3 and the number of bytes have no common divisor: in the end all of both met. */
	for (size_t i = 0; i < len; i++) {
		char old = doc[i];

		for (size_t b = i % 3; b < sizeof bytes - 1; b += 3) {
			doc[i] = bytes[b];
			try_text(doc, len);
		}
		doc[i] = old;
	}
}

/* Every value in turn replaced by one of each kind, the document staying JSON. */
static void replace_each(struct json *root, struct json *v)
{
	struct json other[] = {
		{.type = JSON_NULL},
		{.type = JSON_BOOL, .boolean = true},
		{.type = JSON_INT, .integer = -1},
		{.type = JSON_INT, .integer = INT64_MIN},
		{.type = JSON_INT, .integer = INT64_MAX},
		{.type = JSON_INT, .integer = 0},
		{.type = JSON_NUMBER, .string = (char *)INF},
		{.type = JSON_NUMBER, .string = (char *)"1e3"},
		{.type = JSON_STRING, .string = (char *)"", .n = 0},
		{.type = JSON_STRING, .string = (char *)"/", .n = 1},
		{.type = JSON_ARRAY},
		{.type = JSON_OBJECT},
	};
	struct json old = *v;

	for (size_t i = 0; i < ARRAY_SIZE(other); i++) {
		cleanup_free char *text = NULL;

		v->type = other[i].type;
		v->integer = other[i].integer;
		v->string = other[i].string;
		v->n = other[i].n;
		v->first = v->last = NULL;
		assert_int_equal(json_write(root, 0, &text), 0);
		*v = old;
		try_text(text, strlen(text));
	}
	for (struct json *it = v->first; it; it = it->next)
		replace_each(root, it);
}

static void test_replaced(void **state)
{
	cleanup_free char *doc = document(DOC, maximal);
	cleanup(json_freep) struct json *v = NULL;

	(void)state;
	assert_int_equal(json_parse(doc, strlen(doc), JSON_UNSIGNED, "x", &v, NULL), 0);
	replace_each(v, v);
}

/* As many as a document can have, of what is compared with each other. */
static void test_many(void **state)
{
	static const struct {
		const char *member, *item;
	} rows[] = {
		{"'uidMappings':[", IDMAP(0, 0, 1)},
		{"'namespaces':[", "{'type':'pid'}"},
		{"'devices':[", "{'type':'p','path':'/d'}"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t step = strlen(rows[i].item) + 1, n = 24000;
		cleanup_free char *text = malloc(strlen(rows[i].member) + n * step + 2);
		cleanup_free char *doc = NULL;
		char *end = stpcpy(text, rows[i].member);

		for (size_t k = 0; k < n; k++)
			end = stpcpy(stpcpy(end, k ? "," : ""), rows[i].item);
		strcpy(end, "]");
		doc = document(LINUX, text);
		assert_int_equal(try_text(doc, strlen(doc)), i == 2 ? 0 : -EINVAL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_mutated),
		cmocka_unit_test(test_replaced),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
