/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "toml.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_DEPTH 50
#define MAX_PATH_LEN 1024

struct scan {
	const char *p, *end;
	const char *what;
	int depth;
	bool no_memory;
};

static bool wrong(struct scan *s, const char *what)
{
	s->what = s->p == s->end ? "the text ends here" : what;
	return false;
}

static bool at(const struct scan *s, const char *text)
{
	size_t len = strlen(text);

	return (size_t)(s->end - s->p) >= len && memcmp(s->p, text, len) == 0;
}

static void blanks(struct scan *s)
{
	while (s->p < s->end && (*s->p == ' ' || *s->p == '\t'))
		s->p++;
}

static void comment(struct scan *s)
{
	if (at(s, "#"))
		while (s->p < s->end && *s->p != '\n' && !at(s, "\r"))
			s->p++;
}

/* Blanks, comments and line ends. */
static void space(struct scan *s)
{
	const char *from;

	do {
		from = s->p;
		blanks(s);
		comment(s);
		if (at(s, "\r\n"))
			s->p += 2;
		else if (at(s, "\n"))
			s->p++;
	} while (s->p > from);
}

/* Nothing but a comment up to the end of the line. */
static bool line_end(struct scan *s)
{
	blanks(s);
	comment(s);
	if (s->p == s->end || *s->p == '\n' || at(s, "\r\n"))
		return true;
	return wrong(s, "the end of the line was expected");
}

/* One that ends on its line; @quote is " or '. */
static bool short_string(struct scan *s, char quote)
{
	for (s->p++; s->p < s->end && *s->p != quote; s->p++) {
		if (*s->p == '\n' || *s->p == '\r')
			return wrong(s, "a string that does not end");
		if (quote == '"' && *s->p == '\\' && s->p + 1 < s->end && s->p[1] != '\n')
			s->p++;
	}
	if (s->p == s->end)
		return wrong(s, "");
	s->p++;
	return true;
}

static bool long_string(struct scan *s, const char *quotes)
{
	for (s->p += 3; s->p < s->end && !at(s, quotes); s->p++)
		if (*quotes == '"' && *s->p == '\\' && s->p + 1 < s->end)
			s->p++;
	if (s->p == s->end)
		return wrong(s, "");
	s->p += 3;
	/* Up to two more quotes belong to the text. */
	for (int i = 0; i < 2 && s->p < s->end && *s->p == *quotes; i++)
		s->p++;
	return true;
}

static bool value(struct scan *s);

static bool array(struct scan *s)
{
	s->p++;
	for (space(s); !at(s, "]"); space(s)) {
		if (!value(s))
			return false;
		space(s);
		if (at(s, ","))
			s->p++;
		else if (!at(s, "]"))
			return wrong(s, "a comma or ] was expected");
	}
	s->p++;
	return true;
}

/* One part of a key, appended to @path. */
static bool part(struct scan *s, char *path, size_t *len)
{
	const char *from = s->p, *to;

	if (at(s, "\"") || at(s, "'")) {
		if (!short_string(s, *s->p))
			return false;
		from++;
		to = s->p - 1;
	} else {
		while (s->p < s->end &&
		       (isalnum((unsigned char)*s->p) || *s->p == '_' || *s->p == '-'))
			s->p++;
		to = s->p;
		if (to == from)
			return wrong(s, "a key was expected");
	}
	if (*len + (size_t)(to - from) + 2 > MAX_PATH_LEN)
		return wrong(s, "a key too long");
	for (; from < to; from++) {
		if ((unsigned char)*from < ' ' || (*from == '\\' && to[0] == '"'))
			return wrong(s, "a key with escapes");
		path[(*len)++] = *from;
	}
	path[*len] = '\0';
	return true;
}

/* a."b".c appended to @path, which holds @len bytes. */
static bool key(struct scan *s, char *path, size_t len)
{
	for (;;) {
		blanks(s);
		if (len)
			path[len++] = TOML_SEP;
		if (!part(s, path, &len))
			return false;
		blanks(s);
		if (!at(s, "."))
			return true;
		s->p++;
	}
}

static bool inline_table(struct scan *s)
{
	char path[MAX_PATH_LEN];

	s->p++;
	space(s);
	while (!at(s, "}")) {
		if (!key(s, path, 0))
			return false;
		if (!at(s, "="))
			return wrong(s, "= was expected");
		s->p++;
		blanks(s);
		if (!value(s))
			return false;
		space(s);
		if (at(s, ","))
			s->p++;
		else if (!at(s, "}"))
			return wrong(s, "a comma or } was expected");
		space(s);
	}
	s->p++;
	return true;
}

/* A number, a date, or one of the words; not more is asked of them. */
static bool scalar(struct scan *s)
{
	static const char *const words[] = {"true", "false", "inf", "nan"};
	const char *from = s->p;
	bool ok;

	if (s->p < s->end && (*s->p == '+' || *s->p == '-'))
		s->p++;
	ok = s->p < s->end && isdigit((unsigned char)*s->p);
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		ok = ok || at(s, words[i]);
	if (!ok) {
		s->p = from;
		return wrong(s, "a value was expected");
	}
	while (s->p < s->end && (isalnum((unsigned char)*s->p) || strchr("+-._:", *s->p)))
		s->p++;
	return true;
}

static bool value(struct scan *s)
{
	bool ok;

	if (++s->depth > MAX_DEPTH)
		return wrong(s, "nested too deeply");
	if (at(s, "\"\"\"") || at(s, "'''"))
		ok = long_string(s, *s->p == '"' ? "\"\"\"" : "'''");
	else if (at(s, "\"") || at(s, "'"))
		ok = short_string(s, *s->p);
	else if (at(s, "["))
		ok = array(s);
	else if (at(s, "{"))
		ok = inline_table(s);
	else
		ok = scalar(s);
	s->depth--;
	return ok;
}

static struct toml_item *add(struct scan *s, struct toml *t, const char *path)
{
	struct toml_item *items = reallocarray(t->items, t->n + 1, sizeof *items);

	s->no_memory = !items;
	if (!items)
		return NULL;
	t->items = items;
	items[t->n] = (struct toml_item){.path = strdup(path)};
	s->no_memory = !items[t->n].path;
	return s->no_memory ? NULL : &items[t->n++];
}

static bool header(struct scan *s, struct toml *t, char *table)
{
	struct toml_item *item;
	bool is_array = at(s, "[[");

	s->p += is_array ? 2 : 1;
	if (!key(s, table, 0))
		return false;
	if (!at(s, is_array ? "]]" : "]"))
		return wrong(s, "] was expected");
	s->p += is_array ? 2 : 1;
	item = add(s, t, table);
	if (!item)
		return false;
	item->is_table = true;
	item->is_array = is_array;
	return line_end(s);
}

static bool assignment(struct scan *s, struct toml *t, const char *table)
{
	struct toml_item *item;
	char path[MAX_PATH_LEN];
	size_t len = strlen(table);

	memcpy(path, table, len + 1);
	if (!key(s, path, len))
		return false;
	if (!at(s, "="))
		return wrong(s, "= was expected");
	s->p++;
	blanks(s);
	item = add(s, t, path);
	if (!item)
		return false;
	item->value.at = s->p;
	if (!value(s))
		return false;
	item->value.end = s->p;
	return line_end(s);
}

int toml_read(const char *text, size_t len, struct toml *ret, struct json_error *err)
{
	struct scan s = {.p = text, .end = text + len};
	struct toml t = {0};
	char table[MAX_PATH_LEN] = "";
	bool ok = true;

	if (memchr(text, '\0', len)) {
		s.p = memchr(text, '\0', len);
		ok = wrong(&s, "a NUL");
	} else if (at(&s, "\xef\xbb\xbf")) {
		ok = wrong(&s, "a byte order mark");
	}
	while (ok) {
		space(&s);
		if (s.p == s.end)
			break;
		ok = at(&s, "[") ? header(&s, &t, table) : assignment(&s, &t, table);
	}
	if (ok) {
		*ret = t;
		return 0;
	}
	toml_done(&t);
	if (s.no_memory)
		return -ENOMEM;
	jtext_locate(text, s.p, err);
	err->what = s.what;
	return -EINVAL;
}

void toml_done(struct toml *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->items[i].path);
	free(t->items);
	*t = (struct toml){0};
}

char *toml_path(const char *const parts[])
{
	size_t len = 0;
	char *path, *to;

	for (size_t i = 0; parts[i]; i++)
		len += strlen(parts[i]) + 1;
	path = malloc(len + 1);
	if (!path)
		return NULL;
	to = path;
	for (size_t i = 0; parts[i]; i++) {
		if (i)
			*to++ = TOML_SEP;
		to = stpcpy(to, parts[i]);
	}
	*to = '\0';
	return path;
}

const struct toml_item *toml_find(const struct toml *t, const char *path, bool is_table)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->items[i].is_table == is_table && strcmp(t->items[i].path, path) == 0)
			return &t->items[i];
	return NULL;
}

bool toml_is_below(const char *path, const char *table)
{
	size_t len = strlen(table);

	return strncmp(path, table, len) == 0 && (!path[len] || path[len] == TOML_SEP);
}

char *toml_string(struct json v, struct json *ret_place)
{
	struct scan s = {.p = v.at, .end = v.end};
	const char *from;

	if (at(&s, "[")) {
		s.p++;
		space(&s);
	}
	from = s.p;
	if (at(&s, "\"\"\"") || at(&s, "'''") || (!at(&s, "\"") && !at(&s, "'")) ||
	    !short_string(&s, *s.p))
		return NULL;
	if (*from == '"' && memchr(from, '\\', (size_t)(s.p - from)))
		return NULL;
	if (ret_place)
		*ret_place = (struct json){from, s.p};
	return strndup(from + 1, (size_t)(s.p - from) - 2);
}
