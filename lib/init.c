/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pid 1 of the sandbox: starts the services one after another, then the
 * payload; reaps; passes signals on; reports the payload's end and ends with
 * it, upon which the kernel kills whatever else runs inside.
 *
 * It is a fork of the caller that never executes anything, with all the
 * caller's memory in it. That is safe for one reason: it is not dumpable, and its
 * memory belongs to the host's user namespace, so the kernel refuses root
 * inside to trace it, to read /proc/1/mem, or to take descriptors from it.
 * Mustn't: make itself dumpable. tests/escape/init-memory checks it.
 */
#include <linux/capability.h>
#include <poll.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/io.h"
#include "base/sys.h"
#include "job.h"
#include "launch.h"
#include "sync.h"
#include "tty.h"

#define PROBE_MSEC 5

struct pid1 {
	struct launch *l;
	int signals;       /* signalfd */
	size_t service;    /* the one that is coming up; n_services: all are up */
	pid_t service_pid;
	int probe;         /* connected to its socket, question sent; or -1 */
	uint64_t deadline; /* msec */
	pid_t payload;     /* 0 until it runs */
	bool is_held;      /* until the command comes */
	bool was_asked;    /* to end, by somebody outside */
	struct job job;
};

static void say(const struct pid1 *s, enum sync_kind kind, unsigned int index, int value,
		int status)
{
	struct sync_msg m = {kind, index, value, status};

	sync_send(s->l->sync[1], &m);
}

struct child {
	struct launch *l;
	const struct plan_exec *e;
	int report;
};

static int child_main(void *arg)
{
	struct child *c = arg;

	payload_exec(c->l->plan, c->e, c->l->stdio, c->report);
}

/* Forks and waits for the execve. pid, or -1 with the failure passed on. */
static pid_t spawn(struct pid1 *s, const struct plan_exec *e)
{
	struct sync_msg m;
	cleanup_close int rd = -1;
	int fds[2], r = SYS(pipe2, fds, O_CLOEXEC);
	struct child c;
	pid_t pid;

	if (r < 0) {
		say(s, SYNC_LOCK_FAILED, LOCK_SESSION, -r, 0);
		return -1;
	}
	rd = fds[0];
	/*
	 * Memory shared until the execve, while which we sleep: nothing to copy. On a
	 * stack of its own, by libc's clone(), which takes no lock.
	 */
	c = (struct child){s->l, e, fds[1]};
	pid = clone(child_main, s->l->stack + LAUNCH_STACK, CLONE_VM | CLONE_VFORK | SIGCHLD, &c);
	r = -errno;
	fd_close(fds[1]);
	if (pid < 0) {
		say(s, SYNC_LOCK_FAILED, LOCK_SESSION, -r, 0);
		return -1;
	}
	do
		r = SYS(read, rd, &m, sizeof m);
	while (r == -EINTR);
	if (r == 0)
		return pid;
	if (e->log) /* a service */
		m = (struct sync_msg){SYNC_SERVICE_FAILED, (uint32_t)s->service, m.value, 0};
	sync_send(s->l->sync[1], &m);
	return -1;
}

/* Its work as root is done; what stays is passing signals to any uid inside. */
static void drop_caps(void)
{
	struct __user_cap_data_struct caps[2] = {
		{.effective = 1u << CAP_KILL, .permitted = 1u << CAP_KILL}};

	sys_capset(caps);
}

static void start_payload(struct pid1 *s, const struct plan_exec *e)
{
	s->payload = spawn(s, e);
	if (s->payload < 0)
		_exit(1);
	drop_caps();
	say(s, SYNC_PAYLOAD, 0, 0, 0);
	for (size_t i = 0; i < 3; i++)
		s->l->stdio[i] = fd_close(s->l->stdio[i]);
}

/* ---- one that is held ----------------------------------------------------------- */

static int open_late_tty(struct pid1 *s)
{
	struct sync_msg m = {.kind = SYNC_TTY};
	cleanup_close int master = -1;
	/* Not there, for nobody knew that there would be a terminal. */
	cleanup_close int console = SYS(openat, AT_FDCWD, "/dev/console",
					O_WRONLY | O_CREAT | O_EXCL | O_NOCTTY | O_CLOEXEC, 0600);
	int slave, r = tty_open_child(s->job.rows, s->job.cols, &master, &slave);

	if (r >= 0 && console >= 0)
		r = tty_show_as_console_child(master);
	if (r < 0)
		return r;
	for (size_t i = 0; i < 3; i++)
		s->l->stdio[i] = slave;
	return sync_send_fd(s->l->sync[1], &m, master);
}

static void take_job(struct pid1 *s, int fd)
{
	int r = fd < 0 ? -EPROTO : job_open_child(fd, &s->job);

	if (r >= 0)
		r = SYS(sethostname, s->job.hostname, strlen(s->job.hostname));
	if (r >= 0 && s->job.exec.tty)
		r = open_late_tty(s);
	if (r < 0) {
		say(s, SYNC_LOCK_FAILED, LOCK_JOB, -r, 0);
		_exit(1);
	}
	s->is_held = false;
	start_payload(s, &s->job.exec);
}

static void hold(struct pid1 *s)
{
	s->is_held = true;
	say(s, SYNC_HELD, 0, 0, 0);
}

static void start_next(struct pid1 *s)
{
	const struct plan_exec *e = &s->l->plan->services[s->service];

	if (s->service == s->l->plan->n_services) {
		if (s->l->plan->spec->hold)
			hold(s);
		else
			start_payload(s, &s->l->plan->payload);
		return;
	}
	s->service_pid = spawn(s, e);
	if (s->service_pid < 0)
		_exit(1);
	s->deadline = now_msec() + e->timeout_ms;
}

static void service_failed(struct pid1 *s, int errnum, int status)
{
	say(s, SYNC_SERVICE_FAILED, (unsigned int)s->service, errnum, status);
	/* The caller reads the service's log through us: it kills when it has. */
	for (;;) {
		struct sync_msg m;

		if (sync_recv(s->l->sync[1], &m, NULL, 0) <= 0)
			_exit(1);
	}
}

/*
 * While we are frozen somebody else has to see whether it dies. Not by that of a step of
 * preparation, which has ended.
 */
static void say_service(struct pid1 *s)
{
	const struct sync_msg m = {.kind = SYNC_SERVICE, .index = (uint32_t)s->service};
	cleanup_close int fd = -1;

	if (s->l->plan->spec->hold && s->l->plan->services[s->service].ready_unix)
		fd = sys_pidfd_open(s->service_pid);
	if (fd >= 0)
		sync_send_fd(s->l->sync[1], &m, fd);
	else
		sync_send(s->l->sync[1], &m);
}

static void service_is_up(struct pid1 *s)
{
	s->probe = fd_close(s->probe);
	say_service(s);
	s->service++;
	start_next(s);
}

/* ---- readiness ------------------------------------------------------------------ */

/* A socket that exists need not answer yet: dockerd listens long before. */
static void probe(struct pid1 *s)
{
	const struct plan_exec *e = &s->l->plan->services[s->service];
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd;

	if (!e->ready_unix) /* a step of preparation: it is up when it has ended well */
		return;
	strncpy(addr.sun_path, e->ready_unix, sizeof addr.sun_path - 1);
	fd = SYS(socket, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return;
	if (SYS(connect, fd, &addr, sizeof addr) < 0) {
		fd_close(fd);
		return;
	}
	if (!e->ready_request) {
		fd_close(fd);
		service_is_up(s);
		return;
	}
	if (io_write_all(fd, e->ready_request, strlen(e->ready_request)) < 0)
		fd_close(fd);
	else
		s->probe = fd;
}

static void read_answer(struct pid1 *s)
{
	static const char ok[] = "HTTP/1.x 200";
	char buf[64] = "";
	int r = SYS(recvfrom, s->probe, buf, sizeof buf - 1, 0, NULL, NULL);

	if (r >= (int)sizeof ok - 1 && memcmp(buf, ok, 7) == 0 &&
	    memcmp(buf + 8, ok + 8, 4) == 0)
		service_is_up(s);
	else if (r != -EAGAIN)
		s->probe = fd_close(s->probe);
}

/* ---- the loop --------------------------------------------------------------------- */

static void reap(struct pid1 *s)
{
	int status;
	pid_t pid;

	while ((pid = SYS(wait4, -1, &status, WNOHANG | __WALL, NULL)) > 0) {
		if (s->payload && pid == s->payload) {
			say(s, SYNC_EXITED, s->was_asked, status, 0);
			_exit(0);
		}
		if (s->payload || pid != s->service_pid)
			continue;
		/* What came up is gone before anybody had use of it. */
		if (s->is_held)
			_exit(1);
		s->service_pid = 0;
		if (!s->l->plan->services[s->service].ready_unix && status == 0)
			service_is_up(s);
		else
			service_failed(s, 0, status);
	}
}

/* Whoever traps what asks it to end may say that all went well. */
static void pass_on(struct pid1 *s, int sig)
{
	int stop = s->l->plan->config.stop_signal;

	if (sig == SIGHUP || sig == SIGINT || sig == SIGQUIT || sig == SIGTERM || sig == stop)
		s->was_asked = true;
	SYS(kill, -s->payload, sig);
}

static void on_signal(struct pid1 *s)
{
	struct signalfd_siginfo info;

	while (SYS(read, s->signals, &info, sizeof info) == sizeof info) {
		if (info.ssi_signo == SIGCHLD)
			reap(s);
		else if (s->payload && info.ssi_pid == 0) /* of another namespace */
			pass_on(s, (int)info.ssi_signo);
		else if (s->payload)
			SYS(kill, -s->payload, info.ssi_signo);
	}
}

static void on_sync(struct pid1 *s)
{
	cleanup_close int fd = -1;
	struct sync_msg m;

	/* The end of the conversation is the death of the supervisor, and ours. */
	if (sync_recv(s->l->sync[1], &m, &fd, 0) <= 0)
		_exit(1);
	if (s->is_held && m.kind == SYNC_STREAM && m.index < 3)
		s->l->stdio[m.index] = steal_fd(&fd);
	else if (s->is_held && m.kind == SYNC_JOB)
		take_job(s, fd);
	if (m.kind != SYNC_SIGNAL)
		return;
	if (s->payload)
		pass_on(s, m.value);
	else /* nobody to ask yet: stop bringing things up */
		_exit(1);
}

void init_main(struct launch *l)
{
	struct pid1 s = {.l = l, .probe = -1};
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	s.signals = SYS(signalfd4, -1, &all, NSIG / 8, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s.signals < 0)
		_exit(1);
	if (l->plan->n_services)
		say(&s, SYNC_SETUP, 0, 0, 0);
	start_next(&s);
	for (;;) {
		struct pollfd fds[] = {{.fd = l->sync[1], .events = POLLIN},
				       {.fd = s.signals, .events = POLLIN},
				       {.fd = s.probe, .events = POLLIN}};

		poll(fds, ARRAY_SIZE(fds), s.payload || s.is_held ? -1 : PROBE_MSEC);
		if (fds[1].revents)
			on_signal(&s);
		if (fds[0].revents)
			on_sync(&s);
		if (s.payload || s.is_held)
			continue;
		if (now_msec() > s.deadline)
			service_failed(&s, ETIMEDOUT, 0);
		if (s.probe < 0)
			probe(&s);
		else if (fds[2].revents)
			read_answer(&s);
	}
}
