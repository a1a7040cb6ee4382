/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "opts-egress.h"
#include "opts-job.h"
#include "opts.h"
#include "pool.h"
#include "run.h"
#include "session.h"

static const char synopsis[] = "cisandbox run [OPTION]... [--] COMMAND [ARG]...";

static int open_audit(struct front *f)
{
	char buf[JOB_PATH_MAX];
	int fd = -1;

	if (f->audit)
		fd = open(job_path(f, f->audit, buf), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
			  0600);
	if (f->audit && fd < 0)
		return cli_usage_error(f->verb, "--audit %s: %s", f->audit, strerror(errno));
	cis_sandbox_set_audit(f->sb, fd);
	return 0;
}

static int dry_run(struct front *f, char **argv)
{
	struct cis_error err = {0};
	char *text;

	/* Nothing is written there; but that there is one is a word about the network. */
	if (f->egress_log)
		cis_sandbox_set_egress_log(f->sb, STDERR_FILENO);
	if (cis_sandbox_plan(f->sb, argv, &text, &err) < 0)
		return cli_start_error(f->verb, &err);
	fputs(text, stdout);
	free(text);
	return 0;
}

static int start(struct front *f, char **argv)
{
	struct cis_error err = {0};

	return cis_sandbox_start(f->sb, argv, &err) < 0 ? cli_start_error(f->verb, &err) : 0;
}

static int run(struct front *f, char **argv, int signals)
{
	int status;

	session_set_streams(f);
	status = start(f, argv);
	if (status)
		return status;
	return egress_report(f, session_run(f, signals));
}

/* Nobody waits for us any more. */
static int run_on(struct front *f, int signals)
{
	int null = open("/dev/null", O_RDWR);

	close(f->report);
	f->report = -1;
	f->is_ready = true;
	for (int i = 0; i < 3; i++)
		dup2(null, i);
	close(null);
	if (chdir("/") < 0)
		return EXIT_OURS;
	return egress_report(f, session_run(f, signals));
}

/*
 * The supervisor of a detached sandbox is a child in a session of its own. We
 * wait for its word: the id, or nothing, when it has already said why not.
 */
static int supervise_detached(struct front *f, char **argv, int report)
{
	int signals, status;
	const char *id;

	setsid();
	signals = session_block_signals();
	f->report = report;
	status = start(f, argv);
	if (status == 0)
		status = session_await_ready(f, signals);
	if (status)
		return status;
	id = cis_sandbox_id(f->sb);
	if (write(report, id, strlen(id)) < 0)
		return EXIT_OURS;
	return run_on(f, signals);
}

/* In a member of a pool, which is nobody's child: whoever asked for it reads our word, too. */
static int detach_member(struct front *f, char **argv)
{
	int status = start(f, argv);

	if (status == 0)
		status = session_await_ready(f, f->report);
	if (status != 0)
		return status;
	puts(cis_sandbox_id(f->sb));
	if (fflush(stdout) != 0)
		return EXIT_OURS;
	pool_send_status(f->report, 0);
	return run_on(f, session_block_signals());
}

static int detach(struct front *f, char **argv)
{
	char id[65] = "";
	int fds[2];
	int status;
	ssize_t n;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return cli_usage_error(f->verb, "pipe: %s", strerror(errno));
	pid = fork();
	if (pid < 0)
		return cli_usage_error(f->verb, "fork: %s", strerror(errno));
	if (pid == 0) {
		close(fds[0]);
		exit(supervise_detached(f, argv, fds[1]));
	}
	close(fds[1]);
	n = read(fds[0], id, sizeof id - 1);
	if (n > 0) {
		puts(id);
		return fflush(stdout) == 0 ? 0 : EXIT_OURS;
	}
	/* It has said why; what remains is its status. */
	if (waitpid(pid, &status, 0) < 0 || !WIFEXITED(status))
		return EXIT_OURS;
	return WEXITSTATUS(status);
}

int run_given(struct front *f, char **argv)
{
	int status;

	if (f->dry_run)
		return dry_run(f, argv);
	if (f->detach && (f->tty || f->interactive))
		return cli_usage_error(f->verb, "--detach does not go with -i or -t");
	status = open_audit(f);
	if (status == 0)
		status = egress_open(f);
	if (status != 0)
		return status;
	if (f->detach)
		return f->is_member ? detach_member(f, argv) : detach(f, argv);
	return run(f, argv, f->is_member ? f->report : session_block_signals());
}

static int begin(struct front *f, char **argv, int first)
{
	int status = job_check(f);

	if (status == 0)
		status = f->dry_run ? cli_find_places("run") : cli_become_root("run", argv);
	return status == 0 ? run_given(f, argv + first) : status;
}

int cmd_run(int argc, char **argv)
{
	struct front f = {.verb = "run", .report = -1, .argv = argv};
	const char *pool = opts_find_pool(argc, argv);
	bool is_cold = true;
	int first, status;

	if (cis_sandbox_new(&f.sb) < 0)
		return cli_usage_error("run", "out of memory");
	if (pool)
		status = pool_run(&f, pool, argc, argv, &is_cold, &first);
	else
		status = opts_parse(&f, FOR_RUN, argc, argv, &first);
	if (status == 0 && f.help)
		opts_help(FOR_RUN, synopsis);
	else if (status == 0 && is_cold)
		status = begin(&f, argv, first);
	cis_sandbox_free(f.sb);
	return status;
}
