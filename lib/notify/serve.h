/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The helpers that answer trapped calls: one thread each, resident. One takes every call,
 * and answers what needs no path. Calls with a path it hands to the other, which is
 * there only if such are trapped: a file system of the job's own can keep that one
 * waiting, and with it those who gave a path, nobody else. So can memory that is a file
 * of it, and that either of them; see notify_watch().
 *
 * Who they are: the sandbox's root as the host sees it, in the host's namespaces. That id
 * owns the sandbox's user namespace, so it may look at the processes inside, and has no
 * power outside. CAP_MKNOD is all the second one has of the host's, and that only where
 * mknod is trapped; the first has nothing. Their pids are not visible inside. System calls
 * that they do not need kill them.
 *
 * Rules: a call's id is checked after each look at the caller and before anything is
 * done for it; what is read of the caller's memory is read once; nothing is ever let go
 * on (SECCOMP_USER_NOTIF_FLAG_CONTINUE), since the caller could exchange what was judged.
 *
 * Raw calls only: it is a fork of a program that may be threaded.
 */
#ifndef CIS_NOTIFY_SERVE_H
#define CIS_NOTIFY_SERVE_H

#include <linux/seccomp.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "numbers.h"
#include "traps.h"

enum answerer {
	ANSWER_NOW,
	ANSWER_PATHS,
	N_ANSWERERS,
};

/* Shared with the supervisor and helpers to come: what is being answered. */
struct notify_page {
	union {
		struct seccomp_notif call; /* id 0: nothing */
		char room[512];            /* the kernel's may grow */
	};
};

struct serve {
	struct notify_page *pages; /* one each */
	struct notify_page *page;  /* ours, in a helper */
	int listener;
	int queue[2]; /* calls with a path: from the first to the second */
	int life; /* its end is the supervisor's */
	int proc; /* of the host */
	int null;
	uint64_t flags; /* CIS_TRAP_*; 0: ENOSYS to all */
	uid_t base;
	dev_t userns_dev; /* the sandbox's own */
	ino_t userns_ino;
	uint64_t root_mount; /* number of the mount that is the sandbox's root */
	int mounter;         /* its socket, or -1 */
	struct numbers numbers;
};

void serve_main(struct serve *s, enum answerer who) __attribute__((noreturn));

/* Whether the call still waits: the caller may have died, its pid may be another's. */
bool serve_is_valid(const struct serve *s);

/* The calls with a path: serve-path.c, serve-image.c. 0 or -errno, for the caller. */
int serve_mknod(struct serve *s, bool at);
int serve_swapon(struct serve *s);
int serve_image(struct serve *s);

/* serve-caller.c */
struct caller {
	int dir;           /* its directory in /proc */
	uint64_t caps;     /* effective */
	uid_t fsuid, fsgid;
	mode_t umask;
	bool is_inner;     /* in a user namespace below the sandbox's */
};
#define CALLER_PATH_MAX 4096

/* -ESRCH: it is gone. Then, too, the directory is the caller's to close. */
int caller_look(const struct serve *s, struct caller *ret);
/* Whether it has @cap over the sandbox; -EPERM if not. */
int caller_need(const struct caller *c, unsigned int cap);
/* Of its memory, once. -EFAULT, -ENAMETOOLONG. */
int caller_read_path(const struct serve *s, const struct caller *c, uint64_t address,
		     char ret[static CALLER_PATH_MAX]);
int caller_write(const struct serve *s, uint64_t address, const void *data, size_t n);

/* serve-path.c: from where a path of the caller's goes. Closed whatever open says. */
struct whence {
	const struct serve *s;
	const struct caller *c;
	int root, from;     /* -1 before */
	char from_link[32]; /* "cwd" or "fd/N" */
};
int whence_open(struct whence *p, int dirfd, const char *path);
void whence_close(struct whence *p);
/* O_CLOEXEC is added. fd or -errno. */
int whence_resolve(const struct whence *p, const char *path, uint64_t flags);

#endif
