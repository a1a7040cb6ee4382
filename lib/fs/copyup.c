/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "copyup.h"

#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "../base/fd.h"
#include "../base/sys.h"

#define MAX_DEPTH 64

struct dirent64 {
	uint64_t ino;
	int64_t off;
	unsigned short len;
	unsigned char type;
	char name[];
};

static int copy_dir(int from, int to, dev_t device, unsigned int depth);

static int open_below(int dir, const char *name, uint64_t flags)
{
	return sys_openat2(dir, name, flags | O_NOFOLLOW, 0,
			   RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV);
}

/* Not the set-id bits of a change of owner: mode after owner. */
static int copy_attributes(int to, const char *name, const struct stat *st)
{
	struct timespec times[2] = {st->st_atim, st->st_mtim};
	int r = SYS(fchownat, to, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW);

	if (r >= 0 && !S_ISLNK(st->st_mode))
		r = SYS(fchmodat, to, name, st->st_mode & 07777);
	return r < 0 ? r : SYS(utimensat, to, name, times, AT_SYMLINK_NOFOLLOW);
}

static int copy_file(int from, int to, const char *name, const struct stat *st)
{
	cleanup_close int in = open_below(from, name, O_RDONLY | O_NONBLOCK);
	cleanup_close int out = -1;
	int n;

	if (in < 0)
		return in;
	out = SYS(openat, to, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (out < 0)
		return out;
	do
		n = SYS(sendfile, out, in, NULL, 1 << 20);
	while (n > 0);
	return n < 0 ? n : copy_attributes(to, name, st);
}

static int copy_link(int from, int to, const char *name, const struct stat *st)
{
	char target[PATH_MAX];
	int n = SYS(readlinkat, from, name, target, sizeof target - 1);

	if (n < 0)
		return n;
	target[n] = '\0';
	n = SYS(symlinkat, target, to, name);
	return n < 0 ? n : copy_attributes(to, name, st);
}

static int copy_subdir(int from, int to, const char *name, const struct stat *st,
		       unsigned int depth)
{
	cleanup_close int sub = open_below(from, name, O_RDONLY | O_DIRECTORY), made = -1;
	int r = sub < 0 ? sub : SYS(mkdirat, to, name, 0700);

	if (r >= 0)
		r = made = open_below(to, name, O_RDONLY | O_DIRECTORY);
	if (r >= 0)
		r = copy_dir(sub, made, st->st_dev, depth + 1);
	return r < 0 ? r : copy_attributes(to, name, st);
}

static int copy_entry(int from, int to, const char *name, dev_t device, unsigned int depth)
{
	struct stat st;
	int r = SYS(newfstatat, from, name, &st, AT_SYMLINK_NOFOLLOW);

	if (r < 0 || st.st_dev != device)
		return r;
	if (S_ISDIR(st.st_mode))
		return copy_subdir(from, to, name, &st, depth);
	if (S_ISREG(st.st_mode))
		return copy_file(from, to, name, &st);
	return S_ISLNK(st.st_mode) ? copy_link(from, to, name, &st) : 0;
}

static int copy_dir(int from, int to, dev_t device, unsigned int depth)
{
	char buf[2048] __attribute__((aligned(8)));
	int n;

	if (depth > MAX_DEPTH)
		return -ELOOP;
	while ((n = SYS(getdents64, from, buf, sizeof buf)) > 0) {
		for (int at = 0; at < n;) {
			struct dirent64 *d = (struct dirent64 *)(buf + at);
			int r = 0;

			at += d->len;
			if (strcmp(d->name, ".") != 0 && strcmp(d->name, "..") != 0)
				r = copy_entry(from, to, d->name, device, depth);
			if (r < 0)
				return r;
		}
	}
	return n;
}

int copyup_child(int from, int to)
{
	struct stat st;
	int r = SYS(fstat, from, &st);

	if (r >= 0)
		r = copy_dir(from, to, st.st_dev, 0);
	if (r >= 0)
		r = SYS(fchmod, to, st.st_mode & 07777);
	return r < 0 ? r : SYS(fchown, to, st.st_uid, st.st_gid);
}
