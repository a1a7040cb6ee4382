/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "loop.h"

#include <sched.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "../base/fd.h"
#include "../base/sys.h"
#include "../isolate/confine.h"
#include "gate.h"
#include "record.h"

void loop_begin(const char *name, const int *keep, size_t n)
{
	SYS(prctl, PR_SET_NAME, name, 0, 0, 0);
	fd_close_all_but(keep, n);
	SYS(chdir, "/");
}

int loop_enter(const struct gate *g)
{
	int r = SYS(setns, g->netns, CLONE_NEWNET);

	fd_close(g->netns);
	return r;
}

void *loop_memory(size_t size)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return at == MAP_FAILED ? NULL : at;
}

int loop_watch(int epoll, int fd, uint64_t source)
{
	struct epoll_event e = {.events = EPOLLIN, .data.u64 = source};

	return SYS(epoll_ctl, epoll, EPOLL_CTL_ADD, fd, &e);
}

int loop_confine(const struct gate *g, enum seccomp_helper filter)
{
	const struct confinement c = {.id = g->id, .files = CONFINE_FILES_ALL,
				      .file_size = RECORDS_MAX + RECORD_SIZE,
				      .filter = filter};

	return confine_child(&c);
}
