/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The server of one sandbox's virtual files, as a state machine: request in, answer out.
 * The file system is one directory with the files of the table under their numbers;
 * init binds each where it belongs.
 *
 * A text is made when a file is opened, and kept for it: who reads byte by byte must not
 * see a torn one. A read from the start, later, makes it anew, for top(1) rewinds.
 */
#ifndef CIS_VFS_SERVER_H
#define CIS_VFS_SERVER_H

#include <stdint.h>
#include <sys/types.h>

#include "files.h"
#include "numbers.h"
#include "wire.h"

/* A written value; the one that is not @current is being changed. */
struct vfs_value {
	uint32_t current; /* 0: none yet, else 1 + index */
	struct {
		uint32_t len;
		char text[VFS_VALUE_MAX + 4];
	} copy[2];
};

/*
 * What outlives a helper: memory it shares with the supervisor, who writes @facts and
 * reads nothing back. @request is the buffer the kernel fills: what a dead helper had
 * taken and not answered is still in it, and the next one begins with that. So nothing
 * is lost on any kernel; FUSE_NOTIFY_RESEND would need Linux 6.9.
 */
struct vfs_shared {
	struct vfs_facts facts;
	struct vfs_value values[VFS_FILES_MAX];
	uint32_t helpers; /* started so far */
	uint64_t answered, taken_over; /* the last of each, by its unique number; 0: none */
	_Alignas(16) char request[WIRE_REQUEST_SIZE];
};

#define SERVER_SLOTS 128
#define SERVER_SMALL 4096
#define SERVER_BIG_MAX 16 /* texts larger than that at one time */
#define SERVER_STEADY_MAX (1u << 16)

struct server_slot {
	uint32_t generation; /* 0: free */
	uint32_t file;
	bool is_fresh;       /* nothing of it has been read */
	size_t len, mapped;  /* @mapped: of a text of its own mapping, or 0 */
	char *text;
	char small[SERVER_SMALL];
};

/* The last text of a VFS_STEADY file. */
struct server_steady {
	size_t file, len; /* 0: none */
	uint64_t made_nsec;
	cpu_set_t cpus; /* it was made for */
	char text[SERVER_STEADY_MAX];
};

struct server {
	const struct vfs_sources *sources;
	struct vfs_shared *shared;
	uid_t owner; /* of the files: the sandbox's root */
	uint32_t generation;
	unsigned int n_big;
	struct server_slot slots[SERVER_SLOTS];
	size_t last_len[VFS_FILES_MAX]; /* of its text, or 1; 0: not known */
	struct server_steady steady;
	struct vfs_kept kept;
	char list[16384]; /* all at once, where the kernel asks for as much */
	char text[VFS_TEXT_MAX]; /* the one just made */
	char scratch[2 * VFS_TEXT_MAX];
};

void server_init(struct server *s, const struct vfs_sources *sources,
		 struct vfs_shared *shared, uid_t owner);
void server_answer(struct server *s, const struct wire_request *q, struct wire_answer *a);

/*
 * Answers what is in @shared->request, of @n bytes, on @fd. 0, or -errno where the
 * connection is of no more use.
 */
int server_step(struct server *s, int fd, size_t n);
/* Until the file system is gone. */
int server_run(struct server *s, int fd);

#endif
