/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rooted.h"

#include <limits.h>
#include <string.h>

#include "../base/fd.h"
#include "../base/sys.h"

int rooted_open(int root, const char *path, uint64_t flags)
{
	int r;

	/* EAGAIN: something was renamed meanwhile, and the kernel could not be sure. */
	for (int tries = 0; tries < 128; tries++) {
		r = sys_openat2(root, path, flags, 0, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
		if (r != -EAGAIN)
			return r;
	}
	return r;
}

/* The end of the last component of the first @n ones, or 0 when there are fewer. */
static size_t prefix_end(const char *path, size_t n)
{
	const char *p = path;

	while (n--) {
		p += strspn(p, "/");
		if (!*p)
			return 0;
		p += strcspn(p, "/");
	}
	return (size_t)(p - path);
}

int rooted_make(int root, const char *path, bool file)
{
	char prefix[PATH_MAX];
	cleanup_close int dir = -1;
	int r = rooted_open(root, path, O_PATH);

	if (r != -ENOENT)
		return r;
	if (strlen(path) >= sizeof prefix)
		return -ENAMETOOLONG;
	dir = rooted_open(root, "/", O_PATH | O_DIRECTORY);
	for (size_t n = 1; dir >= 0; n++) {
		size_t end = prefix_end(path, n);
		const char *name = path + prefix_end(path, n - 1);
		bool last = end == 0 || path[end + strspn(path + end, "/")] == '\0';
		int next;

		if (end == 0)
			return steal_fd(&dir);
		memcpy(prefix, path, end);
		prefix[end] = '\0';
		next = rooted_open(root, prefix, last ? O_PATH : O_PATH | O_DIRECTORY);
		if (next == -ENOENT) {
			name = prefix + (name - path) + strspn(name, "/");
			r = last && file ? SYS(mknodat, dir, name, S_IFREG | 0644, 0)
					 : SYS(mkdirat, dir, name, 0755);
			if (r < 0 && r != -EEXIST)
				return r;
			next = rooted_open(root, prefix, O_PATH);
		}
		fd_close(dir);
		dir = next;
	}
	return dir;
}

int rooted_attach(int root, const char *path, int tree, bool file)
{
	cleanup_close int at = rooted_make(root, path, file);

	return at < 0 ? at : sys_move_mount(tree, at);
}
