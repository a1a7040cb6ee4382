/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * mount(2) of an image: what may be told without privilege. The type, the file and the
 * directory are found here, each read and resolved once; from then on they are
 * descriptors, and the mounter is asked by these.
 *
 * The file must be on the sandbox's root file system, under the permissions which root's id
 * has without any capability. "image:" may stand before its path: mount(8) and busybox
 * look for a loop device when they see the path of a file.
 */
#include <linux/capability.h>
#include <string.h>

#include "../base/fd.h"
#include "../base/macros.h"
#include "../base/num.h"
#include "../base/sys.h"
#include "image.h"
#include "serve.h"

#define PREFIX "image:"

/* Its mount, without asking the file system: that may be one of the job's. */
static int judge_file(const struct serve *s, int fd)
{
	struct statx x = {0};
	int r = SYS(statx, fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC,
		    STATX_TYPE | STATX_SIZE | STATX_MNT_ID, &x);

	if (r < 0)
		return r;
	if (!S_ISREG(x.stx_mode))
		return S_ISBLK(x.stx_mode) ? -EPERM : -ENOTBLK;
	if (!(x.stx_mask & STATX_MNT_ID) || x.stx_mnt_id != s->root_mount)
		return -EPERM;
	return x.stx_size > IMAGE_BYTES_MAX ? -EFBIG : 0;
}

static int open_file(const struct serve *s, const struct caller *c, const char *path)
{
	struct whence p = {.s = s, .c = c, .root = -1, .from = -1};
	char link[32] = "self/fd/";
	cleanup_close int file = -1;
	int r = whence_open(&p, AT_FDCWD, path);

	if (r >= 0)
		r = file = whence_resolve(&p, path, O_PATH);
	whence_close(&p);
	if (r >= 0)
		r = judge_file(s, file);
	if (r < 0)
		return r;
	num_append(link, sizeof link, (unsigned int)file);
	return SYS(openat, s->proc, link, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

static int open_directory(const struct serve *s, const struct caller *c, const char *path)
{
	struct whence p = {.s = s, .c = c, .root = -1, .from = -1};
	int r = whence_open(&p, AT_FDCWD, path);

	if (r >= 0)
		r = whence_resolve(&p, path, O_PATH | O_DIRECTORY);
	whence_close(&p);
	return r;
}

static int read_type(const struct serve *s, const struct caller *c, uint64_t *ret)
{
	char type[CALLER_PATH_MAX];
	int r = caller_read_path(s, c, (uint64_t)s->page->call.data.args[2], type);

	*ret = r < 0 ? 0 : image_trap(type) & s->flags;
	return r < 0 ? r : *ret ? 0 : -EPERM;
}

static int find(const struct serve *s, const struct caller *c, int fds[static N_MOUNT_FDS])
{
	const uint64_t *args = (const uint64_t *)s->page->call.data.args;
	char path[CALLER_PATH_MAX];
	size_t skip;
	int r = caller_read_path(s, c, args[0], path);

	if (r < 0)
		return r;
	skip = strncmp(path, PREFIX, strlen(PREFIX)) == 0 ? strlen(PREFIX) : 0;
	r = fds[MOUNT_IMAGE] = open_file(s, c, path + skip);
	if (r >= 0)
		r = caller_read_path(s, c, args[1], path);
	if (r >= 0)
		r = fds[MOUNT_TARGET] = open_directory(s, c, path);
	if (r >= 0)
		r = fds[MOUNT_WHERE] = SYS(openat, c->dir, "ns/mnt", O_RDONLY | O_CLOEXEC);
	return r < 0 || serve_is_valid(s) ? MIN(r, 0) : -ESRCH;
}

static int mount_of(const struct serve *s, const struct caller *c)
{
	const uint64_t *args = (const uint64_t *)s->page->call.data.args;
	struct mount_request q = {.id = s->page->call.id};
	int fds[N_MOUNT_FDS] = {-1, -1, -1};
	int r = caller_need(c, CAP_SYS_ADMIN);

	/* The filter has seen to these. */
	if (r >= 0 && (((uint32_t)args[3] & TRAP_MOUNT_MASK) != TRAP_MOUNT_FLAGS || args[4]))
		r = -EPERM;
	if (r >= 0)
		r = read_type(s, c, &q.trap);
	if (r >= 0)
		r = find(s, c, fds);
	if (r >= 0)
		r = mounter_ask(s->mounter, &q, fds);
	for (size_t i = 0; i < N_MOUNT_FDS; i++)
		fd_close(fds[i]);
	return r;
}

int serve_image(struct serve *s)
{
	struct caller c;
	int r = caller_look(s, &c);

	if (r >= 0)
		r = mount_of(s, &c);
	fd_close(c.dir);
	return r;
}
