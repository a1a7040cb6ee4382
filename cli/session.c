/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "session.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "progress.h"

#define PROGRESS_AFTER_MSEC 200

static const int passed_on[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};

int session_block_signals(void)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	for (size_t i = 0; i < sizeof passed_on / sizeof *passed_on; i++)
		sigaddset(&set, passed_on[i]);
	sigaddset(&set, SIGWINCH);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void tell_size(struct front *f)
{
	struct winsize ws = {.ws_row = 24, .ws_col = 80};

	ioctl(0, TIOCGWINSZ, &ws);
	cis_sandbox_set_tty(f->sb, ws.ws_row, ws.ws_col);
}

void session_set_streams(struct front *f)
{
	if (f->tty)
		tell_size(f);
	cis_sandbox_set_stdio(f->sb, f->interactive ? 0 : -1, 1, 2);
}

/* Every key goes to the job's terminal, whose line discipline does the rest. */
static bool make_raw(struct front *f, struct termios *before)
{
	struct termios raw;

	if (!f->tty || !f->interactive || tcgetattr(0, before) < 0)
		return false;
	raw = *before;
	cfmakeraw(&raw);
	return tcsetattr(0, TCSADRAIN, &raw) == 0;
}

/* What the loop knows. */
struct session {
	struct front *f;
	int signals;
	struct termios before; /* if it is raw: what the terminal was */
	bool raw, ready;
	int asked;      /* the first signal that asked to end, or 0 */
	bool asked_twice;
	struct cis_event disk; /* that it, or the host's, was full; kind 0: it was not */
	time_t disk_at;
};

static void say(const struct session *s, const char *before, const char *text)
{
	fprintf(stderr, "cisandbox: %s: %s%s%s\n", cis_sandbox_id(s->f->sb), before, text,
		s->raw ? "\r" : "");
}

static time_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

static void end_raw(struct session *s)
{
	if (s->raw)
		tcsetattr(0, TCSADRAIN, &s->before);
	s->raw = false;
}

static void show_events(struct session *s)
{
	struct cis_event e;

	while (cis_sandbox_next_event(s->f->sb, &e, sizeof e) == 1) {
		if (e.kind == CIS_EVENT_READY || e.kind == CIS_EVENT_HELD) {
			progress_clear();
			s->ready = true;
			continue;
		}
		if (e.kind == CIS_EVENT_COLLECT) {
			end_raw(s); /* nobody is left to take Ctrl-C for a key */
			continue;
		}
		if (e.kind == CIS_EVENT_DISK_LIMIT || e.kind == CIS_EVENT_HOST_DISK) {
			s->disk = e;
			s->disk_at = now();
		}
		say(s, "", e.text);
	}
}

#define GO_ON (-1)

static void on_signals(struct session *s)
{
	struct signalfd_siginfo info;

	while (read(s->signals, &info, sizeof info) == sizeof info) {
		int sig = (int)info.ssi_signo;

		if (sig == SIGWINCH) {
			if (s->f->tty)
				tell_size(s->f);
			continue;
		}
		if (sig == SIGINT || sig == SIGTERM || sig == SIGHUP) {
			s->asked_twice = s->asked != 0;
			s->asked = sig;
		}
		/* The first may be ignored in there; the second is an order. */
		cis_sandbox_signal(s->f->sb, s->asked_twice ? SIGKILL : sig, NULL);
	}
}

static int dispatch(struct session *s)
{
	struct cis_error err = {0};
	int r = cis_sandbox_dispatch(s->f->sb, &err);

	show_events(s);
	if (r == 0)
		return GO_ON;
	/* A full disk is why many a job fails, and a long log may lie between. */
	if (s->disk.kind && now() - s->disk_at > 1 && cis_sandbox_exit_status(s->f->sb) != 0)
		say(s, "while it ran: ", s->disk.text);
	progress_clear();
	/* Stopped while it came up: the reason is the signal, not what died of it. */
	if (!s->ready && s->asked)
		return 128 + s->asked;
	return r < 0 ? cli_start_error(s->f->verb, &err) : cis_sandbox_exit_status(s->f->sb);
}

/* GO_ON when it is ready and that is all that was wanted, or the exit status. */
static int loop(struct session *s, bool until_ready)
{
	int status = GO_ON;

	show_events(s);
	while (status == GO_ON && !(until_ready && s->ready)) {
		struct pollfd fds[] = {{.fd = cis_sandbox_fd(s->f->sb), .events = POLLIN},
				       {.fd = s->signals, .events = POLLIN},
				       {.fd = s->f->report}};
		int r = poll(fds, 3, s->ready ? -1 : PROGRESS_AFTER_MSEC);

		if (r < 0 && errno != EINTR)
			return EXIT_OURS;
		if (r == 0)
			progress_show("bringing the services up");
		if (fds[2].revents) /* nobody waits for our word any more */
			return 128 + SIGINT;
		if (fds[1].revents)
			on_signals(s);
		status = dispatch(s);
	}
	return status;
}

int session_await_ready(struct front *f, int signals)
{
	struct session s = {.f = f, .signals = signals};
	int status = loop(&s, true);

	return status == GO_ON ? 0 : status;
}

int session_run(struct front *f, int signals)
{
	struct session s = {.f = f, .signals = signals, .ready = f->is_ready};
	int status;

	s.raw = make_raw(f, &s.before);
	status = loop(&s, false);
	end_raw(&s);
	return status;
}
