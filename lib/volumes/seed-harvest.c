/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From what engines have left to a seed: the parts that are kept are moved together, and out of
 * these the large ones to big/; the rest is packed. What is not in the table is no one's but
 * the job's that made it: containers, volumes, networks, the engine's id, build caches.
 *
 * Tried and rejected: all of /var/lib/docker (two daemons with one id; a build cache
 * whose snapshots are read-only fails builds).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/fd.h"
#include "../base/str.h"
#include "../base/sys.h"
#include "../fs/path.h"
#include "../image/tree.h"
#include "seed.h"

/* In each directory of @store/@dir[/@each] what is called @child is large; or each file there. */
static const struct part {
	const char *store, *dir, *each, *child;
	uint64_t least; /* files below that are small */
} parts[] = {
	{"docker", "image", NULL, NULL, 0},
	{"docker", "overlay2", "", "diff", 0},
	{"containerd", "io.containerd.metadata.v1.bolt", NULL, NULL, 0},
	{"containerd", "io.containerd.snapshotter.v1.overlayfs", "/snapshots", "fs", 0},
	{"containerd", "io.containerd.content.v1.content", "/blobs/sha256", NULL, 65536},
	{"containers", "storage/overlay", "", "diff", 0},
	{"containers", "storage/overlay-images", NULL, NULL, 0},
	{"containers", "storage/overlay-layers", NULL, NULL, 0},
};

struct harvest {
	int from, small, big;
	struct seed *seed;
	struct strv files; /* as seed->at, which has directories until the end */
};

/* ---- what is large -------------------------------------------------------------------- */

static int add_large(struct harvest *h, int dir, const char *name, const char *at, bool file)
{
	struct strv *list = file ? &h->files : &h->seed->at;
	cleanup_close int hole = -1;
	struct stat st;
	char to[32];
	int r = strv_add(list, at);

	if (r < 0)
		return r;
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	snprintf(to, sizeof to, "%c%zu", file ? 'f' : 'd', list->n - 1);
	if (renameat(dir, name, h->big, to) < 0)
		return -errno;
	if (!file)
		return mkdirat(dir, name, st.st_mode & 0777) < 0 ? -errno : 0;
	hole = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, st.st_mode & 0777);
	return hole < 0 ? -errno : 0;
}

/* All of an engine's own names are; what has another is not understood, and stays small. */
static bool is_plain(const char *name)
{
	static const char all[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_:-";

	return *name && name[strspn(name, all)] == '\0';
}

/*
 * Beside what is large an engine has the kernel's room to work in, with leftovers of it that
 * only the kernel can make. Back to what goes.
 */
static int empty_work(struct harvest *h, int dir)
{
	struct stat st;
	char to[32];

	if (fstatat(dir, "work", &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	snprintf(to, sizeof to, "work-%zu", h->seed->at.n);
	if (renameat(dir, "work", h->from, to) < 0)
		return -errno;
	return mkdirat(dir, "work", 0700) < 0 ? -errno : 0;
}

static int look_at(struct harvest *h, const struct part *p, int dir, const char *name)
{
	cleanup_free char *at = NULL;
	cleanup_close int sub = -1;
	struct stat st;
	int r;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	r = str_format(&at, "%s/%s%s/%s%s%s", p->store, p->dir, p->each, name,
		       p->child ? "/" : "", p->child ? p->child : "");
	if (r < 0)
		return r;
	if (!p->child)
		return S_ISREG(st.st_mode) && (uint64_t)st.st_size >= p->least
			       ? add_large(h, dir, name, at, true)
			       : 0;
	if (!S_ISDIR(st.st_mode))
		return 0;
	r = sub = tree_open_dir(dir, name);
	if (r < 0)
		return r;
	if (fstatat(sub, p->child, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	r = empty_work(h, sub);
	if (r < 0)
		return r;
	return S_ISDIR(st.st_mode) ? add_large(h, sub, p->child, at, false) : 0;
}

static int open_below(int dir, const char *path)
{
	return sys_openat2(dir, path, O_RDONLY | O_DIRECTORY, 0,
			   RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
}

static int take_out(struct harvest *h, const struct part *p, const char *path)
{
	cleanup_free char *each = NULL;
	cleanup(dir_closep) DIR *list = NULL;
	cleanup_close int dir = -1;
	struct dirent *e;
	int r = str_format(&each, "%s%s", path, p->each);

	if (r < 0)
		return r;
	dir = open_below(h->small, each);
	if (dir == -ENOENT)
		return 0;
	list = dir < 0 ? NULL : tree_list(dir);
	if (!list)
		return dir < 0 ? dir : -errno;
	while (r >= 0 && (e = readdir(list)))
		if (is_plain(e->d_name))
			r = look_at(h, p, dir, e->d_name);
	if (h->seed->at.n + h->files.n > SEED_BIG_MAX)
		r = -E2BIG;
	return MIN(r, 0);
}

/* ---- all of it ------------------------------------------------------------------------ */

static int remember_store(struct seed *s, const char *name)
{
	for (size_t i = 0; i < s->stores.n; i++)
		if (strcmp(s->stores.v[i], name) == 0)
			return 0;
	return strv_add(&s->stores, name);
}

/* 0 also where there is no such part. No link is followed: whoever filled it may have made any. */
static int keep_part(struct harvest *h, const struct part *p)
{
	cleanup_free char *path = NULL, *parent = NULL;
	cleanup_close int from = -1, to = -1;
	const char *name;
	int r = str_format(&path, "%s/%s", p->store, p->dir);

	name = r == 0 ? strrchr(path, '/') + 1 : NULL;
	if (r == 0)
		r = str_format(&parent, "%.*s", (int)(name - path - 1), path);
	if (r == 0)
		r = from = open_below(h->from, parent);
	if (r >= 0 && faccessat(from, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		r = -errno;
	if (r == -ENOENT)
		return 0;
	if (r >= 0)
		r = path_make(h->small, parent, false);
	if (r >= 0)
		r = to = open_below(h->small, parent);
	if (r >= 0 && renameat(from, name, to, name) < 0)
		r = -errno;
	if (r >= 0)
		r = remember_store(h->seed, p->store);
	return r < 0 || !p->each ? r : take_out(h, p, path);
}

int seed_parts(const char *name, int from, struct strv *ret)
{
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(parts) && r >= 0; i++) {
		cleanup_close int fd = strcmp(parts[i].store, name) == 0
					       ? open_below(from, parts[i].dir)
					       : -ENOENT;

		if (fd >= 0)
			r = strv_add(ret, parts[i].dir);
		else if (fd != -ENOENT)
			r = fd;
	}
	return r;
}

static int open_new(int dir, const char *name)
{
	return mkdirat(dir, name, 0755) < 0 ? -errno : tree_open_dir(dir, name);
}

static int explain(int r, struct cis_error *err)
{
	if (r == -EINVAL)
		return r;
	if (r == -E2BIG)
		return cis_fail_plain(err, E2BIG, "its images have more than %u layers and large "
				      "blobs", SEED_BIG_MAX);
	if (r == -EFBIG)
		return cis_fail_plain(err, EFBIG, "what each job would copy is more than %u files "
				      "or %u MB", SEED_INDEX_FILES_MAX, SEED_INDEX_BYTES_MAX >> 20);
	return cis_fail(err, -r, "sort what the engines left");
}

/* What is small as the archives that jobs unpack. */
static int pack(const struct harvest *h, int to, struct cis_error *err)
{
	struct seed_room room = {SEED_INDEX_FILES_MAX, SEED_INDEX_BYTES_MAX};
	cleanup_close int index = open_new(to, "index");
	int r = MIN(index, 0);

	for (size_t i = 0; i < h->seed->stores.n && r == 0; i++) {
		const char *name = h->seed->stores.v[i];
		cleanup_close int from = tree_open_dir(h->small, name);

		r = from < 0 ? from : seed_index_write(from, index, name, &room, err);
	}
	return r;
}

int seed_harvest(int from, int to, struct seed *ret, struct cis_error *err)
{
	cleanup_close int small = open_new(from, "small"), big = open_new(to, "big");
	struct harvest h = {.from = from, .small = small, .big = big, .seed = ret};
	int r = MIN(small, big);

	for (size_t i = 0; i < ARRAY_SIZE(parts) && r >= 0; i++)
		r = keep_part(&h, &parts[i]);
	if (r >= 0)
		r = pack(&h, to, err);
	ret->n_dirs = ret->at.n;
	for (size_t i = 0; i < h.files.n && r >= 0; i++)
		r = strv_add(&ret->at, h.files.v[i]);
	strv_done(&h.files);
	if (r < 0)
		return explain(r, err);
	if (ret->at.n == 0)
		return cis_fail_plain(err, ENODATA, "no engine has stored an image");
	return 0;
}
