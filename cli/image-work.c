/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "image-work.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli.h"
#include "progress.h"

#define TURN_MSEC 200

/* ---- signals ----------------------------------------------------------------- */

static volatile sig_atomic_t caught, times_caught;

static void on_signal(int sig)
{
	caught = sig;
	times_caught++;
}

void work_signals(void (*handler)(int))
{
	const struct sigaction sa = {.sa_handler = handler};

	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
}

void work_catch_signals(void)
{
	work_signals(on_signal);
}

int work_caught(void)
{
	return caught;
}

/* ---- a child ----------------------------------------------------------------- */

pid_t work_start(struct work_child *c, int *ret_fd)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	c->pid = fork();
	if (c->pid == 0) {
		close(fds[0]);
		*ret_fd = fds[1];
		umask(022);
		return 0;
	}
	close(fds[1]);
	c->fd = fds[0];
	if (c->pid > 0)
		return c->pid;
	close(c->fd);
	return -errno;
}

static int reap(struct work_child *c)
{
	int status;

	close(c->fd);
	while (waitpid(c->pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return status;
}

/* Whether there is something to read, or the end. */
static bool await(struct work_child *c, int *handled)
{
	struct pollfd p = {.fd = c->fd, .events = POLLIN};
	int ready = poll(&p, 1, TURN_MSEC);

	if (caught) {
		c->stop(c, *handled != times_caught);
		*handled = times_caught;
	}
	return ready > 0;
}

static void read_text(struct work_child *c, ssize_t *ret)
{
	size_t room = sizeof c->said - 1 - c->n;

	if (room < 1024) {
		size_t half = c->n / 2;

		memmove(c->said, c->said + half, c->n - half);
		c->n -= half;
		room += half;
	}
	*ret = read(c->fd, c->said + c->n, room);
	if (*ret > 0)
		c->n += (size_t)*ret;
	c->said[c->n] = '\0';
}

/* mmdebstrap's "I: doing this..." */
static void show_text(const struct work_child *c, unsigned int turn)
{
	const char *line = "starting";
	char text[100];
	size_t n;

	for (const char *p = c->said; (p = strstr(p, "I: ")); p++)
		line = p + 3;
	n = strcspn(line, ".\n");
	snprintf(text, sizeof text, "%c %.*s", "|/-\\"[turn % 4], (int)(n < 60 ? n : 60),
		 line);
	progress_show(text);
}

int work_wait(struct work_child *c)
{
	int handled = 0;
	ssize_t n = 1;

	for (unsigned int turn = 0; n != 0; turn++) {
		if (await(c, &handled))
			read_text(c, &n);
		if (n < 0 && errno != EINTR)
			break;
		show_text(c, turn);
	}
	progress_clear();
	return reap(c);
}

/* ---- one that calls the library ------------------------------------------------ */

/* Short enough for a pipe to take each whole. */
struct message {
	enum { IS_PROGRESS, IS_ERROR, IS_RESULT } kind;
	union {
		struct cis_image_progress progress;
		struct cis_error err;
		struct work_report report;
	};
};

static void send_message(int fd, const struct message *m)
{
	while (write(fd, m, sizeof *m) < 0 && errno == EINTR)
		;
}

void work_progress(const struct cis_image_progress *p, void *arg)
{
	const struct work_report *report = arg;

	send_message(report->fd, &(struct message){.kind = IS_PROGRESS, .progress = *p});
}

static void run_job(int fd, work_job *job, void *arg)
{
	struct message result = {.kind = IS_RESULT, .report.fd = fd};
	struct message failure = {.kind = IS_ERROR};
	int r;

	work_signals(SIG_IGN);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	r = job(&result.report, arg, &failure.err);
	send_message(fd, r < 0 ? &failure : &result);
	_exit(r < 0);
}

static pid_t parent_of(pid_t pid)
{
	char path[64], text[512];
	const char *end;
	int parent = -1, fd;
	ssize_t n;

	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return -1;
	text[n] = '\0';
	end = strrchr(text, ')'); /* a name may hold anything */
	return end && sscanf(end, ") %*c %d", &parent) == 1 ? parent : -1;
}

/* What the library runs, each in a process group of its own. */
static void stop_programs(struct work_child *c, bool is_new)
{
	DIR *proc = opendir("/proc");
	struct dirent *e;

	while (proc && (e = readdir(proc))) {
		int pid = atoi(e->d_name);

		if (pid > 1 && parent_of(pid) == c->pid)
			kill(-pid, SIGTERM);
	}
	if (proc)
		closedir(proc);
	/*
	 * The first may have come between two programs, so more turns are taken. Who says it
	 * twice wants the end, whatever the library waits for; the next import tidies up. It goes
	 * last: what it runs would not be found by its parent then.
	 */
	if (is_new && times_caught > 1)
		kill(c->pid, SIGKILL);
}

static void show(const struct message *last, const char *what, unsigned int turn)
{
	char text[100];

	if (last->kind == IS_PROGRESS && last->progress.phase != CIS_IMAGE_RESOLVE) {
		progress_image(&last->progress, turn);
		return;
	}
	snprintf(text, sizeof text, "%c %s", "|/-\\"[turn % 4], what);
	progress_show(text);
}

/* Until its end, which *last is about if it got so far. Returns its wait status. */
static int follow(struct work_child *c, const char *what, struct message *last)
{
	int handled = 0;
	ssize_t n = 1;

	for (unsigned int turn = 0; n != 0; turn++) {
		struct message m;

		if (await(c, &handled)) {
			n = read(c->fd, &m, sizeof m);
			if (n == sizeof m)
				*last = m;
		}
		if (n < 0 && errno != EINTR)
			break;
		show(last, what, turn);
	}
	progress_clear();
	return reap(c);
}

/* "debian sha256:... 430 MB" */
static void print_result(const struct work_report *r)
{
	if (!*r->image.digest) {
		printf("%s\n", r->image.name);
		return;
	}
	printf("%s %s %llu MB%s\n", r->image.name, r->image.digest,
	       (unsigned long long)((r->image.size + 500000) / 1000000),
	       r->was_there ? ", up to date" : "");
}

int work_run(const char *verb, const char *what, work_job *job, void *arg)
{
	struct work_child c = {.stop = stop_programs};
	const struct cis_error killed = {.message = "it was killed"};
	struct message last = {.kind = IS_PROGRESS};
	struct cis_error err = {0};
	int fd = -1, status;
	pid_t pid = work_start(&c, &fd);

	if (pid == 0)
		run_job(fd, job, arg);
	if (pid < 0) {
		snprintf(err.message, sizeof err.message, "fork: %s", strerror(-pid));
		return cli_error(verb, &err);
	}
	status = follow(&c, what, &last);
	if (status == 0 && last.kind == IS_RESULT)
		print_result(&last.report);
	else if (caught)
		return EXIT_SIGNAL + caught;
	else
		return cli_error(verb, last.kind == IS_ERROR ? &last.err : &killed);
	return fflush(stdout) == 0 ? 0 : EXIT_OURS;
}
