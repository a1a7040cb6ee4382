/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "judge.h"

#include <string.h>
#include <sys/socket.h>

struct reading {
	enum hello_state state;
	struct hello first, second;
	uint32_t end;	   /* of the last hello, if it is whole */
	const char *wrong; /* why there is no name to go by, or NULL */
};

static bool same_name(const struct hello *a, const struct hello *b)
{
	return strcmp(a->name, b->name) == 0;
}

/* Between two hellos there may be what a client had sent in the hope that one does. */
static enum hello_state read_second(struct reading *r, const uint8_t *text, uint32_t len)
{
	uint32_t at = r->end, n;
	size_t used;

	for (; at < len && text[at] != HELLO_RECORD_HANDSHAKE; at += HELLO_RECORD_HEADER + n) {
		if (text[at] != HELLO_RECORD_CHANGE_CIPHER && text[at] != HELLO_RECORD_DATA)
			return HELLO_BAD;
		if (len - at < HELLO_RECORD_HEADER)
			return HELLO_MORE;
		n = (uint32_t)(text[at + 3] << 8 | text[at + 4]);
		if (n > HELLO_RECORD_MAX)
			return HELLO_BAD;
		if (len - at < HELLO_RECORD_HEADER + n)
			return HELLO_MORE;
	}
	hello_init(&r->second);
	hello_feed(&r->second, text + at, len - at, &used);
	if (r->second.state == HELLO_MORE)
		return *r->second.name && !same_name(&r->first, &r->second) ? HELLO_BAD
									     : HELLO_MORE;
	r->end = at + (uint32_t)used;
	return r->second.state == r->first.state && same_name(&r->first, &r->second)
		       ? r->second.state
		       : HELLO_BAD;
}

static void read_hellos(struct reading *r, const struct opening_question *q)
{
	size_t used;

	hello_init(&r->first);
	r->state = hello_feed(&r->first, q->text, q->len, &used);
	r->end = (uint32_t)used;
	r->wrong = r->first.why;
	if (!q->is_second || (r->state != HELLO_NAME && r->state != HELLO_NO_NAME))
		return;
	r->state = read_second(r, q->text, q->len);
	if (r->state == HELLO_MORE && q->len == OPENING_TEXT_MAX)
		r->state = HELLO_BAD;
	if (r->state == HELLO_BAD)
		r->wrong = "its second hello is not like the first";
}

void judge(const struct opening_question *q, bool audit, const struct judge_ops *ops,
	   void *context, struct opening_answer *ret, char ret_name[static NAME_MAX_LEN + 1])
{
	struct egress_ask ask = {.family = q->six ? AF_INET6 : AF_INET,
				 .port = q->port, .is_read = true};
	struct reading r = {.wrong = NULL};
	const char *why;
	bool allowed = false;

	read_hellos(&r, q);
	*ret = (struct opening_answer){.ticket = q->ticket, .len = q->len, .end = r.end};
	memcpy(ask.address, q->address, sizeof ask.address);
	ret_name[0] = '\0';
	if (r.state == HELLO_MORE && q->is_late)
		r.wrong = "it did not say in time what it wants";
	if (!r.wrong && *r.first.name) {
		memcpy(ret_name, r.first.name, strlen(r.first.name) + 1);
		ask.name = ret_name;
	}
	/* A wrong name is one as soon as it is whole. */
	if (r.state == HELLO_MORE && !r.wrong && !ask.name) {
		ret->judgement = OPENING_MORE;
		return;
	}
	ask.wrong = why = r.wrong;
	ask.has_ech = r.first.has_ech;
	if (!r.wrong || audit)
		allowed = ops->decide(context, &ask, &why);
	if (!allowed)
		ops->refused(context, &ask, why ? why : "it is not allowed");
	ret->judgement = !allowed		  ? OPENING_NO
			 : r.wrong		  ? OPENING_ALL
			 : r.state == HELLO_MORE ? OPENING_MORE
						  : OPENING_HELLO;
}
