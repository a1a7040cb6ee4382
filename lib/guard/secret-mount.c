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

/* @size: of what is in its files; each begins a page. */
static int make_tmpfs(uid_t root, size_t n, size_t size)
{
	char options[128];
	int fd;

	snprintf(options, sizeof options, "mode=555,uid=%u,gid=%u,size=%zu,nr_inodes=%zu,noswap",
		 root, root, size + (n + 1) * (size_t)sysconf(_SC_PAGESIZE), n + 2);
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

int secrets_write(const struct secrets *s, int dir, uid_t uid, gid_t gid,
		  struct cis_error *err)
{
	for (size_t i = 0; i < s->n; i++) {
		int r = write_one(dir, &s->v[i], uid, gid);

		if (r < 0)
			return cis_fail(err, -r, "secret %s: write it", s->v[i].name);
	}
	return 0;
}

static int mount_tmpfs(uid_t root, size_t n, size_t size, struct cis_error *err)
{
	int fd = make_tmpfs(root, n, size);

	return fd < 0 ? cis_fail(err, -fd, "secrets: mount a tmpfs") : fd;
}

int secrets_mount_empty(uid_t root, struct cis_error *err)
{
	return mount_tmpfs(root, SECRETS_MAX, SECRET_TOTAL_MAX, err);
}

int secrets_mount(const struct secrets *s, uid_t root, uid_t uid, gid_t gid,
		  struct cis_error *err)
{
	struct mount_attr readonly = {.attr_set = MOUNT_ATTR_RDONLY};
	cleanup_close int fd = mount_tmpfs(root, s->n, s->total, err);
	int r = fd < 0 ? fd : secrets_write(s, fd, uid, gid, err);

	if (r < 0)
		return r;
	r = sys_mount_setattr(fd, 0, &readonly);
	return r < 0 ? cis_fail(err, -r, "secrets: make them read-only") : steal_fd(&fd);
}
