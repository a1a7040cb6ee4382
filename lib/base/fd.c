/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fd.h"

#include <errno.h>
#include <limits.h>
#include <unistd.h>

#include "sys.h"

int fd_close(int fd)
{
	int saved = errno;

	if (fd >= 0)
		close(fd);
	errno = saved;
	return -1;
}

int fd_close_others(const int *keep, size_t n)
{
	unsigned int from = 3;

	for (size_t i = 0; i < n; i++) {
		unsigned int fd = (unsigned int)keep[i];
		int r;

		if (keep[i] < (int)from)
			continue;
		if (fd > from) {
			r = sys_close_range(from, fd - 1, 0);
			if (r < 0)
				return r;
		}
		from = fd + 1;
	}
	return sys_close_range(from, UINT_MAX, 0);
}

void fd_close_all_but(const int *keep, size_t n)
{
	fd_close_others(keep, n);
	for (int i = 0; i < 3; i++)
		fd_close(i);
}

void fd_keep(int *keep, size_t *n, int fd)
{
	size_t i = *n;

	if (fd < 3)
		return;
	for (; i > 0 && keep[i - 1] > fd; i--)
		keep[i] = keep[i - 1];
	keep[i] = fd;
	(*n)++;
}
