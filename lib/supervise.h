/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The supervisor's parts among themselves: supervise.c, the loop, calls the others. */
#ifndef CIS_SUPERVISE_H
#define CIS_SUPERVISE_H

#include "sandbox.h"

#define TICK_MSEC 1000
#define DISK_MSEC 100

/* What an epoll event is about; relays follow. */
enum source {
	SRC_SYNC,
	SRC_PID,
	SRC_TIMEOUT,
	SRC_GRACE,
	SRC_TICK,
	SRC_DISK,
	SRC_HELPER,
	SRC_RESPAWN,
	SRC_KEEPER,
	SRC_NAMES,
	SRC_INBOUND,
	SRC_MASK,
	SRC_ARTIFACT,
	SRC_CACHE,
	SRC_PASTA,
	SRC_SERVICE, /* one that others wait with: hold.c */
	SRC_TRAPS, /* one for each helper */
	SRC_TRAP_PAUSE = SRC_TRAPS + N_ANSWERERS,
	SRC_RELAY = SRC_TRAP_PAUSE + N_ANSWERERS,
};

int supervise_watch(struct cis_sandbox *sb, int fd, uint32_t events, unsigned int source);
/* @fd: gets the timer's, which the caller closes. */
int supervise_add_timer(struct cis_sandbox *sb, int *fd, uint64_t first_msec, bool again,
			unsigned int source);

/*
 * figures.c: events of limits that have been reached since. True: at its pace the disk is full
 * before another two looks.
 */
bool figures_look(struct cis_sandbox *sb);
/* At the disk alone. */
void figures_look_at_disk(struct cis_sandbox *sb);
/* The last ones, once. */
void figures_last(struct cis_sandbox *sb);

/* helpers.c: virtual files */
void helpers_start_vfs(struct cis_sandbox *sb);
void helpers_vfs_died(struct cis_sandbox *sb);
/* the gate */
int helpers_gate_died(struct cis_sandbox *sb, int *pidfd, unsigned int source,
		      struct cis_error *err);
void helpers_pasta_died(struct cis_sandbox *sb);
/* Records and the budget; the last records, when nobody writes any more. */
void helpers_check_gate(struct cis_sandbox *sb);
void helpers_end_records(struct cis_sandbox *sb);
/* traps */
int helpers_traps_again(struct cis_sandbox *sb, enum answerer who, struct cis_error *err);
int helpers_traps_ended(struct cis_sandbox *sb, enum answerer who, struct cis_error *err);
int helpers_watch_traps(struct cis_sandbox *sb, enum answerer who, struct cis_error *err);

#endif
