/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A container's process in the foreground: signals go to it, its terminal is joined with
 * ours, its end is ours. The library's child gets signals as they were at birth of a
 * process: it must not inherit that we block them all.
 */
#ifndef CIS_OCI_SESSION_H
#define CIS_OCI_SESSION_H

#include <stdbool.h>
#include <termios.h>

#include "notify.h"

struct session {
	int signals; /* signalfd */
	int host;    /* our terminal, or -1 */
	int console; /* master of the process's, or -1 */
	int pid;
	struct notify notify; /* the container's, while it runs */
	bool is_raw;
	struct termios before;
};

/* To be called before the process is made: nothing is lost from then on. 0 or EXIT_FAILED. */
int session_open(struct session *s, bool terminal, bool subreaper);
/* Rows and columns of our terminal; 0 when there is none. */
void session_size(const struct session *s, unsigned short *rows, unsigned short *cols);
/* Raw from here on; the process's terminal becomes as large as ours. */
int session_join(struct session *s);
/* Until the process s->pid has ended. Its exit status, 128+n for a signal. */
int session_run(struct session *s);
void session_close(struct session *s);

#endif
