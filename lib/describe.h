/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A sandbox as JSON: what state.json holds, and what is derived from it. */
#ifndef CIS_DESCRIBE_H
#define CIS_DESCRIBE_H

#include "image/config.h"
#include "sandbox.h"

int describe_write_state(struct cis_sandbox *sb, char *const argv[], struct cis_error *err);

/* What of state.json other parts need; -ESRCH when that init is gone. */
struct described {
	pid_t init;
	int pidfd; /* owned by whoever asked */
	uint32_t base, count;
	uint64_t flags;
	struct image_config config; /* owned, too: what the image wants of a command */
};
int describe_read_state(const struct state *st, struct described *ret, struct cis_error *err);

/* Says what a user who is not root can do about it. Returns -EPERM. */
int describe_unprivileged(struct cis_error *err);

#endif
