/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Into the store. What may be a stranger's, an archive, is read by cisandbox-unpack: one
 * that turns out to be an image's becomes a directory of blobs on the way, any other is the
 * image's tree. A directory is the caller's own: GNU tar copies it, which knows sparse
 * files, extended attributes and how to leave parts out.
 */
#include <cisandbox.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "import.h"
#include "../base/fd.h"
#include "../base/io.h"
#include "../base/record.h"
#include "../base/spawn.h"
#include "../base/str.h"
#include "../state.h"
#include "admit.h"
#include "compose.h"
#include "image.h"
#include "info.h"
#include "oci.h"
#include "store.h"
#include "tree.h"

static bool is_dir_at(int dirfd, const char *name)
{
	struct stat st;

	return fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

static bool is_rootfs(int fd)
{
	return is_dir_at(fd, "usr") || is_dir_at(fd, "bin") || is_dir_at(fd, "etc");
}

static int no_rootfs(struct cis_error *err)
{
	return cis_fail_plain(err, EINVAL,
			      "not a root file system (it has no directory usr, bin or etc), "
			      "nor an image (it has no oci-layout or manifest.json)");
}

/*
 * What both tars are told: keep what an image has of a file. Of attributes that is what the
 * unpacker keeps; what is the overlay's own would be a mark in a layer.
 */
#define TAR_KEEP \
	"--numeric-owner", "--xattrs", "--xattrs-include=user.*", \
	"--xattrs-include=security.capability", "--xattrs-exclude=user.overlay.*", "--force-local"

struct source {
	char *path; /* begins with "/" or "./" */
	struct cis_image_import o;
	struct cis_image_progress progress; /* of an archive */
	bool is_dir, is_tree; /* a directory that is a root file system */
	char *skip; /* "--exclude=./var/lib/cisandbox": the store, when it is in there */
};

static void source_done(struct source *src)
{
	free(src->path);
	free(src->skip);
}

/*
 * The tree on its way from one tar to the other, so that directories and archives are
 * taken in alike. Status 1 says that a file changed meanwhile, as happens to the root
 * of a live host.
 */
static int feed_archive(int out, void *arg, struct cis_error *err)
{
	const struct source *src = arg;
	cleanup_free char *dir = NULL, *file = NULL;
	int r = str_format(&dir, "--directory=%s", src->path);

	if (r == 0)
		r = str_format(&file, "--file=/dev/fd/%d", out);
	if (r < 0)
		return cis_fail(err, -r, "tar");

	char *const argv[] = {"sh", "-c", "tar \"$@\" || [ $? -eq 1 ]", "tar", "-c", "-S",
			      TAR_KEEP, "--format=posix", "--one-file-system", dir, file,
			      "--anchored", "--no-wildcards", src->skip ? src->skip : ".",
			      src->skip ? "." : NULL, NULL};

	return spawn_wait(argv, out, "tar", err);
}

/* tar keeps the lock of @w open: should we be killed, it may still be writing. */
static int copy_dir(const struct work *w, struct source *src, const char *rootfs,
		    struct cis_error *err)
{
	cleanup_free char *dir = NULL;

	if (str_format(&dir, "--directory=%s", rootfs) < 0)
		return cis_fail(err, ENOMEM, "tar");

	char *const argv[] = {"tar", "-x", "-p", "--same-owner", TAR_KEEP, dir, "--file=-",
			      NULL};

	return spawn_filter(argv, w->fd, "tar", feed_archive, src, NULL, err);
}

/* An empty directory below @w. The caller's umask is not to become the mode of a root. */
static int make_dir(const struct work *w, const char *name, struct cis_error *err)
{
	cleanup_close int fd = -1;

	if (mkdirat(w->fd, name, 0755) == 0)
		fd = tree_open_dir(w->fd, name);
	if (fd < 0 || fchmod(fd, 0755) < 0)
		return cis_fail(err, errno, "make a directory in %s", w->store->path);
	return 0;
}

static int open_archive(const char *path, struct cis_error *err)
{
	/* Which may be a socket, and that cannot be opened by a name: of ssh, or of inetd. */
	bool is_stdin = strcmp(path, "/dev/stdin") == 0;
	int fd = is_stdin ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3) : io_open_given(path);

	if (is_stdin && fd < 0)
		fd = -errno;
	if (fd == -ESPIPE)
		return cis_fail_plain(err, ESPIPE, "it is a named pipe (cat it into \"cisandbox "
				      "image import --name NAME -\")");
	return fd < 0 ? cis_fail(err, -fd, "open") : fd;
}

static void tell_archive(uint64_t done, void *arg)
{
	struct source *src = arg;

	src->progress.done = MIN(done, src->progress.total);
	src->o.progress(&src->progress, src->o.arg);
}

static int extract(const struct work *w, const struct unpacker *u, struct source *src,
		   const char *name, struct cis_error *err)
{
	cleanup_close int in = open_archive(src->path, err);
	cleanup(unpacked_done) struct unpacked got = {0};
	struct unpack_job job = {.what = UNPACK_TREE, .in = in, .listing = -1, .tell_arg = src};
	cleanup_free char *path = NULL;
	struct stat st;
	int r;

	if (in < 0)
		return in;
	if (str_format(&path, "%s/%s", w->path, name) < 0)
		return cis_fail(err, ENOMEM, "unpack");
	job.path = path;
	if (src->o.progress && fstat(in, &st) == 0 && st.st_size > 0) {
		src->progress.phase = CIS_IMAGE_READ;
		src->progress.total = (uint64_t)st.st_size;
		job.tell = tell_archive;
	}
	r = unpacker_run(u, &job, &got, err);
	if (r == 0 && job.tell)
		tell_archive(src->progress.total, src);
	return r;
}

/* @w's directory "source" as the tree of an image. */
static int finish_tree(const struct work *w, const char *name, struct cis_error *err)
{
	struct image_info info = {.img.created = time(NULL)};
	cleanup_free char *rootfs = NULL;
	cleanup_close int image = -1;
	int r = make_dir(w, "image", err);

	if (r < 0)
		return r;
	if (renameat(w->fd, "source", w->fd, "image/rootfs") < 0)
		return cis_fail(err, errno, "rename in %s", w->store->path);
	if (str_format(&rootfs, "%s/image/rootfs", w->path) < 0)
		return cis_fail(err, ENOMEM, "image");
	r = tree_digest(rootfs, &info.img, &info.verity, err);
	if (r < 0)
		return r;
	snprintf(info.img.name, sizeof info.img.name, "%s", name);
	image = tree_open_dir(w->fd, "image");
	r = image < 0 ? image : image_info_write(image, &info);
	/* Or else a power cut could leave a name over empty files. */
	if (r == 0 && syncfs(image) < 0)
		r = -errno;
	return r < 0 ? cis_fail(err, -r, "write to %s", w->store->path) : 0;
}

static int compose(const struct work *w, const struct unpacker *u, const char *name,
		   struct source *src, int dir, struct holds *holds, struct cis_error *err)
{
	cleanup(oci_image_done) struct oci_image img = {0};
	const struct compose c = {
		.w = w,
		.u = u,
		.dir = dir,
		.img = &img,
		.name = name,
		.progress = src->o.progress,
		.arg = src->o.arg,
	};
	int r = oci_read(dir, src->o.ref, NULL, &img, err);

	return r < 0 ? r : compose_image(&c, holds, err);
}

/* Whose "source" is a directory of blobs, or else a tree. */
static int make_of_archive(const struct work *w, const struct unpacker *u, const char *name,
			   struct source *src, struct holds *holds, struct cis_error *err)
{
	cleanup_close int dir = -1;
	int r = make_dir(w, "source", err);

	if (r == 0)
		r = extract(w, u, src, "source", err);
	if (r < 0)
		return r;
	dir = tree_open_dir(w->fd, "source");
	if (dir < 0)
		return cis_fail(err, -dir, "open what was unpacked");
	if (is_rootfs(dir) && !src->o.ref)
		return finish_tree(w, name, err);
	if (oci_is_image(dir))
		return compose(w, u, name, src, dir, holds, err);
	return no_rootfs(err);
}

static int make_of_dir(const struct work *w, const struct unpacker *u, const char *name,
		       struct source *src, struct holds *holds, struct cis_error *err)
{
	cleanup_close int dir = open(src->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_free char *rootfs = NULL;
	int r;

	if (dir < 0)
		return cis_fail(err, errno, "open");
	if (!src->is_tree)
		return compose(w, u, name, src, dir, holds, err);
	if (str_format(&rootfs, "%s/source", w->path) < 0)
		return cis_fail(err, ENOMEM, "image");
	r = make_dir(w, "source", err);
	if (r == 0)
		r = copy_dir(w, src, rootfs, err);
	return r == 0 ? finish_tree(w, name, err) : r;
}

/* The whole image, below @w. */
static int make_image(const struct work *w, const char *name, struct source *src,
		      struct holds *holds, struct cis_error *err)
{
	cleanup(unpacker_done) struct unpacker u = {.userns = -1};
	int r = src->is_tree ? 0 : unpacker_init(&u, work_name(w), err);

	if (r < 0)
		return r;
	return src->is_dir ? make_of_dir(w, &u, name, src, holds, err)
			   : make_of_archive(w, &u, name, src, holds, err);
}

/*
 * In one step where the file system can; where not, a kill in between leaves no image of that
 * name. The new one is beside the old before: killed at any time we leave nothing of use in @w,
 * which goes whole.
 */
static int exchange(const struct work *w, const char *name, const char *aside)
{
	int r, store = w->store->fd;

	if (renameat(w->fd, "image", store, aside) < 0)
		return -errno;
	r = renameat2(store, aside, store, name, RENAME_EXCHANGE) < 0 ? -errno : 0;
	if (r == 0)
		return 0;
	if (renameat(store, aside, w->fd, "image") < 0 || (r != -EINVAL && r != -ENOSYS))
		return r;
	if (renameat(store, name, store, aside) < 0)
		return -errno;
	if (renameat(w->fd, "image", store, name) == 0)
		return 0;
	r = -errno;
	renameat(store, aside, store, name); /* better the old one than none */
	return r;
}

/* Whoever runs from the old one holds its lock, wherever it is. */
static int replace(const struct work *w, const char *name, int old)
{
	char aside[STORE_OLD_PREFIX + IMAGE_NAME_LEN + 1];
	int r;

	snprintf(aside, sizeof aside, STORE_OLD "%s-%s", work_name(w) + strlen(STORE_TEMP), name);
	r = exchange(w, name, aside);
	/* With nobody there is nothing to wait for: it goes with our work, or else by a sweep. */
	if (r == 0 && store_lock_fd(old, LOCK_EX | LOCK_NB) == 0)
		renameat(w->store->fd, aside, w->fd, "old");
	return r;
}

int import_publish(const struct work *w, const char *name, struct cis_error *err)
{
	cleanup_close int old = -1;
	int r = store_lock(w->store, err);

	if (r < 0)
		return r;
	old = tree_open_dir(w->store->fd, name);
	if (old == -ENOENT)
		r = renameat(w->fd, "image", w->store->fd, name) < 0 ? -errno : 0;
	else
		r = old < 0 ? old : replace(w, name, old);
	store_unlock(w->store);
	return r < 0 ? cis_fail(err, -r, "rename to %s/%s", w->store->path, name) : 0;
}

void import_forget_layers(const struct store *s, struct holds *holds)
{
	uint64_t layers, bytes;

	holds_let_go(holds);
	if (holds->made.n)
		image_drop_unused(s, &holds->made, &layers, &bytes, NULL);
}

int import_explain(const struct store *s, const char *what, bool is_tree, int r,
		   struct cis_error *err)
{
	struct statvfs st;
	bool full = false, no_inodes = false;

	if (fstatvfs(s->fd, &st) == 0) {
		full = st.f_bavail * st.f_frsize < 1 << 20;
		no_inodes = st.f_files > 0 && st.f_favail == 0;
	}
	/* tar's last word is seldom about the disk, for it goes on with smaller files. */
	if (is_tree && r != -EINVAL && (full || no_inodes))
		r = cis_fail(err, ENOSPC, "%s", s->path);
	else if (what)
		r = cis_wrap(err, r, "%s", what);
	if (r == -ENOSPC || r == -EDQUOT)
		cis_hint(err,
			 "the file system of %s %s; cisandbox image prune removes the layers "
			 "that no image has",
			 s->path, no_inodes ? "has no inode left" : "is full");
	return r;
}

static int import(const struct store *s, const char *name, struct source *src,
		  struct cis_error *err)
{
	cleanup(holds_done) struct holds holds = {0};
	cleanup(work_done) struct work w = {.fd = -1};
	int r = work_begin(&w, s, err);

	if (r < 0)
		return r;
	r = make_image(&w, name, src, &holds, err);
	if (r < 0)
		r = import_explain(s, src->path, src->is_tree, r, err);
	else
		r = import_publish(&w, name, err);
	if (r < 0)
		import_forget_layers(s, &holds);
	return r;
}

/* Images hold no images: the store's own place when it is in the tree to be copied. */
static int find_skip(struct source *src, struct cis_error *err)
{
	cleanup_free char *tree = realpath(src->path, NULL);
	cleanup_free char *data = tree ? realpath(state_data_root(), NULL) : NULL;
	size_t n = tree ? strlen(tree) : 0;

	if (!data)
		return cis_fail(err, errno, "%s", tree ? state_data_root() : src->path);
	if (n == 1) /* "/" */
		n = 0;
	if (strncmp(data, tree, n) != 0 || data[n] != '/')
		return 0;
	if (str_format(&src->skip, "--exclude=.%s", data + n) < 0)
		return cis_fail(err, ENOMEM, "%s", src->path);
	return 0;
}

static int judge_dir(struct source *src, struct cis_error *err)
{
	cleanup_close int dir = open(src->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return cis_fail(err, errno, "open %s", src->path);
	src->is_tree = is_rootfs(dir) && !src->o.ref;
	return src->is_tree || oci_is_image(dir) ? 0 : no_rootfs(err);
}

static int find_source(struct source *src, const char *path, struct cis_error *err)
{
	struct stat st;
	int r;

	/* tar must not take it for an option. */
	if (str_format(&src->path, "%s%s", path[0] == '/' ? "" : "./", path) < 0)
		return cis_fail(err, ENOMEM, "%s", path);
	if (stat(src->path, &st) < 0)
		return cis_fail(err, errno, "%s", path);
	src->is_dir = S_ISDIR(st.st_mode);
	r = src->is_dir ? judge_dir(src, err) : 0;
	return r < 0 ? cis_wrap(err, r, "%s", path) : 0;
}

int cis_image_import_with(const char *name, const char *path,
			  const struct cis_image_import *options, size_t size,
			  struct cis_error *err)
{
	cleanup(source_done) struct source src = {0};
	cleanup(store_done) struct store s = STORE_CLOSED;
	const struct admit_record no_registry = {0};
	int r = options ? record_in(&src.o, sizeof src.o, options, size) : 0;

	if (r < 0)
		return cis_fail_plain(err, -r, "options of another version of the library");
	r = store_check_name(name, err);
	if (r == 0)
		r = admit_start(&no_registry, err);
	if (r == 0)
		r = find_source(&src, path, err);
	if (r == 0)
		r = store_open(&s, err);
	if (r == 0 && src.is_tree)
		r = find_skip(&src, err);
	return r < 0 ? r : import(&s, name, &src, err);
}

int cis_image_import(const char *name, const char *path, struct cis_error *err)
{
	return cis_image_import_with(name, path, NULL, 0, err);
}
