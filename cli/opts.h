/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The options of `run` and `exec`: one table that parses them, prints --help,
 * and applies them to a handle. The completion and the manual name the same; a test
 * compares all three.
 */
#ifndef CIS_CLI_OPTS_H
#define CIS_CLI_OPTS_H

#include <stdint.h>

#include "cli.h"

/* What an option says to the front end instead of to the sandbox. */
struct front {
	const char *verb;
	struct cis_sandbox *sb;
	bool interactive, tty, detach, dry_run, help;
	const char *audit; /* path, or NULL */
	bool has_gate;
	const char *from, *seed; /* script of a seed; one that is used; or NULL */
	const char *learn, *egress_log; /* paths, or NULL */
	uint64_t egress_rate, egress_bytes;
	bool stdin_is_secret;
	bool only_looks;   /* will be parsed again: nothing that can be read once is read */
	char **argv;       /* of who may be executed anew, or NULL */
	bool is_ready;     /* the command runs already */
	int report;        /* detached: pipe to whoever started us, or -1 */
};

#define FOR_RUN 1u
#define FOR_EXEC 2u
#define FOR_SEED 4u /* what seed build has beside those of run */

/*
 * Parses until the first word that is no option. 0 and the index of that word, or
 * EXIT_OURS with the error printed.
 */
int opts_parse(struct front *f, unsigned int which, int argc, char **argv, int *ret_index);
void opts_help(unsigned int which, const char *synopsis);

#endif
