/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The options of `run`, `exec` and `bundle`: one table that parses them, prints --help,
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
	uint32_t id_base;  /* of bundle */
	bool json;
	bool interactive, tty, detach, dry_run, help;
	const char *audit; /* path, or NULL */
	const char *from, *seed; /* script of a seed; one that is used; or NULL */
	const char *learn, *egress_log; /* paths, or NULL */
	int learnt, learnt_in; /* of learn, from before the start: the file, or -1; its directory */
	uint64_t egress_rate, egress_bytes;
	bool stdin_is_secret;
	bool only_looks;   /* will be parsed again: nothing that can be read once is read */
	char **argv;       /* of who may be executed anew, or NULL */
	bool is_ready;     /* the command runs already */
	const char *pool;  /* its name, or NULL */
	unsigned int pool_size;
	bool no_fill;
	bool is_template;  /* the options are a pool's: paths are made absolute */
	bool is_member;    /* of a pool, and has been taken; then report is who waits for it, and
			    * what they send are signals as signalfd() has them */
	int giver;         /* its directory in /proc, of who gave it the job; 0: nobody */
	int report;        /* detached: pipe to whoever started us, or -1 */
};

#define FOR_RUN 1u
#define FOR_EXEC 2u
#define FOR_SEED 4u /* what seed build has beside those of run */
#define FOR_BUNDLE 8u
#define FOR_POOL 16u /* pool start: how its sandboxes are made */
#define FOR_JOB 32u  /* run --pool: what can be said when they are up */

/*
 * Parses until the first word that is no option. 0 and the index of that word, or
 * EXIT_OURS with the error printed.
 */
int opts_parse(struct front *f, unsigned int which, int argc, char **argv, int *ret_index);
/* What follows --pool among the options of run; NULL: it is not there. */
const char *opts_find_pool(int argc, char **argv);
void opts_help(unsigned int which, const char *synopsis);

#endif
