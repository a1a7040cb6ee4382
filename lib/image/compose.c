/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What images/NAME is for an image of layers:
 *
 *	image.json      as of any image, and "layers"
 *	config.json     the image's configuration, byte for byte
 *	manifest.json   the manifest, if it came with one
 *	l/a, l/b, ...   links to the layers' roots, the topmost first, with names so short
 *	                that 128 of them fit into one option of an overlay (fs/overlay.h)
 *
 * The texts are copies in each image's own directory and not shared blobs: they are a few
 * kilobytes, and so appear and vanish with it, by one rename.
 */
#include "compose.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../base/clock.h"
#include "../base/fd.h"
#include "../base/io.h"
#include "../base/json.h"
#include "../base/sha256.h"
#include "../fs/overlay.h"
#include "info.h"
#include "oci.h"
#include "tree.h"
#include "wire.h"

void holds_done(struct holds *h)
{
	holds_let_go(h);
	strv_done(&h->made);
}

void holds_let_go(struct holds *h)
{
	while (h->n)
		fd_close(h->fds[--h->n]);
}

/* What is told of those that the store lacks. */
struct teller {
	const struct compose *c;
	struct cis_image_progress p;
	uint64_t before; /* bytes of those that are done */
};

/* Only to be shown: whether they can be opened is found out in their turn. */
static uint64_t count_bytes(const struct compose *c, const struct oci_layer *l)
{
	cleanup_close int fd = oci_open_layer(c->dir, l, NULL);
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 ? (uint64_t)st.st_size : 0;
}

static void begin_telling(struct teller *t, const struct compose *c)
{
	*t = (struct teller){.c = c};
	t->p.phase = CIS_IMAGE_UNPACK;
	t->p.layers = c->img->n_layers;
	for (size_t i = 0; c->progress && i < c->img->n_layers; i++)
		if (layer_is_corrupt(c->w->store, c->img->layers[i].chain) != 0)
			t->p.total += count_bytes(c, &c->img->layers[i]);
}

static void tell(uint64_t done, void *arg)
{
	struct teller *t = arg;

	t->p.done = MIN(t->before + done, t->p.total);
	t->c->progress(&t->p, t->c->arg);
}

static int add_missing(struct teller *t, size_t i, const struct strv *below,
		       struct cis_error *err)
{
	const struct compose *c = t->c;
	const struct oci_layer *l = &c->img->layers[i];
	cleanup_close int fd = oci_open_layer(c->dir, l, err);
	const struct layer_source src = {
		.chain = l->chain,
		.below = below,
		.diff = l->diff,
		.blob = *l->blob ? l->blob : NULL,
		.size = l->size,
		.fd = fd,
		.tell = c->progress ? tell : NULL,
		.arg = t,
	};
	int r;

	if (fd < 0)
		return fd;
	t->p.layer = i + 1;
	if (c->progress)
		tell(0, t);
	r = layer_add(c->w, c->u, &src, err);
	t->before += c->progress ? count_bytes(c, l) : 0;
	return r;
}

/* What is too much for one layer is not to come in as a hundred. */
static int check_total(const struct compose *c, const struct oci_layer *l, uint64_t *all,
		       struct cis_error *err)
{
	uint64_t size, verity;
	int r = layer_size(c->w->store, l->chain, &size, &verity, err);

	if (r < 0)
		return r;
	*all += size;
	return *all <= UNPACK_BYTES_MAX
		       ? 0
		       : cis_fail_plain(err, EFBIG, "files of more than %llu GiB in all",
					UNPACK_BYTES_MAX >> 30);
}

static int hold(const struct compose *c, struct holds *holds, struct cis_error *err)
{
	const struct oci_image *img = c->img;
	cleanup(strv_done) struct strv below = {0};
	struct teller t;
	uint64_t all = 0;
	int r;

	begin_telling(&t, c);
	for (size_t i = 0; i < img->n_layers; i++) {
		const struct oci_layer *l = &img->layers[i];
		int fd = layer_hold(c->w->store, l->chain, err);

		if (fd == -ENOENT) {
			if (strv_add(&holds->made, l->chain) < 0)
				return cis_fail(err, ENOMEM, "image");
			if (c->deadline && now_msec() >= c->deadline)
				return cis_fail_plain(err, ETIMEDOUT,
						      "it is not done when the timeout is over");
			fd = add_missing(&t, i, &below, err);
		}
		if (fd < 0)
			return cis_wrap(err, fd, "layer %zu of %zu (%s)", i + 1, img->n_layers,
					l->path);
		holds->fds[holds->n++] = fd;
		r = check_total(c, l, &all, err);
		if (r < 0)
			return r;
		r = layer_hides_below(c->w->store, l->chain);
		if (r < 0)
			return cis_fail(err, -r, "layer sha256:%.12s", l->chain);
		if (r > 0)
			strv_done(&below);
		if (strv_add(&below, l->chain) < 0)
			return cis_fail(err, ENOMEM, "image");
	}
	return 0;
}

/* The topmost first. */
static int list_layers(const struct store *s, const struct oci_image *img,
		       struct image_info *info, struct cis_error *err)
{
	for (size_t i = img->n_layers; i-- > 0;) {
		uint64_t size, verity;
		int r = layer_size(s, img->layers[i].chain, &size, &verity, err);

		if (r < 0)
			return r;
		info->img.size += size;
		if (strv_add(&info->layers, img->layers[i].chain) < 0)
			return cis_fail(err, ENOMEM, "image");
	}
	return 0;
}

static int write_text(int dir, const char *name, const char *text)
{
	cleanup_close int fd =
		openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	return fd < 0 ? -errno : io_write_all(fd, text, strlen(text));
}

struct link {
	char name[8], to[UNPACK_HEX + 32];
};

static struct link link_of(const struct strv *layers, size_t i)
{
	struct link l = {.name = {'l', '/', overlay_layer_name(i)}};

	snprintf(l.to, sizeof l.to, "../../../layers/%s/root", layers->v[i]);
	return l;
}

static int write_links(int dir, const struct strv *layers)
{
	for (size_t i = 0; i < layers->n; i++) {
		const struct link l = link_of(layers, i);

		if (symlinkat(l.to, dir, l.name) < 0)
			return -errno;
	}
	return 0;
}

static int write_image(const struct work *w, const struct oci_image *img,
		       const struct image_info *info)
{
	cleanup_close int dir = -1;
	int r;

	if (mkdirat(w->fd, "image", 0755) < 0 || mkdirat(w->fd, "image/l", 0755) < 0)
		return -errno;
	r = dir = tree_open_dir(w->fd, "image");
	if (r >= 0)
		r = write_text(dir, "config.json", img->config);
	if (r >= 0 && img->manifest)
		r = write_text(dir, "manifest.json", img->manifest);
	if (r >= 0)
		r = write_links(dir, &info->layers);
	if (r >= 0)
		r = image_info_write(dir, info);
	return r >= 0 && syncfs(dir) < 0 ? -errno : r;
}

int compose_image(const struct compose *c, struct holds *holds, struct cis_error *err)
{
	cleanup(image_info_done) struct image_info info = {.img.created = time(NULL)};
	int r = hold(c, holds, err);

	if (r == 0)
		r = list_layers(c->w->store, c->img, &info, err);
	if (r == 0 && str_set(&info.source, c->source) < 0)
		r = cis_fail(err, ENOMEM, "image");
	if (r < 0)
		return r;
	if (c->admitted) {
		info.admitted = *c->admitted;
		*c->admitted = (struct admit_record){0};
	}
	snprintf(info.img.name, sizeof info.img.name, "%s", c->name);
	snprintf(info.img.digest, sizeof info.img.digest, "sha256:%s", c->img->digest);
	r = write_image(c->w, c->img, &info);
	return r < 0 ? cis_fail(err, -r, "write to %s", c->w->store->path) : 0;
}

/* ---- looking after it ------------------------------------------------------------------- */

static int check_text(int dir, const char *name, const char *hex, char **ret, size_t *ret_len,
		      struct cis_error *err)
{
	char found[UNPACK_HEX];
	int r = io_read_file_at(dir, name, JSON_MAX_TEXT, ret, ret_len);

	if (r < 0)
		return cis_fail_plain(err, EIO, "%s: %s", name, strerror(-r));
	sha256_hex(*ret, *ret_len, found);
	return strcmp(found, hex) == 0
		       ? 0
		       : cis_fail_plain(err, EIO, "%s has the digest sha256:%s, not sha256:%s",
					name, found, hex);
}

static int check_links(int dir, const struct strv *layers, struct cis_error *err)
{
	for (size_t i = 0; i < layers->n; i++) {
		const struct link l = link_of(layers, i);
		char to[sizeof l.to];
		ssize_t n = readlinkat(dir, l.name, to, sizeof to);

		if (n != (ssize_t)strlen(l.to) || memcmp(to, l.to, (size_t)n) != 0)
			return cis_fail_plain(err, EIO, "%s is no link to layer sha256:%.12s",
					      l.name, layers->v[i]);
	}
	return 0;
}

int compose_linked(int dir, struct strv *ret)
{
	int r = 0;

	for (size_t i = 0; i < IMAGE_LAYERS_MAX && r == 0; i++) {
		const char name[8] = {'l', '/', overlay_layer_name(i)};
		char to[sizeof(struct link)] = "", hex[UNPACK_HEX];

		if (readlinkat(dir, name, to, sizeof to - 1) < 0) {
			if (errno != ENOENT && errno != ENOTDIR && errno != EINVAL)
				r = -errno;
		} else if (sscanf(to, "../../../layers/%64[0-9a-f]/root", hex) == 1) {
			r = strv_add(ret, hex);
		}
	}
	return r;
}

int compose_check(int dir, const struct image_info *info, struct cis_error *err)
{
	cleanup_free char *manifest = NULL, *config = NULL;
	const char *hex = info->img.digest + strlen("sha256:");
	struct oci_lead lead;
	size_t len;
	int r = 0;

	if (faccessat(dir, "manifest.json", F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
		r = check_text(dir, "manifest.json", hex, &manifest, &len, err);
		if (r == 0)
			r = oci_follow(manifest, len, "manifest.json", NULL, &lead, err);
		hex = lead.hex;
	}
	if (r == 0)
		r = check_text(dir, "config.json", hex, &config, &len, err);
	return r < 0 ? r : check_links(dir, &info->layers, err);
}
