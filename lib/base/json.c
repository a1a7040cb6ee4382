/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * yajl lexes, parses, and escapes; this file makes a tree of its events and
 * adds what yajl does not do: positions, limits, and strictness. yajl lets
 * overlong UTF-8 and half surrogate pairs pass, and what it makes of them is
 * not UTF-8, hence two checks of our own (check_text, check_escapes).
 *
 * yajl does not survive a failing malloc, so it never gets to see one: it
 * allocates from an arena which is large enough for all it can ask for.
 *
 * A position is the end of the last event plus whatever separates tokens.
 * yajl reports commas and colons to nobody, but it has checked them by then.
 */
#include "json.h"

#include <ctype.h>
#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yajl/yajl_gen.h>
#include <yajl/yajl_parse.h>

/* Memory for yajl: only grows, freed as a whole */

struct arena {
	char *base;
	size_t size, used;
};

/* Blocks are preceded by their size, in one unit of alignment. */
#define ARENA_ALIGN ((size_t)16)

/*
 * The parser has two buffers that depend on the text: the string being
 * unescaped, and the token cut off by the end of the text. They start with
 * 2 KiB and double, old copies remaining here: 2 + 4 times their contents,
 * which together are no longer than the text. The rest fits in 16 KiB.
 */
#define ARENA_PARSER(len) (8 * (len) + (16U << 10))
/* A generator that prints through a callback is a single struct of 600 bytes. */
#define ARENA_WRITER 4096

static void *arena_get(void *ctx, size_t size)
{
	struct arena *a = ctx;
	size_t room = (size + 2 * ARENA_ALIGN - 1) & ~(ARENA_ALIGN - 1);
	char *block = a->base + a->used;

	if (room < size || room > a->size - a->used)
		return NULL;
	a->used += room;
	memcpy(block, &size, sizeof size);
	return block + ARENA_ALIGN;
}

static void *arena_resize(void *ctx, void *old, size_t size)
{
	void *block = arena_get(ctx, size);
	size_t old_size;

	if (!block || !old)
		return block;
	memcpy(&old_size, (char *)old - ARENA_ALIGN, sizeof old_size);
	return memcpy(block, old, MIN(old_size, size));
}

static void arena_ignore(void *ctx, void *block)
{
	(void)ctx;
	(void)block;
}

/* UTF-8 */

/* A terminated copy in which every byte that is not UTF-8 became U+FFFD. */
static char *dup_utf8(const char *s)
{
	size_t n = strlen(s), step;
	char *copy = malloc(3 * n + 1), *end = copy;
	unsigned code;

	if (!copy)
		return NULL;
	for (; n > 0; s += step, n -= step) {
		step = str_utf8(s, n, &code);
		end = mempcpy(end, step ? s : "\xef\xbf\xbd", step ? step : 3);
		step = MAX(step, (size_t)1);
	}
	*end = '\0';
	return copy;
}

/* The tree */

struct json *json_new(enum json_type type)
{
	struct json *v = calloc(1, sizeof *v);

	if (v)
		v->type = type;
	return v;
}

/* Without recursion: a tree built by a program has no limit of depth. */
void json_free(struct json *v)
{
	while (v) {
		struct json *next = v->first;

		if (next) {
			v->first = next->next;
		} else {
			next = v->parent;
			free(v->key);
			free(v->name);
			free(v->string);
			free(v);
		}
		v = next;
	}
}

static void append_child(struct json *parent, struct json *v)
{
	v->parent = parent;
	if (parent->last)
		parent->last->next = v;
	else
		parent->first = v;
	parent->last = v;
	parent->n++;
}

const char *json_type_name(enum json_type type)
{
	static const char *const names[] = {
		[JSON_NULL] = "null",         [JSON_BOOL] = "a boolean",
		[JSON_INT] = "an integer",    [JSON_NUMBER] = "a number",
		[JSON_STRING] = "a string",   [JSON_ARRAY] = "an array",
		[JSON_OBJECT] = "an object",
	};

	return (size_t)type < ARRAY_SIZE(names) ? names[type] : "something else";
}

const struct json *json_get(const struct json *obj, const char *key)
{
	if (!obj || obj->type != JSON_OBJECT)
		return NULL;
	json_foreach(m, obj)
		if (strcmp(m->key, key) == 0)
			return m;
	return NULL;
}

/* Parsing: positions */

struct position {
	size_t offset;
	unsigned line, column;
};

struct parser {
	const char *text, *name;
	size_t len;
	bool comments, allow_unsigned;
	size_t max_text, max_values;
	struct cis_error *err;

	yajl_handle yajl;
	bool finishing; /* yajl has had all the text: its offsets are void */
	int r;          /* of the callback that stopped it */

	struct position at; /* start of the current token */
	size_t done;        /* end of the last token that was an event */

	struct json *root, *open; /* open: the innermost container not closed */
	unsigned depth;
	size_t values;
	char *key; /* waits for its value */
	unsigned key_line, key_column;
};

/* Goes on from where it was last: the whole text is scanned once. */
static void locate(struct parser *p, size_t offset)
{
	if (offset < p->at.offset)
		p->at = (struct position){0, 1, 1};
	for (; p->at.offset < offset; p->at.offset++) {
		unsigned char c = (unsigned char)p->text[p->at.offset];

		if (c == '\n') {
			p->at.line++;
			p->at.column = 1;
		} else if ((c & 0xc0) != 0x80) {
			p->at.column++;
		}
	}
}

static CIS_PRINTF(4, 5) int fail_at(struct parser *p, size_t offset, int errnum,
				     const char *fmt, ...)
{
	char cause[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(cause, sizeof cause, fmt, ap);
	va_end(ap);
	locate(p, offset);
	p->r = cis_fail_plain(p->err, errnum, "%s:%u:%u: %s", p->name, p->at.line,
			      p->at.column, cause);
	return p->r;
}

static int fail_memory(struct parser *p)
{
	p->r = cis_fail(p->err, ENOMEM, "%s", p->name);
	return p->r;
}

/* The end of the comment at @pos; @pos itself if none is there, or it has no end. */
static size_t skip_comment(const struct parser *p, size_t pos)
{
	const char *s = p->text + pos, *end = NULL;
	size_t left = p->len - pos;

	if (!p->comments || left < 2)
		return pos;
	if (s[1] == '/') {
		end = memchr(s, '\n', left);
		return end ? (size_t)(end + 1 - p->text) : p->len;
	}
	if (s[1] == '*')
		end = memmem(s + 2, left - 2, "*/", 2);
	return end ? (size_t)(end + 2 - p->text) : pos;
}

/* What yajl takes for space, which is a bit more than JSON does. */
static size_t skip_space(const struct parser *p, size_t pos)
{
	while (pos < p->len) {
		size_t next = pos;

		if (memchr(" \t\n\v\f\r", p->text[pos], 6))
			next = pos + 1;
		else if (p->text[pos] == '/')
			next = skip_comment(p, pos);
		if (next == pos)
			break;
		pos = next;
	}
	return pos;
}

/*
 * Where the token behind the last event starts. Commas and colons are passed,
 * except for one that ends at @end: there it is the token that is wrong.
 */
static size_t token_start(const struct parser *p, size_t end)
{
	size_t pos = skip_space(p, p->done);

	while (pos < p->len && memchr(",:", p->text[pos], 2) && pos + 1 != end)
		pos = skip_space(p, pos + 1);
	return pos;
}

/* Parsing: events */

static void begin_token(struct parser *p)
{
	locate(p, token_start(p, 0));
	p->done = p->finishing ? p->len : yajl_get_bytes_consumed(p->yajl);
}

static struct json *add_value(struct parser *p, enum json_type type)
{
	struct json *v;

	begin_token(p);
	if (++p->values > p->max_values) {
		fail_at(p, p->at.offset, EINVAL, "more than %zu values", p->max_values);
		return NULL;
	}
	v = json_new(type);
	if (!v) {
		fail_memory(p);
		return NULL;
	}
	v->line = p->at.line;
	v->column = p->at.column;
	if (p->open) {
		v->key = steal_ptr(&p->key);
		v->key_line = v->key ? p->key_line : 0;
		v->key_column = v->key ? p->key_column : 0;
		append_child(p->open, v);
		return v;
	}
	p->root = v;
	v->name = strdup(p->name);
	if (!v->name) {
		fail_memory(p);
		return NULL;
	}
	return v;
}

static int on_null(void *ctx)
{
	return add_value(ctx, JSON_NULL) != NULL;
}

static int on_bool(void *ctx, int value)
{
	struct json *v = add_value(ctx, JSON_BOOL);

	if (v)
		v->boolean = value;
	return v != NULL;
}

static bool parse_int(const char *s, size_t n, int64_t *ret)
{
	bool negative = *s == '-', overflow = false;
	int64_t value = 0;

	for (size_t i = negative; i < n && !overflow; i++) {
		int digit = negative ? '0' - s[i] : s[i] - '0';

		overflow = __builtin_mul_overflow(value, 10, &value) ||
			   __builtin_add_overflow(value, digit, &value);
	}
	*ret = value;
	return !overflow;
}

/* Whether the digits @s fit where parse_int() has no room left. */
static bool fits_unsigned(const char *s, size_t n)
{
	bool overflow = *s == '-';
	uint64_t value = 0;

	for (size_t i = 0; i < n && !overflow; i++)
		overflow = __builtin_mul_overflow(value, 10, &value) ||
			   __builtin_add_overflow(value, s[i] - '0', &value);
	return !overflow;
}

/* The program's locale may want a decimal comma; JSON never does. */
static int parse_double(struct parser *p, struct json *v)
{
	locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);

	if (!c)
		return fail_memory(p);
	v->number = strtod_l(v->string, NULL, c);
	freelocale(c);
	if (!isfinite(v->number))
		return fail_at(p, p->at.offset, ERANGE, "number out of range");
	return 0;
}

static int on_number(void *ctx, const char *s, size_t n)
{
	struct parser *p = ctx;
	bool is_int = !memchr(s, '.', n) && !memchr(s, 'e', n) && !memchr(s, 'E', n);
	struct json *v = add_value(p, is_int ? JSON_INT : JSON_NUMBER);

	if (!v)
		return 0;
	if (is_int && parse_int(s, n, &v->integer))
		return 1;
	if (is_int && !(p->allow_unsigned && fits_unsigned(s, n)))
		return fail_at(p, p->at.offset, ERANGE,
			       "integer out of range (it must fit in 64 bits%s)",
			       p->allow_unsigned ? "" : ", signed") == 0;
	v->type = JSON_NUMBER;
	v->string = strndup(s, n);
	if (!v->string)
		return fail_memory(p) == 0;
	return parse_double(p, v) == 0;
}

/* Four hexadecimal digits: yajl has checked that they are. */
static unsigned hex4(const char *s)
{
	unsigned value = 0;

	for (int i = 0; i < 4; i++)
		value = value * 16 + (s[i] & 15U) + (s[i] > '9' ? 9 : 0);
	return value;
}

/* Refuses what yajl would decode to something that is not a C string of UTF-8. */
static int check_escapes(struct parser *p)
{
	const char *s = p->text;

	for (size_t i = p->at.offset; i < p->done; i++) {
		unsigned code;

		if (s[i] != '\\' || s[++i] != 'u')
			continue;
		code = hex4(s + i + 1);
		if (code == 0)
			return fail_at(p, i - 1, EINVAL, "\\u0000 (NUL) in a string");
		i += 4;
		if ((code & ~0x7ffU) != 0xd800)
			continue;
		if (code >= 0xdc00 || s[i + 1] != '\\' || s[i + 2] != 'u' ||
		    (hex4(s + i + 3) & ~0x3ffU) != 0xdc00)
			return fail_at(p, i - 5, EINVAL, "\\u%04x is half a character",
				       code);
		i += 6;
	}
	return 0;
}

static int on_string(void *ctx, const unsigned char *s, size_t n)
{
	struct parser *p = ctx;
	struct json *v = add_value(p, JSON_STRING);

	if (!v || check_escapes(p) < 0)
		return 0;
	v->n = n;
	v->string = strndup((const char *)s, n);
	return v->string ? 1 : fail_memory(p) == 0;
}

static int on_key(void *ctx, const unsigned char *s, size_t n)
{
	struct parser *p = ctx;

	begin_token(p);
	p->key_line = p->at.line;
	p->key_column = p->at.column;
	if (check_escapes(p) < 0)
		return 0;
	p->key = strndup((const char *)s, n);
	return p->key ? 1 : fail_memory(p) == 0;
}

static int open_container(struct parser *p, enum json_type type)
{
	struct json *v = add_value(p, type);

	if (!v)
		return 0;
	if (++p->depth > JSON_MAX_DEPTH)
		return fail_at(p, p->at.offset, EINVAL, "nested more than %d levels deep",
			       JSON_MAX_DEPTH) == 0;
	p->open = v;
	return 1;
}

static int on_object(void *ctx)
{
	return open_container(ctx, JSON_OBJECT);
}

static int on_array(void *ctx)
{
	return open_container(ctx, JSON_ARRAY);
}

static int compare_keys(const void *x, const void *y)
{
	const struct json *const *a = x, *const *b = y;

	return strcmp((*a)->key, (*b)->key);
}

static int fail_duplicate(struct parser *p, const struct json *obj, const char *key)
{
	const struct json *first = json_get(obj, key), *second = first->next;

	while (strcmp(second->key, key) != 0)
		second = second->next;
	p->r = json_fail_key(second, p->err, EINVAL,
			     "duplicate key, first at line %u, column %u",
			     first->key_line, first->key_column);
	return p->r;
}

/* By sorting: comparing all with all would let a document stall us. */
static int check_duplicates(struct parser *p, const struct json *obj)
{
	cleanup_free const struct json **sorted = calloc(obj->n + 1, sizeof *sorted);
	size_t n = 0;

	if (!sorted)
		return fail_memory(p);
	json_foreach(m, obj)
		sorted[n++] = m;
	qsort(sorted, n, sizeof *sorted, compare_keys);
	for (size_t i = 1; i < n; i++)
		if (strcmp(sorted[i - 1]->key, sorted[i]->key) == 0)
			return fail_duplicate(p, obj, sorted[i]->key);
	return 0;
}

static int on_end(void *ctx)
{
	struct parser *p = ctx;

	begin_token(p);
	if (p->open->type == JSON_OBJECT && check_duplicates(p, p->open) < 0)
		return 0;
	p->open = p->open->parent;
	p->depth--;
	return 1;
}

/* Parsing: what is wrong with the text */

static int check_text(struct parser *p)
{
	size_t step;
	unsigned code;

	if (p->len > p->max_text)
		return fail_at(p, 0, EFBIG, "larger than %zu MiB", p->max_text >> 20);
	for (size_t i = 0; i < p->len; i += step) {
		step = str_utf8(p->text + i, p->len - i, &code);
		if (!step)
			return fail_at(p, i, EINVAL, "invalid UTF-8");
	}
	return 0;
}

/* Names what stands at @pos without repeating anything a terminal would obey. */
static void describe(const struct parser *p, size_t pos, char *buf, size_t size)
{
	const char *s = p->text + pos;
	size_t n = 0, left = p->len - pos;
	unsigned code = 0;

	while (n < MIN(left, (size_t)24) && isascii(s[n]) &&
	       (isalnum(s[n]) || strchr("+-._", s[n])))
		n++;
	str_utf8(s, left, &code);
	if (code == '"')
		snprintf(buf, size, "string");
	else if (code == '\n' || code == '\r')
		snprintf(buf, size, "end of line");
	else if (code > ' ' && code <= '~')
		snprintf(buf, size, "\"%.*s\"", n ? (int)n : 1, s);
	else
		snprintf(buf, size, "character U+%04X", code);
}

/*
 * yajl's own words, without "parse error: " and the punctuation at the end.
 * Tells whether it was the lexer's error, the token itself being malformed.
 */
static bool copy_cause(struct parser *p, char *buf, size_t size)
{
	const char *whole = (const char *)yajl_get_error(p->yajl, 0, NULL, 0);
	const char *cause = whole ? strstr(whole, ": ") : NULL;

	snprintf(buf, size, "%s", cause ? cause + 2 : "not JSON");
	for (size_t n = strlen(buf); n > 0 && strchr(".\n", buf[n - 1]); n--)
		buf[n - 1] = '\0';
	return whole && str_starts(whole, "lexical");
}

static int fail_end(struct parser *p)
{
	if (p->open)
		return fail_at(p, p->len, EINVAL,
			       "unexpected end of document in %s opened at line %u",
			       json_type_name(p->open->type), p->open->line);
	if (skip_space(p, 0) == p->len)
		return fail_at(p, p->len, EINVAL, "the document is empty");
	return fail_at(p, p->len, EINVAL, "unexpected end of document");
}

/* Did the document end, did it end where the text does, and if not, why? */
static int check_end(struct parser *p, yajl_status status)
{
	size_t consumed = p->finishing ? p->len : yajl_get_bytes_consumed(p->yajl);
	size_t pos = token_start(p, consumed);
	bool complete = p->root && !p->open;
	char cause[128], found[64];

	if (complete && pos == p->len && status == yajl_status_ok)
		return 0;
	if (pos == p->len || (p->finishing && !complete))
		return fail_end(p);
	/* A bad string can be long: there, say where in it. */
	if (copy_cause(p, cause, sizeof cause) && consumed < p->len &&
	    p->text[pos] == '"')
		pos = consumed;
	describe(p, pos, found, sizeof found);
	if (complete)
		return fail_at(p, pos, EINVAL, "unexpected %s after the document", found);
	if (strstr(cause, "unallowed token"))
		return fail_at(p, pos, EINVAL, "unexpected %s", found);
	return fail_at(p, pos, EINVAL, "unexpected %s: %s", found, cause);
}

static int run(struct parser *p)
{
	static const yajl_callbacks callbacks = {
		.yajl_null = on_null,
		.yajl_boolean = on_bool,
		.yajl_number = on_number,
		.yajl_string = on_string,
		.yajl_start_map = on_object,
		.yajl_map_key = on_key,
		.yajl_end_map = on_end,
		.yajl_start_array = on_array,
		.yajl_end_array = on_end,
	};
	size_t size = ARENA_PARSER(p->len);
	cleanup_free char *base = malloc(size);
	struct arena arena = {base, size, 0};
	yajl_alloc_funcs funcs = {arena_get, arena_resize, arena_ignore, &arena};
	yajl_status status;

	p->yajl = base ? yajl_alloc(&callbacks, &funcs, p) : NULL;
	if (!p->yajl)
		return fail_memory(p);
	yajl_config(p->yajl, yajl_allow_comments, p->comments);
	status = yajl_parse(p->yajl, (const unsigned char *)p->text, p->len);
	if (status == yajl_status_ok) {
		p->finishing = true;
		status = yajl_complete_parse(p->yajl);
	}
	/* yajl_free() would only give the arena its own blocks back. */
	if (p->r < 0)
		return p->r;
	return check_end(p, status);
}

int json_parse(const char *text, size_t len, unsigned flags, const char *name,
	       struct json **ret, struct cis_error *err)
{
	struct parser p = {
		.text = text,
		.len = len,
		.name = name,
		.comments = flags & JSON_COMMENTS,
		.allow_unsigned = flags & JSON_UNSIGNED,
		.max_text = flags & JSON_LARGE ? JSON_LARGE_TEXT : JSON_MAX_TEXT,
		.max_values = flags & JSON_LARGE ? JSON_LARGE_VALUES : JSON_MAX_VALUES,
		.err = err,
		.at = {0, 1, 1},
	};
	int r = check_text(&p);

	if (r == 0)
		r = run(&p);
	free(p.key);
	if (r < 0)
		json_free(p.root);
	else
		*ret = p.root;
	return r;
}

/* Building */

struct json *json_string_new(const char *s)
{
	struct json *v = json_new(s ? JSON_STRING : JSON_NULL);

	if (!v || !s)
		return v;
	v->string = dup_utf8(s);
	if (v->string)
		v->n = strlen(v->string);
	else
		v->error = -ENOMEM;
	return v;
}

/* Whether @value may go into @parent; if not it is gone, and @parent knows. */
static bool accept_child(struct json *parent, enum json_type type, struct json *value)
{
	if (parent && value && parent->type == type)
		return true;
	if (parent)
		parent->error = parent->type == type ? -ENOMEM : -EINVAL;
	json_free(value);
	return false;
}

static void replace_child(struct json *old, struct json *value)
{
	struct json *parent = old->parent, **link = &parent->first;

	while (*link != old)
		link = &(*link)->next;
	*link = value;
	value->next = old->next;
	value->parent = parent;
	if (parent->last == old)
		parent->last = value;
	old->parent = NULL;
	json_free(old);
}

void json_set(struct json *obj, const char *key, struct json *value_consumed)
{
	struct json *old;

	if (!accept_child(obj, JSON_OBJECT, value_consumed))
		return;
	value_consumed->key = dup_utf8(key);
	if (!value_consumed->key) {
		obj->error = -ENOMEM;
		json_free(value_consumed);
		return;
	}
	old = (struct json *)json_get(obj, value_consumed->key);
	if (old)
		replace_child(old, value_consumed);
	else
		append_child(obj, value_consumed);
}

void json_push(struct json *arr, struct json *value_consumed)
{
	if (accept_child(arr, JSON_ARRAY, value_consumed))
		append_child(arr, value_consumed);
}

void json_set_strv(struct json *obj, const char *key, const struct strv *l)
{
	struct json *arr = json_array_new();

	for (size_t i = 0; i < l->n; i++)
		json_push(arr, json_string_new(l->v[i]));
	json_set(obj, key, arr);
}

/* Writing */

/* Not open_memstream(): glibc's loses the text when its fclose() lacks memory. */
struct output {
	char *text;
	size_t n, size;
	bool failed;
};

static void print(void *ctx, const char *s, size_t n)
{
	struct output *o = ctx;

	if (!o->failed && o->size - o->n <= n) {
		size_t size = 2 * (o->n + n) + 256;
		char *bigger = realloc(o->text, size);

		o->failed = !bigger;
		o->text = bigger ? bigger : o->text;
		o->size = bigger ? size : o->size;
	}
	if (o->failed)
		return;
	memcpy(o->text + o->n, s, n);
	o->n += n;
	o->text[o->n] = '\0';
}

static int write_value(yajl_gen gen, const struct json *v, unsigned depth);

static int write_children(yajl_gen gen, const struct json *v, unsigned depth)
{
	bool is_object = v->type == JSON_OBJECT;

	if (depth >= JSON_MAX_DEPTH)
		return -E2BIG;
	/* Opened and closed, it would spread over three lines when indented. */
	if (!v->first)
		return yajl_gen_number(gen, is_object ? "{}" : "[]", 2);
	if (is_object)
		yajl_gen_map_open(gen);
	else
		yajl_gen_array_open(gen);
	json_foreach(c, v) {
		const unsigned char *key = (const unsigned char *)c->key;
		int r;

		if (is_object)
			yajl_gen_string(gen, key, strlen(c->key));
		r = write_value(gen, c, depth + 1);
		if (r < 0)
			return r;
	}
	return is_object ? yajl_gen_map_close(gen) : yajl_gen_array_close(gen);
}

/* 0, -errno, or yajl's status, which is positive: there would be a bug in here. */
static int write_value(yajl_gen gen, const struct json *v, unsigned depth)
{
	if (v->error)
		return v->error;
	switch (v->type) {
	case JSON_BOOL:
		return yajl_gen_bool(gen, v->boolean);
	case JSON_INT:
		return yajl_gen_integer(gen, v->integer);
	case JSON_NUMBER:
		return yajl_gen_number(gen, v->string, strlen(v->string));
	case JSON_STRING:
		return yajl_gen_string(gen, (const unsigned char *)v->string, v->n);
	case JSON_ARRAY:
	case JSON_OBJECT:
		return write_children(gen, v, depth);
	case JSON_NULL:
		break;
	}
	return yajl_gen_null(gen);
}

int json_write(const struct json *v, unsigned flags, char **ret)
{
	_Alignas(16) char room[ARENA_WRITER];
	struct arena arena = {room, sizeof room, 0};
	yajl_alloc_funcs funcs = {arena_get, arena_resize, arena_ignore, &arena};
	yajl_gen gen = v ? yajl_gen_alloc(&funcs) : NULL;
	struct output o = {0};
	int r;

	if (!gen)
		return -ENOMEM;
	yajl_gen_config(gen, yajl_gen_print_callback, print, &o);
	yajl_gen_config(gen, yajl_gen_beautify, (int)(flags & JSON_PRETTY));
	r = write_value(gen, v, 0);
	if (r == 0 && !o.failed) {
		*ret = o.text;
		return 0;
	}
	free(o.text);
	return r < 0 ? r : r > 0 ? -EINVAL : -ENOMEM;
}
