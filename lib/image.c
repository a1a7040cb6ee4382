/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The store is a directory, private to root because trees hold set-user-id programs:
 *
 *	images/NAME/rootfs/       the tree; owners and modes as they are inside
 *	images/NAME/image.json    name, digest, size, created
 *	images/.tmp-XXXXXX/       where an import makes it, and a removal unmakes it
 *
 * An image appears and vanishes by one rename. Three locks, all flock(), so that the
 * kernel drops them whatever kills the holder:
 *
 *	images/                   for the moments in which names change
 *	images/.tmp-XXXXXX        its maker lives, or the tar that it left behind;
 *	                          one that is free is litter, and the next takes it away
 *	images/NAME               shared: a sandbox runs from it. Whoever removes or
 *	                          replaces wants it alone, for an overlay whose
 *	                          lower layer is deleted breaks the job.
 *
 * GNU tar reads and writes trees: it knows sparse files, extended attributes and
 * compression, and it creates links that lead out of the tree only after all else.
 */
#include "image.h"

#include <dirent.h>
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

#include "base/fd.h"
#include "base/io.h"
#include "base/json.h"
#include "base/spawn.h"
#include "base/str.h"
#include "image-tree.h"
#include "state.h"

#define TEMP_PREFIX ".tmp-"

static int lock_fd(int fd, int how)
{
	while (flock(fd, how) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

/* ---- the store --------------------------------------------------------------- */

struct store {
	char *path;
	int fd;
};

static void store_done(struct store *s)
{
	free(s->path);
	s->fd = fd_close(s->fd);
}

static int store_path(char **ret, struct cis_error *err)
{
	if (str_format(ret, "%s/images", state_data_root()) < 0)
		return cis_fail(err, ENOMEM, "image store");
	return 0;
}

/* Made where it is missing. */
static int store_open(struct store *s, struct cis_error *err)
{
	int r = store_path(&s->path, err);

	if (r == 0)
		r = state_make_dir(s->path, err);
	if (r < 0)
		return r;
	s->fd = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->fd < 0 || fchmod(s->fd, 0700) < 0)
		return cis_fail(err, errno, "image store %s", s->path);
	return 0;
}

static int store_lock(const struct store *s, struct cis_error *err)
{
	int r = lock_fd(s->fd, LOCK_EX);

	return r < 0 ? cis_fail(err, -r, "lock the image store %s", s->path) : 0;
}

static void store_unlock(const struct store *s)
{
	flock(s->fd, LOCK_UN);
}

/* One less than the 128 of struct cis_image. */
#define NAME_LEN 127

static bool is_name(const char *name)
{
	static const char all[] = "abcdefghijklmnopqrstuvwxyz0123456789._-";
	size_t n = strlen(name);

	return n > 0 && n <= NAME_LEN && strspn(name, all) == n &&
	       !strchr("._-", name[0]);
}

static int check_name(const char *name, struct cis_error *err)
{
	if (is_name(name))
		return 0;
	return cis_fail_plain(err, EINVAL,
			      "image name \"%.*s\": not 1 to %d of a-z, 0-9, \".\", "
			      "\"_\" and \"-\", the first a letter or digit",
			      NAME_LEN, name, NAME_LEN);
}

static int no_image(const char *name, struct cis_error *err)
{
	return cis_fail_plain(err, ENOENT,
			      "no image \"%s\" in the store (cisandbox image list shows "
			      "them; cisandbox image build makes debian)",
			      name);
}

/* Whether the open directory @fd still is what @name of @dirfd leads to. */
static bool is_still(int fd, int dirfd, const char *name)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 && fstatat(dirfd, name, &b, AT_SYMLINK_NOFOLLOW) == 0 &&
	       a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/*
 * The image @name for oneself alone: a descriptor, or -ENOENT without a message.
 * Under the lock of the store, without which the name may mean another by now.
 */
static int seize(const struct store *s, const char *name, struct cis_error *err)
{
	cleanup_close int fd = tree_open_dir(s->fd, name);

	if (fd == -ENOENT)
		return fd;
	if (fd < 0)
		return cis_fail(err, -fd, "%s/%s", s->path, name);
	if (lock_fd(fd, LOCK_EX | LOCK_NB) < 0)
		return cis_fail_plain(err, EBUSY,
				      "image \"%s\": a sandbox runs from it "
				      "(cisandbox list shows them)",
				      name);
	return steal_fd(&fd);
}

/* ---- work under way ---------------------------------------------------------- */

struct work {
	const struct store *store;
	char *path;
	int fd; /* holds the lock */
};

static const char *work_name(const struct work *w)
{
	return strrchr(w->path, '/') + 1;
}

/* Removes it with all that is in it. */
static int work_finish(struct work *w)
{
	int r = w->fd >= 0 ? tree_remove(w->store->fd, work_name(w)) : 0;

	w->fd = fd_close(w->fd);
	free(w->path);
	w->path = NULL;
	return r;
}

static void work_done(struct work *w)
{
	work_finish(w);
}

/* Under the lock of the store: no directory is new and not yet locked. */
static void sweep(const struct store *s)
{
	cleanup(dir_closep) DIR *list = tree_list(s->fd);
	struct dirent *e;

	while (list && (e = readdir(list))) {
		cleanup_close int fd = -1;

		if (!str_starts(e->d_name, TEMP_PREFIX))
			continue;
		fd = tree_open_dir(s->fd, e->d_name);
		if (fd >= 0 && lock_fd(fd, LOCK_EX | LOCK_NB) == 0)
			tree_remove(s->fd, e->d_name);
	}
}

static int work_begin(struct work *w, const struct store *s, struct cis_error *err)
{
	int r = store_lock(s, err);

	if (r < 0)
		return r;
	sweep(s);
	w->store = s;
	if (str_format(&w->path, "%s/" TEMP_PREFIX "XXXXXX", s->path) < 0)
		r = -ENOMEM;
	else if (!mkdtemp(w->path))
		r = -errno;
	if (r == 0) {
		w->fd = tree_open_dir(s->fd, work_name(w));
		r = w->fd < 0 ? w->fd : lock_fd(w->fd, LOCK_EX | LOCK_NB);
	}
	store_unlock(s);
	return r < 0 ? cis_fail(err, -r, "make a directory in %s", s->path) : 0;
}

/* ---- image.json -------------------------------------------------------------- */

static struct json *image_to_json(const struct cis_image *img)
{
	struct json *doc = json_object_new();

	json_set_string(doc, "name", img->name);
	json_set_string(doc, "digest", img->digest);
	json_set_int(doc, "size", (int64_t)img->size);
	json_set_int(doc, "created", img->created);
	return doc;
}

static int write_info(int dirfd, const struct cis_image *img)
{
	cleanup(json_freep) struct json *doc = image_to_json(img);
	cleanup_free char *text = NULL;
	cleanup_close int fd = -1;
	int r = doc ? json_write(doc, JSON_PRETTY, &text) : -ENOMEM;

	if (r < 0)
		return r;
	fd = openat(dirfd, "image.json", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	return fd < 0 ? -errno : io_write_all(fd, text, strlen(text));
}

static int parse_info(const struct json *doc, const char *name, struct cis_image *ret,
		      struct cis_error *err)
{
	const struct json *name_v, *digest_v, *size_v, *created_v;
	const char *own_name, *digest;
	int64_t size;
	int r = json_need(doc, "name", &name_v, err);

	if (r == 0)
		r = json_need(doc, "digest", &digest_v, err);
	if (r == 0)
		r = json_need(doc, "size", &size_v, err);
	if (r == 0)
		r = json_need(doc, "created", &created_v, err);
	if (r == 0)
		r = json_want_string(name_v, &own_name, err);
	if (r == 0)
		r = json_want_string(digest_v, &digest, err);
	if (r == 0)
		r = json_want_int(size_v, 0, INT64_MAX, &size, err);
	if (r == 0)
		r = json_want_int(created_v, INT64_MIN, INT64_MAX, &ret->created, err);
	if (r < 0)
		return r;
	if (strcmp(own_name, name) != 0)
		return json_fail(name_v, err, EINVAL, "is not \"%s\"", name);
	if (strlen(digest) >= sizeof ret->digest || !str_starts(digest, "sha256:"))
		return json_fail(digest_v, err, EINVAL, "is not \"sha256:...\"");
	strcpy(ret->name, name);
	strcpy(ret->digest, digest);
	ret->size = (uint64_t)size;
	return 0;
}

static int read_info(const struct store *s, int dirfd, const char *name,
		     struct cis_image *ret, struct cis_error *err)
{
	cleanup(json_freep) struct json *doc = NULL;
	cleanup_free char *path = NULL, *text = NULL;
	size_t len;
	int r = str_format(&path, "%s/%s/image.json", s->path, name);

	if (r == 0)
		r = io_read_file_at(dirfd, "image.json", 65536, &text, &len);
	if (r < 0)
		return cis_fail(err, -r, "%s", path ? path : name);
	r = json_parse(text, len, 0, path, &doc, err);
	return r == 0 ? parse_info(doc, name, ret, err) : r;
}

/* ---- list -------------------------------------------------------------------- */

struct images {
	struct cis_image *v;
	size_t n;
};

static void images_done(struct images *l)
{
	free(l->v);
}

/* What is no directory is none of ours; one that goes while we read is gone. */
static int list_entry(const struct store *s, const char *name, struct images *l,
		      struct cis_error *err)
{
	struct cis_image *bigger = reallocarray(l->v, l->n + 1, sizeof *bigger);
	bool still;
	int r;

	if (!bigger)
		return cis_fail(err, ENOMEM, "image list");
	l->v = bigger;
	l->v[l->n] = (struct cis_image){0};
	do {
		cleanup_close int fd = tree_open_dir(s->fd, name);

		if (fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP)
			return 0;
		if (fd < 0)
			return cis_fail(err, -fd, "%s/%s", s->path, name);
		r = read_info(s, fd, name, &l->v[l->n], err);
		still = is_still(fd, s->fd, name);
	} while (r < 0 && !still);
	if (r == 0)
		l->n++;
	else if (err)
		cis_hint(err, "cisandbox image rm %s removes the image", name);
	return r;
}

static int by_image_name(const void *a, const void *b)
{
	const struct cis_image *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static int list_store(struct images *l, struct cis_error *err)
{
	cleanup(store_done) struct store s = {.fd = -1};
	cleanup(dir_closep) DIR *list = NULL;
	struct dirent *e;
	int r = store_path(&s.path, err);

	if (r < 0)
		return r;
	s.fd = open(s.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s.fd < 0 && errno == ENOENT)
		return 0;
	list = s.fd < 0 ? NULL : tree_list(s.fd);
	if (!list)
		return cis_fail(err, errno, "image store %s", s.path);
	while (r == 0 && (e = readdir(list)))
		if (is_name(e->d_name))
			r = list_entry(&s, e->d_name, l, err);
	if (r == 0 && l->n > 0)
		qsort(l->v, l->n, sizeof *l->v, by_image_name);
	return r;
}

int cis_image_list(struct cis_image **ret, size_t *ret_n, struct cis_error *err)
{
	cleanup(images_done) struct images l = {0};
	int r = list_store(&l, err);

	if (r < 0)
		return r;
	*ret_n = l.n;
	*ret = steal_ptr(&l.v);
	return 0;
}

int cis_image_list_json(char **ret, struct cis_error *err)
{
	cleanup(json_freep) struct json *doc = json_array_new();
	cleanup(images_done) struct images l = {0};
	int r = list_store(&l, err);

	if (r < 0)
		return r;
	for (size_t i = 0; doc && i < l.n; i++)
		json_push(doc, image_to_json(&l.v[i]));
	r = doc ? json_write(doc, JSON_PRETTY, ret) : -ENOMEM;
	return r < 0 ? cis_fail(err, -r, "image list") : 0;
}

/* ---- import ------------------------------------------------------------------ */

static bool is_dir_at(int dirfd, const char *name)
{
	struct stat st;

	return fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

static int check_rootfs(const char *path, struct cis_error *err)
{
	cleanup_close int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return cis_fail(err, errno, "open %s", path);
	if (is_dir_at(fd, "usr") || is_dir_at(fd, "bin") || is_dir_at(fd, "etc"))
		return 0;
	cis_fail_plain(err, EINVAL, "not a root file system");
	if (faccessat(fd, "manifest.json", F_OK, 0) == 0 ||
	    faccessat(fd, "oci-layout", F_OK, 0) == 0)
		cis_hint(err, "these are layers; docker export writes a tree");
	else
		cis_hint(err, "it has no directory usr, bin or etc");
	return -EINVAL;
}

/* What both tars are told: keep all that there is to know of a file. */
#define TAR_KEEP \
	"--numeric-owner", "--xattrs", "--xattrs-include=*", "--acls", "--force-local"

struct source {
	char *path; /* begins with "/" or "./" */
	bool is_dir;
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
static int unpack(const struct work *w, struct source *src, const char *rootfs,
		  struct cis_error *err)
{
	cleanup_free char *dir = NULL, *file = NULL;
	int r = str_format(&dir, "--directory=%s", rootfs);

	if (r == 0)
		r = str_format(&file, "--file=%s", src->is_dir ? "-" : src->path);
	if (r < 0)
		return cis_fail(err, -r, "tar");

	char *const argv[] = {"tar", "-x", "-p", "--same-owner", TAR_KEEP, dir, file,
			      NULL};

	if (!src->is_dir)
		return spawn_wait(argv, w->fd, "tar", err);
	return spawn_filter(argv, w->fd, "tar", feed_archive, src, NULL, err);
}

/* tar's last word is seldom about the disk, for it goes on with smaller files. */
static bool is_full(int fd)
{
	struct statvfs st;

	if (fstatvfs(fd, &st) < 0)
		return false;
	return st.f_bavail * st.f_frsize < 1 << 20 ||
	       (st.f_files > 0 && st.f_favail == 0);
}

static int make_rootfs(const struct work *w)
{
	cleanup_close int fd = -1;

	if (mkdirat(w->fd, "image", 0755) < 0 || mkdirat(w->fd, "image/rootfs", 0755) < 0)
		return -errno;
	/* The caller's umask is not to become the mode of somebody's root. */
	fd = tree_open_dir(w->fd, "image/rootfs");
	return fd < 0 ? fd : fchmod(fd, 0755) < 0 ? -errno : 0;
}

/* The whole image, below @w. */
static int make_image(const struct work *w, const char *name, struct source *src,
		      struct cis_error *err)
{
	cleanup_free char *rootfs = NULL;
	cleanup_close int image = -1;
	struct cis_image img = {.created = time(NULL)};
	int r = str_format(&rootfs, "%s/image/rootfs", w->path);

	if (r == 0)
		r = make_rootfs(w);
	if (r < 0)
		return cis_fail(err, -r, "make a directory in %s", w->store->path);
	r = unpack(w, src, rootfs, err);
	if (r < 0)
		return r;
	r = check_rootfs(rootfs, err);
	if (r == 0)
		r = tree_digest(rootfs, &img, err);
	if (r < 0)
		return r;
	strcpy(img.name, name);
	image = tree_open_dir(w->fd, "image");
	r = image < 0 ? image : write_info(image, &img);
	/* Or else a power cut could leave a name over empty files. */
	if (r == 0 && syncfs(image) < 0)
		r = -errno;
	return r < 0 ? cis_fail(err, -r, "write to %s", w->store->path) : 0;
}

/* In one step where the file system can; where not, a kill in between loses the old. */
static int exchange(const struct work *w, const char *name)
{
	int store = w->store->fd;

	if (renameat2(w->fd, "image", store, name, RENAME_EXCHANGE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	if (renameat(store, name, w->fd, "old") < 0)
		return -errno;
	return renameat(w->fd, "image", store, name) < 0 ? -errno : 0;
}

static int publish(const struct work *w, const char *name, struct cis_error *err)
{
	cleanup_close int old = -1;
	int r = store_lock(w->store, err);

	if (r < 0)
		return r;
	old = seize(w->store, name, err);
	if (old == -ENOENT) {
		r = renameat(w->fd, "image", w->store->fd, name) < 0 ? -errno : 0;
	} else if (old < 0) {
		store_unlock(w->store);
		return old;
	} else {
		r = exchange(w, name);
	}
	store_unlock(w->store);
	return r < 0 ? cis_fail(err, -r, "rename to %s/%s", w->store->path, name) : 0;
}

/* Says early what publish() would say in the end. */
static int check_free(const struct store *s, const char *name, struct cis_error *err)
{
	cleanup_close int fd = -1;
	int r = store_lock(s, err);

	if (r < 0)
		return r;
	fd = seize(s, name, err);
	store_unlock(s);
	return fd < 0 && fd != -ENOENT ? fd : 0;
}

static int import(const struct store *s, const char *name, struct source *src,
		  struct cis_error *err)
{
	cleanup(work_done) struct work w = {.fd = -1};
	int r = check_free(s, name, err);

	if (r == 0)
		r = work_begin(&w, s, err);
	if (r < 0)
		return r;
	r = make_image(&w, name, src, err);
	if (r < 0 && r != -EINVAL && is_full(s->fd))
		return cis_fail(err, ENOSPC, "%s", s->path);
	if (r < 0)
		return cis_wrap(err, r, "%s", src->path);
	return publish(&w, name, err);
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

static int find_source(struct source *src, const char *path, struct cis_error *err)
{
	struct stat st;
	int r;

	/* tar must not take it for an option, or "-" for its standard input. */
	if (str_format(&src->path, "%s%s", path[0] == '/' ? "" : "./", path) < 0)
		return cis_fail(err, ENOMEM, "%s", path);
	if (stat(src->path, &st) < 0)
		return cis_fail(err, errno, "%s", path);
	src->is_dir = S_ISDIR(st.st_mode);
	r = src->is_dir ? check_rootfs(src->path, err) : 0;
	return r < 0 ? cis_wrap(err, r, "%s", path) : 0;
}

int cis_image_import(const char *name, const char *path, struct cis_error *err)
{
	cleanup(source_done) struct source src = {0};
	cleanup(store_done) struct store s = {.fd = -1};
	int r = check_name(name, err);

	if (r == 0)
		r = find_source(&src, path, err);
	if (r == 0)
		r = store_open(&s, err);
	if (r == 0 && src.is_dir)
		r = find_skip(&src, err);
	return r < 0 ? r : import(&s, name, &src, err);
}

/* ---- remove ------------------------------------------------------------------ */

/* Out of sight in one step; the deleting comes after. */
static int hide(const struct work *w, const char *name, struct cis_error *err)
{
	cleanup_close int image = -1;
	int r = store_lock(w->store, err);

	if (r < 0)
		return r;
	image = seize(w->store, name, err);
	if (image >= 0 && renameat(w->store->fd, name, w->fd, "old") < 0)
		r = cis_fail(err, errno, "rename %s/%s", w->store->path, name);
	store_unlock(w->store);
	if (image == -ENOENT)
		return no_image(name, err);
	return image < 0 ? image : r;
}

int cis_image_remove(const char *name, struct cis_error *err)
{
	cleanup(store_done) struct store s = {.fd = -1};
	cleanup(work_done) struct work w = {.fd = -1};
	int r = check_name(name, err);

	if (r == 0)
		r = store_open(&s, err);
	if (r == 0)
		r = work_begin(&w, &s, err);
	if (r == 0)
		r = hide(&w, name, err);
	if (r < 0)
		return r;
	r = work_finish(&w);
	return r < 0 ? cis_fail(err, -r, "delete what was image \"%s\"", name) : 0;
}

/* ---- for the sandbox --------------------------------------------------------- */

int image_rootfs_path(const char *name, char **ret, struct cis_error *err)
{
	cleanup_free char *path = NULL;
	struct stat st;
	int r = check_name(name, err);

	if (r < 0)
		return r;
	if (str_format(&path, "%s/images/%s/rootfs", state_data_root(), name) < 0)
		return cis_fail(err, ENOMEM, "image \"%s\"", name);
	if (stat(path, &st) < 0)
		return errno == ENOENT ? no_image(name, err)
				       : cis_fail(err, errno, "image %s", path);
	*ret = steal_ptr(&path);
	return 0;
}

int image_lock(const char *name, struct cis_error *err)
{
	cleanup_free char *path = NULL;
	int r = check_name(name, err);

	if (r < 0)
		return r;
	if (str_format(&path, "%s/images/%s", state_data_root(), name) < 0)
		return cis_fail(err, ENOMEM, "image \"%s\"", name);
	for (;;) {
		cleanup_close int fd = tree_open_dir(AT_FDCWD, path);

		if (fd == -ENOENT)
			return no_image(name, err);
		r = fd < 0 ? fd : lock_fd(fd, LOCK_SH);
		if (r < 0)
			return cis_fail(err, -r, "lock the image %s", path);
		/* Whoever was before us may have removed or replaced it. */
		if (is_still(fd, AT_FDCWD, path))
			return steal_fd(&fd);
	}
}
