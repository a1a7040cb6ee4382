/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mount.h"

#include <string.h>

#include "../base/fd.h"
#include "../base/sys.h"

int mount_clone_tree(int dirfd, const char *path, bool readonly)
{
	/*
	 * nodev: the job must not find a device node in an image or a bind and
	 * open the host's disk through it; as root inside it could.
	 */
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_NODEV | (readonly ? MOUNT_ATTR_RDONLY : 0),
		/* A clone of a shared mount is its peer: what is mounted in one shows in both. */
		.propagation = MS_PRIVATE,
	};
	cleanup_close int fd = sys_open_tree(dirfd, path, OPEN_TREE_CLONE);
	int r;

	if (fd < 0)
		return fd;
	r = sys_mount_setattr(fd, 0, &attr);
	return r < 0 ? r : steal_fd(&fd);
}

int mount_idmap(int mount_fd, int userns_fd)
{
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_IDMAP,
		.userns_fd = (uint64_t)userns_fd,
	};

	return sys_mount_setattr(mount_fd, 0, &attr);
}

/* "key=value" or "key", up to the next comma, to the file system context. */
static int set_option(int fs, const char *option, size_t len)
{
	char buf[256], *eq;

	if (len >= sizeof buf)
		return -ENAMETOOLONG;
	memcpy(buf, option, len);
	buf[len] = '\0';
	eq = strchr(buf, '=');
	if (!eq)
		return sys_fsconfig(fs, FSCONFIG_SET_FLAG, buf, NULL);
	*eq = '\0';
	return sys_fsconfig(fs, FSCONFIG_SET_STRING, buf, eq + 1);
}

int mount_set_options(int fs, const char *options)
{
	int r = 0;

	while (r >= 0 && options && *options) {
		size_t len = strcspn(options, ",");

		r = set_option(fs, options, len);
		options += len + (options[len] == ',');
	}
	return r;
}

int mount_new(const char *type, const char *source, const char *options, uint64_t attrs)
{
	cleanup_close int fs = sys_fsopen(type);
	int r = 0;

	if (fs < 0)
		return fs;
	if (source)
		r = sys_fsconfig(fs, FSCONFIG_SET_STRING, "source", source);
	if (r >= 0)
		r = mount_set_options(fs, options);
	if (r >= 0)
		r = sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL);
	if (r < 0)
		return r;
	return sys_fsmount(fs, (unsigned int)attrs);
}

int mount_attach(int mount_fd, int rootfd, const char *target)
{
	cleanup_close int at = sys_openat2(rootfd, target, O_PATH, 0,
					   RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);

	if (at < 0)
		return at;
	return sys_move_mount(mount_fd, at);
}
