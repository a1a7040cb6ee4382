/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pools, as the command has them. A member is a process of ours that holds a sandbox; `run
 * --pool` gives it its own words, environment, directory and streams, and the member goes on
 * as `run` would have done, in its place: there is one implementation of what an option means.
 *
 *	pool-fill.c    makes members, as many as are missing
 *	pool-member.c  what a member does: hold, wait, then be `run`
 *	pool-take.c    run --pool: finds a member, hands over, passes signals on
 *	pool-wire.c    what these two say to each other
 */
#ifndef CIS_CLI_POOL_H
#define CIS_CLI_POOL_H

#include <sys/types.h>

#include "opts.h"

/* A pool's words, read: for a member, or to compare. */
struct pool_kind {
	unsigned int size;
	char **options;  /* argv[0] is not among them */
	char *directory; /* that these speak of */
	char *like;
};
void pool_kind_done(struct pool_kind *k);
/* 0 or the exit status, the reason printed. */
int pool_kind_read(const char *verb, const char *name, struct pool_kind *ret);
/* Whether there can be such sandboxes, and what they would be like. Exit status. */
int pool_kind_judge(const char *verb, const char *name, struct pool_kind *k);
/* Into a new handle's front. The working directory is the same afterwards. */
int pool_kind_apply(const struct pool_kind *k, struct front *f);

/* Stale members go, missing ones are made. Exit status. */
int pool_fill(const char *verb, const char *name);
/* The same in a process of its own, which nobody waits for. */
void pool_fill_beside(const char *name);

/* In a process of its own: never returns before its sandbox has ended. Exit status. */
int pool_member(const char *name, const struct pool_kind *k, int report);

/*
 * run --pool: @f is empty but for the verb. *ret_cold: none was left, @f has the pool's words and
 * those of @argv, and the index of the command is *ret_first. Exit status.
 */
int pool_run(struct front *f, const char *name, int argc, char **argv, bool *ret_cold,
	     int *ret_first);

/* ---- the wire ---- */

/* What a member takes over of who has a job. */
struct pool_job {
	int argc;
	char **argv, **envp;
	int fds[4]; /* its standard streams and working directory */
	mode_t umask;
	char *words; /* what all of them point into */
};
/* Ours. -errno. */
int pool_send_job(int fd, int argc, char **argv);
/* The fds are the caller's. -errno; -ECONNRESET: it went away. */
int pool_recv_job(int fd, struct pool_job *ret);

/* After that: signals one way, as signalfd has them; the exit status the other. */
int pool_send_status(int fd, int status);
/* 1: *ret; 0: nothing yet; -errno. */
int pool_recv_status(int fd, int *ret);

#endif
