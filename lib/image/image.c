/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The store is two directories, private to root because trees hold set-user-id programs:
 *
 *	images/NAME/image.json    name, digest, size, created; of layers, which
 *	images/NAME/rootfs/       a tree; owners and modes as they are inside
 *	images/NAME/config.json   or, of layers: compose.c
 *	images/NAME/corrupt       only if verify found the tree so
 *	layers/HEX/               a layer, of any number of images: layer.c
 *	images/.tmp-XXXXXX/       where an import makes it, and a removal unmakes it
 *	images/.tmp-old-XXXXXX-NAME/  what had that name when sandboxes began to run from it
 *
 * An image appears, vanishes and gives its name to another by one rename. Three locks, all
 * flock(), so that the kernel drops them whatever kills the holder:
 *
 *	images/                   for the moments in which names change
 *	images/.tmp-XXXXXX        its maker lives, or the tar that it left behind;
 *	                          one that is free is litter, and the next takes it away
 *	images/NAME               shared: a sandbox runs from it. Whoever removes wants it
 *	                          alone, for an overlay whose lower layer is deleted breaks
 *	                          the job. Whoever replaces renames it, and the lock goes
 *	                          with it: as .tmp-old- it stays until it is free.
 *
 * How images come into it is import.c.
 */
#include "image.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/fd.h"
#include "../base/io.h"
#include "../base/json.h"
#include "../base/str.h"
#include "../state.h"
#include "compose.h"
#include "info.h"
#include "layer.h"
#include "store.h"
#include "tree.h"

/* ---- list -------------------------------------------------------------------- */

struct images {
	struct image_info *v; /* those that are broken, too */
	size_t n;
	struct cis_error why; /* of the first that is broken */
};

static void images_done(struct images *l)
{
	for (size_t i = 0; i < l->n; i++)
		image_info_done(&l->v[i]);
	free(l->v);
}

/* One that cannot be read is no reason to stop; who wants to know finds it in @l. */
static int take_broken(int dir, const char *name, struct images *l, const struct cis_error *why)
{
	struct image_info *info = &l->v[l->n];

	info->broken = true;
	snprintf(info->img.name, sizeof info->img.name, "%s", name);
	if (!l->why.code)
		l->why = *why;
	return compose_linked(dir, &info->layers);
}

/*
 * The image @name in the directory @entry. What is no directory is none of ours; one that goes
 * while we read is gone.
 */
static int list_entry(const struct store *s, const char *entry, const char *name,
		      struct images *l, struct cis_error *err)
{
	struct image_info *bigger = reallocarray(l->v, l->n + 1, sizeof *bigger);
	bool still;
	int r;

	if (!bigger)
		return cis_fail(err, ENOMEM, "image list");
	l->v = bigger;
	do {
		cleanup_close int fd = tree_open_dir(s->fd, entry);
		struct cis_error why = {0};

		if (tree_is_gone(fd))
			return 0;
		if (fd < 0)
			return cis_fail(err, -fd, "%s/%s", s->path, entry);
		l->v[l->n] = (struct image_info){0};
		r = image_info_read(s, fd, name, &l->v[l->n], &why);
		still = store_is_still(fd, s->fd, entry);
		if (r < 0 && still) {
			int linked = take_broken(fd, name, l, &why);

			if (linked < 0)
				return cis_fail(err, -linked, "links of %s/%s", s->path, entry);
		}
	} while (r < 0 && !still);
	l->n++;
	return 0;
}

static int by_image_name(const void *a, const void *b)
{
	const struct image_info *x = a, *y = b;

	return strcmp(x->img.name, y->img.name);
}

static int list_all(const struct store *s, struct images *l, struct cis_error *err)
{
	cleanup(dir_closep) DIR *list = tree_list(s->fd);
	struct dirent *e;
	int r = 0;

	if (!list)
		return cis_fail(err, errno, "image store %s", s->path);
	while (r == 0 && (e = readdir(list)))
		if (store_is_name(e->d_name))
			r = list_entry(s, e->d_name, e->d_name, l, err);
	if (r == 0 && l->n > 0)
		qsort(l->v, l->n, sizeof *l->v, by_image_name);
	return r;
}

/*
 * Under the lock of the store: those that were replaced and are not free yet; what was free is
 * gone then.
 */
static int list_old(const struct store *s, struct images *l, struct cis_error *err)
{
	cleanup(dir_closep) DIR *list = NULL;
	struct dirent *e;
	int r = 0;

	store_sweep(s);
	list = tree_list(s->fd);
	if (!list)
		return cis_fail(err, errno, "image store %s", s->path);
	while (r == 0 && (e = readdir(list)))
		if (str_starts(e->d_name, STORE_OLD) && strlen(e->d_name) > STORE_OLD_PREFIX)
			r = list_entry(s, e->d_name, e->d_name + STORE_OLD_PREFIX, l, err);
	return r;
}

/* Makes no store. */
static int list_store(struct images *l, struct cis_error *err)
{
	cleanup(store_done) struct store s = STORE_CLOSED;
	int r = store_path(&s.path, err);

	if (r < 0)
		return r;
	s.fd = open(s.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s.fd < 0)
		return errno == ENOENT ? 0 : cis_fail(err, errno, "image store %s", s.path);
	return list_all(&s, l, err);
}

/* What is wrong with one of them, and the names of all that a message has room for. */
static int tell_broken(const struct images *l, struct cis_error *err)
{
	char names[2 * IMAGE_NAME_LEN + 3] = "";
	size_t len = 0, n = 0, told = 0;

	if (!l->why.code)
		return 0;
	for (size_t i = 0; i < l->n; i++) {
		const char *name = l->v[i].img.name;

		n += l->v[i].broken;
		if (!l->v[i].broken || len + 1 + strlen(name) >= sizeof names)
			continue;
		len += (size_t)snprintf(names + len, sizeof names - len, " %s", name);
		told++;
	}
	if (err)
		*err = l->why;
	cis_hint(err, "cisandbox image rm%s%s removes %s", names, told < n ? " ..." : "",
		 n > 1 ? "the images that cannot be read" : "the image");
	return -l->why.code;
}

int cis_image_list(struct cis_image **ret, size_t *ret_n, struct cis_error *err)
{
	cleanup(images_done) struct images l = {0};
	struct cis_image *v;
	int r;

	*ret = NULL;
	*ret_n = 0;
	r = list_store(&l, err);
	if (r < 0)
		return r;
	v = calloc(l.n + 1, sizeof *v);
	if (!v)
		return cis_fail(err, ENOMEM, "image list");
	for (size_t i = 0; i < l.n; i++)
		if (!l.v[i].broken)
			v[(*ret_n)++] = l.v[i].img;
	*ret = v;
	return tell_broken(&l, err);
}

int cis_image_list_json(char **ret, struct cis_error *err)
{
	cleanup(json_freep) struct json *doc = json_array_new();
	cleanup(images_done) struct images l = {0};
	int r;

	*ret = NULL;
	r = list_store(&l, err);
	if (r < 0)
		return r;
	for (size_t i = 0; doc && i < l.n; i++)
		if (!l.v[i].broken)
			json_push(doc, image_info_json(&l.v[i]));
	r = doc ? json_write(doc, JSON_PRETTY, ret) : -ENOMEM;
	return r < 0 ? cis_fail(err, -r, "image list") : tell_broken(&l, err);
}

/* What config.json says, as it stands there. */
static int add_config(int dir, struct json *doc, struct cis_error *err)
{
	cleanup_free char *text = NULL;
	struct json *config = NULL;
	size_t len;
	int r = io_read_file_at(dir, "config.json", JSON_MAX_TEXT, &text, &len);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return cis_fail(err, -r, "config.json");
	r = json_parse(text, len, 0, "config.json", &config, err);
	if (r == 0)
		json_set(doc, "config", config);
	return r;
}

/* Of what may not be there; makes nothing. */
static int open_stores(struct store *s, struct cis_error *err)
{
	int r = store_path(&s->path, err);

	if (r < 0)
		return r;
	s->fd = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->fd < 0)
		return errno == ENOENT ? 0 : cis_fail(err, errno, "image store %s", s->path);
	s->layers = openat(s->fd, "../layers", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return s->layers < 0 && errno != ENOENT ? cis_fail(err, errno, "image store %s", s->path)
						: 0;
}

/* Of an image of layers, which may have been unpacked again since. */
static int sum_verity(const struct store *s, struct image_info *info, struct cis_error *err)
{
	int r = 0;

	for (size_t i = 0; i < info->layers.n && r == 0; i++) {
		uint64_t size, verity;

		r = layer_size(s, info->layers.v[i], &size, &verity, err);
		info->verity += r == 0 ? verity : 0;
	}
	return r;
}

/* Only of files that are big enough: mostly it is "partial". */
static void set_verity(struct json *doc, const struct image_info *info)
{
	if (info->verity == 0 || info->verity >= info->img.size)
		json_set_bool(doc, "verity", info->verity > 0);
	else
		json_set_string(doc, "verity", "partial");
}

static int inspect(int dir, const char *name, char **ret, struct cis_error *err)
{
	cleanup(image_info_done) struct image_info info = {0};
	cleanup(json_freep) struct json *doc = NULL;
	cleanup(store_done) struct store s = STORE_CLOSED;
	int r = open_stores(&s, err);

	if (r == 0)
		r = image_info_read(&s, dir, name, &info, err);
	if (r < 0)
		return r;
	r = sum_verity(&s, &info, err);
	if (r < 0)
		return cis_wrap(err, r, "image \"%s\"", name);
	doc = image_info_json(&info);
	set_verity(doc, &info);
	r = add_config(dir, doc, err);
	if (r < 0)
		return cis_wrap(err, r, "image \"%s\"", name);
	r = json_write(doc, JSON_PRETTY, ret);
	return r < 0 ? cis_fail(err, -r, "image \"%s\"", name) : 0;
}

int cis_image_inspect_json(const char *name, char **ret, struct cis_error *err)
{
	int dir = image_lock(name, err);
	int r = dir < 0 ? dir : inspect(dir, name, ret, err);

	image_close(dir, name);
	return r;
}

/* ---- remove ------------------------------------------------------------------ */

/*
 * Out of sight in one step, by which nothing is made: the disk may be full. The deleting comes
 * after; the descriptor, locked, keeps others from it, and is litter once it is closed.
 */
static int hide(const struct store *s, const char *name, const char *to, struct cis_error *err)
{
	cleanup_close int image = -1;
	int r = store_lock(s, err);

	if (r < 0)
		return r;
	store_sweep(s);
	r = image = store_seize(s, name, err);
	if (r >= 0 && renameat(s->fd, name, s->fd, to) < 0)
		r = cis_fail(err, errno, "rename %s/%s", s->path, name);
	store_unlock(s);
	if (r == -ENOENT)
		return store_no_image(name, err);
	return r < 0 ? r : steal_fd(&image);
}

int cis_image_remove(const char *name, struct cis_error *err)
{
	cleanup(store_done) struct store s = STORE_CLOSED;
	char hidden[sizeof STORE_TEMP "rm-" + IMAGE_NAME_LEN];
	cleanup_close int image = -1;
	int r = store_check_name(name, err);

	if (r == 0)
		r = store_open(&s, err);
	snprintf(hidden, sizeof hidden, STORE_TEMP "rm-%s", name);
	if (r == 0)
		r = image = hide(&s, name, hidden, err);
	if (r < 0)
		return r;
	r = tree_remove(s.fd, hidden);
	return r < 0 ? cis_fail(err, -r, "delete what was image \"%s\"", name) : 0;
}

/* ---- prune and verify --------------------------------------------------------- */

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int need_idle(const struct store *s, const struct image_info *info, struct cis_error *err)
{
	int fd = store_seize(s, info->img.name, err);

	fd_close(fd);
	return fd < 0 && fd != -ENOENT ? fd : 0;
}

/* Neither image.json nor links say which layers it has: any may be its. */
static bool is_lost(const struct image_info *info)
{
	return info->broken && !info->layers.n;
}

/*
 * Of all images, sorted. One that cannot be read refers to those that its links name. -EBUSY: a
 * sandbox runs from one that has no links either.
 */
static int layers_in_use(const struct store *s, struct strv *ret, struct cis_error *err)
{
	cleanup(images_done) struct images l = {0};
	size_t n_named;
	int r = list_all(s, &l, err);

	n_named = l.n; /* the others only wait for their users to end */
	if (r == 0)
		r = list_old(s, &l, err);
	for (size_t i = 0; r == 0 && i < l.n; i++)
		if (is_lost(&l.v[i]))
			r = i < n_named ? need_idle(s, &l.v[i], err)
					: store_in_use(l.v[i].img.name, err);
	for (size_t i = 0; r == 0 && i < l.n; i++)
		for (size_t k = 0; r == 0 && k < l.v[i].layers.n; k++)
			r = strv_add(ret, l.v[i].layers.v[k]);
	if (ret->n > 0)
		qsort(ret->v, ret->n, sizeof *ret->v, by_text);
	return r;
}

static bool may_have_layer(const struct image_info *info, const char *hex)
{
	if (is_lost(info))
		return true;
	for (size_t i = 0; i < info->layers.n; i++)
		if (strcmp(info->layers.v[i], hex) == 0)
			return true;
	return false;
}

int image_layer_is_idle(const struct store *s, const char *hex, struct cis_error *err)
{
	cleanup(images_done) struct images named = {0}, old = {0};
	int r = list_all(s, &named, err);

	if (r == 0)
		r = list_old(s, &old, err);
	for (size_t i = 0; r == 0 && i < named.n; i++)
		if (may_have_layer(&named.v[i], hex))
			r = need_idle(s, &named.v[i], err);
	for (size_t i = 0; r == 0 && i < old.n; i++)
		if (may_have_layer(&old.v[i], hex))
			r = store_in_use(old.v[i].img.name, err);
	return r;
}

/* Some of them, while nobody can come to refer to one. */
static int hide_unused(const struct store *s, const struct strv *only, struct hidden_layers *ret,
		       struct cis_error *err)
{
	cleanup(strv_done) struct strv used = {0};
	int r = store_lock(s, err);

	ret->n = 0;
	if (r < 0)
		return r;
	r = layers_in_use(s, &used, err);
	if (r == 0)
		r = layers_hide(s, only, &used, ret, err);
	store_unlock(s);
	return r;
}

int image_drop_unused(const struct store *s, struct strv *only, uint64_t *ret_layers,
		      uint64_t *ret_bytes, struct cis_error *err)
{
	struct hidden_layers h;
	int r, gone;

	if (only && only->n)
		qsort(only->v, only->n, sizeof *only->v, by_text);
	*ret_layers = *ret_bytes = 0;
	do {
		r = hide_unused(s, only, &h, err);
		gone = layers_delete(s, &h, r < 0 ? NULL : err);
		*ret_layers += h.n;
		*ret_bytes += h.n ? h.bytes : 0;
		r = r < 0 ? r : gone;
	} while (r == 0 && h.n == LAYERS_AT_ONCE);
	return r;
}

int cis_image_prune(uint64_t *ret_layers, uint64_t *ret_bytes, struct cis_error *err)
{
	cleanup(store_done) struct store s = STORE_CLOSED;
	cleanup(images_done) struct images l = {0};
	int r;

	*ret_layers = *ret_bytes = 0;
	r = store_open(&s, err);
	if (r == 0)
		r = image_drop_unused(&s, NULL, ret_layers, ret_bytes, err);
	if (r == 0)
		r = list_all(&s, &l, err);
	return r < 0 ? r : tell_broken(&l, err);
}

/* The tree of an image that has no layers, whatever has its name by now. */
static int verify_tree(const struct image_info *info, int dir, struct cis_error *err)
{
	cleanup_free char *path = NULL;
	struct cis_image now = {0};
	int r = str_format(&path, "/proc/self/fd/%d/rootfs", dir);

	if (r < 0)
		return cis_fail(err, -r, "image");
	r = tree_digest(path, &now, NULL, err);
	if (r == 0 && strcmp(now.digest, info->img.digest) != 0)
		r = cis_fail_plain(err, EIO, "its digest is %s, not %s", now.digest,
				   info->img.digest);
	if (r == -EIO)
		store_mark(dir);
	return r;
}

static int verify_all(const struct work *w, const struct image_info *info, int dir,
		      struct cis_error *err)
{
	cleanup(unpacker_done) struct unpacker u = {.userns = -1};
	struct cis_error later = {0};
	int r = 0, worst = 0;

	if (!info->layers.n)
		return verify_tree(info, dir, err);
	worst = compose_check(dir, info, err);
	r = unpacker_init(&u, work_name(w), worst ? &later : err);
	for (size_t i = 0; r == 0 && i < info->layers.n; i++) {
		struct cis_error *to = worst ? &later : err;
		int k = layer_verify(w->store, &u, info->layers.v[i], to);

		/* All that are corrupt are marked, the first is told. */
		worst = worst ? worst : k;
	}
	return worst ? worst : r;
}

static int verify(int dir, const char *name, struct cis_error *err)
{
	cleanup(image_info_done) struct image_info info = {0};
	cleanup(store_done) struct store s = STORE_CLOSED;
	cleanup(work_done) struct work w = {.fd = -1};
	int r = store_open(&s, err);

	if (r == 0)
		r = work_begin(&w, &s, err);
	if (r == 0)
		r = image_info_read(&s, dir, name, &info, err);
	return r == 0 ? verify_all(&w, &info, dir, err) : r;
}

int cis_image_verify(const char *name, struct cis_error *err)
{
	int dir = image_lock(name, err);
	int r = dir < 0 ? dir : verify(dir, name, err);

	image_close(dir, name);
	return r < 0 ? cis_wrap(err, r, "image \"%s\"", name) : 0;
}

/* ---- for the sandbox --------------------------------------------------------- */

static int tree_paths(const char *name, int dir, struct strv *ret, struct cis_error *err)
{
	cleanup_free char *path = NULL;
	struct stat st;

	if (str_format(&path, "%s/images/%s/rootfs", state_data_root(), name) < 0 ||
	    strv_add(ret, path) < 0)
		return cis_fail(err, ENOMEM, "image \"%s\"", name);
	if (store_is_marked(dir)) {
		cis_fail_plain(err, EIO, "image \"%s\" is corrupt", name);
		return cis_hint(err, "importing or building it again replaces it");
	}
	if (fstatat(dir, "rootfs", &st, AT_SYMLINK_NOFOLLOW) < 0)
		return cis_fail(err, errno, "image %s", path);
	return 1;
}

/*
 * A corrupt layer is no base for a job, whoever else has been told of it. Below one that hides
 * all the others nothing is to be seen.
 */
static int layer_paths(const struct store *s, const char *name, int dir,
		       const struct image_info *info, struct strv *ret, struct cis_error *err)
{
	int hidden = 0;

	if (compose_check(dir, info, err) < 0) {
		cis_wrap(err, -EIO, "image \"%s\" is corrupt", name);
		return cis_hint(err, "importing or pulling the image again repairs it");
	}
	for (size_t i = 0; i < info->layers.n && !hidden; i++) {
		cleanup_free char *path = NULL;
		const char *hex = info->layers.v[i];
		int corrupt = layer_is_corrupt(s, hex);

		if (corrupt > 0) {
			cis_fail_plain(err, EIO, "image \"%s\": layer sha256:%.12s is corrupt",
				       name, hex);
			return cis_hint(err, "importing or pulling the image again repairs it");
		}
		if (str_format(&path, "%s/layers/%s/root", state_data_root(), hex) < 0 ||
		    strv_add(ret, path) < 0)
			return cis_fail(err, ENOMEM, "image \"%s\"", name);
		hidden = layer_hides_below(s, hex);
		if (corrupt < 0 || hidden < 0)
			return cis_fail(err, corrupt < 0 ? -corrupt : -hidden,
					"image \"%s\": layer sha256:%.12s", name, hex);
	}
	return 0;
}

static int check_admitted(const struct image_info *info, struct cis_error *err)
{
	int r = admit_start(&info->admitted, err);

	if (r == -EACCES && info->source)
		cis_hint(err, "\"cisandbox image pull --name %s %s\" verifies it anew",
			 info->img.name, info->source);
	return r < 0 ? cis_wrap(err, r, "image \"%s\"", info->img.name) : 0;
}

int image_open(const char *name, struct strv *ret_paths, int *ret_dir, struct cis_error *err)
{
	cleanup(image_info_done) struct image_info info = {0};
	cleanup(store_done) struct store s = STORE_CLOSED;
	cleanup_close int dir = -1;
	int r = dir = image_lock(name, err);

	if (r >= 0)
		r = open_stores(&s, err);
	if (r >= 0)
		r = image_info_read(&s, dir, name, &info, err);
	if (r >= 0)
		r = check_admitted(&info, err);
	if (r >= 0)
		r = info.layers.n ? layer_paths(&s, name, dir, &info, ret_paths, err)
				  : tree_paths(name, dir, ret_paths, err);
	if (r < 0)
		return r;
	*ret_dir = steal_fd(&dir);
	return r;
}

int image_lock(const char *name, struct cis_error *err)
{
	cleanup_free char *path = NULL;
	int r = store_check_name(name, err);

	if (r < 0)
		return r;
	if (str_format(&path, "%s/images/%s", state_data_root(), name) < 0)
		return cis_fail(err, ENOMEM, "image \"%s\"", name);
	for (;;) {
		cleanup_close int fd = tree_open_dir(AT_FDCWD, path);

		if (fd == -ENOENT)
			return store_no_image(name, err);
		r = fd < 0 ? fd : store_lock_fd(fd, LOCK_SH);
		if (r < 0)
			return cis_fail(err, -r, "lock the image %s", path);
		/* Whoever was before us may have removed or replaced it. */
		if (store_is_still(fd, AT_FDCWD, path))
			return steal_fd(&fd);
	}
}

void image_close(int dir, const char *name)
{
	cleanup(store_done) struct store s = STORE_CLOSED;
	bool is_old;

	if (dir < 0)
		return;
	is_old = open_stores(&s, NULL) == 0 && s.fd >= 0 && !store_is_still(dir, s.fd, name);
	fd_close(dir);
	/* Who holds that lock, or comes next, does it, too. */
	if (is_old && store_lock_fd(s.fd, LOCK_EX | LOCK_NB) == 0) {
		store_drop_old(&s);
		store_unlock(&s);
	}
}
