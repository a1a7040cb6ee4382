/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The making of a seed: a sandbox of the caller's, in which the directories where engines
 * have their stores are binds of directories in the store of seeds. What is left in them at
 * the end is sorted and published; nothing is copied, and owners are right because binds are
 * id-mapped.
 *
 * Rejected: the sandbox's own disk and a copy at its end (of gigabytes, by something that knows
 * whiteouts, hard links, capabilities).
 */
#include <cisandbox.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../base/fd.h"
#include "../base/str.h"
#include "../image/tree.h"
#include "seed.h"

struct cis_seed_build {
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

/* As the image has it, but for a mode that is none of the job's business. */
static int add_store(const struct cis_seed_build *b, int stores, const char *name,
		     struct cis_sandbox *sb, struct cis_error *err)
{
	const struct seed_store *store = seed_store_find(name);
	cleanup_free char *path = NULL;
	struct cis_bind bind = {.target = store->path};

	if (mkdirat(stores, name, 0711) < 0)
		return cis_fail(err, errno, "make a directory in %s", b->store.path);
	if (str_format(&path, "%s/stores/%s", b->work.path, name) < 0)
		return cis_fail(err, ENOMEM, "seed build");
	bind.source = path;
	return cis_sandbox_add_bind(sb, &bind, sizeof bind, err);
}

static int add_stores(const struct cis_seed_build *b, struct cis_sandbox *sb,
		      struct cis_error *err)
{
	static const char *const names[] = {"docker", "containerd", "containers"};
	cleanup_close int stores = -1;
	int r = 0;

	if (mkdirat(b->work.fd, "stores", 0755) == 0)
		stores = tree_open_dir(b->work.fd, "stores");
	if (stores < 0)
		return cis_fail(err, errno, "make a directory in %s", b->store.path);
	for (size_t i = 0; i < ARRAY_SIZE(names) && r >= 0; i++)
		r = add_store(b, stores, names[i], sb, err);
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
	if (cis_sandbox_set_entrypoint(sb, "") < 0)
		return cis_fail(err, ENOMEM, "seed build");
	r = generations_open(&b->store, GENERATIONS_SEED, err);
	if (r == 0)
		r = work_begin(&b->work, &b->store, err);
	return r == 0 ? add_stores(b, sb, err) : r;
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
			*ret += (uint64_t)e->fts_statp->st_size / (e->fts_statp->st_nlink ?: 1);
	r = -errno;
	fts_close(walk);
	return r;
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

int cis_seed_build_publish(struct cis_seed_build *b, uint64_t *ret_generation,
			   struct cis_error *err)
{
	cleanup_close int from = tree_open_dir(b->work.fd, "stores"), to = -1;
	int r = from;

	if (r >= 0 && mkdirat(b->work.fd, "seed", 0755) < 0)
		r = -errno;
	if (r >= 0)
		r = to = tree_open_dir(b->work.fd, "seed");
	if (r < 0)
		return cis_fail(err, -r, "seed \"%s\"", b->name);
	r = make_seed(b, from, to, err);
	if (r == 0)
		r = generation_publish(&b->work, "seed", GENERATIONS_SEED, b->name,
				       GENERATION_ANY, NULL, ret_generation, err);
	return r < 0 ? cis_wrap(err, r, "seed \"%s\"", b->name) : 0;
}
