/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "relay.h"

#include <errno.h>
#include <fcntl.h>
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
/* At least so much may be on its way when the last writer dies. */
#define LAST_LEAST 65536
/* What is read at once to be masked: [MASKED] is longer than the shortest secret. */
#define MASKED_READ 32000
_Static_assert(MASK_OUT(MASKED_READ) <= sizeof((struct relay *)0)->buf, "it fits");

struct relay *relay_new(int from, int to)
{
	struct relay *r = malloc(sizeof *r);

	if (!r)
		return NULL;
	r->from = from;
	r->to = to;
	r->from_is_file = r->has_ended = false;
	r->mask = NULL;
	r->held_msec = r->taken = 0;
	r->most = UINT64_MAX;
	r->start = r->end = 0;
	return r;
}

void relay_free(struct relay *r)
{
	if (!r)
		return;
	fd_close(r->from);
	fd_close(r->to);
	mask_stream_free(r->mask);
	free(r);
}

int relay_mask(struct relay *r, const struct mask *m)
{
	r->mask = mask_stream_new(m, MASKED_READ);
	return r->mask ? 0 : -ENOMEM;
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

/* Into the empty buffer. What is secret goes by the mask's own memory. */
static ssize_t fill(struct relay *r)
{
	ssize_t k;

	if (r->mask)
		k = read(r->from, mask_stream_in(r->mask), MASKED_READ);
	else
		k = read(r->from, r->buf, sizeof r->buf);
	if (k > 0)
		r->taken += (uint64_t)k;
	if (k > 0)
		r->end = r->mask ? mask_stream_take(r->mask, (size_t)k, r->buf) : (size_t)k;
	return k;
}

bool relay_holds(const struct relay *r)
{
	return r->mask && mask_stream_holds(r->mask);
}

/* Behind what waits already there may be no room for it: then it waits on. */
int relay_let_go(struct relay *r)
{
	int f = flush(r);

	if (f > 0 && relay_holds(r)) {
		r->end = mask_stream_let_go(r->mask, r->buf);
		f = flush(r);
	}
	return f < 0 || (f > 0 && r->has_ended) ? 0 : 1;
}

int relay_run(struct relay *r)
{
	/* Bounded, so that a job that floods us cannot keep us from its timeout. */
	for (int round = 0; round < 16; round++) {
		ssize_t k;
		int f = flush(r);

		if (f < 0)
			return 0;
		if (f > 0 && r->has_ended)
			return relay_let_go(r);
		if (f == 0 || !is_ready(r->from, POLLIN))
			return 1;
		k = fill(r);
		if (k < 0 && (errno == EAGAIN || errno == EINTR))
			return 1;
		/* A terminal whose last slave is closed says EIO: that is its end. */
		r->has_ended = k <= 0;
	}
	/* What can never be waited for, such as a file, must find the buffer empty. */
	return flush(r) < 0 ? 0 : 1;
}

void relay_last(struct relay *r)
{
	int room = fcntl(r->from, F_GETPIPE_SZ); /* or a terminal's */

	r->most = r->taken + (uint64_t)MAX(room, LAST_LEAST);
}

/* Nothing read waits to be written, and nothing waits to be read. */
static bool is_idle(const struct relay *r)
{
	return r->start == r->end && (r->has_ended || !is_ready(r->from, POLLIN));
}

bool relay_drain(struct relay *r)
{
	if (r->taken >= r->most)
		r->has_ended = true;
	if (!relay_run(r))
		return true;
	if (!is_idle(r))
		return false;
	return !relay_holds(r) || !relay_let_go(r) || is_idle(r);
}
