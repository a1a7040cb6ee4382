/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The conversation between the processes of a launch: fixed-size records over
 * SOCK_SEQPACKET pairs, one record a send. launch.c says who says what when.
 * Raw calls only.
 */
#ifndef CIS_SYNC_H
#define CIS_SYNC_H

#include <stdint.h>

enum sync_kind {
	/* founder, stage, init and payload -> caller */
	SYNC_FAILED = 1,     /* index: op; value: errno */
	SYNC_SETUP,          /* done; services are about to start */
	SYNC_TTY,            /* with the terminal's master */
	SYNC_KEEP,           /* with a clone of a mount; index: enum slot */
	SYNC_TRAP,           /* with the listener of the filter */
	SYNC_SERVICE,        /* index: it answers; held: with its pidfd, if it stays */
	SYNC_SERVICE_FAILED, /* index; value: errno, or 0 and status */
	SYNC_HELD,           /* all is up, and the command may be sent */
	SYNC_LOCK_FAILED,    /* value: errno; index: enum sync_lock_step */
	SYNC_EXEC_FAILED,    /* value: errno */
	SYNC_PAYLOAD,        /* executed */
	SYNC_EXITED,         /* value: wait status of the payload; index: 1: it was asked to end */
	/* joiner -> caller (enter.c) */
	SYNC_JOINED,         /* value: host pid of the command */
	/* both ways over the gate: go on */
	SYNC_GO,
	/* caller -> init */
	SYNC_SIGNAL,         /* value: to the payload's process group */
	/* to one that is held: streams, then the command */
	SYNC_STREAM,         /* with number index of its streams */
	SYNC_JOB,            /* with what job.h says */
};

/* What the payload was about when SYNC_LOCK_FAILED. */
enum sync_lock_step { LOCK_SESSION, LOCK_TTY, LOCK_STDIO, LOCK_CWD, LOCK_IDS, LOCK_FILTER,
		      LOCK_JOB };

struct sync_msg {
	uint32_t kind;
	uint32_t index;
	int32_t value;
	int32_t status;
};

int sync_send(int fd, const struct sync_msg *m);
int sync_send_fd(int fd, const struct sync_msg *m, int passed);
/* 1: a record; 0: the other side is gone. *ret_fd (may be NULL) is -1 or owned. */
int sync_recv(int fd, struct sync_msg *ret, int *ret_fd, int flags);

#endif
