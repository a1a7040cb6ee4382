/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The supervisor's half of the helper in serve.h: it keeps the listener, so that trapped
 * calls wait, rather than fail, while one helper has died and the next has not begun. The
 * one call that the dead helper was about gets ENOSYS.
 */
#ifndef CIS_NOTIFY_HELPER_H
#define CIS_NOTIFY_HELPER_H

#include "../base/error.h"
#include "serve.h"

struct notify {
	struct serve serve; /* listener: -1 while there is none */
	int life;           /* our end */
	int pidfd;          /* of the helper, or -1 */
	uint64_t since;     /* msec: when it was started */
	unsigned int deaths; /* soon after a start, in a row */
};

void notify_init(struct notify *n);
/* Ends the helper; from now on trapped calls get ENOSYS. Idempotent. */
void notify_done(struct notify *n);

/* Whose sandbox it is: by a process which cannot have left it, init. */
int notify_look(struct notify *n, pid_t init, uid_t base, uint64_t flags, struct cis_error *err);
/* Takes the listener, and starts a helper. */
int notify_start(struct notify *n, int listener, const struct group *g, struct cis_error *err);

/*
 * Its pidfd says that it has ended: reaps it. False: nobody is left to answer. Else the
 * milliseconds after which to call notify_again(), more after each death in a row.
 */
bool notify_ended(struct notify *n, uint64_t *ret_pause);
int notify_again(struct notify *n);

/* Child: the filter with its listener. fd or -errno; -EBUSY: somebody else listens. */
int notify_install_child(const struct sock_filter *f, unsigned short n);

#endif
