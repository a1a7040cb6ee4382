/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "../base/fd.h"
#include "../base/str.h"
#include "../base/sys.h"

#define MAX_LINKS 40 /* the kernel's own limit */

/* What is left to walk, and what has been walked: "a/b" */
struct walk {
	char rest[PATH_MAX];
	char done[PATH_MAX];
	int links;
};

static int push_front(struct walk *w, const char *link)
{
	char old[PATH_MAX];

	memcpy(old, w->rest, sizeof old);
	if (strlen(link) + strlen(old) + 2 > sizeof w->rest)
		return -ENAMETOOLONG;
	strcpy(w->rest, link);
	strcat(w->rest, "/");
	strcat(w->rest, old);
	return 0;
}

static int go_up(struct walk *w)
{
	char *slash = strrchr(w->done, '/');

	if (!*w->done)
		return -EXDEV;
	*(slash ? slash : w->done) = '\0';
	return 0;
}

/* Takes the first component off w->rest; false at the end. */
static bool next_component(struct walk *w, char name[static NAME_MAX + 1], int *ret_error)
{
	char *p = w->rest + strspn(w->rest, "/");
	size_t len = strcspn(p, "/");

	*ret_error = 0;
	if (len == 0)
		return false;
	if (len > NAME_MAX) {
		*ret_error = -ENAMETOOLONG;
		return false;
	}
	memcpy(name, p, len);
	name[len] = '\0';
	memmove(w->rest, p + len, strlen(p + len) + 1);
	return true;
}

static bool is_last(const struct walk *w)
{
	return w->rest[strspn(w->rest, "/")] == '\0';
}

static int step(int rootfd, struct walk *w, const char *name, struct cis_error *err)
{
	char link[PATH_MAX];
	size_t used = strlen(w->done);
	ssize_t n;

	if (used + strlen(name) + 2 > sizeof w->done)
		return cis_fail(err, ENAMETOOLONG, "/%s", w->done);
	if (used)
		strcat(w->done, "/");
	strcat(w->done, name);

	n = readlinkat(rootfd, w->done, link, sizeof link - 1);
	if (n < 0)
		return 0; /* not a link, or not there: both are fine to keep */
	link[n] = '\0';
	if (is_last(w))
		return cis_fail_plain(err, EXDEV,
				      "/%s is a symbolic link to %s in the root file system "
				      "(name the place it leads to instead)",
				      w->done, link);
	if (++w->links > MAX_LINKS)
		return cis_fail(err, ELOOP, "/%s", w->done);
	w->done[used] = '\0';
	if (link[0] == '/')
		w->done[0] = '\0';
	if (push_front(w, link) < 0)
		return cis_fail(err, ENAMETOOLONG, "/%s/%s", w->done, name);
	return 0;
}

int path_resolve(int rootfd, const char *path, char **ret, struct cis_error *err)
{
	struct walk w = {0};
	char name[NAME_MAX + 1];
	int r;

	if (strlen(path) >= sizeof w.rest)
		return cis_fail(err, ENAMETOOLONG, "path inside");
	strcpy(w.rest, path);
	while (next_component(&w, name, &r)) {
		if (strcmp(name, ".") == 0)
			continue;
		if (strcmp(name, "..") == 0) {
			if (go_up(&w) < 0)
				return cis_fail_plain(err, EXDEV,
						      "%s leaves the root file system", path);
			continue;
		}
		r = step(rootfd, &w, name, err);
		if (r < 0)
			return r;
	}
	if (r < 0)
		return cis_fail(err, -r, "%s", path);
	*ret = strdup(w.done);
	return *ret ? 0 : cis_fail(err, ENOMEM, "%s", path);
}

int path_open_in(int rootfd, const char *path)
{
	/* To open a device is to do something with it: a watchdog begins to count. */
	cleanup_close int found = sys_openat2(
		rootfd, path, O_PATH, 0,
		RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV);
	char again[32];
	struct stat st;

	if (found < 0)
		return found;
	if (fstat(found, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	snprintf(again, sizeof again, "/proc/self/fd/%d", found);
	return SYS(openat, AT_FDCWD, again, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0);
}

static int open_dir(int dfd, const char *name)
{
	return sys_openat2(dfd, name, O_PATH | O_DIRECTORY, 0,
			   RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
}

int path_make(int rootfd, const char *target, bool file)
{
	char name[NAME_MAX + 1];
	cleanup_close int dir = open_dir(rootfd, ".");

	while (*target) {
		size_t len = strcspn(target, "/");
		bool last = target[len] == '\0';
		int next, r;

		if (dir < 0)
			return dir;
		if (len > NAME_MAX)
			return -ENAMETOOLONG;
		memcpy(name, target, len);
		name[len] = '\0';
		target += len + !last;

		if (last && file) {
			r = SYS(mknodat, dir, name, S_IFREG | 0644, 0);
			return r == -EEXIST ? 0 : r;
		}
		r = SYS(mkdirat, dir, name, 0755);
		if (r < 0 && r != -EEXIST)
			return r;
		next = open_dir(dir, name);
		fd_close(dir);
		dir = next;
	}
	return dir < 0 ? dir : 0;
}

int path_resolve_dir(int rootfd, const char *path, char **ret, struct cis_error *err)
{
	/* Links in it are followed, as by who goes there. */
	cleanup_close int there = sys_openat2(rootfd, path, O_PATH | O_DIRECTORY, 0,
					      RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
	struct stat st;
	int r;

	if (there >= 0)
		return (*ret = strdup("")) ? 0 : cis_fail(err, ENOMEM, "%s", path);
	r = path_resolve(rootfd, path, ret, err);
	if (r < 0 || !**ret)
		return r;
	if (fstatat(rootfd, *ret, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 1 : cis_fail(err, errno, "%s", path);
	return S_ISDIR(st.st_mode) ? 0 : cis_fail(err, ENOTDIR, "%s", path);
}

bool path_is_below(const char *s)
{
	for (const char *p = s; p; p = strchr(p, '/') ? strchr(p, '/') + 1 : NULL) {
		size_t n = strcspn(p, "/");

		if (n == 0 || (n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.'))
			return false;
	}
	return true;
}
