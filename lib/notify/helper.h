/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The supervisor's half of the helpers in serve.h: it keeps the listener, so that trapped
 * calls wait, rather than fail, while one helper has died and the next has not begun. The
 * one call that the dead helper was about gets ENOSYS.
 */
#ifndef CIS_NOTIFY_HELPER_H
#define CIS_NOTIFY_HELPER_H

#include "../base/error.h"
#include "mounter.h"
#include "serve.h"

#define NOTIFY_HELD_MAX 16

struct notify {
	struct serve serve; /* listener: -1 while there is none */
	int life;           /* our end */
	struct notify_helper {
		int pidfd;           /* or -1 */
		uint64_t since;      /* msec: when it was started */
		unsigned int deaths; /* soon after a start, in a row */
		uint64_t call;       /* the one it was about when we looked last; 0: none */
		unsigned int looks;  /* that found it about that one */
	} helpers[N_ANSWERERS];
	int held[NOTIFY_HELD_MAX]; /* pidfds of those that cannot even die, or -1 */
	struct mounter mounter;
	int userns; /* the sandbox's, or -1 */
};

void notify_init(struct notify *n);
/* Ends the helper; from now on trapped calls get ENOSYS. Idempotent. */
void notify_done(struct notify *n);

/* Whose sandbox it is: by a process which cannot have left it, init. */
int notify_look(struct notify *n, pid_t init, uid_t base, uint64_t flags, struct cis_error *err);
/* Takes the listener and @copies (see mounter.h; -1 without TRAP_MOUNTS); starts the helpers. */
int notify_start(struct notify *n, int listener, int copies, const struct group *g,
		 struct cis_error *err);

/*
 * Its pidfd says that it has ended: reaps it. False: nobody is left to answer. Else the
 * milliseconds after which to call notify_again(), more after each death in a row.
 */
bool notify_ended(struct notify *n, enum answerer who, uint64_t *ret_pause);
int notify_again(struct notify *n, enum answerer who);

/*
 * To be called each second: a helper that has been about one call for too long is killed.
 * Whoever waits for a file system that somebody inside serves, by a path or because a
 * page of the caller's memory is a file of it, may not even die before that one
 * answers: then he is left behind, with the call, and the next one is to be started.
 */
enum notify_found {
	NOTIFY_FINE,
	NOTIFY_LEFT_BEHIND, /* notify_again() */
	NOTIFY_LOST,        /* so is this, the last; all to come say ENOSYS to everybody */
};
enum notify_found notify_watch(struct notify *n, enum answerer who);

/* Child: the filter with its listener. fd or -errno; -EBUSY: somebody else listens. */
int notify_install_child(const struct sock_filter *f, unsigned short n);

#endif
