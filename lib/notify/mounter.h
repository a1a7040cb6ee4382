/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who mounts images: the one helper with power over the host. It takes requests of a fixed
 * size from the helper for paths (serve-image.c), reads no path and no memory of the job's,
 * and is not there unless such mounts are trapped.
 *
 * What it has: root's id, CAP_SYS_ADMIN and no other, a root directory in which there is
 * the host's /dev and nothing else, the system calls it needs. What is mounted:
 *
 *	a copy       in an unnamed file on the host, on a loop device of its own: nobody can
 *	             change what the driver has looked at. Of limited size, a few at a time.
 *	looked at    magic numbers, and that an ext4 asks for no panic and brings no options
 *	read-only    the device, the file system, the mount. ext4: no journal, errors=continue
 *	id-mapped    through the sandbox's user namespace
 *	locked       nosuid and nodev: attached in a mount namespace of the sandbox's user
 *	             namespace by a child which has left the host's for it first, so that root
 *	             inside cannot clear them, and we could attach it nowhere else
 *
 * If it dies, no image can be mounted any more; there is no second one. Raw calls only.
 */
#ifndef CIS_NOTIFY_MOUNTER_H
#define CIS_NOTIFY_MOUNTER_H

#include <stdint.h>

#include "../base/error.h"

#define IMAGE_BYTES_MAX (256ULL << 20)
#define IMAGES_MAX 4

/* One record on a SOCK_SEQPACKET socket, with three descriptors. */
struct mount_request {
	uint64_t id; /* of the trapped call */
	uint64_t trap; /* one CIS_TRAP_MOUNT_* flag: the type */
};
enum mount_fd {
	MOUNT_IMAGE,  /* a regular file, open for reading */
	MOUNT_TARGET, /* a directory, O_PATH */
	MOUNT_WHERE,  /* the mount namespace of who asks */
	N_MOUNT_FDS,
};
struct mount_answer {
	uint64_t id;
	int64_t error; /* 0 or -errno */
};

struct mounter {
	int socket[2]; /* the helper's end, and the mounter's */
	int pidfd;
	int copies;   /* directory on the host, on which the copies are */
	int userns;   /* the sandbox's */
	int listener; /* not ours */
	uint64_t traps;
};

void mounter_init(struct mounter *m);
/* Starts it. @copies and @userns: taken. */
int mounter_start(struct mounter *m, int copies, int userns, int listener, uint64_t traps,
		  struct cis_error *err);
/* Ends it. What it has mounted stays for as long as somebody inside has it. */
void mounter_done(struct mounter *m);

/* The helper's side. 0 or -errno, for the caller of the trapped call. */
int mounter_ask(int socket, const struct mount_request *q, const int fds[N_MOUNT_FDS]);

#endif
