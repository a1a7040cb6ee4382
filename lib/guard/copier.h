/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What copies what a job has left, when everybody in its sandbox is dead: artifacts, and what
 * becomes a cache. All of it is the job's: names, links, sizes, depth. So it is done by a
 * helper (copier-child.c) that could do nothing else if it were the job's, too:
 *
 *	it sees  a mount of its own of what it copies, with no other mount in it
 *	         a clone of the mount of an empty directory, which is its root and working
 *	         directory: there is no path from there to anything of the host's
 *	it is    root of a user namespace that has the sandbox's ids, and, if all that it makes is
 *	         to be the caller's, that one; without capabilities but to read, write and
 *	         give away files
 *	it can   make the system calls that copying takes
 */
#ifndef CIS_GUARD_COPIER_H
#define CIS_GUARD_COPIER_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define COPIER_DEPTH_MAX 256

/* What the helper tells. Whoever reads it takes it for the job's words. */
enum copier_step {
	COPIER_SETUP, /* of the helper itself */
	COPIER_FIND,
	COPIER_KIND,  /* neither file nor directory */
	COPIER_READ,
	COPIER_LOST,  /* what the sandbox wrote never reached its disk */
	COPIER_WRITE,
	COPIER_SIZE,
	COPIER_ENTRIES,
	COPIER_DEPTH,
};
struct copier_report {
	int32_t error;     /* errno, or 0 */
	uint32_t step;
	uint64_t files, entries, bytes, left_out;
	char at[256];      /* below what is copied: what the error is about */
	char left[256];    /* the first that were left out, with their kinds */
};

struct copier_order {
	int root;            /* a mount of its own, in which */
	const char *path;    /* is what is to be copied */
	const char *top;     /* what it is called then */
	uint64_t max;        /* bytes, holes included */
	uint64_t entries;    /* the most: files, directories and links */
	uint32_t base, count; /* the sandbox's ids */
	/*
	 * Owners, links, and modes without set-id bits are as they were, the owners 0-based
	 * on disk. Else all is the caller's, for no one else to
	 * write, and links that lead out of the tree are left out.
	 */
	bool faithful;
};

struct copier {
	int pidfd; /* readable at its end; -1: no helper */
	int go;    /* its end is the helper's */
	struct copier_report *report; /* shared with it */
};
#define COPIER_CLOSED {.pidfd = -1, .go = -1}

/* Into the directory @dest, which must be empty. -errno: nothing runs. */
int copier_start(struct copier *c, const struct copier_order *o, int dest);
/* When pidfd is readable, or to end it: reaps. It is well if *ret_info says so, and no error. */
void copier_finish(struct copier *c, struct copier_report *ret, siginfo_t *ret_info);
bool copier_is_well(const struct copier_report *r, const siginfo_t *info);
/* Kills the helper, if there is one; what it has made stays. */
void copier_drop(struct copier *c);

/* copier-child.c: the helper. */
struct copier_job {
	const struct copier_order *order;
	int go, dest;
	uint32_t owner; /* of what is made: that id, inside. Unless it is faithful */
	struct copier_report *report;
	char *room;     /* copier_room() bytes */
};
size_t copier_room(void);
void copier_main(const struct copier_job *job) __attribute__((noreturn));
/* Does a link with that target lead nowhere but below the top, @depth levels up? */
bool copier_link_stays(const char *target, unsigned int depth);

#endif
