/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One direction of the payload's standard streams, carried by the supervisor,
 * so that a job never holds a descriptor of the host's: it could change the flags
 * of a shared pipe, read a log file it should only write, or read the
 * operator's terminal.
 */
#ifndef CIS_RELAY_H
#define CIS_RELAY_H

#include <stdbool.h>
#include <stddef.h>

#include "guard/mask.h"

struct relay {
	int from, to;      /* both owned */
	bool from_is_file; /* cannot be polled, always readable: wait for @to instead */
	bool has_ended;    /* @from; the rest is to be written */
	struct mask_stream *mask; /* what is read goes through it; or NULL */
	uint64_t held_msec; /* when what is held back came; supervise.c's */
	uint64_t taken, most; /* bytes of @from; so many are the sandbox's (relay_last()) */
	size_t start, end; /* bytes of buf that wait for @to */
	char buf[65536];
};

/* Takes both descriptors on success. NULL without memory. */
struct relay *relay_new(int from, int to);
/* What goes through it is masked from now on. -ENOMEM, or that memory cannot be locked. */
int relay_mask(struct relay *r, const struct mask *m);
/* Accepts NULL; the reader of @to sees the end. */
void relay_free(struct relay *r);

/* Which end to wait for now, and whether for writing (else reading). */
int relay_waits_for(const struct relay *r, bool *ret_write);

/* Moves what can be moved without blocking. 1: more may come; 0: it has ended. */
int relay_run(struct relay *r);

/* Something is held back that might be the beginning of a secret. */
bool relay_holds(const struct relay *r);
/* It has waited long enough, and is carried on. As relay_run(). */
int relay_let_go(struct relay *r);

/*
 * Whoever is to write into @from is dead. What is in it is theirs; what comes later is from
 * somebody else, who has got hold of its other end and might never stop.
 */
void relay_last(struct relay *r);
/* Carries on what was there, as far as @to takes it now. Whether all is done. */
bool relay_drain(struct relay *r);

#endif
