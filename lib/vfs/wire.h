/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The kernel's protocol on /dev/fuse (linux/fuse.h): requests as structures, checked,
 * and answers to be sent. No I/O here, so that requests can be made up in a test.
 *
 * Rejected: libfuse. Of its 40 operations we have ten, it wants malloc and locks in a
 * child of a program that may be threaded, and it insists on the first handshake, which a
 * helper that takes over never sees.
 */
#ifndef CIS_VFS_WIRE_H
#define CIS_VFS_WIRE_H

#include <linux/fuse.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define WIRE_WRITE_MAX 4096
/* The kernel insists on 8192, and on room for the longest write with its headers. */
#define WIRE_REQUEST_SIZE (8192 + WIRE_WRITE_MAX)

struct wire_request {
	uint32_t opcode;
	uint64_t unique, node;
	union {
		const struct fuse_init_in *init;
		const struct fuse_setattr_in *setattr;
		const struct fuse_open_in *open;
		const struct fuse_read_in *read;
		const struct fuse_write_in *write;
		const struct fuse_release_in *release;
	};
	const char *name; /* of LOOKUP; ends with NUL */
	const char *data; /* of WRITE */
	size_t data_len;
};

struct wire_answer {
	struct fuse_out_header header;
	union {
		struct fuse_init_out init;
		struct fuse_entry_out entry;
		struct fuse_attr_out attr;
		struct fuse_open_out open;
		struct fuse_write_out write;
		struct fuse_statfs_out statfs;
	};
	size_t len;       /* of the union's member */
	const char *data; /* instead of the union, if not NULL */
};

/*
 * 1: a request. 0: nothing that is to be answered. -EBADMSG: not even that can be told
 * from it. Another -errno: the answer to it (@ret has unique).
 */
int wire_parse(const void *buf, size_t n, struct wire_request *ret);

void wire_error(struct wire_answer *a, int errnum);
/* Fills the header, and says what is to be written: @ret_n is 1 or 2. */
void wire_finish(struct wire_answer *a, uint64_t unique, struct iovec ret[static 2], int *ret_n);

#endif
