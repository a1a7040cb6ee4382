/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Numbers made by hand. After <cmocka.h>. */
#ifndef TEST_VFS_H
#define TEST_VFS_H

#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MIB (1ULL << 20)

static const char host_meminfo[] = "MemTotal:        8000000 kB\n"
				   "MemFree:         6000000 kB\n"
				   "MemAvailable:    7000000 kB\n"
				   "SwapTotal:       1048576 kB\n"
				   "SwapFree:        1048576 kB\n"
				   "HugePages_Total:       0\n"
				   "Hugepagesize:       2048 kB\n";

static cpu_set_t cpus(unsigned int first, unsigned int n)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	for (unsigned int i = first; i < first + n; i++)
		CPU_SET(i, &set);
	return set;
}

/* A file with that text, as a descriptor. */
static inline int file_of(const char *text)
{
	int fd = memfd_create("text", MFD_CLOEXEC);

	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	return fd;
}

#endif
