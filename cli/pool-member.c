/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "opts-egress.h"
#include "opts-job.h"
#include "pool.h"
#include "run.h"
#include "session.h"

static int hold(struct front *f, int signals)
{
	struct cis_error err = {0};

	if (cis_sandbox_hold(f->sb, &err) < 0)
		return cli_start_error(f->verb, &err);
	return session_await_ready(f, signals);
}

static void leave_all_behind(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int i = 0; i < 3; i++)
		dup2(null, i);
	close(null);
	if (chdir("/") < 0)
		_exit(EXIT_OURS);
}

/* Until somebody takes it: the connection. -1: it is dead, or nobody ever will. */
static int await_job(struct front *f, int listening, int signals)
{
	for (;;) {
		struct pollfd fds[] = {{.fd = listening, .events = POLLIN},
				       {.fd = cis_sandbox_fd(f->sb), .events = POLLIN},
				       {.fd = signals, .events = POLLIN}};
		int r = poll(fds, 3, -1);

		if ((r < 0 && errno != EINTR) || (r > 0 && fds[2].revents))
			return -1;
		if (cis_sandbox_dispatch(f->sb, NULL) != 0)
			return -1;
		r = r > 0 && fds[0].revents ? cis_pool_accept(f->sb, listening, NULL) : -EAGAIN;
		if (r != -EAGAIN)
			return r;
	}
}

/* From here on we stand in its place. */
static int become(const struct pool_job *job)
{
	for (int i = 0; i < 3; i++)
		if (dup2(job->fds[i], i) < 0)
			return -errno;
	if (fchdir(job->fds[3]) < 0)
		return -errno;
	for (int i = 0; i < 4; i++)
		close(job->fds[i]);
	environ = job->envp;
	umask(job->umask);
	return 0;
}

/*
 * Its directory in /proc, in which nothing is found once it is dead, whoever has its number then.
 * -errno.
 */
static int find_giver(int connection)
{
	struct pollfd waits = {.fd = connection};
	struct ucred giver;
	socklen_t size = sizeof giver;
	char path[32];
	int dir;

	if (getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &giver, &size) < 0)
		return -errno;
	snprintf(path, sizeof path, "/proc/%d", giver.pid);
	dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return -errno;
	/* Who still waits is alive: so it is not another's already. */
	if (poll(&waits, 1, 0) != 0) {
		close(dir);
		return -ESRCH;
	}
	return dir;
}

static int serve(struct front *f, int connection)
{
	struct pool_job job = {0};
	int first, status;

	f->report = connection;
	if (pool_recv_job(connection, &job) < 0 || become(&job) < 0)
		return EXIT_OURS;
	/* A process of another pid namespace has the number 0 here, and no such directory. */
	f->giver = find_giver(connection);
	if (f->giver < 0)
		return cli_usage_error("run", "who gives the job is not seen from the pool: %s",
				       strerror(-f->giver));
	/* As signals come by it, so does the end of who waits for us. */
	fcntl(connection, F_SETFL, O_NONBLOCK);
	f->is_member = true;
	f->is_ready = false;
	status = opts_parse(f, FOR_JOB, job.argc, job.argv, &first);
	if (status == 0)
		status = job_check(f);
	if (status == 0)
		status = run_given(f, job.argv + first);
	return status;
}

int pool_member(const char *name, const struct pool_kind *k, int report)
{
	struct front f = {.verb = "run", .report = report};
	int listening, connection, signals = session_block_signals(), status;
	struct cis_error err = {0};

	setsid();
	if (cis_sandbox_new(&f.sb) < 0)
		return cli_usage_error("pool", "out of memory");
	status = pool_kind_apply(k, &f);
	if (status == 0)
		status = hold(&f, signals);
	if (status == 0) {
		listening = cis_pool_offer(f.sb, name, k->like, &err);
		if (listening < 0)
			status = cli_error("pool", &err);
	}
	if (status == 0 && write(report, "", 1) != 1)
		status = EXIT_OURS;
	if (status != 0) {
		cis_sandbox_free(f.sb);
		return status;
	}
	close(report);
	f.report = -1;
	leave_all_behind();
	connection = await_job(&f, listening, signals);
	close(signals);
	if (connection >= 0)
		status = serve(&f, connection);
	/* Everything is gone before anybody hears that it is over. */
	cis_sandbox_free(f.sb);
	if (f.report >= 0)
		pool_send_status(f.report, status);
	return status;
}
