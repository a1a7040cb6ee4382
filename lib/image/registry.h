/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is asked of a registry, by skopeo in a box. Nothing that comes from there is believed:
 * who asks knows a digest, or computes it.
 */
#ifndef CIS_IMAGE_REGISTRY_H
#define CIS_IMAGE_REGISTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../base/error.h"
#include "netbox.h"

struct registry {
	struct netbox box;
	const char *repo;	       /* "docker.io/library/debian" */
	bool has_policy, has_auth;     /* the box has /policy.json, /auth.json: by option */
	bool insecure;		       /* plain http, or any certificate */
	uint64_t deadline, stall_msec; /* as in struct netbox_job */
};
void registry_done(struct registry *r);

/*
 * The files that skopeo is to see: by option, or else where it would look for them itself. An
 * option's file that is missing is -ENOENT.
 */
int registry_add_files(struct registry *r, const char *authfile, const char *policy,
		       struct cis_error *err);

/* The manifest or index, byte for byte. @suffix: ":tag" or "@sha256:hex". */
int registry_manifest(const struct registry *r, const char *suffix, char **ret,
		      size_t *ret_len, struct cis_error *err);
/* The configuration of the image whose manifest is @suffix. */
int registry_config(const struct registry *r, const char *suffix, char **ret, size_t *ret_len,
		    struct cis_error *err);

/*
 * Copies the image's blobs to /work/blobs/sha256 in the box, those that are there already
 * excepted, if the policy allows it. Other files there are of no use.
 */
struct registry_copy {
	const char *suffix; /* "@sha256:hex" of the manifest */
	uint64_t file_max;
	int64_t (*look)(void *arg, struct cis_error *err);
	void *arg;
};
int registry_copy(const struct registry *r, const struct registry_copy *c,
		  struct cis_error *err);

/* The sentence in what skopeo wrote to stderr, in place. */
char *registry_message(char *said);

#endif
