/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#include "../base/fd.h"
#include "../base/io.h"
#include "../base/macros.h"
#include "../base/process.h"
#include "../base/str.h"
#include "../base/sys.h"

#define LASTING_MSEC 1000
#define FIRST_PAUSE_MSEC 10
#define DOUBLINGS 9 /* up to 5 s */

static uint64_t now_msec(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void notify_init(struct notify *n)
{
	*n = (struct notify){.life = -1, .pidfd = -1};
	n->serve.listener = n->serve.life = n->serve.proc = n->serve.null = -1;
	n->serve.numbers = (struct numbers){-1, -1, -1, -1, 0, 0, {{0}, 0}, {0}};
}

/* Whether it ended as it should: when nobody was left to answer. */
static bool reap(struct notify *n)
{
	siginfo_t info = {0};

	while (waitid(P_PIDFD, (id_t)n->pidfd, &info, WEXITED | __WALL) < 0 && errno == EINTR)
		;
	n->pidfd = fd_close(n->pidfd);
	return info.si_code == CLD_EXITED && info.si_status == 0;
}

void notify_done(struct notify *n)
{
	if (n->pidfd >= 0) {
		sys_pidfd_send_signal(n->pidfd, SIGKILL);
		reap(n);
	}
	fd_close(n->life);
	fd_close(n->serve.listener);
	fd_close(n->serve.life);
	fd_close(n->serve.proc);
	fd_close(n->serve.null);
	numbers_close(&n->serve.numbers);
	if (n->serve.page)
		munmap(n->serve.page, sizeof *n->serve.page);
	notify_init(n);
}

/* "boottime -SECONDS NANOSECONDS" of its time namespace. */
static int read_offset(pid_t init, uint64_t *ret)
{
	cleanup_free char *text = NULL;
	char path[64];
	const char *p;
	int r;

	snprintf(path, sizeof path, "/proc/%d/timens_offsets", init);
	r = io_read_file_at(AT_FDCWD, path, 4096, &text, NULL);
	if (r < 0)
		return r;
	p = strstr(text, "boottime");
	p = p ? strchr(p, '-') : NULL;
	*ret = p ? strtoull(p + 1, NULL, 10) : 0;
	return 0;
}

int notify_look(struct notify *n, pid_t init, uid_t base, uint64_t flags, struct cis_error *err)
{
	struct stat ns;
	char path[64];
	int r;

	snprintf(path, sizeof path, "/proc/%d/ns/user", init);
	r = stat(path, &ns) < 0 ? -errno : read_offset(init, &n->serve.numbers.offset);
	if (r < 0)
		return cis_fail(err, -r, "traps: look at init");
	n->serve.userns_dev = ns.st_dev;
	n->serve.userns_ino = ns.st_ino;
	n->serve.base = base;
	n->serve.flags = flags & TRAPS;
	return 0;
}

static int open_all(struct notify *n, const struct group *g)
{
	struct serve *s = &n->serve;
	uint64_t offset = s->numbers.offset;
	void *page;
	int pair[2], r = numbers_open(&s->numbers, g);

	s->numbers.offset = offset;
	if (r < 0)
		return r;
	s->proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	s->null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (s->proc < 0 || s->null < 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	n->life = pair[0];
	s->life = pair[1];
	page = mmap(NULL, sizeof *s->page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		    -1, 0);
	if (page == MAP_FAILED)
		return -errno;
	s->page = page;
	return 0;
}

int notify_again(struct notify *n)
{
	struct clone_args args = {
		.flags = CLONE_PIDFD,
		.pidfd = (uint64_t)(uintptr_t)&n->pidfd,
	};
	int r = process_clone(&args);

	if (r == 0)
		serve_main(&n->serve);
	if (r < 0)
		n->pidfd = -1;
	n->since = now_msec();
	return MIN(r, 0);
}

int notify_start(struct notify *n, int listener, const struct group *g, struct cis_error *err)
{
	int r;

	n->serve.listener = listener;
	r = open_all(n, g);
	if (r >= 0)
		r = notify_again(n);
	return r < 0 ? cis_fail(err, -r, "traps: start the helper that answers") : 0;
}

bool notify_ended(struct notify *n, uint64_t *ret_pause)
{
	if (reap(n))
		return false;
	n->deaths = now_msec() - n->since < LASTING_MSEC ? n->deaths + 1 : 0;
	*ret_pause = n->deaths ? (uint64_t)FIRST_PAUSE_MSEC << MIN(n->deaths - 1, DOUBLINGS) : 0;
	return true;
}

int notify_install_child(const struct sock_filter *f, unsigned short n)
{
	struct sock_fprog program = {.len = n, .filter = (struct sock_filter *)f};
	int r = SYS(seccomp, SECCOMP_SET_MODE_FILTER,
		    SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV,
		    &program);

	/* Before Linux 5.19 a signal interrupts a call that is being answered. */
	if (r == -EINVAL)
		r = SYS(seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER,
			&program);
	return r;
}
