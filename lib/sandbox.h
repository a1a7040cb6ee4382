/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The handle, and which file does what with it:
 *
 *	sandbox.c    new, setters, plan, free; the phases below
 *	sandbox-oci.c   load_oci, and start of what it describes
 *	prepare.c    the caller's ops: makes, on the host, what the plan asks for
 *	launch.c     clones; the conversation until init is set up
 *	supervise.c  one epoll descriptor: streams, events, limits, the end
 *	hold.c       a sandbox that is up and waits, frozen, for its command
 *	enter.c      one more command in a live sandbox
 */
#ifndef CIS_SANDBOX_H
#define CIS_SANDBOX_H

#include <stdbool.h>

#include "cgroup/group.h"
#include "egress/gate.h"
#include "guard/artifact.h"
#include "guard/mask.h"
#include "container/container.h"
#include "launch.h"
#include "notify/helper.h"
#include "plan.h"
#include "relay.h"
#include "state.h"
#include "vfs/load.h"
#include "vfs/vfs.h"

/*
 *	NEW ---start()---> RUNNING ---payload ends---> ENDED
 *	OPENED ---enter()---> RUNNING (entered) -----> ENDED
 */
/* With hold() it is held for a part of RUNNING: until start(). */
enum phase { PHASE_NEW, PHASE_OPENED, PHASE_RUNNING, PHASE_ENDED };

#define N_RELAYS 3
#define N_EVENTS 8
#define EGRESS_LOG_READ 16384 /* of its records at once */

struct cis_sandbox {
	enum phase phase;
	bool entered; /* the command is one of enter(), the sandbox is not ours */
	bool command_is_child; /* pidfd is the command itself, not an init of ours */
	bool is_bundle;        /* load_oci() */
	int bundle;            /* its directory, or -1 */
	struct container container; /* then, and once it runs */
	struct spec spec;
	struct plan plan;
	struct state state;
	struct group group;
	uint32_t base, count;

	int stdio[3]; /* the user's; borrowed, -1 is /dev/null */
	int audit;    /* the user's; borrowed, or -1 */

	int epoll;
	int sync;  /* to init */
	int pidfd; /* init, or the entered command */
	pid_t pid;
	int tty;
	int timeout, grace, tick, disk_watch; /* timerfds */
	struct notify notify;     /* who answers trapped system calls */
	int trap_pause[N_ANSWERERS]; /* timerfd: until the next such helper, or -1 */
	struct relay *relays[N_RELAYS];
	int watched[N_RELAYS]; /* what of relays[i] is in the epoll set */

	bool is_held;      /* it waits for its command, frozen */
	int *services;     /* pidfds of the plan's, while it is held; or -1 */
	int secrets_later; /* where those of the command are written, or -1 */
	struct collector collector; /* of artifacts */
	struct cache_publisher publisher;
	int held; /* disk_hold()'s, or -1 */
	bool keeps_disk; /* after the end, until it is freed: seed-build.c takes from it */
	int disk_dir; /* then: its top, opened before the job wrote there, for syncfs(); or -1 */

	struct mask *mask;     /* of the secrets, or NULL */
	uint64_t not_masked;   /* bit n: the value of secret n */
	bool no_mask;
	int mask_pause;        /* timerfd: then what is held back is let go, or -1 */
	struct mask_stream *log_mask;

	struct gate gate; /* of a sandbox with a network */
	int egress_log;   /* the user's; borrowed, or -1 */
	uint64_t log_at;  /* so much of the records has been copied there */
	bool budget_seen;

	struct vfs vfs;
	struct vfs_load load;
	uint64_t cpu_seen; /* usec, at the last tick */
	unsigned int idle_ticks; /* in a row, without any more of it */
	int respawn; /* timerfd: when the next helper starts, or -1 */

	bool payload_runs, payload_ended, timed_out, has_last_figures;
	bool was_asked; /* to end, from outside, while the command ran */
	bool draining; /* all are dead, and what they wrote is on its way */
	bool collecting; /* after that: artifacts, caches */
	bool told_to_stop; /* that */
	int exit_status;
	struct cis_event events[N_EVENTS];
	size_t first_event, n_events;
	uint64_t oom_kills_seen;
	bool pids_seen, disk_seen, inodes_seen, host_disk_seen;
	uint64_t started_msec, disk_peak;
	uint64_t disk_used;      /* at the last tick */
	unsigned int disk_looks; /* since then or since the start, by disk_watch */
	struct cis_usage last; /* kept when the groups are gone */
};

/* prepare.c. What fails leaves the rest for supervise_finish(). */
int prepare_run(struct cis_sandbox *sb, struct launch *l, struct cis_error *err);
/*
 * The payload's streams: pipes or /dev/null, and the relays for them. On failure too the
 * descriptors in @child that are not -1 are the caller's to close.
 */
int prepare_stdio(struct cis_sandbox *sb, int child[3], struct cis_error *err);

/* Those of the spec; the disk is there. */
int prepare_limits(const struct cis_sandbox *sb, struct group_limits *ret,
		   struct cis_error *err);

/* hold.c: all is up, and stops until there is a command. */
int hold_begin(struct cis_sandbox *sb, struct cis_error *err);
/* The plan's service @index answers; @pidfd is taken, -1: it is none that stays. */
int hold_service(struct cis_sandbox *sb, uint32_t index, int pidfd, struct cis_error *err);
/* Of one that is held: -ESRCH if a service of it has died. */
int hold_check(const struct cis_sandbox *sb, struct cis_error *err);
void hold_forget_services(struct cis_sandbox *sb);
/* Which it gets. What fails leaves the rest for supervise_finish(). */
int hold_start(struct cis_sandbox *sb, char *const argv[], struct cis_error *err);

/* service-log.c: @errnum, or 0 and a wait status. -EIO. */
int service_failed(struct cis_sandbox *sb, uint32_t index, int errnum, int status,
		   struct cis_error *err);

/* collect.c: 1: a helper copies, and collector.pidfd tells when it has ended; 0: all is done. */
int collect_next(struct cis_sandbox *sb);
/* When it has. */
void collect_ended(struct cis_sandbox *sb);

/* cache-publish.c: the same for caches: 1: publisher.copier.pidfd tells; 0: all is done. */
int cache_publish_next(struct cis_sandbox *sb);
void cache_publish_ended(struct cis_sandbox *sb);

/* sandbox-secrets.c: before anything is cloned. */
int secrets_begin(struct cis_sandbox *sb, struct cis_error *err);
void secrets_end(struct cis_sandbox *sb);
/* No value of a secret is in it afterwards. */
void mask_error(const struct cis_sandbox *sb, struct cis_error *err);
void mask_line(const struct cis_sandbox *sb, char *text, size_t room);
/* The same of a string of malloc's; -ENOMEM: it is gone. */
int mask_whole(const struct cis_sandbox *sb, char **text);

/* sandbox-oci.c. What fails leaves the rest for supervise_finish(). */
int start_bundle(struct cis_sandbox *sb, char *const argv[], struct cis_error *err);

/* supervise.c */
int supervise_begin(struct cis_sandbox *sb, struct cis_error *err);
/* Once all are dead: what they have written, and nobody takes, is dropped. */
int supervise_drain_no_more(struct cis_sandbox *sb);
/* After that: what is being copied is dropped, and so is all that would come next. */
int supervise_collect_no_more(struct cis_sandbox *sb);
/* The part of it that is about the command. */
int supervise_command(struct cis_sandbox *sb, struct cis_error *err);
/* The gate's helpers are about to be others; and then are. */
void supervise_forget_gate(struct cis_sandbox *sb);
int supervise_gate(struct cis_sandbox *sb, struct cis_error *err);
/* An event, and its line in the audit. */
void supervise_post(struct cis_sandbox *sb, enum cis_event_kind kind, uint64_t value,
		    const char *audit_name, const char *text);
/* Init has said so. */
void supervise_payload_runs(struct cis_sandbox *sb);
/* notes.c. There are no virtual files; nobody had asked for them. */
void note_no_vfs(struct cis_sandbox *sb);
void note_no_inner(struct cis_sandbox *sb);
/* Some values of secrets cannot be told from other text. */
void note_not_masked(struct cis_sandbox *sb);
/* Limits of a built-in profile that do not hold without root, if there are any. */
void note_unheld(struct cis_sandbox *sb);
/* Everybody dies, everything made is removed, if keeps_disk is not set. Idempotent. */
void supervise_finish(struct cis_sandbox *sb);
/* What is then left of it. */
void supervise_drop_disk(struct cis_sandbox *sb);
void supervise_usage(struct cis_sandbox *sb);

/* audit.c: one line; @key/@value pairs of numbers follow, ended by NULL. */
void audit_line(struct cis_sandbox *sb, const char *event, const char *text, ...);


#endif
