/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "info.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/fd.h"
#include "../base/io.h"
#include "layer.h"

/* Most of what there may be is the rules that packages were judged by. */
#define INFO_MAX (1U << 20)

void image_info_done(struct image_info *info)
{
	strv_done(&info->layers);
	free(info->source);
	info->source = NULL;
	admit_record_done(&info->admitted);
}

struct json *image_info_json(const struct image_info *info)
{
	struct json *doc = json_object_new();

	json_set_string(doc, "name", info->img.name);
	json_set_string(doc, "digest", info->img.digest);
	if (info->source)
		json_set_string(doc, "source", info->source);
	json_set_int(doc, "size", (int64_t)info->img.size);
	json_set_int(doc, "created", info->img.created);
	if (info->verity)
		json_set_int(doc, "verity_bytes", (int64_t)info->verity);
	if (info->layers.n)
		json_set_strv(doc, "layers", &info->layers);
	/* One that cannot be made fails the whole: without it the image would be an import's. */
	if (info->admitted.repository)
		json_set(doc, "admitted", admit_record_json(&info->admitted));
	return doc;
}

static int write_as(int dir, const char *name, const struct image_info *info)
{
	cleanup(json_freep) struct json *doc = image_info_json(info);
	cleanup_free char *text = NULL;
	cleanup_close int fd = -1;
	int r = doc ? json_write(doc, JSON_PRETTY, &text) : -ENOMEM;

	if (r < 0)
		return r;
	fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	return fd < 0 ? -errno : io_write_all(fd, text, strlen(text));
}

int image_info_write(int dir, const struct image_info *info)
{
	return write_as(dir, "image.json", info);
}

int image_info_replace(int dir, const struct image_info *info)
{
	static const char temp[] = ".image.json";
	int r;

	/* Of who was killed in between. */
	if (unlinkat(dir, temp, 0) < 0 && errno != ENOENT)
		return -errno;
	r = write_as(dir, temp, info);
	if (r == 0 && (syncfs(dir) < 0 || renameat(dir, temp, dir, "image.json") < 0))
		r = -errno;
	if (r < 0)
		unlinkat(dir, temp, 0);
	return r;
}

static int parse_layers(const struct json *v, struct image_info *ret, struct cis_error *err)
{
	int r = v ? json_want_strv(v, &ret->layers, err) : 0;

	if (r == 0 && ret->layers.n > IMAGE_LAYERS_MAX)
		r = json_fail(v, err, EINVAL, "has too many layers");
	for (size_t i = 0; i < ret->layers.n && r == 0; i++)
		if (strlen(ret->layers.v[i]) != UNPACK_HEX - 1 ||
		    strspn(ret->layers.v[i], "0123456789abcdef") != UNPACK_HEX - 1)
			r = json_fail(v, err, EINVAL, "has what is no digest");
	ret->img.layers = ret->layers.n;
	return r;
}

static int parse_source(const struct json *v, struct image_info *ret, struct cis_error *err)
{
	const char *text;
	int r = v ? json_want_string(v, &text, err) : 0;

	if (r == 0 && v && str_set(&ret->source, text) < 0)
		r = cis_fail(err, ENOMEM, "image");
	return r;
}

static int parse_verity(const struct json *v, struct image_info *ret, struct cis_error *err)
{
	int64_t bytes = 0;
	int r = v ? json_want_int(v, 0, INT64_MAX, &bytes, err) : 0;

	ret->verity = (uint64_t)bytes;
	return r;
}

static int parse(const struct json *doc, const char *name, struct image_info *ret,
		 struct cis_error *err)
{
	const struct json *name_v, *digest_v, *size_v, *created_v;
	const struct json *admitted = json_get(doc, "admitted");
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
		r = json_want_int(created_v, INT64_MIN, INT64_MAX, &ret->img.created, err);
	if (r < 0)
		return r;
	if (strcmp(own_name, name) != 0)
		return json_fail(name_v, err, EINVAL, "is not \"%s\"", name);
	if (strlen(digest) >= sizeof ret->img.digest || !str_starts(digest, "sha256:"))
		return json_fail(digest_v, err, EINVAL, "is not \"sha256:...\"");
	memcpy(ret->img.name, name, strlen(name) + 1);
	memcpy(ret->img.digest, digest, strlen(digest) + 1);
	ret->img.size = (uint64_t)size;
	r = parse_source(json_get(doc, "source"), ret, err);
	if (r == 0)
		r = parse_verity(json_get(doc, "verity_bytes"), ret, err);
	if (r == 0)
		r = parse_layers(json_get(doc, "layers"), ret, err);
	return r == 0 && admitted ? admit_record_read(admitted, &ret->admitted, err) : r;
}

int image_info_read(const struct store *s, int dir, const char *name, struct image_info *ret,
		    struct cis_error *err)
{
	cleanup(json_freep) struct json *doc = NULL;
	cleanup(image_info_done) struct image_info info = {0};
	cleanup_free char *path = NULL, *text = NULL;
	size_t len;
	int r = str_format(&path, "%s/%s/image.json", s->path, name);

	if (r == 0)
		r = io_read_file_at(dir, "image.json", INFO_MAX, &text, &len);
	if (r < 0)
		return cis_fail(err, -r, "%s", path ? path : name);
	r = json_parse(text, len, 0, path, &doc, err);
	if (r == 0)
		r = parse(doc, name, &info, err);
	if (r < 0)
		return r;
	*ret = info;
	info = (struct image_info){0};
	return 0;
}
