/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What happens to a container, for who waits for it: it ran out of memory, it ended. A
 * handle, as its groups may be gone when one comes to look.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "../base/fd.h"
#include "box.h"
#include "container.h"

struct cis_oci_watch {
	struct container ct;
	int epoll, oom, init;
	uint64_t seen;
};

static int add(const struct cis_oci_watch *w, int fd)
{
	struct epoll_event e = {.events = EPOLLIN};

	return epoll_ctl(w->epoll, EPOLL_CTL_ADD, fd, &e) < 0 ? -errno : 0;
}

static int open_all(struct cis_oci_watch *w, struct cis_error *err)
{
	int r;

	w->epoll = epoll_create1(EPOLL_CLOEXEC);
	w->init = container_pidfd(&w->ct);
	if (w->epoll < 0)
		return cis_fail(err, errno, "watch %s", w->ct.id);
	if (w->init < 0)
		return cis_fail_plain(err, ESRCH, "container not running");
	/* A host without that controller never kills for it. */
	w->oom = place_oom_fd(&w->ct.place, err);
	if (w->oom < 0 && w->oom != -EOPNOTSUPP)
		return w->oom;
	if (w->oom >= 0)
		place_oom_kills(&w->ct.place, &w->seen);
	r = add(w, w->init);
	if (r >= 0 && w->oom >= 0)
		r = add(w, w->oom);
	return r < 0 ? cis_fail(err, -r, "watch %s", w->ct.id) : 0;
}

int cis_oci_watch_new(const struct cis_oci *rt, const char *id, struct cis_oci_watch **ret,
		      struct cis_error *err)
{
	struct cis_oci_watch *w = calloc(1, sizeof *w);
	int r;

	if (!w)
		return cis_fail(err, ENOMEM, "watch %s", id);
	w->epoll = w->oom = w->init = -1;
	container_init(&w->ct);
	r = container_open(&w->ct, rt, id, false, err);
	if (r >= 0)
		r = open_all(w, err);
	if (r < 0)
		cis_oci_watch_free(w);
	else
		*ret = w;
	return r < 0 ? box_error(r, err) : 0;
}

int cis_oci_watch_fd(const struct cis_oci_watch *w)
{
	return w->epoll;
}

int cis_oci_watch_oom(struct cis_oci_watch *w)
{
	return w->oom < 0 ? 0 : place_oom_next(&w->ct.place, w->oom, &w->seen);
}

void cis_oci_watch_free(struct cis_oci_watch *w)
{
	if (!w)
		return;
	fd_close(w->epoll);
	fd_close(w->oom);
	fd_close(w->init);
	container_done(&w->ct);
	free(w);
}
