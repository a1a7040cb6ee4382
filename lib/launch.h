/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The launch of a sandbox: what caller (launch.c), stage and init (child.c,
 * init.c) and payload (payload.c) share. All of it is made by the caller before
 * the first clone; the children read it in their copy of its memory.
 */
#ifndef CIS_LAUNCH_H
#define CIS_LAUNCH_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/args.h"
#include "base/error.h"
#include "cgroup/group.h"
#include "egress/gate.h"
#include "plan.h"
#include "state.h"
#include "sync.h"
#include "vfs/vfs.h"

#define LAUNCH_STACK 65536

struct launch {
	struct plan *plan;         /* borrowed */
	const struct state *state; /* borrowed */
	struct group *group;       /* borrowed */
	struct vfs *vfs;           /* borrowed */
	struct gate *egress;       /* borrowed */
	uid_t base;                /* host id of the sandbox's root */
	uint32_t count;
	int sync[2];               /* the caller's end; the children's */
	int gate[2];               /* the host's end (caller, then stage); the founder's */
	int built[2];              /* the caller's end; the stage's. With a network only */
	int userns;                /* the sandbox's, once its ids are mapped */
	pid_t founder_pid;
	int founder, stage;        /* pidfds */
	pid_t *init;               /* shared with the children: clone3 itself writes it */
	char *stack;               /* LAUNCH_STACK bytes for init's children until execve */
	struct args_area args;     /* for init to hide */
	int null;                  /* what init has for its own streams */
	int stdio[3];              /* the payload's; -1 each when it gets a terminal */
};

/* What start() hands to the supervisor. */
struct launched {
	int sync;  /* caller's end */
	int pidfd; /* of init */
	pid_t init;
	int tty; /* master, or -1 */
	int root; /* a clone of it, or -1 */
	int secrets; /* likewise, where these will be */
	int listener; /* of the filter, or -1 */
	bool payload_runs, is_held; /* else services are about to start */
};

void launch_init(struct launch *l);
/* Ends and reaps founder and stage, if they still run. Not init: see launch_run(). */
void launch_done(struct launch *l);

/* Clones the founder. base and count must be known. */
int launch_found(struct launch *l, struct cis_error *err);
/* Once it has made the user namespace: writes the id maps and lets it go on. */
int launch_map(struct launch *l, struct cis_error *err);

/*
 * Clones the stage and converses until the command runs, or, with services, until these
 * are about to start. On failure init, if there was one, is reaped; what prepare made
 * is still there.
 */
int launch_run(struct launch *l, struct launched *ret, struct cis_error *err);

/* Turns a failure record of a child into a sentence. Returns -errno. */
int launch_explain(const struct plan *p, const struct sync_msg *m, struct cis_error *err);

/* Waits for a child of ours that has no exit signal. 0 or -errno. */
int launch_reap(int pidfd, siginfo_t *ret);

/* child.c: founder and stage, from their first instruction on. No return. */
void founder_main(struct launch *l) __attribute__((noreturn));
void stage_main(struct launch *l) __attribute__((noreturn));
/* init.c: pid 1, once its ops are done. Does not return. */
void init_main(struct launch *l) __attribute__((noreturn));

/* payload.c: in a fresh child of init or of enter(). Reports on @report; no return. */
void payload_exec(const struct plan *p, const struct plan_exec *e, const int stdio[3],
		  int report) __attribute__((noreturn));

#endif
