/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "admit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/fd.h"
#include "../base/io.h"
#include "../base/process.h"

void admit_signer_done(struct admit_signer *s)
{
	free(s->path);
	free(s->pem);
	free(s->identity);
	free(s->issuer);
	*s = (struct admit_signer){0};
}

void admit_rule_done(struct admit_rule *r)
{
	free(r->prefix);
	admit_signer_done(&r->signer);
	strv_done(&r->denied);
	*r = (struct admit_rule){0};
}

void admit_policy_done(struct admit_policy *p)
{
	for (size_t i = 0; i < p->n; i++)
		admit_rule_done(&p->rules[i]);
	free(p->rules);
	free(p->path);
	*p = (struct admit_policy){0};
}

/* ---- files that are trusted ------------------------------------------------------------ */

/* Whoever could write to it would be who decides. */
static int check_owner(int fd, const char *path, struct cis_error *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return cis_fail(err, errno, "%s", path);
	if (!S_ISREG(st.st_mode))
		return cis_fail_plain(err, EINVAL, "%s is no regular file", path);
	if (st.st_mode & (S_IWGRP | S_IWOTH)) {
		cis_fail_plain(err, EPERM, "%s can be written by others than its owner", path);
		return cis_hint(err, "chmod go-w %s", path);
	}
	/* In a user's namespace root's files are nobody's. */
	if (st.st_uid != 0 && st.st_uid != geteuid() && !process_is_rootless()) {
		cis_fail_plain(err, EPERM, "%s belongs to the user %u", path, st.st_uid);
		return cis_hint(err, "chown root %s", path);
	}
	return 0;
}

static int read_trusted(const char *path, size_t max, char **ret, size_t *ret_len,
			struct cis_error *err)
{
	/* Not to wait for a FIFO. */
	cleanup_close int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	int r;

	if (fd < 0)
		return cis_fail(err, errno, "%s", path);
	r = check_owner(fd, path, err);
	if (r < 0)
		return r;
	r = io_read_fd(fd, max, ret, ret_len);
	return r < 0 ? cis_fail(err, -r, "%s", path) : 0;
}

/* ---- signers --------------------------------------------------------------------------- */

static int load_pem(struct admit_signer *s, const char *path, struct cis_error *err)
{
	cleanup_free char *body = NULL;
	int r = read_trusted(path, ADMIT_PEM_MAX, &s->pem, NULL, err);

	if (r == 0 && str_set(&s->path, path) < 0)
		return cis_fail(err, ENOMEM, "%s", path);
	if (r < 0)
		return r;
	if (admit_pem_body(s->pem, &body) < 0)
		return cis_fail_plain(err, EINVAL, "%s has nothing in PEM", path);
	/* The like of "cosign-key=cosign.key" should be said before a registry is asked. */
	if (!s->identity && !strstr(s->pem, "-----BEGIN PUBLIC KEY-----"))
		return cis_fail_plain(err, EINVAL, "%s is no public key (cosign.pub is one)", path);
	return 0;
}

/* What has been said so far; the file is read when all of it is known. */
struct words {
	char *key, *identity, *issuer, *roots;
	bool no_tlog;
};

static void words_done(struct words *w)
{
	free(w->key);
	free(w->identity);
	free(w->issuer);
	free(w->roots);
}

/* @what says in whose words: those of an option, or of a policy. */
static int make_signer(struct words *w, struct admit_signer *ret, const char *what,
		       struct cis_error *err)
{
	const char *path = w->key ? w->key : w->roots;
	int r = 0;

	if (!w->key == !w->identity || !w->identity != !w->issuer || (w->roots && w->key))
		return cis_fail_plain(err, EINVAL, "%s: want either cosign-key, or identity and "
				      "issuer", what);
	ret->identity = steal_ptr(&w->identity);
	ret->issuer = steal_ptr(&w->issuer);
	ret->no_tlog = w->no_tlog;
	if (path)
		r = load_pem(ret, path, err);
	if (r < 0) {
		admit_signer_done(ret);
		return cis_wrap(err, r, "%s", what);
	}
	return 0;
}

static int take_word(struct words *w, char *word, struct cis_error *err)
{
	struct {
		const char *key;
		char **to;
	} const keys[] = {{"cosign-key", &w->key},
			  {"identity", &w->identity},
			  {"issuer", &w->issuer},
			  {"ca-roots", &w->roots}};
	char *value = strchr(word, '=');

	if (strcmp(word, "tlog=off") == 0) {
		w->no_tlog = true;
		return 0;
	}
	if (value)
		*value++ = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (strcmp(word, keys[i].key) == 0 && !(value && *value))
			return cis_fail_plain(err, EINVAL, "--verify: %s needs a value", word);
		else if (strcmp(word, keys[i].key) == 0 && !*keys[i].to)
			return str_set(keys[i].to, value) < 0 ? cis_fail(err, ENOMEM, "--verify")
							      : 0;
	return cis_fail_plain(err, EINVAL, "--verify: \"%.100s\" is none of cosign-key=FILE, "
			      "identity=WHO, issuer=URL, ca-roots=FILE, tlog=off, or there twice",
			      word);
}

int admit_signer_parse(const char *text, struct admit_signer *ret, struct cis_error *err)
{
	cleanup(words_done) struct words w = {0};
	cleanup_free char *copy = strdup(text);
	char *rest = copy, *word;
	int r = copy ? 0 : cis_fail(err, ENOMEM, "--verify");

	*ret = (struct admit_signer){0};
	while (r == 0 && (word = strsep(&rest, ",")))
		r = take_word(&w, word, err);
	return r < 0 ? r : make_signer(&w, ret, "--verify", err);
}

int admit_rule_check(struct admit_rule *r, struct cis_error *err)
{
	for (size_t i = 0; i < r->denied.n; i++) {
		int k = admit_denied_check(r->denied.v[i], err);

		if (k < 0)
			return k;
	}
	if (r->denied.n > ADMIT_DENIED_MAX)
		return cis_fail_plain(err, E2BIG, "more than %d denied packages",
				      ADMIT_DENIED_MAX);
	r->sbom = r->sbom || r->denied.n > 0;
	if (r->sbom && !admit_signer_is_set(&r->signer))
		return cis_fail_plain(err, EINVAL, "an SBOM is demanded, but it is not said whose "
				      "signature it is to have");
	return 0;
}

/* ---- the policy -------------------------------------------------------------------------- */

static int want_copy(const struct json *obj, const char *key, char **ret, struct cis_error *err)
{
	const struct json *v = json_get(obj, key);
	const char *text;
	int r = v ? json_want_string(v, &text, err) : 0;

	if (!v || r < 0)
		return r;
	if (!*text)
		return json_fail(v, err, EINVAL, "is empty");
	return str_set(ret, text) < 0 ? cis_fail(err, ENOMEM, "%s", key) : 0;
}

static int want_flag(const struct json *obj, const char *key, bool *ret, struct cis_error *err)
{
	const struct json *v = json_get(obj, key);

	return v ? json_want_bool(v, ret, err) : 0;
}

static int read_signer(const struct json *obj, struct admit_rule *rule, struct cis_error *err)
{
	cleanup(words_done) struct words w = {0};
	bool tlog = true;
	int r = want_copy(obj, "cosign-key", &w.key, err);

	if (r == 0)
		r = want_copy(obj, "identity", &w.identity, err);
	if (r == 0)
		r = want_copy(obj, "issuer", &w.issuer, err);
	if (r == 0)
		r = want_copy(obj, "ca-roots", &w.roots, err);
	if (r == 0)
		r = want_flag(obj, "tlog", &tlog, err);
	if (r < 0)
		return r;
	w.no_tlog = !tlog;
	if (rule->accept_unsigned && !w.key && !w.identity && !w.issuer && !w.roots)
		return 0;
	if (rule->accept_unsigned)
		return json_fail(obj, err, EINVAL, "accepts what is unsigned, and says whose "
				 "signature it wants");
	/* Which file a relative path means would depend on where we are started. */
	if ((w.key && *w.key != '/') || (w.roots && *w.roots != '/'))
		return json_fail(obj, err, EINVAL, "files need an absolute path");
	r = make_signer(&w, &rule->signer, "signer", err);
	return r < 0 ? json_fail(obj, err, -r, "%.400s", err ? err->message : "") : 0;
}

/* "docker.io/library", by which it is found; a trailing slash would never match. */
static int read_prefix(const struct json *obj, struct admit_rule *rule, struct cis_error *err)
{
	const struct json *v;
	const char *text;
	int r = json_need(obj, "prefix", &v, err);

	if (r == 0)
		r = json_want_string(v, &text, err);
	if (r < 0)
		return r;
	if (*text && (text[strlen(text) - 1] == '/' || strpbrk(text, "@*? ") ||
		      strstr(text, "://") || str_starts(text, "index.docker.io") ||
		      strcspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") < strcspn(text, "/")))
		return json_fail(v, err, EINVAL, "is no repository, nor what one begins with "
				 "(\"ghcr.io/acme\"; \"\" is for all)");
	return str_set(&rule->prefix, text) < 0 ? cis_fail(err, ENOMEM, "prefix") : 0;
}

static int read_rule(const struct json *obj, struct admit_rule *ret, struct cis_error *err)
{
	static const char *const keys[] = {"prefix",   "cosign-key",   "identity",
					   "issuer",   "ca-roots",     "tlog",
					   "require-sbom", "deny-packages", "accept-unsigned",
					   NULL};
	const struct json *denied = json_get(obj, "deny-packages");
	struct cis_error why = {0};
	int r = json_check_keys(obj, keys, err);

	if (r == 0)
		r = read_prefix(obj, ret, err);
	if (r == 0)
		r = want_flag(obj, "accept-unsigned", &ret->accept_unsigned, err);
	if (r == 0)
		r = want_flag(obj, "require-sbom", &ret->sbom, err);
	if (r == 0 && denied)
		r = json_want_strv(denied, &ret->denied, err);
	if (r == 0)
		r = read_signer(obj, ret, err);
	if (r < 0)
		return r;
	r = admit_rule_check(ret, &why);
	return r < 0 ? json_fail(obj, err, -r, "%.400s", why.message) : 0;
}

static int read_rules(const struct json *list, struct admit_policy *p, struct cis_error *err)
{
	int r = json_want(list, JSON_ARRAY, err);

	if (r < 0)
		return r;
	p->rules = calloc(list->n + 1, sizeof *p->rules);
	if (!p->rules)
		return cis_fail(err, ENOMEM, "rules");
	json_foreach(v, list) {
		struct admit_rule *rule = &p->rules[p->n++];

		r = read_rule(v, rule, err);
		if (r < 0)
			return r;
		for (size_t i = 0; i + 1 < p->n; i++)
			if (strcmp(p->rules[i].prefix, rule->prefix) == 0)
				return json_fail(v, err, EINVAL, "a second rule for \"%s\"",
						 rule->prefix);
	}
	return 0;
}

int admit_policy_parse(const char *text, size_t len, const char *name,
		       struct admit_policy *ret, struct cis_error *err)
{
	static const char *const keys[] = {"accept-imports", "rules", NULL};
	cleanup(admit_policy_done) struct admit_policy p = {0};
	cleanup(json_freep) struct json *doc = NULL;
	const struct json *rules;
	int r = json_parse(text, len, JSON_COMMENTS, name, &doc, err);

	if (r == 0)
		r = json_check_keys(doc, keys, err);
	if (r == 0)
		r = want_flag(doc, "accept-imports", &p.imports, err);
	if (r == 0)
		r = json_need(doc, "rules", &rules, err);
	if (r == 0)
		r = read_rules(rules, &p, err);
	if (r == 0 && str_set(&p.path, name) < 0)
		r = cis_fail(err, ENOMEM, "%s", name);
	if (r < 0)
		return r;
	*ret = p;
	p = (struct admit_policy){0};
	return 0;
}

int admit_policy_load(struct admit_policy *ret, struct cis_error *err)
{
	const char *moved = secure_getenv("CISANDBOX_ADMISSION");
	const char *path = moved && *moved ? moved : ADMIT_POLICY;
	cleanup_free char *text = NULL;
	size_t len;
	int r;

	*ret = (struct admit_policy){0};
	/* One that was named, and is not there, was to demand something. */
	if (path != moved && access(path, F_OK) < 0 && errno == ENOENT)
		return 0;
	r = read_trusted(path, JSON_MAX_TEXT, &text, &len, err);
	if (r == 0)
		r = admit_policy_parse(text, len, path, ret, err);
	return r < 0 ? cis_wrap(err, r, "admission policy") : 0;
}

static bool is_below(const char *repository, const char *prefix)
{
	size_t n = strlen(prefix);

	return n == 0 || (strncmp(repository, prefix, n) == 0 &&
			  (repository[n] == '/' || !repository[n]));
}

const struct admit_rule *admit_policy_find(const struct admit_policy *p, const char *repository)
{
	const struct admit_rule *best = NULL;

	for (size_t i = 0; i < p->n; i++)
		if (is_below(repository, p->rules[i].prefix) &&
		    (!best || strlen(p->rules[i].prefix) > strlen(best->prefix)))
			best = &p->rules[i];
	return best;
}
