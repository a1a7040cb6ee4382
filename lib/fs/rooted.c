/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rooted.h"

#include <limits.h>
#include <string.h>

#include "../base/fd.h"
#include "../base/sys.h"

#define MAX_LINKS 40 /* as the kernel has it */

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

/*
 * The link at prefix[parent_end..], which leads nowhere yet, in @prefix's place: where it
 * leads to, and what of the path came behind it. -ENOENT: it is no link.
 */
static int follow(int dir, const char *name, char *prefix, size_t parent_end, const char *rest)
{
	char target[PATH_MAX];
	size_t at, n_rest = strlen(rest);
	int n = SYS(readlinkat, dir, name, target, sizeof target);

	if (n < 0)
		return n == -EINVAL ? -ENOENT : n;
	at = n > 0 && target[0] == '/' ? 0 : parent_end;
	if (at + 1 + (size_t)n + n_rest >= PATH_MAX)
		return -ENAMETOOLONG;
	/* @rest is not in @prefix. */
	prefix[at++] = '/';
	memcpy(prefix + at, target, (size_t)n);
	memcpy(prefix + at + (size_t)n, rest, n_rest + 1);
	return 0;
}

/* 1: a link that leads nowhere was met, *again is the path by what it says. */
static int make(int root, const char *path, bool file, char again[static PATH_MAX], int *ret)
{
	char *prefix = again;
	cleanup_close int dir = -1;
	int r = rooted_open(root, path, O_PATH);

	*ret = r;
	if (r != -ENOENT)
		return MIN(r, 0);
	if (strlen(path) >= PATH_MAX)
		return -ENAMETOOLONG;
	dir = rooted_open(root, "/", O_PATH | O_DIRECTORY);
	for (size_t n = 1; dir >= 0; n++) {
		size_t end = prefix_end(path, n);
		const char *name = path + prefix_end(path, n - 1);
		bool last = end == 0 || path[end + strspn(path + end, "/")] == '\0';
		int next;

		if (end == 0) {
			*ret = steal_fd(&dir);
			return 0;
		}
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
			if (r == -EEXIST && next == -ENOENT) {
				r = follow(dir, name, prefix, prefix_end(path, n - 1),
					   path + end);
				return r < 0 ? r : 1;
			}
		}
		fd_close(dir);
		dir = next;
	}
	return dir;
}

int rooted_make(int root, const char *path, bool file)
{
	char first[PATH_MAX], second[PATH_MAX];
	int fd = -1, r = make(root, path, file, first, &fd);

	/* Images have links to what others are to bring, /etc/resolv.conf for one. */
	for (int links = 0; r == 1; links++) {
		if (links == MAX_LINKS)
			return -ELOOP;
		r = links % 2 ? make(root, second, file, first, &fd)
			      : make(root, first, file, second, &fd);
	}
	return r < 0 ? r : fd;
}

int rooted_attach(int root, const char *path, int tree, bool file)
{
	cleanup_close int at = rooted_make(root, path, file);

	return at < 0 ? at : sys_move_mount(tree, at);
}
