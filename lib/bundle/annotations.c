/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Annotations are not only for people: run.oci.* of crun chooses another handler, or has it
 * pass descriptors, org.systemd.property.* of runc sets what systemd runs, io.cisandbox.* ours,
 * and others' runtimes have their own. So a label keeps its key only where that is the
 * image-spec's.
 */
#include "annotations.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../base/io.h"
#include "../base/json.h"

#define LABELS_MAX 4096 /* each is compared with all others */
#define SPEC "org.opencontainers.image."

static int add(struct strv *ret, const char *prefix, const char *key, const char *value)
{
	cleanup_free char *pair = NULL;

	/* The key ends at the first of them. */
	if (strchr(key, '='))
		return 0;
	if (str_format(&pair, "%s%s=%s", prefix, key, value) < 0)
		return -ENOMEM;
	return strv_add(ret, pair);
}

static const char *text_of(const struct json *obj, const char *key)
{
	const struct json *v = obj ? json_get(obj, key) : NULL;

	return v && v->type == JSON_STRING && *v->string ? v->string : NULL;
}

static int add_member(const struct json *obj, const char *member, const char *key,
		      struct strv *ret)
{
	const char *text = text_of(obj, member);

	return text ? add(ret, SPEC, key, text) : 0;
}

/* "80/tcp,443/tcp": the keys of an object whose values are empty. */
static int add_ports(const struct json *config, struct strv *ret)
{
	const struct json *ports = config ? json_get(config, "ExposedPorts") : NULL;
	cleanup_free char *list = NULL;
	size_t n = 0;
	char *at;

	if (!ports || ports->type != JSON_OBJECT || !ports->n)
		return 0;
	json_foreach(p, ports)
		n += strlen(p->key) + 1;
	list = at = malloc(n);
	if (!list)
		return -ENOMEM;
	json_foreach(p, ports)
		at = stpcpy(at == list ? at : stpcpy(at, ","), p->key);
	return add(ret, SPEC, "exposedPorts", list);
}

static int add_labels(const struct json *config, struct strv *ret)
{
	const struct json *labels = config ? json_get(config, "Labels") : NULL;
	int r = 0;

	if (!labels || labels->type != JSON_OBJECT)
		return 0;
	if (labels->n > LABELS_MAX)
		return -E2BIG;
	json_foreach(l, labels)
		if (r == 0 && l->type == JSON_STRING)
			r = add(ret, str_starts(l->key, SPEC) ? "" : IMAGE_LABEL, l->key,
				l->string);
	return r;
}

/* Labels last: what they say explicitly counts. */
static int gather(const struct json *doc, struct strv *ret)
{
	static const char *const members[] = {"os", "architecture", "variant", "author",
					      "created"};
	const struct json *config = json_get(doc, "config");
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(members) && r == 0; i++)
		r = add_member(doc, members[i], members[i], ret);
	if (r == 0)
		r = add_member(config, "StopSignal", "stopSignal", ret);
	if (r == 0)
		r = add_ports(config, ret);
	return r == 0 ? add_labels(config, ret) : r;
}

int image_annotations_read(int dir, const char *image, struct strv *ret, struct cis_error *err)
{
	cleanup(json_freep) struct json *doc = NULL;
	cleanup_free char *text = NULL;
	size_t len;
	int r = io_read_file_at(dir, "config.json", JSON_MAX_TEXT, &text, &len);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return cis_fail(err, -r, "image \"%s\": config.json", image);
	r = json_parse(text, len, 0, "config.json", &doc, err);
	if (r < 0)
		return cis_wrap(err, r, "image \"%s\"", image);
	r = gather(doc, ret);
	return r < 0 ? cis_fail(err, -r, "image \"%s\": labels", image) : 0;
}
