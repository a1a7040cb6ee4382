/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Records of one part of cisandbox-unpack. For unpack.c only. */
#ifndef CIS_IMAGE_HEAR_H
#define CIS_IMAGE_HEAR_H

#include <stdbool.h>

#include "unpack.h"
#include "wire.h"

struct hearing {
	int fd, go;
	const char *keys; /* of the records that this part may send */
	unpack_turn *turn;
	void *arg;
	void (*wait)(void *arg); /* may be NULL; called while there is nothing to hear */
	void *wait_arg;
	struct unpacked *got;
	char sum[UNPACK_HEX]; /* of what it passed on, and how much that was */
	uint64_t size;
	bool told, turned, done; /* err says all; we had our turn; the helper is through */
	size_t total, n;
	char text[2 * (UNPACK_PATH_MAX + 512)];
};

/*
 * Until the helper closes its end. -EBADMSG: that was not all, or is not what it may say;
 * @err is filled in only if told is set.
 */
int hearing_take(struct hearing *h, struct cis_error *err);

#endif
