/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * JSON: a small tree in which every value knows where it stood in the text,
 * so that whoever reads a document can point at what is wrong with it.
 *
 *	cleanup(json_freep) struct json *doc = NULL;
 *
 *	r = json_parse(text, len, JSON_COMMENTS, "profile.json", &doc, err);
 *	r = json_check_keys(doc, (const char *const[]){"memory", "env", NULL}, err);
 *	json_foreach(m, doc)
 *		if (strcmp(m->key, "env") == 0)
 *			r = json_want_strv(m, &spec->env, err);
 *
 * All errors are one line, the path being there once there is a value:
 *
 *	profile.json:3:14: unexpected "}"
 *	profile.json:7:3: mounts[2].source: expected a string, found null
 *
 * A document is hostile until proven otherwise. Refused: more than 4 MiB of
 * text, 64 levels or 100000 values, duplicate keys, NUL in strings, invalid
 * UTF-8, half surrogate pairs, integers beyond int64, anything after the end.
 * With JSON_UNSIGNED, integers may go up to 2^64 - 1: those that int64 does not
 * hold become JSON_NUMBER, written back as they were read, for json_want_u64().
 */
#ifndef CIS_BASE_JSON_H
#define CIS_BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "macros.h"
#include "str.h"

#define JSON_MAX_TEXT (4UL << 20)
#define JSON_MAX_DEPTH 64
#define JSON_MAX_VALUES 100000
/* With JSON_LARGE. An SBOM of some thousand packages, with their files, is that big. */
#define JSON_LARGE_TEXT (32UL << 20)
#define JSON_LARGE_VALUES 1000000

enum json_type {
	JSON_NULL,
	JSON_BOOL,
	JSON_INT,
	JSON_NUMBER, /* with a point or an exponent: 1.5, 1.0, 1e3; JSON_UNSIGNED */
	JSON_STRING,
	JSON_ARRAY,
	JSON_OBJECT,
};

/*
 * Users read the fields and leave writing them to the functions below.
 * Lines and columns count from 1, columns in characters; 0 means that the
 * value does not come from a text. Strings and keys are valid UTF-8, no NUL.
 */
struct json {
	enum json_type type;
	int error; /* sticky: the -errno that json_write() will return */
	unsigned line, column;
	unsigned key_line, key_column;
	char *key;                  /* of a member of an object, else NULL */
	char *name;                 /* of the document, in its root only */
	struct json *parent, *next; /* the container, and what follows in it */
	struct json *first, *last;  /* ARRAY, OBJECT: in the order of the text */
	size_t n;                   /* ARRAY, OBJECT: children; STRING: bytes */
	char *string;               /* STRING; NUMBER: as it was spelt */
	union {
		bool boolean;
		int64_t integer;
		double number;
	};
};

/* Visits members (it->key) or items; nothing in a value that has neither. */
#define json_foreach(it, v) \
	for (const struct json *it = (v)->first; it; it = it->next)

/* json_parse: allow C comments of both kinds */
#define JSON_COMMENTS (1U << 0)
/* json_parse: integers may need 64 bits without a sign (RLIM_INFINITY) */
#define JSON_UNSIGNED (1U << 1)
/* json_parse: of the second bounds, for what may cost some hundred MB */
#define JSON_LARGE (1U << 2)
/* json_write: indent, and end with a newline */
#define JSON_PRETTY (1U << 0)

/*
 * Reads the document @text, which errors call @name. -EINVAL not acceptable,
 * -ERANGE a number too big, -EFBIG too much text, -ENOMEM.
 */
int json_parse(const char *text, size_t len, unsigned flags, const char *name,
	       struct json **ret, struct cis_error *err) CIS_MUST_CHECK;

/* Frees a whole tree, by its root. */
void json_free(struct json *v);

static inline void json_freep(struct json **v)
{
	json_free(*v);
	*v = NULL;
}

/* "a string", "an object", ... */
const char *json_type_name(enum json_type type);

/* The member @key, or NULL if there is none or @obj is not an object. */
const struct json *json_get(const struct json *obj, const char *key);

/*
 * "<name>:<line>:<column>: <path of v>: <fmt>", for what only the caller can
 * know to be wrong; the position is that of the value, or of the member's key.
 * Returns -errnum.
 */
int json_fail(const struct json *v, struct cis_error *err, int errnum,
	      const char *fmt, ...) CIS_PRINTF(4, 5);
int json_fail_key(const struct json *v, struct cis_error *err, int errnum,
		  const char *fmt, ...) CIS_PRINTF(4, 5);

/*
 * Typed reads of a value that exists: 0, -EINVAL (other type, says which),
 * -ERANGE (json_want_int, _u64), -ENOMEM (json_want_strv). Strings are borrowed from
 * the tree; *ret of json_want_strv is replaced. json_want_number takes
 * integers too.
 */
int json_want(const struct json *v, enum json_type type, struct cis_error *err);
int json_want_bool(const struct json *v, bool *ret, struct cis_error *err);
int json_want_int(const struct json *v, int64_t min, int64_t max, int64_t *ret,
		  struct cis_error *err);
/* To UINT64_MAX if the document was parsed with JSON_UNSIGNED, else to INT64_MAX. */
int json_want_u64(const struct json *v, uint64_t max, uint64_t *ret,
		  struct cis_error *err);
int json_want_number(const struct json *v, double *ret, struct cis_error *err);
int json_want_string(const struct json *v, const char **ret, struct cis_error *err);
int json_want_strv(const struct json *v, struct strv *ret, struct cis_error *err);

/* The member @key, which must exist, of @obj, which must be an object. */
int json_need(const struct json *obj, const char *key, const struct json **ret,
	      struct cis_error *err);

/* @obj must be an object without keys other than @allowed (ends with NULL). */
int json_check_keys(const struct json *obj, const char *const allowed[],
		    struct cis_error *err);

/*
 * Building. Failures stick: every function takes NULL for a value that could
 * not be made and remembers that something is missing, so that only the final
 * json_write() needs a check. Strings may hold anything: bytes that are not
 * UTF-8 become U+FFFD. A NULL string is written as null.
 */
struct json *json_string_new(const char *s);
/* For the ones below; a string made this way would have no text. */
struct json *json_new(enum json_type type);

static inline struct json *json_null_new(void)
{
	return json_new(JSON_NULL);
}

static inline struct json *json_array_new(void)
{
	return json_new(JSON_ARRAY);
}

static inline struct json *json_object_new(void)
{
	return json_new(JSON_OBJECT);
}

static inline struct json *json_bool_new(bool value)
{
	struct json *v = json_new(JSON_BOOL);

	if (v)
		v->boolean = value;
	return v;
}

static inline struct json *json_int_new(int64_t value)
{
	struct json *v = json_new(JSON_INT);

	if (v)
		v->integer = value;
	return v;
}

/* Both take @value over, whatever happens. An existing key is replaced. */
void json_set(struct json *obj, const char *key, struct json *value_consumed);
void json_push(struct json *arr, struct json *value_consumed);

static inline void json_set_bool(struct json *obj, const char *key, bool value)
{
	json_set(obj, key, json_bool_new(value));
}

static inline void json_set_int(struct json *obj, const char *key, int64_t value)
{
	json_set(obj, key, json_int_new(value));
}

static inline void json_set_string(struct json *obj, const char *key, const char *s)
{
	json_set(obj, key, json_string_new(s));
}

void json_set_strv(struct json *obj, const char *key, const struct strv *l);

/*
 * The text of @v, which the caller frees. -ENOMEM now or earlier, -EINVAL if
 * a member went into an array or the like, -E2BIG beyond JSON_MAX_DEPTH.
 */
int json_write(const struct json *v, unsigned flags, char **ret) CIS_MUST_CHECK;

#endif
