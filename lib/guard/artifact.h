/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Artifacts: what is copied out of a sandbox when everybody in it is dead, by the helper of
 * copier.h, into a temporary directory beside the destination. When it has ended well, what it
 * made is moved there in one step.
 */
#ifndef CIS_GUARD_ARTIFACT_H
#define CIS_GUARD_ARTIFACT_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "../base/error.h"
#include "copier.h"

#define ARTIFACT_MAX_DEFAULT (1ULL << 30) /* bytes, of all artifacts together */
#define ARTIFACT_ENTRIES_MAX 100000u      /* of one: files, directories and links */
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

/* Artifacts on their way. */
struct collector {
	int root;             /* of the sandbox, by a mount of its own; -1: nothing to collect */
	int *parents;         /* directories of the destinations */
	size_t n;
	size_t next;          /* artifact */
	uint64_t bytes;       /* of those before it */
	struct copier copier; /* pidfd -1: no helper */
	int temp;             /* directory; and its name in the parent: */
	char temp_name[NAME_MAX + 1];
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
		     struct copier_report *ret, struct cis_error *err);
/* Kills the helper; what it has made goes. */
void collector_drop(struct collector *c);

#endif
