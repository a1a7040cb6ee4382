/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The handle's words about what the job is trusted with, and what of it nobody may read. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "sandbox.h"

int cis_sandbox_add_secret(struct cis_sandbox *sb, const char *name, int fd,
			   struct cis_error *err)
{
	return secrets_add(&sb->spec.secrets, name, fd, err);
}

int cis_sandbox_add_artifact(struct cis_sandbox *sb, const char *path, const char *dest,
			     struct cis_error *err)
{
	return artifacts_add(&sb->spec.artifacts, path, dest, err);
}

int cis_sandbox_set_artifact_max(struct cis_sandbox *sb, uint64_t bytes)
{
	sb->spec.artifacts.max = bytes;
	return 0;
}

int cis_sandbox_set_mask(struct cis_sandbox *sb, int on)
{
	sb->no_mask = !on;
	return 0;
}

/* All words, or none at all: half a mask would be taken for a whole one. */
static int make_mask(struct cis_sandbox *sb)
{
	const struct secrets *s = &sb->spec.secrets;
	cleanup(mask_freep) struct mask *m = mask_new();
	size_t added = 0;
	int r = m ? 0 : -ENOMEM;

	for (size_t i = 0; i < s->n && r >= 0; i++) {
		r = mask_add_value(m, s->v[i].vault.at, s->v[i].len);
		added += r > 0;
		if (r == 0 && s->v[i].len)
			sb->not_masked |= UINT64_C(1) << i;
	}
	if (r >= 0)
		r = mask_seal(m);
	if (r < 0 || !added)
		return r;
	sb->log_mask = mask_stream_new(m, EGRESS_LOG_READ);
	if (!sb->log_mask)
		return -ENOMEM;
	sb->mask = steal_ptr(&m);
	return 0;
}

int secrets_begin(struct cis_sandbox *sb, struct cis_error *err)
{
	int r = secrets_seal(&sb->spec.secrets, err);

	if (r < 0 || sb->no_mask)
		return r;
	r = make_mask(sb);
	if (r < 0) {
		cis_fail(err, -r, "secrets: what is to be masked");
		cis_hint(err, "raise the limit memlock, ulimit -l, or --mask off");
	}
	return r;
}

void secrets_end(struct cis_sandbox *sb)
{
	mask_stream_free(sb->log_mask);
	sb->log_mask = NULL;
	mask_free(sb->mask);
	sb->mask = NULL;
}

void mask_line(const struct cis_sandbox *sb, char *text, size_t room)
{
	char before[sizeof((struct cis_error *)0)->message + 16];
	size_t n = strlen(text);

	if (!sb->mask)
		return;
	n = MIN(n, sizeof before);
	memcpy(before, text, n);
	mask_text(sb->mask, before, n, text, room);
	explicit_bzero(before, sizeof before);
}

void mask_error(const struct cis_sandbox *sb, struct cis_error *err)
{
	if (err)
		mask_line(sb, err->message, sizeof err->message);
}

int mask_whole(const struct cis_sandbox *sb, char **text)
{
	size_t n = strlen(*text), room = MASK_OUT(n) + 1;
	char *masked;

	if (!sb->mask)
		return 0;
	masked = malloc(room);
	if (masked)
		mask_text(sb->mask, *text, n, masked, room);
	free(*text);
	*text = masked;
	return masked ? 0 : -ENOMEM;
}
