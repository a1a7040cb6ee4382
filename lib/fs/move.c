/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "move.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int link_file(int from, const char *name, int to, const char *to_name)
{
	if (linkat(from, name, to, to_name, 0) < 0)
		return errno == EPERM || errno == ENOSYS ? -EOPNOTSUPP : -errno;
	unlinkat(from, name, 0);
	return 0;
}

/* rename() puts a directory over an empty one: if somebody has filled ours, it fails. */
static int replace_own(int from, const char *name, int to, const char *to_name)
{
	int r;

	if (mkdirat(to, to_name, 0700) < 0)
		return -errno;
	r = renameat(from, name, to, to_name) < 0 ? -errno : 0;
	if (r < 0)
		unlinkat(to, to_name, AT_REMOVEDIR);
	return r == -ENOTEMPTY || r == -ENOTDIR ? -EEXIST : r;
}

int move_new(int from, const char *name, int to, const char *to_name)
{
	struct stat st;

	if (syscall(SYS_renameat2, from, name, to, to_name, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return S_ISDIR(st.st_mode) ? replace_own(from, name, to, to_name)
				   : link_file(from, name, to, to_name);
}
