/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A sandbox that has come up without a command, and stops there: every process inside is
 * frozen. start() then gives it what is the job's own, and lets it go on.
 *
 *	hold()     as a start, but that init says SYNC_HELD in the place of the command
 *	frozen     costs memory alone; nobody inside sees anything of what follows
 *	start()    id, limits, secrets; streams and command to init (job.h); thaw
 *
 * What is given late is told init last and in one record: until then whatever dies, we or it,
 * leaves a sandbox that has done nothing. What cannot be given late, the setters refuse
 * (settled() in sandbox.c): what locks the mounts and what the services saw when they started.
 *
 * Rejected: entering as enter() does. The command would not be init's child: its end would
 * not be the end of all, and what it leaves behind would be nobody's.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "describe.h"
#include "job.h"
#include "sandbox.h"
#include "supervise.h"
#include "sync.h"

int hold_begin(struct cis_sandbox *sb, struct cis_error *err)
{
	int r = group_freeze(&sb->group);

	if (r < 0)
		return cis_fail(err, -r, "freeze %s%s", sb->state.id,
				r == -EOPNOTSUPP ? ": it has no control groups" : "");
	r = describe_write_state(sb, NULL, err);
	if (r < 0)
		return r;
	sb->is_held = true;
	supervise_post(sb, CIS_EVENT_HELD, 0, "held", "all is up, and waits");
	return 0;
}

/* ---- services ------------------------------------------------------------------------- */

/* init is frozen as they are: it would find out when the job has begun. */
int hold_service(struct cis_sandbox *sb, uint32_t index, int pidfd, struct cis_error *err)
{
	size_t n = sb->plan.n_services;
	int r;

	if (pidfd < 0)
		return 0;
	if (!sb->services) {
		sb->services = malloc(n * sizeof *sb->services);
		for (size_t i = 0; sb->services && i < n; i++)
			sb->services[i] = -1;
	}
	r = sb->services ? supervise_watch(sb, pidfd, EPOLLIN, SRC_SERVICE) : -ENOMEM;
	if (r < 0) {
		fd_close(pidfd);
		return cis_fail(err, -r, "watch service %s", sb->plan.services[index].name);
	}
	fd_close(sb->services[index]);
	sb->services[index] = pidfd;
	return 0;
}

int hold_check(const struct cis_sandbox *sb, struct cis_error *err)
{
	for (size_t i = 0; sb->services && i < sb->plan.n_services; i++) {
		struct pollfd p = {.fd = sb->services[i], .events = POLLIN};

		if (poll(&p, 1, 0) > 0)
			return cis_fail_plain(err, ESRCH, "service %s died while %s waited",
					      sb->plan.services[i].name, sb->state.id);
	}
	return 0;
}

void hold_forget_services(struct cis_sandbox *sb)
{
	for (size_t i = 0; sb->services && i < sb->plan.n_services; i++) {
		/* A clone that has not closed its copy yet would keep it there. */
		if (sb->services[i] >= 0)
			epoll_ctl(sb->epoll, EPOLL_CTL_DEL, sb->services[i], NULL);
		fd_close(sb->services[i]);
	}
	free(sb->services);
	sb->services = NULL;
}

/* ---- what is the job's own -------------------------------------------------------------- */

/* As enter() looks at it: what services have changed since counts, and leads nowhere. */
static int plan_command(struct cis_sandbox *sb, char *const argv[], struct cis_error *err)
{
	cleanup_close int root = -1;
	char path[64];

	snprintf(path, sizeof path, "/proc/%d/root", sb->pid);
	root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return cis_fail(err, errno, "root of %s", sb->state.id);
	return plan_late_payload(&sb->plan, &sb->spec, argv, root, err);
}

static int give_secrets(struct cis_sandbox *sb, struct cis_error *err)
{
	const struct plan_exec *e = &sb->plan.payload;
	cleanup_close int dir = steal_fd(&sb->secrets_later);
	int r = secrets_begin(sb, err);

	if (r < 0 || !sb->spec.secrets.n)
		return r;
	return secrets_write(&sb->spec.secrets, dir, sb->base + e->uid, sb->base + e->gid, err);
}

static int give_limits(struct cis_sandbox *sb, struct cis_error *err)
{
	struct group_limits limits;
	int r = prepare_limits(sb, &limits, err);

	return r < 0 ? r : group_limit(&sb->group, &limits, err);
}

/* Nothing was let through until now. */
static int give_rules(struct cis_sandbox *sb, struct cis_error *err)
{
	const struct spec_egress *e = &sb->spec.egress;
	struct gate *g = &sb->gate;
	struct policy *policy;
	int r = spec_shut_host(&sb->spec, err);

	if (r < 0 || !gate_is_on(g))
		return r;
	r = plan_rules(&e->rules, &policy, err);
	if (r < 0)
		return r;
	g->verify = !e->no_verify;
	g->rate = e->rate;
	g->budget = e->bytes;
	supervise_forget_gate(sb);
	r = gate_change(g, policy, err);
	return r < 0 ? r : supervise_gate(sb, err);
}

static int send_streams(struct cis_sandbox *sb, struct cis_error *err)
{
	int child[3], r = prepare_stdio(sb, child, err);

	for (unsigned int i = 0; i < 3; i++) {
		struct sync_msg m = {.kind = SYNC_STREAM, .index = i};

		if (r >= 0 && child[i] >= 0) {
			r = sync_send_fd(sb->sync, &m, child[i]);
			if (r < 0)
				cis_fail(err, -r, "stream %u", i);
		}
		fd_close(child[i]);
	}
	return r;
}

static int send_command(struct cis_sandbox *sb, struct cis_error *err)
{
	const struct sync_msg m = {.kind = SYNC_JOB};
	const struct spec *s = &sb->spec;
	cleanup_close int fd = job_write(&sb->plan.payload,
					 s->hostname ? s->hostname : sb->state.id, s->rows,
					 s->cols);
	int r = fd < 0 ? fd : sync_send_fd(sb->sync, &m, fd);

	return r < 0 ? cis_fail(err, -r, "send the command to %s", sb->state.id) : 0;
}

int hold_start(struct cis_sandbox *sb, char *const argv[], struct cis_error *err)
{
	int r = 0;

	sb->is_held = false;
	if (sb->sync < 0)
		return cis_fail_plain(err, ESRCH, "the sandbox %s ended", sb->state.id);
	r = hold_check(sb, err);
	/* From now on they are the job's, as in one that was not held. */
	hold_forget_services(sb);
	if (r >= 0)
		r = spec_validate(&sb->spec, err);
	if (r >= 0 && sb->spec.id)
		r = state_rename(&sb->state, sb->spec.id, err);
	if (r >= 0)
		r = plan_command(sb, argv, err);
	if (r >= 0)
		r = give_limits(sb, err);
	if (r >= 0)
		r = give_secrets(sb, err);
	if (r >= 0)
		r = give_rules(sb, err);
	if (r >= 0 && sb->spec.artifacts.n)
		r = collector_open(&sb->collector, &sb->spec.artifacts, err);
	if (r >= 0)
		r = send_streams(sb, err);
	if (r >= 0)
		r = send_command(sb, err);
	if (r >= 0)
		r = supervise_command(sb, err);
	if (r < 0)
		return r;
	r = group_thaw(&sb->group);
	return r < 0 ? cis_fail(err, -r, "thaw %s", sb->state.id) : 0;
}
