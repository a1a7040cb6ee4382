/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "../base/fd.h"
#include "../base/sys.h"
#include "../isolate/confine.h"

/* Number 0 alone may be polled, and no other be had: the limit below is of numbers. */
#define CONNECTION 0
#define FILES_MAX 1

static void close_others(const struct helper *h)
{
	int keep[1 + VFS_N_SOURCES + VFS_HOST_FILES_MAX];
	size_t n = 0;

	fd_keep(keep, &n, h->conn);
	for (size_t i = 0; i < VFS_N_SOURCES; i++)
		fd_keep(keep, &n, h->sources->fd[i]);
	for (size_t i = 0; i < VFS_HOST_FILES_MAX; i++)
		fd_keep(keep, &n, h->sources->host[i]);
	fd_close_all_but(keep, n);
	SYS(dup3, h->conn, CONNECTION, O_CLOEXEC);
	fd_close(h->conn);
}

/* Files and processes: it makes none. What it may read it has open. */
static int confine(const struct helper *h)
{
	const struct confinement c = {.id = h->id, .files = FILES_MAX, .filter = SECCOMP_VFS};

	return confine_child(&c);
}

/* Unmounted, or aborted with the last of its namespace: there is nothing left to serve. */
static bool is_gone(int r)
{
	return r == -ENODEV || r == -EPERM || r == -ECONNABORTED;
}

void helper_main(const struct helper *h)
{
	struct server *s = mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	SYS(prctl, PR_SET_NAME, "cis:vfs", 0, 0, 0);
	close_others(h);
	SYS(chdir, "/");
	if (s == MAP_FAILED || confine(h) < 0)
		_exit(1);
	server_init(s, h->sources, h->shared, h->owner);
	_exit(is_gone(server_run(s, CONNECTION)) ? 0 : 1);
}
