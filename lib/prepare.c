/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The caller's ops: what must be made on the host before anything is cloned.
 * Each is in the journal first. Descriptors go into the plan's slots; what lives
 * only as a descriptor (mount clones, the scratch) needs no journal, because
 * the kernel takes it back with us.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "cgroup/devices.h"
#include "cgroup/own.h"
#include "disk.h"
#include "fs/mount.h"
#include "host.h"
#include "image/tree.h"
#include "isolate/ids.h"
#include "sandbox.h"

static int make_state(struct cis_sandbox *sb, struct cis_error *err)
{
	int r = sb->plan.rootless ? own_step_aside(err) : 0;

	if (r < 0)
		return r;
	host_reap();
	r = state_create(&sb->state, sb->spec.id, err);
	return r < 0 || !sb->spec.hold ? r : state_set_born(&sb->state, err);
}

static int take_ids(struct cis_sandbox *sb, const struct op *op, struct cis_error *err)
{
	cleanup_close int dir = -1;
	int r;

	sb->count = (uint32_t)op->value;
	if (op->flags & OP_IDS_OURS)
		return 0; /* from 0 */
	dir = state_open_ids(err);
	r = dir < 0 ? dir : state_journal(&sb->state, JOURNAL_IDS, err);
	return r < 0 ? r : ids_alloc(dir, sb->state.born, sb->count, &sb->base, err);
}

/* Where device nodes count: what /dev has and terminals can be opened, and nothing else. */
static int restrict_devices(const struct cis_sandbox *sb, struct cis_error *err)
{
	struct config_device_rule fuse = {
		.allow = true, .type = 'c', .major = 10, .minor = 229, .read = true,
		.write = true, .mknod = true};
	const struct config_resources r = {.devices = &fuse, .n_devices = 1};
	cleanup(device_policy_done) struct device_policy policy = {0};
	int k = device_policy_make(&policy, &r, err);

	if (k < 0)
		return k;
	return device_program_attach(sb->group.dirs[sb->group.hs.unified], &policy, err);
}

int prepare_limits(const struct cis_sandbox *sb, struct group_limits *ret,
		   struct cis_error *err)
{
	*ret = (struct group_limits){
		.memory = sb->spec.memory,
		.cpus_milli = sb->spec.cpus_milli,
		.pids = sb->spec.pids,
		.io.most = sb->spec.io,
	};
	if (!io_is_limited(&ret->io))
		return 0;
	return io_device_of(sb->plan.fds[SLOT_SCRATCH], &ret->io.device, err);
}

static int make_groups(struct cis_sandbox *sb, const struct op *op, struct cis_error *err)
{
	struct group_limits limits;
	char name[STATE_GROUP_NAME_MAX];
	cleanup_close int root = state_open_cache(&sb->state, err);
	int r = root < 0 ? root : 0;

	if (r >= 0)
		r = prepare_limits(sb, &limits, err);
	if (r < 0)
		return r;
	state_group_name(&sb->state, name);
	r = group_choose(&sb->group, name, &limits, root, err);
	if (r >= 0)
		r = state_journal(&sb->state, JOURNAL_CGROUP, err);
	if (r < 0)
		return r;
	r = group_create(&sb->group, &limits, sb->base, err);
	/* Another's: whoever undoes this must not find it. */
	if (r == -EEXIST)
		state_retract(&sb->state, JOURNAL_CGROUP);
	return r < 0 || !(op->flags & OP_NODES) ? r : restrict_devices(sb, err);
}

/* Whatever is cloned from here on has none of them in its memory. */
static int make_secrets(struct cis_sandbox *sb, const struct op *op, struct cis_error *err)
{
	const struct plan_exec *e = &sb->plan.payload;
	int fd, r = sb->spec.hold ? 0 : secrets_begin(sb, err);

	if (r < 0)
		return r;
	if (sb->spec.hold)
		fd = secrets_mount_empty(sb->base, err);
	else
		fd = secrets_mount(&sb->spec.secrets, sb->base, sb->base + e->uid,
				   sb->base + e->gid, err);
	if (fd < 0)
		return fd;
	sb->plan.fds[op->slot] = fd;
	return 0;
}

static int clone_tree(struct cis_sandbox *sb, const struct op *op, struct cis_error *err)
{
	bool is_image = op->flags & OP_TREE_OF_IMAGE;
	int fd = mount_clone_tree(is_image ? sb->plan.image : AT_FDCWD,
				  is_image ? "rootfs" : op->source,
				  op->flags & OP_TREE_READONLY);

	if (fd < 0)
		cis_fail(err, -fd, "clone the mount of %s", op->source);
	if (fd == -EINVAL && sb->plan.rootless)
		cis_hint(err, "something is mounted below it, which without root cannot be left "
			      "out: name a directory without mounts");
	if (fd < 0)
		return fd;
	sb->plan.fds[op->slot] = fd;
	return 0;
}

static int make_scratch(struct cis_sandbox *sb, const struct op *op, struct cis_error *err)
{
	int fd = disk_make(&sb->state, &sb->spec, (enum cis_disk)op->flags, sb->base, err);

	if (fd < 0)
		return fd;
	sb->plan.fds[op->slot] = fd;
	return 0;
}

static int copy_index(struct cis_sandbox *sb, const struct op *op, struct cis_error *err)
{
	const struct seed *seed = &sb->plan.seed;
	cleanup_close int index = tree_open_dir(seed->g.fd, "index");

	if (index < 0)
		return cis_fail(err, -index, "seed %s: index", seed->g.path);
	return seed_index_unpack(index, op->source, sb->plan.fds[op->slot], op->target,
				 scratch_is_owned(sb->plan.disk) ? sb->base : 0, err);
}

static int make_vfs(struct cis_sandbox *sb, const struct op *op, struct cis_error *err)
{
	cpu_set_t allowed, shown;

	if (sched_getaffinity(0, sizeof allowed, &allowed) < 0)
		return cis_fail(err, errno, "virtual files: which cpus there are");
	vfs_pick_cpus(sb->spec.cpus_milli, sb->base / SPEC_IDS_UNIT, &allowed, &shown);
	return vfs_make(&sb->vfs, sb->base, ids_of_helper(sb->base, sb->count), &shown,
			"--vfs=off", &sb->plan.fds[op->slot], err);
}

/* A gate's number need only be nobody else's now: so the range of ids serves for it too. */
static int clone_gate(struct cis_sandbox *sb, struct cis_error *err)
{
	const struct spec_egress *e = &sb->spec.egress;
	struct gate *g = &sb->gate;

	g->policy = steal_ptr(&sb->plan.policy);
	g->verify = !e->no_verify;
	g->wanted = e->uplink;
	g->rate = e->rate;
	g->budget = e->bytes;
	g->state = sb->state.dir;
	return gate_clone(g, sb->base / SPEC_IDS_UNIT, ids_of_helper(sb->base, sb->count), err);
}

int prepare_run(struct cis_sandbox *sb, struct launch *l, struct cis_error *err)
{
	int r = 0;

	for (size_t i = 0; i < sb->plan.n_ops && r >= 0; i++) {
		const struct op *op = &sb->plan.ops[i];

		if (op->who == BY_CALLER && i == sb->plan.fault)
			return cis_fail(err, EIO, "op %zu", i);
		switch ((enum op_kind)op->kind) {
		case OP_STATE:
			r = make_state(sb, err);
			break;
		case OP_IDS:
			r = take_ids(sb, op, err);
			break;
		case OP_SECRETS:
			r = make_secrets(sb, op, err);
			break;
		case OP_FOUND:
			l->base = sb->base;
			l->count = sb->count;
			r = launch_found(l, err);
			break;
		case OP_MAP:
			r = launch_map(l, err);
			if (r >= 0 && sb->spec.net == CIS_NET_EGRESS)
				r = gate_map(&sb->gate, err);
			break;
		case OP_CGROUP:
			r = make_groups(sb, op, err);
			break;
		case OP_VFS:
			r = make_vfs(sb, op, err);
			break;
		case OP_PUBLISH:
			r = gate_publish(&sb->gate, &sb->spec.egress.published[op->value], err);
			break;
		case OP_GATE:
			r = clone_gate(sb, err);
			break;
		case OP_CLONE_TREE:
			r = clone_tree(sb, op, err);
			break;
		case OP_SCRATCH:
			r = make_scratch(sb, op, err);
			break;
		case OP_SEED_INDEX:
			r = copy_index(sb, op, err);
			break;
		default: /* another process's */
			break;
		}
	}
	return r;
}

/* ---- streams ------------------------------------------------------------------ */

/* Above 2, so that putting it in its place never treads on another. */
static int dup_high(int fd)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);

	return copy < 0 ? -errno : copy;
}

static int open_null(void)
{
	cleanup_close int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : dup_high(fd);
}

/*
 * A pipe whose far end becomes stream @i of the payload. It belongs to the
 * payload's user, or opening /dev/stdout inside would be refused.
 */
static int make_pipe(struct cis_sandbox *sb, int i, int *ret_child)
{
	cleanup_close int host = dup_high(sb->stdio[i]);
	cleanup_close int near = -1, far = -1;
	int fds[2];

	if (host < 0)
		return host;
	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	near = fds[i == 0];
	far = fds[i != 0];
	if (fchown(far, sb->base + sb->plan.payload.uid, sb->base + sb->plan.payload.gid) < 0)
		return -errno;
	*ret_child = dup_high(far);
	if (*ret_child < 0)
		return *ret_child;
	sb->relays[i] = i == 0 ? relay_new(host, near) : relay_new(near, host);
	if (!sb->relays[i])
		return -ENOMEM;
	steal_fd(&host);
	steal_fd(&near);
	return i && sb->mask ? relay_mask(sb->relays[i], sb->mask) : 0;
}

int prepare_stdio(struct cis_sandbox *sb, int child[3], struct cis_error *err)
{
	for (int i = 0; i < 3; i++)
		child[i] = -1;
	if (sb->spec.tty)
		return 0; /* the terminal's master comes later */
	for (int i = 0; i < 3; i++) {
		int r;

		if (sb->stdio[i] < 0)
			r = child[i] = open_null();
		else
			r = make_pipe(sb, i, &child[i]);
		if (r < 0)
			return cis_fail(err, -r, "stream %d", i);
	}
	return 0;
}
