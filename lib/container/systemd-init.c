/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "systemd-init.h"

#include <elf.h>
#include <errno.h>
#include <linux/mount.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/fd.h"
#include "../base/io.h"
#include "../base/process.h"
#include "../base/sys.h"
#include "../fs/rooted.h"

/* ---- is it systemd? ------------------------------------------------------------------ */

static const char *last_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* Through links, such as /sbin/init: a regular file named systemd that can be executed. */
static bool is_systemd(int root, const char *path)
{
	cleanup_close int fd = rooted_open(root, path, O_PATH), readable = -1;
	char link[64], target[4096], magic[SELFMAG];
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || !(st.st_mode & 0111))
		return false;
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	n = readlink(link, target, sizeof target - 1);
	if (n <= 0)
		return false;
	target[n] = '\0';
	if (strcmp(last_name(target), "systemd") != 0)
		return false;
	/* Only now that it is known to be a file, which does not make us wait. */
	readable = open(link, O_RDONLY | O_CLOEXEC);
	return readable >= 0 && pread(readable, magic, sizeof magic, 0) == SELFMAG &&
	       memcmp(magic, ELFMAG, SELFMAG) == 0;
}

int systemd_init_find(const struct config *c, const char *rootfs, struct cis_error *err)
{
	const char *said = config_annotation(c, SYSTEMD_ANNOTATION), *name;
	cleanup(strv_done) struct strv paths = {0};
	cleanup_close int root = -1;
	bool found = false;

	if (said && strcmp(said, "true") != 0 && strcmp(said, "false") != 0)
		return cis_fail_plain(err, EINVAL,
				      "annotation " SYSTEMD_ANNOTATION ": neither true nor "
				      "false: %s", said);
	if (said)
		return strcmp(said, "true") == 0;
	if (!c->process.args.n || c->process.uid != 0)
		return 0;
	name = last_name(c->process.args.v[0]);
	if (strcmp(name, "systemd") != 0 && strcmp(name, "init") != 0)
		return 0;
	root = open(rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return cis_fail(err, errno, "rootfs %s", rootfs);
	if (process_candidates(&paths, c->process.args.v[0], &c->process.env) < 0)
		return cis_fail(err, ENOMEM, "process");
	for (size_t i = 0; i < paths.n && !found; i++)
		found = is_systemd(root, paths.v[i]);
	return found;
}

/* ---- what it needs ------------------------------------------------------------------- */

static const struct fresh {
	const char *path, *data;
	uint64_t set;
	bool readonly_root; /* only then; and what the image has there is in it */
} fresh[] = {
	{"/run", "mode=755,size=20%", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, false},
	{"/run/lock", "mode=1777,size=5m",
	 MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, false},
	/* Services with a private /tmp get it from there; logind keeps lingerers. */
	{"/tmp", "mode=1777,size=50%", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, true},
	{"/var/tmp", "mode=1777,size=50%", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, true},
	{"/var/lib/systemd", "mode=755,size=20%", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, true},
};

static const struct config_mount *mount_at(const struct config *c, const char *path)
{
	for (size_t i = 0; i < c->n_mounts; i++)
		if (strcmp(c->mounts[i].destination, path) == 0)
			return &c->mounts[i];
	return NULL;
}

/* At @at: what an engine mounts below /run has to come later. */
static int insert_tmpfs(struct config *c, size_t at, const struct fresh *f)
{
	struct config_mount m = {.set = f->set, .tmpcopyup = f->readonly_root};
	struct config_mount *bigger = reallocarray(c->mounts, c->n_mounts + 1, sizeof *bigger);
	int r;

	if (!bigger)
		return -ENOMEM;
	c->mounts = bigger;
	memmove(bigger + at + 1, bigger + at, (c->n_mounts - at) * sizeof *bigger);
	r = str_set(&m.destination, f->path);
	if (r >= 0)
		r = str_set(&m.source, "tmpfs");
	if (r >= 0)
		r = str_set(&m.type, "tmpfs");
	if (r >= 0)
		r = str_set(&m.data, f->data);
	bigger[at] = m;
	c->n_mounts++;
	return r;
}

int systemd_init_apply(struct config *c, struct cis_error *err)
{
	size_t made = 0;
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(fresh) && r >= 0; i++)
		if ((!fresh[i].readonly_root || c->root_readonly) && !mount_at(c, fresh[i].path))
			r = insert_tmpfs(c, made++, &fresh[i]);
	/* By that name it goes on to look which engine's container it is. */
	if (r >= 0 && !process_env(&c->process.env, "container"))
		r = strv_add(&c->process.env, "container=oci");
	return r < 0 ? cis_fail(err, -r, "systemd as the command") : 0;
}

/*
 * Their own conditions ask for a capability, or whether /sys can be written to, and mean
 * the kernel: modules, its debugging, devices, audit. They would fail, and the system be
 * "degraded" for it.
 */
static const char *const hopeless[] = {
	"proc-sys-fs-binfmt_misc.automount", "sys-kernel-config.mount",
	"sys-kernel-debug.mount",	     "sys-kernel-tracing.mount",
	"systemd-journald-audit.socket",     "systemd-modules-load.service",
	"systemd-udev-settle.service",	     "systemd-udev-trigger.service",
	"systemd-udevd-control.socket",	     "systemd-udevd-kernel.socket",
	"systemd-udevd.service",
};

static int add_condition(int root, const char *unit)
{
	static const char text[] = "[Unit]\nConditionVirtualization=!container\n";
	char path[128] = "/run/systemd/system/";
	cleanup_close int dir = -1, fd = -1;

	strcat(strcat(path, unit), ".d");
	dir = rooted_make(root, path, false);
	if (dir < 0)
		return dir;
	fd = SYS(openat, dir, "50-cisandbox.conf",
		 O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	/* It may have come along with what the image has in /run. */
	if (fd == -EEXIST)
		return 0;
	return fd < 0 ? fd : io_write_all(fd, text, sizeof text - 1);
}

int systemd_init_units_child(const struct config *c, int root)
{
	const struct config_mount *run = mount_at(c, "/run");
	int r = 0;

	/* Not into a volume: what is in there is somebody's. */
	if (!run || strcmp(run->type, "tmpfs") != 0)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(hopeless) && r >= 0; i++)
		r = add_condition(root, hopeless[i]);
	return r;
}

/* ---- its end ------------------------------------------------------------------------- */

int systemd_init_signal(int sig)
{
	/* SIGTERM would have it execute itself anew. */
	return sig == SIGTERM ? SIGRTMIN + 3 : sig;
}
