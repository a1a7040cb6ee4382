/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The supervisor's half of a sandbox's life: one epoll descriptor over the
 * conversation with init, its pidfd, the payload's streams, and timers. Nothing
 * here blocks, except the end, which waits for the kernel to finish killing.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/io.h"
#include "base/sys.h"
#include "bundle.h"
#include "fs/scratch.h"
#include "sandbox.h"
#include "sync.h"

#define TICK_MSEC 1000
/* Who has done nothing at so many of them in a row is looked at less and less often. */
#define IDLE_TICKS 10
#define IDLE_DOUBLINGS 4 /* up to 16 s */
#define GRACE_MSEC 5000
#define HOLD_MSEC 50 /* a prompt that ends like a secret begins */


/* What an epoll event is about; relays follow. */
enum source {
	SRC_SYNC,
	SRC_PID,
	SRC_TIMEOUT,
	SRC_GRACE,
	SRC_TICK,
	SRC_HELPER,
	SRC_RESPAWN,
	SRC_KEEPER,
	SRC_NAMES,
	SRC_MASK,
	SRC_ARTIFACT,
	SRC_TRAPS, /* one for each helper */
	SRC_TRAP_PAUSE = SRC_TRAPS + N_ANSWERERS,
	SRC_RELAY = SRC_TRAP_PAUSE + N_ANSWERERS,
};

/* ---- beginning ------------------------------------------------------------------ */

static int watch(struct cis_sandbox *sb, int fd, uint32_t events, unsigned int source)
{
	struct epoll_event e = {.events = events, .data.u32 = source};

	return epoll_ctl(sb->epoll, EPOLL_CTL_ADD, fd, &e) < 0 ? -errno : 0;
}

static int add_timer(struct cis_sandbox *sb, int *fd, uint64_t first_msec, bool again,
		     enum source source)
{
	struct timespec t = {.tv_sec = (time_t)(first_msec / 1000),
			     .tv_nsec = (long)(first_msec % 1000) * 1000000};
	struct itimerspec spec = {.it_value = t};

	if (again)
		spec.it_interval = t;
	*fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (*fd < 0 || timerfd_settime(*fd, 0, &spec, NULL) < 0)
		return -errno;
	return watch(sb, *fd, EPOLLIN, source);
}

/* After a relay ran it may wait for its other end. */
static int rewatch(struct cis_sandbox *sb, size_t i)
{
	bool write = false;
	int fd = sb->relays[i] ? relay_waits_for(sb->relays[i], &write) : -1, r;

	if (fd == sb->watched[i])
		return 0;
	if (sb->watched[i] >= 0)
		epoll_ctl(sb->epoll, EPOLL_CTL_DEL, sb->watched[i], NULL);
	sb->watched[i] = -1;
	if (fd < 0)
		return 0;
	r = watch(sb, fd, write ? EPOLLOUT : EPOLLIN, SRC_RELAY + (unsigned)i);
	if (r == -EPERM && !write) {
		/* A file or /dev/zero: epoll refuses what is always ready. */
		sb->relays[i]->from_is_file = true;
		return rewatch(sb, i);
	}
	if (r >= 0)
		sb->watched[i] = fd;
	return r;
}

/* Who reads it is not to wait for ever for what may be no secret at all. */
static int mind_the_held(struct cis_sandbox *sb, size_t i)
{
	if (!sb->relays[i] || !relay_holds(sb->relays[i]) || sb->mask_pause >= 0)
		return 0;
	return add_timer(sb, &sb->mask_pause, HOLD_MSEC, false, SRC_MASK);
}

static void end_relay(struct cis_sandbox *sb, size_t i)
{
	if (sb->watched[i] >= 0)
		epoll_ctl(sb->epoll, EPOLL_CTL_DEL, sb->watched[i], NULL);
	sb->watched[i] = -1;
	relay_free(sb->relays[i]);
	sb->relays[i] = NULL;
}

static int dup_pair(int from, int to, struct relay **ret)
{
	cleanup_close int f = fcntl(from, F_DUPFD_CLOEXEC, 3);
	cleanup_close int t = fcntl(to, F_DUPFD_CLOEXEC, 3);

	if (f < 0 || t < 0)
		return -errno;
	*ret = relay_new(f, t);
	if (!*ret)
		return -ENOMEM;
	steal_fd(&f);
	steal_fd(&t);
	return 0;
}

/* A terminal has one stream each way; stderr is part of it. */
static int relay_tty(struct cis_sandbox *sb)
{
	int r = 0;

	if (sb->stdio[0] >= 0)
		r = dup_pair(sb->stdio[0], sb->tty, &sb->relays[0]);
	if (r >= 0 && sb->stdio[1] >= 0)
		r = dup_pair(sb->tty, sb->stdio[1], &sb->relays[1]);
	if (r >= 0 && sb->relays[1] && sb->mask)
		r = relay_mask(sb->relays[1], sb->mask);
	return r;
}

int supervise_begin(struct cis_sandbox *sb, struct cis_error *err)
{
	int r = sb->tty >= 0 ? relay_tty(sb) : 0;

	if (r >= 0 && sb->sync >= 0)
		r = watch(sb, sb->sync, EPOLLIN, SRC_SYNC);
	if (r >= 0)
		r = watch(sb, sb->pidfd, EPOLLIN, SRC_PID);
	for (uint32_t i = 0; i < N_ANSWERERS && r >= 0; i++)
		if (sb->notify.helpers[i].pidfd >= 0)
			r = watch(sb, sb->notify.helpers[i].pidfd, EPOLLIN, SRC_TRAPS + i);
	if (r >= 0 && sb->spec.timeout_ms)
		r = add_timer(sb, &sb->timeout, sb->spec.timeout_ms, false, SRC_TIMEOUT);
	if (r >= 0 && (!sb->entered || sb->notify.serve.pages))
		r = add_timer(sb, &sb->tick, TICK_MSEC, true, SRC_TICK);
	if (r >= 0 && sb->vfs.pidfd >= 0)
		r = watch(sb, sb->vfs.pidfd, EPOLLIN, SRC_HELPER);
	if (r >= 0 && sb->gate.keeper >= 0)
		r = watch(sb, sb->gate.keeper, EPOLLIN, SRC_KEEPER);
	if (r >= 0 && sb->gate.names >= 0)
		r = watch(sb, sb->gate.names, EPOLLIN, SRC_NAMES);
	for (size_t i = 0; i < N_RELAYS && r >= 0; i++)
		r = rewatch(sb, i);
	return r < 0 ? cis_fail(err, -r, "watch the sandbox") : 0;
}

/* ---- events ---------------------------------------------------------------------- */

void supervise_post(struct cis_sandbox *sb, enum cis_event_kind kind, uint64_t value,
		    const char *audit_name, const char *text)
{
	struct cis_event *e;

	/* What is quoted in it may be the job's words. */
	audit_line(sb, audit_name, text, "value", value, NULL);
	/* Nobody reads them: the newest ones are dropped, the audit has them all. */
	if (sb->n_events == N_EVENTS)
		return;
	e = &sb->events[(sb->first_event + sb->n_events++) % N_EVENTS];
	*e = (struct cis_event){.kind = (int)kind, .value = value};
	snprintf(e->text, sizeof e->text, "%s", text);
	mask_line(sb, e->text, sizeof e->text);
}

struct figures {
	struct group_stat group;
	struct scratch_usage disk; /* size 0: not known */
};

static void read_figures(const struct cis_sandbox *sb, struct figures *ret)
{
	int r;

	if (sb->is_bundle) {
		bundle_stat(&sb->container.place, &ret->group);
		ret->disk = (struct scratch_usage){0};
		return;
	}
	group_stat(&sb->group, &ret->group);
	r = sb->plan.n_fds ? scratch_usage(sb->plan.fds[SLOT_SCRATCH], &ret->disk)
			   : scratch_usage_of(sb->pid, &ret->disk);
	if (r < 0)
		ret->disk = (struct scratch_usage){0};
}

static void check_limits(struct cis_sandbox *sb, const struct figures *f)
{
	const struct group_stat *st = &f->group;
	const struct scratch_usage *disk = &f->disk;
	char text[200];

	if (st->oom_kills > sb->oom_kills_seen) {
		int n = snprintf(text, sizeof text, "memory limit reached: %llu process(es) killed",
				 (unsigned long long)st->oom_kills);

		if (!sb->is_bundle)
			snprintf(text + n, sizeof text - (size_t)n, " (raise --memory, now %lluM)",
				 (unsigned long long)sb->spec.memory >> 20);
		supervise_post(sb, CIS_EVENT_MEMORY_LIMIT, st->oom_kills, "limit.hit", text);
		sb->oom_kills_seen = st->oom_kills;
	}
	if (st->pids_refused && !sb->pids_seen) {
		sb->pids_seen = true;
		snprintf(text, sizeof text,
			 "pids limit reached: new processes are refused (raise --pids, now "
			 "%llu)",
			 (unsigned long long)sb->spec.pids);
		supervise_post(sb, CIS_EVENT_PIDS_LIMIT, st->pids_refused, "limit.hit", text);
	}
	sb->disk_peak = MAX(sb->disk_peak, disk->used);
	/* The crumbs that remain are too small for whoever was refused. */
	if (disk->size && disk->left <= disk->size / 256 && !sb->disk_seen) {
		sb->disk_seen = true;
		snprintf(text, sizeof text,
			 "disk limit reached: %lluM of %lluM in use (raise --disk)",
			 (unsigned long long)disk->used >> 20,
			 (unsigned long long)disk->size >> 20);
		supervise_post(sb, CIS_EVENT_DISK_LIMIT, disk->used, "limit.hit", text);
	}
}

static void note_usage(struct cis_sandbox *sb, const struct figures *f)
{
	sb->disk_peak = MAX(sb->disk_peak, f->disk.used);
	sb->last = (struct cis_usage){
		.memory = f->group.memory,
		.memory_peak = f->group.memory_peak,
		.cpu_usec = f->group.cpu_usec,
		.pids = f->group.pids,
		.disk = f->disk.used,
		.disk_peak = sb->disk_peak,
		.wall_msec = sb->started_msec ? clock_msec() - sb->started_msec : 0,
	};
}

void supervise_usage(struct cis_sandbox *sb)
{
	struct figures f;

	read_figures(sb, &f);
	note_usage(sb, &f);
}

/* When the command has ended; or at the very end, if there is no telling when it did. */
static void last_figures(struct cis_sandbox *sb)
{
	struct figures f;

	if (sb->entered || !sb->started_msec || sb->has_last_figures)
		return;
	sb->has_last_figures = true;
	read_figures(sb, &f);
	check_limits(sb, &f);
	note_usage(sb, &f);
}

/* ---- what init says ------------------------------------------------------------------ */

static int set_exit(struct cis_sandbox *sb, int status)
{
	sb->payload_ended = true;
	sb->exit_status =
		WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	return 0;
}

void supervise_payload_runs(struct cis_sandbox *sb)
{
	sb->payload_runs = true;
	supervise_post(sb, CIS_EVENT_READY, clock_msec() - sb->started_msec, "ready",
	     "the command runs");
}

static int on_sync(struct cis_sandbox *sb, struct cis_error *err)
{
	struct sync_msg m;
	int r = sync_recv(sb->sync, &m, NULL, MSG_DONTWAIT);

	if (r == -EAGAIN)
		return 0;
	if (r <= 0) {
		/* It is dying: the pidfd tells when. */
		sb->sync = fd_close(sb->sync);
		return 0;
	}
	switch ((enum sync_kind)m.kind) {
	case SYNC_SERVICE:
		if (m.index >= sb->plan.n_services)
			return cis_fail_plain(err, EPROTO, "service %u answers", m.index);
		audit_line(sb, "service", sb->plan.services[m.index].name, NULL);
		return 0;
	case SYNC_PAYLOAD:
		supervise_payload_runs(sb);
		return 0;
	case SYNC_EXITED:
		/* The kernel is busy with the others' end: time to read the last figures. */
		last_figures(sb);
		return set_exit(sb, m.value);
	case SYNC_SERVICE_FAILED:
		return service_failed(sb, m.index, m.value, m.status, err);
	default:
		return launch_explain(&sb->plan, &m, err);
	}
}

/* ---- ends ----------------------------------------------------------------------------- */

static void kill_all(struct cis_sandbox *sb)
{
	if (sb->pidfd >= 0)
		sys_pidfd_send_signal(sb->pidfd, SIGKILL);
}

static void on_timeout(struct cis_sandbox *sb)
{
	char text[120];

	if (sb->timed_out)
		return;
	sb->timed_out = true;
	snprintf(text, sizeof text, "timeout after %llu.%03llu s",
		 (unsigned long long)sb->spec.timeout_ms / 1000,
		 (unsigned long long)sb->spec.timeout_ms % 1000);
	supervise_post(sb, CIS_EVENT_TIMEOUT, sb->spec.timeout_ms, "timeout", text);
	if (!sb->payload_runs ||
	    cis_sandbox_signal(sb, SIGTERM, NULL) < 0 ||
	    add_timer(sb, &sb->grace, GRACE_MSEC, false, SRC_GRACE) < 0)
		kill_all(sb);
	sb->timeout = fd_close(sb->timeout);
}

/* ---- virtual files ------------------------------------------------------------------- */

void supervise_note_no_vfs(struct cis_sandbox *sb)
{
	char text[160];
	int r = -vfs_probe();

	snprintf(text, sizeof text,
		 "/proc and /sys show the host's numbers: /dev/fuse: %s (\"modprobe fuse\", "
		 "or --vfs=off to say so)",
		 strerror(r));
	supervise_post(sb, CIS_EVENT_VFS, (uint64_t)r, "vfs.off", text);
}

void supervise_note_no_inner(struct cis_sandbox *sb)
{
	supervise_post(sb, CIS_EVENT_INNER, ENOENT, "inner.off",
	     "containers inside see the limits of their engine's runtime: there is no static "
	     "cisandbox-oci for them (--inner-runtime=image to say so)");
}

void supervise_note_not_masked(struct cis_sandbox *sb)
{
	char text[200] = "not masked, being shorter than 4 bytes or longer than 64K:";

	for (size_t i = 0; i < sb->spec.secrets.n; i++) {
		size_t k = strlen(text);

		if (sb->not_masked >> i & 1)
			snprintf(text + k, sizeof text - k, " %s", sb->spec.secrets.v[i].name);
	}
	supervise_post(sb, CIS_EVENT_SECRET, sb->not_masked, "secret.not_masked", text);
}

static void start_helper(struct cis_sandbox *sb)
{
	sb->respawn = fd_close(sb->respawn);
	if (vfs_spawn(&sb->vfs) < 0)
		add_timer(sb, &sb->respawn, TICK_MSEC, false, SRC_RESPAWN);
	else
		watch(sb, sb->vfs.pidfd, EPOLLIN, SRC_HELPER);
}

static void on_helper_death(struct cis_sandbox *sb)
{
	struct pollfd init = {.fd = sb->pidfd, .events = POLLIN};
	unsigned int delay;
	char text[120];
	int status;

	epoll_ctl(sb->epoll, EPOLL_CTL_DEL, sb->vfs.pidfd, NULL);
	delay = vfs_bury(&sb->vfs, &status);
	/* Its file system is gone: so is, in a moment, all inside, if it is not already. */
	if ((WIFEXITED(status) && WEXITSTATUS(status) == 0) || sb->payload_ended ||
	    poll(&init, 1, 0) > 0)
		return;
	snprintf(text, sizeof text, "the helper of the virtual files died (%s %d)",
		 WIFSIGNALED(status) ? "signal" : "status",
		 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	if (sb->vfs.quick_deaths == VFS_CRASH_LOOP)
		supervise_post(sb, CIS_EVENT_VFS, 0, "vfs.crashes", text);
	else
		audit_line(sb, "vfs.died", text, NULL);
	if (!delay || add_timer(sb, &sb->respawn, delay, false, SRC_RESPAWN) < 0)
		start_helper(sb);
}

/* ---- the gate ------------------------------------------------------------------------ */

/* What it let pass still flows; nothing new does until the next one is there. */
static int on_gate_death(struct cis_sandbox *sb, int *pidfd, struct cis_error *err)
{
	const bool keeper = pidfd == &sb->gate.keeper;
	int r;

	epoll_ctl(sb->epoll, EPOLL_CTL_DEL, *pidfd, NULL);
	gate_bury(&sb->gate, pidfd);
	if (sb->payload_ended)
		return 0;
	supervise_post(sb, CIS_EVENT_EGRESS, sb->gate.deaths, "egress.died",
	     "a helper of the network gate died; another takes over");
	if (sb->gate.deaths > GATE_DEATHS_MAX)
		return cis_fail_plain(err, ECHILD, "the network gate's helpers keep dying");
	r = gate_spawn(&sb->gate, err);
	return r < 0 ? r : watch(sb, *pidfd, EPOLLIN, keeper ? SRC_KEEPER : SRC_NAMES);
}

static void copy_records(struct cis_sandbox *sb)
{
	char buf[MASK_OUT(EGRESS_LOG_READ)];
	size_t n;

	while (sb->egress_log >= 0) {
		char *in = sb->log_mask ? mask_stream_in(sb->log_mask) : buf;

		n = gate_read_records(&sb->gate, in, EGRESS_LOG_READ, &sb->log_at);
		if (!n)
			return;
		if (sb->log_mask)
			n = mask_stream_take(sb->log_mask, n, buf);
		if (io_write_all(sb->egress_log, buf, n) < 0)
			return;
	}
}

static void end_records(struct cis_sandbox *sb)
{
	char buf[MASK_OUT(EGRESS_LOG_READ)];

	if (sb->log_mask && sb->egress_log >= 0 && mask_stream_holds(sb->log_mask))
		io_write_all(sb->egress_log, buf, mask_stream_let_go(sb->log_mask, buf));
}

static void check_gate(struct cis_sandbox *sb)
{
	char text[160];

	if (!gate_is_on(&sb->gate))
		return;
	copy_records(sb);
	if (!gate_is_over_budget(&sb->gate) || sb->budget_seen)
		return;
	sb->budget_seen = true;
	snprintf(text, sizeof text,
		 "upload budget of %llu bytes is spent: nothing more leaves (raise "
		 "--egress-bytes)",
		 (unsigned long long)sb->spec.egress.bytes);
	supervise_post(sb, CIS_EVENT_EGRESS, sb->spec.egress.bytes, "limit.hit", text);
}

/* ---- ticks --------------------------------------------------------------------------- */

/* Without cpu time nothing happens inside, no limit is reached, nothing is worth a look. */
static bool has_idled(struct cis_sandbox *sb)
{
	uint64_t before = sb->cpu_seen;

	if (sb->is_bundle)
		return false;
	sb->cpu_seen = group_cpu_usec(&sb->group);
	return sb->cpu_seen && sb->cpu_seen == before;
}

static void set_pace(struct cis_sandbox *sb, time_t seconds)
{
	struct itimerspec spec = {.it_value.tv_sec = seconds, .it_interval.tv_sec = seconds};

	timerfd_settime(sb->tick, 0, &spec, NULL);
}

/* Not with traps: notify_watch() wants every second. */
static void slow_down(struct cis_sandbox *sb)
{
	if (++sb->idle_ticks > IDLE_TICKS && !sb->notify.serve.pages)
		set_pace(sb, 1 << MIN(sb->idle_ticks - IDLE_TICKS, IDLE_DOUBLINGS));
}

static void hurry(struct cis_sandbox *sb)
{
	if (sb->idle_ticks > IDLE_TICKS)
		set_pace(sb, TICK_MSEC / 1000);
	sb->idle_ticks = 0;
}

static int traps_again(struct cis_sandbox *sb, enum answerer who, struct cis_error *err)
{
	int r;

	/* Before the clone, whose copy of it would keep it in the epoll set. */
	sb->trap_pause[who] = fd_close(sb->trap_pause[who]);
	r = notify_again(&sb->notify, who);
	if (r >= 0)
		r = watch(sb, sb->notify.helpers[who].pidfd, EPOLLIN, SRC_TRAPS + who);
	return r < 0 ? cis_fail(err, -r, "traps: start the helper again") : 0;
}

/* The listener is with us: trapped calls wait for the next helper. */
static int traps_ended(struct cis_sandbox *sb, enum answerer who, struct cis_error *err)
{
	const struct notify_helper *h = &sb->notify.helpers[who];
	uint64_t pause;
	int r;

	epoll_ctl(sb->epoll, EPOLL_CTL_DEL, h->pidfd, NULL);
	if (!notify_ended(&sb->notify, who, &pause))
		return 0;
	/* Of a crash loop ever fewer; the audit has them all. */
	if (h->deaths & (h->deaths - 1))
		audit_line(sb, "traps.died", NULL, "value", (uint64_t)h->deaths, NULL);
	else
		supervise_post(sb, CIS_EVENT_TRAPS, h->deaths, "traps.died",
		     "the helper that answers trapped system calls died; another takes over");
	if (!pause)
		return traps_again(sb, who, err);
	r = add_timer(sb, &sb->trap_pause[who], pause, false, SRC_TRAP_PAUSE + who);
	return r < 0 ? cis_fail(err, -r, "traps: wait for the next helper") : 0;
}

static int watch_traps(struct cis_sandbox *sb, enum answerer who, struct cis_error *err)
{
	int old = sb->notify.helpers[who].pidfd;

	switch (notify_watch(&sb->notify, who)) {
	case NOTIFY_FINE:
		return 0;
	case NOTIFY_LEFT_BEHIND:
		audit_line(sb, "traps.held", NULL, NULL);
		break;
	case NOTIFY_LOST:
		supervise_post(sb, CIS_EVENT_TRAPS, 0, "traps.lost",
		     "the job holds up every helper that answers trapped system calls; they "
		     "get ENOSYS from now on");
		break;
	}
	epoll_ctl(sb->epoll, EPOLL_CTL_DEL, old, NULL);
	return traps_again(sb, who, err);
}

static int on_tick(struct cis_sandbox *sb, struct cis_error *err)
{
	struct figures f;
	uint64_t count;
	int r = 0;

	if (read(sb->tick, &count, sizeof count) < 0)
		return 0;
	for (int who = 0; who < N_ANSWERERS && r >= 0; who++)
		r = watch_traps(sb, who, err);
	if (r < 0 || sb->entered)
		return r;
	if (has_idled(sb)) {
		slow_down(sb);
	} else {
		hurry(sb);
		read_figures(sb, &f);
		check_limits(sb, &f);
	}
	check_gate(sb);
	if (vfs_is_on(&sb->vfs))
		vfs_load_note(&sb->load, clock_msec(), sb->cpu_seen,
			      sb->group.dirs[sb->group.hs.unified],
			      &sb->vfs.helper.shared->facts);
	return 0;
}

/* Init (or the entered command) is dead: its status, unless init told the payload's. */
static int reap(struct cis_sandbox *sb, struct cis_error *err)
{
	siginfo_t info = {0};

	int r = launch_reap(sb->pidfd, &info);

	if (r < 0)
		return cis_fail(err, -r, "wait for the sandbox");
	if (sb->payload_ended)
		return 0;
	if (sb->command_is_child) {
		sb->exit_status = info.si_code == CLD_EXITED ? info.si_status
							     : 128 + info.si_status;
	} else {
		sb->exit_status = 128 + SIGKILL;
	}
	sb->payload_ended = true;
	return 0;
}

static void drain(struct relay *r)
{
	while (relay_run(r) && !relay_is_idle(r)) {
		bool write;
		int fd = relay_waits_for(r, &write);
		struct pollfd p = {.fd = fd, .events = write ? POLLOUT : POLLIN};

		poll(&p, 1, 1000);
	}
}

static void finish_streams(struct cis_sandbox *sb)
{
	/* Whoever could write is dead; what they wrote is still in the pipes. */
	end_relay(sb, 0);
	for (size_t i = 1; i < N_RELAYS; i++) {
		if (!sb->relays[i])
			continue;
		drain(sb->relays[i]);
		if (relay_holds(sb->relays[i]) && relay_let_go(sb->relays[i]))
			drain(sb->relays[i]);
		end_relay(sb, i);
	}
}

/* Artifacts, one after another; then it is over. */
static int collect(struct cis_sandbox *sb, struct cis_error *err)
{
	int r = collect_next(sb);

	if (r > 0) {
		r = watch(sb, sb->collector.pidfd, EPOLLIN, SRC_ARTIFACT);
		return r < 0 ? cis_fail(err, -r, "watch who copies artifacts") : 0;
	}
	supervise_finish(sb);
	return 1;
}

static int ended(struct cis_sandbox *sb, struct cis_error *err)
{
	int r = sb->pidfd >= 0 ? 0 : -ECHILD;

	/* Init's last words may still be unread. */
	while (r == 0 && sb->sync >= 0 && !sb->payload_ended) {
		struct pollfd p = {.fd = sb->sync, .events = POLLIN};

		if (poll(&p, 1, 0) <= 0)
			break;
		r = on_sync(sb, err);
	}
	if (r < 0)
		return r;
	r = reap(sb, err);
	if (r < 0)
		return r;
	finish_streams(sb);
	if (sb->timed_out)
		sb->exit_status = 124;
	/* Time does not count any more, and of the dead nothing will be heard. */
	sb->timeout = fd_close(sb->timeout);
	sb->grace = fd_close(sb->grace);
	epoll_ctl(sb->epoll, EPOLL_CTL_DEL, sb->pidfd, NULL);
	return collect(sb, err);
}

static int on_relay(struct cis_sandbox *sb, size_t i, int (*move)(struct relay *r),
		    struct cis_error *err)
{
	int r = 0;

	if (sb->relays[i] && !move(sb->relays[i]))
		end_relay(sb, i);
	else
		r = rewatch(sb, i);
	if (r >= 0)
		r = mind_the_held(sb, i);
	return r < 0 ? cis_fail(err, -r, "carry stream %zu", i) : 0;
}

static int let_go(struct cis_sandbox *sb, struct cis_error *err)
{
	int r = 0;

	sb->mask_pause = fd_close(sb->mask_pause);
	for (size_t i = 1; i < N_RELAYS && r >= 0; i++)
		if (sb->relays[i] && relay_holds(sb->relays[i]))
			r = on_relay(sb, i, relay_let_go, err);
	return r;
}

static int handle(struct cis_sandbox *sb, uint32_t source, struct cis_error *err)
{
	switch (source) {
	case SRC_SYNC:
		return on_sync(sb, err);
	case SRC_PID:
		return ended(sb, err);
	case SRC_TIMEOUT:
		on_timeout(sb);
		return 0;
	case SRC_GRACE:
		kill_all(sb);
		sb->grace = fd_close(sb->grace);
		return 0;
	case SRC_TICK:
		return on_tick(sb, err);
	case SRC_HELPER:
		on_helper_death(sb);
		return 0;
	case SRC_RESPAWN:
		start_helper(sb);
		return 0;
	case SRC_TRAPS ... SRC_TRAP_PAUSE - 1:
		return traps_ended(sb, source - SRC_TRAPS, err);
	case SRC_TRAP_PAUSE ... SRC_RELAY - 1:
		return traps_again(sb, source - SRC_TRAP_PAUSE, err);
	case SRC_ARTIFACT:
		collect_ended(sb);
		return collect(sb, err);
	case SRC_MASK:
		return let_go(sb, err);
	case SRC_KEEPER:
		return on_gate_death(sb, &sb->gate.keeper, err);
	case SRC_NAMES:
		return on_gate_death(sb, &sb->gate.names, err);
	default:
		break;
	}
	return on_relay(sb, source - SRC_RELAY, relay_run, err);
}

int cis_sandbox_dispatch(struct cis_sandbox *sb, struct cis_error *err)
{
	struct epoll_event events[8];
	int n, r = 0;

	if (sb->phase == PHASE_ENDED)
		return 1;
	if (sb->phase != PHASE_RUNNING)
		return cis_fail_plain(err, EBUSY, "the sandbox has not been started");
	n = epoll_wait(sb->epoll, events, ARRAY_SIZE(events), 0);
	/* The streams before the end: epoll does not promise an order. */
	for (int pass = 0; pass < 2 && r == 0; pass++)
		for (int i = 0; i < n && r == 0; i++)
			if ((events[i].data.u32 == SRC_PID) == (pass == 1))
				r = handle(sb, events[i].data.u32, err);
	if (r < 0) {
		mask_error(sb, err);
		supervise_finish(sb);
	}
	return r;
}

static void release_children(struct cis_sandbox *sb)
{
	siginfo_t info;

	/* First: nobody inside may hang in a read while it is killed. */
	vfs_drop(&sb->vfs);
	kill_all(sb);
	if (sb->pidfd >= 0)
		launch_reap(sb->pidfd, &info);
	notify_done(&sb->notify);
	collector_drop(&sb->collector);
	for (size_t i = 0; i < N_RELAYS; i++)
		end_relay(sb, i);
	vfs_done(&sb->vfs);
	/* With its records, until the handle is freed; the network is gone. */
	gate_finish(&sb->gate);
	check_gate(sb);
	end_records(sb);
	gate_close(&sb->gate);
}

static void undo(struct cis_sandbox *sb)
{
	cleanup_close int lock = -1;

	if (sb->state.lock < 0)
		return;
	state_set_exit(&sb->state, sb->exit_status);
	lock = state_lock_root(NULL);
	state_undo(&sb->state, sb->group.hs.n ? &sb->group : NULL, NULL);
}

void supervise_finish(struct cis_sandbox *sb)
{
	if (sb->phase == PHASE_ENDED)
		return;
	last_figures(sb);
	release_children(sb);
	if (!sb->entered) {
		undo(sb);
		if (sb->started_msec)
			audit_line(sb, "exited", NULL, "status", (uint64_t)sb->exit_status,
				   "wall_msec", sb->last.wall_msec, "cpu_usec",
				   sb->last.cpu_usec, "memory_peak", sb->last.memory_peak,
				   "disk_peak", sb->last.disk_peak, NULL);
	}
	sb->phase = PHASE_ENDED;
}
