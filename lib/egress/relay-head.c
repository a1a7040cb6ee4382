/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a client says, whether it may, and what it is told if it may not. */
#include "relay-conn.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "../base/macros.h"
#include "../base/num.h"
#include "../base/sys.h"
#include "record.h"

#define PORT_HTTP 80
#define PORT_TLS 443
#define ALERT_ACCESS_DENIED 49
#define ALERT_UNRECOGNIZED_NAME 112

/*
 * Asks, and has it recorded. @name: canonical or NULL; @wrong: why no name could be read,
 * which only an audit lets pass.
 */
static bool judge(struct egress_relay *r, struct conn *c, const char *name, const char *wrong)
{
	const struct egress_relay_ops *ops = r->config.ops;
	bool is_new = !c->was_opened || !c->ask.name != !name ||
		      (name && strcmp(name, c->name) != 0) || wrong;
	bool allowed = false;
	const char *why = wrong;

	c->ask.name = NULL;
	c->ask.wrong = wrong;
	if (name) {
		memmove(c->name, name, strlen(name) + 1);
		c->ask.name = c->name;
	}
	if (!wrong || r->config.audit)
		allowed = ops->decide(r->config.context, &c->ask, &why);
	c->why = why ? why : "it is not allowed";
	if (is_new || !allowed)
		ops->opened(r->config.context, c->id, &c->ask, allowed, c->why);
	c->was_opened = c->was_opened || allowed;
	return allowed;
}

static int start(struct egress_relay *r, struct conn *c)
{
	int e = r->config.ops->connect(r->config.context, &c->ask);

	if (e >= 0) {
		c->side[SERVER].fd = e;
		e = conn_watch(r, c, SERVER);
	}
	if (e < 0) {
		conn_end(r, c, e);
		return e;
	}
	c->phase = CONNECTING;
	conn_wait(r, c, WAIT_CONNECT);
	return 0;
}

static void let_all_go(struct conn *c)
{
	c->is_raw = true;
	c->clear = c->fed = c->len;
}

static int set_address(struct conn *c, const struct sockaddr_storage *to)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)to;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)to;

	c->ask.family = to->ss_family;
	if (to->ss_family == AF_INET) {
		c->ask.port = ntohs(v4->sin_port);
		memcpy(c->ask.address, &v4->sin_addr, sizeof v4->sin_addr);
		return 0;
	}
	if (to->ss_family != AF_INET6)
		return -EAFNOSUPPORT;
	c->ask.port = ntohs(v6->sin6_port);
	memcpy(c->ask.address, &v6->sin6_addr, sizeof v6->sin6_addr);
	if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
		c->ask.family = AF_INET;
		memmove(c->ask.address, c->ask.address + 12, 4);
		memset(c->ask.address + 4, 0, 12);
	}
	return 0;
}

int head_begin(struct egress_relay *r, struct conn *c)
{
	struct sockaddr_storage to;
	int e = r->config.ops->original(r->config.context, c->side[CLIENT].fd, &to);

	if (e >= 0)
		e = set_address(c, &to);
	if (e < 0) {
		conn_end(r, c, e);
		return e;
	}
	c->kind = c->ask.port == PORT_TLS ? TLS : c->ask.port == PORT_HTTP ? HTTP : PLAIN;
	c->ask.is_read = c->kind != PLAIN;
	if (c->kind != PLAIN) {
		if (c->kind == TLS)
			hello_init(&c->hello);
		else
			http_init(&c->http);
		conn_wait(r, c, WAIT_HEAD);
		return 0;
	}
	c->is_raw = true;
	if (judge(r, c, NULL, NULL))
		return start(r, c);
	conn_end(r, c, -EACCES);
	return -EACCES;
}

int head_begin_inbound(struct egress_relay *r, struct conn *c, const struct listener *l)
{
	int e = set_address(c, &l->to);

	if (e < 0) {
		conn_end(r, c, e);
		return e;
	}
	c->kind = PLAIN;
	c->ask.is_inbound = true;
	let_all_go(c);
	r->config.ops->opened(r->config.context, c->id, &c->ask, true, "published");
	c->was_opened = true;
	return start(r, c);
}

static int look_at_hello(struct egress_relay *r, struct conn *c)
{
	size_t used;
	enum hello_state s = hello_feed(&c->hello, conn_head(r, c) + c->fed, c->len - c->fed,
					&used);

	c->fed += (uint32_t)used;
	if (s == HELLO_MORE)
		return 0;
	c->ask.has_ech = c->hello.has_ech;
	if (!judge(r, c, s == HELLO_NAME ? c->hello.name : NULL,
		   s == HELLO_BAD ? c->hello.why : NULL)) {
		head_refuse(r, c);
		return 0;
	}
	/* What is behind it waits until the server has said whether it wants another hello. */
	c->clear = c->fed;
	c->awaits_reply = s != HELLO_BAD;
	if (s == HELLO_BAD)
		let_all_go(c);
	return start(r, c);
}

/*
 * The server has asked for another hello (of TLS 1.3, because of the key): it must name the
 * same, and until it is there nothing but what may stand before it may go.
 */
static int follow_retry(struct egress_relay *r, struct conn *c)
{
	while (c->fed < c->len && !c->is_raw) {
		const uint8_t *p = conn_head(r, c) + c->fed;
		uint32_t left = c->len - c->fed, n;
		enum hello_state s = HELLO_MORE;
		size_t used;

		if (c->hello.raw > 0 || p[0] == HELLO_RECORD_HANDSHAKE) {
			s = hello_feed(&c->hello, p, left, &used);
			c->fed += (uint32_t)used;
			if (s == HELLO_MORE)
				return 0;
			if (s == (c->ask.name ? HELLO_NAME : HELLO_NO_NAME) &&
			    (!c->ask.name || strcmp(c->hello.name, c->name) == 0)) {
				let_all_go(c);
				return 0;
			}
			s = HELLO_BAD;
		} else if (p[0] != HELLO_RECORD_CHANGE_CIPHER && p[0] != HELLO_RECORD_DATA) {
			s = HELLO_BAD;
		} else if (left < HELLO_RECORD_HEADER) {
			return 0;
		} else {
			n = (uint32_t)(p[3] << 8 | p[4]);
			s = n > HELLO_RECORD_MAX ? HELLO_BAD : HELLO_MORE;
			if (s == HELLO_MORE && left < HELLO_RECORD_HEADER + n)
				return 0;
			c->fed += HELLO_RECORD_HEADER + n;
		}
		if (s == HELLO_BAD) {
			if (judge(r, c, NULL, "its second hello is not like the first")) {
				let_all_go(c);
				return 0;
			}
			conn_end(r, c, -EACCES);
			return -EACCES;
		}
		c->clear = c->fed;
	}
	return 0;
}

/* What is wrong with where a request says it goes. */
static const char *wrong_host(const struct conn *c)
{
	const struct authority *a = &c->http.host;

	if (a->port != 0 && a->port != c->ask.port)
		return "Host says another port";
	if (a->family == 0)
		return NULL;
	if (a->family != c->ask.family ||
	    memcmp(a->address, c->ask.address, a->family == AF_INET6 ? 16 : 4) != 0)
		return "Host is another address";
	return NULL;
}

/* 1: go on; 0: the rest is not looked at; -errno: it has ended. */
static int on_request(struct egress_relay *r, struct conn *c, const char *wrong)
{
	const char *name = c->http.host.name;

	if (!wrong)
		wrong = wrong_host(c);
	if (judge(r, c, wrong || !*name ? NULL : name, wrong)) {
		c->clear = c->fed;
		if (c->http.is_bad)
			let_all_go(c);
		return c->phase == HEAD ? (start(r, c) < 0 ? -ECONNREFUSED : 1) : 1;
	}
	if (c->phase == HEAD) {
		head_refuse(r, c);
	} else {
		c->is_refused = true;
		conn_wait(r, c, WAIT_LINGER);
	}
	return 0;
}

static int follow_http(struct egress_relay *r, struct conn *c)
{
	enum http_state s;

	do {
		size_t used;
		int e = 1;

		s = http_feed(&c->http, conn_head(r, c) + c->fed, c->len - c->fed, &used);
		c->fed += (uint32_t)used;
		if (s == HTTP_REQUEST || s == HTTP_BAD)
			e = on_request(r, c, s == HTTP_BAD ? c->http.why : NULL);
		else if (s == HTTP_PASS)
			c->clear = c->fed;
		else if (s == HTTP_RAW)
			let_all_go(c);
		c->awaits_reply = s == HTTP_UPGRADE;
		if (e <= 0)
			return e;
	} while (!c->is_raw && !c->awaits_reply && (c->fed < c->len || s == HTTP_REQUEST));
	return 0;
}

int head_follow(struct egress_relay *r, struct conn *c)
{
	if (c->is_refused || c->awaits_reply)
		return 0;
	if (c->is_raw) {
		c->clear = c->fed = c->len;
		return 0;
	}
	if (c->kind == HTTP)
		return follow_http(r, c);
	return c->after_retry ? follow_retry(r, c) : look_at_hello(r, c);
}

int head_run(struct egress_relay *r, struct conn *c)
{
	while (c->phase == HEAD && c->side[CLIENT].readable) {
		int e = flow_fill(r, c);

		if (e < 0 || c->side[CLIENT].has_ended) {
			e = e < 0 ? e : -ECONNABORTED;
			conn_end(r, c, e);
			return e;
		}
		e = e > 0 ? head_follow(r, c) : 0;
		if (e < 0)
			return e;
	}
	return 0;
}

void head_late(struct egress_relay *r, struct conn *c, bool may_pass)
{
	/* Where all is let through, servers that speak first are too. */
	if (judge(r, c, NULL, "it did not say in time what it wants") && may_pass) {
		let_all_go(c);
		start(r, c);
	} else {
		conn_end(r, c, -ETIMEDOUT);
	}
}

void head_replied(struct egress_relay *r, struct conn *c, bool at_end)
{
	int v = c->kind == TLS ? hello_asks_again(c->reply, c->reply_len)
			       : http_is_101(c->reply, c->reply_len);

	if (v == -EAGAIN && !at_end)
		return;
	c->awaits_reply = false;
	if (c->kind == HTTP) {
		http_answered(&c->http, v == 1);
	} else if (v == 1) {
		c->after_retry = true;
		hello_init(&c->hello);
	} else {
		let_all_go(c);
	}
	/* What waited in the buffer. */
	head_follow(r, c);
}

static void append(char *buf, size_t size, const char *text)
{
	size_t n = strlen(buf);

	while (n + 1 < size && *text)
		buf[n++] = *text++;
	buf[n] = '\0';
}

/* Else there is one already, or none that would help. */
static bool lacks_rule(const struct conn *c)
{
	return c->ask.name && strcmp(c->why, "name") == 0;
}

/* Everything in it is of a literal or of a canonical name. */
static size_t make_answer(const struct conn *c, char *buf, size_t size)
{
	char text[1024] = "cisandbox: this request is refused: ";

	append(text, sizeof text, record_reason(c->why));
	append(text, sizeof text, ".\n");
	if (c->ask.name) {
		text[0] = '\0';
		append(text, sizeof text, "cisandbox: ");
		append(text, sizeof text, c->ask.name);
		append(text, sizeof text, " on port 80 is refused: ");
		append(text, sizeof text, record_reason(c->why));
		append(text, sizeof text, ".\n");
	}
	if (lacks_rule(c)) {
		append(text, sizeof text, "If the job needs it: --allow ");
		append(text, sizeof text, c->ask.name);
		append(text, sizeof text, ":80\n");
	}
	buf[0] = '\0';
	append(buf, size,
	       "HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain\r\n"
	       "Connection: close\r\nContent-Length: ");
	num_append(buf, size, strlen(text));
	append(buf, size, "\r\n\r\n");
	append(buf, size, text);
	return strlen(buf);
}

void head_refuse(struct egress_relay *r, struct conn *c)
{
	uint8_t alert[] = {21, 3, 3, 0, 2, 2, ALERT_UNRECOGNIZED_NAME};
	int fd = c->side[CLIENT].fd;
	char answer[1536];

	if (c->kind == TLS && c->ask.wrong) {
		/* Whatever it speaks, it would not understand us. */
		conn_end(r, c, -EACCES);
		return;
	}
	/* Into an empty buffer: there is room. If not, the client does not read anyway. */
	if (c->kind == TLS) {
		alert[6] = c->ask.name ? ALERT_UNRECOGNIZED_NAME : ALERT_ACCESS_DENIED;
		SYS(sendto, fd, alert, sizeof alert, MSG_NOSIGNAL, NULL, 0);
	} else {
		SYS(sendto, fd, answer, make_answer(c, answer, sizeof answer), MSG_NOSIGNAL,
		    NULL, 0);
	}
	SYS(shutdown, fd, SHUT_WR);
	/* Closed with bytes unread it would be reset, and the answer with it. */
	c->phase = LINGER;
	conn_wait(r, c, WAIT_LINGER);
	conn_again(r, c);
}
