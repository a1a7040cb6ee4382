/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "opts-job.h"
#include "pool.h"
#include "session.h"

static void pass_signals_on(int signals, int member)
{
	struct signalfd_siginfo info;

	while (read(signals, &info, sizeof info) == sizeof info)
		send(member, &info, sizeof info, MSG_NOSIGNAL);
}

/* The job is the member's. We are who waits for it, and whom signals reach. */
static int attend(const char *verb, int member, int signals)
{
	for (;;) {
		struct pollfd fds[] = {{.fd = member, .events = POLLIN},
				       {.fd = signals, .events = POLLIN}};
		int status, r;

		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return EXIT_OURS;
		if (fds[1].revents)
			pass_signals_on(signals, member);
		r = fds[0].revents ? pool_recv_status(member, &status) : 0;
		if (r > 0)
			return status;
		if (r < 0)
			return cli_usage_error(verb, "the sandbox's supervisor died");
	}
}

/* The connection; or -EAGAIN, and why there is none has been said. */
static int take(const char *verb, const char *name, const struct pool_kind *k)
{
	struct cis_error err = {0};
	int fd = cis_pool_take(name, k->like, &err);

	if (fd == -EAGAIN)
		fprintf(stderr, "cisandbox: %s: %s: this one starts cold\n", verb, err.message);
	else if (fd < 0)
		cli_error(verb, &err);
	return fd;
}

/* Words are judged before a member is spent on them. Nothing that can be read once is read. */
static int look(const struct pool_kind *k, int argc, char **argv,
		struct front *ret)
{
	int first, status;

	*ret = (struct front){.verb = "run", .report = -1, .only_looks = true};
	if (cis_sandbox_new(&ret->sb) < 0)
		return cli_usage_error("run", "out of memory");
	status = pool_kind_apply(k, ret);
	if (status == 0)
		status = opts_parse(ret, FOR_JOB, argc, argv, &first);
	if (status == 0)
		status = job_check(ret);
	cis_sandbox_free(ret->sb);
	ret->sb = NULL;
	return status;
}

static int give(const struct front *f, const char *name, int member, int argc, char **argv)
{
	int signals = session_block_signals(), r = pool_send_job(member, argc, argv);

	if (!f->no_fill)
		pool_fill_beside(name);
	return r < 0 ? cli_usage_error("run", "send the job: %s", strerror(-r))
		     : attend("run", member, signals);
}

int pool_run(struct front *f, const char *name, int argc, char **argv, bool *ret_cold,
	     int *ret_first)
{
	struct front looked;
	struct pool_kind k;
	int member, status = pool_kind_read("run", name, &k);

	*ret_cold = false;
	if (status != 0)
		return status;
	status = look(&k, argc, argv, &looked);
	if (status == 0 && looked.help) {
		f->help = true;
	} else if (status == 0) {
		member = take("run", name, &k);
		*ret_cold = member == -EAGAIN;
		if (member >= 0)
			status = give(&looked, name, member, argc, argv);
		else if (!*ret_cold)
			status = EXIT_OURS;
	}
	if (*ret_cold) {
		if (!looked.no_fill)
			pool_fill_beside(name);
		status = pool_kind_apply(&k, f);
		if (status == 0)
			status = opts_parse(f, FOR_JOB, argc, argv, ret_first);
	}
	pool_kind_done(&k);
	return status;
}
