/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The sandbox's helpers: what they leave behind when they die, and who follows. */
#include "supervise.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/io.h"

/* ---- virtual files ------------------------------------------------------------------- */

void helpers_start_vfs(struct cis_sandbox *sb)
{
	sb->respawn = fd_close(sb->respawn);
	if (vfs_spawn(&sb->vfs) < 0)
		supervise_add_timer(sb, &sb->respawn, TICK_MSEC, false, SRC_RESPAWN);
	else
		supervise_watch(sb, sb->vfs.pidfd, EPOLLIN, SRC_HELPER);
}

void helpers_vfs_died(struct cis_sandbox *sb)
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
	if (!delay || supervise_add_timer(sb, &sb->respawn, delay, false, SRC_RESPAWN) < 0)
		helpers_start_vfs(sb);
}

/* ---- the gate ------------------------------------------------------------------------ */

/* What it let pass still flows; nothing new does until the next one is there. */
int helpers_gate_died(struct cis_sandbox *sb, int *pidfd, unsigned int source,
			 struct cis_error *err)
{
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
	return r < 0 ? r : supervise_watch(sb, *pidfd, EPOLLIN, source);
}

static void helpers_copy_records(struct cis_sandbox *sb)
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

void helpers_end_records(struct cis_sandbox *sb)
{
	char buf[MASK_OUT(EGRESS_LOG_READ)];

	if (sb->log_mask && sb->egress_log >= 0 && mask_stream_holds(sb->log_mask))
		io_write_all(sb->egress_log, buf, mask_stream_let_go(sb->log_mask, buf));
}

/* Its device went with it: nothing leaves any more. Flows would not live on in another. */
void helpers_pasta_died(struct cis_sandbox *sb)
{
	char word[128], text[256];

	pasta_read_word(&sb->gate.pasta, word, sizeof word);
	epoll_ctl(sb->epoll, EPOLL_CTL_DEL, sb->gate.pasta.pidfd, NULL);
	pasta_end(&sb->gate.pasta);
	if (sb->payload_ended)
		return;
	snprintf(text, sizeof text, "pasta died%s%s: the sandbox has no network any more",
		 *word ? ", saying: " : "", word);
	supervise_post(sb, CIS_EVENT_EGRESS, 0, "egress.down", text);
}

void helpers_check_gate(struct cis_sandbox *sb)
{
	char text[160];

	if (!gate_is_on(&sb->gate))
		return;
	helpers_copy_records(sb);
	if (!gate_is_over_budget(&sb->gate) || sb->budget_seen)
		return;
	sb->budget_seen = true;
	snprintf(text, sizeof text,
		 "upload budget of %llu bytes is spent: nothing more leaves (raise "
		 "--egress-bytes)",
		 (unsigned long long)sb->spec.egress.bytes);
	supervise_post(sb, CIS_EVENT_EGRESS, sb->spec.egress.bytes, "limit.hit", text);
}

/* ---- traps ------------------------------------------------------------------------- */

int helpers_traps_again(struct cis_sandbox *sb, enum answerer who, struct cis_error *err)
{
	int r;

	/* Before the clone, whose copy of it would keep it in the epoll set. */
	sb->trap_pause[who] = fd_close(sb->trap_pause[who]);
	r = notify_again(&sb->notify, who);
	if (r >= 0)
		r = supervise_watch(sb, sb->notify.helpers[who].pidfd, EPOLLIN, SRC_TRAPS + who);
	return r < 0 ? cis_fail(err, -r, "traps: start the helper again") : 0;
}

/* The listener is with us: trapped calls wait for the next helper. */
int helpers_traps_ended(struct cis_sandbox *sb, enum answerer who, struct cis_error *err)
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
		return helpers_traps_again(sb, who, err);
	r = supervise_add_timer(sb, &sb->trap_pause[who], pause, false, SRC_TRAP_PAUSE + who);
	return r < 0 ? cis_fail(err, -r, "traps: wait for the next helper") : 0;
}

int helpers_watch_traps(struct cis_sandbox *sb, enum answerer who, struct cis_error *err)
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
	return helpers_traps_again(sb, who, err);
}
