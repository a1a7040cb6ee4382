/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* `run` once its options are read: in its own process, or in a pool's member. */
#ifndef CIS_CLI_RUN_H
#define CIS_CLI_RUN_H

#include "opts.h"

/* From options to the end. Exit status. */
int run_given(struct front *f, char **argv);

#endif
