/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * mknod and swapon. Paths are resolved as the caller would: from its root, its directory
 * or the descriptor it names, in its mount namespace, by descriptors alone. What it
 * changes meanwhile leads us to another place that it can reach, never out of its root.
 *
 * The node is made by us: with the sandbox's root as owner, under the permissions which
 * that id has without any capability. So in a directory that another user inside closed to
 * root it is not made, where CAP_DAC_OVERRIDE would help; giving us that one would make
 * every mistake in here worse.
 */
#include <linux/capability.h>
#include <string.h>

#include "../base/fd.h"
#include "../base/macros.h"
#include "../base/num.h"
#include "../base/sys.h"
#include "../fs/rooted.h"
#include "serve.h"

#define TRIES 128
#define SWAP_FLAGS 0x7ffffu /* of linux/swap.h */

void whence_close(struct whence *p)
{
	fd_close(p->root);
	fd_close(p->from);
}

int whence_open(struct whence *p, int dirfd, const char *path)
{
	int r = 0;

	p->root = SYS(openat, p->c->dir, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dirfd == AT_FDCWD) {
		strcpy(p->from_link, "cwd");
	} else {
		strcpy(p->from_link, "fd/");
		num_append(p->from_link, sizeof p->from_link, (unsigned int)dirfd);
	}
	if (*path != '/')
		r = p->from = SYS(openat, p->c->dir, p->from_link,
				  O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (!serve_is_valid(p->s))
		return -ESRCH;
	if (p->root < 0)
		return p->root;
	return r == -ENOENT ? -EBADF : MIN(r, 0);
}

/*
 * A relative path that climbs out of where it begins, or goes on at the root. No call
 * takes a root and a directory: so by the name of the directory, if below that root it
 * still is the name of that directory.
 */
static int resolve_by_name(const struct whence *p, const char *path, uint64_t flags)
{
	char whole[2 * CALLER_PATH_MAX];
	struct stat a, b;
	cleanup_close int again = -1;
	size_t len;
	int n = SYS(readlinkat, p->c->dir, p->from_link, whole, CALLER_PATH_MAX - 2);

	if (n <= 0)
		return -ENOENT;
	len = (size_t)n;
	whole[len] = '\0';
	again = rooted_open(p->root, whole, O_PATH | O_DIRECTORY);
	if (again < 0)
		return again;
	if (fstat(again, &a) < 0 || fstat(p->from, &b) < 0 || a.st_dev != b.st_dev ||
	    a.st_ino != b.st_ino)
		return -ENOENT;
	whole[len++] = '/';
	strcpy(whole + len, path);
	return rooted_open(p->root, whole, flags);
}

int whence_resolve(const struct whence *p, const char *path, uint64_t flags)
{
	int r = -EAGAIN;

	if (*path == '/')
		return rooted_open(p->root, path, flags);
	for (int tries = 0; r == -EAGAIN && tries < TRIES; tries++)
		r = sys_openat2(p->from, path, flags, 0,
				RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS);
	return r == -EXDEV ? resolve_by_name(p, path, flags) : r;
}

/* The directory of the last component, and that one. As mknod(2) answers. */
static int open_parent(const struct whence *p, char *path, const char **ret_name)
{
	char *slash = strrchr(path, '/');
	char *name = slash ? slash + 1 : path;

	if (!*path || (!*name && path[strspn(path, "/")]))
		return -ENOENT;
	if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return -EEXIST;
	*ret_name = name;
	if (!slash)
		return whence_resolve(p, ".", O_PATH | O_DIRECTORY);
	if (slash == path)
		return whence_resolve(p, "/", O_PATH | O_DIRECTORY);
	*slash = '\0';
	return whence_resolve(p, path, O_PATH | O_DIRECTORY);
}

static int make_node(const struct whence *p, char *path, mode_t mode, uint32_t dev)
{
	const char *name;
	cleanup_close int dir = open_parent(p, path, &name);

	if (dir < 0)
		return dir;
	if (!serve_is_valid(p->s))
		return -ESRCH;
	/* Its umask, not ours applied to the mode: a default ACL counts instead of it. */
	umask(p->c->umask & 0777);
	return SYS(mknodat, dir, name, S_IFCHR | (mode & 07777), dev);
}

static int mknod_of(struct serve *s, struct caller *c, int dirfd, const uint64_t args[3])
{
	struct whence p = {.s = s, .c = c, .root = -1, .from = -1};
	char path[CALLER_PATH_MAX];
	mode_t mode = (mode_t)args[1] & 0xffff;
	uint32_t dev = (uint32_t)args[2];
	int r = caller_look(s, c);

	if (r >= 0)
		r = caller_need(c, CAP_MKNOD);
	if (r >= 0 && (!S_ISCHR(mode) || !trap_device_is_harmless(dev)))
		r = -EPERM;
	/* The node would be root's: to give it to another takes a capability of the host. */
	if (r >= 0 && (c->fsuid != s->base || c->fsgid != s->base))
		r = -EPERM;
	if (r >= 0)
		r = caller_read_path(s, c, args[0], path);
	if (r >= 0)
		r = whence_open(&p, dirfd, path);
	if (r >= 0)
		r = make_node(&p, path, mode, dev);
	whence_close(&p);
	return r;
}

int serve_mknod(struct serve *s, bool at)
{
	const uint64_t *args = (const uint64_t *)s->page->call.data.args;
	struct caller c;
	int r = mknod_of(s, &c, at ? (int)args[0] : AT_FDCWD, args + at);

	fd_close(c.dir);
	return r;
}

static int swapon_of(struct serve *s, struct caller *c)
{
	struct whence p = {.s = s, .c = c, .root = -1, .from = -1};
	const uint64_t *args = (const uint64_t *)s->page->call.data.args;
	char path[CALLER_PATH_MAX];
	cleanup_close int file = -1;
	struct stat st;
	int r = caller_look(s, c);

	if (r >= 0)
		r = caller_need(c, CAP_SYS_ADMIN);
	if (r >= 0 && (args[1] & ~(uint64_t)SWAP_FLAGS))
		r = -EINVAL;
	if (r >= 0)
		r = caller_read_path(s, c, args[0], path);
	if (r >= 0)
		r = whence_open(&p, AT_FDCWD, path);
	if (r >= 0)
		r = file = whence_resolve(&p, path, O_PATH);
	if (r >= 0 && fstat(file, &st) < 0)
		r = -errno;
	whence_close(&p);
	if (r < 0)
		return r;
	return S_ISREG(st.st_mode) || S_ISBLK(st.st_mode) ? 0 : -EINVAL;
}

int serve_swapon(struct serve *s)
{
	struct caller c;
	int r = swapon_of(s, &c);

	fd_close(c.dir);
	return r;
}
