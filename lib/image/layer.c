/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 *	layers/HEX/root/        what the layer with the chain id sha256:HEX holds, whiteouts
 *	                        as overlayfs has them
 *	layers/HEX/listing      unpack/listing.c
 *	layers/HEX/layer.json   blob, digest of the listing, size, how much of that has
 *	                        fs-verity, opaque directories
 *	layers/HEX/corrupt      only if verify found it so: as good as not there
 *
 * A chain id is made of the layer's diff_id and those below it, as the OCI says: what a
 * layer has in it can depend on these (fix.c). It is the diff_id of the lowest.
 *
 * A layer appears by one rename, once all its digests are right. Its lock is shared by
 * imports that are about to refer to it; sandboxes hold the images that do.
 */
#include "layer.h"

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
#include "../base/io.h"
#include "../base/json.h"
#include "../base/str.h"
#include "fix.h"
#include "image.h"
#include "tree.h"

#define INFO_MAX JSON_MAX_TEXT

struct info {
	char list[UNPACK_HEX];
	uint64_t files, verity;
	struct strv opaque;
};

static void info_done(struct info *i)
{
	strv_done(&i->opaque);
}

/* ---- layer.json ----------------------------------------------------------------------- */

static int write_info(int dir, const struct unpacked *u)
{
	cleanup(json_freep) struct json *doc = json_object_new();
	cleanup_free char *text = NULL;
	cleanup_close int fd = -1;
	int r;

	json_set_string(doc, "blob", u->blob);
	json_set_string(doc, "listing", u->list);
	json_set_int(doc, "size", (int64_t)u->files);
	json_set_int(doc, "verity", (int64_t)u->verity);
	json_set_strv(doc, "opaque", &u->opaque);
	r = doc ? json_write(doc, JSON_PRETTY, &text) : -ENOMEM;
	if (r == 0 && strlen(text) > INFO_MAX)
		r = -E2BIG;
	if (r < 0)
		return r;
	fd = openat(dir, "layer.json", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	return fd < 0 ? -errno : io_write_all(fd, text, strlen(text));
}

static int parse_info(const struct json *doc, struct info *ret, struct cis_error *err)
{
	const struct json *list_v, *size_v, *opaque_v, *verity_v = json_get(doc, "verity");
	int64_t size, verity = 0;
	const char *list;
	int r = json_need(doc, "listing", &list_v, err);

	if (r == 0)
		r = json_need(doc, "size", &size_v, err);
	if (r == 0)
		r = json_need(doc, "opaque", &opaque_v, err);
	if (r == 0)
		r = json_want_string(list_v, &list, err);
	if (r == 0)
		r = json_want_int(size_v, 0, INT64_MAX, &size, err);
	if (r == 0 && verity_v)
		r = json_want_int(verity_v, 0, INT64_MAX, &verity, err);
	if (r == 0)
		r = json_want_strv(opaque_v, &ret->opaque, err);
	if (r < 0)
		return r;
	if (strlen(list) != UNPACK_HEX - 1)
		return json_fail(list_v, err, EINVAL, "is no digest");
	memcpy(ret->list, list, UNPACK_HEX);
	ret->files = (uint64_t)size;
	ret->verity = (uint64_t)verity;
	return 0;
}

static int read_info(int dir, const char *hex, struct info *ret, struct cis_error *err)
{
	cleanup(json_freep) struct json *doc = NULL;
	cleanup_free char *text = NULL, *name = NULL;
	size_t len;
	int r = str_format(&name, "layer sha256:%.12s: layer.json", hex);

	if (r == 0)
		r = io_read_file_at(dir, "layer.json", INFO_MAX, &text, &len);
	if (r < 0)
		return cis_fail(err, -r, "layer sha256:%.12s", hex);
	r = json_parse(text, len, 0, name, &doc, err);
	return r == 0 ? parse_info(doc, ret, err) : r;
}

int layer_size(const struct store *s, const char *hex, uint64_t *ret, uint64_t *ret_verity,
	       struct cis_error *err)
{
	cleanup_close int dir = tree_open_dir(s->layers, hex);
	cleanup(info_done) struct info info = {0};
	int r = dir < 0 ? cis_fail(err, -dir, "layer sha256:%.12s", hex)
			: read_info(dir, hex, &info, err);

	if (r == 0) {
		*ret = info.files;
		*ret_verity = info.verity;
	}
	return r;
}

/* ---- finding one ------------------------------------------------------------------------ */

/*
 * 1: by verify; or one that was not even there would say so at each start, and never be mended.
 * -errno: we could not look.
 */
static int is_bad(int dir)
{
	cleanup_close int root = tree_open_dir(dir, "root");

	if (root < 0)
		return tree_is_gone(root) ? 1 : root;
	return store_is_marked(dir);
}

int layer_is_corrupt(const struct store *s, const char *hex)
{
	cleanup_close int dir = tree_open_dir(s->layers, hex);

	if (dir < 0)
		return tree_is_gone(dir) ? 1 : dir;
	return is_bad(dir);
}

int layer_hides_below(const struct store *s, const char *hex)
{
	cleanup_close int dir = tree_open_dir(s->layers, hex);
	cleanup_close int root = dir < 0 ? dir : tree_open_dir(dir, "root");

	return root < 0 ? root : layer_is_opaque(root);
}

int layer_hold(const struct store *s, const char *hex, struct cis_error *err)
{
	for (;;) {
		cleanup_close int fd = tree_open_dir(s->layers, hex);
		int r = fd < 0 ? fd : store_lock_fd(fd, LOCK_SH);

		if (r == -ENOENT)
			return r;
		if (r < 0)
			return cis_fail(err, -r, "layer sha256:%.12s", hex);
		if (!store_is_still(fd, s->layers, hex))
			continue; /* pruned, or repaired, before we had the lock */
		r = is_bad(fd);
		if (r < 0)
			return cis_fail(err, -r, "layer sha256:%.12s", hex);
		return r ? -ENOENT : steal_fd(&fd);
	}
}

/* ---- making one ------------------------------------------------------------------------- */

static int check_digests(const struct layer_source *src, const struct unpacked *u,
			 struct cis_error *err)
{
	if (src->blob && u->size != src->size)
		return cis_fail_plain(err, EIO, "it has %llu bytes, the manifest says %llu",
				      (unsigned long long)u->size,
				      (unsigned long long)src->size);
	if (src->blob && strcmp(u->blob, src->blob) != 0)
		return cis_fail_plain(err, EIO, "its digest is sha256:%s, not sha256:%s",
				      u->blob, src->blob);
	if (strcmp(u->diff, src->diff) != 0)
		return cis_fail_plain(err, EIO, "its diff_id is sha256:%s, not sha256:%s",
				      u->diff, src->diff);
	return 0;
}

static int make_dirs(const struct work *w, int *ret_dir, int *ret_root, int *ret_listing)
{
	if (mkdirat(w->fd, "layer", 0700) < 0 || mkdirat(w->fd, "layer/root", 0755) < 0)
		return -errno;
	*ret_dir = tree_open_dir(w->fd, "layer");
	*ret_root = tree_open_dir(w->fd, "layer/root");
	if (*ret_dir < 0 || *ret_root < 0 || fchmod(*ret_root, 0755) < 0)
		return -errno;
	*ret_listing = openat(*ret_dir, "listing", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	return *ret_listing < 0 ? -errno : 0;
}

static int make(const struct work *w, const struct unpacker *u, const struct layer_source *src,
		struct cis_error *err)
{
	cleanup_close int dir = -1, root = -1, listing = -1;
	cleanup(unpacked_done) struct unpacked got = {0};
	cleanup_free char *path = NULL;
	struct layer_fix fix;
	int r = str_format(&path, "%s/layer/root", w->path);

	if (r == 0)
		r = make_dirs(w, &dir, &root, &listing);
	if (r < 0)
		return cis_fail(err, -r, "make a directory in %s", w->store->path);
	fix = (struct layer_fix){.root = root, .w = w, .below = src->below};
	r = unpacker_run(u, &(struct unpack_job){UNPACK_LAYER, path, src->fd, listing,
						 layer_fix_turn, &fix, src->tell, src->arg},
			 &got, err);
	if (r == 0)
		r = check_digests(src, &got, err);
	if (r < 0)
		return r;
	r = write_info(dir, &got);
	/* Or else a power cut could leave a name over empty files. */
	if (r == 0 && syncfs(dir) < 0)
		r = -errno;
	return r < 0 ? cis_fail(err, -r, "write to %s", w->store->path) : 0;
}

/* Under the lock of the store. Somebody else may have been as quick. */
static int publish(const struct work *w, const char *hex, struct cis_error *err)
{
	cleanup_close int old = tree_open_dir(w->store->layers, hex);
	int r;

	if (old == -ENOENT) {
		r = renameat(w->fd, "layer", w->store->layers, hex) < 0 ? -errno : 0;
		return r < 0 ? cis_fail(err, -r, "rename a layer") : 0;
	}
	if (old < 0)
		return cis_fail(err, -old, "layer sha256:%.12s", hex);
	r = is_bad(old);
	if (r <= 0)
		return r < 0 ? cis_fail(err, -r, "layer sha256:%.12s", hex) : 0;
	r = image_layer_is_idle(w->store, hex, err);
	if (r == 0 && renameat2(w->fd, "layer", w->store->layers, hex, RENAME_EXCHANGE) < 0)
		r = cis_fail(err, errno, "replace the corrupt layer");
	return r;
}

int layer_add(const struct work *w, const struct unpacker *u, const struct layer_source *src,
	      struct cis_error *err)
{
	int r = make(w, u, src, err), fd = -1;

	if (r == 0)
		r = store_lock(w->store, err);
	if (r == 0) {
		r = publish(w, src->chain, err);
		if (r == 0)
			r = fd = layer_hold(w->store, src->chain, err);
		store_unlock(w->store);
	}
	if (r < 0)
		return r;
	tree_remove(w->fd, "layer"); /* somebody was as quick, or a corrupt one was there */
	return fd;
}

/* ---- looking after them ------------------------------------------------------------------ */

static int check_opaque(int root, const struct strv *paths, struct cis_error *err)
{
	for (size_t i = 0; i < paths->n; i++) {
		const char *name = *paths->v[i] ? paths->v[i] : ".";
		int r = layer_lost_opaque(root, paths->v[i]);

		if (r < 0)
			return cis_fail(err, -r, "attributes of %s", name);
		if (r > 0)
			return cis_fail_plain(err, EIO, "%s is not as it was unpacked", name);
	}
	return 0;
}

/* -EIO: what is to be there is gone, and only then; of the rest the layer is innocent. */
static int need(int fd, const char *what, struct cis_error *err)
{
	if (tree_is_gone(fd))
		return cis_fail_plain(err, EIO, "%s is gone", what);
	return fd < 0 ? cis_fail(err, -fd, "open %s", what) : 0;
}

/* The same of layer.json, in which any nonsense is damage. */
static int need_info(int dir, const char *hex, struct info *ret, struct cis_error *err)
{
	int r = read_info(dir, hex, ret, err);

	return r == 0 || r == -ENOMEM || r == -EMFILE || r == -ENFILE ? r : -EIO;
}

static int compare(const struct store *s, const struct unpacker *u, int dir, const char *hex,
		   struct cis_error *err)
{
	cleanup(unpacked_done) struct unpacked got = {0};
	cleanup(info_done) struct info info = {0};
	cleanup_free char *path = NULL;
	cleanup_close int root = tree_open_dir(dir, "root");
	cleanup_close int listing = openat(dir, "listing", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	int no_listing = listing < 0 ? -errno : 0;
	int r = str_format(&path, "%s/../layers/%s/root", s->path, hex);

	if (r < 0)
		return cis_fail(err, -r, "layer");
	r = need(root, "its root", err);
	if (r == 0)
		r = need(no_listing, "its listing", err);
	if (r == 0)
		r = need_info(dir, hex, &info, err);
	if (r < 0)
		return r;
	r = unpacker_run(u, &(struct unpack_job){UNPACK_VERIFY, path, -1, listing, NULL, NULL,
						 NULL, NULL},
			 &got, err);
	if (r == 0 && strcmp(got.list, info.list) != 0)
		r = cis_fail_plain(err, EIO, "the listing of the layer has changed");
	return r == 0 ? check_opaque(root, &info.opaque, err) : r;
}

int layer_verify(const struct store *s, const struct unpacker *u, const char *hex,
		 struct cis_error *err)
{
	cleanup_close int dir = tree_open_dir(s->layers, hex);
	int r = need(dir, "it", err);

	if (r == 0 && store_is_marked(dir))
		r = cis_fail_plain(err, EIO, "it was found corrupt before");
	if (r == 0)
		r = compare(s, u, dir, hex, err);
	if (r == -EIO && dir >= 0)
		store_mark(dir);
	return r < 0 ? cis_wrap(err, r, "layer sha256:%.12s", hex) : 0;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool is_layer_name(const char *name)
{
	return strspn(name, "0123456789abcdef") == UNPACK_HEX - 1 &&
	       strlen(name) == UNPACK_HEX - 1;
}

static bool is_in(const struct strv *sorted, const char *hex)
{
	return sorted->n && bsearch(&hex, sorted->v, sorted->n, sizeof *sorted->v, by_text);
}

/* Where the store has what is about to go: store_sweep() does the rest if we are killed. */
static void name_hidden(const char *hex, char ret[static 96])
{
	snprintf(ret, 96, STORE_TEMP "layer-%s", hex);
}

/* 1: hidden. One that an import holds is about to be used. */
static int hide(const struct store *s, const char *hex, struct hidden_layers *h)
{
	cleanup_close int fd = tree_open_dir(s->layers, hex);
	int r = fd < 0 ? fd : store_lock_fd(fd, LOCK_EX | LOCK_NB);
	uint64_t bytes = 0, verity;
	char name[96];

	if (r == -EWOULDBLOCK || r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	layer_size(s, hex, &bytes, &verity, NULL);
	name_hidden(hex, name);
	if (renameat(s->layers, hex, s->fd, name) < 0)
		return -errno;
	memcpy(h->hex[h->n], hex, UNPACK_HEX);
	h->bytes += bytes;
	h->fds[h->n++] = steal_fd(&fd);
	return 1;
}

int layers_hide(const struct store *s, const struct strv *only, const struct strv *used,
		struct hidden_layers *ret, struct cis_error *err)
{
	cleanup(dir_closep) DIR *list = tree_list(s->layers);
	struct dirent *e;
	int r = 0;

	*ret = (struct hidden_layers){0};
	if (!list)
		return cis_fail(err, errno, "read the store's layers");
	while (r >= 0 && ret->n < LAYERS_AT_ONCE && (e = readdir(list)))
		if (is_layer_name(e->d_name) && !is_in(used, e->d_name) &&
		    (!only || is_in(only, e->d_name)))
			r = hide(s, e->d_name, ret);
	return r < 0 ? cis_fail(err, -r, "take a layer out of the store") : 0;
}

int layers_delete(const struct store *s, struct hidden_layers *h, struct cis_error *err)
{
	int worst = 0;

	for (size_t i = 0; i < h->n; i++) {
		char name[96];
		int r;

		name_hidden(h->hex[i], name);
		r = tree_remove(s->fd, name);
		fd_close(h->fds[i]);
		worst = worst ? worst : r;
	}
	return worst < 0 ? cis_fail(err, -worst, "delete layers") : 0;
}
