/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Founder, stage, and init up to its loop: interpreters of the plan's ops. Between
 * clone and execve of a program that may be threaded, so: no malloc, no stdio,
 * no locks, no text. A failed op is reported as (index, errno) and is the end.
 *
 * Should: do what an op says, in the order of the plan.
 * Mustn't: decide anything; open a host path that the plan does not name.
 */
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>

#include "base/fd.h"
#include "base/io.h"
#include "base/num.h"
#include "base/sys.h"
#include "fs/dev.h"
#include "fs/mount.h"
#include "fs/overlay.h"
#include "fs/path.h"
#include "isolate/userns.h"
#include "launch.h"
#include "net/netlink.h"
#include "notify/helper.h"
#include "sync.h"
#include "tty.h"
#include "vfs/cover.h"
#include "vfs/hide.h"

/* Who makes which; the stage takes over the founder's. */
#define FOUNDERS_NAMESPACES (CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS)
#define INIT_NAMESPACES (CLONE_NEWPID | CLONE_NEWNS)

static void die(const struct launch *l, unsigned int index, int r)
{
	struct sync_msg m = {.kind = SYNC_FAILED, .index = index, .value = -r};

	sync_send(l->sync[1], &m);
	_exit(1);
}

/* ---- ops of the founder --------------------------------------------------- */

static const struct sync_msg go = {.kind = SYNC_GO};

static int make_userns(const struct launch *l)
{
	int r = userns_become_owner_child(l->base);

	if (r >= 0)
		r = SYS(unshare, CLONE_NEWUSER);
	return r < 0 ? r : sync_send(l->gate[1], &go);
}

/* Not before the ids are mapped: who owns the network's files in sysfs is settled now. */
static int make_netns(const struct launch *l)
{
	struct sync_msg m;

	if (sync_recv(l->gate[1], &m, NULL, 0) <= 0)
		_exit(1);
	return SYS(unshare, FOUNDERS_NAMESPACES);
}

static int set_hostname(const struct launch *l, const struct op *op)
{
	const char *name = op->text ? op->text : l->state->id;

	return SYS(sethostname, name, strlen(name));
}

static int founder_op(struct launch *l, const struct op *op)
{
	switch ((enum op_kind)op->kind) {
	case OP_USERNS:
		return make_userns(l);
	case OP_NETNS:
		return make_netns(l);
	case OP_HOSTNAME:
		return set_hostname(l, op);
	case OP_LINK_UP:
		return netlink_ask_child(NET_LO_UP);
	default:
		return -ENOSYS;
	}
}

static void founder_close_others(const struct launch *l)
{
	int keep[2];
	size_t n = 0;

	fd_keep(keep, &n, l->sync[1]);
	fd_keep(keep, &n, l->gate[1]);
	fd_close_others(keep, n);
}

void founder_main(struct launch *l)
{
	struct sync_msg m;
	int r = 0;

	SYS(prctl, PR_SET_NAME, "cis:founder", 0, 0, 0);
	founder_close_others(l);
	for (unsigned int i = 0; i < l->plan->n_ops; i++) {
		if (l->plan->ops[i].who != BY_FOUNDER)
			continue;
		r = i == l->plan->fault ? -EIO : founder_op(l, &l->plan->ops[i]);
		if (r < 0)
			die(l, i, r);
	}
	sync_send(l->gate[1], &go);
	/* If the stage dies now the caller must see the end of `sync`. */
	fd_close(l->sync[1]);
	/* Until the caller lets go: an exit earlier would be in init's way. */
	sync_recv(l->gate[1], &m, NULL, 0);
	_exit(0);
}

/* ---- ops of the stage -------------------------------------------------------- */

static int set_rlimit(const struct spec_ulimit *u)
{
	return SYS(prlimit64, 0, u->resource, &u->limit, NULL);
}

static void append_offset(char *buf, size_t size, const char *clock, clockid_t id)
{
	struct timespec now;

	SYS(clock_gettime, id, &now);
	strcat(buf, clock);
	num_append(buf, size, (unsigned long long)now.tv_sec);
	strcat(buf, " 0\n");
}

/* So that nproc(1) and who asks like it is told what /proc/cpuinfo says. Not a limit. */
static int set_affinity(const struct launch *l)
{
	const cpu_set_t *cpus = &l->vfs->helper.shared->facts.cpus;

	return SYS(sched_setaffinity, 0, sizeof *cpus, cpus);
}

/* Uptime inside counts from the start of the sandbox. */
static int own_clock(void)
{
	char offsets[96] = "";
	int r = SYS(unshare, CLONE_NEWTIME);

	if (r < 0)
		return r;
	append_offset(offsets, sizeof offsets, "monotonic -", CLOCK_MONOTONIC);
	append_offset(offsets, sizeof offsets, "boottime -", CLOCK_BOOTTIME);
	return io_write_file_at(AT_FDCWD, "/proc/self/timens_offsets", offsets);
}

static void init_setup(struct launch *l) __attribute__((noreturn));

/*
 * The last deed: over into the sandbox's namespaces, and init from there. The stage
 * still sees the host's mounts and processes; nobody inside can see it.
 */
static int spawn_init(struct launch *l)
{
	struct clone_args args = {
		.flags = INIT_NAMESPACES | CLONE_PARENT | CLONE_PARENT_SETTID,
		.parent_tid = (uint64_t)(uintptr_t)l->init,
	};
	struct sync_msg m;
	int r;

	if (l->group->leaf >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)l->group->leaf;
	}
	/*
	 * Nobody inside may look at init, which is a copy of us. A change of ids sees to that,
	 * but without root there is none.
	 */
	SYS(prctl, PR_SET_DUMPABLE, 0, 0, 0, 0);
	/* Not before there are rules: the founder's network is linked to the gate by now. */
	if (l->built[1] >= 0 && sync_recv(l->built[1], &m, NULL, 0) <= 0)
		_exit(1);
	if (sync_recv(l->gate[0], &m, NULL, 0) <= 0)
		_exit(1); /* the founder failed, and has said so */
	/* Init's copy of it is where it starts: it has the root, and what was put on the shelf. */
	r = SYS(fchdir, l->plan->fds[SLOT_SCRATCH]);
	if (r >= 0)
		r = SYS(setns, l->founder, CLONE_NEWUSER | FOUNDERS_NAMESPACES);
	if (r >= 0)
		r = SYS(unshare, CLONE_NEWCGROUP);
	if (r >= 0)
		r = sys_clone3(&args);
	if (r == 0)
		init_setup(l);
	return r;
}

static int attach(int mount_fd, int root, const char *target, bool file)
{
	int r = mount_attach(mount_fd, root, target);

	if (r == -ENOENT) {
		r = path_make(root, target, file);
		if (r >= 0)
			r = mount_attach(mount_fd, root, target);
	}
	return r;
}

#define ROOT_PLACE "sandbox" /* on the scratch */

static int make_scratch_dir(const struct launch *l, int scratch, const struct op *op)
{
	int r = path_make(scratch, op->target, false);

	if (r >= 0)
		r = SYS(fchownat, scratch, op->target, l->base + op->uid, l->base + op->gid,
			AT_SYMLINK_NOFOLLOW);
	/* After the owner, whose change would take set-id bits away. */
	return r < 0 ? r : SYS(fchmodat, scratch, op->target, op->value);
}

static int make_scratch_file(const struct launch *l, int scratch, const struct op *op)
{
	cleanup_close int fd = SYS(openat, scratch, op->target,
				   O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	int r = fd < 0 ? fd : io_write_all(fd, op->text, strlen(op->text));

	return r < 0 ? r : SYS(fchown, fd, l->base, l->base);
}

/* Of the mount alone: what is attached in it, now and later, is not in the clone. */
static int keep_mount(const struct launch *l, const struct op *op)
{
	struct mount_attr readonly = {.attr_set = MOUNT_ATTR_RDONLY};
	struct sync_msg m = {.kind = SYNC_KEEP, .index = op->slot};
	int fd = l->plan->fds[op->slot], r;
	cleanup_close int clone = sys_open_tree(fd, "", AT_EMPTY_PATH | OPEN_TREE_CLONE);

	r = clone < 0 ? clone : sync_send_fd(l->sync[1], &m, clone);
	if (r >= 0 && op->flags & OP_TREE_READONLY)
		r = sys_mount_setattr(fd, 0, &readonly);
	return r;
}

static int bind_scratch(const struct launch *l, const struct op *op)
{
	const int *fds = l->plan->fds;
	cleanup_close int tree =
		sys_open_tree(fds[SLOT_SCRATCH], op->source, OPEN_TREE_CLONE);

	return tree < 0 ? tree : attach(tree, fds[SLOT_ROOT], op->target, false);
}

static unsigned int overlay_flags(const struct op *op)
{
	return (op->flags & OP_NODES ? OVERLAY_NODES : 0) |
	       (op->flags & OP_OVERLAY_USER ? OVERLAY_USER : 0);
}

static int mount_cache(const struct launch *l, const struct op *op)
{
	int *fds = l->plan->fds;
	const struct overlay_lowers lower = {.top = fds[op->slot]};

	fds[op->value] = overlay_mount_stage(&lower, fds[SLOT_SCRATCH], op->source,
					     overlay_flags(op));
	return fds[op->value] < 0 ? fds[op->value] : 0;
}

static int stage_op(struct launch *l, const struct op *op)
{
	int *fds = l->plan->fds;
	const struct overlay_lowers image = {
		.top = fds[SLOT_IMAGE],
		.more = fds + plan_layer_slot(l->plan, 1),
		.n_more = l->plan->layers.n - 1,
	};

	switch ((enum op_kind)op->kind) {
	case OP_JOIN:
		return group_join_v1_child(l->group);
	case OP_RLIMIT:
		return set_rlimit(&l->plan->spec->ulimits[op->value]);
	case OP_CPUS:
		return set_affinity(l);
	case OP_CLOCK:
		return own_clock();
	case OP_OWNER:
		return userns_become_owner_child(l->base);
	case OP_IDMAP:
		return mount_idmap(fds[op->slot], l->userns);
	case OP_ATTACH_LAYERS:
		return overlay_attach_layers_stage(&image, fds[SLOT_SCRATCH], l->state->path);
	case OP_MKDIR:
		return make_scratch_dir(l, fds[op->slot], op);
	case OP_FILE:
		return make_scratch_file(l, fds[op->slot], op);
	case OP_OVERLAY:
		fds[op->slot] = overlay_mount_stage(&image, fds[SLOT_SCRATCH], op->source,
						    overlay_flags(op));
		return fds[op->slot] < 0 ? fds[op->slot]
					 : attach(fds[op->slot], fds[SLOT_SCRATCH],
						  ROOT_PLACE, false);
	case OP_CACHE:
		return mount_cache(l, op);
	case OP_SHELVE:
		return attach(fds[op->slot], fds[SLOT_SCRATCH], op->target,
			      op->flags & OP_TARGET_FILE);
	case OP_KEEP:
		return keep_mount(l, op);
	case OP_DEV:
		fds[op->slot] = dev_make_stage(l->base, op->flags & OP_DEV_CONSOLE,
					       op->flags & OP_DEV_EMPTY);
		return fds[op->slot] < 0 ? fds[op->slot] : 0;
	case OP_DEV_BIND:
		return dev_bind_stage(fds[SLOT_ROOT], op->target);
	case OP_ATTACH:
		return attach(fds[op->slot], fds[SLOT_ROOT], op->target,
			      op->flags & OP_TARGET_FILE);
	case OP_BIND_SCRATCH:
		return bind_scratch(l, op);
	case OP_SPAWN:
		return spawn_init(l);
	default:
		return -ENOSYS;
	}
}

static void stage_close_others(const struct launch *l)
{
	int keep[512];
	size_t n = 0;

	fd_keep(keep, &n, l->sync[1]);
	fd_keep(keep, &n, l->gate[0]);
	fd_keep(keep, &n, l->built[1]);
	fd_keep(keep, &n, l->userns);
	fd_keep(keep, &n, l->founder);
	fd_keep(keep, &n, l->group->leaf);
	fd_keep(keep, &n, l->null);
	for (size_t i = 0; i < 3; i++)
		fd_keep(keep, &n, l->stdio[i]);
	for (size_t i = 0; i < ARRAY_SIZE(l->group->tasks); i++)
		fd_keep(keep, &n, l->group->tasks[i]);
	for (size_t i = 0; i < l->plan->n_fds && n < ARRAY_SIZE(keep); i++)
		fd_keep(keep, &n, l->plan->fds[i]);
	fd_close_others(keep, n);
}

void stage_main(struct launch *l)
{
	int r;

	SYS(prctl, PR_SET_NAME, "cis:stage", 0, 0, 0);
	stage_close_others(l);
	/* A protected supervisor must not make its job unkillable: back to 0. */
	io_write_file_at(AT_FDCWD, "/proc/self/oom_score_adj", "0");
	umask(0);
	r = SYS(mount, NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
	for (unsigned int i = 0; i < l->plan->n_ops; i++) {
		if (l->plan->ops[i].who != BY_STAGE)
			continue;
		if (r >= 0)
			r = i == l->plan->fault ? -EIO : stage_op(l, &l->plan->ops[i]);
		if (r < 0)
			die(l, i, r);
	}
	_exit(0);
}

/* ---- ops of init ----------------------------------------------------------------- */

/* What init has open. */
struct inside {
	int root, vfs, scratch;
};

/*
 * The clone's copy of the root is cloned once more, since its flags are locked to its
 * place, and a locked mount cannot become the root of the namespace.
 */
static int enter_root(const struct launch *l, struct inside *in)
{
	int root = sys_open_tree(AT_FDCWD, ROOT_PLACE,
				 OPEN_TREE_CLONE | AT_RECURSIVE | AT_SYMLINK_NOFOLLOW);
	int r;

	if (root < 0)
		return root;
	r = in->scratch = SYS(openat, AT_FDCWD, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (r < 0)
		return r;
	r = SYS(move_mount, root, "", AT_FDCWD, ".", MOVE_MOUNT_F_EMPTY_PATH);
	if (r >= 0)
		r = SYS(fchdir, root);
	in->root = root;
	if (r >= 0 && l->plan->has_vfs) /* while it can be seen */
		r = in->vfs = SYS(openat, root, "proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return r;
}

static int mount_inside(const struct op *op, int root)
{
	cleanup_close int m = mount_new(op->text, op->text, op->options, op->value);

	return m < 0 ? m : attach(m, root, op->target, false);
}

/*
 * What the stage put on the scratch, or a directory of it, becomes a mount of its own. Such a
 * clone keeps the flags that init's copy of the namespace has locked, and what is attached in
 * it keeps its place; the clone itself does not, other than what the stage attaches in the
 * root: an engine must be able to unmount a seed's, and then has its own empty directory; and
 * must not be able to make it writable, for it is everybody's.
 */
static int take_shelved(const struct op *op, const struct inside *in)
{
	cleanup_close int tree = sys_open_tree(in->scratch, op->source,
					       OPEN_TREE_CLONE | AT_RECURSIVE |
					       AT_SYMLINK_NOFOLLOW);

	return tree < 0 ? tree
			: attach(tree, in->root, op->target, op->flags & OP_TARGET_FILE);
}

static int pivot(void)
{
	/* Both arguments the same: the old root ends up on top of the new one. */
	int r = sys_pivot_root(".", ".");

	if (r >= 0)
		r = SYS(umount2, ".", MNT_DETACH);
	return r < 0 ? r : SYS(chdir, "/");
}

static int open_tty(struct launch *l)
{
	struct sync_msg m = {.kind = SYNC_TTY};
	cleanup_close int master = -1;
	int slave, r = tty_open_child(l->plan->spec->rows, l->plan->spec->cols, &master,
				      &slave);

	if (r >= 0)
		r = tty_show_as_console_child(master);
	if (r < 0)
		return r;
	for (size_t i = 0; i < 3; i++)
		l->stdio[i] = slave;
	return sync_send_fd(l->sync[1], &m, master);
}

static int cover(const struct launch *l, struct inside *in)
{
	const struct spec *spec = l->plan->spec;
	cleanup_close int sys = SYS(openat, in->root, "sys", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r = sys < 0 ? sys
			: vfs_hide_child(sys, &l->vfs->helper.shared->facts.cpus,
					 spec->memory || spec->cpus_milli);

	if (r >= 0)
		r = vfs_cover_child(in->root, in->vfs, "");
	in->vfs = fd_close(in->vfs);
	return r;
}

/* On init itself: all that it starts has it, and there is one listener for all. */
static int install_traps(const struct launch *l)
{
	struct sync_msg m = {.kind = SYNC_TRAP};
	cleanup_close int fd = notify_install_child(l->plan->filter, l->plan->n_filter);

	return fd < 0 ? fd : sync_send_fd(l->sync[1], &m, fd);
}

static int init_op(struct launch *l, const struct op *op, struct inside *in)
{
	switch ((enum op_kind)op->kind) {
	case OP_ENTER_ROOT:
		return enter_root(l, in);
	case OP_MOUNT:
		return mount_inside(op, in->root);
	case OP_TAKE:
		return take_shelved(op, in);
	case OP_COVER:
		return cover(l, in);
	case OP_PIVOT:
		in->root = fd_close(in->root);
		in->scratch = fd_close(in->scratch);
		return pivot();
	case OP_TTY:
		return open_tty(l);
	case OP_TRAP:
		return install_traps(l);
	default:
		return -ENOSYS;
	}
}

static void init_close_others(const struct launch *l)
{
	int keep[8];
	size_t n = 0;

	fd_keep(keep, &n, l->sync[1]);
	fd_keep(keep, &n, l->null);
	for (size_t i = 0; i < 3; i++)
		fd_keep(keep, &n, l->stdio[i]);
	fd_close_others(keep, n);
}

static void init_setup(struct launch *l)
{
	struct inside in = {-1, -1, -1};
	int r;

	SYS(prctl, PR_SET_NAME, "cis:init", 0, 0, 0);
	args_hide_child(&l->args, "cisandbox-init");
	init_close_others(l);
	SYS(setsid);
	/* The caller's streams must not stay open for as long as init lives. */
	for (int i = 0; i < 3; i++)
		SYS(dup3, l->null, i, 0);
	l->null = fd_close(l->null);
	r = userns_become_root_child();
	for (unsigned int i = 0; i < l->plan->n_ops; i++) {
		if (l->plan->ops[i].who != BY_INIT)
			continue;
		if (r >= 0)
			r = i == l->plan->fault ? -EIO
						: init_op(l, &l->plan->ops[i], &in);
		if (r < 0)
			die(l, i, r);
	}
	init_main(l);
}
