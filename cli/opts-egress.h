/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What options about the network do: rows of the table in opts.c. */
#ifndef CIS_CLI_OPTS_EGRESS_H
#define CIS_CLI_OPTS_EGRESS_H

#include "opts.h"

/* Each as `apply` in opts.c. */
int egress_set_net(struct front *f, const char *v);
int egress_set_mode(struct front *f, const char *v);
int egress_allow(struct front *f, const char *v);
int egress_allow_preset(struct front *f, const char *v);
int egress_allow_file(struct front *f, const char *v);
int egress_deny(struct front *f, const char *v);
int egress_undeny(struct front *f, const char *v);
int egress_set_verify(struct front *f, const char *v);
int egress_set_uplink(struct front *f, const char *v);
int egress_set_rate(struct front *f, const char *v);
int egress_set_bytes(struct front *f, const char *v);
int egress_publish(struct front *f, const char *v);
int egress_set_log(struct front *f, const char *v);

/* Before the start: opens the log, and for what is learnt a file without a name. 0 or an exit
 * status, the reason printed. */
int egress_open(struct front *f);
/* After the end: the summary on standard error if anybody reads it, and what was learnt in its
 * file. Returns @status, or that this failed. */
int egress_report(struct front *f, int status);

#endif
