/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cover.h"

#include <dirent.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/statfs.h>

#include "../base/fd.h"
#include "../base/num.h"
#include "../base/sys.h"
#include "files.h"

/* -ENOENT: this kernel has no such file. */
static int open_place(int root, size_t i)
{
	return sys_openat2(root, vfs_files[i].path, O_PATH, 0,
			   RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
}

static int cover_one(int root, int vfs, size_t i)
{
	cleanup_close int at = open_place(root, i);
	cleanup_close int tree = -1;
	char name[24] = "";

	if (at < 0)
		return at == -ENOENT ? 0 : at;
	/* What may be written in there is the sandbox's already, pid_max from 6.14 on. */
	if (vfs_files[i].write && !(vfs_files[i].needs & VFS_OF_ALL) &&
	    SYS(faccessat2, at, "", W_OK, AT_EMPTY_PATH | AT_EACCESS) >= 0)
		return 0;
	num_append(name, sizeof name, i);
	tree = sys_open_tree(vfs, name, OPEN_TREE_CLONE);
	return tree < 0 ? tree : sys_move_mount(tree, at);
}

static bool has_last(const char *buf, int len)
{
	uint64_t next = 0;

	for (int at = 0; at < len;) {
		const struct dirent64 *d = (const struct dirent64 *)(buf + at);

		next = (uint64_t)d->d_off;
		at += d->d_reclen;
	}
	return next >= vfs_n_files;
}

/*
 * The list answers, in one request or a few, what would be one for each file: newer kernels
 * ask for as much as there is room for. That nothing is behind the last need not be asked.
 */
static int read_list(int vfs)
{
	cleanup_close int list = SYS(openat, vfs, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_Alignas(struct dirent64) char buf[16384];
	int r = list < 0 ? list : 1;

	while (r > 0) {
		r = SYS(getdents64, list, buf, sizeof buf);
		if (r > 0 && has_last(buf, r))
			return 0;
	}
	return r;
}

int vfs_cover_child(int root, int vfs, const char *where)
{
	const size_t n = strlen(where);
	int r = read_list(vfs);

	for (size_t i = 0; i < vfs_n_files && r >= 0; i++)
		if (strncmp(vfs_files[i].path, where, n) == 0)
			r = cover_one(root, vfs, i);
	return r;
}

static int cover_one_again(int root, int ours, size_t i)
{
	cleanup_close int at = open_place(root, i), file = open_place(ours, i), tree = -1;
	struct statfs st;
	int r;

	if (at < 0 || file < 0)
		return at == -ENOENT || file == -ENOENT ? 0 : MIN(at, file);
	r = SYS(fstatfs, file, &st);
	if (r < 0 || st.f_type != FUSE_SUPER_MAGIC)
		return r;
	tree = sys_open_tree(file, "", AT_EMPTY_PATH | OPEN_TREE_CLONE);
	return tree < 0 ? tree : sys_move_mount(tree, at);
}

int vfs_cover_again_child(int root, const char *where)
{
	cleanup_close int ours = SYS(openat, AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	const size_t n = strlen(where);
	int r = MIN(ours, 0);

	for (size_t i = 0; i < vfs_n_files && r >= 0; i++)
		if (strncmp(vfs_files[i].path, where, n) == 0)
			r = cover_one_again(root, ours, i);
	return r;
}
