/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Its start, its confinement, and the records on its socket; what it does is in image.c. */
#include "mounter.h"

#include <poll.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "../base/fd.h"
#include "../base/macros.h"
#include "../base/process.h"
#include "../base/sys.h"
#include "../fs/mount.h"
#include "../isolate/confine.h"
#include "image.h"
#include "traps.h"

#define DEATH_MSEC 1000
#define FILES_MAX 64

/* ---- the supervisor's --------------------------------------------------------- */

void mounter_init(struct mounter *m)
{
	*m = (struct mounter){{-1, -1}, -1, -1, -1, -1, 0};
}

void mounter_done(struct mounter *m)
{
	siginfo_t info;
	struct pollfd p = {.fd = m->pidfd, .events = POLLIN};

	if (m->pidfd >= 0) {
		sys_pidfd_send_signal(m->pidfd, SIGKILL);
		poll(&p, 1, DEATH_MSEC);
		waitid(P_PIDFD, (id_t)m->pidfd, &info, WEXITED | WNOHANG | __WALL);
	}
	fd_close(m->socket[0]);
	fd_close(m->socket[1]);
	fd_close(m->pidfd);
	fd_close(m->copies);
	fd_close(m->userns);
	mounter_init(m);
}

/* ---- records ------------------------------------------------------------------- */

union control {
	struct cmsghdr align;
	char room[CMSG_SPACE(N_MOUNT_FDS * sizeof(int))];
};

static struct msghdr message(struct iovec *data, union control *c)
{
	return (struct msghdr){.msg_iov = data,
			       .msg_iovlen = 1,
			       .msg_control = c,
			       .msg_controllen = sizeof *c};
}

int mounter_ask(int socket, const struct mount_request *q, const int fds[N_MOUNT_FDS])
{
	union control c = {0};
	struct mount_answer a = {0};
	struct iovec out = {(void *)q, sizeof *q};
	struct msghdr m = message(&out, &c);
	int r;

	c.align = (struct cmsghdr){.cmsg_len = CMSG_LEN(N_MOUNT_FDS * sizeof(int)),
				   .cmsg_level = SOL_SOCKET,
				   .cmsg_type = SCM_RIGHTS};
	memcpy(CMSG_DATA(&c.align), fds, N_MOUNT_FDS * sizeof(int));
	r = SYS(sendmsg, socket, &m, MSG_NOSIGNAL);
	if (r < 0)
		return -EPERM;
	/* An answer to somebody before us, who did not live to read it, is passed over. */
	do
		r = SYS(recvfrom, socket, &a, sizeof a, 0UL, NULL, NULL);
	while (r == -EINTR || (r == sizeof a && a.id != q->id));
	return r == sizeof a ? (int)a.error : -EPERM;
}

/* 0 at the end. All that came is the caller's to close. */
static int receive(int socket, struct mount_request *q, int fds[static N_MOUNT_FDS])
{
	union control c = {0};
	struct iovec in = {q, sizeof *q};
	struct msghdr m = message(&in, &c);
	struct cmsghdr *h;
	int r;

	for (size_t i = 0; i < N_MOUNT_FDS; i++)
		fds[i] = -1;
	r = SYS(recvmsg, socket, &m, MSG_CMSG_CLOEXEC);
	if (r <= 0)
		return r;
	h = CMSG_FIRSTHDR(&m);
	if (h && h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_RIGHTS)
		memcpy(fds, CMSG_DATA(h), MIN(h->cmsg_len - CMSG_LEN(0),
					      N_MOUNT_FDS * sizeof(int)));
	if (r != sizeof *q || m.msg_flags & (MSG_TRUNC | MSG_CTRUNC) ||
	    fds[N_MOUNT_FDS - 1] < 0)
		return -EBADMSG;
	return r;
}

/* ---- confinement ------------------------------------------------------------------ */

/* A root of our own: an empty directory to attach at, and the host's devices. */
static int change_root(void)
{
	cleanup_close int dev = sys_open_tree(AT_FDCWD, "/dev", OPEN_TREE_CLONE);
	cleanup_close int root = -1;
	int r = SYS(unshare, CLONE_NEWNS);

	if (dev < 0)
		return dev;
	if (r >= 0)
		r = SYS(mount, NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
	if (r >= 0)
		r = root = mount_new("tmpfs", "cisandbox", "size=4k,nr_inodes=4,mode=700",
				     MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
	if (r >= 0)
		r = SYS(mkdirat, root, "dev", 0700);
	if (r >= 0)
		r = SYS(mkdirat, root, IMAGE_PLACE + 1, 0700);
	if (r >= 0)
		r = SYS(move_mount, root, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH);
	if (r >= 0)
		r = mount_attach(dev, root, "dev");
	if (r >= 0)
		r = SYS(fchdir, root);
	if (r >= 0)
		r = sys_pivot_root(".", ".");
	if (r >= 0)
		r = SYS(umount2, ".", MNT_DETACH);
	return r < 0 ? r : SYS(chdir, "/");
}

static void close_others(const struct mounter *m)
{
	int keep[4];
	size_t n = 0;

	fd_keep(keep, &n, m->socket[1]);
	fd_keep(keep, &n, m->copies);
	fd_keep(keep, &n, m->userns);
	fd_keep(keep, &n, m->listener);
	fd_close_all_but(keep, n);
}

/* Root of the host's, to mount: in children of its own, which the filter lets it make. */
static int confine(void)
{
	const struct confinement c = {.caps = 1ULL << CAP_SYS_ADMIN, .files = FILES_MAX,
				      .file_size = IMAGE_BYTES_MAX, .filter = SECCOMP_MOUNTER};

	return confine_child(&c);
}

static int begin(const struct mounter *m)
{
	sigset_t all;
	int r;

	SYS(prctl, PR_SET_NAME, "cis:mounter", 0, 0, 0);
	SYS(setsid);
	close_others(m);
	process_reset_signals_child();
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	r = change_root();
	return r < 0 ? r : confine();
}

static void mounter_main(const struct mounter *m)
{
	struct image_table images = {0};

	if (begin(m) < 0)
		SYS(exit_group, 1);
	for (;;) {
		struct mount_request q = {0};
		int fds[N_MOUNT_FDS];
		int r = receive(m->socket[1], &q, fds);

		if (r == 0) /* the supervisor and the helper are gone */
			SYS(exit_group, 0);
		if (r > 0) {
			struct mount_answer a = {.id = q.id};

			a.error = q.trap & m->traps ? image_mount(m, &images, &q, fds) : -EPERM;
			SYS(sendto, m->socket[1], &a, sizeof a, MSG_NOSIGNAL, NULL, 0UL);
		}
		for (size_t i = 0; i < N_MOUNT_FDS; i++)
			fd_close(fds[i]);
	}
}

int mounter_start(struct mounter *m, int copies, int userns, int listener, uint64_t traps,
		  struct cis_error *err)
{
	struct clone_args args = {
		.flags = CLONE_PIDFD,
		.pidfd = (uint64_t)(uintptr_t)&m->pidfd,
	};
	int r;

	m->copies = copies;
	m->userns = userns;
	m->listener = listener;
	m->traps = traps;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, m->socket) < 0)
		return cis_fail(err, errno, "traps: start who mounts images");
	r = process_clone(&args);
	if (r == 0)
		mounter_main(m);
	if (r < 0) {
		m->pidfd = -1;
		return cis_fail(err, -r, "traps: start who mounts images");
	}
	m->socket[1] = fd_close(m->socket[1]);
	return 0;
}
