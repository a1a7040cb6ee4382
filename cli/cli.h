/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the verbs of the command share. They see the library by <cisandbox.h> only. */
#ifndef CIS_CLI_H
#define CIS_CLI_H

#include <cisandbox.h>
#include <stdbool.h>
#include <stdio.h>

/* Exit statuses of our own, as docker run and timeout(1) have them. */
#define EXIT_TIMEOUT 124
#define EXIT_OURS 125
#define EXIT_CANNOT_EXECUTE 126
#define EXIT_NOT_FOUND 127

/* Without what would steer the terminal, or turn its text around. */
void cli_put_clean(const char *text, FILE *f);
/* "cisandbox: <verb>: <message>" on stderr. Both return EXIT_OURS. */
int cli_error(const char *verb, const struct cis_error *err);
int cli_usage_error(const char *verb, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* EXIT_OURS, or 126/127 when the error is that of an execve. */
int cli_start_error(const char *verb, const struct cis_error *err);

/*
 * Before a verb does anything, if an ordinary user may have said it: see cis_user_*(). Each
 * returns an exit status. @argv: the verb's; the program's own name stands before it.
 */
int cli_find_places(const char *verb);
int cli_become_root(const char *verb, char **argv);
int cli_join(const char *verb, char **argv, const char *id);

/*
 * Prints JSON text of the library and frees it. @r: what that returned; more than 0: so many
 * cannot be read, which is in the text. Returns the exit status.
 */
int cli_print_json(const char *verb, int r, char *text, const struct cis_error *err);
/* The exit status of "cache prune" and the like. @n: so many cannot be read. */
int cli_pruned(const char *verb, int n);

/* "1.5G": for people. */
const char *cli_size(uint64_t bytes, char buf[static 16]);

/* The verbs. argv[0] is the verb itself; they return the exit status. */
int cmd_run(int argc, char **argv);
int cmd_exec(int argc, char **argv);
int cmd_list(int argc, char **argv);
int cmd_inspect(int argc, char **argv);
int cmd_stats(int argc, char **argv);
int cmd_kill(int argc, char **argv);
int cmd_wait(int argc, char **argv);
int cmd_reap(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_image(int argc, char **argv);
int cmd_seed(int argc, char **argv);
int cmd_cache(int argc, char **argv);
int cmd_bundle(int argc, char **argv);
int cmd_pool(int argc, char **argv);

#endif
