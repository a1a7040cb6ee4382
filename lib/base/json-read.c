/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reading a tree: values of the type that is wanted, and errors that say where
 * in the document the other kind stood. It stands alone because it is a user of
 * the tree like any other: all it knows is in json.h, and nothing of yajl.
 */
#include "json.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Errors about a value */

/* Filled from its end, because a path is found from the leaf to the root. */
struct path {
	char text[192];
	size_t start;
};

/* Terminals obey what is printed to them: of keys, only ASCII is shown. */
static void path_prepend(struct path *p, const char *s)
{
	for (size_t i = strlen(s); i > 0 && p->start > 0; i--)
		p->text[--p->start] = s[i - 1] >= ' ' && s[i - 1] <= '~' ? s[i - 1] : '?';
}

/* "mounts[2].source: ", or "" for the root; too long a path loses its start. */
static const char *path_of(struct path *p, const struct json *v)
{
	p->text[sizeof p->text - 1] = '\0';
	p->start = sizeof p->text - 1;
	if (v->parent)
		path_prepend(p, ": ");
	for (; v->parent; v = v->parent) {
		char index[32];
		size_t i = 0;

		if (v->parent->type == JSON_OBJECT) {
			path_prepend(p, v->key);
			if (v->parent->parent)
				path_prepend(p, ".");
			continue;
		}
		for (const struct json *s = v->parent->first; s != v; s = s->next)
			i++;
		snprintf(index, sizeof index, "[%zu]", i);
		path_prepend(p, index);
	}
	if (p->start == 0)
		memcpy(p->text, "...", 3);
	return p->text + p->start;
}

static CIS_PRINTF(6, 0) int fail_value(const struct json *v, unsigned line,
				       unsigned column, struct cis_error *err, int errnum,
				       const char *fmt, va_list ap)
{
	const struct json *root = v;
	char cause[256];
	struct path path;

	vsnprintf(cause, sizeof cause, fmt, ap);
	while (root->parent)
		root = root->parent;
	if (!line || !root->name)
		return cis_fail_plain(err, errnum, "%s%s", path_of(&path, v), cause);
	return cis_fail_plain(err, errnum, "%s:%u:%u: %s%s", root->name, line, column,
			      path_of(&path, v), cause);
}

int json_fail(const struct json *v, struct cis_error *err, int errnum,
	      const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = fail_value(v, v->line, v->column, err, errnum, fmt, ap);
	va_end(ap);
	return r;
}

int json_fail_key(const struct json *v, struct cis_error *err, int errnum,
		  const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = fail_value(v, v->key_line, v->key_column, err, errnum, fmt, ap);
	va_end(ap);
	return r;
}

/* Typed reads */

int json_want(const struct json *v, enum json_type type, struct cis_error *err)
{
	if (v->type == type)
		return 0;
	return json_fail(v, err, EINVAL, "expected %s, found %s", json_type_name(type),
			 json_type_name(v->type));
}

int json_want_bool(const struct json *v, bool *ret, struct cis_error *err)
{
	int r = json_want(v, JSON_BOOL, err);

	if (r == 0)
		*ret = v->boolean;
	return r;
}

/* An integer that int64 does not hold: kept as it was spelt, see JSON_UNSIGNED. */
static bool is_unsigned(const struct json *v)
{
	return v->type == JSON_NUMBER && v->string && !strpbrk(v->string, ".eE");
}

int json_want_int(const struct json *v, int64_t min, int64_t max, int64_t *ret,
		  struct cis_error *err)
{
	int r;

	if (is_unsigned(v))
		return json_fail(v, err, ERANGE, "%s is more than the maximum, %lld",
				 v->string, (long long)max);
	r = json_want(v, JSON_INT, err);
	if (r < 0)
		return r;
	if (v->integer < min)
		return json_fail(v, err, ERANGE, "%lld is less than the minimum, %lld",
				 (long long)v->integer, (long long)min);
	if (v->integer > max)
		return json_fail(v, err, ERANGE, "%lld is more than the maximum, %lld",
				 (long long)v->integer, (long long)max);
	*ret = v->integer;
	return 0;
}

int json_want_u64(const struct json *v, uint64_t max, uint64_t *ret,
		  struct cis_error *err)
{
	uint64_t value;

	if (is_unsigned(v)) {
		/* json_parse() has seen that it fits. */
		if (str_parse_u64(v->string, &value) < 0 || value > max)
			return json_fail(v, err, ERANGE,
					 "%s is more than the maximum, %llu", v->string,
					 (unsigned long long)max);
	} else {
		int64_t small;
		int r = json_want_int(v, 0, (int64_t)MIN(max, (uint64_t)INT64_MAX),
				      &small, err);

		if (r < 0)
			return r;
		value = (uint64_t)small;
	}
	*ret = value;
	return 0;
}

int json_want_number(const struct json *v, double *ret, struct cis_error *err)
{
	int r = v->type == JSON_INT ? 0 : json_want(v, JSON_NUMBER, err);

	if (r == 0)
		*ret = v->type == JSON_INT ? (double)v->integer : v->number;
	return r;
}

int json_want_string(const struct json *v, const char **ret, struct cis_error *err)
{
	int r = json_want(v, JSON_STRING, err);

	if (r == 0)
		*ret = v->string;
	return r;
}

int json_want_strv(const struct json *v, struct strv *ret, struct cis_error *err)
{
	cleanup(strv_done) struct strv l = {0};
	int r = json_want(v, JSON_ARRAY, err);

	if (r < 0)
		return r;
	json_foreach(item, v) {
		r = json_want(item, JSON_STRING, err);
		if (r < 0)
			return r;
		r = strv_add(&l, item->string);
		if (r < 0)
			return cis_fail(err, -r, "json");
	}
	strv_done(ret);
	*ret = l;
	l = (struct strv){0};
	return 0;
}

int json_need(const struct json *obj, const char *key, const struct json **ret,
	      struct cis_error *err)
{
	const struct json *v = json_get(obj, key);
	int r = json_want(obj, JSON_OBJECT, err);

	if (r < 0)
		return r;
	if (!v)
		return json_fail(obj, err, EINVAL, "the key \"%s\" is missing", key);
	*ret = v;
	return 0;
}

/* One letter too many, too few, or wrong; two swapped; or the case. */
static bool is_near(const char *a, const char *b)
{
	size_t la, lb;

	if (strcasecmp(a, b) == 0)
		return true;
	if (strlen(a) < 3 || strlen(b) < 3)
		return false;
	for (; *a && *a == *b; a++)
		b++;
	la = strlen(a);
	lb = strlen(b);
	for (; la && lb && a[la - 1] == b[lb - 1]; la--)
		lb--;
	if (la == 2 && lb == 2)
		return a[0] == b[1] && a[1] == b[0];
	return la <= 1 && lb <= 1;
}

int json_check_keys(const struct json *obj, const char *const allowed[],
		    struct cis_error *err)
{
	int r = json_want(obj, JSON_OBJECT, err);

	if (r < 0)
		return r;
	json_foreach(m, obj) {
		const char *near = NULL;
		size_t i = 0;

		for (; allowed[i] && strcmp(allowed[i], m->key) != 0; i++)
			if (is_near(allowed[i], m->key))
				near = allowed[i];
		if (allowed[i])
			continue;
		r = json_fail_key(m, err, EINVAL, "unknown key");
		return near ? cis_hint(err, "did you mean \"%s\"?", near) : r;
	}
	return 0;
}
