/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The sandbox's own figures for sysinfo(2). Raw calls only, but for numbers_open().
 *
 * Two ages: memory and processes are read again after 10 ms, since reading them costs
 * more than all the rest of a trapped call; the load is sampled when somebody asks, and
 * at most every 5 s as the kernel does. Nobody is woken while nobody asks.
 */
#ifndef CIS_NOTIFY_NUMBERS_H
#define CIS_NOTIFY_NUMBERS_H

#include <stdint.h>
#include <sys/sysinfo.h>

#include "../cgroup/group.h"

struct load {
	uint64_t value[3]; /* fixed point: 11 bits behind the point */
	uint64_t sampled;  /* msec; 0: never */
};

struct numbers {
	int memory, memory_max, pids; /* files of the groups, or -1 */
	int tasks;                    /* directory of the cgroup2 group, or -1 */
	uint64_t offset;              /* seconds: uptime of the host when the sandbox began */
	uint64_t read_at;             /* msec */
	struct load load;
	struct sysinfo now;
};

/* The caller's; -errno. What the host does not count stays -1. */
int numbers_open(struct numbers *n, const struct group *g);
void numbers_close(struct numbers *n);

void numbers_get(struct numbers *n, int proc, struct sysinfo *ret);

/* The same in the structure of 32-bit programs, in larger units where it must be. */
struct sysinfo32 {
	int32_t uptime;
	uint32_t loads[3], totalram, freeram, sharedram, bufferram, totalswap, freeswap;
	uint16_t procs, pad;
	uint32_t totalhigh, freehigh, mem_unit;
	char room[8];
};
void numbers_narrow(const struct sysinfo *from, struct sysinfo32 *ret);

/* @periods of 5 s with @active tasks, as the kernel averages. */
void load_advance(struct load *l, uint64_t active, uint64_t periods);

#endif
