/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cosign's status says that signatures are sound. What they are about, it is not asked to
 * say: the digest is looked for here, in the signed bytes themselves. So a cosign that is told
 * a wrong thing, or checks less in its next version, admits no other image.
 *
 * All of it is parsed by the caller, with base/json.c, as other JSON of images is (HACKING,
 * (ao)). An SBOM has been signed by then, but whoever signs is not trusted to be harmless:
 * JSON_LARGE bounds bytes, depth and values.
 */
#include "admit.h"

#include <errno.h>
#include <string.h>

#include "../base/base64.h"

#define PAYLOAD_TYPE "application/vnd.in-toto+json"
#define STATEMENT_TYPE "https://in-toto.io/Statement/v"
#define ATTESTATIONS_MAX 64

static bool is_string(const struct json *obj, const char *key, const char *text)
{
	const struct json *v = json_get(obj, key);

	return v && v->type == JSON_STRING && strcmp(v->string, text) == 0;
}

static const char *text_of(const struct json *obj, const char *key)
{
	const struct json *v = json_get(obj, key);

	return v && v->type == JSON_STRING ? v->string : NULL;
}

/* ---- signatures --------------------------------------------------------------------------- */

static bool is_signature_of(const struct json *payload, const char *hex)
{
	const struct json *critical = json_get(payload, "critical");
	const struct json *image = json_get(critical, "image");
	const char *digest = text_of(image, "docker-manifest-digest");

	return is_string(critical, "type", "cosign container image signature") && digest &&
	       str_starts(digest, "sha256:") && strcmp(digest + 7, hex) == 0;
}

int admit_read_signatures(const char *text, size_t len, const char *hex, struct cis_error *err)
{
	cleanup(json_freep) struct json *doc = NULL;
	int r = json_parse(text, len, 0, "signatures", &doc, err);

	if (r == 0)
		r = json_want(doc, JSON_ARRAY, err);
	if (r < 0)
		return r;
	json_foreach(payload, doc)
		if (is_signature_of(payload, hex))
			return 0;
	return cis_fail_plain(err, EACCES, "what was signed is not sha256:%s", hex);
}

/* ---- packages ------------------------------------------------------------------------------- */

struct look {
	const struct strv *denied;
	uint64_t packages;
};

/* Into a sentence go only so many bytes of it, and none that a terminal could obey. */
static void printable(const char *s, char ret[static 128])
{
	size_t n = 0;

	for (; *s && n < 127; s++)
		ret[n++] = *s < ' ' || *s > '~' ? '?' : *s;
	ret[n] = '\0';
}

static int judge_package(struct look *l, const struct json *v, const struct admit_package *p,
			 struct cis_error *err)
{
	char name[128], version[128];

	if (!p->name || !*p->name)
		return json_fail(v, err, EBADMSG, "is a package without a name");
	for (size_t i = 0; i < l->denied->n; i++) {
		if (!admit_is_denied(l->denied->v[i], p))
			continue;
		printable(p->name, name);
		printable(p->version ? p->version : "of unknown version", version);
		return cis_fail_plain(err, EACCES, "has the package %s %s, which is denied by "
				      "\"%s\"", name, version, l->denied->v[i]);
	}
	return 0;
}

/* By its name, and by each of the other names that it is given. */
static int judge_spdx(struct look *l, const struct json *package, struct cis_error *err)
{
	const struct json *refs = json_get(package, "externalRefs");
	struct admit_package p = {
		.name = text_of(package, "name"),
		.version = text_of(package, "versionInfo"),
	};
	bool alone = true;
	int r = 0;

	l->packages++;
	if (refs)
		json_foreach(ref, refs)
			if (r == 0 && is_string(ref, "referenceType", "purl")) {
				p.purl = text_of(ref, "referenceLocator");
				r = judge_package(l, package, &p, err);
				alone = false;
			}
	return r == 0 && alone ? judge_package(l, package, &p, err) : r;
}

static int look_spdx(struct look *l, const struct json *doc, struct cis_error *err)
{
	const char *version = text_of(doc, "spdxVersion");
	const struct json *list;
	int r = 0;

	if (!version || !str_starts(version, "SPDX-2."))
		return json_fail(doc, err, EBADMSG, "is no SPDX 2 document");
	r = json_need(doc, "packages", &list, err);
	if (r == 0)
		r = json_want(list, JSON_ARRAY, err);
	if (r < 0)
		return r;
	json_foreach(v, list) {
		r = judge_spdx(l, v, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* The component after @v, those that are in it first. */
static const struct json *next_component(const struct json *v, const struct json *top)
{
	const struct json *inner = json_get(v, "components");

	if (inner && inner->type == JSON_ARRAY && inner->first)
		return inner->first;
	/* Up: a component's parent is a list, whose parent is a component, or the document. */
	while (!v->next && v->parent != top)
		v = v->parent->parent;
	return v->next;
}

static int judge_component(struct look *l, const struct json *v, struct cis_error *err)
{
	const struct json *inner = json_get(v, "components");
	const struct admit_package p = {
		.name = text_of(v, "name"),
		.group = text_of(v, "group"),
		.version = text_of(v, "version"),
		.purl = text_of(v, "purl"),
	};
	int r = inner ? json_want(inner, JSON_ARRAY, err) : 0;

	l->packages++;
	return r < 0 ? r : judge_package(l, v, &p, err);
}

/* All of a list, and what is in them. */
static int judge_components(struct look *l, const struct json *list, struct cis_error *err)
{
	int r = json_want(list, JSON_ARRAY, err);

	for (const struct json *v = r == 0 ? list->first : NULL; v && r == 0;
	     v = next_component(v, list))
		r = judge_component(l, v, err);
	return r;
}

static int look_cyclonedx(struct look *l, const struct json *doc, struct cis_error *err)
{
	const struct json *list, *about = json_get(doc, "metadata"), *inner;
	int r;

	if (!is_string(doc, "bomFormat", "CycloneDX"))
		return json_fail(doc, err, EBADMSG, "is no CycloneDX document");
	r = json_need(doc, "components", &list, err);
	if (r == 0)
		r = judge_components(l, list, err);
	/* What the document is about is one, too. */
	about = about ? json_get(about, "component") : NULL;
	inner = about ? json_get(about, "components") : NULL;
	if (r == 0 && about)
		r = judge_component(l, about, err);
	return r == 0 && inner ? judge_components(l, inner, err) : r;
}

/* ---- attestations --------------------------------------------------------------------------- */

/* "https://spdx.dev/Document", and what newer versions add to it: "/v2.3". */
static bool is_predicate(const char *type, const char *wanted)
{
	size_t n = strlen(wanted);

	return type && strncmp(type, wanted, n) == 0 && (!type[n] || type[n] == '/');
}

static bool is_about(const struct json *statement, const char *hex)
{
	const struct json *subjects = json_get(statement, "subject");

	if (subjects && subjects->type == JSON_ARRAY)
		json_foreach(s, subjects)
			if (is_string(json_get(s, "digest"), "sha256", hex))
				return true;
	return false;
}

/* 1: it is of this image, and looked through; 0: it is none of ours. */
static int look_statement(struct look *l, const struct json *st, const char *hex,
			  struct cis_error *err)
{
	const char *type = text_of(st, "_type"), *predicate = text_of(st, "predicateType");
	const struct json *sbom;
	int r;

	if (!type || !str_starts(type, STATEMENT_TYPE))
		return json_fail(st, err, EBADMSG, "is no in-toto statement");
	if (!is_about(st, hex))
		return 0;
	r = json_need(st, "predicate", &sbom, err);
	if (r == 0)
		r = json_want(sbom, JSON_OBJECT, err);
	if (r < 0)
		return r;
	if (is_predicate(predicate, "https://spdx.dev/Document"))
		r = look_spdx(l, sbom, err);
	else if (is_predicate(predicate, "https://cyclonedx.org/bom"))
		r = look_cyclonedx(l, sbom, err);
	else
		return 0;
	return r < 0 ? r : 1;
}

static int look_envelope(struct look *l, const char *line, size_t len, const char *hex,
			 struct cis_error *err)
{
	cleanup(json_freep) struct json *envelope = NULL, *statement = NULL;
	cleanup_free char *text = NULL;
	const struct json *payload;
	size_t n;
	int r = json_parse(line, len, JSON_LARGE, "attestation", &envelope, err);

	if (r == 0)
		r = json_need(envelope, "payload", &payload, err);
	if (r == 0)
		r = json_want(payload, JSON_STRING, err);
	if (r < 0)
		return r;
	if (!is_string(envelope, "payloadType", PAYLOAD_TYPE))
		return json_fail(envelope, err, EBADMSG, "is no in-toto attestation");
	r = base64_decode(payload->string, payload->n, &text, &n);
	if (r < 0)
		return json_fail(payload, err, -r, "is no base64");
	r = json_parse(text, n, JSON_LARGE, "attestation's payload", &statement, err);
	return r < 0 ? r : look_statement(l, statement, hex, err);
}

int admit_read_attestations(const char *text, size_t len, const char *hex,
			    const struct strv *denied, uint64_t *ret_packages,
			    struct cis_error *err)
{
	struct look l = {.denied = denied};
	size_t lines = 0;
	bool found = false;

	for (const char *p = text, *end = text + len, *next; p < end; p = next) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		int r;

		next = nl ? nl + 1 : end;
		if (next - p <= 1)
			continue;
		if (++lines > ATTESTATIONS_MAX)
			return cis_fail_plain(err, E2BIG, "more than %d attestations",
					      ATTESTATIONS_MAX);
		r = look_envelope(&l, p, (size_t)(next - p), hex, err);
		if (r < 0)
			return cis_wrap(err, r, "SBOM");
		found = found || r > 0;
	}
	if (!found)
		return cis_fail_plain(err, EACCES, "SBOM: no attestation of one is about sha256:%s",
				      hex);
	*ret_packages = l.packages;
	return 0;
}
