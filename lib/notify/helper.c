/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "../base/clock.h"
#include "../base/fd.h"
#include "../base/io.h"
#include "../base/macros.h"
#include "../base/process.h"
#include "../base/str.h"
#include "../base/sys.h"

#define LASTING_MSEC 1000
#define FIRST_PAUSE_MSEC 10
#define DEATH_MSEC 1000
#define DOUBLINGS 9 /* up to 5 s */
#define PAGES_SIZE (N_ANSWERERS * sizeof(struct notify_page))
#define WITH_PATHS (CIS_TRAP_MKNOD | CIS_TRAP_SWAPON | TRAP_MOUNTS)

void notify_init(struct notify *n)
{
	*n = (struct notify){.life = -1};
	for (size_t i = 0; i < N_ANSWERERS; i++)
		n->helpers[i].pidfd = n->serve.queue[i] = -1;
	for (size_t i = 0; i < NOTIFY_HELD_MAX; i++)
		n->held[i] = -1;
	n->serve.listener = n->serve.life = n->serve.proc = n->serve.null = -1;
	n->serve.mounter = n->userns = -1;
	mounter_init(&n->mounter);
	n->serve.numbers = (struct numbers){-1, -1, -1, -1, 0, 0, {{0}, 0}, {0}};
}

/* Whether it ended as it should: when nobody was left to answer. */
static bool reap(int *pidfd)
{
	siginfo_t info = {0};

	while (waitid(P_PIDFD, (id_t)*pidfd, &info, WEXITED | WNOHANG | __WALL) < 0 &&
	       errno == EINTR)
		;
	*pidfd = fd_close(*pidfd);
	return info.si_code == CLD_EXITED && info.si_status == 0;
}

static bool is_dead(int pidfd, int patience_msec)
{
	struct pollfd p = {.fd = pidfd, .events = POLLIN};

	return poll(&p, 1, patience_msec) > 0;
}

/* When the sandbox is gone there is nothing left to hold them; after exec there may be. */
static void end_all(struct notify *n)
{
	int *all[N_ANSWERERS + NOTIFY_HELD_MAX];
	uint64_t until = now_msec() + DEATH_MSEC;

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		all[i] = i < N_ANSWERERS ? &n->helpers[i].pidfd : &n->held[i - N_ANSWERERS];
		if (*all[i] >= 0)
			sys_pidfd_send_signal(*all[i], SIGKILL);
	}
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		uint64_t now = now_msec();

		if (*all[i] >= 0 && !is_dead(*all[i], now < until ? (int)(until - now) : 0))
			*all[i] = fd_close(*all[i]);
		else if (*all[i] >= 0)
			reap(all[i]);
	}
}

void notify_done(struct notify *n)
{
	end_all(n);
	mounter_done(&n->mounter);
	fd_close(n->userns);
	for (size_t i = 0; i < N_ANSWERERS; i++)
		fd_close(n->serve.queue[i]);
	fd_close(n->life);
	fd_close(n->serve.listener);
	fd_close(n->serve.life);
	fd_close(n->serve.proc);
	fd_close(n->serve.null);
	numbers_close(&n->serve.numbers);
	if (n->serve.pages)
		munmap(n->serve.pages, PAGES_SIZE);
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
	struct statx root = {0};
	struct stat ns;
	char path[64];
	int r;

	snprintf(path, sizeof path, "/proc/%d/ns/user", init);
	n->userns = open(path, O_RDONLY | O_CLOEXEC);
	r = n->userns < 0 || fstat(n->userns, &ns) < 0
		    ? -errno
		    : read_offset(init, &n->serve.numbers.offset);
	snprintf(path, sizeof path, "/proc/%d/root", init);
	if (r >= 0 && statx(AT_FDCWD, path, 0, STATX_MNT_ID, &root) < 0)
		r = -errno;
	if (r < 0)
		return cis_fail(err, -r, "traps: look at init");
	n->serve.root_mount = root.stx_mask & STATX_MNT_ID ? root.stx_mnt_id : 0;
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
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, s->queue) < 0)
		return -errno;
	n->life = pair[0];
	s->life = pair[1];
	page = mmap(NULL, PAGES_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		    0);
	if (page == MAP_FAILED)
		return -errno;
	s->pages = page;
	return 0;
}

int notify_again(struct notify *n, enum answerer who)
{
	struct notify_helper *h = &n->helpers[who];
	struct clone_args args = {
		.flags = CLONE_PIDFD,
		.pidfd = (uint64_t)(uintptr_t)&h->pidfd,
	};
	int r = process_clone(&args);

	if (r == 0)
		serve_main(&n->serve, who);
	if (r < 0)
		h->pidfd = -1;
	h->since = now_msec();
	return MIN(r, 0);
}

static int start_mounter(struct notify *n, int copies, struct cis_error *err)
{
	uint64_t traps = n->serve.flags & TRAP_MOUNTS;
	int r;

	if (!traps)
		return 0;
	r = mounter_start(&n->mounter, copies, steal_fd(&n->userns), n->serve.listener, traps,
			  err);
	n->serve.mounter = n->mounter.socket[0];
	return r;
}

int notify_start(struct notify *n, int listener, int copies, const struct group *g,
		 struct cis_error *err)
{
	int r;

	n->serve.listener = listener;
	r = start_mounter(n, copies, err);
	if (r < 0)
		return r;
	r = open_all(n, g);
	if (r >= 0)
		r = notify_again(n, ANSWER_NOW);
	if (r >= 0 && n->serve.flags & WITH_PATHS)
		r = notify_again(n, ANSWER_PATHS);
	return r < 0 ? cis_fail(err, -r, "traps: start the helpers that answer") : 0;
}

bool notify_ended(struct notify *n, enum answerer who, uint64_t *ret_pause)
{
	struct notify_helper *h = &n->helpers[who];

	if (reap(&h->pidfd))
		return false;
	h->deaths = now_msec() - h->since < LASTING_MSEC ? h->deaths + 1 : 0;
	*ret_pause = h->deaths ? (uint64_t)FIRST_PAUSE_MSEC << MIN(h->deaths - 1, DOUBLINGS) : 0;
	return true;
}

static enum notify_found leave_behind(struct notify *n, struct notify_helper *h)
{
	size_t places = 0, place = 0;

	for (size_t i = 0; i < NOTIFY_HELD_MAX; i++) {
		if (n->held[i] >= 0 && is_dead(n->held[i], 0))
			reap(&n->held[i]);
		if (n->held[i] < 0) {
			place = i;
			places++;
		}
	}
	fd_close(n->held[place]);
	n->held[place] = steal_fd(&h->pidfd);
	if (places > 1)
		return NOTIFY_LEFT_BEHIND;
	/* They have the listener open: without it nobody could answer, not even so. */
	n->serve.flags = 0;
	for (size_t i = 0; i < N_ANSWERERS; i++)
		if (n->helpers[i].pidfd >= 0)
			sys_pidfd_send_signal(n->helpers[i].pidfd, SIGKILL);
	return NOTIFY_LOST;
}

enum notify_found notify_watch(struct notify *n, enum answerer who)
{
	static const unsigned int patience[] = {[ANSWER_NOW] = 1, [ANSWER_PATHS] = 10};
	struct notify_helper *h = &n->helpers[who];
	uint64_t call;

	if (h->pidfd < 0)
		return NOTIFY_FINE;
	call = __atomic_load_n(&n->serve.pages[who].call.id, __ATOMIC_RELAXED);
	h->looks = call && call == h->call ? h->looks + 1 : 0;
	h->call = call;
	if (h->looks == patience[who])
		sys_pidfd_send_signal(h->pidfd, SIGKILL);
	if (h->looks <= patience[who] || is_dead(h->pidfd, 0))
		return NOTIFY_FINE;
	h->looks = 0;
	return leave_behind(n, h);
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
