/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From a started handle to an exit status: signals, the user's terminal,
 * and the events that deserve a line.
 */
#ifndef CIS_CLI_SESSION_H
#define CIS_CLI_SESSION_H

#include "opts.h"

/*
 * Blocks the signals we pass on and returns a descriptor that reads them, or -1.
 * To be called before start(), so that none is lost between.
 */
int session_block_signals(void);

/* Gives the handle our streams, and a terminal as large as ours with -t. */
void session_set_streams(struct front *f);

/*
 * Until the command runs: 0; or the exit status, the reason printed. Also ends
 * when whoever reads f->report is gone.
 */
int session_await_ready(struct front *f, int signals);

/* Runs to the end. Restores the terminal. Returns the exit status. */
int session_run(struct front *f, int signals);

#endif
