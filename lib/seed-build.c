/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The making of a seed: a sandbox of the caller's, on whose disk the engines have their stores as
 * in any job, capped as that is. The disk stays until the sandbox is freed, and what is kept of
 * the stores is copied, sorted and published.
 *
 * Tried and rejected: binds of directories in the store of seeds in the places of the engines',
 * which copied nothing; but nothing held a job back from filling the host's disk.
 */
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/process.h"
#include "base/str.h"
#include "base/sys.h"
#include "image/tree.h"
#include "sandbox.h"
#include "volumes/seed.h"

struct cis_seed_build {
	struct cis_sandbox *sb;
	struct store store;
	struct work work;
	char *name, *script;
	char *argv[6];
};

/*
 * After the script: what only this job had any use for goes, and the engines end before
 * their books are taken from them. "builder prune": a build cache has snapshots that builds
 * elsewhere write to.
 */
static const char wrapper[] =
	"sh -ec \"$1\" || exit\n"
	"set -e\n"
	"stop() {\n"
	"	pids=$(for p in /proc/[0-9]*; do [ \"$(cat $p/comm 2>/dev/null)\" != $1 ] ||\n"
	"		echo ${p#/proc/}; done)\n"
	"	for p in $pids; do kill $p; n=0\n"
	"		while kill -0 $p 2>/dev/null; do n=$((n + 1))\n"
	"			[ $n -lt 300 ] || { echo \"$1 does not end\" >&2; exit 1; }\n"
	"			sleep 0.1; done; done\n"
	"}\n"
	"if command -v docker >/dev/null && docker info >/dev/null 2>&1; then\n"
	"	all=$(docker ps -aq); [ -z \"$all\" ] || docker rm -fv $all >/dev/null\n"
	"	docker builder prune -af >/dev/null\n"
	"	docker volume prune -af >/dev/null\n"
	"	stop dockerd\n"
	"fi\n"
	"stop containerd\n"
	"command -v podman >/dev/null && podman rm -af >/dev/null\n"
	":\n";

/* ---- before --------------------------------------------------------------------------- */

static const char *const names[] = {"docker", "containerd", "containers"};

static int find_dir(const struct spec *s, const char *path)
{
	for (size_t i = 0; i < s->scratch_dirs.n; i++)
		if (strcmp(s->scratch_dirs.v[i], path) == 0)
			return (int)i;
	return -ENOENT;
}

/* Overlays on an overlay do not work, and it is there that they are looked for. */
static int add_stores(struct spec *s)
{
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(names) && r >= 0; i++)
		if (find_dir(s, seed_store_find(names[i])->path) < 0)
			r = strv_add(&s->scratch_dirs, seed_store_find(names[i])->path);
	return r;
}

static int begin(struct cis_seed_build *b, const char *name, const char *script,
		 struct cis_sandbox *sb, struct cis_error *err)
{
	int r;

	if (!store_is_name(name))
		return cis_fail_plain(err, EINVAL,
				      "seed name \"%.127s\": not 1 to %d of a-z, 0-9, \".\", "
				      "\"_\" and \"-\", the first a letter or digit",
				      name, IMAGE_NAME_LEN);
	if (str_set(&b->name, name) < 0 || str_set(&b->script, script) < 0)
		return cis_fail(err, ENOMEM, "seed build");
	b->argv[0] = (char *)"sh"; /* execve() has them so; nobody writes there */
	b->argv[1] = (char *)"-c";
	b->argv[2] = (char *)wrapper;
	b->argv[3] = (char *)"seed";
	b->argv[4] = b->script;
	/* The wrapper is the command, whatever the image starts with. */
	if (cis_sandbox_set_entrypoint(sb, "") < 0 || add_stores(&sb->spec) < 0)
		return cis_fail(err, ENOMEM, "seed build");
	b->sb = sb;
	sb->keeps_disk = true;
	r = generations_open(&b->store, GENERATIONS_SEED, err);
	return r == 0 ? work_begin(&b->work, &b->store, err) : r;
}

int cis_seed_build_new(struct cis_seed_build **ret, const char *name, const char *script,
		       struct cis_sandbox *sb, struct cis_error *err)
{
	struct cis_seed_build *b = calloc(1, sizeof *b);
	int r;

	if (!b)
		return cis_fail(err, ENOMEM, "seed build");
	b->store = (struct store)STORE_CLOSED;
	b->work.fd = -1;
	r = begin(b, name, script, sb, err);
	if (r < 0) {
		cis_seed_build_free(b);
		return r;
	}
	*ret = b;
	return 0;
}

char *const *cis_seed_build_argv(const struct cis_seed_build *b)
{
	return b->argv;
}

void cis_seed_build_free(struct cis_seed_build *b)
{
	if (!b)
		return;
	work_done(&b->work);
	store_done(&b->store);
	free(b->name);
	free(b->script);
	free(b);
}

/* ---- after ---------------------------------------------------------------------------- */

/* What it takes on the disk, which is what removing it gives back. */
static int measure(const struct cis_seed_build *b, uint64_t *ret)
{
	cleanup_free char *path = NULL;
	FTSENT *e;
	FTS *walk;
	int r = str_format(&path, "%s/seed", b->work.path);

	if (r < 0)
		return r;

	char *const roots[] = {path, NULL};

	walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	if (!walk)
		return -errno;
	*ret = 0;
	while ((errno = 0, e = fts_read(walk)))
		if (e->fts_info == FTS_F)
			*ret = seed_sum(*ret, (uint64_t)e->fts_statp->st_blocks * 512 /
						      (e->fts_statp->st_nlink ?: 1));
	r = -errno;
	fts_close(walk);
	return r;
}

static int copy_store(const struct cis_seed_build *b, int stores, const char *name,
		      struct cis_error *err)
{
	const struct cis_sandbox *sb = b->sb;
	cleanup(strv_done) struct strv parts = {0};
	cleanup_close int from = -1, to = -1;
	char path[32];
	int r = find_dir(&sb->spec, seed_store_find(name)->path);

	if (r >= 0) {
		snprintf(path, sizeof path, "dirs/%d", r);
		r = from = sys_openat2(sb->plan.fds[SLOT_SCRATCH], path,
				       O_RDONLY | O_DIRECTORY, 0,
				       RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
	}
	if (r >= 0)
		r = seed_parts(name, from, &parts);
	if (r < 0 || !parts.n)
		return r < 0 ? cis_fail(err, -r, "find what %s has stored", name) : 0;
	if (mkdirat(stores, name, 0711) == 0)
		r = to = tree_open_dir(stores, name);
	if (to < 0)
		return cis_fail(err, r < 0 ? -r : errno, "make a directory in %s", b->store.path);
	r = seed_copy(&(struct seed_copy){.from = from, .to = to, .parts = &parts,
					  .base = sb->base,
					  .count = process_is_rootless() ? 0 : sb->count},
		      err);
	return r < 0 ? cis_wrap(err, r, "copy what %s has stored", name) : 0;
}

/* The directory of those that there are. */
static int copy_stores(const struct cis_seed_build *b, struct cis_error *err)
{
	cleanup_close int stores = -1;
	int r = 0;

	/*
	 * Who did not wait for the disk never heard that it could not be written, because the
	 * host's was full; and what then left memory is zeroes.
	 */
	if (syncfs(b->sb->disk_dir) < 0)
		return cis_fail(err, errno, "some of what was written to the job's disk was lost "
				"(the host's may have been full)");
	if (mkdirat(b->work.fd, "stores", 0755) == 0)
		stores = tree_open_dir(b->work.fd, "stores");
	if (stores < 0)
		return cis_fail(err, errno, "make a directory in %s", b->store.path);
	for (size_t i = 0; i < ARRAY_SIZE(names) && r >= 0; i++)
		r = copy_store(b, stores, names[i], err);
	return r < 0 ? r : steal_fd(&stores);
}

static int make_seed(const struct cis_seed_build *b, int from, int to, struct cis_error *err)
{
	cleanup(seed_done) struct seed s = SEED_CLOSED;
	int r = seed_harvest(from, to, &s, err);

	if (r < 0)
		return r;
	s.created = time(NULL);
	r = measure(b, &s.size);
	if (r == 0)
		r = seed_write(to, &s);
	return r < 0 ? cis_fail(err, -r, "write to %s", b->store.path) : 0;
}

static int publish(const struct cis_seed_build *b, uint64_t *ret_generation,
		   struct cis_error *err)
{
	cleanup_close int from = copy_stores(b, err), to = -1;
	int r;

	if (from < 0)
		return from;
	if (mkdirat(b->work.fd, "seed", 0755) == 0)
		to = tree_open_dir(b->work.fd, "seed");
	if (to < 0)
		return cis_fail(err, errno, "make a directory in %s", b->store.path);
	r = make_seed(b, from, to, err);
	return r < 0 ? r
		     : generation_publish(&b->work, "seed", GENERATIONS_SEED, b->name,
					  GENERATION_ANY, NULL, ret_generation, err);
}

int cis_seed_build_publish(struct cis_seed_build *b, uint64_t *ret_generation,
			   struct cis_error *err)
{
	int r = b->sb->phase == PHASE_ENDED && b->sb->plan.n_fds &&
				b->sb->plan.fds[SLOT_SCRATCH] >= 0
			? publish(b, ret_generation, err)
			: cis_fail_plain(err, EBUSY, "the sandbox has not run to its end");

	return r < 0 ? cis_wrap(err, r, "seed \"%s\"", b->name) : 0;
}
