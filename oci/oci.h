/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the verbs of cisandbox-oci share. They see the library by <cisandbox.h> only. */
#ifndef CIS_OCI_OCI_H
#define CIS_OCI_OCI_H

#include <cisandbox.h>
#include <stdbool.h>
#include <stdio.h>

#include "opts.h"

#define PROGRAM "cisandbox-oci"
#define SPEC_VERSION "1.3.0"

/* As runc: engines tell a command's status 1 from an exec that never was by 255. */
#define EXIT_FAILED 1
#define EXIT_EXEC_FAILED 255

/* One call of a verb. */
struct call {
	const struct command *command;
	struct cis_oci rt;
	bool root_given;
	struct options o;
	int argc; /* what stands behind the options */
	char **argv;
	char **all; /* main()'s */
};

/* ---- log.c: how a failure is told -------------------------------------- */

/* Both return 0, or EXIT_FAILED when @format is none. */
int log_open(const char *path, const char *format);
/*
 * The message on stderr and, at level error, as the one record in the file of --log. Only
 * the first of a process is told. Returns EXIT_FAILED.
 */
int oci_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
int oci_fail_err(const struct cis_error *err);
/* The same with "(see cisandbox-oci VERB --help)"; @verb may be NULL. */
int oci_fail_usage(const char *verb, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* ---- text.c ------------------------------------------------------------ */

/* strerror(3) as Go writes it: engines look for "no such file or directory". */
const char *errno_text(int e);
/* A whole regular file or stream ("-": stdin), with a NUL behind. 0 or -errno. */
int file_read(const char *path, char **ret, size_t *ret_len);
/* Prints JSON of the library with a newline and frees it. Returns the exit status. */
int print_json(int r, char *text, const struct cis_error *err);
/* 0, or EXIT_FAILED when stdout could not take all of it. */
int finish_output(void);
/* "9", "KILL", "sigkill", "RTMIN+3"; -1 when it is none of them. */
int parse_signal(const char *text);
/* -1, or the number when @text is one and not above @max. */
long long parse_number(const char *text, long long max);

/* ---- create.c ---------------------------------------------------------- */

/* The library's record of what was asked for. */
struct cis_oci_create create_how(const struct call *c);
/*
 * runc's checkTerminal: who gets the master of a terminal must be said, and only when there
 * is one. 0 or EXIT_FAILED.
 */
int check_terminal(bool terminal, bool detach, const char *socket);
/* Whether the bundle's process wants one; of a wrong config.json create() will tell. */
bool bundle_wants_terminal(const struct cis_oci_create *how);

/* ---- control.c --------------------------------------------------------- */

/* Until the container is ready, where a service manager wants to know: notify.h. */
int start_and_wait(struct call *c);

/* apparmor.c, for check and install: where the host has AppArmor, whether ours is loaded. */
void apparmor_show(void);
void apparmor_advise(void);

/* ---- the verbs; they return the exit status ---------------------------- */

int verb_create(struct call *c);
int verb_run(struct call *c);
int verb_exec(struct call *c);
int verb_start(struct call *c);
int verb_kill(struct call *c);
int verb_delete(struct call *c);
int verb_pause(struct call *c);
int verb_resume(struct call *c);
int verb_update(struct call *c);
int verb_state(struct call *c);
int verb_list(struct call *c);
int verb_ps(struct call *c);
int verb_events(struct call *c);
int verb_spec(struct call *c);
int verb_features(struct call *c);
int verb_checkpoint(struct call *c);
int verb_restore(struct call *c);
int verb_install(struct call *c);
int verb_check(struct call *c);

#endif
