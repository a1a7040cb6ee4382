/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Host id ranges, each lent to one sandbox at a time.
 *
 * The pool is what /etc/subuid and /etc/subgid give to the name "cisandbox";
 * without such a line, 1879048192-2147287039, which systemd's table of
 * ids leaves unused. Ranges that others have in those files are passed over. A lent
 * range is a file "BASE+COUNT" in the ids directory that holds the sandbox's
 * id; it exists before the range is used and goes when the sandbox is gone. Sandboxes that
 * share a user namespace share its range: a line for each.
 */
#ifndef CIS_ISOLATE_IDS_H
#define CIS_ISOLATE_IDS_H

#include <stdbool.h>
#include <stdint.h>

#include "../base/error.h"

/* @dirfd: the ids directory. @count: a multiple of 65536. */
int ids_alloc(int dirfd, const char *sandbox_id, uint32_t count, uint32_t *ret_base,
	      struct cis_error *err);

/* -EBUSY: some of these host ids are of the pool, and any sandbox may get them one day. */
int ids_check_not_ours(uint64_t base, uint64_t count, struct cis_error *err);

/* Is it lent, to whomever? */
bool ids_are_lent(int dirfd, uint32_t base, uint32_t count);

/* Another user of a range that is lent. -ENOENT: it is not. */
int ids_share(int dirfd, const char *sandbox_id, uint32_t base, uint32_t count,
	      struct cis_error *err);
/*
 * The id of a helper that serves the sandbox, which must not be root's inside: of our own
 * pool one that is lent to nobody; else the last of the sandbox's, 65535 inside, which is
 * no user's by convention. With @base 0, of root of a user namespace: the one after them.
 */
uint32_t ids_of_helper(uint32_t base, uint32_t count);

/* Gives back every range lent to that sandbox. */
void ids_release(int dirfd, const char *sandbox_id);

#endif
