/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/io.h"
#include "base/record.h"
#include "base/sys.h"
#include "config.h"
#include "describe.h"
#include "fs/scratch.h"
#include "rootless.h"

const char *cis_version(void)
{
	return CISANDBOX_VERSION;
}

/* ---- new and free --------------------------------------------------------------- */

int cis_sandbox_new(struct cis_sandbox **ret)
{
	struct cis_sandbox *sb = calloc(1, sizeof *sb);

	if (!sb)
		return -ENOMEM;
	spec_init(&sb->spec);
	state_init(&sb->state);
	group_init(&sb->group);
	container_init(&sb->container);
	vfs_init(&sb->vfs);
	gate_init(&sb->gate);
	notify_init(&sb->notify);
	collector_init(&sb->collector);
	cache_publisher_init(&sb->publisher);
	sb->plan = (struct plan)PLAN_EMPTY;
	sb->audit = sb->sync = sb->pidfd = sb->tty = -1;
	sb->timeout = sb->grace = sb->tick = sb->disk_watch = -1;
	sb->bundle = sb->respawn = -1;
	sb->held = sb->disk_dir = -1;
	sb->mask_pause = -1;
	for (size_t i = 0; i < N_ANSWERERS; i++)
		sb->trap_pause[i] = -1;
	sb->egress_log = sb->secrets_later = -1;
	for (size_t i = 0; i < 3; i++)
		sb->stdio[i] = -1;
	for (size_t i = 0; i < N_RELAYS; i++)
		sb->watched[i] = -1;
	sb->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (sb->epoll < 0) {
		free(sb);
		return -errno;
	}
	*ret = sb;
	return 0;
}

void cis_sandbox_free(struct cis_sandbox *sb)
{
	if (!sb)
		return;
	if (sb->phase == PHASE_RUNNING || sb->state.lock >= 0)
		supervise_finish(sb);
	if (sb->keeps_disk)
		supervise_drop_disk(sb);
	for (size_t i = 0; i < N_RELAYS; i++)
		relay_free(sb->relays[i]);
	container_done(&sb->container);
	vfs_done(&sb->vfs);
	gate_done(&sb->gate);
	secrets_end(sb);
	collector_done(&sb->collector);
	cache_publisher_done(&sb->publisher);
	fd_close(sb->held);
	fd_close(sb->disk_dir);
	fd_close(sb->respawn);
	notify_done(&sb->notify);
	for (size_t i = 0; i < N_ANSWERERS; i++)
		fd_close(sb->trap_pause[i]);
	fd_close(sb->bundle);
	plan_done(&sb->plan);
	spec_done(&sb->spec);
	state_done(&sb->state);
	group_done(&sb->group);
	fd_close(sb->sync);
	fd_close(sb->pidfd);
	fd_close(sb->tty);
	fd_close(sb->timeout);
	fd_close(sb->grace);
	fd_close(sb->tick);
	fd_close(sb->disk_watch);
	fd_close(sb->mask_pause);
	fd_close(sb->secrets_later);
	fd_close(sb->epoll);
	free(sb);
}

/* ---- setters ---------------------------------------------------------------------- */

/* Of hold(): this cannot be said any more. */
static int settled(struct cis_error *err, const char *what)
{
	return cis_fail_plain(err, EBUSY, "the sandbox has come up already: %s would be too late",
			      what);
}

/* What it changed is the word of a built-in profile, or that of whoever wrote a file. */
static int load_profile(struct spec *s, const char *text, size_t len, const char *name,
			bool builtin, struct cis_error *err)
{
	uint64_t before[N_LIMITS];
	int r;

	if (s->hold)
		return settled(err, "a profile");
	for (size_t i = 0; i < len; i++)
		s->profiles_hash = (s->profiles_hash ^ (unsigned char)text[i]) * 0x100000001b3;

	for (unsigned int i = 0; i < N_LIMITS; i++)
		before[i] = *spec_limit(s, i);
	r = spec_load_json(s, text, len, name, err);
	for (unsigned int i = 0; i < N_LIMITS; i++)
		if (*spec_limit(s, i) != before[i])
			s->builtin = (s->builtin & ~(1u << i)) | (builtin ? 1u << i : 0);
	return r;
}

int cis_sandbox_load_profile(struct cis_sandbox *sb, const char *name, struct cis_error *err)
{
	const char *text = strchr(name, '/') ? NULL : spec_builtin_profile(name);
	cleanup_free char *file = NULL;
	size_t len;
	int r;

	if (text)
		return load_profile(&sb->spec, text, strlen(text), name, true, err);
	if (!strchr(name, '/'))
		return cis_fail_plain(err, ENOENT,
				      "no built-in profile \"%s\" (a file is named with a "
				      "slash: ./%s)",
				      name, name);
	r = io_read_file_at(AT_FDCWD, name, JSON_MAX_TEXT, &file, &len);
	if (r < 0)
		return cis_fail(err, -r, "profile %s", name);
	return load_profile(&sb->spec, file, len, name, false, err);
}

int cis_sandbox_set_id(struct cis_sandbox *sb, const char *id)
{
	return spec_id_is_valid(id) ? str_set(&sb->spec.id, id) : -EINVAL;
}

/* Naming one root takes back the other: the last word counts. */
int cis_sandbox_set_image(struct cis_sandbox *sb, const char *name)
{
	if (sb->spec.hold)
		return -EBUSY;
	str_set(&sb->spec.rootfs, NULL);
	return str_set(&sb->spec.image, name);
}

int cis_sandbox_set_rootfs(struct cis_sandbox *sb, const char *path)
{
	if (sb->spec.hold)
		return -EBUSY;
	str_set(&sb->spec.image, NULL);
	return str_set(&sb->spec.rootfs, path);
}

int cis_sandbox_set_seed(struct cis_sandbox *sb, const char *name)
{
	return sb->spec.hold ? -EBUSY : str_set(&sb->spec.seed, name);
}

int cis_sandbox_add_bind(struct cis_sandbox *sb, const struct cis_bind *bind, size_t size,
			 struct cis_error *err)
{
	struct cis_bind b = {0};
	int r = record_in(&b, sizeof b, bind, size);

	if (r < 0)
		return cis_fail(err, -r, "bind");
	if (!b.source || !b.target || (b.flags & ~CIS_BIND_READONLY))
		return cis_fail(err, EINVAL, "bind");
	if (sb->spec.hold)
		return settled(err, "a bind");
	return spec_add_bind(&sb->spec, b.source, b.target, b.flags & CIS_BIND_READONLY, err);
}

int cis_sandbox_add_env(struct cis_sandbox *sb, const char *assignment)
{
	return spec_add_env(&sb->spec.env, assignment);
}

int cis_sandbox_add_env_file(struct cis_sandbox *sb, const char *path, struct cis_error *err)
{
	return spec_add_env_file(&sb->spec.env, path, err);
}

int cis_sandbox_set_workdir(struct cis_sandbox *sb, const char *path)
{
	return str_set(&sb->spec.workdir, path);
}

int cis_sandbox_set_entrypoint(struct cis_sandbox *sb, const char *program)
{
	return str_set(&sb->spec.entrypoint, program);
}

int cis_sandbox_set_user(struct cis_sandbox *sb, const char *user)
{
	return *user ? str_set(&sb->spec.user, user) : -EINVAL;
}

int cis_sandbox_set_hostname(struct cis_sandbox *sb, const char *name)
{
	return spec_hostname_is_valid(name) ? str_set(&sb->spec.hostname, name) : -EINVAL;
}

int cis_sandbox_add_label(struct cis_sandbox *sb, const char *label)
{
	return *label && *label != '=' ? strv_add(&sb->spec.labels, label) : -EINVAL;
}

int cis_sandbox_add_ulimit(struct cis_sandbox *sb, const char *name, uint64_t soft,
			   uint64_t hard)
{
	if (sb->spec.hold)
		return -EBUSY;
	return spec_add_ulimit(&sb->spec, name, soft, hard);
}

int cis_sandbox_set_memory(struct cis_sandbox *sb, uint64_t bytes)
{
	spec_demand(&sb->spec, LIMIT_MEMORY, bytes);
	return 0;
}

int cis_sandbox_set_cpus(struct cis_sandbox *sb, uint64_t thousandths)
{
	spec_demand(&sb->spec, LIMIT_CPUS, thousandths);
	return 0;
}

int cis_sandbox_set_pids(struct cis_sandbox *sb, uint64_t processes)
{
	spec_demand(&sb->spec, LIMIT_PIDS, processes);
	return 0;
}

int cis_sandbox_set_disk(struct cis_sandbox *sb, uint64_t bytes)
{
	if (sb->spec.hold)
		return -EBUSY;
	spec_demand(&sb->spec, LIMIT_DISK, bytes);
	return 0;
}

int cis_sandbox_set_disk_inodes(struct cis_sandbox *sb, uint64_t n)
{
	if (sb->spec.hold)
		return -EBUSY;
	sb->spec.disk_inodes = n;
	return 0;
}

int cis_sandbox_set_disk_backend(struct cis_sandbox *sb, enum cis_disk kind)
{
	if (sb->spec.hold)
		return -EBUSY;
	if (!scratch_name(kind))
		return -EINVAL;
	sb->spec.disk_kind = kind;
	return 0;
}

int cis_sandbox_set_io(struct cis_sandbox *sb, const struct cis_io *io, size_t size)
{
	return record_in(&sb->spec.io, sizeof sb->spec.io, io, size);
}

int cis_sandbox_set_ids(struct cis_sandbox *sb, uint64_t n)
{
	if (sb->spec.hold)
		return -EBUSY;
	sb->spec.ids = MAX(n, SPEC_IDS_UNIT);
	return 0;
}

int cis_sandbox_set_timeout(struct cis_sandbox *sb, uint64_t milliseconds)
{
	spec_demand(&sb->spec, LIMIT_TIMEOUT, milliseconds);
	return 0;
}

int cis_sandbox_set_net(struct cis_sandbox *sb, enum cis_net mode)
{
	if (sb->spec.hold)
		return -EBUSY;
	if (mode != CIS_NET_NONE && mode != CIS_NET_EGRESS)
		return -EINVAL;
	sb->spec.net = mode;
	return 0;
}

int cis_sandbox_set_vfs(struct cis_sandbox *sb, enum cis_vfs mode)
{
	if (sb->spec.hold)
		return -EBUSY;
	if (mode != CIS_VFS_AUTO && mode != CIS_VFS_ON && mode != CIS_VFS_OFF)
		return -EINVAL;
	sb->spec.vfs = mode;
	return 0;
}

int cis_sandbox_set_inner_runtime(struct cis_sandbox *sb, enum cis_inner_runtime mode)
{
	if (sb->spec.hold)
		return -EBUSY;
	if (mode != CIS_INNER_IMAGE && mode != CIS_INNER_AUTO && mode != CIS_INNER_CISANDBOX)
		return -EINVAL;
	sb->spec.inner = mode;
	return 0;
}

int cis_sandbox_set_flags(struct cis_sandbox *sb, uint64_t set)
{
	if (sb->spec.hold)
		return -EBUSY;
	if (set & ~(CIS_NO_NEW_PRIVS | CIS_ALLOW_BPF | CIS_ALLOW_PERF | CIS_ALLOW_IO_URING | TRAPS))
		return -EINVAL;
	sb->spec.flags |= set;
	return 0;
}

int cis_sandbox_set_stdio(struct cis_sandbox *sb, int in, int out, int err_fd)
{
	sb->stdio[0] = in;
	sb->stdio[1] = out;
	sb->stdio[2] = err_fd;
	return 0;
}

int cis_sandbox_set_tty(struct cis_sandbox *sb, unsigned int rows, unsigned int cols)
{
	struct winsize size = {.ws_row = (unsigned short)rows, .ws_col = (unsigned short)cols};

	sb->spec.tty = true;
	sb->spec.rows = size.ws_row;
	sb->spec.cols = size.ws_col;
	if (sb->tty >= 0 && ioctl(sb->tty, TIOCSWINSZ, &size) < 0)
		return -errno;
	return 0;
}

int cis_sandbox_set_audit(struct cis_sandbox *sb, int fd)
{
	sb->audit = fd;
	return 0;
}

/* ---- start -------------------------------------------------------------------------- */

int cis_sandbox_plan(struct cis_sandbox *sb, char *const argv[], char **ret,
		     struct cis_error *err)
{
	struct plan p = PLAN_EMPTY;
	int r;

	if (sb->is_bundle)
		return cis_fail_plain(err, EINVAL, "a bundle has no plan");
	r = rootless_fit(&sb->spec, err);
	if (r >= 0)
		r = spec_shut_host(&sb->spec, err);
	if (r >= 0)
		r = plan_build(&p, &sb->spec, argv, err);
	if (r >= 0 && plan_print(&p, ret) < 0)
		r = cis_fail(err, ENOMEM, "plan");
	plan_done(&p);
	return r;
}

static int fail_at(int r, enum cis_stage stage, struct cis_error *err)
{
	if (r < 0 && err && err->stage == CIS_STAGE_NONE)
		err->stage = (int)stage;
	return r;
}

/* Takes @listener. */
static int start_traps(struct cis_sandbox *sb, int listener, struct cis_error *err)
{
	bool mounts = sb->spec.flags & TRAP_MOUNTS;
	int copies = -1, r = notify_look(&sb->notify, sb->pid, sb->base, sb->spec.flags, err);

	if (r >= 0 && mounts)
		r = copies = state_open_scratch(err);
	if (r >= 0)
		return notify_start(&sb->notify, listener, copies, &sb->group, err);
	fd_close(listener);
	return r;
}

static int launch(struct cis_sandbox *sb, struct launch *l, struct launched *ret,
		  struct cis_error *err)
{
	int r = sb->spec.hold ? 0 : prepare_stdio(sb, l->stdio, err);

	if (r < 0)
		return r;
	r = launch_run(l, ret, err);
	if (r < 0)
		return r;
	sb->sync = ret->sync;
	sb->pidfd = ret->pidfd;
	sb->pid = ret->init;
	sb->tty = ret->tty;
	sb->collector.root = ret->root;
	sb->secrets_later = ret->secrets;
	if (ret->listener >= 0)
		r = start_traps(sb, ret->listener, err);
	/* Attached by now. Closing the last descriptor of a mount takes the kernel a while:
	 * here the command runs meanwhile, at the end somebody would wait. */
	for (size_t i = 0; i < sb->plan.n_fds; i++)
		if (i != SLOT_SCRATCH && i < plan_cache_root_slot(&sb->plan, 0))
			sb->plan.fds[i] = fd_close(sb->plan.fds[i]);
	return r < 0 ? r : supervise_begin(sb, err);
}

static int make(struct cis_sandbox *sb, struct launched *ret, struct cis_error *err)
{
	struct launch l;
	int r;

	launch_init(&l);
	l.plan = &sb->plan;
	l.state = &sb->state;
	l.group = &sb->group;
	l.vfs = &sb->vfs;
	l.egress = &sb->gate;
	r = fail_at(prepare_run(sb, &l, err), CIS_STAGE_PREPARE, err);
	if (r >= 0)
		r = fail_at(launch(sb, &l, ret, err), CIS_STAGE_SETUP, err);
	launch_done(&l);
	return r;
}

/* What there is to be said of it that nobody has asked for. */
static void note_all(struct cis_sandbox *sb)
{
	if (!sb->plan.has_vfs && sb->spec.vfs == CIS_VFS_AUTO)
		note_no_vfs(sb);
	if (!sb->plan.inner_path && sb->spec.inner == CIS_INNER_AUTO)
		note_no_inner(sb);
	if (sb->not_masked)
		note_not_masked(sb);
	note_unheld(sb);
}

static int tell(struct cis_sandbox *sb, struct cis_error *err)
{
	char *const *argv = sb->plan.payload.argv.v;
	int r = describe_write_state(sb, argv, err);

	if (r < 0)
		return fail_at(r, CIS_STAGE_RUN, err);
	audit_line(sb, "started", argv ? argv[0] : NULL, "pid", (uint64_t)sb->pid, "id_base",
		   (uint64_t)sb->base, NULL);
	note_all(sb);
	for (size_t i = 0; i < sb->plan.n_caches; i++)
		generation_note_use(&sb->plan.caches[i].g);
	if (sb->spec.seed)
		generation_note_use(&sb->plan.seed.g);
	return 0;
}

/* An error of writing is told to each descriptor once, and not to those opened after that. */
static int open_disk(struct cis_sandbox *sb, struct cis_error *err)
{
	sb->disk_dir = openat(sb->plan.fds[SLOT_SCRATCH], ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return sb->disk_dir < 0 ? cis_fail(err, errno, "scratch: open it") : 0;
}

static int start(struct cis_sandbox *sb, char *const argv[], struct cis_error *err)
{
	struct launched done;
	int r = geteuid() == 0 ? rootless_fit(&sb->spec, err) : describe_unprivileged(err);

	if (r >= 0 && sb->is_bundle)
		return start_bundle(sb, argv, err);
	if (r >= 0)
		r = spec_shut_host(&sb->spec, err);
	if (r >= 0)
		r = plan_build(&sb->plan, &sb->spec, argv, err);
	if (r >= 0 && sb->spec.artifacts.n)
		r = collector_open(&sb->collector, &sb->spec.artifacts, err);
	if (r < 0)
		return fail_at(r, CIS_STAGE_PLAN, err);
	r = make(sb, &done, err);
	if (r < 0)
		return r;
	sb->phase = PHASE_RUNNING;
	if (sb->keeps_disk && (r = open_disk(sb, err)) < 0)
		return fail_at(r, CIS_STAGE_SETUP, err);
	/* It is told of when there is a command. */
	if (sb->spec.hold)
		return done.is_held ? hold_begin(sb, err) : 0;
	r = tell(sb, err);
	if (r >= 0 && done.payload_runs)
		supervise_payload_runs(sb);
	return r;
}

static int start_late(struct cis_sandbox *sb, char *const argv[], struct cis_error *err)
{
	int r = fail_at(hold_start(sb, argv, err), CIS_STAGE_PREPARE, err);

	return r < 0 ? r : tell(sb, err);
}

static int start_or_end(struct cis_sandbox *sb, char *const argv[], struct cis_error *err)
{
	int r;

	if (err)
		err->stage = CIS_STAGE_NONE;
	sb->started_msec = now_msec();
	r = sb->is_held ? start_late(sb, argv, err) : start(sb, argv, err);
	if (r >= 0)
		return 0;
	sb->started_msec = 0;
	mask_error(sb, err);
	supervise_finish(sb);
	return r;
}

int cis_sandbox_start(struct cis_sandbox *sb, char *const argv[], struct cis_error *err)
{
	if (sb->phase != PHASE_NEW && !sb->is_held)
		return cis_fail_plain(err, EBUSY, sb->spec.hold && !sb->plan.payload.argv.n ?
				      "this sandbox is not up yet" :
				      "this handle has been started already");
	return start_or_end(sb, argv, err);
}

int cis_sandbox_hold(struct cis_sandbox *sb, struct cis_error *err)
{
	if (sb->phase != PHASE_NEW || sb->is_bundle)
		return cis_fail_plain(err, EBUSY, sb->is_bundle ?
				      "a bundle cannot be held" :
				      "this handle has been started already");
	sb->spec.hold = true;
	return start_or_end(sb, NULL, err);
}

/* ---- watch ----------------------------------------------------------------------------- */

int cis_sandbox_fd(struct cis_sandbox *sb)
{
	return sb->epoll;
}

int cis_sandbox_wait(struct cis_sandbox *sb, int *ret_status, struct cis_error *err)
{
	int r;

	while ((r = cis_sandbox_dispatch(sb, err)) == 0) {
		struct pollfd p = {.fd = sb->epoll, .events = POLLIN};

		if (poll(&p, 1, -1) < 0 && errno != EINTR)
			return cis_fail(err, errno, "wait for the sandbox");
	}
	if (r < 0)
		return r;
	*ret_status = sb->exit_status;
	return 0;
}

int cis_sandbox_next_event(struct cis_sandbox *sb, struct cis_event *ret, size_t size)
{
	if (!sb->n_events)
		return 0;
	record_out(ret, size, &sb->events[sb->first_event], sizeof(struct cis_event));
	sb->first_event = (sb->first_event + 1) % N_EVENTS;
	sb->n_events--;
	return 1;
}

int cis_sandbox_exit_status(struct cis_sandbox *sb)
{
	return sb->phase == PHASE_ENDED ? sb->exit_status : -EBUSY;
}

int cis_sandbox_signal(struct cis_sandbox *sb, int sig, struct cis_error *err)
{
	struct sync_msg m = {.kind = SYNC_SIGNAL, .value = sig};
	int r;

	if (sb->phase == PHASE_OPENED || sb->phase == PHASE_RUNNING) {
		/* Everybody is dead, but for who copies what they have left. */
		if (sb->collecting)
			r = sig == SIGKILL ? supervise_collect_no_more(sb) : 0;
		else if (sb->draining)
			r = sig == SIGKILL ? supervise_drain_no_more(sb) : 0;
		/* SIGKILL cannot be passed on: it is for init, and so for all. */
		else if (sig == SIGKILL || sb->sync < 0)
			r = sys_pidfd_send_signal(sb->pidfd, sig);
		else
			r = sync_send(sb->sync, &m);
	} else {
		r = -ESRCH;
	}
	return r < 0 ? cis_fail(err, -r, "signal %d to %s", sig, sb->state.id) : 0;
}

const char *cis_sandbox_id(const struct cis_sandbox *sb)
{
	return *sb->state.id ? sb->state.id : NULL;
}

int cis_sandbox_usage(struct cis_sandbox *sb, struct cis_usage *ret, size_t size,
		      struct cis_error *err)
{
	if (sb->phase == PHASE_NEW)
		return cis_fail_plain(err, EBUSY, "the sandbox has not been started");
	if (sb->phase != PHASE_ENDED)
		supervise_usage(sb);
	record_out(ret, size, &sb->last, sizeof sb->last);
	return 0;
}

int cis_parse_size(const char *text, uint64_t *ret_bytes)
{
	return str_parse_size(text, ret_bytes);
}

int cis_parse_duration(const char *text, uint64_t *ret_milliseconds)
{
	return str_parse_duration(text, ret_milliseconds);
}

int cis_parse_cpus(const char *text, uint64_t *ret_thousandths)
{
	return str_parse_cpus(text, ret_thousandths);
}
