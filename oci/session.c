/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "session.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "oci.h"

/*
 * A terminal that nobody has open just now reports a hang-up as long as that lasts. systemd
 * opens and closes /dev/console again and again: look anew after that time.
 */
#define HUNG_UP_MSEC 100
/* What can be left in a terminal whose process is gone, and more. */
#define MAX_LEFT (1u << 20)

/* One way of the copying. At most what POLLOUT promises to take without waiting. */
struct way {
	int from, to;
	size_t at, len;
	bool hung_up, ended;
	char data[4096];
};

static int block_signals(void)
{
	static const int ours[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS};
	sigset_t set;

	/* Ignored by whoever started us, it would reap the process for us. */
	signal(SIGCHLD, SIG_DFL);
	sigfillset(&set);
	for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
		sigdelset(&set, ours[i]);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -1;
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* As runc finds it. */
static int find_terminal(void)
{
	static const int order[] = {2, 1, 0};

	for (size_t i = 0; i < sizeof order / sizeof *order; i++)
		if (isatty(order[i]))
			return fcntl(order[i], F_DUPFD_CLOEXEC, 3);
	return open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
}

int session_open(struct session *s, bool terminal, bool subreaper)
{
	*s = (struct session){.signals = -1, .host = -1, .console = -1,
			      .notify = {.inside = -1, .host = -1}};
	if (terminal) {
		s->host = find_terminal();
		if (s->host < 0)
			return oci_fail("open /dev/tty: %s", errno_text(errno));
	}
	if (subreaper && prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
		return oci_fail("become a subreaper: %s", errno_text(errno));
	s->signals = block_signals();
	if (s->signals < 0)
		return oci_fail("wait for signals: %s", errno_text(errno));
	return 0;
}

void session_size(const struct session *s, unsigned short *rows, unsigned short *cols)
{
	struct winsize ws = {0};

	if (s->host >= 0)
		ioctl(s->host, TIOCGWINSZ, &ws);
	*rows = ws.ws_row;
	*cols = ws.ws_col;
}

static void resize(const struct session *s)
{
	struct winsize ws;

	if (s->console >= 0 && s->host >= 0 && ioctl(s->host, TIOCGWINSZ, &ws) == 0)
		ioctl(s->console, TIOCSWINSZ, &ws);
}

int session_join(struct session *s)
{
	struct termios raw, its;

	if (s->console < 0)
		return 0;
	if (tcgetattr(s->host, &s->before) < 0)
		return oci_fail("terminal: %s", errno_text(errno));
	raw = s->before;
	cfmakeraw(&raw);
	/*
	 * Lines end as the process wrote them, which is what a file or a pipe as our output
	 * should get. What shows them does the rest.
	 */
	raw.c_oflag |= OPOST;
	if (tcgetattr(s->console, &its) == 0) {
		its.c_oflag &= (tcflag_t)~ONLCR;
		tcsetattr(s->console, TCSANOW, &its);
	}
	if (tcsetattr(s->host, TCSANOW, &raw) < 0)
		return oci_fail("terminal: %s", errno_text(errno));
	s->is_raw = true;
	fcntl(s->console, F_SETFL, fcntl(s->console, F_GETFL) | O_NONBLOCK);
	resize(s);
	return 0;
}

/* -1 as long as it lives, or its exit status. As a subreaper we get others, too. */
static int reap(const struct session *s)
{
	int status, pid, ret = -1;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (pid == s->pid)
			ret = WIFSIGNALED(status) ? 128 + WTERMSIG(status)
						  : WEXITSTATUS(status);
	/* Somebody else has reaped it: it is gone, more is not known. */
	if (pid < 0 && errno == ECHILD && ret < 0)
		ret = oci_fail("wait for process %d: %s", s->pid, errno_text(ECHILD));
	return ret;
}

static int on_signals(const struct session *s)
{
	struct signalfd_siginfo info;
	bool child = false;

	while (read(s->signals, &info, sizeof info) == sizeof info) {
		int sig = (int)info.ssi_signo;

		if (sig == SIGCHLD)
			child = true;
		else if (sig == SIGWINCH)
			resize(s);
		else if (sig != SIGPIPE || info.ssi_pid != (uint32_t)getpid())
			kill(s->pid, sig);
	}
	return child ? reap(s) : -1;
}

static void fill(struct way *w)
{
	ssize_t n = read(w->from, w->data, sizeof w->data);

	if (n > 0) {
		w->at = 0;
		w->len = (size_t)n;
	} else if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		return;
	} else {
		w->hung_up = true;
	}
}

static void drain(struct way *w)
{
	ssize_t n = write(w->to, w->data + w->at, w->len);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	/* Nobody reads any more: what comes is thrown away, so that the process goes on. */
	n = n < 0 ? (ssize_t)w->len : n;
	w->at += (size_t)n;
	w->len -= (size_t)n;
}

/* What to wait for: room for what is there, or more of it. */
static void ask(const struct way *w, struct pollfd *from, struct pollfd *to)
{
	*from = (struct pollfd){.fd = w->len || w->hung_up || w->ended ? -1 : w->from,
				.events = POLLIN};
	*to = (struct pollfd){.fd = w->len ? w->to : -1, .events = POLLOUT};
}

static void move(struct way *w, const struct pollfd *from, const struct pollfd *to)
{
	if (to->fd >= 0 && to->revents)
		drain(w);
	else if (from->fd >= 0 && from->revents)
		fill(w);
}

static int copy(struct session *s, struct way *in, struct way *out)
{
	int status = -1;

	while (status < 0) {
		struct pollfd fds[6] = {{.fd = s->signals, .events = POLLIN}};
		int r;

		fds[5] = (struct pollfd){.fd = s->notify.inside, .events = POLLIN};
		ask(in, &fds[1], &fds[2]);
		ask(out, &fds[3], &fds[4]);
		r = poll(fds, 6, out->hung_up && !out->ended ? HUNG_UP_MSEC : -1);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return oci_fail("poll: %s", errno_text(errno));
		move(in, &fds[1], &fds[2]);
		move(out, &fds[3], &fds[4]);
		if (r == 0)
			out->hung_up = false;
		/* Before its end, which may be known already. */
		if (fds[5].revents && notify_pass_on(&s->notify))
			notify_main_pid(&s->notify, getpid());
		if (fds[0].revents)
			status = on_signals(s);
	}
	return status;
}

/* What the process wrote before its end. Asking poll(2) has the kernel hand it over. */
static void copy_rest(struct way *out)
{
	struct pollfd from = {.fd = out->from, .events = POLLIN};
	size_t total = 0;

	out->hung_up = false;
	while (total < MAX_LEFT) {
		while (out->len) {
			struct pollfd to = {.fd = out->to, .events = POLLOUT};

			poll(&to, 1, -1);
			drain(out);
		}
		if (out->hung_up || poll(&from, 1, 0) <= 0)
			return;
		fill(out);
		total += out->len;
	}
}

int session_run(struct session *s)
{
	struct way in = {.from = 0, .to = s->console, .ended = s->console < 0};
	struct way out = {.from = s->console, .to = 1, .ended = s->console < 0};
	int status;

	status = copy(s, &in, &out);
	if (s->console >= 0)
		copy_rest(&out);
	return status;
}

void session_close(struct session *s)
{
	if (s->is_raw)
		tcsetattr(s->host, TCSANOW, &s->before);
	if (s->console >= 0)
		close(s->console);
	if (s->host >= 0)
		close(s->host);
	if (s->signals >= 0)
		close(s->signals);
	notify_close(&s->notify);
	*s = (struct session){.signals = -1, .host = -1, .console = -1,
			      .notify = {.inside = -1, .host = -1}};
}
