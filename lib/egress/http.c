/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "http.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "../base/macros.h"

enum step {
	METHOD,
	TARGET,
	VERSION,
	LINE_LF,
	FIELD_START,
	FIELD_NAME,
	FIELD_SPACE, /* before the value */
	FIELD_VALUE,
	FIELD_LF,
	HEAD_LF,
	AFTER_HEAD, /* asked about */
	BODY,
	CHUNK_SIZE,
	CHUNK_EXTENSION,
	CHUNK_LF,
	CHUNK_DATA,
	CHUNK_CR,
	CHUNK_END_LF,
	ANSWER, /* waiting for the server's */
	OTHER_PROTOCOL,
};

/* What decides where a request goes and where it ends. */
enum field {
	OTHER,
	HOST,
	CONTENT_LENGTH,
	TRANSFER_ENCODING,
	CONNECTION,
	UPGRADE,
	HTTP2_SETTINGS
};

static const char *const fields[] = {
	[HOST] = "host",
	[CONTENT_LENGTH] = "content-length",
	[TRANSFER_ENCODING] = "transfer-encoding",
	[CONNECTION] = "connection",
	[UPGRADE] = "upgrade",
	[HTTP2_SETTINGS] = "http2-settings",
};

static void begin(struct http *h, enum step step)
{
	h->step = (uint8_t)step;
	h->text_len = 0;
}

static void begin_request(struct http *h)
{
	begin(h, METHOD);
	h->head_len = 0;
	h->length = h->body_left = 0;
	h->in_trailers = h->has_host = h->has_target_host = h->has_length = false;
	h->is_chunked = h->wants_upgrade = false;
}

void http_init(struct http *h)
{
	memset(h, 0, sizeof *h);
	begin_request(h);
}

static void bad(struct http *h, const char *why)
{
	h->is_bad = true;
	h->why = why;
}

static bool is_token(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_text(uint8_t c)
{
	return c == '\t' || (c >= ' ' && c != 0x7f);
}

static void keep(struct http *h, uint8_t c)
{
	if (h->text_len < sizeof h->text)
		h->text[h->text_len] = (char)c;
	h->text_len++;
}

static bool text_is(const struct http *h, const char *word)
{
	return h->text_len == strlen(word) && strncasecmp(h->text, word, h->text_len) == 0;
}

static void method_done(struct http *h)
{
	if (h->text_len == 0 || h->text_len >= sizeof h->method) {
		bad(h, "no HTTP request");
		return;
	}
	memcpy(h->method, h->text, h->text_len);
	h->method[h->text_len] = '\0';
	if (text_is(h, "CONNECT"))
		bad(h, "CONNECT makes a tunnel");
	else if (text_is(h, "PRI"))
		bad(h, "HTTP/2 without TLS");
	else
		begin(h, TARGET);
}

/* http://host[:port]/path: as good as a Host, so that it must say the same. */
static void target_host(struct http *h)
{
	static const char scheme[] = "http://";
	size_t known = MIN(h->text_len, (uint32_t)sizeof h->text), from = sizeof scheme - 1,
	       to;

	if (known < from || strncasecmp(h->text, scheme, from) != 0) {
		bad(h, "the target of the request is neither a path nor an http address");
		return;
	}
	for (to = from; to < known && !strchr("/?#", h->text[to]); to++)
		;
	if (to == sizeof h->text ||
	    authority_parse(h->text + from, to - from, &h->target) < 0)
		bad(h, "the target of the request names no host");
	h->has_target_host = true;
}

static void target_done(struct http *h)
{
	if (h->text_len == 0)
		bad(h, "the request has no target");
	else if (text_is(h, "*") && strcmp(h->method, "OPTIONS") == 0)
		h->has_target_host = false;
	else if (h->text[0] != '/')
		target_host(h);
	begin(h, VERSION);
}

static void version_done(struct http *h)
{
	h->is_http10 = text_is(h, "HTTP/1.0");
	if (h->text_len != 8 || strncmp(h->text, "HTTP/1.", 7) != 0 ||
	    (h->text[7] != '0' && h->text[7] != '1'))
		bad(h, "neither HTTP/1.0 nor HTTP/1.1");
	begin(h, LINE_LF);
}

static void field_named(struct http *h)
{
	h->field = OTHER;
	for (size_t i = HOST; i < ARRAY_SIZE(fields); i++)
		if (text_is(h, fields[i]))
			h->field = (uint8_t)i;
	if (h->text_len == 0)
		bad(h, "a field without a name");
	else if (h->in_trailers && h->field != OTHER)
		bad(h, "a field that may not be in trailers");
	else if (h->field == HTTP2_SETTINGS)
		bad(h, "an upgrade to HTTP/2");
	begin(h, FIELD_SPACE);
}

static void take_length(struct http *h)
{
	uint64_t v = 0;

	for (size_t i = 0; i < h->text_len; i++) {
		if (h->text[i] < '0' || h->text[i] > '9' || i == 18) {
			bad(h, "Content-Length is no number");
			return;
		}
		v = v * 10 + (uint64_t)(h->text[i] - '0');
	}
	if (h->text_len == 0)
		bad(h, "Content-Length is no number");
	else if (h->has_length && h->length != v)
		bad(h, "Content-Length says two things");
	h->has_length = true;
	h->length = v;
}

/* A proxy on the way would remove what is listed here, and see another request. */
static void take_connection(struct http *h)
{
	static const char *const needed[] = {"host", "content-length", "transfer-encoding"};
	const char *p = h->text, *end = p + h->text_len;

	while (p < end) {
		const char *from, *to;

		while (p < end && strchr(", \t", *p))
			p++;
		for (from = p; p < end && !strchr(", \t", *p); p++)
			;
		to = p;
		for (size_t i = 0; i < ARRAY_SIZE(needed); i++)
			if ((size_t)(to - from) == strlen(needed[i]) &&
			    strncasecmp(from, needed[i], (size_t)(to - from)) == 0)
				bad(h, "Connection lists a field that is needed");
	}
}

static void take_host(struct http *h)
{
	if (h->has_host)
		bad(h, "more than one Host");
	else if (authority_parse(h->text, h->text_len, &h->host) < 0)
		bad(h, "Host is no name and no address");
	h->has_host = true;
}

static void take_upgrade(struct http *h)
{
	if (!text_is(h, "websocket"))
		bad(h, "an upgrade to something else than websocket");
	h->wants_upgrade = true;
}

static void field_done(struct http *h)
{
	if (h->field == OTHER)
		return;
	if (h->text_len > sizeof h->text) {
		bad(h, "a field is too long");
		return;
	}
	while (h->text_len > 0 && strchr(" \t", h->text[h->text_len - 1]))
		h->text_len--;
	switch (h->field) {
	case HOST:
		take_host(h);
		break;
	case CONTENT_LENGTH:
		take_length(h);
		break;
	case TRANSFER_ENCODING:
		if (h->is_chunked || !text_is(h, "chunked"))
			bad(h, "Transfer-Encoding is not chunked");
		h->is_chunked = true;
		break;
	case CONNECTION:
		take_connection(h);
		break;
	default:
		take_upgrade(h);
	}
}

static bool same_host(const struct authority *a, const struct authority *b)
{
	return strcmp(a->name, b->name) == 0 && a->family == b->family &&
	       memcmp(a->address, b->address, sizeof a->address) == 0 &&
	       (a->port ? a->port : 80) == (b->port ? b->port : 80);
}

/* Simple servers do not read the body of these, and take it for a request. */
static bool may_have_body(const struct http *h)
{
	static const char *const without[] = {"GET", "HEAD", "TRACE"};

	for (size_t i = 0; i < ARRAY_SIZE(without); i++)
		if (strcasecmp(h->method, without[i]) == 0)
			return false;
	return true;
}

static enum http_state head_done(struct http *h)
{
	if (h->in_trailers) {
		begin_request(h);
		return HTTP_PASS;
	}
	if (!h->has_host)
		bad(h, "no Host");
	else if (h->has_target_host && !same_host(&h->host, &h->target))
		bad(h, "Host and the target of the request differ");
	else if (h->is_chunked && (h->has_length || h->is_http10))
		bad(h, "a body whose length is said in two ways");
	else if (h->wants_upgrade && (h->is_chunked || h->length > 0))
		bad(h, "an upgrade with a body");
	else if ((h->is_chunked || h->length > 0) && !may_have_body(h))
		bad(h, "a body where many servers look for the next request");
	else if (h->wants_upgrade && h->requests > 0)
		/* The answer to it could not be told from those to requests before. */
		bad(h, "an upgrade that is not the first request");
	if (h->is_bad)
		return HTTP_BAD;
	h->requests++;
	h->step = AFTER_HEAD;
	return HTTP_REQUEST;
}

static void after_head(struct http *h)
{
	h->body_left = h->length;
	if (h->wants_upgrade)
		begin(h, ANSWER);
	else if (h->is_chunked)
		begin(h, CHUNK_SIZE);
	else if (h->body_left > 0)
		begin(h, BODY);
	else
		begin_request(h);
	h->head_len = 0;
}

static enum http_state need(struct http *h, uint8_t c, uint8_t wanted, enum step next)
{
	if (c != wanted) {
		bad(h, "a line that does not end as it must");
		return HTTP_BAD;
	}
	begin(h, next);
	return HTTP_MORE;
}

static void in_request_line(struct http *h, uint8_t c)
{
	if (h->step == METHOD && c == ' ')
		method_done(h);
	else if (h->step == METHOD && is_token(c))
		keep(h, c);
	else if (h->step == METHOD)
		bad(h, "no HTTP request");
	else if (h->step == TARGET && c == ' ')
		target_done(h);
	else if (h->step == TARGET && c > ' ' && c < 0x7f)
		keep(h, c);
	else if (h->step == TARGET)
		bad(h, c == '\r' || c == '\n' ? "HTTP/0.9" : "a target with odd bytes");
	else if (c == '\r')
		version_done(h);
	else if (c > ' ' && h->text_len < 8)
		keep(h, c);
	else
		bad(h, "neither HTTP/1.0 nor HTTP/1.1");
}

static void in_field(struct http *h, uint8_t c)
{
	switch (h->step) {
	case FIELD_START:
		if (c == '\r') {
			begin(h, HEAD_LF);
			break;
		}
		if (c == ' ' || c == '\t') {
			bad(h, "a field that goes on in the next line");
			break;
		}
		h->step = FIELD_NAME;
		/* fall through */
	case FIELD_NAME:
		if (c == ':')
			field_named(h);
		else if (is_token(c))
			keep(h, c);
		else
			bad(h, "a field whose name has odd bytes");
		break;
	case FIELD_SPACE:
		if (c == ' ' || c == '\t')
			break;
		h->step = FIELD_VALUE;
		/* fall through */
	default:
		if (c == '\r') {
			field_done(h);
			begin(h, FIELD_LF);
		} else if (is_text(c)) {
			keep(h, c);
		} else {
			bad(h, "a field with odd bytes");
		}
	}
}

static int hex(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void in_chunk_line(struct http *h, uint8_t c)
{
	if (c == '\r' && (h->step == CHUNK_EXTENSION || h->text_len > 0))
		h->step = CHUNK_LF;
	else if (h->step == CHUNK_EXTENSION && is_text(c))
		return;
	else if (h->step == CHUNK_SIZE && c == ';' && h->text_len > 0)
		h->step = CHUNK_EXTENSION;
	else if (h->step == CHUNK_SIZE && hex(c) >= 0 && h->text_len < 15) {
		h->body_left = h->body_left << 4 | (uint64_t)hex(c);
		h->text_len++;
	} else
		bad(h, "the size of a chunk is no number");
}

static enum http_state chunk_line_done(struct http *h, uint8_t c)
{
	h->head_len = 0;
	if (need(h, c, '\n', CHUNK_DATA) == HTTP_BAD)
		return HTTP_BAD;
	if (h->body_left == 0) {
		begin(h, FIELD_START);
		h->in_trailers = true;
	}
	return HTTP_PASS;
}

static enum http_state take(struct http *h, uint8_t c)
{
	enum http_state s = HTTP_MORE;

	switch (h->step) {
	case METHOD:
	case TARGET:
	case VERSION:
		in_request_line(h, c);
		break;
	case LINE_LF:
	case FIELD_LF:
		s = need(h, c, '\n', FIELD_START);
		break;
	case HEAD_LF:
		s = need(h, c, '\n', FIELD_START);
		s = s == HTTP_BAD ? s : head_done(h);
		break;
	case CHUNK_SIZE:
	case CHUNK_EXTENSION:
		in_chunk_line(h, c);
		break;
	case CHUNK_LF:
		s = chunk_line_done(h, c);
		break;
	case CHUNK_CR:
		s = need(h, c, '\r', CHUNK_END_LF);
		break;
	case CHUNK_END_LF:
		s = need(h, c, '\n', CHUNK_SIZE);
		s = s == HTTP_BAD ? s : HTTP_PASS;
		h->head_len = 0;
		break;
	default:
		in_field(h, c);
	}
	return h->is_bad ? HTTP_BAD : s;
}

uint64_t http_passes(const struct http *h)
{
	return h->step == BODY || h->step == CHUNK_DATA ? h->body_left : 0;
}

void http_skip(struct http *h, uint64_t n)
{
	h->body_left -= MIN(n, h->body_left);
	if (h->body_left > 0)
		return;
	h->head_len = 0;
	if (h->step == CHUNK_DATA)
		begin(h, CHUNK_CR);
	else if (h->step == BODY)
		begin_request(h);
}

static uint32_t most(const struct http *h)
{
	return h->step == CHUNK_SIZE || h->step == CHUNK_EXTENSION || h->step == CHUNK_LF
		       ? HTTP_LINE_MAX
		       : HTTP_HEAD_MAX;
}

enum http_state http_feed(struct http *h, const void *bytes, size_t n, size_t *ret_used)
{
	const uint8_t *p = bytes;
	enum http_state s = HTTP_MORE;
	size_t used = 0;

	*ret_used = 0;
	if (h->is_bad)
		return HTTP_BAD;
	if (h->step == AFTER_HEAD)
		after_head(h);
	if (h->step == ANSWER)
		return HTTP_UPGRADE;
	if (h->step == OTHER_PROTOCOL) {
		*ret_used = n;
		return HTTP_RAW;
	}
	if (http_passes(h) > 0 && n > 0) {
		*ret_used = (size_t)MIN((uint64_t)n, http_passes(h));
		http_skip(h, *ret_used);
		return HTTP_PASS;
	}
	while (used < n && s == HTTP_MORE) {
		h->head_len++;
		s = take(h, p[used++]);
		if (s == HTTP_MORE && h->head_len >= most(h)) {
			bad(h, "the head of the request is too long");
			s = HTTP_BAD;
		}
	}
	*ret_used = used;
	return s;
}

void http_answered(struct http *h, bool is_101)
{
	if (h->step == AFTER_HEAD)
		after_head(h);
	if (h->step != ANSWER)
		return;
	if (is_101)
		h->step = OTHER_PROTOCOL;
	else
		begin_request(h);
}

int http_is_101(const void *bytes, size_t n)
{
	static const char wanted[] = "HTTP/1.1 101";
	const char *p = bytes;

	if (strncmp(p, wanted, MIN(n, sizeof wanted - 1)) != 0)
		return 0;
	if (n < sizeof wanted)
		return -EAGAIN;
	return p[sizeof wanted - 1] == ' ' || p[sizeof wanted - 1] == '\r';
}
