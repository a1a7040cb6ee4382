/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Between the end of all processes of a sandbox and that of its file system: artifacts are
 * copied out, one after another, while dispatch() goes on. A clone of the root's mount has
 * kept the file system; the mounts in it are gone.
 */
#include <errno.h>
#include <stdio.h>

#include "base/error.h"
#include "base/fd.h"
#include "sandbox.h"

#define EXIT_OURS 125

static void tell_failure(struct cis_sandbox *sb, const struct cis_error *err)
{
	supervise_post(sb, CIS_EVENT_ARTIFACT, (uint64_t)err->code, "artifact.failed",
		       err->message);
	/* A job that failed need not have come so far as to make it. */
	if (sb->exit_status == 0)
		sb->exit_status = EXIT_OURS;
}

static void tell_size(uint64_t bytes, char *buf, size_t room)
{
	if (bytes < 10240)
		snprintf(buf, room, "%llu bytes", (unsigned long long)bytes);
	else if (bytes < 10ULL << 20)
		snprintf(buf, room, "%lluK", (unsigned long long)bytes >> 10);
	else
		snprintf(buf, room, "%lluM", (unsigned long long)bytes >> 20);
}

static void tell(struct cis_sandbox *sb, const struct artifact *a,
		 const struct copier_report *r)
{
	char size[32], text[512]; /* of which an event has the beginning */
	int n;

	tell_size(r->bytes, size, sizeof size);
	n = snprintf(text, sizeof text, "artifact %.60s is %.60s: %llu file%s, %s", a->path,
		     a->dest, (unsigned long long)r->files, r->files == 1 ? "" : "s", size);
	if (r->left_out)
		snprintf(text + n, sizeof text - (size_t)n, "; left out %llu: %s%s",
			 (unsigned long long)r->left_out, r->left, *r->left ? "" : "...");
	supervise_post(sb, CIS_EVENT_ARTIFACT, r->bytes, "artifact", text);
}

static int start(struct cis_sandbox *sb, struct cis_error *err)
{
	struct collector *c = &sb->collector;
	const struct artifact *a = &sb->spec.artifacts.v[c->next];
	cleanup_free char *temp = NULL;
	int r = collector_name_temp(c, &temp);

	if (r < 0)
		cis_fail(err, -r, "artifact %s", a->path);
	else
		r = state_journal_temp(&sb->state, temp, err);
	if (r >= 0)
		return collector_start(c, &sb->spec.artifacts, sb->base, sb->count, err);
	c->next++;
	return r;
}

static int stopped(const struct artifact *a, struct cis_error *err)
{
	return cis_fail_plain(err, ECANCELED, "artifact %s: not copied: told to stop", a->path);
}

int collect_next(struct cis_sandbox *sb)
{
	struct collector *c = &sb->collector;

	while (c->root >= 0 && c->next < c->n) {
		struct cis_error err = {0};

		if (sb->told_to_stop)
			stopped(&sb->spec.artifacts.v[c->next++], &err);
		else if (start(sb, &err) >= 0)
			return 1;
		tell_failure(sb, &err);
	}
	c->root = fd_close(c->root);
	return 0;
}

void collect_ended(struct cis_sandbox *sb)
{
	const struct artifact *a = &sb->spec.artifacts.v[sb->collector.next];
	struct copier_report report;
	struct cis_error err = {0};

	if (collector_finish(&sb->collector, &sb->spec.artifacts, &report, &err) >= 0) {
		tell(sb, a, &report);
		return;
	}
	if (sb->told_to_stop)
		stopped(a, &err);
	tell_failure(sb, &err);
}
