/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Admission: which images may come into the store, and start. What is demanded comes from
 * the command line and from the host's policy (/etc/cisandbox/admission.json); what was found
 * is kept in image.json, and judged again by the policy of the day at every start.
 *
 *	admit-rules.c    what is demanded: signers, denied packages, the policy
 *	admit-package.c  whether a package is denied
 *	admit-sbom.c     what cosign printed: signatures, attestations, SBOMs
 *	admit-record.c   what was found, and whether that is enough
 *	admit-cosign.c   the program
 *
 * All but the last are pure: no file but the policy and keys is read, nothing is run.
 */
#ifndef CIS_ADMIT_H
#define CIS_ADMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "../base/error.h"
#include "../base/json.h"
#include "../base/str.h"

#define ADMIT_POLICY "/etc/cisandbox/admission.json"
#define ADMIT_PEM_MAX 16384
#define ADMIT_DENIED_MAX 1024

/* ---- what is demanded --------------------------------------------------------------- */

/* Who must have signed: the holder of a key, or whom an issuer knows by that identity. */
struct admit_signer {
	char *path; /* of the public key, or of CA certificates; for errors */
	char *pem;  /* what was in it when it was read: cosign gets a copy of that */
	char *identity, *issuer; /* both or none; without them @pem is a key */
	bool no_tlog;            /* the transparency log is not asked */
};
void admit_signer_done(struct admit_signer *s);
static inline bool admit_signer_is_set(const struct admit_signer *s)
{
	return s->pem || s->identity;
}

/* "cosign-key=FILE" or "identity=WHO,issuer=URL[,ca-roots=FILE]", each with ",tlog=off". */
int admit_signer_parse(const char *text, struct admit_signer *ret, struct cis_error *err);

struct admit_rule {
	char *prefix; /* of a policy's: repositories it is for; "" is for all */
	bool accept_unsigned;
	struct admit_signer signer;
	bool sbom;
	struct strv denied; /* as admit_denied_check() takes them */
};
void admit_rule_done(struct admit_rule *r);
/* An SBOM is only as good as its signature, and denied packages are found nowhere else. */
int admit_rule_check(struct admit_rule *r, struct cis_error *err);

/* @path is NULL where the host has no policy: everything is admitted then. */
struct admit_policy {
	char *path;
	bool imports; /* what comes by no registry is accepted */
	struct admit_rule *rules;
	size_t n;
};
void admit_policy_done(struct admit_policy *p);
/* CISANDBOX_ADMISSION moves it; a policy that cannot be read, or others can write, is an error. */
int admit_policy_load(struct admit_policy *ret, struct cis_error *err);
int admit_policy_parse(const char *text, size_t len, const char *name,
		       struct admit_policy *ret, struct cis_error *err);
/* The rule with the longest prefix of whole components. NULL: none, so it is not admitted. */
const struct admit_rule *admit_policy_find(const struct admit_policy *p, const char *repository);

/* ---- packages ------------------------------------------------------------------------ */

/* Borrowed of an SBOM. All but the name may be NULL. */
struct admit_package {
	const char *name, *group, *version, *purl;
};
/* "NAME", "NAME<VERSION", "NAME<=VERSION" or "NAME=VERSION". */
int admit_denied_check(const char *rule, struct cis_error *err);
bool admit_is_denied(const char *rule, const struct admit_package *p);

/* ---- what was found ------------------------------------------------------------------- */

struct admit_record {
	char *repository; /* NULL: it came by no registry */
	char *digest;     /* "sha256:..." of what was verified, or of what its name meant */
	int64_t time;
	char *key;               /* "sha256:..." of the public key, for people; or */
	char *identity, *issuer; /* as of a signer */
	char *trust;             /* base64 of the key or the CAs; NULL: nothing, or sigstore */
	bool no_tlog;
	char *sbom;         /* "spdx" or "cyclonedx"; NULL: none was asked for */
	uint64_t packages;  /* so many it had */
	struct strv denied; /* the rules by which these were judged */
};
void admit_record_done(struct admit_record *r);
static inline bool admit_record_is_verified(const struct admit_record *r)
{
	return r->key || r->identity;
}
/* NULL if there is nothing to be said. */
struct json *admit_record_json(const struct admit_record *r);
int admit_record_read(const struct json *v, struct admit_record *ret, struct cis_error *err);
/* The bodies of all blocks of a PEM text, joined. -EBADMSG: it has none. */
int admit_pem_body(const char *pem, char **ret);
/* -EACCES: the policy demands what was not found. */
int admit_record_judge(const struct admit_policy *p, const struct admit_record *r,
		       struct cis_error *err);
/* The same by the host's policy of now. */
int admit_start(const struct admit_record *r, struct cis_error *err);

/* ---- what cosign printed --------------------------------------------------------------- */

/* @hex: 64 digits. -EACCES: no signature in it is of that digest. */
int admit_read_signatures(const char *text, size_t len, const char *hex, struct cis_error *err);
/*
 * One envelope a line, of which one at least must be about the digest and have an SBOM; these
 * are judged by @denied. -EACCES: none is, or a package is denied.
 */
int admit_read_attestations(const char *text, size_t len, const char *hex,
			    const struct strv *denied, uint64_t *ret_packages,
			    struct cis_error *err);

#endif
