/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire.h"

#include <errno.h>
#include <string.h>

/* What must come behind the header, at least. */
static size_t argument_size(uint32_t opcode)
{
	switch (opcode) {
	case FUSE_INIT:
		/* Older kernels leave flags2 and what follows out. */
		return offsetof(struct fuse_init_in, flags2);
	case FUSE_SETATTR:
		return sizeof(struct fuse_setattr_in);
	case FUSE_OPEN:
	case FUSE_OPENDIR:
		return sizeof(struct fuse_open_in);
	case FUSE_READ:
	case FUSE_READDIR:
	case FUSE_READDIRPLUS:
		return sizeof(struct fuse_read_in);
	case FUSE_WRITE:
		return sizeof(struct fuse_write_in);
	case FUSE_RELEASE:
	case FUSE_RELEASEDIR:
		return sizeof(struct fuse_release_in);
	default:
		return 0;
	}
}

static int parse_write(const char *arg, size_t left, struct wire_request *ret)
{
	ret->data = arg + sizeof *ret->write;
	ret->data_len = left - sizeof *ret->write;
	return ret->write->size == ret->data_len ? 1 : -EINVAL;
}

static int parse_name(const char *arg, size_t left, struct wire_request *ret)
{
	ret->name = arg;
	return left && memchr(arg, '\0', left) == arg + left - 1 ? 1 : -EINVAL;
}

int wire_parse(const void *buf, size_t n, struct wire_request *ret)
{
	const struct fuse_in_header *h = buf;
	const char *arg = (const char *)buf + sizeof *h;

	memset(ret, 0, sizeof *ret);
	if (n < sizeof *h || h->len != n)
		return -EBADMSG;
	ret->opcode = h->opcode;
	ret->unique = h->unique;
	ret->node = h->nodeid;
	switch (h->opcode) {
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT: /* whatever it is about is answered soon */
	case FUSE_NOTIFY_REPLY:
		return 0;
	default:
		break;
	}
	if (n - sizeof *h < argument_size(h->opcode))
		return -EINVAL;
	ret->init = (const void *)arg;
	if (h->opcode == FUSE_WRITE)
		return parse_write(arg, n - sizeof *h, ret);
	if (h->opcode == FUSE_LOOKUP)
		return parse_name(arg, n - sizeof *h, ret);
	return 1;
}

void wire_error(struct wire_answer *a, int errnum)
{
	a->header.error = -errnum;
	a->len = 0;
	a->data = NULL;
}

void wire_finish(struct wire_answer *a, uint64_t unique, struct iovec ret[static 2], int *ret_n)
{
	a->header.unique = unique;
	a->header.len = (uint32_t)(sizeof a->header + a->len);
	ret[0] = (struct iovec){&a->header, sizeof a->header};
	ret[1] = (struct iovec){a->data ? (void *)a->data : (void *)&a->init, a->len};
	*ret_n = a->len ? 2 : 1;
}
