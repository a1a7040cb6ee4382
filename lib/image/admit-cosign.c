/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cosign is run in the box that skopeo is run in, once for signatures and once for each kind
 * of SBOM until there is one. It is given a digest, never a tag, and the key as it was when
 * we read it. What is copied afterwards is that digest: a tag that moves in between moves
 * nothing here.
 */
#include "admit-cosign.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../base/base64.h"
#include "../base/fd.h"
#include "../base/sha256.h"
#include "oci.h"
#include "tree.h"

#define PACKAGE "cosign, from Debian 13 on; or its maker's binary in /usr/local/bin"
#define OUT_MAX JSON_LARGE_TEXT
/* Of sigstore's roots: a megabyte. */
#define KEEP_MAX (64 << 20)
#define KEEP_DEPTH_MAX 8

/* One signer's word on an image. */
struct asking {
	const struct admit_question *q;
	const struct admit_signer *signer;
	struct netbox box; /* the registry's, and a file; owns nothing */
	char *ca;          /* of the registry; NULL: one of those that the host believes */
};

static void asking_done(struct asking *a)
{
	free(a->ca);
}

/* ---- words ------------------------------------------------------------------------------ */

static int add(struct strv *w, const char *option, const char *value)
{
	cleanup_free char *word = NULL;
	int r = str_format(&word, "%s%s%s", option, value ? "=" : "", value ? value : "");

	return r < 0 ? r : strv_add(w, word);
}

static int add_if(struct strv *w, bool yes, const char *option, const char *value)
{
	return yes ? add(w, option, value) : 0;
}

static int add_signer(struct strv *w, const struct admit_signer *s)
{
	int r;

	if (!s->identity)
		r = add(w, "--key", "/signer.pem");
	else
		r = add(w, "--certificate-identity", s->identity);
	if (r == 0)
		r = add_if(w, s->identity, "--certificate-oidc-issuer", s->issuer);
	if (r == 0)
		r = add_if(w, s->identity && s->pem, "--ca-roots", "/signer.pem");
	/* Only sigstore's own authority keeps a log of certificates. */
	if (r == 0)
		r = add_if(w, s->identity && s->pem, "--insecure-ignore-sct", "true");
	return r < 0 ? r : add_if(w, s->no_tlog, "--insecure-ignore-tlog", "true");
}

static int make_words(const struct asking *a, const char *verb, const char *type,
		      const char *hex, struct strv *w)
{
	const struct registry *reg = a->q->registry;
	cleanup_free char *image = NULL;
	int r = str_format(&image, "%s@sha256:%s", reg->repo, hex);

	if (r == 0)
		r = strv_add(w, "cosign");
	if (r == 0)
		r = strv_add(w, verb);
	if (r == 0)
		r = type ? add(w, "--type", type) : add(w, "--output", "json");
	if (r == 0)
		r = add_signer(w, a->signer);
	if (r == 0)
		r = add_if(w, reg->insecure, "--allow-http-registry", "true");
	if (r == 0)
		r = add_if(w, reg->insecure, "--allow-insecure-registry", "true");
	if (r == 0)
		r = add_if(w, a->ca, "--registry-cacert", a->ca);
	return r < 0 ? r : strv_add(w, image);
}

/* ---- what it writes ----------------------------------------------------------------------- */

/* On the disk, roughly: an empty file is one, too. Beyond @depth nobody keeps anything. */
static int64_t bytes_below(int dirfd, int depth)
{
	cleanup(dir_closep) DIR *list = tree_list(dirfd);
	int64_t sum = 0;
	struct dirent *e;
	struct stat st;

	while (list && sum <= KEEP_MAX && (e = readdir(list))) {
		cleanup_close int below = -1;

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
		    fstatat(dirfd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		sum += 4096 + st.st_blocks * 512;
		if (!S_ISDIR(st.st_mode))
			continue;
		below = depth ? tree_open_dir(dirfd, e->d_name) : -1;
		sum += below >= 0 ? bytes_below(below, depth - 1) : KEEP_MAX;
	}
	return sum;
}

static int64_t look(void *arg, struct cis_error *err)
{
	const struct asking *a = arg;
	cleanup_close int dir = open(a->box.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int64_t sum = dir < 0 ? 0 : bytes_below(dir, KEEP_DEPTH_MAX);

	return sum <= KEEP_MAX ? sum
			       : cis_fail_plain(err, EFBIG, "it keeps more than %d MiB of files",
						KEEP_MAX >> 20);
}

/* ---- answers ------------------------------------------------------------------------------ */

static const char *sentence(char *said)
{
	static const char prefix[] = "error during command execution: ";
	char *line = registry_message(said);

	return str_starts(line, prefix) ? line + strlen(prefix) : line;
}

/* 0: *ret has what it printed. -EACCES: it said no, whatever its reason. */
static int ask(const struct asking *a, const char *verb, const char *type, const char *hex,
	       struct netbox_result *ret, struct cis_error *err)
{
	static const char *const env[] = {"TUF_ROOT=/work/tuf", "COSIGN_MAX_ATTACHMENT_SIZE=32MB",
					  "REGISTRY_AUTH_FILE=/auth.json", NULL};
	const struct registry *reg = a->q->registry;
	cleanup(strv_done) struct strv words = {0};
	struct netbox_job job = {
		.package = PACKAGE,
		.env = env,
		.out_max = OUT_MAX,
		.file_max = OUT_MAX,
		.deadline = reg->deadline,
		.stall_msec = reg->stall_msec,
		.look = look,
		.arg = (void *)a,
	};
	int r = make_words(a, verb, type, hex, &words);

	if (r < 0)
		return cis_fail(err, -r, "cosign");
	job.argv = (const char *const *)words.v;
	r = netbox_run(&a->box, &job, ret, err);
	if (r < 0)
		return r == -ENOENT ? r : cis_wrap(err, r, "cosign %s", verb);
	if (ret->status > 128)
		return cis_fail_plain(err, EACCES, "cosign was killed by signal %d",
				      ret->status - 128);
	return ret->status == 0 ? 0
				: cis_fail_plain(err, EACCES, "cosign: %.400s",
						 sentence(ret->said));
}

/* Of both digests; the error is that of the first. *ret_hex: which it was. */
static int ask_both(const struct asking *a, const char *verb, const char *type,
		    struct netbox_result *ret, const char **ret_hex, struct cis_error *err)
{
	const char *const *d = a->q->digests;
	struct cis_error later;
	int r = ask(a, verb, type, d[0], ret, err);

	*ret_hex = d[0];
	if (r != -EACCES || !d[1] || strcmp(d[0], d[1]) == 0)
		return r;
	netbox_result_done(ret);
	*ret_hex = d[1];
	return ask(a, verb, type, d[1], ret, &later) < 0 ? r : 0;
}

/* ---- what is verified ---------------------------------------------------------------------- */

static int verify_signature(const struct asking *a, struct admit_record *rec,
			    struct cis_error *err)
{
	cleanup(netbox_result_done) struct netbox_result got = {0};
	const char *hex;
	int r = ask_both(a, "verify", NULL, &got, &hex, err);

	if (r == 0)
		r = admit_read_signatures(got.out, got.out_len, hex, err);
	if (r < 0)
		return r;
	free(rec->digest);
	r = str_format(&rec->digest, "sha256:%s", hex);
	return r < 0 ? cis_fail(err, -r, "cosign") : 0;
}

static int verify_sbom(const struct asking *a, const struct strv *denied,
		       struct admit_record *rec, struct cis_error *err)
{
	static const char *const types[][2] = {{"spdxjson", "spdx"}, {"cyclonedx", "cyclonedx"}};
	int r = -EACCES;

	for (size_t i = 0; i < ARRAY_SIZE(types) && r == -EACCES; i++) {
		cleanup(netbox_result_done) struct netbox_result got = {0};
		struct cis_error later;
		const char *hex;

		r = ask_both(a, "verify-attestation", types[i][0], &got, &hex,
			     i == 0 ? err : &later);
		if (r < 0)
			continue;
		/* There is one. It may be bad, but another would not make it better. */
		r = admit_read_attestations(got.out, got.out_len, hex, denied, &rec->packages,
					    err);
		if (r == 0 && str_set(&rec->sbom, types[i][1]) < 0)
			r = cis_fail(err, ENOMEM, "SBOM");
		return r;
	}
	return cis_wrap(err, r, "no SBOM");
}

/* ---- what is recorded ---------------------------------------------------------------------- */

/* As "openssl pkey -pubin -outform der | sha256sum" says it. */
static int set_fingerprint(struct admit_record *rec, struct cis_error *err)
{
	cleanup_free char *der = NULL;
	char hex[UNPACK_HEX];
	size_t len;
	int r = base64_decode(rec->trust, strlen(rec->trust), &der, &len);

	if (r < 0)
		return cis_fail_plain(err, -r, "the key is no PEM");
	sha256_hex(der, len, hex);
	free(rec->key);
	r = str_format(&rec->key, "sha256:%s", hex);
	return r < 0 ? cis_fail(err, -r, "key") : 0;
}

static int set_signer(struct admit_record *rec, const struct admit_signer *s,
		      struct cis_error *err)
{
	int r = 0;

	if (s->pem)
		r = admit_pem_body(s->pem, &rec->trust);
	if (r == 0)
		r = str_set(&rec->identity, s->identity);
	if (r == 0)
		r = str_set(&rec->issuer, s->issuer);
	if (r < 0)
		return cis_fail(err, -r, "record");
	rec->no_tlog = s->no_tlog;
	return s->identity ? 0 : set_fingerprint(rec, err);
}

static int add_all(struct strv *to, const struct strv *from)
{
	int r = 0;

	for (size_t i = 0; i < from->n && r == 0; i++)
		r = strv_add(to, from->v[i]);
	return r;
}

static int start_record(const struct admit_question *q, struct admit_record *rec)
{
	int r = str_set(&rec->repository, q->registry->repo);

	rec->time = time(NULL);
	return r < 0 ? r : str_format(&rec->digest, "sha256:%s", q->digests[0]);
}

/* The registry's own certificate authority, as containers-certs.d(5) has it. */
static int find_ca(struct asking *a)
{
	static const char *const dirs[] = {"/etc/containers", "/etc/docker"};
	const char *repo = a->q->registry->repo;
	int host = (int)strcspn(repo, "/");

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		cleanup_free char *path = NULL;
		int r = str_format(&path, "%s/certs.d/%.*s/ca.crt", dirs[i], host, repo);

		if (r < 0)
			return r;
		if (access(path, R_OK) == 0) {
			a->ca = steal_ptr(&path);
			return 0;
		}
	}
	return 0;
}

/* By one signer. @also: denied packages beside the rule's; may be NULL. */
static int verify(const struct admit_question *q, const struct admit_rule *rule,
		  const struct admit_rule *also, struct admit_record *ret, struct cis_error *err)
{
	cleanup(admit_record_done) struct admit_record rec = {0};
	cleanup(asking_done) struct asking a = {
		.q = q, .signer = &rule->signer, .box = q->registry->box};
	int r = start_record(q, &rec);

	if (r == 0)
		r = find_ca(&a);
	if (r == 0)
		r = add_all(&rec.denied, &rule->denied);
	if (r == 0 && also)
		r = add_all(&rec.denied, &also->denied);
	if (r < 0)
		return cis_fail(err, -r, "verify");
	a.box.dir = q->dir;
	if (rule->signer.pem) {
		if (a.box.n_files == NETBOX_FILES_MAX)
			return cis_fail(err, E2BIG, "verify");
		a.box.files[a.box.n_files++] = (struct netbox_file){
			(char *)"signer.pem", rule->signer.pem, strlen(rule->signer.pem)};
	}
	r = set_signer(&rec, &rule->signer, err);
	if (r == 0)
		r = verify_signature(&a, &rec, err);
	if (r == 0 && (rule->sbom || (also && also->sbom)))
		r = verify_sbom(&a, &rec.denied, &rec, err);
	if (r < 0)
		return r;
	admit_record_done(ret);
	*ret = rec;
	rec = (struct admit_record){0};
	return 0;
}

static int admit(const struct admit_question *q, const struct admit_rule *wanted,
		 const struct admit_rule *rule, struct admit_record *rec, struct cis_error *err)
{
	bool has_own = admit_signer_is_set(&wanted->signer);
	bool demands = rule && admit_signer_is_set(&rule->signer);
	int r = has_own ? verify(q, wanted, NULL, rec, err) : 0;

	if (r == 0 && demands)
		r = verify(q, rule, has_own ? NULL : wanted, rec, err);
	if (r == 0 && !has_own && !demands && (wanted->sbom || wanted->denied.n))
		r = cis_fail_plain(err, EINVAL, "an SBOM is demanded, but it is not said whose "
				   "signature it is to have");
	return r;
}

int admit_image(const struct admit_question *q, const struct admit_rule *wanted,
		struct admit_record *ret, struct cis_error *err)
{
	cleanup(admit_policy_done) struct admit_policy policy = {0};
	cleanup(admit_record_done) struct admit_record rec = {0};
	const struct admit_rule *rule = NULL;
	int r = admit_policy_load(&policy, err);

	if (r < 0)
		return r;
	if (policy.path) {
		rule = admit_policy_find(&policy, q->registry->repo);
		if (!rule)
			return cis_fail_plain(err, EACCES, "refused by %s: no rule is for %s",
					      policy.path, q->registry->repo);
	}
	r = start_record(q, &rec);
	if (r < 0)
		return cis_fail(err, -r, "record");
	r = admit(q, wanted, rule, &rec, err);
	if (r < 0)
		return cis_wrap(err, r, "verify %s@sha256:%.12s", q->registry->repo,
				q->digests[0]);
	*ret = rec;
	rec = (struct admit_record){0};
	return 0;
}
