/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pools: sandboxes that are held (hold.c) until somebody has a job for one of them. There is no
 * process of a pool. It is what lies on disk, and its members' own supervisors:
 *
 *	/run/cisandbox/
 *	  .pools/NAME/pool.json   how many there shall be, and of what kind
 *	  .pools/NAME/lock        who makes members holds it
 *	  ID/pool                 of a member: NAME, and what it was made like; "pool.new" before
 *	  ID/take                 a socket of its supervisor's, which takes one connection
 *
 * Who connects has the member, for the supervisor closes the socket with the first that it
 * accepts: the kernel decides between two, and there is no moment in which nobody has it
 * or both. Who has one and goes away, killed or not, ends it. What is said over the connection
 * is the matter of the program that made the member (cli/pool-wire.h).
 */
#ifndef CIS_POOL_H
#define CIS_POOL_H

#include "base/error.h"
#include "state.h"

#define POOL_FILE "pool"
#define POOL_SOCKET "take"

/* Whose member it is; an empty string: it is none. */
void pool_of(const struct state *st, char ret[static 64]);

#endif
