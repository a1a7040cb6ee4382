/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gate-send.h"

#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "../base/fd.h"
#include "../base/sys.h"
#include "gate-templates.h" /* generated */

#define ANSWER_MAX 32768 /* the kernel fills no more in one go */

size_t gate_part(enum gate_message m, const struct gate_values *v, char *buf)
{
	memcpy(buf, messages[m].bytes, messages[m].len);
	for (size_t i = 0; i < messages[m].n_places; i++) {
		const struct gate_place *p = &messages[m].places[i];

		memcpy(buf + p->at, (const char *)v + p->field, p->size);
	}
	return messages[m].len;
}

size_t gate_batch_end(char *batch, size_t len)
{
	struct nlmsghdr *last = (struct nlmsghdr *)batch;

	for (size_t at = 0; at < len; at += NLMSG_ALIGN(last->nlmsg_len))
		last = (struct nlmsghdr *)(batch + at);
	last->nlmsg_flags |= NLM_F_ACK;
	return len + gate_part(EGRESS_END, NULL, batch + len);
}

/* 1: the end. */
static int read_records(const char *buf, int len, gate_record *each, void *arg)
{
	const struct nlmsghdr *h = (const struct nlmsghdr *)buf;
	int r = 0;

	for (; NLMSG_OK(h, len) && r == 0; h = NLMSG_NEXT(h, len)) {
		const struct nlmsgerr *e = NLMSG_DATA(h);

		if (h->nlmsg_type == NLMSG_ERROR || h->nlmsg_type == NLMSG_DONE)
			return h->nlmsg_len < NLMSG_LENGTH(sizeof e->error) ? -EBADMSG
			       : e->error < 0 ? e->error : 1;
		r = each ? each(h, arg) : 1;
	}
	return r;
}

static int hear(int fd, gate_record *each, void *arg)
{
	char buf[ANSWER_MAX] __attribute__((aligned(__alignof__(struct nlmsghdr))));
	int r = 0;

	while (r == 0) {
		r = SYS(recvfrom, fd, buf, sizeof buf, 0, NULL, NULL);
		if (r > 0)
			r = read_records(buf, r, each, arg);
		else if (r == 0)
			r = -EPIPE;
	}
	return r < 0 ? r : 0;
}

static int talk(enum gate_message m, const struct gate_values *v, gate_record *each, void *arg)
{
	cleanup_close int fd =
		SYS(socket, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, messages[m].protocol);
	char buf[GATE_MESSAGE_MAX];
	int r = fd < 0 ? fd : SYS(sendto, fd, buf, gate_part(m, v, buf), 0, NULL, 0);

	return r < 0 ? r : hear(fd, each, arg);
}

int gate_talk(int fd, const char *batch, size_t len)
{
	char stale[512];
	int r;

	/* What an earlier failure left to be said. */
	while (SYS(recvfrom, fd, stale, sizeof stale, MSG_DONTWAIT, NULL, NULL) > 0)
		;
	r = SYS(sendto, fd, batch, len, 0, NULL, 0);
	return r < 0 ? r : hear(fd, NULL, NULL);
}

int gate_send_child(enum gate_message message, const struct gate_values *v)
{
	return talk(message, v, NULL, NULL);
}

int gate_dump_child(enum gate_message message, gate_record *each, void *arg)
{
	return talk(message, NULL, each, arg);
}
