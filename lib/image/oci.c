/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * JSON is read here, with the caller's privilege, and not by the helper: base/json.c bounds
 * what it takes, is fuzzed, and reads config.json of engines' bundles for root all the time;
 * a helper's answer would have to be parsed as carefully. Nothing else of the directory is:
 * layers go to cisandbox-unpack as descriptors.
 *
 * A digest is checked before what it names is parsed. Media types that are not in the
 * tables are refused, not guessed.
 */
#include "oci.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "../base/fd.h"
#include "../base/io.h"
#include "../base/json.h"
#include "../base/sha256.h"
#include "../base/str.h"
#include "../base/sys.h"
#include "config.h"
#include "layer.h"
#include "ref.h"

#define INDEX_DEPTH_MAX 4

enum kind { KIND_INDEX, KIND_MANIFEST, KIND_CONFIG, KIND_LAYER, KIND_FOREIGN };

static const struct media {
	const char *name;
	enum kind kind;
} medias[] = {
	{"application/vnd.oci.image.index.v1+json", KIND_INDEX},
	{"application/vnd.docker.distribution.manifest.list.v2+json", KIND_INDEX},
	{"application/vnd.oci.image.manifest.v1+json", KIND_MANIFEST},
	{"application/vnd.docker.distribution.manifest.v2+json", KIND_MANIFEST},
	{"application/vnd.oci.image.config.v1+json", KIND_CONFIG},
	{"application/vnd.docker.container.image.v1+json", KIND_CONFIG},
	{"application/vnd.oci.image.layer.v1.tar", KIND_LAYER},
	{"application/vnd.oci.image.layer.v1.tar+gzip", KIND_LAYER},
	{"application/vnd.oci.image.layer.v1.tar+zstd", KIND_LAYER},
	{"application/vnd.docker.image.rootfs.diff.tar", KIND_LAYER},
	{"application/vnd.docker.image.rootfs.diff.tar.gzip", KIND_LAYER},
	{"application/vnd.docker.image.rootfs.diff.tar.zstd", KIND_LAYER},
	{"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", KIND_FOREIGN},
	{"application/vnd.oci.image.layer.nondistributable.v1.tar", KIND_FOREIGN},
	{"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", KIND_FOREIGN},
	{"application/vnd.oci.image.layer.nondistributable.v1.tar+zstd", KIND_FOREIGN},
};

struct descriptor {
	char hex[UNPACK_HEX];
	uint64_t size;
	enum kind kind;
};

struct reader {
	int dir;
	const char *ref;
	struct oci_platform platform;
};

void oci_image_done(struct oci_image *img)
{
	for (size_t i = 0; i < img->n_layers; i++)
		free(img->layers[i].path);
	free(img->layers);
	free(img->manifest);
	free(img->config);
	*img = (struct oci_image){0};
}

/* ---- blobs ---------------------------------------------------------------------------- */

/* Old archives of docker's have links to layers; they stay in the directory. */
static int open_file(int dir, const char *path, uint64_t *ret_size, struct cis_error *err)
{
	cleanup_close int fd = sys_openat2(dir, path, O_RDONLY | O_NOCTTY | O_NONBLOCK, 0,
					   RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
	struct stat st;

	if (fd < 0)
		return cis_fail(err, -fd, "%.300s", path);
	if (fstat(fd, &st) < 0)
		return cis_fail(err, errno, "%.300s", path);
	if (!S_ISREG(st.st_mode))
		return cis_fail_plain(err, EINVAL, "%.300s is no regular file", path);
	*ret_size = (uint64_t)st.st_size;
	return steal_fd(&fd);
}

static int read_text(int dir, const char *path, char **ret, size_t *ret_len,
		     struct cis_error *err)
{
	cleanup_close int fd = -1;
	uint64_t size;
	int r = fd = open_file(dir, path, &size, err);

	if (r < 0)
		return r;
	r = io_read_fd(fd, JSON_MAX_TEXT, ret, ret_len);
	return r < 0 ? cis_fail(err, -r, "%.300s", path) : 0;
}

static int blob_path(const char *hex, char **ret)
{
	return str_format(ret, "blobs/sha256/%s", hex);
}

/* Its text, verified, and as JSON. */
static int read_blob(const struct reader *in, const struct descriptor *d, char **ret_text,
		     struct json **ret, struct cis_error *err)
{
	cleanup_free char *path = NULL, *text = NULL;
	char hex[UNPACK_HEX];
	size_t len;
	int r = blob_path(d->hex, &path);

	if (r < 0)
		return cis_fail(err, -r, "blob");
	r = read_text(in->dir, path, &text, &len, err);
	if (r == 0 && len != d->size)
		r = cis_fail_plain(err, EIO, "%s has %zu bytes, not the %llu it is to have",
				   path, len, (unsigned long long)d->size);
	if (r == 0)
		sha256_hex(text, len, hex);
	if (r == 0 && strcmp(hex, d->hex) != 0)
		r = cis_fail_plain(err, EIO, "%s has the digest sha256:%s", path, hex);
	if (r == 0)
		r = json_parse(text, len, 0, path, ret, err);
	if (r == 0)
		*ret_text = steal_ptr(&text);
	return r;
}

/* ---- descriptors ------------------------------------------------------------------------ */

static int read_digest(const struct json *v, char ret[static UNPACK_HEX], struct cis_error *err)
{
	const char *text;
	int r = json_want_string(v, &text, err);

	if (r < 0)
		return r;
	if (!str_starts(text, "sha256:") || strlen(text) != 7 + UNPACK_HEX - 1 ||
	    strspn(text + 7, "0123456789abcdef") != UNPACK_HEX - 1)
		return json_fail(v, err, EINVAL, "\"%.100s\" is no sha256 digest", text);
	memcpy(ret, text + 7, UNPACK_HEX);
	return 0;
}

static int read_media(const struct json *v, enum kind *ret, struct cis_error *err)
{
	const char *text;
	int r = json_want_string(v, &text, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(medias); i++)
		if (strcmp(text, medias[i].name) == 0) {
			*ret = medias[i].kind;
			return 0;
		}
	return json_fail(v, err, EINVAL, "the media type \"%.100s\" is not known", text);
}

static int read_descriptor(const struct json *v, struct descriptor *ret, struct cis_error *err)
{
	const struct json *media, *digest, *size;
	int64_t n;
	int r = json_need(v, "mediaType", &media, err);

	if (r == 0)
		r = json_need(v, "digest", &digest, err);
	if (r == 0)
		r = json_need(v, "size", &size, err);
	if (r == 0)
		r = read_media(media, &ret->kind, err);
	if (r == 0)
		r = read_digest(digest, ret->hex, err);
	if (r == 0)
		r = json_want_int(size, 0, INT64_MAX, &n, err);
	if (r < 0)
		return r;
	ret->size = (uint64_t)n;
	return 0;
}

static int need_kind(const struct json *v, const struct descriptor *d, enum kind kind,
		     const char *what, struct cis_error *err)
{
	return d->kind == kind ? 0 : json_fail(v, err, EINVAL, "is not %s", what);
}

/* ---- which of several ------------------------------------------------------------------- */

/* As Go has it. */
static const char *this_architecture(struct utsname *u)
{
	static const char *const names[][2] = {
		{"x86_64", "amd64"}, {"aarch64", "arm64"}, {"i686", "386"},   {"i386", "386"},
		{"armv7l", "arm"},   {"ppc64le", "ppc64le"}, {"s390x", "s390x"},
		{"riscv64", "riscv64"}, {"loongarch64", "loong64"}};

	if (uname(u) < 0)
		return "unknown";
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(u->machine, names[i][0]) == 0)
			return names[i][1];
	return u->machine;
}

static bool is_string(const struct json *obj, const char *key, const char *text)
{
	const struct json *v = json_get(obj, key);

	return v && v->type == JSON_STRING && strcmp(v->string, text) == 0;
}

static struct oci_platform platform_or_ours(const struct oci_platform *wanted)
{
	struct oci_platform ours = {.os = "linux"};
	struct utsname u;

	if (wanted)
		return *wanted;
	snprintf(ours.arch, sizeof ours.arch, "%.31s", this_architecture(&u));
	return ours;
}

int oci_platform_parse(const char *text, struct oci_platform *ret, struct cis_error *err)
{
	static const char all[] = "abcdefghijklmnopqrstuvwxyz0123456789._-";
	struct oci_platform p = {0};
	char *const parts[] = {p.os, p.arch, p.variant};
	const char *s = text;

	for (size_t i = 0; i < ARRAY_SIZE(parts) && s; i++) {
		size_t n = strspn(s, all);

		if (n == 0 || n >= sizeof p.os || (s[n] && s[n] != '/'))
			break;
		memcpy(parts[i], s, n);
		s = s[n] ? s + n + 1 : NULL;
	}
	if (s || !*p.arch)
		return cis_fail_plain(err, EINVAL,
				      "platform \"%.100s\": not OS/ARCH[/VARIANT], like "
				      "linux/arm64", text);
	*ret = p;
	return 0;
}

static bool is_for(const struct json *entry, const struct oci_platform *p)
{
	return is_string(entry, "os", p->os) && is_string(entry, "architecture", p->arch) &&
	       (!*p->variant || is_string(entry, "variant", p->variant));
}

/* By the name that a layout gives it, or by its digest. */
static bool is_called(const struct json *entry, const char *ref)
{
	const struct json *notes = json_get(entry, "annotations");

	return is_string(entry, "digest", ref) ||
	       (notes && (is_string(notes, "org.opencontainers.image.ref.name", ref) ||
			  is_string(notes, "io.containerd.image.name", ref)));
}

/* @any: several are for one machine, and the first is the one, as in a registry's index. */
static int choose(const struct json *list, const char *ref, const struct oci_platform *p,
		  bool any, const struct json **ret, struct cis_error *err)
{
	const struct json *found = NULL;
	size_t others = 0;

	json_foreach(e, list) {
		const struct json *platform = json_get(e, "platform");

		if (ref && !is_called(e, ref))
			continue;
		if (platform && !is_for(platform, p)) {
			others++;
			continue;
		}
		/* Several names of one image are one. */
		if (found && json_get(e, "digest") && json_get(found, "digest") &&
		    json_get(e, "digest")->type == JSON_STRING &&
		    is_string(found, "digest", json_get(e, "digest")->string))
			continue;
		if (found && !ref && !any)
			return json_fail(list, err, EINVAL,
					 "has several images: say which by --ref");
		if (!found)
			found = e;
	}
	*ret = found;
	if (found)
		return 0;
	if (others)
		return json_fail(list, err, ENOENT, "has no image for %s/%s%s%s", p->os, p->arch,
				 *p->variant ? "/" : "", p->variant);
	return json_fail(list, err, ENOENT, ref ? "has no image \"%.200s\"" : "has no image%s",
			 ref ? ref : "");
}

/* Down through indexes to a manifest. */
static int find_manifest(const struct reader *in, const struct json *index,
			 struct descriptor *ret, struct cis_error *err)
{
	cleanup(json_freep) struct json *held = NULL;
	const char *ref = in->ref;

	for (int depth = 0; depth < INDEX_DEPTH_MAX; depth++) {
		cleanup_free char *text = NULL;
		const struct json *list, *entry = NULL;
		struct json *next = NULL;
		int r = json_need(index, "manifests", &list, err);

		if (r == 0)
			r = json_want(list, JSON_ARRAY, err);
		if (r == 0)
			r = choose(list, ref, &in->platform, depth > 0, &entry, err);
		if (r == 0)
			r = read_descriptor(entry, ret, err);
		if (r < 0 || ret->kind == KIND_MANIFEST)
			return r;
		r = need_kind(entry, ret, KIND_INDEX, "an image", err);
		if (r == 0)
			r = read_blob(in, ret, &text, &next, err);
		if (r < 0)
			return r;
		json_free(held);
		index = held = next;
		ref = NULL; /* that was the name of all of it */
	}
	return cis_fail_plain(err, EINVAL, "indexes in indexes, more than %d deep",
			      INDEX_DEPTH_MAX);
}

/* ---- manifest and config ------------------------------------------------------------------ */

static int add_layer(struct oci_image *img, const struct descriptor *d, const char *path,
		     struct cis_error *err)
{
	struct oci_layer *bigger = reallocarray(img->layers, img->n_layers + 1, sizeof *bigger);
	struct oci_layer *l;

	if (!bigger)
		return cis_fail(err, ENOMEM, "image");
	img->layers = bigger;
	l = &img->layers[img->n_layers];
	*l = (struct oci_layer){.size = d ? d->size : 0};
	if (d)
		memcpy(l->blob, d->hex, UNPACK_HEX);
	if ((path ? str_set(&l->path, path) : blob_path(d->hex, &l->path)) < 0)
		return cis_fail(err, ENOMEM, "image");
	img->n_layers++;
	return 0;
}

static int check_count(const struct json *v, struct cis_error *err)
{
	int r = json_want(v, JSON_ARRAY, err);

	if (r == 0 && (v->n == 0 || v->n > IMAGE_LAYERS_MAX))
		r = json_fail(v, err, EINVAL, "has %zu layers, not 1 to %d", v->n,
			      IMAGE_LAYERS_MAX);
	return r;
}

static int read_manifest(const struct json *doc, struct oci_image *img,
			 struct descriptor *ret_config, struct cis_error *err)
{
	const struct json *config, *layers;
	int r = json_need(doc, "config", &config, err);

	if (r == 0)
		r = json_need(doc, "layers", &layers, err);
	if (r == 0)
		r = read_descriptor(config, ret_config, err);
	if (r == 0)
		r = need_kind(config, ret_config, KIND_CONFIG, "an image's configuration", err);
	if (r == 0)
		r = check_count(layers, err);
	if (r < 0)
		return r;
	json_foreach(v, layers) {
		struct descriptor d;

		r = read_descriptor(v, &d, err);
		if (r == 0 && d.kind == KIND_FOREIGN)
			r = json_fail(v, err, EINVAL,
				      "is a foreign layer, which only its maker may hand out");
		if (r == 0)
			r = need_kind(v, &d, KIND_LAYER, "a layer", err);
		if (r == 0)
			r = add_layer(img, &d, NULL, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_config(const struct json *doc, const struct oci_platform *p,
		       struct oci_image *img, struct cis_error *err)
{
	cleanup(image_config_done) struct image_config wants = {0};
	struct oci_platform any_variant = *p;
	const struct json *rootfs, *ids;
	size_t i = 0;
	int r = json_need(doc, "rootfs", &rootfs, err);

	if (r == 0)
		r = json_need(rootfs, "diff_ids", &ids, err);
	if (r == 0)
		r = check_count(ids, err);
	if (r < 0)
		return r;
	/* An index may know a variant that the configuration does not name. */
	any_variant.variant[0] = '\0';
	if (!is_for(doc, &any_variant))
		return json_fail(doc, err, EINVAL, "is not for %s/%s", p->os, p->arch);
	if (ids->n != img->n_layers)
		return json_fail(ids, err, EINVAL, "names %zu layers, the manifest %zu", ids->n,
				 img->n_layers);
	json_foreach(v, ids) {
		r = read_digest(v, img->layers[i++].diff, err);
		if (r < 0)
			return r;
	}
	/* Of what no run could give it, it shall not be told only when it has replaced another. */
	return image_config_parse(doc, &wants, err);
}

/* As it says itself; OCI's need not, and docker's first kind does not. */
static int read_own_media(const struct json *doc, struct oci_lead *ret, struct cis_error *err)
{
	const struct json *v = json_get(doc, "mediaType");
	bool is_index = json_get(doc, "manifests");
	const char *text = is_index ? medias[0].name : medias[2].name;
	enum kind kind = is_index ? KIND_INDEX : KIND_MANIFEST;
	int64_t version = 0;
	int r = json_want(doc, JSON_OBJECT, err);

	if (r == 0 && json_get(doc, "schemaVersion"))
		r = json_want_int(json_get(doc, "schemaVersion"), 0, INT64_MAX, &version, err);
	if (r == 0 && version != 2)
		r = json_fail(doc, err, EINVAL,
			      "is of schema %lld, not 2: push it with a registry client of this "
			      "decade", (long long)version);
	if (r == 0 && v)
		r = read_media(v, &kind, err);
	if (r == 0 && v)
		r = json_want_string(v, &text, err);
	if (r < 0)
		return r;
	if (kind != KIND_INDEX && kind != KIND_MANIFEST)
		return json_fail(v, err, EINVAL, "is neither a manifest nor an index");
	ret->is_index = kind == KIND_INDEX;
	snprintf(ret->media, sizeof ret->media, "%s", text);
	return 0;
}

static int read_layout(const struct reader *in, struct oci_image *img, struct cis_error *err)
{
	cleanup(json_freep) struct json *index = NULL, *manifest = NULL, *config = NULL;
	cleanup_free char *text = NULL;
	struct descriptor d, c;
	struct oci_lead own;
	size_t len;
	int r = read_text(in->dir, "index.json", &text, &len, err);

	if (r == 0)
		r = json_parse(text, len, 0, "index.json", &index, err);
	if (r == 0)
		r = find_manifest(in, index, &d, err);
	if (r == 0)
		r = read_blob(in, &d, &img->manifest, &manifest, err);
	if (r == 0)
		r = read_own_media(manifest, &own, err);
	if (r == 0 && own.is_index)
		r = json_fail(manifest, err, EINVAL, "is an index, and called a manifest");
	if (r == 0)
		r = read_manifest(manifest, img, &c, err);
	if (r == 0)
		r = read_blob(in, &c, &img->config, &config, err);
	if (r == 0)
		r = read_config(config, &in->platform, img, err);
	if (r == 0)
		memcpy(img->digest, d.hex, UNPACK_HEX);
	return r;
}

/* ---- a registry's ---------------------------------------------------------------------- */

static int follow_index(const struct json *doc, const struct oci_platform *p,
			struct descriptor *ret, struct cis_error *err)
{
	const struct json *list, *entry;
	int r = json_need(doc, "manifests", &list, err);

	if (r == 0)
		r = json_want(list, JSON_ARRAY, err);
	if (r == 0)
		r = choose(list, NULL, p, true, &entry, err);
	if (r == 0)
		r = read_descriptor(entry, ret, err);
	if (r == 0 && ret->kind != KIND_INDEX)
		r = need_kind(entry, ret, KIND_MANIFEST, "an image", err);
	return r;
}

int oci_follow(const char *text, size_t len, const char *what,
	       const struct oci_platform *platform, struct oci_lead *ret, struct cis_error *err)
{
	const struct oci_platform p = platform_or_ours(platform);
	cleanup(oci_image_done) struct oci_image img = {0};
	cleanup(json_freep) struct json *doc = NULL;
	struct oci_lead lead = {0};
	struct descriptor d;
	int r = json_parse(text, len, 0, what, &doc, err);

	if (r == 0)
		r = read_own_media(doc, &lead, err);
	if (r == 0)
		r = lead.is_index ? follow_index(doc, &p, &d, err)
				  : read_manifest(doc, &img, &d, err);
	if (r < 0)
		return r;
	memcpy(lead.hex, d.hex, UNPACK_HEX);
	lead.size = d.size;
	*ret = lead;
	return 0;
}

/* ---- docker save ---------------------------------------------------------------------- */

/* docker's "debian:13" is podman's "docker.io/library/debian:13". */
static bool is_same_ref(const char *a, const char *b)
{
	cleanup(image_ref_done) struct image_ref x = {0}, y = {0};
	cleanup_free char *p = NULL, *q = NULL;

	if (strcmp(a, b) == 0)
		return true;
	/* Whoever says a digest wants no other image that has the tag. */
	return image_ref_parse(a, &x, NULL) == 0 && image_ref_parse(b, &y, NULL) == 0 &&
	       image_ref_format(&x, &p) == 0 && image_ref_format(&y, &q) == 0 &&
	       strcmp(p, q) == 0 && strcmp(x.digest, y.digest) == 0;
}

static int choose_saved(const struct json *list, const char *ref, const struct json **ret,
			struct cis_error *err)
{
	char there[400] = "";
	int r = json_want(list, JSON_ARRAY, err);

	if (r < 0)
		return r;
	if (!ref && list->n == 1) {
		*ret = list->first;
		return 0;
	}
	if (!ref)
		return json_fail(list, err, EINVAL, "has %zu images: say which by --ref",
				 list->n);
	json_foreach(v, list) {
		const struct json *tags = json_get(v, "RepoTags");

		if (!tags || tags->type != JSON_ARRAY)
			continue;
		json_foreach(t, tags) {
			size_t n = strlen(there);

			if (t->type != JSON_STRING)
				continue;
			if (is_same_ref(t->string, ref)) {
				*ret = v;
				return 0;
			}
			snprintf(there + n, sizeof there - n, "%s%.200s", n ? ", " : ", only ",
				 t->string);
		}
	}
	return json_fail(list, err, ENOENT, "has no image \"%.200s\"%s", ref, there);
}

/* "HEX.json" in old archives, "blobs/sha256/HEX" in new ones. */
static bool is_named_by(const char *path, const char *hex)
{
	const char *slash = strrchr(path, '/');
	const char *base = slash ? slash + 1 : path;

	return strncmp(base, hex, UNPACK_HEX - 1) == 0 &&
	       (strcmp(base + UNPACK_HEX - 1, "") == 0 ||
		strcmp(base + UNPACK_HEX - 1, ".json") == 0);
}

static int read_saved_config(const struct reader *in, const struct json *v,
			     struct oci_image *img, struct cis_error *err)
{
	cleanup(json_freep) struct json *doc = NULL;
	const char *path;
	size_t len;
	int r = json_want_string(v, &path, err);

	if (r == 0)
		r = read_text(in->dir, path, &img->config, &len, err);
	if (r == 0)
		sha256_hex(img->config, len, img->digest);
	if (r == 0 && !is_named_by(path, img->digest))
		r = json_fail(v, err, EIO, "%.200s has the digest sha256:%s", path, img->digest);
	if (r == 0)
		r = json_parse(img->config, len, 0, path, &doc, err);
	return r == 0 ? read_config(doc, &in->platform, img, err) : r;
}

static int read_saved(const struct reader *in, struct oci_image *img, struct cis_error *err)
{
	cleanup(json_freep) struct json *doc = NULL;
	const struct json *image = NULL, *config, *layers;
	cleanup_free char *text = NULL;
	size_t len;
	int r = read_text(in->dir, "manifest.json", &text, &len, err);

	if (r == 0)
		r = json_parse(text, len, 0, "manifest.json", &doc, err);
	if (r == 0)
		r = choose_saved(doc, in->ref, &image, err);
	if (r == 0)
		r = json_need(image, "Config", &config, err);
	if (r == 0)
		r = json_need(image, "Layers", &layers, err);
	if (r == 0)
		r = check_count(layers, err);
	if (r < 0)
		return r;
	json_foreach(v, layers) {
		const char *path;

		r = json_want_string(v, &path, err);
		if (r == 0)
			r = add_layer(img, NULL, path, err);
		if (r < 0)
			return r;
	}
	return read_saved_config(in, config, img, err);
}

/* ---- chain ids --------------------------------------------------------------------------- */

static void set_chains(struct oci_image *img)
{
	char text[2 * (7 + UNPACK_HEX)];

	memcpy(img->layers[0].chain, img->layers[0].diff, UNPACK_HEX);
	for (size_t i = 1; i < img->n_layers; i++) {
		snprintf(text, sizeof text, "sha256:%s sha256:%s", img->layers[i - 1].chain,
			 img->layers[i].diff);
		sha256_hex(text, strlen(text), img->layers[i].chain);
	}
}

/* ---- both ------------------------------------------------------------------------------- */

static bool has(int dir, const char *name)
{
	return faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

bool oci_is_image(int dir)
{
	return has(dir, "oci-layout") || has(dir, "manifest.json");
}

int oci_read(int dir, const char *ref, const struct oci_platform *platform,
	     struct oci_image *ret, struct cis_error *err)
{
	cleanup(oci_image_done) struct oci_image img = {0};
	const struct reader in = {dir, ref, platform_or_ours(platform)};
	/* New archives of docker's are both; its own part knows tags by their full names. */
	bool is_layout = has(dir, "oci-layout") && !(ref && has(dir, "manifest.json"));
	int r = is_layout ? read_layout(&in, &img, err) : read_saved(&in, &img, err);

	if (r < 0)
		return r;
	set_chains(&img);
	*ret = img;
	img = (struct oci_image){0};
	return 0;
}

int oci_open_layer(int dir, const struct oci_layer *layer, struct cis_error *err)
{
	uint64_t size;
	int fd = open_file(dir, layer->path, &size, err);

	if (fd < 0 || !*layer->blob || size == layer->size)
		return fd;
	fd_close(fd);
	return cis_fail_plain(err, EIO, "%s has %llu bytes, the manifest says %llu", layer->path,
			      (unsigned long long)size, (unsigned long long)layer->size);
}
