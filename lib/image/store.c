/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/fd.h"
#include "../base/spawn.h"
#include "../base/str.h"
#include "../state.h"
#include "tree.h"
#include "unpack.h"

int store_lock_fd(int fd, int how)
{
	while (flock(fd, how) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

void store_done(struct store *s)
{
	free(s->path);
	s->fd = fd_close(s->fd);
	s->layers = fd_close(s->layers);
}

int store_path(char **ret, struct cis_error *err)
{
	if (str_format(ret, "%s/images", state_data_root()) < 0)
		return cis_fail(err, ENOMEM, "image store");
	return 0;
}

static int open_private(const char *path, struct cis_error *err)
{
	cleanup_close int fd = -1;
	int r = state_make_dir(path, err);

	if (r < 0)
		return r;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fchmod(fd, 0700) < 0)
		return cis_fail(err, errno, "store %s", path);
	return steal_fd(&fd);
}

int store_open(struct store *s, struct cis_error *err)
{
	cleanup_free char *layers = NULL;
	int r = store_path(&s->path, err);

	if (r < 0)
		return r;
	if (str_format(&layers, "%s/layers", state_data_root()) < 0)
		return cis_fail(err, ENOMEM, "image store");
	r = s->fd = open_private(s->path, err);
	if (r >= 0)
		r = s->layers = open_private(layers, err);
	return MIN(r, 0);
}

int store_open_other(struct store *s, const char *dir, struct cis_error *err)
{
	int r = str_format(&s->path, "%s/%s", state_data_root(), dir);

	if (r < 0)
		return cis_fail(err, ENOMEM, "%s", dir);
	r = s->fd = open_private(s->path, err);
	return MIN(r, 0);
}

void store_mark(int dir)
{
	fd_close(openat(dir, "corrupt", O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
}

bool store_is_marked(int dir)
{
	return faccessat(dir, "corrupt", F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

int store_lock(const struct store *s, struct cis_error *err)
{
	int r = store_lock_fd(s->fd, LOCK_EX);

	return r < 0 ? cis_fail(err, -r, "lock the store %s", s->path) : 0;
}

void store_unlock(const struct store *s)
{
	flock(s->fd, LOCK_UN);
}

bool store_is_name(const char *name)
{
	static const char all[] = "abcdefghijklmnopqrstuvwxyz0123456789._-";
	size_t n = strlen(name);

	return n > 0 && n <= IMAGE_NAME_LEN && strspn(name, all) == n &&
	       !strchr("._-", name[0]);
}

int store_check_name(const char *name, struct cis_error *err)
{
	if (store_is_name(name))
		return 0;
	return cis_fail_plain(err, EINVAL,
			      "image name \"%.*s\": not 1 to %d of a-z, 0-9, \".\", "
			      "\"_\" and \"-\", the first a letter or digit",
			      IMAGE_NAME_LEN, name, IMAGE_NAME_LEN);
}

int store_no_image(const char *name, struct cis_error *err)
{
	return cis_fail_plain(err, ENOENT,
			      "no image \"%s\" in the store (cisandbox image list shows "
			      "them; image build makes debian, image pull gets others)",
			      name);
}

bool store_is_still(int fd, int dirfd, const char *name)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 && fstatat(dirfd, name, &b, AT_SYMLINK_NOFOLLOW) == 0 &&
	       a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

int store_in_use(const char *name, struct cis_error *err)
{
	return cis_fail_plain(err, EBUSY,
			      "image \"%s\": a sandbox runs from it "
			      "(cisandbox list shows them)",
			      name);
}

int store_seize(const struct store *s, const char *name, struct cis_error *err)
{
	cleanup_close int fd = tree_open_dir(s->fd, name);

	if (fd == -ENOENT)
		return fd;
	if (fd < 0)
		return cis_fail(err, -fd, "%s/%s", s->path, name);
	if (store_lock_fd(fd, LOCK_EX | LOCK_NB) < 0)
		return store_in_use(name, err);
	return steal_fd(&fd);
}

/* ---- work under way ---------------------------------------------------------- */

const char *work_name(const struct work *w)
{
	return strrchr(w->path, '/') + 1;
}

static void forget(struct work *w)
{
	w->fd = fd_close(w->fd);
	free(w->path);
	w->path = NULL;
}

int work_finish(struct work *w)
{
	int r = w->fd >= 0 ? tree_remove(w->store->fd, work_name(w)) : 0;

	forget(w);
	return r;
}

void work_done(struct work *w)
{
	work_finish(w);
}

/* @locked is its descriptor; the lock is the process's, too, and ends with it. */
static int remove_aside(const struct store *s, const char *name, int locked)
{
	cleanup_free char *path = NULL;
	char *argv[] = {"rm", "-rf", "--one-file-system", "--", NULL, NULL};
	int r = str_format(&path, "%s/%s", s->path, name);

	argv[4] = path;
	return r < 0 ? r : spawn_detached(argv, locked, -1, NULL);
}

void work_leave(struct work *w)
{
	if (w->fd >= 0 && unlinkat(w->store->fd, work_name(w), AT_REMOVEDIR) < 0 &&
	    remove_aside(w->store, work_name(w), w->fd) < 0)
		tree_remove(w->store->fd, work_name(w));
	forget(w);
}

/* Under the lock no directory is new and not yet locked. */
static void sweep(const struct store *s, const char *prefix,
		  void (*remove)(const struct store *s, const char *name, int locked))
{
	cleanup(dir_closep) DIR *list = tree_list(s->fd);
	struct dirent *e;

	while (list && (e = readdir(list))) {
		cleanup_close int fd = -1;

		if (!str_starts(e->d_name, prefix))
			continue;
		fd = tree_open_dir(s->fd, e->d_name);
		if (fd >= 0 && store_lock_fd(fd, LOCK_EX | LOCK_NB) >= 0)
			remove(s, e->d_name, fd);
	}
}

static void sweep_one(const struct store *s, const char *name, int locked)
{
	(void)locked;
	unpacker_release(name);
	tree_remove(s->fd, name);
}

void store_sweep(const struct store *s)
{
	sweep(s, STORE_TEMP, sweep_one);
}

static void sweep_one_aside(const struct store *s, const char *name, int locked)
{
	remove_aside(s, name, locked); /* or it is for the next */
}

void store_sweep_aside(const struct store *s)
{
	sweep(s, STORE_TEMP, sweep_one_aside);
}

/* While rm has it locked, it is not to pass for one that a sandbox runs from. */
static void drop_old(const struct store *s, const char *name, int locked)
{
	char gone[STORE_OLD_PREFIX + IMAGE_NAME_LEN + 2];

	snprintf(gone, sizeof gone, STORE_TEMP "gone-%s", name + strlen(STORE_OLD));
	if (renameat(s->fd, name, s->fd, gone) == 0)
		remove_aside(s, gone, locked);
}

void store_drop_old(const struct store *s)
{
	sweep(s, STORE_OLD, drop_old);
}

static int make_work(struct work *w, const struct store *s)
{
	w->store = s;
	if (str_format(&w->path, "%s/" STORE_TEMP "XXXXXX", s->path) < 0)
		return -ENOMEM;
	if (!mkdtemp(w->path))
		return -errno;
	w->fd = tree_open_dir(s->fd, work_name(w));
	return w->fd < 0 ? w->fd : store_lock_fd(w->fd, LOCK_EX | LOCK_NB);
}

int work_begin(struct work *w, const struct store *s, struct cis_error *err)
{
	int r = store_lock(s, err);

	if (r < 0)
		return r;
	store_sweep(s);
	r = make_work(w, s);
	store_unlock(s);
	return r < 0 ? cis_fail(err, -r, "make a directory in %s", s->path) : 0;
}

/* Not if it was removed, or moved away, while we had it open. */
static bool is_in_place(const struct store *s)
{
	struct stat a, b;

	return fstat(s->fd, &a) == 0 && stat(s->path, &b) == 0 && a.st_dev == b.st_dev &&
	       a.st_ino == b.st_ino;
}

/* Who sweeps may have taken it for litter before it was locked. */
int work_begin_at_once(struct work *w, const struct store *s, struct cis_error *err)
{
	for (;;) {
		int r = make_work(w, s);
		bool is_swept = r == -EWOULDBLOCK || (r == -ENOENT && is_in_place(s));

		if (r >= 0 && store_is_still(w->fd, s->fd, work_name(w)))
			return 0;
		if (r < 0 && !is_swept)
			return cis_fail(err, -r, "make a directory in %s", s->path);
		forget(w);
	}
}
