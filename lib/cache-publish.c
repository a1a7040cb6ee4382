/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a job with a writer's scope has left in a cache becomes its next generation, when all
 * processes of the sandbox are dead and the command's status was 0. The helper of
 * guard/copier.h makes a copy of the merged directory; dispatch() goes on meanwhile.
 *
 * It is as a fast-forward: if another has published since the job started, what it has made is
 * of something old, and is refused. The last one to write would else win, over what a better
 * trusted or a longer job has put there.
 *
 * No failure here is one of the job: a cache is only there to save time.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/sys.h"
#include "image/tree.h"
#include "sandbox.h"
#include "volumes/cache.h"

#define MADE "new" /* in the working directory */

void cache_publisher_init(struct cache_publisher *p)
{
	*p = (struct cache_publisher){.store = STORE_CLOSED, .work.fd = -1,
				      .copier = COPIER_CLOSED};
}

static void end_work(struct cache_publisher *p)
{
	copier_drop(&p->copier);
	work_done(&p->work);
	store_done(&p->store);
	p->store = (struct store)STORE_CLOSED;
	p->work = (struct work){.fd = -1};
}

void cache_publisher_done(struct cache_publisher *p)
{
	end_work(p);
}

/* ---- beginning ------------------------------------------------------------------------ */

/* Nothing in the job's own layer: nothing has changed. */
static bool has_changed(const struct cis_sandbox *sb, size_t i)
{
	cleanup(dir_closep) DIR *list = NULL;
	cleanup_close int fd = -1;
	struct dirent *e;
	char upper[48];

	snprintf(upper, sizeof upper, PLAN_CACHE_UPPER, i);
	fd = sys_openat2(sb->plan.fds[SLOT_SCRATCH], upper, O_RDONLY | O_DIRECTORY, 0,
			 RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
	list = fd < 0 ? NULL : tree_list(fd);
	while (list && (e = readdir(list)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			return true;
	return false;
}

static void tell_failure(struct cis_sandbox *sb, const struct cis_error *err)
{
	supervise_post(sb, CIS_EVENT_CACHE, (uint64_t)err->code,
		       err->code == ESTALE ? "cache.stale" : "cache.failed", err->message);
}

static int stale(const char *name, struct cis_error *err)
{
	return cis_fail_plain(err, ESTALE,
			      "cache %s: not published: it has changed since the job started, and "
			      "what the job made of it is stale", name);
}

/* A big copy is not worth the while if it is too late already. */
static int check_newest(const char *name, uint64_t was, struct cis_error *err)
{
	cleanup(generation_done) struct generation now = GENERATION_CLOSED;
	int r = generation_open(GENERATIONS_CACHE, name, &now, err);

	if (r == -ENOENT || (r == 0 && now.number != was))
		return stale(name, err);
	return r;
}

static int make_work(struct cache_publisher *p, int *ret_dir, struct cis_error *err)
{
	int r = generations_open(&p->store, GENERATIONS_CACHE, err);

	if (r >= 0)
		r = work_begin(&p->work, &p->store, err);
	if (r < 0)
		return r;
	if (mkdirat(p->work.fd, MADE, 0700) < 0)
		r = -errno;
	else
		r = *ret_dir = tree_open_dir(p->work.fd, MADE);
	return r < 0 ? cis_fail(err, -r, "make a directory in %s", p->store.path) : 0;
}

static int start(struct cis_sandbox *sb, size_t i, struct cis_error *err)
{
	struct cache_publisher *p = &sb->publisher;
	const struct spec_cache *c = &sb->spec.caches[i];
	const struct copier_order order = {
		.root = sb->plan.fds[plan_cache_root_slot(&sb->plan, i)],
		.path = "/",
		.top = CACHE_TREE,
		.max = sb->plan.caches[i].policy.max,
		.entries = CACHE_ENTRIES_MAX,
		.base = sb->base,
		.count = sb->count,
		.faithful = true,
	};
	cleanup_close int dir = -1;
	int r = check_newest(c->name, sb->plan.caches[i].g.number, err);

	if (r >= 0 && (r = make_work(p, &dir, err)) < 0)
		return cis_wrap(err, r, "cache %s: not published", c->name);
	if (r >= 0 && (r = copier_start(&p->copier, &order, dir)) < 0) {
		cis_fail(err, -r, "cache %s: not published: start to copy it to %s", c->name,
			 p->store.path);
		if (r == -EINVAL)
			cis_hint(err, "its file system cannot be id-mapped; put it on ext4, xfs "
				      "or btrfs");
	}
	return r;
}

int cache_publish_next(struct cis_sandbox *sb)
{
	struct cache_publisher *p = &sb->publisher;
	bool good = sb->payload_ended && !sb->timed_out && sb->exit_status == 0;

	for (; p->next < sb->plan.n_caches; p->next++) {
		unsigned int slot = plan_cache_root_slot(&sb->plan, p->next);
		struct cis_error err = {0};

		if (good && sb->plan.fds && sb->plan.fds[slot] >= 0 && has_changed(sb, p->next)) {
			if (start(sb, p->next, &err) >= 0)
				return 1;
			end_work(p);
			tell_failure(sb, &err);
		}
		if (sb->plan.fds)
			sb->plan.fds[slot] = fd_close(sb->plan.fds[slot]);
	}
	return 0;
}

/* ---- ending --------------------------------------------------------------------------- */

static int explain(const struct spec_cache *c, const struct cache *cache,
		   const struct copier_report *r, struct cis_error *err)
{
	int errnum = r->error > 0 && r->error < 4096 ? r->error : EIO;

	switch ((enum copier_step)r->step) {
	case COPIER_READ:
		return cis_fail(err, errnum, "cache %s: not published: read %s%s", c->name,
				c->path, r->at);
	case COPIER_WRITE:
		return cis_fail(err, errnum, "cache %s: not published: write %s%s", c->name,
				c->path, r->at);
	case COPIER_SIZE:
		return cis_fail_plain(err, EFBIG,
				      "cache %s: not published: with %s%s it is more than its "
				      "%lluM (cache create --max says how much)",
				      c->name, c->path, r->at,
				      (unsigned long long)cache->policy.max >> 20);
	case COPIER_ENTRIES:
		return cis_fail_plain(err, E2BIG, "cache %s: not published: more than %u files",
				      c->name, CACHE_ENTRIES_MAX);
	case COPIER_DEPTH:
		return cis_fail_plain(err, ELOOP,
				      "cache %s: not published: deeper than %d directories",
				      c->name, COPIER_DEPTH_MAX);
	default:
		return cis_fail(err, errnum, "cache %s: not published: confine the helper",
				c->name);
	}
}

/*
 * The helper, which is dead, had that directory as its root, and may have been the job's: a
 * link in the place of the tree would be followed by whoever mounts it for the next job.
 */
static int seal(int dir)
{
	cleanup_close int tree = tree_open_dir(dir, CACHE_TREE);

	if (tree < 0)
		return tree;
	return fchown(dir, geteuid(), getegid()) < 0 || fchmod(dir, 0700) < 0 ? -errno : 0;
}

static int publish(struct cis_sandbox *sb, size_t i, const struct copier_report *report,
		   uint64_t *ret, struct cis_error *err)
{
	struct cache_publisher *p = &sb->publisher;
	const struct spec_cache *c = &sb->spec.caches[i];
	struct cache *cache = &sb->plan.caches[i];
	/* The helper's word: no more than what it may say, or nobody could read the cache. */
	const struct cache_info info = {.created = time(NULL),
					.size = MIN(report->bytes, cache->policy.max),
					.files = MIN(report->files, CACHE_ENTRIES_MAX),
					.scope = sb->spec.scope};
	cleanup_close int dir = tree_open_dir(p->work.fd, MADE);
	int r = dir < 0 ? dir : seal(dir);

	if (r >= 0)
		r = cache_write_info(dir, &info);
	if (r < 0)
		return cis_fail(err, -r, "cache %s: not published: write to %s", c->name,
				p->store.path);
	r = generation_publish(&p->work, MADE, GENERATIONS_CACHE, c->name, cache->g.number,
			       &cache->g, ret, err);
	if (r == -ESTALE)
		return stale(c->name, err);
	return r < 0 ? cis_wrap(err, r, "cache %s: not published", c->name) : 0;
}

static void tell(struct cis_sandbox *sb, const struct spec_cache *c, uint64_t number,
		 const struct copier_report *r)
{
	char text[512]; /* of which an event has the beginning */
	int n = snprintf(text, sizeof text, "cache %s: published as generation %llu: %llu file%s, "
			 "%lluK", c->name, (unsigned long long)number,
			 (unsigned long long)r->files, r->files == 1 ? "" : "s",
			 (unsigned long long)(r->bytes + 1023) >> 10);

	if (r->left_out)
		snprintf(text + n, sizeof text - (size_t)n, "; left out %llu: %s%s",
			 (unsigned long long)r->left_out, r->left, *r->left ? "" : "...");
	supervise_post(sb, CIS_EVENT_CACHE, number, "cache.published", text);
}

void cache_publish_ended(struct cis_sandbox *sb)
{
	struct cache_publisher *p = &sb->publisher;
	const struct spec_cache *c = &sb->spec.caches[p->next];
	unsigned int slot = plan_cache_root_slot(&sb->plan, p->next);
	struct copier_report report;
	struct cis_error err = {0};
	uint64_t number = 0;
	siginfo_t info;
	int r;

	copier_finish(&p->copier, &report, &info);
	if (copier_is_well(&report, &info))
		r = publish(sb, p->next, &report, &number, &err);
	else if (report.error)
		r = explain(c, &sb->plan.caches[p->next], &report, &err);
	else
		r = cis_fail_plain(&err, EIO,
				   "cache %s: not published: the helper that copies it died "
				   "(%s %d)", c->name,
				   info.si_code == CLD_EXITED ? "status" : "signal",
				   info.si_status);
	end_work(p);
	sb->plan.fds[slot] = fd_close(sb->plan.fds[slot]);
	p->next++;
	if (r < 0)
		tell_failure(sb, &err);
	else
		tell(sb, c, number, &report);
}
