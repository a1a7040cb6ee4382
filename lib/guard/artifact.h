/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Artifacts: what is copied out of a sandbox when everybody in it is dead. All of it is the
 * job's: names, links, sizes, depth. So the copying is done by a helper (artifact-copy.c)
 * that could do nothing else if it were the job's, too:
 *
 *	it sees  a clone of the root's mount, with no other mount in it
 *	         a clone of the mount of an empty directory beside the destination, which is its
 *	         root and working directory: there is no path from there to anything of the host's
 *	it is    root of a user namespace that has the sandbox's ids, and the caller's
 *	         for owners; without capabilities but to read, write and give away files
 *	it can   make the system calls that copying takes
 *
 * When it has ended well, what it made is moved to the destination in one step.
 */
#ifndef CIS_GUARD_ARTIFACT_H
#define CIS_GUARD_ARTIFACT_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "../base/error.h"

#define ARTIFACT_MAX_DEFAULT (1ULL << 30) /* bytes, of all artifacts together */
#define ARTIFACT_ENTRIES_MAX 100000u      /* of one: files, directories and links */
#define ARTIFACT_DEPTH_MAX 256
#define ARTIFACTS_MAX 64

struct artifact {
	char *path; /* inside, absolute */
	char *dest; /* on the host */
};

struct artifacts {
	struct artifact v[ARTIFACTS_MAX];
	size_t n;
	uint64_t max; /* bytes; 0: the default */
};

/* "PATH[:DEST]"; DEST is else the last name of PATH. -EINVAL, -EEXIST, -E2BIG. */
int artifacts_add(struct artifacts *a, const char *path, const char *dest,
		  struct cis_error *err);
void artifacts_done(struct artifacts *a);

/* What the helper tells. Whoever reads it takes it for the job's words. */
enum artifact_step {
	ARTIFACT_SETUP, /* of the helper itself */
	ARTIFACT_FIND,
	ARTIFACT_KIND,  /* neither file nor directory */
	ARTIFACT_READ,
	ARTIFACT_WRITE,
	ARTIFACT_SIZE,
	ARTIFACT_ENTRIES,
	ARTIFACT_DEPTH,
};
struct artifact_report {
	int32_t error;     /* errno, or 0 */
	uint32_t step;
	uint64_t files, entries, bytes, left_out;
	char at[256];      /* below the artifact: what the error is about */
	char left[256];    /* the first that were left out, with their kinds */
};

/* A helper at work. */
struct collector {
	int root;             /* of the sandbox, by a mount of its own; -1: nothing to collect */
	int *parents;         /* directories of the destinations */
	size_t n;
	size_t next;          /* artifact */
	uint64_t bytes;       /* of those before it */
	int pidfd;            /* -1: no helper */
	int go;               /* its end is the helper's */
	int temp;             /* directory; and its name in the parent: */
	char temp_name[NAME_MAX + 1];
	struct artifact_report *report; /* shared with it */
	unsigned int failed;
};

void collector_init(struct collector *c);
void collector_done(struct collector *c);

/* At the start of the sandbox: every destination can be made, and is not there yet. */
int collector_open(struct collector *c, const struct artifacts *a, struct cis_error *err);

/*
 * Chooses a name for the directory that the helper will fill, in that of the destination;
 * *ret: its path, for a journal. If it is there after us, all of it is to go.
 */
#define ARTIFACT_TEMP ".cisandbox-artifact-"
int collector_name_temp(struct collector *c, char **ret);
/* Removes what the helper makes in the directory @dir, which is such a one. */
#define ARTIFACT_TOP "a"
int artifact_empty_temp(int dir);

/*
 * Starts the helper for artifact c->next; where that fails c->next is the one after it. The
 * sandbox's ids are @base to @base + @count - 1.
 */
int collector_start(struct collector *c, const struct artifacts *a, uint32_t base,
		    uint32_t count, struct cis_error *err);
/*
 * When pidfd is readable, or to end it: reaps, moves what was copied to its place or
 * removes it, c->next is the next one. *ret: its report.
 */
int collector_finish(struct collector *c, const struct artifacts *a,
		     struct artifact_report *ret, struct cis_error *err);
/* Kills the helper; what it has made goes. */
void collector_drop(struct collector *c);

/* artifact-copy.c: the helper. */
struct artifact_job {
	int go, root, dest;
	const char *path;
	uint64_t max;
	uint32_t owner; /* of what is made: that id, inside */
	struct artifact_report *report;
	char *room;     /* artifact_copy_room() bytes */
};
size_t artifact_copy_room(void);
void artifact_copy_main(const struct artifact_job *job) __attribute__((noreturn));
/* Does a link with that target lead nowhere but below the top, @depth levels up? */
bool artifact_link_stays(const char *target, unsigned int depth);

#endif
