/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "idmap.h"

#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../base/fd.h"
#include "../base/io.h"
#include "../base/sys.h"
#include "../isolate/userns.h"

#define MAX_LINES 340 /* the kernel's */

static int write_map(pid_t pid, const char *file, const struct config_idmap *map, size_t n)
{
	char text[4096], path[64];
	size_t used = 0;

	if (n > MAX_LINES)
		return -E2BIG;
	for (size_t i = 0; i < n; i++) {
		used += (size_t)snprintf(text + used, sizeof text - used, "%u %u %u\n",
					 map[i].inside, map[i].host, map[i].size);
		/* The kernel takes one write of less than a page. */
		if (used >= sizeof text)
			return -E2BIG;
	}
	snprintf(path, sizeof path, "/proc/%d/%s", pid, file);
	return io_write_file_at(AT_FDCWD, path, text);
}

static int write_maps(pid_t pid, const struct config_idmap *uids, size_t n_uids,
		const struct config_idmap *gids, size_t n_gids, struct cis_error *err)
{
	int r = write_map(pid, "uid_map", uids, n_uids);

	if (r < 0)
		return cis_fail(err, -r, "write uid_map of the container");
	r = write_map(pid, "gid_map", gids, n_gids);
	return r < 0 ? cis_fail(err, -r, "write gid_map of the container") : 0;
}

static uid_t root_of(const struct config_idmap *map, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (map[i].inside == 0)
			return map[i].host;
	return 0;
}

/*
 * A user namespace needs a process to be made of. It sleeps until it is killed, or its
 * wire ends, which is the caller's death: so it holds nothing else of the caller's.
 */
static void holder(uid_t owner, int wire) __attribute__((noreturn));
static void holder(uid_t owner, int wire)
{
	char word;
	int r = SYS(dup3, wire, 3, 0);

	if (r == -EINVAL) /* it is 3 */
		r = 3;
	sys_close_range(4, ~0U, 0);
	if (r >= 0 && owner)
		r = userns_become_owner_child(owner);

	if (r >= 0)
		r = SYS(unshare, CLONE_NEWUSER);

	SYS(write, 3, &r, sizeof r);
	SYS(read, 3, &word, sizeof word);
	_exit(0);
}

int idmap_userns(const struct config_idmap *uids, size_t n_uids,
		 const struct config_idmap *gids, size_t n_gids, struct cis_error *err)
{
	int pair[2], made = -EIO, fd = -1, r;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return cis_fail(err, errno, "make a user namespace");
	pid = fork();
	if (pid == 0)
		holder(root_of(uids, n_uids), pair[1]);
	fd_close(pair[1]);
	r = pid < 0 ? -errno : 0;
	if (r >= 0 && read(pair[0], &made, sizeof made) != sizeof made)
		made = -EIO;
	if (r < 0 || made < 0)
		r = cis_fail(err, r < 0 ? -r : -made, "make a user namespace");
	if (r >= 0)
		r = write_maps(pid, uids, n_uids, gids, n_gids, err);
	if (r >= 0) {
		fd = userns_open(pid);
		if (fd < 0)
			r = cis_fail(err, -fd, "open a user namespace");
	}
	fd_close(pair[0]);
	if (pid > 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	return r < 0 ? r : fd;
}

int idmap_by(int tree, int userns, bool recursive)
{
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_IDMAP,
		.userns_fd = (uint64_t)userns,
	};

	return sys_mount_setattr(tree, recursive ? AT_RECURSIVE : 0, &attr);
}

int idmap_mount(int tree, const struct config_mount *m, struct cis_error *err)
{
	cleanup_close int userns =
		idmap_userns(m->uids, m->n_uids, m->gids, m->n_gids, err);
	int r;

	if (userns < 0)
		return userns;
	r = idmap_by(tree, userns, m->idmap_recursive);
	return r < 0 ? cis_fail(err, -r, "id-map %s", m->source) : 0;
}
