/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "criu.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../base/fd.h"
#include "../base/io.h"
#include "../base/process.h"
#include "../base/spawn.h"
#include "../base/sys.h"
#include "keeper.h"
#include "profile.h"

#define MAX_LOG (64UL << 20)

void criu_init(struct criu *c)
{
	*c = (struct criu){0};
}

void criu_done(struct criu *c)
{
	strv_done(&c->argv);
	free(c->images);
	free(c->work);
	criu_init(c);
}

void criu_add(struct criu *c, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	if (!text || strv_add(&c->argv, text) < 0)
		c->no_memory = true;
	free(text);
}

/* ---- what both directions say ---------------------------------------------------------- */

int criu_add_common(struct criu *c, uint64_t flags, const char *mode, struct cis_error *err)
{
	static const char *const modes[] = {"soft", "full", "strict", "ignore"};
	static const struct {
		uint64_t flag;
		const char *option;
	} table[] = {
		{CIS_OCI_TCP_ESTABLISHED, "--tcp-established"},
		{CIS_OCI_TCP_SKIP_IN_FLIGHT, "--skip-in-flight"},
		{CIS_OCI_TCP_CLOSE, "--tcp-close"},
		{CIS_OCI_EXT_UNIX_SK, "--ext-unix-sk"},
		{CIS_OCI_SHELL_JOB, "--shell-job"},
		{CIS_OCI_FILE_LOCKS, "--file-locks"},
		{CIS_OCI_AUTO_DEDUP, "--auto-dedup"},
		{CIS_OCI_LINK_REMAP, "--link-remap"},
		{CIS_OCI_EMPTY_NETNS, "--empty-ns=net"},
	};
	size_t known = 0;

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (flags & table[i].flag)
			criu_add(c, "%s", table[i].option);
	while (mode && known < ARRAY_SIZE(modes) && strcmp(mode, modes[known]) != 0)
		known++;
	if (known == ARRAY_SIZE(modes))
		return cis_fail_plain(err, EINVAL,
				      "manage-cgroups-mode \"%s\": not soft, full, strict or "
				      "ignore", mode);
	criu_add(c, "--manage-cgroups=%s", mode ? mode : "soft");
	return 0;
}

static int take_directory(const char *path, bool make, char **ret, struct cis_error *err)
{
	if (make && mkdir(path, 0700) < 0 && errno != EEXIST)
		return cis_fail(err, errno, "make directory %s", path);
	*ret = realpath(path, NULL);
	return *ret ? 0 : cis_fail(err, errno, "directory %s", path);
}

int criu_set_paths(struct criu *c, const char *images, const char *work, const char *log,
		   bool make, struct cis_error *err)
{
	int r = take_directory(images ? images : "checkpoint", make, &c->images, err);

	if (r >= 0)
		r = take_directory(work ? work : c->images, true, &c->work, err);
	c->log = log;
	criu_add(c, "--images-dir=%s", c->images);
	criu_add(c, "--work-dir=%s", c->work);
	criu_add(c, "--log-file=%s", log);
	criu_add(c, "-v4");
	return r;
}

int criu_check(const struct cis_oci *rt, const struct config *c, const char *verb,
	       struct cis_error *err)
{
	int r = profile_of(rt, c, err);
	const char *vfs;

	if (r < 0)
		return r;
	if (r == PROFILE_DOCKER)
		return cis_fail_plain(err, EINVAL,
				      "%s: not with profile docker, whose root file system and "
				      "network are rebuilt at each start", verb);
	if (c->process.terminal)
		return cis_fail_plain(err, EINVAL,
				      "%s: not of a container with a terminal, whose other end "
				      "is not in it (process.terminal)", verb);
	if (c->has_intel_rdt)
		return cis_fail_plain(err, EINVAL, "%s: not with linux.intelRdt", verb);
	vfs = config_annotation(c, VFS_ANNOTATION);
	if (vfs ? strcmp(vfs, "on") == 0 : r == PROFILE_NESTED)
		return cis_fail_plain(err, EINVAL, "%s: not with virtual files (annotation "
				      VFS_ANNOTATION "=off does without)", verb);
	return 0;
}

const char *criu_namespace_key(const struct config_namespace *ns)
{
	if (ns->flag == CLONE_NEWNET)
		return "extRootNetNS";
	return ns->flag == CLONE_NEWPID ? "extRootPidNS" : NULL;
}

/* ---- running it --------------------------------------------------------------------------- */

/* What the child needs of it; and the ends of the talk with the script. */
struct run {
	struct criu *c;
	char *program;
	int null, out;
	int script, from[2], to[2];
};

static void child(const struct run *run) __attribute__((noreturn));
static void child(const struct run *run)
{
	static const char *const envp[] = {"PATH=" PROCESS_DEFAULT_PATH, "LC_ALL=C.UTF-8", "HOME=/",
					   NULL};
	const struct criu *c = run->c;
	int r = 0;

	process_reset_signals_child();
	SYS(setpgid, 0, 0);
	SYS(dup3, run->null, 0, 0);
	SYS(dup3, run->out, 1, 0);
	SYS(dup3, run->out, 2, 0);
	sys_close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
	for (size_t i = 0; i < c->n_keep; i++)
		SYS(fcntl, c->keep[i], F_SETFD, 0);
	/* What is mounted here may not show on the host, and what comes there is to show here. */
	if (c->root)
		r = SYS(mount, NULL, "/", NULL, MS_SLAVE | MS_REC, NULL);
	if (c->root && r >= 0)
		r = SYS(mount, c->rootfs, c->root, NULL, MS_BIND | MS_REC, NULL);
	if (r >= 0)
		SYS(execve, run->program, c->argv.v, (char **)envp);
	_exit(126);
}

/*
 * criu tells of its progress by running a program. This one is a shell script in our memory,
 * since the directory of the state may be on a file system where nothing is executed.
 */
static int make_script(struct run *run)
{
	cleanup_close int fd = memfd_create("criu-script", MFD_CLOEXEC);
	cleanup_free char *text = NULL;
	char path[40];
	int r, me = getpid();

	if (fd < 0 || pipe2(run->from, O_CLOEXEC) < 0 || pipe2(run->to, O_CLOEXEC) < 0)
		return -errno;
	r = str_format(&text,
		       "#!/bin/sh\n"
		       "[ \"$CRTOOLS_SCRIPT_ACTION\" = setup-namespaces ] || exit 0\n"
		       "echo \"$CRTOOLS_INIT_PID\" >/proc/%d/fd/%d &&\n"
		       "read -r answer </proc/%d/fd/%d && [ \"$answer\" = go ]\n",
		       me, run->from[1], me, run->to[0]);
	if (r >= 0)
		r = io_write_all(fd, text, strlen(text));
	if (r < 0)
		return r;
	/* What is open for writing is not executed. */
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	run->script = open(path, O_RDONLY | O_CLOEXEC);
	if (run->script < 0)
		return -errno;
	criu_add(run->c, "--action-script=/proc/%d/fd/%d", me, run->script);
	return 0;
}

static int on_script(const struct run *run, struct cis_error *err)
{
	char line[32];
	ssize_t n = read(run->from[0], line, sizeof line - 1);
	uint64_t pid;
	int r;

	if (n <= 0)
		return cis_fail(err, n < 0 ? errno : EPIPE, "hear from criu");
	line[n] = '\0';
	line[strcspn(line, "\n")] = '\0';
	if (str_parse_u64(line, &pid) < 0)
		pid = 0;
	r = run->c->on_init((pid_t)pid, run->c->arg, err);
	/* Whatever else is read ends the restoring. */
	if (io_write_all(run->to[1], r < 0 ? "no\n" : "go\n", 3) < 0 && r >= 0)
		r = cis_fail(err, EPIPE, "answer criu");
	return r;
}

/* Until criu has ended; what it does not survive is told by its log. */
static int converse(const struct run *run, int pidfd, struct cis_error *err)
{
	int r = 0;

	for (;;) {
		struct pollfd p[2] = {{.fd = pidfd, .events = POLLIN},
				      {.fd = run->script < 0 ? -1 : run->from[0],
				       .events = POLLIN}};

		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return cis_fail(err, errno, "wait for criu");
		if (p[1].revents & POLLIN && r >= 0)
			r = on_script(run, err);
		else if (p[0].revents)
			return r;
	}
}

/* "(00.047820) Error (criu/files-reg.c:1790): Can't lookup ..." -> "Can't lookup ..." */
static char *first_error(char *text)
{
	char *save = NULL;

	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *what = strstr(line, "Error (");

		what = what ? strstr(what, "): ") : NULL;
		/* That of a limit it would like to have is none. */
		if (what && !strstr(what, "Can't setup RLIMIT"))
			return what + 3;
	}
	return NULL;
}

static int explain(const struct run *run, int status, struct cis_error *err)
{
	cleanup_free char *path = NULL, *text = NULL;
	const char *what = NULL;
	int r = str_format(&path, "%s/%s", run->c->work, run->c->log);

	if (r >= 0 && io_read_file_at(AT_FDCWD, path, MAX_LOG, &text, NULL) >= 0)
		what = first_error(text);
	if (what)
		return cis_fail_plain(err, EIO, "criu %s: %s (its log is %s; `criu check` tells "
				      "whether it works with this kernel)",
				      run->c->argv.v[1], what, path);
	/* Before it had a log. */
	free(steal_ptr(&text));
	lseek(run->out, 0, SEEK_SET);
	if (io_read_fd(run->out, 65536, &text, NULL) >= 0) {
		what = first_error(text);
		if (!what)
			what = text;
	}
	return cis_fail_plain(err, EIO, "criu %s failed with status %d%s%s", run->c->argv.v[1],
			      WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
			      what && *what ? ": " : "", what ? what : "");
}

static int run_it(struct run *run, struct cis_error *err)
{
	struct criu *c = run->c;
	cleanup_close int pidfd = -1;
	struct clone_args args = {
		.flags = CLONE_PIDFD | (c->root ? CLONE_NEWNS : 0),
		.pidfd = (uint64_t)(uintptr_t)&pidfd,
		.exit_signal = SIGCHLD,
	};
	cleanup_free char *log = NULL;
	int r, status = 0;
	pid_t pid;

	if (c->no_memory || str_format(&log, "%s/%s", c->work, c->log) < 0)
		return cis_fail(err, ENOMEM, "run criu");
	unlink(log); /* an older one would explain this failure */
	pid = r = process_clone(&args);
	if (r == 0)
		child(run);
	if (r < 0) {
		pidfd = -1;
		return cis_fail(err, -r, "run criu");
	}
	r = converse(run, pidfd, err);
	status = process_wait(pid);
	if (r >= 0 && status < 0)
		r = cis_fail(err, -status, "wait for criu");
	if (r < 0)
		return r;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : explain(run, status, err);
}

int criu_run(struct criu *c, struct cis_error *err)
{
	struct run run = {.c = c, .null = open("/dev/null", O_RDWR | O_CLOEXEC),
			  .out = memfd_create("criu-output", MFD_CLOEXEC), .script = -1,
			  .from = {-1, -1}, .to = {-1, -1}};
	int r = spawn_find("criu", &run.program);

	if (r == -ENOENT)
		r = cis_fail_plain(err, ENOENT, "criu is not installed (apt install criu)");
	else if (r < 0 || run.null < 0 || run.out < 0)
		r = cis_fail(err, r < 0 ? -r : errno, "run criu");
	if (r >= 0 && c->on_init) {
		r = make_script(&run);
		if (r < 0)
			r = cis_fail(err, -r, "prepare to hear from criu");
	}
	if (r >= 0)
		r = run_it(&run, err);
	for (int i = 0; i < 2; i++) {
		fd_close(run.from[i]);
		fd_close(run.to[i]);
	}
	fd_close(run.script);
	fd_close(run.null);
	fd_close(run.out);
	free(run.program);
	return r;
}
