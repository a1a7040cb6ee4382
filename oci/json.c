/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "json.h"

#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define MAX_DEPTH 100

struct scan {
	const char *p, *end;
	const char *what; /* what is wrong at p */
	int depth;
};

static bool value(struct scan *s);

static void blanks(struct scan *s)
{
	while (s->p < s->end &&
	       (*s->p == ' ' || *s->p == '\t' || *s->p == '\n' || *s->p == '\r'))
		s->p++;
}

static bool wrong(struct scan *s, const char *what)
{
	s->what = s->p == s->end ? "the text ends here" : what;
	return false;
}

static bool hex4(const char *p, const char *end, unsigned int *ret)
{
	unsigned int n = 0;

	if (end - p < 4)
		return false;
	for (int i = 0; i < 4; i++) {
		if (!isxdigit((unsigned char)p[i]))
			return false;
		n = n * 16 + (unsigned int)(isdigit((unsigned char)p[i])
						    ? p[i] - '0'
						    : (p[i] | 32) - 'a' + 10);
	}
	*ret = n;
	return true;
}

static bool string(struct scan *s)
{
	unsigned int code;

	for (s->p++; s->p < s->end && *s->p != '"'; s->p++) {
		if ((unsigned char)*s->p < ' ')
			return wrong(s, "a control character in a string");
		if (*s->p != '\\')
			continue;
		s->p++;
		if (s->p == s->end || !*s->p || !strchr("\"\\/bfnrtu", *s->p))
			return wrong(s, "an escape that does not exist");
		if (*s->p != 'u')
			continue;
		if (!hex4(s->p + 1, s->end, &code))
			return wrong(s, "not four hexadecimal digits");
		s->p += 4;
	}
	if (s->p == s->end)
		return wrong(s, "");
	s->p++;
	return true;
}

static bool digits(struct scan *s)
{
	const char *from = s->p;

	while (s->p < s->end && isdigit((unsigned char)*s->p))
		s->p++;
	return s->p > from ? true : wrong(s, "not a number");
}

static bool number(struct scan *s)
{
	bool zero;

	if (*s->p == '-')
		s->p++;
	zero = s->p < s->end && *s->p == '0';
	if (zero)
		s->p++;
	else if (!digits(s))
		return false;
	if (s->p < s->end && *s->p == '.') {
		s->p++;
		if (!digits(s))
			return false;
	}
	if (s->p < s->end && (*s->p == 'e' || *s->p == 'E')) {
		s->p++;
		if (s->p < s->end && (*s->p == '+' || *s->p == '-'))
			s->p++;
		if (!digits(s))
			return false;
	}
	return true;
}

static bool word(struct scan *s, const char *text)
{
	size_t len = strlen(text);

	if ((size_t)(s->end - s->p) < len || memcmp(s->p, text, len) != 0)
		return wrong(s, "not a value");
	s->p += len;
	return true;
}

/* The key and its colon. */
static bool key_of(struct scan *s, struct json *ret)
{
	blanks(s);
	if (s->p == s->end || *s->p != '"')
		return wrong(s, "a name in quotes was expected");
	ret->at = s->p;
	if (!string(s))
		return false;
	ret->end = s->p;
	blanks(s);
	if (s->p == s->end || *s->p != ':')
		return wrong(s, "a colon was expected");
	s->p++;
	return true;
}

/* The comma before the next, or the end. */
static bool more(struct scan *s, char close, bool *ret)
{
	blanks(s);
	*ret = s->p < s->end && *s->p == ',';
	if (s->p == s->end || (*s->p != ',' && *s->p != close))
		return wrong(s, close == '}' ? "a comma or } was expected"
					     : "a comma or ] was expected");
	s->p++;
	return true;
}

static bool container(struct scan *s, char close)
{
	struct json key;
	bool go_on = true;

	if (++s->depth > MAX_DEPTH)
		return wrong(s, "nested too deeply");
	s->p++;
	blanks(s);
	if (s->p < s->end && *s->p == close) {
		s->p++;
		go_on = false;
	}
	while (go_on) {
		if (close == '}' && !key_of(s, &key))
			return false;
		if (!value(s) || !more(s, close, &go_on))
			return false;
	}
	s->depth--;
	return true;
}

static bool value(struct scan *s)
{
	blanks(s);
	if (s->p == s->end)
		return wrong(s, "");
	switch (*s->p) {
	case '{':
		return container(s, '}');
	case '[':
		return container(s, ']');
	case '"':
		return string(s);
	case 't':
		return word(s, "true");
	case 'f':
		return word(s, "false");
	case 'n':
		return word(s, "null");
	default:
		if (*s->p == '-' || isdigit((unsigned char)*s->p))
			return number(s);
		return wrong(s, "not a value");
	}
}

void jtext_locate(const char *text, const char *at, struct json_error *err)
{
	err->line = 1;
	err->column = 1;
	for (; text < at; text++) {
		err->column++;
		if (*text == '\n') {
			err->line++;
			err->column = 1;
		}
	}
}

int jtext_check(const char *text, size_t len, struct json *ret, struct json_error *err)
{
	struct scan s = {.p = text, .end = text + len};
	bool ok;

	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
		ok = wrong(&s, "a byte order mark");
	} else {
		blanks(&s);
		ret->at = s.p;
		ok = value(&s);
		ret->end = s.p;
		if (ok)
			blanks(&s);
		if (ok && s.p < s.end)
			ok = wrong(&s, "more behind the end");
	}
	if (ok)
		return 0;
	jtext_locate(text, s.p, err);
	err->what = s.what;
	return -EINVAL;
}

struct json_walk jtext_enter(struct json v)
{
	struct json_walk w = {.p = v.at, .end = v.end};
	struct scan s;

	if (!jtext_is(v, '{') && !jtext_is(v, '['))
		return (struct json_walk){0};
	w.close = *w.p == '{' ? '}' : ']';
	s = (struct scan){.p = w.p + 1, .end = w.end};
	blanks(&s);
	w.p = s.p < s.end && *s.p == w.close ? w.end : s.p;
	return w;
}

bool jtext_next(struct json_walk *w, struct json *key, struct json *ret)
{
	struct scan s = {.p = w->p, .end = w->end};
	struct json name = {0};
	bool go_on;

	if (s.p == s.end || (w->close == '}' && !key_of(&s, &name)))
		return false;
	blanks(&s);
	ret->at = s.p;
	if (!value(&s))
		return false;
	ret->end = s.p;
	if (key)
		*key = name;
	w->p = more(&s, w->close, &go_on) && go_on ? s.p : w->end;
	return true;
}

bool jtext_is(struct json v, char first)
{
	return v.at < v.end && *v.at == first;
}

bool jtext_equal(struct json v, const char *text)
{
	size_t len = (size_t)(v.end - v.at);
	char *plain;
	bool same;

	if (!memchr(v.at, '\\', len))
		return len == strlen(text) + 2 && memcmp(v.at + 1, text, len - 2) == 0;
	plain = jtext_text(v);
	same = plain && strcmp(plain, text) == 0;
	free(plain);
	return same;
}

struct json jtext_of(const char *text, size_t len)
{
	return (struct json){text + strspn(text, " \t\r\n"), text + len};
}

bool jtext_get(struct json object, const char *name, struct json *ret)
{
	struct json_walk w = jtext_enter(object);
	struct json key, v;

	if (!jtext_is(object, '{'))
		return false;
	while (jtext_next(&w, &key, &v)) {
		if (jtext_equal(key, name)) {
			*ret = v;
			return true;
		}
	}
	return false;
}

static char *put_utf8(char *to, uint32_t c)
{
	static const unsigned char first[] = {0, 0, 0xc0, 0xe0, 0xf0};
	int n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

	for (int i = n - 1; i > 0; i--) {
		to[i] = (char)(0x80 | (c & 0x3f));
		c >>= 6;
	}
	to[0] = (char)(first[n] | c);
	return to + n;
}

/* @p stands at the u. Leaves it at the last digit. */
static uint32_t decode_unicode(const char **p, const char *end)
{
	unsigned int high = 0, low;

	hex4(*p + 1, end, &high);
	*p += 4;
	if (high < 0xd800 || high > 0xdfff)
		return high;
	if (high < 0xdc00 && end - *p > 6 && (*p)[1] == '\\' && (*p)[2] == 'u' &&
	    hex4(*p + 3, end, &low) && low >= 0xdc00 && low <= 0xdfff) {
		*p += 6;
		return 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
	}
	return 0xfffd;
}

char *jtext_text(struct json v)
{
	static const char names[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
	const char *p, *end = v.end - 1;
	char *text, *to;
	uint32_t c;

	if (!jtext_is(v, '"'))
		return NULL;
	text = malloc((size_t)(v.end - v.at));
	if (!text)
		return NULL;
	to = text;
	for (p = v.at + 1; p < end; p++) {
		if (*p != '\\') {
			*to++ = *p;
			continue;
		}
		p++;
		c = *p == 'u' ? decode_unicode(&p, end)
			      : (unsigned char)meant[strchr(names, *p) - names];
		if (!c) {
			free(text);
			return NULL;
		}
		to = put_utf8(to, c);
	}
	*to = '\0';
	return text;
}

bool jtext_number(struct json v, long long *ret)
{
	char text[32];
	size_t len = (size_t)(v.end - v.at);
	char *end;

	if (len == 0 || len >= sizeof text)
		return false;
	memcpy(text, v.at, len);
	text[len] = '\0';
	errno = 0;
	*ret = strtoll(text, &end, 10);
	return end != text && !*end && !errno;
}

void jtext_put(FILE *f, const char *text)
{
	fputc('"', f);
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			fprintf(f, "\\%c", c);
		else if (c == '\n')
			fputs("\\n", f);
		else if (c < ' ' || c == 127)
			fprintf(f, "\\u%04x", c);
		else
			fputc(c, f);
	}
	fputc('"', f);
}

void jtext_put_compact(FILE *f, const char *text)
{
	bool quoted = false;

	for (; *text; text++) {
		if (!quoted && strchr(" \t\r\n", *text))
			continue;
		if (*text == '"')
			quoted = !quoted;
		fputc(*text, f);
		if (quoted && *text == '\\' && text[1])
			fputc(*++text, f);
	}
}
