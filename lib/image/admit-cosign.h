/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Admission of an image that is about to be pulled: cosign is asked, its answers are read. */
#ifndef CIS_ADMIT_COSIGN_H
#define CIS_ADMIT_COSIGN_H

#include "admit.h"
#include "registry.h"
#include "unpack.h"

struct admit_question {
	const struct registry *registry;
	const char *dir; /* as that of a box, but what others write to is not for cosign to read */
	/* What the name meant, and of an index the manifest that is taken: either may be signed. */
	const char *digests[2]; /* 64 digits each; the second may be NULL, or the same */
};

/*
 * @wanted: what the caller demands beside the host's policy; may be empty. All that is demanded
 * is verified before 0 is returned; without a demand nothing is asked. -EACCES: refused; -ENOENT:
 * cosign is not installed. In *ret what the policy demanded goes before what the caller did.
 */
int admit_image(const struct admit_question *q, const struct admit_rule *wanted,
		struct admit_record *ret, struct cis_error *err);

#endif
