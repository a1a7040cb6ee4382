/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Made by the caller, who alone has the values, and of the host's user namespace: only such a
 * tmpfs may be told not to be swapped out. Written before it is attached anywhere, so
 * nobody inside has ever seen it half full, and read-only for the mount that the job gets:
 * what one step of it reads no other can have put there.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "../base/fd.h"
#include "../base/io.h"
#include "../base/sys.h"
#include "../fs/mount.h"
#include "secret.h"

#define ATTRS (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)

static int make_tmpfs(const struct secrets *s, uid_t root)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), blocks = 1;
	char options[128];
	int fd;

	for (size_t i = 0; i < s->n; i++)
		blocks += (s->v[i].len + page - 1) / page;
	snprintf(options, sizeof options, "mode=555,uid=%u,gid=%u,size=%zu,nr_inodes=%zu,noswap",
		 root, root, blocks * page, s->n + 2);
	fd = mount_new("tmpfs", "cisandbox-secrets", options, ATTRS);
	if (fd != -EINVAL)
		return fd;
	/* drop when baseline >= 6.4 */
	*strrchr(options, ',') = '\0';
	return mount_new("tmpfs", "cisandbox-secrets", options, ATTRS);
}

static int write_one(int dir, const struct secret *s, uid_t uid, gid_t gid)
{
	cleanup_close int fd = openat(dir, s->name,
				      O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0400);
	int r;

	if (fd < 0)
		return -errno;
	r = io_write_all(fd, s->vault.at, s->len);
	/* Whatever the caller's umask is. */
	if (r >= 0 && (fchmod(fd, 0400) < 0 || fchown(fd, uid, gid) < 0))
		r = -errno;
	return r;
}

int secrets_mount(const struct secrets *s, uid_t root, uid_t uid, gid_t gid,
		  struct cis_error *err)
{
	struct mount_attr readonly = {.attr_set = MOUNT_ATTR_RDONLY};
	cleanup_close int fd = make_tmpfs(s, root);
	int r = fd;

	if (fd < 0)
		return cis_fail(err, -fd, "secrets: mount a tmpfs");
	for (size_t i = 0; i < s->n; i++) {
		r = write_one(fd, &s->v[i], uid, gid);
		if (r < 0)
			return cis_fail(err, -r, "secret %s: write it", s->v[i].name);
	}
	r = sys_mount_setattr(fd, 0, &readonly);
	return r < 0 ? cis_fail(err, -r, "secrets: make them read-only") : steal_fd(&fd);
}
