/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Rejected: /proc/self and /proc/thread-self in paths. They are links, and a walk that
 * takes links takes those of others too. Their text is read instead, from the same
 * procfs, so that the number is the one that holds there: a child in a new pid namespace
 * has another one in its parent's procfs than getpid() says.
 */
#include "procfd.h"

#include <linux/magic.h>
#include <string.h>
#include <sys/statfs.h>

#include "../base/fd.h"
#include "../base/str.h"
#include "../base/sys.h"

#define PROC_ROOT_INODE 1
#define SYSCTL_MAX 256
#define MOUNT_FLAGS (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)
#define RESOLVE \
	(RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS)

static bool is_procfs(int fd)
{
	struct statfs fs;

	return SYS(fstatfs, fd, &fs) >= 0 && fs.f_type == PROC_SUPER_MAGIC;
}

static int mount_new(void)
{
	cleanup_close int fs = sys_fsopen("proc");
	int r = fs < 0 ? fs : sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL);

	return r < 0 ? r : sys_fsmount(fs, MOUNT_FLAGS);
}

static int open_existing(void)
{
	/* A copy of that mount alone, without what is mounted on it. */
	cleanup_close int fd = sys_open_tree(AT_FDCWD, "/proc",
					     OPEN_TREE_CLONE | AT_SYMLINK_NOFOLLOW);
	struct stat st;

	if (fd < 0)
		fd = SYS(openat, AT_FDCWD, "/proc",
			 O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return fd;
	/* Not some folder of procfs that was bound there. */
	if (!is_procfs(fd) || fstat(fd, &st) < 0 || st.st_ino != PROC_ROOT_INODE)
		return -EXDEV;
	return steal_fd(&fd);
}

int procfd_open(void)
{
	int fd = mount_new();

	return fd >= 0 ? fd : open_existing();
}

static int append(char *buf, size_t n, const char *text)
{
	size_t used = strlen(buf), len = strlen(text);

	if (used + len + 1 > n)
		return -ENAMETOOLONG;
	memcpy(buf + used, text, len + 1);
	return 0;
}

int procfd_self_child(int procfd, const char *file, char *buf, size_t n)
{
	char pid[24];
	int r = SYS(readlinkat, procfd, "self", pid, sizeof pid - 1);

	if (r < 0)
		return r;
	pid[r] = '\0';
	if (r == 0 || pid[strspn(pid, "0123456789")])
		return -EXDEV;
	buf[0] = '\0';
	r = append(buf, n, pid);
	if (r >= 0)
		r = append(buf, n, "/");
	return r < 0 ? r : append(buf, n, file);
}

bool procfd_has_child(int procfd, const char *path)
{
	cleanup_close int fd = sys_openat2(procfd, path, O_PATH | O_NOFOLLOW, 0, RESOLVE);

	return fd != -ENOENT;
}

int procfd_write_child(int procfd, const char *path, const char *value)
{
	cleanup_close int fd = sys_openat2(procfd, path, O_WRONLY | O_NOFOLLOW, 0,
					   RESOLVE);
	size_t len = strlen(value);
	int r;

	if (fd < 0)
		return fd;
	if (!is_procfs(fd))
		return -EXDEV;
	do
		r = SYS(write, fd, value, len);
	while (r == -EINTR);
	if (r < 0)
		return r;
	return (size_t)r == len ? 0 : -EIO;
}

/* No part of the path may be empty, "." or "..": "net/../kernel" is not below net. */
static bool is_plain_path(const char *path)
{
	for (const char *p = path;; p++) {
		size_t len = strcspn(p, "/");

		if (len == 0 || (len == 1 && p[0] == '.') ||
		    (len == 2 && p[0] == '.' && p[1] == '.'))
			return false;
		p += len;
		if (!*p)
			return true;
	}
}

/*
 * Below /proc/sys. The first separator says which of the two it is; where that is the
 * dot, a slash stands for a dot in a name.
 */
static int find_sysctl(const char *key, char *buf, size_t n)
{
	const bool dots = key[strcspn(key, "./")] == '.';
	size_t len = strlen(key);

	if (len + 1 > n)
		return -ENAMETOOLONG;
	memcpy(buf, key, len + 1);
	for (char *p = buf; dots && *p; p++)
		if (*p == '.' || *p == '/')
			*p = *p == '.' ? '/' : '.';
	return is_plain_path(buf) ? 0 : -EINVAL;
}

int sysctl_write_child(int procfd, const char *key, const char *value)
{
	char path[SYSCTL_MAX] = "sys/";
	int r = find_sysctl(key, path + 4, sizeof path - 4);

	return r < 0 ? r : procfd_write_child(procfd, path, value);
}

static bool is_of_ipc(const char *path)
{
	static const char *const names[] = {
		"kernel/msgmax", "kernel/msgmnb", "kernel/msgmni", "kernel/sem",
		"kernel/shmall", "kernel/shmmax", "kernel/shmmni",
		"kernel/shm_rmid_forced",
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(path, names[i]) == 0)
			return true;
	return str_starts(path, "fs/mqueue/");
}

static int need(bool own, const char *key, const char *space, struct cis_error *err)
{
	if (own)
		return 0;
	return cis_fail_plain(err, EPERM,
			      "sysctl \"%s\" is not allowed in the host's %s namespace",
			      key, space);
}

int sysctl_check(const char *key, bool own_ipc, bool own_net, bool own_uts, bool own_user,
		 struct cis_error *err)
{
	char path[SYSCTL_MAX - 4];
	int r = find_sysctl(key, path, sizeof path);

	if (r < 0)
		return cis_fail_plain(err, -r,
				      "sysctl \"%s\" is not the name of a sysctl", key);
	if (is_of_ipc(path))
		return need(own_ipc, key, "ipc", err);
	if (str_starts(path, "net/"))
		return need(own_net, key, "network", err);
	if (str_starts(path, "user/"))
		return need(own_user, key, "user", err);
	if (strcmp(path, "kernel/domainname") == 0)
		return need(own_uts, key, "uts", err);
	if (own_uts && strcmp(path, "kernel/hostname") == 0)
		return cis_fail_plain(err, EPERM,
				      "sysctl \"%s\" is not allowed as it conflicts with "
				      "the OCI \"hostname\" field", key);
	return cis_fail_plain(err, EPERM,
			      "sysctl \"%s\" is not in a separate kernel namespace", key);
}
