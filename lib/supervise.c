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

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/io.h"
#include "base/sys.h"
#include "bundle.h"
#include "disk.h"
#include "sandbox.h"
#include "supervise.h"
#include "sync.h"

/* Who has done nothing at so many of them in a row is looked at less and less often. */
#define IDLE_TICKS 10
#define IDLE_DOUBLINGS 4 /* up to 16 s */
#define GRACE_MSEC 5000
#define HOLD_MSEC 50 /* a prompt that ends like a secret begins */

/* ---- beginning ------------------------------------------------------------------ */

int supervise_watch(struct cis_sandbox *sb, int fd, uint32_t events, unsigned int source)
{
	struct epoll_event e = {.events = events, .data.u32 = source};

	return epoll_ctl(sb->epoll, EPOLL_CTL_ADD, fd, &e) < 0 ? -errno : 0;
}

int supervise_add_timer(struct cis_sandbox *sb, int *fd, uint64_t first_msec, bool again,
		     unsigned int source)
{
	struct timespec t = {.tv_sec = (time_t)(first_msec / 1000),
			     .tv_nsec = (long)(first_msec % 1000) * 1000000};
	struct itimerspec spec = {.it_value = t};

	if (again)
		spec.it_interval = t;
	*fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (*fd < 0 || timerfd_settime(*fd, 0, &spec, NULL) < 0)
		return -errno;
	return supervise_watch(sb, *fd, EPOLLIN, source);
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
	r = supervise_watch(sb, fd, write ? EPOLLOUT : EPOLLIN, SRC_RELAY + (unsigned)i);
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
	if (!sb->relays[i] || !relay_holds(sb->relays[i]))
		return 0;
	/* The timer may be an older one's: it is not to cut this one short. */
	sb->relays[i]->held_msec = now_msec();
	if (sb->mask_pause >= 0)
		return 0;
	return supervise_add_timer(sb, &sb->mask_pause, HOLD_MSEC, false, SRC_MASK);
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

int supervise_command(struct cis_sandbox *sb, struct cis_error *err)
{
	int r = sb->tty >= 0 ? relay_tty(sb) : 0;

	if (r >= 0 && sb->spec.timeout_ms)
		r = supervise_add_timer(sb, &sb->timeout, sb->spec.timeout_ms, false, SRC_TIMEOUT);
	if (r >= 0 && (!sb->entered || sb->notify.serve.pages))
		r = supervise_add_timer(sb, &sb->tick, TICK_MSEC, true, SRC_TICK);
	if (r >= 0 && !sb->entered && sb->plan.n_fds)
		r = supervise_add_timer(sb, &sb->disk_watch, DISK_MSEC, true, SRC_DISK);
	for (size_t i = 0; i < N_RELAYS && r >= 0; i++)
		r = rewatch(sb, i);
	return r < 0 ? cis_fail(err, -r, "watch the command") : 0;
}

static int watch_gate(struct cis_sandbox *sb)
{
	int r = 0;

	if (sb->gate.keeper >= 0)
		r = supervise_watch(sb, sb->gate.keeper, EPOLLIN, SRC_KEEPER);
	if (r >= 0 && sb->gate.names >= 0)
		r = supervise_watch(sb, sb->gate.names, EPOLLIN, SRC_NAMES);
	return r;
}

int supervise_gate(struct cis_sandbox *sb, struct cis_error *err)
{
	int r = watch_gate(sb);

	return r < 0 ? cis_fail(err, -r, "watch the gate") : 0;
}

void supervise_forget_gate(struct cis_sandbox *sb)
{
	epoll_ctl(sb->epoll, EPOLL_CTL_DEL, sb->gate.keeper, NULL);
	epoll_ctl(sb->epoll, EPOLL_CTL_DEL, sb->gate.names, NULL);
}

int supervise_begin(struct cis_sandbox *sb, struct cis_error *err)
{
	int r = 0;

	if (sb->sync >= 0)
		r = supervise_watch(sb, sb->sync, EPOLLIN, SRC_SYNC);
	if (r >= 0)
		r = supervise_watch(sb, sb->pidfd, EPOLLIN, SRC_PID);
	for (uint32_t i = 0; i < N_ANSWERERS && r >= 0; i++)
		if (sb->notify.helpers[i].pidfd >= 0)
			r = supervise_watch(sb, sb->notify.helpers[i].pidfd, EPOLLIN,
					    SRC_TRAPS + i);
	if (r >= 0 && sb->vfs.pidfd >= 0)
		r = supervise_watch(sb, sb->vfs.pidfd, EPOLLIN, SRC_HELPER);
	if (r >= 0)
		r = watch_gate(sb);
	if (r >= 0 && sb->gate.inbound >= 0)
		r = supervise_watch(sb, sb->gate.inbound, EPOLLIN, SRC_INBOUND);
	if (r >= 0 && sb->gate.pasta.pidfd >= 0)
		r = supervise_watch(sb, sb->gate.pasta.pidfd, EPOLLIN, SRC_PASTA);
	if (r < 0)
		return cis_fail(err, -r, "watch the sandbox");
	return sb->spec.hold ? 0 : supervise_command(sb, err);
}

/* ---- events ---------------------------------------------------------------------- */

void supervise_post(struct cis_sandbox *sb, enum cis_event_kind kind, uint64_t value,
		    const char *audit_name, const char *text)
{
	cleanup_free char *masked = NULL;
	struct cis_event *e;

	/* What is quoted in it may be the job's words. */
	audit_line(sb, audit_name, text, "value", value, NULL);
	/* Nobody reads them: the newest ones are dropped, the audit has them all. */
	if (sb->n_events == N_EVENTS)
		return;
	e = &sb->events[(sb->first_event + sb->n_events++) % N_EVENTS];
	*e = (struct cis_event){.kind = (int)kind, .value = value};
	/* Before it is cut: half a secret is no word. */
	masked = strdup(text);
	if (masked && mask_whole(sb, &masked) >= 0) {
		str_tame(masked);
		snprintf(e->text, sizeof e->text, "%s", masked);
	}
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
	supervise_post(sb, CIS_EVENT_READY, now_msec() - sb->started_msec, "ready",
	     "the command runs");
}

/* Of a command that came late. Takes @fd. */
static int on_tty(struct cis_sandbox *sb, int fd, struct cis_error *err)
{
	int r = fd < 0 || sb->tty >= 0 || !sb->plan.payload.tty ? -EPROTO : 0;

	if (r < 0) {
		fd_close(fd);
		return cis_fail(err, -r, "terminal");
	}
	sb->tty = fd;
	r = relay_tty(sb);
	for (size_t i = 0; i < N_RELAYS && r >= 0; i++)
		r = rewatch(sb, i);
	return r < 0 ? cis_fail(err, -r, "terminal") : 0;
}

/* Takes @pidfd. */
static int on_service(struct cis_sandbox *sb, uint32_t index, int pidfd, struct cis_error *err)
{
	if (index >= sb->plan.n_services) {
		fd_close(pidfd);
		return cis_fail_plain(err, EPROTO, "service %u answers", index);
	}
	audit_line(sb, "service", sb->plan.services[index].name, NULL);
	return hold_service(sb, index, pidfd, err);
}

static int on_sync(struct cis_sandbox *sb, struct cis_error *err)
{
	cleanup_close int fd = -1;
	struct sync_msg m;
	int r = sync_recv(sb->sync, &m, &fd, MSG_DONTWAIT);

	if (r == -EAGAIN)
		return 0;
	if (r <= 0) {
		/* It is dying: the pidfd tells when. */
		sb->sync = fd_close(sb->sync);
		return 0;
	}
	switch ((enum sync_kind)m.kind) {
	case SYNC_SERVICE:
		return on_service(sb, m.index, steal_fd(&fd), err);
	case SYNC_HELD:
		/* Once, and before there is a command. */
		if (!sb->spec.hold || sb->is_held || sb->plan.payload.argv.n)
			return cis_fail_plain(err, EPROTO, "the sandbox says that it is held");
		return hold_begin(sb, err);
	case SYNC_TTY:
		return on_tty(sb, steal_fd(&fd), err);
	case SYNC_PAYLOAD:
		supervise_payload_runs(sb);
		return 0;
	case SYNC_EXITED:
		/* The kernel is busy with the others' end: time to read the last figures. */
		figures_last(sb);
		sb->was_asked = m.index != 0;
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

/* What asks the command to end: the image may say. */
static int stop_signal(const struct cis_sandbox *sb)
{
	return sb->plan.config.stop_signal ? sb->plan.config.stop_signal : SIGTERM;
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
	    cis_sandbox_signal(sb, stop_signal(sb), NULL) < 0 ||
	    supervise_add_timer(sb, &sb->grace, GRACE_MSEC, false, SRC_GRACE) < 0)
		kill_all(sb);
	sb->timeout = fd_close(sb->timeout);
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

/* For a second: what fills a disk faster than ticks come. */
static void watch_disk(struct cis_sandbox *sb)
{
	struct itimerspec spec = {.it_value.tv_nsec = DISK_MSEC * 1000000,
				  .it_interval.tv_nsec = DISK_MSEC * 1000000};

	sb->disk_looks = 0;
	timerfd_settime(sb->disk_watch, 0, &spec, NULL);
}

static void on_disk(struct cis_sandbox *sb)
{
	const struct itimerspec never = {0};
	uint64_t count;

	if (read(sb->disk_watch, &count, sizeof count) < 0)
		return;
	figures_look_at_disk(sb);
	if (++sb->disk_looks >= TICK_MSEC / DISK_MSEC - 1)
		timerfd_settime(sb->disk_watch, 0, &never, NULL);
}

static int on_tick(struct cis_sandbox *sb, struct cis_error *err)
{
	uint64_t count;
	int r = 0;

	if (read(sb->tick, &count, sizeof count) < 0)
		return 0;
	for (int who = 0; who < N_ANSWERERS && r >= 0; who++)
		r = helpers_watch_traps(sb, who, err);
	if (r < 0 || sb->entered)
		return r;
	if (has_idled(sb)) {
		slow_down(sb);
	} else {
		hurry(sb);
		if (figures_look(sb))
			watch_disk(sb);
	}
	helpers_check_gate(sb);
	if (vfs_is_on(&sb->vfs))
		vfs_load_note(&sb->load, now_msec(), sb->cpu_seen,
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

static void tell_of_collecting(struct cis_sandbox *sb)
{
	if (!sb->collecting)
		supervise_post(sb, CIS_EVENT_COLLECT, 0, "collect", "what it leaves is copied");
	sb->collecting = true;
}

/* Artifacts, then caches, one after another; then it is over. */
static int collect(struct cis_sandbox *sb, struct cis_error *err)
{
	int r = collect_next(sb);

	if (r > 0) {
		tell_of_collecting(sb);
		r = supervise_watch(sb, sb->collector.copier.pidfd, EPOLLIN, SRC_ARTIFACT);
		return r < 0 ? cis_fail(err, -r, "watch who copies artifacts") : 0;
	}
	r = cache_publish_next(sb);
	if (r > 0) {
		tell_of_collecting(sb);
		r = supervise_watch(sb, cache_publisher_helper(&sb->publisher), EPOLLIN,
				    SRC_CACHE);
		return r < 0 ? cis_fail(err, -r, "watch who publishes caches") : 0;
	}
	supervise_finish(sb);
	return 1;
}

/*
 * What they wrote is still in the pipes. Who reads it may be slow, or wait for us in the same
 * thread.
 */
static int drain(struct cis_sandbox *sb, struct cis_error *err)
{
	bool done = true;

	for (size_t i = 1; i < N_RELAYS; i++) {
		int r = 0;

		if (sb->relays[i] && relay_drain(sb->relays[i]))
			end_relay(sb, i);
		else if (sb->relays[i])
			r = rewatch(sb, i);
		if (r < 0)
			return cis_fail(err, -r, "carry stream %zu", i);
		done = done && !sb->relays[i];
	}
	if (!done)
		return 0;
	sb->draining = false;
	sb->publisher.status = sb->exit_status;
	return collect(sb, err);
}

static int begin_to_drain(struct cis_sandbox *sb, struct cis_error *err)
{
	end_relay(sb, 0);
	for (size_t i = 1; i < N_RELAYS; i++)
		if (sb->relays[i])
			relay_last(sb->relays[i]);
	sb->mask_pause = fd_close(sb->mask_pause);
	sb->draining = true;
	return drain(sb, err);
}

int supervise_drain_no_more(struct cis_sandbox *sb)
{
	return sb->grace >= 0 ? 0 : supervise_add_timer(sb, &sb->grace, 1, false, SRC_GRACE);
}

int supervise_collect_no_more(struct cis_sandbox *sb)
{
	int helper = MAX(sb->collector.copier.pidfd, cache_publisher_helper(&sb->publisher));

	sb->told_to_stop = true;
	return helper >= 0 ? sys_pidfd_send_signal(helper, SIGKILL) : 0;
}

/* Whoever was asked to end has not, or nobody takes what the dead have left to say. */
static int end_of_grace(struct cis_sandbox *sb, struct cis_error *err)
{
	sb->grace = fd_close(sb->grace);
	if (!sb->draining) {
		kill_all(sb);
		return 0;
	}
	for (size_t i = 1; i < N_RELAYS; i++)
		end_relay(sb, i);
	return drain(sb, err);
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
	if (sb->timed_out)
		sb->exit_status = 124;
	/* Time does not count any more, and of the dead nothing will be heard. */
	sb->timeout = fd_close(sb->timeout);
	sb->grace = fd_close(sb->grace);
	epoll_ctl(sb->epoll, EPOLL_CTL_DEL, sb->pidfd, NULL);
	return begin_to_drain(sb, err);
}

static int on_relay(struct cis_sandbox *sb, size_t i, int (*move)(struct relay *r),
		    struct cis_error *err)
{
	int r = 0;

	if (sb->draining)
		return drain(sb, err);
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
	bool again = false;
	int r = 0;

	sb->mask_pause = fd_close(sb->mask_pause);
	for (size_t i = 1; i < N_RELAYS && r >= 0; i++) {
		if (!sb->relays[i] || !relay_holds(sb->relays[i]))
			continue;
		if (now_msec() - sb->relays[i]->held_msec < HOLD_MSEC)
			again = true;
		else
			r = on_relay(sb, i, relay_let_go, err);
	}
	if (r < 0 || !again || sb->mask_pause >= 0)
		return r;
	r = supervise_add_timer(sb, &sb->mask_pause, HOLD_MSEC, false, SRC_MASK);
	return r < 0 ? cis_fail(err, -r, "wait for the rest of a word") : 0;
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
		return end_of_grace(sb, err);
	case SRC_TICK:
		return on_tick(sb, err);
	case SRC_DISK:
		on_disk(sb);
		return 0;
	case SRC_HELPER:
		helpers_vfs_died(sb);
		return 0;
	case SRC_RESPAWN:
		helpers_start_vfs(sb);
		return 0;
	case SRC_TRAPS ... SRC_TRAP_PAUSE - 1:
		return helpers_traps_ended(sb, source - SRC_TRAPS, err);
	case SRC_TRAP_PAUSE ... SRC_RELAY - 1:
		return helpers_traps_again(sb, source - SRC_TRAP_PAUSE, err);
	case SRC_ARTIFACT:
		collect_ended(sb);
		return collect(sb, err);
	case SRC_CACHE:
		cache_publish_ended(sb);
		return collect(sb, err);
	case SRC_MASK:
		return let_go(sb, err);
	case SRC_KEEPER:
		return helpers_gate_died(sb, &sb->gate.keeper, source, err);
	case SRC_NAMES:
		return helpers_gate_died(sb, &sb->gate.names, source, err);
	case SRC_INBOUND:
		return helpers_gate_died(sb, &sb->gate.inbound, source, err);
	case SRC_PASTA:
		helpers_pasta_died(sb);
		return 0;
	case SRC_SERVICE:
		return hold_check(sb, err);
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
	cache_publisher_done(&sb->publisher);
	for (size_t i = 0; i < N_RELAYS; i++)
		end_relay(sb, i);
	vfs_done(&sb->vfs);
	/* With its records, until the handle is freed; the network is gone. */
	gate_finish(&sb->gate);
	helpers_check_gate(sb);
	helpers_end_records(sb);
	gate_close(&sb->gate);
}

static void undo(struct cis_sandbox *sb)
{
	if (sb->state.lock < 0)
		return;
	state_set_exit(&sb->state, sb->exit_status);
	state_undo(&sb->state, sb->group.hs.n ? &sb->group : NULL, NULL);
}

void supervise_drop_disk(struct cis_sandbox *sb)
{
	sb->disk_dir = fd_close(sb->disk_dir);
	if (sb->plan.n_fds)
		disk_let_go(sb->plan.disk, &sb->plan.fds[SLOT_SCRATCH], &sb->held);
	if (!sb->entered)
		undo(sb);
}

void supervise_finish(struct cis_sandbox *sb)
{
	if (sb->phase == PHASE_ENDED)
		return;
	figures_last(sb);
	release_children(sb);
	hold_forget_services(sb);
	for (size_t i = 0; sb->plan.n_fds && i < sb->plan.n_caches; i++) {
		int *view = &sb->plan.fds[plan_cache_root_slot(&sb->plan, i)];

		*view = fd_close(*view);
	}
	if (!sb->keeps_disk)
		supervise_drop_disk(sb);
	if (!sb->entered) {
		if (sb->started_msec)
			audit_line(sb, "exited", NULL, "status", (uint64_t)sb->exit_status,
				   "wall_msec", sb->last.wall_msec, "cpu_usec",
				   sb->last.cpu_usec, "memory_peak", sb->last.memory_peak,
				   "disk_peak", sb->last.disk_peak, NULL);
		plan_close_image(&sb->plan);
	}
	sb->phase = PHASE_ENDED;
}
