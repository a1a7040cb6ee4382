/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One line on the user's terminal while something slow comes up. */
#ifndef CIS_CLI_PROGRESS_H
#define CIS_CLI_PROGRESS_H

#include <cisandbox.h>
#include <stdbool.h>

/* Both do nothing unless stderr is a terminal. */
void progress_show(const char *what);
void progress_clear(void);

/*
 * A bar on a terminal, @turn making it move; elsewhere a line for each phase and layer, and one
 * for each tenth of the bytes.
 */
void progress_image(const struct cis_image_progress *p, unsigned int turn);

#endif
