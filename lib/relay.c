/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "relay.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/macros.h"

/*
 * The host's end may be in blocking mode, and its mode is not ours to change. A pipe
 * that poll() calls writable takes this much without blocking.
 */
#define SAFE_WRITE 4096

struct relay *relay_new(int from, int to)
{
	struct relay *r = malloc(sizeof *r);

	if (!r)
		return NULL;
	r->from = from;
	r->to = to;
	r->from_is_file = false;
	r->start = r->end = 0;
	return r;
}

void relay_free(struct relay *r)
{
	if (!r)
		return;
	fd_close(r->from);
	fd_close(r->to);
	free(r);
}

int relay_waits_for(const struct relay *r, bool *ret_write)
{
	*ret_write = r->start < r->end || r->from_is_file;
	return *ret_write ? r->to : r->from;
}

static bool is_ready(int fd, short events)
{
	struct pollfd p = {.fd = fd, .events = events};

	return poll(&p, 1, 0) > 0;
}

/* 1: emptied the buffer; 0: @to takes no more now; -errno: never again. */
static int flush(struct relay *r)
{
	while (r->start < r->end) {
		size_t n = MIN(r->end - r->start, (size_t)SAFE_WRITE);
		ssize_t k;

		if (!is_ready(r->to, POLLOUT))
			return 0;
		k = write(r->to, r->buf + r->start, n);
		if (k < 0 && errno == EAGAIN)
			return 0;
		if (k < 0 && errno != EINTR)
			return -errno;
		if (k > 0)
			r->start += (size_t)k;
	}
	r->start = r->end = 0;
	return 1;
}

int relay_run(struct relay *r)
{
	/* Bounded, so that a job that floods us cannot keep us from its timeout. */
	for (int round = 0; round < 16; round++) {
		ssize_t k;
		int f = flush(r);

		if (f < 0)
			return 0;
		if (f == 0 || !is_ready(r->from, POLLIN))
			return 1;
		k = read(r->from, r->buf, sizeof r->buf);
		if (k < 0 && (errno == EAGAIN || errno == EINTR))
			return 1;
		/* A terminal whose last slave is closed says EIO: that is its end. */
		if (k <= 0)
			return 0;
		r->end = (size_t)k;
	}
	/* What can never be waited for, such as a file, must find the buffer empty. */
	return flush(r) < 0 ? 0 : 1;
}

bool relay_is_idle(const struct relay *r)
{
	return r->start == r->end && !is_ready(r->from, POLLIN);
}
