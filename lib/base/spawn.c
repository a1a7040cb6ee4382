/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * posix_spawn, not fork: the library may live in a large or threaded program. The child
 * gets the default signal state, whatever its host program blocks.
 */
#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fd.h"
#include "io.h"
#include "str.h"

#define OUTPUT_MAX 65536
#define DETACHED_ARGS 8

/* Ours, not the caller's PATH: cron's has no sbin, and mkfs lives there. */
static const char *const search[] = {"/usr/local/sbin", "/usr/local/bin", "/usr/sbin",
				     "/usr/bin",        "/sbin",          "/bin"};
static const char search_env[] =
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

int spawn_find(const char *name, char **ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(search); i++) {
		cleanup_free char *path = NULL;
		int r = str_format(&path, "%s/%s", search[i], name);

		if (r < 0)
			return r;
		if (access(path, X_OK) == 0) {
			*ret = steal_ptr(&path);
			return 0;
		}
	}
	return -ENOENT;
}

static int start(char *const argv[], int keep_fd, int in, int out, int err_fd, pid_t *ret)
{
	/* No locale, no variable of the caller may change what it prints. */
	char *const envp[] = {(char *)search_env, "LC_ALL=C.UTF-8", "HOME=/", NULL};
	cleanup_free char *program = NULL;
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t attr;
	sigset_t none, all;
	int r = spawn_find(argv[0], &program);

	if (r < 0)
		return r;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&fa);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
						POSIX_SPAWN_SETPGROUP);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	/* A group of its own: Ctrl-C is for us, who then decide. */
	posix_spawnattr_setpgroup(&attr, 0);
	if (in >= 0)
		posix_spawn_file_actions_adddup2(&fa, in, 0);
	else
		posix_spawn_file_actions_addopen(&fa, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&fa, out, 1);
	posix_spawn_file_actions_adddup2(&fa, err_fd, 2);
	if (keep_fd >= 0) /* dup2 onto itself clears CLOEXEC */
		posix_spawn_file_actions_adddup2(&fa, keep_fd, keep_fd);
	r = posix_spawn(ret, program, &fa, &attr, argv, envp);
	posix_spawn_file_actions_destroy(&fa);
	posix_spawnattr_destroy(&attr);
	return -r;
}

/* What GNU tar says last of all, whatever the cause was. */
static bool is_farewell(const char *line)
{
	return strstr(line, "due to previous errors") || strstr(line, ": exiting now") ||
	       strstr(line, ": Child returned status");
}

/* The last line that says something, for the error message. */
static const char *last_line(char *text)
{
	for (;;) {
		size_t n = strlen(text);
		char *nl;

		while (n > 0 && strchr(" \r\n", text[n - 1]))
			text[--n] = '\0';
		nl = strrchr(text, '\n');
		if (!nl || !is_farewell(nl + 1))
			return nl ? nl + 1 : text;
		*nl = '\0';
	}
}

static int judge(pid_t pid, const char *name, char *messages, struct cis_error *err)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return cis_fail(err, errno, "wait for %s", name);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (WIFSIGNALED(status))
		return cis_fail_plain(err, EIO, "%s was killed by signal %d", name,
				      WTERMSIG(status));
	return cis_fail_plain(err, EIO, "%s failed with status %d: %s", name,
			      WEXITSTATUS(status), messages ? last_line(messages) : "");
}

/* Reads both pipes to their ends; what is beyond OUTPUT_MAX is thrown away. */
static void drain(int fd, char *buf, size_t *used)
{
	char waste[4096];

	for (;;) {
		size_t room = OUTPUT_MAX - *used;
		ssize_t k = room ? read(fd, buf + *used, room) : read(fd, waste, sizeof waste);

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			break;
		if (room)
			*used += (size_t)k;
	}
	buf[*used] = '\0';
}

/* The two ends of a program's stdin, and who writes. */
struct feeder {
	int rd, wr;
	spawn_feed *feed;
	void *arg;
};

static void feeder_done(struct feeder *f)
{
	f->rd = fd_close(f->rd);
	f->wr = fd_close(f->wr);
}

/* A program that ends early costs its feeder an EPIPE, not the host program its life. */
static int feed_quietly(struct feeder *f, struct cis_error *err)
{
	const struct timespec now = {0};
	sigset_t pipe, old, pending;
	int r;

	f->rd = fd_close(f->rd);
	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	sigpending(&pending);
	pthread_sigmask(SIG_BLOCK, &pipe, &old);
	r = f->feed(f->wr, f->arg, err);
	f->wr = fd_close(f->wr);
	if (!sigismember(&pending, SIGPIPE))
		while (sigtimedwait(&pipe, NULL, &now) < 0 && errno == EINTR)
			;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return r;
}

static int run(char *const argv[], int keep_fd, struct feeder *f, int out,
	       const char *package, struct cis_error *err)
{
	cleanup_free char *messages = malloc(OUTPUT_MAX + 1);
	cleanup_close int rd = -1, wr = -1;
	int fds[2], r, fed = 0;
	size_t used = 0;
	pid_t pid;

	if (!messages || pipe2(fds, O_CLOEXEC) < 0)
		return cis_fail(err, messages ? errno : ENOMEM, "run %s", argv[0]);
	rd = fds[0];
	wr = fds[1];
	/* Nobody reads while we feed: what the pipe cannot hold is lost, not awaited. */
	if (f)
		fcntl(wr, F_SETFL, O_NONBLOCK);
	r = start(argv, keep_fd, f ? f->rd : -1, out, wr, &pid);
	if (r == -ENOENT)
		return cis_fail_plain(err, ENOENT, "%s is not installed (apt install %s)",
				      argv[0], package);
	if (r < 0)
		return cis_fail(err, -r, "run %s", argv[0]);
	wr = fd_close(wr);
	if (f)
		fed = feed_quietly(f, err);
	drain(rd, messages, &used);
	r = judge(pid, argv[0], messages, err);
	return r < 0 ? r : fed;
}

int spawn_wait(char *const argv[], int keep_fd, const char *package, struct cis_error *err)
{
	cleanup_close int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	if (null < 0)
		return cis_fail(err, errno, "open /dev/null");
	return run(argv, keep_fd, NULL, null, package, err);
}

int spawn_detached(char *const argv[], int keep_fd, int in, struct cis_error *err)
{
	cleanup_close int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	char *all[DETACHED_ARGS + 4] = {"setsid", "--fork", "--"};
	size_t n = 3;
	pid_t pid;
	int r;

	if (null < 0)
		return cis_fail(err, errno, "open /dev/null");
	while (*argv && n < ARRAY_SIZE(all) - 1)
		all[n++] = *argv++;
	if (*argv)
		return cis_fail(err, E2BIG, "run %s", all[3]);
	r = start(all, keep_fd, in, null, null, &pid);
	if (r < 0)
		return cis_fail(err, -r, "run setsid (of util-linux)");
	return judge(pid, "setsid", NULL, err);
}

/* A file, not a second pipe: nobody has to read two ends at once. */
static int run_into(char *const argv[], int keep_fd, struct feeder *f,
		    const char *package, char **ret, struct cis_error *err)
{
	cleanup_close int out = memfd_create("cisandbox-output", MFD_CLOEXEC);
	int r;

	if (out < 0)
		return cis_fail(err, errno, "run %s", argv[0]);
	r = run(argv, keep_fd, f, out, package, err);
	if (r < 0 || !ret)
		return r;
	lseek(out, 0, SEEK_SET);
	r = io_read_fd(out, OUTPUT_MAX, ret, NULL);
	return r < 0 ? cis_fail(err, -r, "read the output of %s", argv[0]) : 0;
}

int spawn_filter(char *const argv[], int keep_fd, const char *package, spawn_feed *feed,
		 void *arg, char **ret, struct cis_error *err)
{
	cleanup(feeder_done) struct feeder f = {-1, -1, feed, arg};
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return cis_fail(err, errno, "run %s", argv[0]);
	f.rd = fds[0];
	f.wr = fds[1];
	return run_into(argv, keep_fd, &f, package, ret, err);
}
