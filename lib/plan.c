/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/process.h"
#include "disk.h"
#include "fault.h"
#include "fs/passwd.h"
#include "fs/path.h"
#include "inner.h"
#include "isolate/seccomp.h"
#include "net/egress.h"
#include "notify/traps.h"
#include "vfs/vfs.h"

#define BARE (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)

/* ---- ops ----------------------------------------------------------------- */

/* A plan grows only here: an op that could not be stored fails the plan. */
static int add(struct plan *p, struct op op)
{
	struct op *bigger = reallocarray(p->ops, p->n_ops + 1, sizeof *bigger);

	if (!bigger)
		return -ENOMEM;
	p->ops = bigger;
	p->ops[p->n_ops++] = op;
	return 0;
}

/* A copy of @s that lives as long as the plan; NULL when there is no memory. */
static const char *keep(struct plan *p, const char *s)
{
	return strv_add(&p->strings, s) < 0 ? NULL : p->strings.v[p->strings.n - 1];
}

/* ---- the parts of the plan ----------------------------------------------------- */

static uint32_t nodes_flag(const struct spec *s)
{
	return s->flags & CIS_TRAP_MKNOD ? OP_NODES : 0;
}

static uint32_t devices_flag(const struct spec *s)
{
	return s->flags & TRAPS_WITH_DEVICES ? OP_NODES : 0;
}

/* Where the scratch directory is that stands for @path inside; NULL: there is none. */
static const char *find_scratch_dir(struct plan *p, const char *path)
{
	const struct strv *dirs = &p->spec->scratch_dirs;
	char name[32];

	for (size_t i = 0; i < dirs->n; i++)
		if (strcmp(dirs->v[i], path) == 0) {
			snprintf(name, sizeof name, "dirs/%zu", i);
			return keep(p, name);
		}
	return NULL;
}

/* The seed itself, and each store's index. After the scratch. */
static int plan_seed_host(struct plan *p)
{
	int r = add(p, (struct op){OP_CLONE_TREE, BY_CALLER, .slot = SLOT_SEED,
				   .source = p->seed.g.path, .flags = OP_TREE_READONLY});

	for (size_t i = 0; i < p->seed.stores.n && r >= 0; i++) {
		const char *name = p->seed.stores.v[i];

		r = add(p, (struct op){OP_SEED_INDEX, BY_CALLER, .slot = SLOT_SCRATCH,
				       .source = name,
				       .target = find_scratch_dir(
					       p, seed_store_find(name)->path)});
	}
	return r;
}

static int plan_cache_host(struct plan *p, size_t i)
{
	cleanup_free char *tree = NULL;
	int r = str_format(&tree, "%s/" CACHE_TREE, p->caches[i].g.path);

	return r < 0 ? r
		     : add(p, (struct op){OP_CLONE_TREE, BY_CALLER,
					  .slot = (uint16_t)plan_cache_slot(p, i),
					  .source = keep(p, tree), .flags = OP_TREE_READONLY});
}

static int plan_host(struct plan *p)
{
	const struct spec *s = p->spec;
	uint64_t ids = (s->ids + SPEC_IDS_UNIT - 1) / SPEC_IDS_UNIT * SPEC_IDS_UNIT;
	int r = add(p, (struct op){OP_STATE, BY_CALLER, .text = s->id ? s->id : "(random)"});

	if (r >= 0)
		r = add(p, (struct op){OP_IDS, BY_CALLER, .value = ids,
				       .flags = p->rootless ? OP_IDS_OURS : 0});
	if (r >= 0 && (s->secrets.n || s->hold))
		r = add(p, (struct op){OP_SECRETS, BY_CALLER, .slot = SLOT_SECRETS});
	if (r >= 0)
		r = add(p, (struct op){OP_FOUND, BY_CALLER});
	for (size_t i = 0; i < s->egress.n_published && r >= 0; i++)
		r = add(p, (struct op){OP_PUBLISH, BY_CALLER, .value = i});
	if (r >= 0 && s->net == CIS_NET_EGRESS)
		r = add(p, (struct op){OP_GATE, BY_CALLER});
	for (size_t i = 0; i < p->layers.n && r >= 0; i++)
		r = add(p, (struct op){OP_CLONE_TREE, BY_CALLER,
				       .slot = (uint16_t)plan_layer_slot(p, i),
				       .source = p->layers.v[i],
				       .flags = OP_TREE_READONLY |
						(p->image_is_tree ? OP_TREE_OF_IMAGE : 0)});
	for (size_t i = 0; i < s->n_binds && r >= 0; i++)
		r = add(p, (struct op){OP_CLONE_TREE, BY_CALLER,
				       .slot = (uint16_t)(SLOT_BIND + i),
				       .source = s->binds[i].source,
				       .flags = s->binds[i].readonly ? OP_TREE_READONLY : 0});
	for (size_t i = 0; i < p->n_caches && r >= 0; i++)
		r = plan_cache_host(p, i);
	if (r >= 0)
		r = add(p, (struct op){OP_SCRATCH, BY_CALLER, .slot = SLOT_SCRATCH,
				       .value = disk_size(s), .flags = p->disk});
	if (r >= 0 && s->seed)
		r = plan_seed_host(p);
	if (r >= 0 && p->inner_path)
		r = add(p, (struct op){OP_CLONE_TREE, BY_CALLER, .slot = SLOT_INNER,
				       .source = p->inner_path,
				       .flags = OP_TREE_READONLY});
	if (r >= 0 && p->has_vfs)
		r = add(p, (struct op){OP_VFS, BY_CALLER, .slot = SLOT_VFS});
	if (r >= 0)
		r = add(p, (struct op){OP_MAP, BY_CALLER});
	if (r >= 0)
		r = add(p, (struct op){OP_CGROUP, BY_CALLER, .flags = devices_flag(s)});
	if (r >= 0 && s->net == CIS_NET_EGRESS)
		r = add(p, (struct op){OP_GATE_BUILD, BY_CALLER});
	return r;
}

/* What takes the kernel longest; the host's side is made ready meanwhile. */
static int plan_namespaces(struct plan *p)
{
	const struct spec *s = p->spec;
	int r = add(p, (struct op){OP_USERNS, BY_FOUNDER});

	if (r >= 0)
		r = add(p, (struct op){OP_NETNS, BY_FOUNDER});
	if (r >= 0)
		r = add(p, (struct op){OP_HOSTNAME, BY_FOUNDER,
				       .text = s->hostname ? s->hostname : s->id});
	return r < 0 ? r : add(p, (struct op){OP_LINK_UP, BY_FOUNDER, .text = "lo"});
}

static int add_idmap(struct plan *p, unsigned int slot)
{
	return add(p, (struct op){OP_IDMAP, BY_STAGE, .slot = (uint16_t)slot});
}

/* With mode and owner of the directory @like of the image, as far as there is one. */
static int add_scratch_dir(struct plan *p, int rootfd, const char *path, const char *like)
{
	struct op op = {OP_MKDIR, BY_STAGE, .slot = SLOT_SCRATCH, .target = path, .value = 0755};
	struct stat st;

	if (fstatat(rootfd, like, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode)) {
		op.value = st.st_mode & 07777;
		op.uid = st.st_uid;
		op.gid = st.st_gid;
	}
	return add(p, op);
}

/* Not the host's, nor the image's: the gate is the only resolver there is. */
static int plan_resolver(struct plan *p, int rootfd)
{
	int r = add_scratch_dir(p, rootfd, "root/upper/etc", "etc");

	return r < 0 ? r
		     : add(p, (struct op){OP_FILE, BY_STAGE, .slot = SLOT_SCRATCH,
					  .target = "root/upper/etc/resolv.conf",
					  .text = "nameserver " EGRESS_GATE4 "\n"});
}

/* Images may name a working directory that is not there: engines make it. */
static int plan_workdir(struct plan *p, int rootfd, struct cis_error *err)
{
	cleanup_free char *path = NULL;
	int r;

	if (p->spec->workdir || !p->config.workdir)
		return 0;
	r = path_resolve_dir(rootfd, p->config.workdir, &path, err);
	if (r <= 0)
		return r < 0 ? cis_wrap(err, r, "the image's WorkingDir") : 0;
	for (size_t n = 0; path[n] && r >= 0;) {
		cleanup_free char *upper = NULL;

		n += 1 + strcspn(path + n + 1, "/");
		r = str_format(&upper, "root/upper/%.*s", (int)n, path);
		if (r >= 0)
			r = add_scratch_dir(p, rootfd, keep(p, upper),
					    upper + strlen("root/upper/"));
	}
	return r < 0 ? cis_fail(err, -r, "plan") : 0;
}

static int plan_overlay(struct plan *p)
{
	int r = add(p, (struct op){OP_OVERLAY, BY_STAGE, .slot = SLOT_ROOT, .source = "/root",
				   .flags = nodes_flag(p->spec) |
					    (p->rootless ? OP_OVERLAY_USER : 0)});

	if (r >= 0 && (p->spec->artifacts.n || p->spec->hold))
		r = add(p, (struct op){OP_KEEP, BY_STAGE, .slot = SLOT_ROOT});
	if (r >= 0)
		r = add(p, (struct op){OP_DEV, BY_STAGE, .slot = SLOT_DEV,
				       .flags = (p->spec->tty ? OP_DEV_CONSOLE : 0) |
						(p->rootless ? OP_DEV_EMPTY : 0)});
	if (r >= 0)
		r = add(p, (struct op){OP_ATTACH, BY_STAGE, .slot = SLOT_DEV, .target = "dev"});
	if (r >= 0 && p->rootless)
		r = add(p, (struct op){OP_DEV_BIND, BY_STAGE, .target = "dev"});
	return r;
}

#define SEED_SHELF "seed"

/* In the scratch: what all have in common, and the job's own layer, whose top is its user's. */
static int plan_cache_layers(struct plan *p, size_t i)
{
	char lower[48], upper[48], work[48];
	int r;

	snprintf(lower, sizeof lower, "caches/%zu/lower", i);
	snprintf(upper, sizeof upper, PLAN_CACHE_UPPER, i);
	snprintf(work, sizeof work, "caches/%zu/work", i);
	r = add(p, (struct op){OP_SHELVE, BY_STAGE, .slot = (uint16_t)plan_cache_slot(p, i),
			       .target = keep(p, lower)});
	if (r >= 0)
		r = add(p, (struct op){OP_MKDIR, BY_STAGE, .slot = SLOT_SCRATCH,
				       .target = keep(p, upper), .value = 0755,
				       .uid = p->payload.uid, .gid = p->payload.gid});
	if (r >= 0)
		r = add(p, (struct op){OP_MKDIR, BY_STAGE, .slot = SLOT_SCRATCH,
				       .target = keep(p, work), .value = 0755});
	return r;
}

/* From the host's side: ids, layers. */
static int plan_root(struct plan *p, int rootfd)
{
	int r = add(p, (struct op){OP_JOIN, BY_STAGE});

	if (r >= 0 && p->has_vfs && p->spec->cpus_milli)
		r = add(p, (struct op){OP_CPUS, BY_STAGE, .value = p->spec->cpus_milli});
	for (size_t i = 0; i < p->spec->n_ulimits && r >= 0; i++)
		r = add(p, (struct op){OP_RLIMIT, BY_STAGE, .value = i});
	if (r >= 0)
		r = add(p, (struct op){OP_CLOCK, BY_STAGE});
	if (r >= 0)
		r = add(p, (struct op){OP_OWNER, BY_STAGE});
	for (size_t i = 0; i < p->layers.n && r >= 0 && !p->rootless; i++)
		r = add_idmap(p, plan_layer_slot(p, i));
	/* A tmpfs of ours has the right owners already, and needs no 6.3. */
	if (r >= 0 && !scratch_is_owned(p->disk))
		r = add_idmap(p, SLOT_SCRATCH);
	for (size_t i = 0; i < p->spec->n_binds && r >= 0 && !p->rootless; i++)
		r = add_idmap(p, SLOT_BIND + (unsigned int)i);
	if (r >= 0 && p->spec->seed && !p->rootless)
		r = add_idmap(p, SLOT_SEED);
	for (size_t i = 0; i < p->n_caches && r >= 0 && !p->rootless; i++)
		r = add_idmap(p, plan_cache_slot(p, i));
	if (r >= 0)
		r = add(p, (struct op){OP_ATTACH_LAYERS, BY_STAGE});
	if (r >= 0 && p->spec->seed)
		r = add(p, (struct op){OP_SHELVE, BY_STAGE, .slot = SLOT_SEED,
				       .target = SEED_SHELF});
	for (size_t i = 0; i < p->n_caches && r >= 0; i++)
		if (!p->spec->caches[i].readonly)
			r = plan_cache_layers(p, i);
	if (r >= 0)
		r = add_scratch_dir(p, rootfd, "root/upper", ".");
	if (r >= 0)
		r = add_scratch_dir(p, rootfd, "root/work", "");
	if (r >= 0 && p->spec->net == CIS_NET_EGRESS)
		r = plan_resolver(p, rootfd);
	return r;
}

static int resolve_target(struct plan *p, int rootfd, const char *path, bool file,
			  const char **ret, struct cis_error *err)
{
	cleanup_free char *resolved = NULL;
	int r = plan_find_target(rootfd, path, &resolved, err);
	bool covered = false;

	/* By what is attached before: then it is not the image's. */
	for (size_t i = 0; r >= 0 && i < p->n_ops; i++)
		covered = covered || (p->ops[i].kind == OP_ATTACH &&
				      plan_target_is_in(resolved, p->ops[i].target));
	if (r >= 0 && !covered)
		r = plan_check_kind(rootfd, path, resolved, file, err);
	if (r < 0)
		return r;
	/* Either of the two would hide the other. */
	if (p->secrets_at && (plan_target_is_in(resolved, p->secrets_at) ||
			      plan_target_is_in(p->secrets_at, resolved)))
		return cis_fail_plain(err, EINVAL, "%s: secrets appear in /%s", path,
				      p->secrets_at);
	*ret = keep(p, resolved);
	return *ret ? 0 : cis_fail(err, ENOMEM, "plan");
}

/* What an engine makes a mount of in its store @path is one, which it cannot take away. */
static int plan_own(struct plan *p, const char *path, const char *source, const char *target)
{
	const char *own = plan_seed_own(p, path);
	cleanup_free char *from = NULL, *to = NULL;
	int r = 0;

	if (own)
		r = str_format(&from, "%s/%s", source, own);
	if (own && r >= 0)
		r = str_format(&to, "%s/%s", target, own);
	return !own || r < 0 ? r
			     : add(p, (struct op){OP_BIND_SCRATCH, BY_STAGE,
						  .source = keep(p, from),
						  .target = keep(p, to)});
}

/*
 * Where init mounts something the stage would attach below that. It attaches on the scratch
 * instead, so that flags are locked, and add_taken() has init take it.
 */
static int add_attach(struct plan *p, unsigned int slot, const char *target, uint32_t flags)
{
	struct op op = {OP_ATTACH, BY_STAGE, .slot = (uint16_t)slot, .target = target,
			.flags = flags};
	cleanup_free char *shelf = NULL;
	int r;

	if (!plan_target_is_inits(target))
		return add(p, op);
	op.kind = OP_SHELVE;
	/* Within what is there already: init takes both as one, and so cannot part them. */
	for (size_t i = p->n_ops; i-- > 0 && !shelf;) {
		const struct op *on = &p->ops[i];

		if (on->kind != OP_SHELVE || !on->text || !plan_target_is_in(target, on->text))
			continue;
		r = str_format(&shelf, "%s%s", on->target, target + strlen(on->text));
		if (r < 0)
			return r;
		op.target = keep(p, shelf);
		return add(p, op);
	}
	r = str_format(&shelf, "shelf/%u", slot);
	if (r < 0)
		return r;
	op.target = keep(p, shelf);
	op.text = target;
	return add(p, op);
}

/* In the same order. */
static int add_taken(struct plan *p)
{
	int r = 0;

	for (size_t i = 0; i < p->n_ops && r >= 0; i++) {
		struct op op = p->ops[i];

		if (op.kind == OP_SHELVE && op.text)
			r = add(p, (struct op){OP_TAKE, BY_INIT, .slot = op.slot,
					       .source = op.target, .target = op.text,
					       .flags = op.flags});
	}
	return r;
}

/* Directories that an overlay would not serve: an engine's own overlays. */
static int plan_scratch_dirs(struct plan *p, int rootfd, struct cis_error *err)
{
	const struct strv *dirs = &p->spec->scratch_dirs;
	int r = 0;

	for (size_t i = 0; i < dirs->n && r >= 0; i++) {
		const char *target = NULL, *source;
		char name[32];

		snprintf(name, sizeof name, "dirs/%zu", i);
		source = keep(p, name);
		r = resolve_target(p, rootfd, dirs->v[i], false, &target, err);
		if (r < 0)
			return cis_wrap(err, r, "scratch directory");
		if (plan_target_is_inits(target))
			return cis_fail_plain(err, EINVAL, "scratch directory %s: it is in memory",
					      dirs->v[i]);
		r = add_scratch_dir(p, rootfd, source, target);
		if (r >= 0)
			r = add(p, (struct op){OP_BIND_SCRATCH, BY_STAGE, .source = source,
					       .target = target});
		if (r >= 0)
			r = plan_own(p, dirs->v[i], source, target);
	}
	return r < 0 ? cis_fail(err, -r, "plan") : 0;
}

/*
 * Before the binds, which may hide it. Not id-mapped: that it can be executed is enough,
 * and so it is nobody's inside.
 */
static int plan_inner(struct plan *p, int rootfd, struct cis_error *err)
{
	const char *target = NULL;
	int r;

	if (!p->inner_path)
		return 0;
	r = resolve_target(p, rootfd, INNER_PLACE, true, &target, err);
	if (r < 0)
		return cis_wrap(err, r, "inner runtime");
	r = add(p, (struct op){OP_ATTACH, BY_STAGE, .slot = SLOT_INNER, .target = target,
			       .flags = OP_TARGET_FILE});
	return r < 0 ? cis_fail(err, -r, "plan") : 0;
}

/* Before all that might hide them, or be hidden. */
static int plan_secrets(struct plan *p, int rootfd, struct cis_error *err)
{
	const char *target = NULL;
	int r;

	if (!p->spec->secrets.n && !p->spec->hold)
		return 0;
	r = resolve_target(p, rootfd, "/" SECRET_PLACE, false, &target, err);
	if (r < 0)
		return cis_wrap(err, r, "secrets");
	p->secrets_at = target;
	r = add_attach(p, SLOT_SECRETS, target, 0);
	/* They come later, by the clone; while what the job sees has its flags locked. */
	if (r >= 0 && p->spec->hold)
		r = add(p, (struct op){OP_KEEP, BY_STAGE, .slot = SLOT_SECRETS,
				       .flags = OP_TREE_READONLY});
	return r < 0 ? cis_fail(err, -r, "plan") : 0;
}

/* Read-only it is what all have in common, else an overlay of the job's own over that. */
static int plan_cache(struct plan *p, size_t i, const char *target)
{
	bool readonly = p->spec->caches[i].readonly;
	uint16_t slot = (uint16_t)(readonly ? plan_cache_slot(p, i) : plan_cache_root_slot(p, i));
	char place[48];
	int r = 0;

	snprintf(place, sizeof place, "/caches/%zu", i);
	if (!readonly)
		r = add(p, (struct op){OP_CACHE, BY_STAGE,
				       .slot = (uint16_t)plan_cache_slot(p, i), .value = slot,
				       .source = keep(p, place),
				       .flags = p->rootless ? OP_OVERLAY_USER : 0});
	if (r >= 0)
		r = add_attach(p, slot, target, 0);
	if (r >= 0 && p->cache_writes[i])
		r = add(p, (struct op){OP_KEEP, BY_STAGE, .slot = slot});
	return r;
}

static int plan_caches(struct plan *p, int rootfd, struct cis_error *err)
{
	for (size_t i = 0; i < p->n_caches; i++) {
		const char *target = NULL;
		int r = resolve_target(p, rootfd, p->spec->caches[i].path, false, &target, err);

		if (r < 0)
			return cis_wrap(err, r, "cache %s", p->spec->caches[i].name);
		r = plan_cache(p, i, target);
		if (r < 0)
			return cis_fail(err, -r, "plan");
	}
	return 0;
}

static int plan_binds(struct plan *p, int rootfd, struct cis_error *err)
{
	const struct spec *s = p->spec;

	for (size_t i = 0; i < s->n_binds; i++) {
		const char *target = NULL;
		struct stat st;
		int r;

		if (stat(s->binds[i].source, &st) < 0)
			return cis_fail(err, errno, "bind %s", s->binds[i].source);
		r = resolve_target(p, rootfd, s->binds[i].target, !S_ISDIR(st.st_mode), &target,
				   err);
		if (r < 0)
			return cis_wrap(err, r, "bind %s", s->binds[i].source);
		r = add_attach(p, SLOT_BIND + (unsigned int)i, target,
			       S_ISDIR(st.st_mode) ? 0 : OP_TARGET_FILE);
		if (r < 0)
			return cis_fail(err, -r, "plan");
	}
	return 0;
}

/* Where in the new root that directory of the scratch is. */
static const char *scratch_dir_target(const struct plan *p, const char *source)
{
	for (size_t i = 0; i < p->n_ops; i++)
		if (p->ops[i].kind == OP_BIND_SCRATCH && strcmp(p->ops[i].source, source) == 0)
			return p->ops[i].target;
	return NULL;
}

/* @at, below index/, in the new root. */
static int seed_target(struct plan *p, const char *at, char **ret)
{
	cleanup_free char *name = NULL;
	const char *source, *target;
	size_t n = strcspn(at, "/");
	int r = str_format(&name, "%.*s", (int)n, at);

	if (r < 0)
		return r;
	source = find_scratch_dir(p, seed_store_find(name)->path);
	target = source ? scratch_dir_target(p, source) : NULL;
	return target ? str_format(ret, "%s%s", target, at + n) : -ENOMEM;
}

/* What all have in common, into what each has of its own. By init: child.c says why. */
static int plan_seed(struct plan *p)
{
	const struct seed *seed = &p->seed;
	int r = 0;

	for (size_t i = 0; i < seed->at.n && r >= 0; i++) {
		const bool file = i >= seed->n_dirs;
		cleanup_free char *from = NULL, *to = NULL;

		r = str_format(&from, SEED_SHELF "/big/%c%zu", file ? 'f' : 'd',
			       file ? i - seed->n_dirs : i);
		if (r >= 0)
			r = seed_target(p, seed->at.v[i], &to);
		if (r >= 0)
			r = add(p, (struct op){OP_TAKE, BY_INIT, .source = keep(p, from),
					       .target = keep(p, to),
					       .flags = file ? OP_TARGET_FILE : 0});
	}
	return r;
}

static int add_mount(struct plan *p, const char *type, const char *target,
		     const char *options, uint64_t attrs)
{
	return add(p, (struct op){OP_MOUNT, BY_INIT, .text = type, .target = target,
				  .options = options, .value = attrs});
}

/*
 * From inside. /proc is three mounts deep: an empty tmpfs that carries a
 * pristine proc and sysfs, and the real one on top that hides it. The kernel
 * lets a nested user namespace mount its own proc or sysfs only while the mount
 * namespace holds one that nothing covers, and later parts of /proc may be.
 */
static int plan_inside(struct plan *p, int rootfd)
{
	struct stat st;
	int r = 0;

	if (p->has_vfs) /* below the mounts of init, and hidden by them */
		r = add(p, (struct op){OP_ATTACH, BY_STAGE, .slot = SLOT_VFS, .target = "proc"});
	if (r >= 0)
		r = add(p, (struct op){OP_SPAWN, BY_STAGE});
	if (r >= 0)
		r = add(p, (struct op){OP_ENTER_ROOT, BY_INIT});
	if (r >= 0)
		r = plan_seed(p);
	if (r >= 0)
		r = add_mount(p, "tmpfs", "proc", "mode=755,size=4k,nr_inodes=8", BARE);
	if (r >= 0)
		r = add_mount(p, "proc", "proc/.proc", NULL, BARE);
	if (r >= 0)
		r = add_mount(p, "sysfs", "proc/.sys", NULL, BARE);
	if (r >= 0)
		r = add_mount(p, "proc", "proc", NULL, BARE);
	if (r >= 0)
		r = add_mount(p, "sysfs", "sys", NULL, BARE);
	if (r >= 0)
		r = add_mount(p, "cgroup2", "sys/fs/cgroup", NULL, BARE);
	if (r >= 0)
		r = add_mount(p, "devpts", "dev/pts", "newinstance,ptmxmode=0666,mode=620,gid=5",
			      MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
	if (r >= 0)
		r = add_mount(p, "mqueue", "dev/mqueue", NULL, BARE);
	if (r >= 0)
		r = add_mount(p, "tmpfs", "dev/shm", "mode=1777",
			      MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
	/* Sockets and pid files of an image's build time are not those of its run. */
	if (r >= 0 && fstatat(rootfd, "run", &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISDIR(st.st_mode))
		r = add_mount(p, "tmpfs", "run", "mode=755",
			      MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
	if (r >= 0)
		r = add_taken(p);
	if (r >= 0 && p->has_vfs)
		r = add(p, (struct op){OP_COVER, BY_INIT});
	if (r >= 0)
		r = add(p, (struct op){OP_PIVOT, BY_INIT});
	if (r >= 0 && p->spec->tty)
		r = add(p, (struct op){OP_TTY, BY_INIT});
	if (r >= 0 && (p->spec->flags & TRAPS))
		r = add(p, (struct op){OP_TRAP, BY_INIT});
	return r;
}

/* The key keeps names that collide from being chosen. */
int plan_rules(const struct ruleset *rules, struct policy **ret, struct cis_error *err)
{
	uint8_t key[16];

	if (getrandom(key, sizeof key, 0) != sizeof key)
		return cis_fail(err, EIO, "plan");
	return ruleset_compile(rules, key, ret, err);
}

/* What may be reached; without a command, nothing. */
static int plan_policy(struct plan *p, struct cis_error *err)
{
	const struct ruleset nothing = {0};

	if (p->spec->net != CIS_NET_EGRESS)
		return 0;
	return plan_rules(p->spec->hold ? &nothing : &p->spec->egress.rules, &p->policy, err);
}

/* ---- building -------------------------------------------------------------------- */

int plan_build(struct plan *p, const struct spec *spec, char *const argv[],
	       struct cis_error *err)
{
	cleanup_close int rootfd = -1;
	int r;

	*p = (struct plan)PLAN_EMPTY;
	p->spec = spec;
	p->fault = fault_ordered();
	r = spec_validate(spec, err);
	if (r < 0)
		return r;
	p->rootless = process_is_rootless();
	p->has_vfs = spec->vfs == CIS_VFS_ON || (spec->vfs == CIS_VFS_AUTO && vfs_probe() == 0);
	if (spec->inner == CIS_INNER_AUTO)
		inner_find(&p->inner_path, NULL);
	else if (spec->inner == CIS_INNER_CISANDBOX && (r = inner_find(&p->inner_path, err)) < 0)
		return r;
	r = disk_choose(spec, &p->disk, err);
	if (r < 0)
		return r;
	rootfd = plan_open_root(p, err);
	if (rootfd < 0)
		return rootfd;
	r = plan_open_seed(p, err);
	if (r >= 0)
		r = plan_open_caches(p, err);
	if (r < 0)
		return r;
	r = plan_payload(p, spec, argv, rootfd, err);
	if (r >= 0)
		r = plan_services(p, err);
	if (r >= 0)
		r = plan_policy(p, err);
	if (r < 0)
		return r;

	r = plan_host(p);
	if (r >= 0)
		r = plan_namespaces(p);
	if (r >= 0)
		r = plan_root(p, rootfd);
	if (r < 0)
		return cis_fail(err, -r, "plan");
	r = plan_workdir(p, rootfd, err);
	if (r >= 0 && (r = plan_overlay(p)) < 0)
		return cis_fail(err, -r, "plan");
	if (r >= 0)
		r = plan_secrets(p, rootfd, err);
	if (r >= 0)
		r = plan_scratch_dirs(p, rootfd, err);
	if (r >= 0)
		r = plan_inner(p, rootfd, err);
	if (r >= 0)
		r = plan_caches(p, rootfd, err);
	if (r >= 0)
		r = plan_binds(p, rootfd, err);
	if (r < 0)
		return r;
	r = plan_inside(p, rootfd);
	if (r < 0)
		return cis_fail(err, -r, "plan");

	p->n_fds = plan_cache_root_slot(p, p->n_caches);
	p->fds = calloc(p->n_fds, sizeof *p->fds);
	if (!p->fds)
		return cis_fail(err, ENOMEM, "plan");
	for (size_t i = 0; i < p->n_fds; i++)
		p->fds[i] = -1;
	return 0;
}

void plan_done(struct plan *p)
{
	for (size_t i = 0; i < p->n_fds; i++)
		fd_close(p->fds[i]);
	for (size_t i = 0; i < p->n_services; i++)
		plan_exec_done(&p->services[i]);
	plan_exec_done(&p->payload);
	policy_free(p->policy);
	free(p->trap_filter);
	free(p->services);
	free(p->fds);
	free(p->ops);
	strv_done(&p->strings);
	strv_done(&p->layers);
	plan_close_image(p);
	image_config_done(&p->config);
	seed_done(&p->seed);
	for (size_t i = 0; i < p->n_caches; i++)
		cache_done(&p->caches[i]);
	free(p->caches);
	free(p->cache_writes);
	free(p->inner_path);
	*p = (struct plan)PLAN_EMPTY;
}
