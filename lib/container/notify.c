/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "notify.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "../base/fd.h"
#include "../base/str.h"
#include "box.h"

#define INSIDE "/run/notify"

static int add_mount(struct config *c, const char *dir)
{
	struct config_mount *bigger = reallocarray(c->mounts, c->n_mounts + 1, sizeof *bigger);
	struct config_mount m = {
		.bind = true,
		.set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
		       MOUNT_ATTR_NOEXEC,
	};
	int r;

	if (!bigger)
		return -ENOMEM;
	c->mounts = bigger;
	r = str_format(&m.source, "%s/" NOTIFY_DIR, dir);
	if (r >= 0)
		r = str_set(&m.destination, INSIDE);
	if (r >= 0)
		r = str_set(&m.type, "bind");
	c->mounts[c->n_mounts++] = m;
	return r;
}

int notify_prepare(const struct container *ct, struct config *c, struct cis_error *err)
{
	cleanup_free char *dir = realpath(ct->path, NULL); /* others are the bundle's */
	int r;

	/* Its mode is for the user inside, whom the mask of ours does not know. */
	if (!dir || mkdirat(ct->dir, NOTIFY_DIR, 0755) < 0 ||
	    fchmodat(ct->dir, NOTIFY_DIR, 0755, 0) < 0)
		return cis_fail(err, errno, "make the directory %s/" NOTIFY_DIR, ct->path);
	r = add_mount(c, dir);
	if (r >= 0)
		r = strv_add(&c->process.env, "NOTIFY_SOCKET=" INSIDE "/" NOTIFY_NAME);
	return r < 0 ? cis_fail(err, -r, "notify") : 0;
}

void notify_remove(const struct container *ct)
{
	unlinkat(ct->dir, NOTIFY_DIR "/" NOTIFY_NAME, 0);
	unlinkat(ct->dir, NOTIFY_DIR, AT_REMOVEDIR);
}

static int listen_there(const struct container *ct, int dir)
{
	cleanup_close int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	if (fd < 0)
		return -errno;
	/* As long as ROOT may be, this fits. */
	snprintf(addr.sun_path, sizeof addr.sun_path, "/proc/self/fd/%d/" NOTIFY_NAME, dir);
	/* Whoever started it last is told. */
	unlinkat(ct->dir, NOTIFY_DIR "/" NOTIFY_NAME, 0);
	if (bind(fd, (struct sockaddr *)&addr, sizeof addr) < 0 ||
	    fchmodat(dir, NOTIFY_NAME, 0777, 0) < 0)
		return -errno;
	return steal_fd(&fd);
}

int cis_oci_notify_open(const struct cis_oci *rt, const char *id, struct cis_error *err)
{
	cleanup(container_done) struct container ct;
	cleanup_close int dir = -1;
	int r;

	container_init(&ct);
	r = container_open(&ct, rt, id, true, err);
	if (r < 0)
		return box_error(r, err);
	dir = openat(ct.dir, NOTIFY_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return cis_fail_plain(err, errno, "%s was created without NOTIFY_SOCKET", id);
	/* A second one would take it from under the first, who waits for it. */
	if (container_status(&ct) != STATUS_CREATED)
		return cis_fail_plain(err, EINVAL, "%s: only a created container can be "
						   "listened to", id);
	r = listen_there(&ct, dir);
	return r < 0 ? box_error(cis_fail(err, -r, "listen for %s to be ready", id), err) : r;
}
