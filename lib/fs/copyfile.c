/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "copyfile.h"

#include <errno.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include "../base/macros.h"

/* sendfile() is what copy_file_range() comes down to, and knows no borders between file systems. */
static int copy_data(int to, int from, off_t at, off_t end)
{
	if (lseek(to, at, SEEK_SET) < 0)
		return -errno;
	while (at < end) {
		ssize_t n = sendfile(to, from, &at, (size_t)MIN(end - at, (off_t)1 << 30));

		if (n == 0 || (n < 0 && errno != EINTR))
			return n < 0 ? -errno : -EIO;
	}
	return 0;
}

int copyfile_content(int to, int from, off_t size)
{
	off_t at = 0;
	int r;

	if (size > 0 && ioctl(to, FICLONE, from) == 0)
		return 0;
	while (at < size && (at = lseek(from, at, SEEK_DATA)) >= 0) {
		off_t end = lseek(from, at, SEEK_HOLE);

		r = end < 0 ? -errno : copy_data(to, from, at, end);
		if (r < 0)
			return r;
		at = end;
	}
	if (at < 0 && errno != ENXIO)
		return -errno;
	return ftruncate(to, size) < 0 ? -errno : 0;
}
