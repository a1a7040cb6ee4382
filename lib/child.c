/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The stage, and init up to its loop: interpreters of the plan's ops. Between
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
#include "net/rtnl.h"
#include "sync.h"
#include "tty.h"

#define INIT_NAMESPACES (CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS)

static void die(const struct launch *l, unsigned int index, int r)
{
	struct sync_msg m = {.kind = SYNC_FAILED, .index = index, .value = -r};

	sync_send(l->sync, &m);
	_exit(1);
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
 * Founds the user and the cgroup namespace while in the group, so that the
 * latter is rooted there, and has init cloned into the leaf below. One process could not:
 * the kernel roots a namespace that clone makes where the child starts, and moving
 * init afterwards costs milliseconds.
 */
static void founder_main(struct launch *l, unsigned int op)
{
	struct clone_args args = {
		.flags = INIT_NAMESPACES | CLONE_PARENT | CLONE_INTO_CGROUP,
		.cgroup = (uint64_t)l->group->leaf,
	};
	struct sync_msg m = {.kind = SYNC_INIT};
	int r = SYS(unshare, CLONE_NEWCGROUP);

	if (r >= 0)
		r = sys_clone3(&args);
	if (r == 0)
		init_setup(l);
	if (r < 0)
		die(l, op, r);
	m.value = r;
	sync_send(l->sync, &m);
	/* Now the stage may let init go: the caller hears of it before it hears it. */
	sync_send(l->gate_init, &m);
	_exit(0);
}

/*
 * CLONE_PARENT twice: founder and init are the caller's children, so that nothing
 * stands between it and init when the others are gone.
 */
static int spawn_init(struct launch *l, unsigned int op, pid_t *ret_founder)
{
	struct clone_args args = {.flags = CLONE_NEWUSER | CLONE_PARENT};
	struct sync_msg m = {.kind = SYNC_FOUNDER};
	int r = userns_become_owner_stage(l->base);

	if (r >= 0)
		r = sys_clone3(&args);
	if (r < 0)
		return r;
	if (r == 0)
		founder_main(l, op);
	m.value = *ret_founder = r;
	r = sync_send(l->sync, &m);
	if (r < 0)
		return r;
	l->gate_init = fd_close(l->gate_init);
	/* Of the founder, whom the caller reaps last: the stage goes on while it clones. */
	return userns_write_maps_stage(*ret_founder, l->base, l->count);
}

static int idmap(pid_t founder, int mount_fd)
{
	char path[64] = "/proc/";
	cleanup_close int userns = -1;

	num_append(path, sizeof path, (unsigned long long)founder);
	strcat(path, "/ns/user");
	userns = SYS(openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
	return userns < 0 ? userns : mount_idmap(mount_fd, userns);
}

/* Over the state directory: a place that surely exists, in our own namespace only. */
static int attach_root(const struct launch *l, int root)
{
	cleanup_close int at =
		SYS(openat, AT_FDCWD, l->state->path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	return at < 0 ? at : sys_move_mount(root, at);
}

static int attach(int mount_fd, int root, const char *target, bool file)
{
	int r = path_make(root, target, file);

	return r < 0 ? r : mount_attach(mount_fd, root, target);
}

static int make_scratch_dir(const struct launch *l, int scratch, const struct op *op)
{
	int r = path_make(scratch, op->target, false);

	if (r >= 0)
		r = SYS(fchownat, scratch, op->target, l->base + op->uid, l->base + op->gid,
			AT_SYMLINK_NOFOLLOW);
	/* After the owner, whose change would take set-id bits away. */
	return r < 0 ? r : SYS(fchmodat, scratch, op->target, op->value);
}

static int bind_scratch(const struct launch *l, const struct op *op)
{
	const int *fds = l->plan->fds;
	cleanup_close int tree =
		sys_open_tree(fds[SLOT_SCRATCH], op->source, OPEN_TREE_CLONE);

	return tree < 0 ? tree : attach(tree, fds[SLOT_ROOT], op->target, false);
}

static int stage_op(struct launch *l, unsigned int index, pid_t *founder)
{
	const struct op *op = &l->plan->ops[index];
	int *fds = l->plan->fds;

	switch ((enum op_kind)op->kind) {
	case OP_JOIN:
		return group_join_v1_child(l->group);
	case OP_RLIMIT:
		return set_rlimit(&l->plan->spec->ulimits[op->value]);
	case OP_CLOCK:
		return own_clock();
	case OP_SPAWN:
		return spawn_init(l, index, founder);
	case OP_IDMAP:
		return idmap(*founder, fds[op->slot]);
	case OP_ATTACH_LAYERS:
		return overlay_attach_layers_stage(fds[SLOT_IMAGE], fds[SLOT_SCRATCH],
						   l->state->path);
	case OP_MKDIR:
		return make_scratch_dir(l, fds[op->slot], op);
	case OP_OVERLAY:
		fds[op->slot] = overlay_mount_stage(fds[SLOT_IMAGE], fds[SLOT_SCRATCH],
						    op->source);
		return fds[op->slot] < 0 ? fds[op->slot] : attach_root(l, fds[op->slot]);
	case OP_DEV:
		fds[op->slot] = dev_make_stage(l->base, op->flags & OP_DEV_CONSOLE);
		return fds[op->slot] < 0 ? fds[op->slot] : 0;
	case OP_ATTACH:
		return attach(fds[op->slot], fds[SLOT_ROOT], op->target,
			      op->flags & OP_TARGET_FILE);
	case OP_BIND_SCRATCH:
		return bind_scratch(l, op);
	default:
		return -ENOSYS;
	}
}

static void stage_close_others(const struct launch *l)
{
	int keep[512];
	size_t n = 0;

	fd_keep(keep, &n, l->sync);
	fd_keep(keep, &n, l->gate_stage);
	fd_keep(keep, &n, l->gate_init);
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
	struct sync_msg go = {.kind = SYNC_GO}, m;
	pid_t founder = -1;
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
			r = i == l->plan->fault ? -EIO : stage_op(l, i, &founder);
		if (r < 0)
			die(l, i, r);
	}
	if (sync_recv(l->gate_stage, &m, NULL, 0) <= 0)
		_exit(1); /* the founder failed, and has said so */
	r = sync_send_fd(l->gate_stage, &go, l->plan->fds[SLOT_ROOT]);
	_exit(r < 0 ? 1 : 0);
}

/* ---- ops of init ----------------------------------------------------------------- */

/*
 * The copy of the stage's mounts that unshare makes is owned by the sandbox's
 * user namespace, and the kernel locks the flags of every mount in it: root
 * inside cannot make a read-only bind writable, or nodev the image. Mounts
 * moved in directly would not be locked. The root itself is then cloned once more, since a
 * locked mount cannot become the root.
 */
static int own_mounts(int *ret_root)
{
	int r = SYS(unshare, CLONE_NEWNS), root;

	if (r < 0)
		return r;
	root = sys_open_tree(AT_FDCWD, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | AT_RECURSIVE);
	if (root < 0)
		return root;
	r = SYS(move_mount, root, "", AT_FDCWD, ".", MOVE_MOUNT_F_EMPTY_PATH);
	if (r >= 0)
		r = SYS(fchdir, root);
	*ret_root = root;
	return r;
}

static int mount_inside(const struct op *op, int root)
{
	cleanup_close int m = mount_new(op->text, op->text, op->options, op->value);

	return m < 0 ? m : attach(m, root, op->target, false);
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

	if (r < 0)
		return r;
	for (size_t i = 0; i < 3; i++)
		l->stdio[i] = slave;
	return sync_send_fd(l->sync, &m, master);
}

static int init_op(struct launch *l, const struct op *op, int *root)
{
	switch ((enum op_kind)op->kind) {
	case OP_OWN_MOUNTS:
		return own_mounts(root);
	case OP_MOUNT:
		return mount_inside(op, *root);
	case OP_PIVOT:
		*root = fd_close(*root);
		return pivot();
	case OP_HOSTNAME:
		return SYS(sethostname, op->text ? op->text : l->state->id,
			   strlen(op->text ? op->text : l->state->id));
	case OP_LINK_UP:
		return rtnl_send_child(l->plan->lo_up, l->plan->lo_up_len);
	case OP_TTY:
		return open_tty(l);
	default:
		return -ENOSYS;
	}
}

static void init_close_others(const struct launch *l)
{
	int keep[8];
	size_t n = 0;

	fd_keep(keep, &n, l->sync);
	fd_keep(keep, &n, l->gate_init);
	fd_keep(keep, &n, l->null);
	for (size_t i = 0; i < 3; i++)
		fd_keep(keep, &n, l->stdio[i]);
	fd_close_others(keep, n);
}

/* #1: waits for the stage. EOF there is its death, and so ours. */
static int wait_for_stage(struct launch *l)
{
	cleanup_close int root = -1;
	struct sync_msg m;
	int r = sync_recv(l->gate_init, &m, &root, 0);

	l->gate_init = fd_close(l->gate_init);
	if (r <= 0 || m.kind != SYNC_GO || root < 0)
		_exit(1);
	return SYS(fchdir, root);
}

static void init_setup(struct launch *l)
{
	int root = -1, r;

	SYS(prctl, PR_SET_NAME, "cis:init", 0, 0, 0);
	args_hide_child(&l->args, "cisandbox-init");
	init_close_others(l);
	SYS(setsid);
	/* The caller's streams must not stay open for as long as init lives. */
	for (int i = 0; i < 3; i++)
		SYS(dup3, l->null, i, 0);
	l->null = fd_close(l->null);
	r = wait_for_stage(l);
	if (r >= 0)
		r = userns_become_root_child();
	for (unsigned int i = 0; i < l->plan->n_ops; i++) {
		if (l->plan->ops[i].who != BY_INIT)
			continue;
		if (r >= 0)
			r = i == l->plan->fault ? -EIO
						: init_op(l, &l->plan->ops[i], &root);
		if (r < 0)
			die(l, i, r);
	}
	init_main(l);
}
