/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The handle's way out: what it describes as an OCI bundle on the disk, which other runtimes
 * run. What an engine's profile starts beside the command is not in it: a container has
 * one command. What only a supervisor of ours can hold is refused rather than left out; of
 * built-in profiles, whose word that is not, disk and timeout are left out.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/io.h"
#include "base/process.h"
#include "base/record.h"
#include "bundle/annotations.h"
#include "bundle/config.h"
#include "bundle/dir.h"
#include "bundle/tree.h"
#include "fs/path.h"
#include "isolate/ids.h"
#include "notify/traps.h"
#include "sandbox.h"

/* Below are users of the host; and what is left above is not an id. */
#define BASE_MIN SPEC_IDS_UNIT
#define ID_END UINT32_MAX

struct bundle {
	struct cis_bundle how;
	struct plan plan;
	struct strv annotations, sources;
	struct bundle_config config;
	int root;
};

static void done(struct bundle *b)
{
	plan_done(&b->plan);
	strv_done(&b->annotations);
	strv_done(&b->sources);
	fd_close(b->root);
}

/* ---- what cannot be in one ------------------------------------------------------------- */

static bool is_asked(const struct spec *s, enum spec_limit which, uint64_t value)
{
	return value && !(s->builtin & 1u << which);
}

static int refuse(struct cis_error *err, const char *what, const char *hint)
{
	cis_fail_plain(err, EINVAL, "%s cannot be in a bundle", what);
	return cis_hint(err, "%s", hint);
}

static int check_spec(const struct spec *s, struct cis_error *err)
{
	const struct cis_io *io = &s->io;

	if (s->net != CIS_NET_NONE || s->egress.is_set)
		return refuse(err, "network rules",
			      "its network is whatever its namespace is given");
	if (is_asked(s, LIMIT_DISK, s->disk) || s->disk_inodes || s->disk_kind != CIS_DISK_AUTO ||
	    io->rbps || io->wbps || io->riops || io->wiops)
		return refuse(err, "a limit of the disk", "put it on a file system with a quota");
	if (is_asked(s, LIMIT_TIMEOUT, s->timeout_ms))
		return refuse(err, "a timeout", "timeout(1) in front of the runtime");
	if (s->flags & TRAPS)
		return refuse(err, "a trapped system call", "its helper is of cisandbox run");
	if (s->inner == CIS_INNER_CISANDBOX)
		return refuse(err, "our runtime for engines inside", "the image's is used");
	if (s->seed)
		return refuse(err, "a seed", "the runtime's engine has images of its own");
	if (s->secrets.n || s->artifacts.n || s->n_caches)
		return refuse(err, "a secret, an artifact or a cache", "they are of cisandbox run");
	return 0;
}

/* ---- ids --------------------------------------------------------------------------------- */

static int check_ids(const struct bundle *b, uint64_t count, struct cis_error *err)
{
	uint64_t base = b->how.id_base;

	if (!base && count > SPEC_IDS_UNIT)
		return cis_fail_plain(err, EINVAL, "%llu ids: say from which host id on",
				      (unsigned long long)count);
	if (!base)
		return 0;
	if (base < BASE_MIN || base + count > ID_END)
		return cis_fail_plain(err, ERANGE,
				      "%llu ids from %llu on: not between %llu, below which are "
				      "the host's own, and %u",
				      (unsigned long long)count, (unsigned long long)base,
				      BASE_MIN, ID_END - 1);
	return ids_check_not_ours(base, count, err);
}

/* Ours, as they are told outside, as far as 0..@count-1 go: a runtime makes the same again. */
static int read_maps(const char *path, uint32_t count, struct bundle_maps *ret)
{
	cleanup_free char *text = NULL;
	int r = io_read_file_at(AT_FDCWD, path, 65536, &text, NULL);
	char *save = NULL;

	for (char *line = r < 0 ? NULL : strtok_r(text, "\n", &save); line && r >= 0;
	     line = strtok_r(NULL, "\n", &save)) {
		struct bundle_map m;

		if (sscanf(line, "%u %u %u", &m.inside, &m.outside, &m.count) != 3)
			return -EINVAL;
		if (m.inside >= count)
			continue;
		m.count = MIN(m.count, count - m.inside);
		if (ret->n == BUNDLE_MAPS_MAX)
			return -E2BIG;
		ret->v[ret->n++] = m;
	}
	return r;
}

static int take_ids(struct bundle *b, const struct spec *s, struct cis_error *err)
{
	uint64_t count = (s->ids + SPEC_IDS_UNIT - 1) / SPEC_IDS_UNIT * SPEC_IDS_UNIT;
	struct bundle_config *c = &b->config;
	int r = check_ids(b, count, err);

	if (r < 0)
		return r;
	if (b->how.id_base) {
		c->uids = (struct bundle_maps){{{0, b->how.id_base, (uint32_t)count}}, 1};
		c->gids = c->uids;
	}
	if (!process_is_rootless())
		return 0;
	if (b->how.id_base)
		return cis_fail_plain(err, EPERM,
				      "without root its ids are the user's own sub-ids");
	r = read_maps("/proc/self/uid_map", (uint32_t)count, &c->uids);
	if (r >= 0)
		r = read_maps("/proc/self/gid_map", (uint32_t)count, &c->gids);
	return r < 0 ? cis_fail(err, -r, "read our own ids") : 0;
}

/* ---- what is in it ------------------------------------------------------------------------ */

static int find_sources(struct bundle *b, const struct spec *s, struct cis_error *err)
{
	for (size_t i = 0; i < s->n_binds; i++) {
		cleanup_free char *path = realpath(s->binds[i].source, NULL), *target = NULL;
		struct stat st;
		int r;

		if (!path || stat(path, &st) < 0)
			return cis_fail(err, errno, "bind %s", s->binds[i].source);
		r = plan_find_target(b->root, s->binds[i].target, &target, err);
		if (r >= 0)
			r = plan_check_kind(b->root, s->binds[i].target, target,
					    !S_ISDIR(st.st_mode), err);
		if (r < 0)
			return cis_wrap(err, r, "bind %s", s->binds[i].source);
		if (strv_add(&b->sources, path) < 0)
			return cis_fail(err, ENOMEM, "bundle");
	}
	return 0;
}

static int read_annotations(struct bundle *b, const struct spec *s, struct cis_error *err)
{
	return s->image ? image_annotations_read(b->plan.image, s->image, &b->annotations, err) : 0;
}

/* Runtimes make the one that the image names, and would fail with words of their own. */
static int check_workdir(const struct bundle *b, struct cis_error *err)
{
	const char *image = b->plan.spec->workdir ? NULL : b->plan.config.workdir;
	cleanup_free char *path = NULL;
	int r = image ? path_resolve_dir(b->root, image, &path, err) : 0;

	return r < 0 ? cis_wrap(err, r, "the image's WorkingDir") : 0;
}

static int gather(struct bundle *b, struct cis_sandbox *sb, char *const argv[],
		  const struct cis_bundle *how, size_t size, struct cis_error *err)
{
	const struct spec *s = &sb->spec;
	int r = how ? record_in(&b->how, sizeof b->how, how, size) : 0;

	b->plan.spec = s;
	if (r < 0)
		return cis_fail(err, -r, "bundle: struct cis_bundle");
	if (sb->is_bundle || sb->phase != PHASE_NEW)
		return cis_fail_plain(err, EBUSY, "bundle: of a handle that is not new");
	r = spec_validate(s, err);
	if (r >= 0)
		r = check_spec(s, err);
	if (r >= 0)
		r = b->root = plan_open_root(&b->plan, err);
	if (r >= 0)
		r = check_workdir(b, err);
	if (r >= 0)
		r = plan_payload(&b->plan, s, argv, b->root, err);
	if (r >= 0)
		r = read_annotations(b, s, err);
	if (r >= 0)
		r = find_sources(b, s, err);
	b->config.spec = s;
	b->config.exec = &b->plan.payload;
	b->config.annotations = &b->annotations;
	b->config.sources = &b->sources;
	return r < 0 ? r : take_ids(b, s, err);
}

static int make_config(const struct bundle *b, char **ret, struct cis_error *err)
{
	int r = bundle_config_write(&b->config, ret);

	return r < 0 ? cis_fail(err, -r, "bundle: config.json") : 0;
}

int cis_bundle_json(struct cis_sandbox *sb, char *const argv[], const struct cis_bundle *how,
		    size_t size, char **ret, struct cis_error *err)
{
	cleanup(done) struct bundle b = {.plan = PLAN_EMPTY, .root = -1};
	int r = gather(&b, sb, argv, how, size, err);

	return r < 0 ? r : make_config(&b, ret, err);
}

/* ---- on the disk --------------------------------------------------------------------------- */

static int write_config(int dir, const char *text, const struct timespec *changed)
{
	const struct timespec times[2] = {*changed, *changed};
	cleanup_close int fd =
		openat(dir, "config.json", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int r = fd < 0 ? -errno : io_write_all(fd, text, strlen(text));

	return r >= 0 && (fchmod(fd, 0644) < 0 || futimens(fd, times) < 0) ? -errno : r;
}

static int write_root(const struct bundle *b, int dir, struct cis_error *err)
{
	struct bundle_tree tree = {
		.root = b->root,
		.layers = &b->plan.layers,
		.base = b->how.id_base,
		.count = b->how.id_base ? b->config.uids.v[0].count : 0,
		.step = b->how.step,
		.arg = b->how.arg,
	};
	cleanup_close int root = -1;

	if (mkdirat(dir, "rootfs", 0700) < 0)
		return cis_fail(err, errno, "rootfs");
	root = openat(dir, "rootfs", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (root < 0)
		return cis_fail(err, errno, "rootfs");
	return bundle_tree_copy(&tree, root, err);
}

/*
 * Nobody else gets into it: there are set-user-id programs in it. The root of its user
 * namespace must, on the way to the root file system. What is not the image's has the time of
 * its root.
 */
int cis_bundle_write(struct cis_sandbox *sb, char *const argv[], const struct cis_bundle *how,
		     size_t size, const char *dir, struct cis_error *err)
{
	cleanup(bundle_dir_done) struct bundle_dir d = BUNDLE_DIR_CLOSED;
	cleanup(done) struct bundle b = {.plan = PLAN_EMPTY, .root = -1};
	cleanup_free char *text = NULL;
	struct stat st;
	int r = gather(&b, sb, argv, how, size, err);

	if (r >= 0)
		r = make_config(&b, &text, err);
	if (r >= 0 && fstat(b.root, &st) < 0)
		r = cis_fail(err, errno, "bundle %s: look at the image", dir);
	if (r >= 0)
		r = bundle_dir_begin(&d, dir, err);
	if (r < 0)
		return r;
	r = write_config(d.fd, text, &st.st_mtim);
	r = r < 0 ? cis_fail(err, -r, "config.json") : write_root(&b, d.fd, err);
	if (r < 0)
		return cis_wrap(err, r, "bundle %s", dir);
	return bundle_dir_finish(&d, b.how.id_base ? 0710 : 0700, b.how.id_base, &st.st_mtim, err);
}
