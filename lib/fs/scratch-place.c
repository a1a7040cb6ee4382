/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Removal is by a process of its own (rm, under setsid): 100,000 files take a second or
 * more, in which `run` is to end and the next start to go on. It holds a lock on what it
 * removes: so nobody else removes it, until it is killed.
 */
#include "scratch-place.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "../base/fd.h"
#include "../base/io.h"
#include "../base/spawn.h"
#include "../base/str.h"
#include "../base/sys.h"
#include "scratch-backend.h"

#define GONE "gone"
/* Each is a process: whoever comes next begins with the next ones. */
#define REMOVE_AT_ONCE 16
#define BOOT_ID_LEN 36

static int open_dir(int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int lock(int fd, int how)
{
	while (flock(fd, how) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

/* Locked, and still what is called so: whoever had it before us may have removed it. */
static int open_locked(int at, const char *name, int how)
{
	cleanup_close int fd = open_dir(at, name);
	struct stat mine, there;
	int r = fd < 0 ? fd : lock(fd, how);

	if (r < 0)
		return r;
	if (fstat(fd, &mine) < 0 || fstatat(at, name, &there, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return mine.st_dev == there.st_dev && mine.st_ino == there.st_ino ? steal_fd(&fd)
									   : -ENOENT;
}

int scratch_place_name(const struct stat *owner, char ret[static SCRATCH_PLACE_MAX],
		       struct cis_error *err)
{
	cleanup_free char *boot = NULL;
	int r = io_read_file_at(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 64, &boot, NULL);

	if (r >= 0 && strcspn(boot, "\n") != BOOT_ID_LEN)
		r = -EBADMSG;
	if (r < 0)
		return cis_fail(err, -r, "scratch: read the boot id");
	snprintf(ret, SCRATCH_PLACE_MAX, "%.*s.%llx.%llx", BOOT_ID_LEN, boot,
		 (unsigned long long)owner->st_dev, (unsigned long long)owner->st_ino);
	return 0;
}

/* An administrator's own directory, or lost+found, is none. */
static bool is_place(const char *name)
{
	return strspn(name, "0123456789abcdef-") == BOOT_ID_LEN && name[BOOT_ID_LEN] == '.';
}

int scratch_place_open(int dir, const char *name, struct cis_error *err)
{
	int r;

	do {
		r = mkdirat(dir, name, 0700) < 0 && errno != EEXIST ? -errno : 0;
		if (r >= 0)
			r = open_locked(dir, name, LOCK_SH);
	} while (r == -ENOENT);
	return r < 0 ? cis_fail(err, -r, "scratch: make the place %s", name) : r;
}

void scratch_place_drop(const char *path)
{
	cleanup_close int fd = open_locked(AT_FDCWD, path, LOCK_EX | LOCK_NB);

	if (fd >= 0)
		unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
}

/* ---- removing ----------------------------------------------------------------------- */

int scratch_throw_away(int place, const char *name)
{
	cleanup_close int dir = open_dir(place, "..");
	cleanup_close int gone = -1;
	char renamed[NAME_MAX + 1];
	uint64_t number;

	if (dir < 0 || (mkdirat(dir, GONE, 0700) < 0 && errno != EEXIST))
		return -errno;
	gone = open_dir(dir, GONE);
	if (gone < 0)
		return gone;
	if (getrandom(&number, sizeof number, 0) != sizeof number)
		return -EIO;
	snprintf(renamed, sizeof renamed, "%.200s.%016llx", name, (unsigned long long)number);
	return renameat(place, name, gone, renamed) < 0 ? -errno : 0;
}

/* Its lock is the process's, too, and ends with it. */
static int begin_removing(int disk, const char *name, struct cis_error *err)
{
	char path[320];
	char *const argv[] = {"rm", "-rf", "--one-file-system", "--", path, NULL};

	snprintf(path, sizeof path, "/proc/self/fd/%d/../%s", disk, name);
	return spawn_detached(argv, disk, -1, err);
}

/* Calls @fn for each name in @dir; what the last one said that failed. */
typedef int each_fn(int dir, const char *name, void *arg);
static int each_name(int dir, each_fn *fn, void *arg)
{
	cleanup_close int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *e;
	int r = 0;

	if (!d)
		return -errno;
	steal_fd(&copy);
	while ((e = readdir(d))) {
		int one = e->d_name[0] == '.' && strspn(e->d_name, ".") == strlen(e->d_name)
				  ? 0
				  : fn(dir, e->d_name, arg);

		r = one < 0 ? one : r;
	}
	closedir(d);
	return r;
}

struct removal {
	bool wait;
	unsigned int begun;
	struct cis_error *err;
};

static int remove_gone(int gone, const char *name, void *arg)
{
	struct removal *r = arg;
	cleanup_close int disk = -1;

	if (!r->wait && r->begun == REMOVE_AT_ONCE)
		return 0;
	disk = open_locked(gone, name, r->wait ? LOCK_EX : LOCK_EX | LOCK_NB);
	if (disk < 0)
		return 0; /* gone, or going */
	r->begun++;
	return r->wait ? scratch_remove_tree(gone, name, r->err)
		       : begin_removing(disk, name, r->err);
}

int scratch_empty_gone(int dir, bool wait, struct cis_error *err)
{
	struct removal removal = {.wait = wait, .err = err};
	cleanup_close int gone = open_dir(dir, GONE);
	int r = gone < 0 ? gone : each_name(gone, remove_gone, &removal);

	return r == -ENOENT ? 0 : r;
}

/* ---- sweeping ----------------------------------------------------------------------- */

static int sweep_disk(int place, const char *name, void *arg)
{
	return scratch_remove(place, name, arg);
}

static int sweep_place(int dir, const char *name, void *arg)
{
	cleanup_close int place = -1;
	int r;

	if (!is_place(name))
		return 0;
	place = open_locked(dir, name, LOCK_EX | LOCK_NB);
	if (place < 0)
		return 0; /* somebody's */
	r = each_name(place, sweep_disk, arg);
	unlinkat(dir, name, AT_REMOVEDIR);
	return r;
}

int scratch_sweep(int dir, bool wait, struct cis_error *err)
{
	int r = each_name(dir, sweep_place, err);
	int g = scratch_empty_gone(dir, wait, r < 0 ? NULL : err);

	return r < 0 ? r : g;
}
