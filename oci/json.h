/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * JSON as text: a value is where it stands. Nothing is allocated but decoded strings, and
 * what is looked for at the start of a file costs no reading to its end. yajl was not taken:
 * its tree does not know places, and `install` edits by them.
 */
#ifndef CIS_OCI_JSON_H
#define CIS_OCI_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* From its first byte to behind its last. Any function takes one that is empty. */
struct json {
	const char *at, *end;
};

struct json_error {
	unsigned int line, column; /* from 1, column in bytes */
	const char *what;
};

/* Exactly one value and blanks, as RFC 8259 has it. 0 or -EINVAL. */
int jtext_check(const char *text, size_t len, struct json *ret, struct json_error *err);

/* Fills line and column of @at. */
void jtext_locate(const char *text, const char *at, struct json_error *err);

/* Walks over members or elements. @key is NULL for an array. */
struct json_walk {
	const char *p, *end;
	char close;
};
struct json_walk jtext_enter(struct json container);
bool jtext_next(struct json_walk *w, struct json *key, struct json *value);

bool jtext_is(struct json v, char first); /* '{', '[', '"', 't' ... */
/* The value that a document is; not checked, but behind the blanks that it may begin with. */
struct json jtext_of(const char *text, size_t len);
/* The first member of that name; false when there is none. */
bool jtext_get(struct json object, const char *name, struct json *ret);
bool jtext_equal(struct json string, const char *text);
/* A string, decoded and to be freed; NULL when it is none, or has a NUL in it. */
char *jtext_text(struct json v);
bool jtext_number(struct json v, long long *ret);

/* @text as a JSON string. */
void jtext_put(FILE *f, const char *text);
/* @text without the blanks between its words: a line. */
void jtext_put_compact(FILE *f, const char *text);

#endif
