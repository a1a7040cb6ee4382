/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "copier.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <unistd.h>

#include "../base/fd.h"
#include "../base/process.h"
#include "../base/str.h"
#include "../base/sys.h"
#include "../fs/mount.h"
#include "../isolate/userns.h"

/* What the helper may see of the host: as a mount that is nowhere, it has no outside. */
static int clone_dest(int dir)
{
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
		.propagation = MS_PRIVATE,
	};
	cleanup_close int fd = sys_open_tree(dir, "", AT_EMPTY_PATH | OPEN_TREE_CLONE);
	int r = fd < 0 ? fd : sys_mount_setattr(fd, 0, &attr);

	return r < 0 ? r : steal_fd(&fd);
}

static void *map(size_t size, int flags)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

/* The sandbox's ids, 0-based on disk, are its own: no id of the host's is ever written. */
static int map_faithful(pid_t pid, const struct copier_order *o, int dest)
{
	cleanup_close int userns = -1;
	int r;

	if (process_is_rootless())
		return userns_write_same_maps(pid, o->count);
	r = userns_write_maps(pid, o->base, o->count);
	if (r >= 0)
		r = userns = userns_open(pid);
	return r < 0 ? r : mount_idmap(dest, userns);
}

static int map_ids(pid_t pid, const struct copier_job *job)
{
	const struct copier_order *o = job->order;

	if (o->faithful)
		return map_faithful(pid, o, job->dest);
	return userns_write_maps_with(pid, o->base, job->owner, geteuid(), getegid());
}

static int clone_helper(struct copier *c, struct copier_job *job)
{
	struct clone_args args = {
		.flags = CLONE_PIDFD | CLONE_NEWUSER,
		.pidfd = (uint64_t)(uintptr_t)&c->pidfd,
	};
	cleanup_close int go = -1; /* kept: or to tell a dead one were SIGPIPE */
	int fds[2], r;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	job->go = go = fds[0];
	c->go = fds[1];
	r = process_clone(&args);
	if (r == 0)
		copier_main(job);
	if (r < 0) {
		c->pidfd = -1;
		return r;
	}
	r = map_ids(r, job);
	/* It holds no end of this but the one it reads. */
	if (r >= 0 && write(c->go, "", 1) != 1)
		r = -EIO;
	return r;
}

int copier_start(struct copier *c, const struct copier_order *o, int dest)
{
	cleanup_close int clone = clone_dest(dest);
	struct copier_job job = {.order = o, .dest = clone, .owner = o->count};
	int r;

	if (clone < 0)
		return clone;
	c->report = map(sizeof *c->report, MAP_SHARED);
	job.room = map(copier_room(), MAP_PRIVATE | MAP_NORESERVE);
	job.report = c->report;
	r = job.room && c->report ? clone_helper(c, &job) : -ENOMEM;
	if (job.room)
		munmap(job.room, copier_room());
	if (r < 0)
		copier_drop(c);
	return r;
}

/* ---- its end ------------------------------------------------------------------- */

static void reap(struct copier *c, siginfo_t *ret)
{
	process_reap(c->pidfd, ret);
	c->pidfd = fd_close(c->pidfd);
	c->go = fd_close(c->go);
}

static void drop_report(struct copier *c)
{
	if (c->report)
		munmap(c->report, sizeof *c->report);
	c->report = NULL;
}

void copier_drop(struct copier *c)
{
	siginfo_t info;

	if (c->pidfd >= 0) {
		sys_pidfd_send_signal(c->pidfd, SIGKILL);
		reap(c, &info);
	}
	c->go = fd_close(c->go);
	drop_report(c);
}

/* It was the helper's memory: neither its end nor what it says can be relied upon. */
static struct copier_report take_report(const struct copier *c)
{
	struct copier_report r = *c->report;

	r.at[sizeof r.at - 1] = r.left[sizeof r.left - 1] = '\0';
	str_tame(r.at);
	str_tame(r.left);
	return r;
}

void copier_finish(struct copier *c, struct copier_report *ret, siginfo_t *ret_info)
{
	*ret_info = (siginfo_t){0};
	reap(c, ret_info);
	*ret = take_report(c);
	drop_report(c);
}

bool copier_is_well(const struct copier_report *r, const siginfo_t *info)
{
	return info->si_code == CLD_EXITED && info->si_status == 0 && !r->error;
}
