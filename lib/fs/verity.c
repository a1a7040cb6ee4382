/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "verity.h"

#include <errno.h>
#include <linux/fsverity.h>
#include <string.h>
#include <sys/ioctl.h>

int verity_give(int fd, uint64_t size, bool *ret)
{
	const struct fsverity_enable_arg arg = {
		.version = 1,
		.hash_algorithm = FS_VERITY_HASH_ALG_SHA256,
		.block_size = 4096,
	};

	*ret = false;
	if (size < VERITY_MIN)
		return 0;
	*ret = ioctl(fd, FS_IOC_ENABLE_VERITY, &arg) == 0 || errno == EEXIST;
	if (!*ret && (errno == ENOSPC || errno == EDQUOT || errno == EIO || errno == ENOMEM))
		return -errno;
	return 0; /* a kernel or file system without it has no one errno */
}

bool verity_measure(int fd, unsigned char ret[static 32])
{
	_Alignas(struct fsverity_digest) char room[sizeof(struct fsverity_digest) + 64];
	struct fsverity_digest *d = (struct fsverity_digest *)room;

	d->digest_size = sizeof room - sizeof *d;
	if (ioctl(fd, FS_IOC_MEASURE_VERITY, d) < 0 || d->digest_size != 32 ||
	    d->digest_algorithm != FS_VERITY_HASH_ALG_SHA256)
		return false;
	memcpy(ret, d->digest, 32);
	return true;
}
