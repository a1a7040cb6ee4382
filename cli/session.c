/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "session.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
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

/* Whether the payload runs by now. */
static bool show_events(struct front *f, bool raw, bool ready)
{
	struct cis_event e;

	while (cis_sandbox_next_event(f->sb, &e, sizeof e) == 1) {
		if (e.kind == CIS_EVENT_READY) {
			progress_clear();
			ready = true;
			continue;
		}
		fprintf(stderr, "cisandbox: %s: %s%s\n", cis_sandbox_id(f->sb), e.text,
			raw ? "\r" : "");
	}
	return ready;
}

/* -1 to go on, or the exit status: the second of a kind that asks to end, ends. */
static int on_signal(struct front *f, int signals, int *asked)
{
	struct signalfd_siginfo info;

	while (read(signals, &info, sizeof info) == sizeof info) {
		int sig = (int)info.ssi_signo;

		if (sig == SIGWINCH) {
			if (f->tty)
				tell_size(f);
			continue;
		}
		if ((sig == SIGINT || sig == SIGTERM || sig == SIGHUP) && (*asked)++)
			sig = SIGKILL;
		if (cis_sandbox_signal(f->sb, sig, NULL) < 0)
			return 128 + sig;
	}
	return -1;
}

static int loop(struct front *f, int signals, bool raw)
{
	struct cis_error err = {0};
	bool ready = false;
	int asked = 0;

	for (;;) {
		struct pollfd fds[] = {{.fd = cis_sandbox_fd(f->sb), .events = POLLIN},
				       {.fd = signals, .events = POLLIN}};
		int r;

		r = poll(fds, 2, ready ? -1 : PROGRESS_AFTER_MSEC);
		if (r < 0 && errno != EINTR)
			return EXIT_OURS;
		if (r == 0 && !ready)
			progress_show("bringing the services up");
		r = fds[1].revents ? on_signal(f, signals, &asked) : -1;
		if (r >= 0)
			return r;
		r = cis_sandbox_dispatch(f->sb, &err);
		ready = show_events(f, raw, ready);
		if (r < 0)
			progress_clear();
		if (r < 0 && asked)
			return 128 + SIGINT;
		if (r < 0)
			return cli_start_error(f->verb, &err);
		if (r == 1)
			return cis_sandbox_exit_status(f->sb);
	}
}

int session_run(struct front *f, int signals)
{
	struct termios before;
	bool raw = make_raw(f, &before);
	int status = loop(f, signals, raw);

	if (raw)
		tcsetattr(0, TCSADRAIN, &before);
	return status;
}
