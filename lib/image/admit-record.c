/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is compared at a start is all in image.json, which root alone can write: nothing is
 * asked over the network then, and nothing hashed. A policy that has become stricter since
 * makes images wait for the next pull, which verifies again.
 */
#include "admit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void admit_record_done(struct admit_record *r)
{
	free(r->repository);
	free(r->digest);
	free(r->key);
	free(r->identity);
	free(r->issuer);
	free(r->trust);
	free(r->sbom);
	strv_done(&r->denied);
	*r = (struct admit_record){0};
}

static void set_if(struct json *doc, const char *key, const char *value)
{
	if (value)
		json_set_string(doc, key, value);
}

struct json *admit_record_json(const struct admit_record *r)
{
	struct json *doc = r->repository ? json_object_new() : NULL;

	if (!doc)
		return NULL;
	json_set_string(doc, "repository", r->repository);
	json_set_string(doc, "digest", r->digest);
	json_set_int(doc, "time", r->time);
	set_if(doc, "cosign-key", r->key);
	set_if(doc, "identity", r->identity);
	set_if(doc, "issuer", r->issuer);
	set_if(doc, "trust", r->trust);
	if (admit_record_is_verified(r))
		json_set_bool(doc, "tlog", !r->no_tlog);
	if (r->sbom) {
		json_set_string(doc, "sbom", r->sbom);
		json_set_int(doc, "packages", (int64_t)r->packages);
		json_set_strv(doc, "denied", &r->denied);
	}
	return doc;
}

static int read_text(const struct json *v, const char *key, char **ret, struct cis_error *err)
{
	const struct json *member = json_get(v, key);
	const char *text;
	int r = member ? json_want_string(member, &text, err) : 0;

	if (r == 0 && member && str_set(ret, text) < 0)
		return cis_fail(err, ENOMEM, "%s", key);
	return r;
}

static int read_texts(const struct json *v, struct admit_record *r, struct cis_error *err)
{
	struct {
		const char *key;
		char **to;
	} const texts[] = {{"repository", &r->repository}, {"digest", &r->digest},
			   {"cosign-key", &r->key},        {"identity", &r->identity},
			   {"issuer", &r->issuer},         {"trust", &r->trust},
			   {"sbom", &r->sbom}};
	int k = json_want(v, JSON_OBJECT, err);

	for (size_t i = 0; i < ARRAY_SIZE(texts) && k == 0; i++)
		k = read_text(v, texts[i].key, texts[i].to, err);
	if (k == 0 && (!r->repository || !r->digest))
		k = json_fail(v, err, EINVAL, "has no repository, or no digest");
	return k;
}

int admit_record_read(const struct json *v, struct admit_record *ret, struct cis_error *err)
{
	cleanup(admit_record_done) struct admit_record rec = {0};
	const struct json *time = json_get(v, "time"), *tlog = json_get(v, "tlog");
	const struct json *packages = json_get(v, "packages"), *denied = json_get(v, "denied");
	bool asked = false;
	int r = read_texts(v, &rec, err);

	if (r == 0 && time)
		r = json_want_int(time, INT64_MIN, INT64_MAX, &rec.time, err);
	if (r == 0 && tlog)
		r = json_want_bool(tlog, &asked, err);
	if (r == 0 && packages)
		r = json_want_u64(packages, INT64_MAX, &rec.packages, err);
	if (r == 0 && denied)
		r = json_want_strv(denied, &rec.denied, err);
	if (r < 0)
		return r;
	rec.no_tlog = !asked;
	*ret = rec;
	rec = (struct admit_record){0};
	return 0;
}

int admit_pem_body(const char *pem, char **ret)
{
	cleanup_free char *body = malloc(strlen(pem) + 1);
	bool inside = false;
	size_t n = 0;

	if (!body)
		return -ENOMEM;
	for (const char *p = pem; *p; p += strcspn(p, "\n"), p += *p == '\n') {
		size_t len = strcspn(p, "\r\n");

		if (str_starts(p, "-----"))
			inside = str_starts(p, "-----BEGIN ");
		else if (inside)
			n = (size_t)((char *)mempcpy(body + n, p, len) - body);
	}
	if (n == 0 || inside)
		return -EBADMSG;
	body[n] = '\0';
	*ret = steal_ptr(&body);
	return 0;
}

/* ---- judging ------------------------------------------------------------------------------ */

static bool is_same(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : !a && !b;
}

static bool has(const struct strv *l, const char *text)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->v[i], text) == 0)
			return true;
	return false;
}

static int judge_signer(const struct admit_signer *s, const struct admit_record *r,
			struct cis_error *err)
{
	cleanup_free char *trust = NULL;

	if (s->pem && admit_pem_body(s->pem, &trust) < 0)
		return cis_fail(err, ENOMEM, "%s", s->path);
	if (!s->identity && (!r->key || !is_same(trust, r->trust)))
		return cis_fail_plain(err, EACCES, "was not verified with the key %s", s->path);
	if (s->identity && (!is_same(s->identity, r->identity) || !is_same(s->issuer, r->issuer) ||
			    !is_same(trust, r->trust)))
		return cis_fail_plain(err, EACCES, "was not verified as signed by %s (%s)",
				      s->identity, s->issuer);
	if (r->no_tlog && !s->no_tlog)
		return cis_fail_plain(err, EACCES, "was verified without the transparency log");
	return 0;
}

static int judge_sbom(const struct admit_rule *rule, const struct admit_record *r,
		      struct cis_error *err)
{
	if (rule->sbom && !r->sbom)
		return cis_fail_plain(err, EACCES, "has had no SBOM verified");
	for (size_t i = 0; i < rule->denied.n; i++)
		if (!has(&r->denied, rule->denied.v[i]))
			return cis_fail_plain(err, EACCES, "was not looked through for \"%s\"",
					      rule->denied.v[i]);
	return 0;
}

static int judge(const struct admit_policy *p, const struct admit_record *r,
		 struct cis_error *err)
{
	const struct admit_rule *rule;
	int k;

	if (!r->repository)
		return p->imports ? 0
				  : cis_fail_plain(err, EACCES, "came by no registry, and "
						   "\"accept-imports\" is not true");
	rule = admit_policy_find(p, r->repository);
	if (!rule)
		return cis_fail_plain(err, EACCES, "no rule is for %s", r->repository);
	if (rule->accept_unsigned)
		return 0;
	k = judge_signer(&rule->signer, r, err);
	return k < 0 ? k : judge_sbom(rule, r, err);
}

int admit_record_judge(const struct admit_policy *p, const struct admit_record *r,
		       struct cis_error *err)
{
	int k = p->path ? judge(p, r, err) : 0;

	return k < 0 ? cis_wrap(err, k, "refused by %s", p->path) : 0;
}

int admit_start(const struct admit_record *r, struct cis_error *err)
{
	cleanup(admit_policy_done) struct admit_policy p = {0};
	int k = admit_policy_load(&p, err);

	if (k == 0)
		k = admit_record_judge(&p, r, err);
	return k;
}
