/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "idmap.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/fd.h"
#include "../base/process.h"
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

/* ---- a process in a user namespace ------------------------------------------------ */

struct held {
	pid_t pid;
	int wire;
};

/*
 * A user namespace needs a process to be made of, and to be looked at. It sleeps until it
 * is killed, or its wire ends, which is the caller's death: so it holds nothing else of
 * the caller's.
 */
static void holder(uid_t owner, int join, int wire) __attribute__((noreturn));
static void holder(uid_t owner, int join, int wire)
{
	char word;
	int r = 0, moved;

	/* It is not for root of that namespace to look into. */
	if (join >= 0) {
		SYS(prctl, PR_SET_DUMPABLE, 0, 0, 0, 0);
		r = SYS(setns, join, CLONE_NEWUSER);
	}
	moved = SYS(dup3, wire, 3, 0);
	if (moved < 0 && moved != -EINVAL) /* it is 3 */
		_exit(1);
	sys_close_range(4, ~0U, 0);
	if (r >= 0 && owner)
		r = userns_become_owner_child(owner);
	if (r >= 0 && join < 0)
		r = SYS(unshare, CLONE_NEWUSER);

	SYS(write, 3, &r, sizeof r);
	SYS(read, 3, &word, sizeof word);
	_exit(0);
}

/* In a new one of @owner's, or in @join if that is not -1. */
static int hold(struct held *h, uid_t owner, int join)
{
	int pair[2], made = -EIO, r;

	*h = (struct held){.pid = -1, .wire = -1};
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	h->pid = fork();
	r = h->pid < 0 ? -errno : 0;
	if (h->pid == 0)
		holder(owner, join, pair[1]);
	fd_close(pair[1]);
	h->wire = pair[0];
	if (r >= 0 && read(h->wire, &made, sizeof made) != sizeof made)
		made = -EIO;
	return r < 0 ? r : made;
}

static void let_go(struct held *h)
{
	fd_close(h->wire);
	if (h->pid <= 0)
		return;
	kill(h->pid, SIGKILL);
	process_wait(h->pid);
}

int idmap_userns(const struct config_idmap *uids, size_t n_uids,
		 const struct config_idmap *gids, size_t n_gids, struct cis_error *err)
{
	struct held h;
	int fd = -1, r = hold(&h, root_of(uids, n_uids), -1);

	if (r < 0)
		r = cis_fail(err, -r, "make a user namespace");
	if (r >= 0)
		r = write_maps(h.pid, uids, n_uids, gids, n_gids, err);
	if (r >= 0) {
		fd = userns_open(h.pid);
		if (fd < 0)
			r = cis_fail(err, -fd, "open a user namespace");
	}
	let_go(&h);
	return r < 0 ? r : fd;
}

/* ---- what one is that exists --------------------------------------------------------- */

static int parse_map(char *text, struct config_idmap **ret, size_t *ret_n)
{
	cleanup_free struct config_idmap *map = calloc(MAX_LINES, sizeof *map);
	char *save = NULL;
	size_t n = 0;

	if (!map)
		return -ENOMEM;
	for (char *line = strtok_r(text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save), n++)
		if (n >= MAX_LINES || sscanf(line, "%u %u %u", &map[n].inside, &map[n].host,
					     &map[n].size) != 3)
			return -EPROTO;
	*ret = steal_ptr(&map);
	*ret_n = n;
	return 0;
}

/* In our own ids, since it is we who read. */
static int read_map(pid_t pid, const char *file, struct config_idmap **ret, size_t *ret_n)
{
	cleanup_free char *text = NULL;
	char path[64];
	int r;

	snprintf(path, sizeof path, "/proc/%d/%s", pid, file);
	r = io_read_file_at(AT_FDCWD, path, MAX_LINES * 40UL, &text, NULL);
	return r < 0 ? r : parse_map(text, ret, ret_n);
}

int idmap_read(const char *userns, struct config *c, struct cis_error *err)
{
	cleanup_close int fd = open(userns, O_RDONLY | O_CLOEXEC);
	struct config_idmap *uids = NULL, *gids = NULL;
	size_t n_uids = 0, n_gids = 0;
	struct held h;
	int r;

	if (fd < 0)
		return cis_fail(err, errno, "namespace %s", userns);
	r = hold(&h, 0, fd);
	if (r >= 0)
		r = read_map(h.pid, "uid_map", &uids, &n_uids);
	if (r >= 0)
		r = read_map(h.pid, "gid_map", &gids, &n_gids);
	let_go(&h);
	if (r < 0) {
		free(uids);
		if (r == -EINVAL) /* we are in it */
			return cis_fail_plain(err, EPERM,
					      "a sandbox does not share the host's user "
					      "namespace (%s)", userns);
		return cis_fail(err, -r, "read the maps of the user namespace %s", userns);
	}
	free(c->uid_map);
	free(c->gid_map);
	c->uid_map = uids;
	c->n_uid_map = n_uids;
	c->gid_map = gids;
	c->n_gid_map = n_gids;
	return 0;
}

bool idmap_is_shifted(const struct config *c, int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0 || st.st_uid == 0)
		return false;
	for (size_t i = 0; i < c->n_uid_map; i++)
		if (st.st_uid >= c->uid_map[i].host &&
		    st.st_uid - c->uid_map[i].host < c->uid_map[i].size)
			return true;
	return false;
}

/* ---- mounts ---------------------------------------------------------------------------- */

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
