/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a job with a writer's scope has left in a cache becomes its next generation, when all
 * processes of the sandbox are dead and the command's status was 0. The helper of
 * guard/copier.h makes a copy of the merged directory, that of volumes/settle.h waits for the
 * disk and for the store's lock; what remains is some renames. dispatch() goes on meanwhile.
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
#include <sys/file.h>
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
				      .copier = COPIER_CLOSED, .settler = SETTLER_CLOSED};
}

static void end_work(struct cache_publisher *p)
{
	copier_drop(&p->copier);
	settler_drop(&p->settler);
	work_leave(&p->work);
	store_done(&p->store);
	p->store = (struct store)STORE_CLOSED;
	p->work = (struct work){.fd = -1};
}

void cache_publisher_done(struct cache_publisher *p)
{
	end_work(p);
}

/* ---- beginning ------------------------------------------------------------------------ */

/* Of a cache, as the plan has it, and all that it attaches later. */
struct mount_points {
	const char *at, *shelf; /* in the root; on the scratch, where init takes it from; or NULL */
	const struct op *later, *end;
};

static struct mount_points find_mount_points(const struct plan *p, size_t i)
{
	struct mount_points m = {.end = p->ops + p->n_ops};

	for (m.later = p->ops; m.later < m.end && !m.at && !m.shelf; m.later++) {
		if (m.later->slot != plan_cache_root_slot(p, i))
			continue;
		if (m.later->kind == OP_ATTACH)
			m.at = m.later->target;
		if (m.later->kind == OP_SHELVE) {
			m.shelf = m.later->target;
			m.at = m.later->text;
		}
	}
	return m;
}

static bool attaches(const struct op *op)
{
	return op->kind == OP_ATTACH || op->kind == OP_BIND_SCRATCH || op->kind == OP_MOUNT ||
	       op->kind == OP_TAKE;
}

/* Whether @target is @path below @top, or further down there. */
static bool leads_to(const char *target, const char *top, const char *path)
{
	size_t n = top ? strlen(top) : 0, len = strlen(path);

	return top && strncmp(target, top, n) == 0 && target[n] == '/' &&
	       strncmp(target + n + 1, path, len) == 0 &&
	       (target[n + 1 + len] == '/' || !target[n + 1 + len]);
}

static bool leads_to_mount(const struct mount_points *m, const char *path)
{
	for (const struct op *op = m->later; op < m->end; op++)
		if ((attaches(op) && leads_to(op->target, m->at, path)) ||
		    (op->kind == OP_SHELVE && leads_to(op->target, m->shelf, path)))
			return true;
	return false;
}

/* What the stage has made there, for a mount, is nothing that the job has changed. */
static bool is_for_mount(const struct stat *st)
{
	return S_ISDIR(st->st_mode) || (S_ISREG(st->st_mode) && st->st_size == 0);
}

static bool has_more_than(int dir, const char *path, const struct mount_points *m)
{
	cleanup(dir_closep) DIR *list = tree_list(dir);
	struct dirent *e;

	while (list && (errno = 0, e = readdir(list))) {
		cleanup_free char *below = NULL;
		cleanup_close int next = -1;
		struct stat st;

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (str_format(&below, "%s%s%s", path, *path ? "/" : "", e->d_name) < 0 ||
		    !leads_to_mount(m, below) ||
		    fstatat(dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !is_for_mount(&st))
			return true;
		if (!S_ISDIR(st.st_mode))
			continue;
		next = tree_open_dir(dir, e->d_name);
		if (next < 0 || has_more_than(next, below, m))
			return true;
	}
	/* Of what cannot be read nobody knows: who copies it will say why. */
	return !list || errno;
}

/* Nothing in the job's own layer: nothing has changed. */
static bool has_changed(const struct cis_sandbox *sb, size_t i)
{
	const struct mount_points m = find_mount_points(&sb->plan, i);
	cleanup_close int fd = -1;
	char upper[48];

	snprintf(upper, sizeof upper, PLAN_CACHE_UPPER, i);
	fd = sys_openat2(sb->plan.fds[SLOT_SCRATCH], upper, O_RDONLY | O_DIRECTORY, 0,
			 RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
	return fd < 0 || has_more_than(fd, "", &m);
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
		r = work_begin_at_once(&p->work, &p->store, err);
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

/* Who was asked to end and says that all is well has hardly done all that it would have. */
static int check_end(const struct cis_sandbox *sb, const char *name, struct cis_error *err)
{
	const char *why = sb->timed_out	     ? "the job's time was up"
			  : sb->was_asked    ? "the job was asked to end"
			  : sb->told_to_stop ? "told to stop"
					     : NULL;

	if (why)
		return cis_fail_plain(err, ECANCELED, "cache %s: not published: %s", name, why);
	if (sb->publisher.status != 0)
		return cis_fail_plain(err, ECANCELED, "cache %s: not published: the command's "
				      "status was %d", name, sb->publisher.status);
	return 0;
}

static void next(struct cis_sandbox *sb)
{
	struct cache_publisher *p = &sb->publisher;
	unsigned int slot = plan_cache_root_slot(&sb->plan, p->next++);

	end_work(p);
	if (sb->plan.fds)
		sb->plan.fds[slot] = fd_close(sb->plan.fds[slot]);
}

int cache_publish_next(struct cis_sandbox *sb)
{
	struct cache_publisher *p = &sb->publisher;

	if (cache_publisher_helper(p) >= 0)
		return 1;
	for (; p->next < sb->plan.n_caches; next(sb)) {
		unsigned int slot = plan_cache_root_slot(&sb->plan, p->next);
		struct cis_error err = {0};

		if (!sb->plan.fds || sb->plan.fds[slot] < 0 || !has_changed(sb, p->next))
			continue;
		if (check_end(sb, sb->spec.caches[p->next].name, &err) >= 0 &&
		    start(sb, p->next, &err) >= 0)
			return 1;
		tell_failure(sb, &err);
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
	case COPIER_LOST:
		return cis_fail(err, errnum,
				"cache %s: not published: the sandbox's disk lost some of what was "
				"written to it", c->name);
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

#define START "start a process for"
static int not_settled(const struct cache_publisher *p, const char *name, const char *step, int r,
		       struct cis_error *err)
{
	return cis_fail(err, -r, "cache %s: not published: %s %s", name, step, p->store.path);
}

static int settle(struct cis_sandbox *sb, size_t i, const struct copier_report *report,
		  struct cis_error *err)
{
	struct cache_publisher *p = &sb->publisher;
	const struct spec_cache *c = &sb->spec.caches[i];
	const struct cache *cache = &sb->plan.caches[i];
	/* The helper's word: no more than what it may say, or nobody could read the cache. */
	const struct cache_info info = {.created = time(NULL),
					.size = MIN(report->bytes, cache->policy.max),
					.files = MIN(report->files, CACHE_ENTRIES_MAX),
					.scope = sb->spec.scope};
	cleanup_close int dir = tree_open_dir(p->work.fd, MADE);
	const char *step = "write to";
	int r = dir < 0 ? dir : seal(dir);

	if (r >= 0)
		r = cache_write_info(dir, &info);
	if (r >= 0) {
		step = START;
		r = settler_start(&p->settler, &p->store, p->work.fd);
	}
	p->report = *report;
	return r < 0 ? not_settled(p, c->name, step, r, err) : 0;
}

/* 1: somebody else has the store's lock again, which is waited for. */
static int publish(struct cis_sandbox *sb, size_t i, uint64_t *ret, struct cis_error *err)
{
	struct cache_publisher *p = &sb->publisher;
	const struct spec_cache *c = &sb->spec.caches[i];
	struct cache *cache = &sb->plan.caches[i];
	const char *step;
	int r = settler_finish(&p->settler, &step);

	if (r >= 0) {
		step = "lock";
		r = store_lock_fd(p->store.fd, LOCK_EX | LOCK_NB);
	}
	if (r == -EWOULDBLOCK) {
		step = START;
		r = settler_start(&p->settler, &p->store, p->work.fd);
		if (r >= 0)
			return 1;
	}
	if (r < 0)
		return not_settled(p, c->name, step, r, err);
	r = generation_put(&p->work, MADE, c->name, cache->g.number, &cache->g, ret, err);
	store_sweep_aside(&p->store);
	store_unlock(&p->store);
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

static int copied(struct cis_sandbox *sb, size_t i, struct cis_error *err)
{
	const struct spec_cache *c = &sb->spec.caches[i];
	struct copier_report report;
	siginfo_t info;

	copier_finish(&sb->publisher.copier, &report, &info);
	if (copier_is_well(&report, &info))
		return settle(sb, i, &report, err);
	if (report.error)
		return explain(c, &sb->plan.caches[i], &report, err);
	return cis_fail_plain(err, EIO,
			      "cache %s: not published: the helper that copies it died (%s %d)",
			      c->name, info.si_code == CLD_EXITED ? "status" : "signal",
			      info.si_status);
}

void cache_publish_ended(struct cis_sandbox *sb)
{
	struct cache_publisher *p = &sb->publisher;
	struct cis_error err = {0};
	uint64_t number = 0;
	int r;

	if (sb->told_to_stop) {
		r = check_end(sb, sb->spec.caches[p->next].name, &err);
	} else if (p->copier.pidfd >= 0) {
		r = copied(sb, p->next, &err) < 0 ? -1 : 1;
	} else {
		r = publish(sb, p->next, &number, &err);
	}
	if (r > 0) /* the next helper is at work */
		return;
	if (r < 0)
		tell_failure(sb, &err);
	else
		tell(sb, &sb->spec.caches[p->next], number, &p->report);
	next(sb);
}
