/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a sandbox would come up like, as text to be compared: whether one that was held may
 * still stand for a new one. Whatever is not certain to be the same makes it another.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/error.h"
#include "rootless.h"
#include "sandbox.h"

/* A file or directory that was replaced is another, whatever its name. */
static void print_identity(FILE *f, const char *what, const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		fprintf(f, "%s %s: errno %d\n", what, path, errno);
	else
		fprintf(f, "%s %s: %llx:%llu %lld.%09ld\n", what, path,
			(unsigned long long)st.st_dev, (unsigned long long)st.st_ino,
			(long long)st.st_ctim.tv_sec, st.st_ctim.tv_nsec);
}

/* What a plan's text leaves out, or only counts. */
static void print_rest(FILE *f, const struct spec *s)
{
	fprintf(f, "profiles %016llx\n", (unsigned long long)s->profiles_hash);
	fprintf(f, "io %llu %llu %llu %llu\n", (unsigned long long)s->io.rbps,
		(unsigned long long)s->io.wbps, (unsigned long long)s->io.riops,
		(unsigned long long)s->io.wiops);
	fprintf(f, "flags %llx\n", (unsigned long long)s->flags);
	fprintf(f, "user %s in %s\n", s->user ? s->user : "", s->workdir ? s->workdir : "");
	for (size_t i = 0; i < s->env.n; i++)
		fprintf(f, "env %s\n", s->env.v[i]);
}

/* Not its time, which each file made in it changes. */
static void print_bind(FILE *f, const struct spec_bind *b)
{
	struct stat st;

	fprintf(f, "bind %s at %s%s", b->source, b->target, b->readonly ? " read-only" : "");
	if (stat(b->source, &st) == 0)
		fprintf(f, ": %llx:%llu", (unsigned long long)st.st_dev,
			(unsigned long long)st.st_ino);
	fputc('\n', f);
}

/* Its directory has the time of the last use; nothing changes what is in it. */
static int print_seed(FILE *f, const char *path)
{
	cleanup_free char *info = NULL;
	int r = str_format(&info, "%s/seed.json", path);

	if (r >= 0)
		print_identity(f, "seed", info);
	return r;
}

static int print_image(FILE *f, const char *name, struct cis_error *err)
{
	cleanup_free char *json = NULL;
	int r = cis_image_inspect_json(name, &json, err);

	if (r >= 0)
		fputs(json, f);
	return r;
}

static int print_all(FILE *f, const struct plan *p, struct cis_error *err)
{
	cleanup_free char *text = NULL;
	int r = plan_print(p, &text);

	if (r < 0)
		return cis_fail(err, -r, "plan");
	fprintf(f, "cisandbox %s\n%s", cis_version(), text);
	print_identity(f, "program", "/proc/self/exe");
	if (p->inner_path)
		print_identity(f, "runtime", p->inner_path);
	if (!p->spec->image)
		print_identity(f, "root", p->spec->rootfs);
	/* By its number alone, one that was removed and made anew would be the same. */
	if (p->spec->seed && print_seed(f, p->seed.g.path) < 0)
		return cis_fail(err, ENOMEM, "plan");
	for (size_t i = 0; i < p->spec->n_binds; i++)
		print_bind(f, &p->spec->binds[i]);
	print_rest(f, p->spec);
	return p->spec->image ? print_image(f, p->spec->image, err) : 0;
}

int cis_sandbox_likeness(struct cis_sandbox *sb, char **ret, struct cis_error *err)
{
	struct plan p = PLAN_EMPTY;
	char *text = NULL;
	size_t len;
	FILE *f;
	int r;

	if (sb->phase != PHASE_NEW || sb->is_bundle)
		return cis_fail_plain(err, EBUSY, "likeness: this handle has been started, or is "
				      "a bundle's");
	sb->spec.hold = true;
	r = rootless_fit(&sb->spec, err);
	if (r >= 0)
		r = plan_build(&p, &sb->spec, NULL, err);
	f = r < 0 ? NULL : open_memstream(&text, &len);
	if (f)
		r = print_all(f, &p, err);
	if (r >= 0 && !f)
		r = cis_fail(err, ENOMEM, "plan");
	if (f && fclose(f) != 0 && r >= 0)
		r = cis_fail(err, ENOMEM, "plan");
	plan_done(&p);
	/* It was held for the plan's sake alone: nobody is to start it by mistake. */
	sb->phase = PHASE_ENDED;
	if (r >= 0)
		*ret = text;
	else
		free(text);
	return r;
}
