/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * /proc/{cpuinfo,stat,uptime,interrupts,softirqs}, the lists in /sys/devices/system/cpu, the
 * cpus of node0: so many as quota and set come to, under the numbers they have on the
 * host, since these are what sched_getaffinity(2) says too.
 */
#include <string.h>

#include "../base/macros.h"
#include "cpus.h"
#include "files.h"

#define USER_HZ_USEC 10000

/* The first of its set, as many as it is shown. */
static void shown_cpus(const struct vfs_numbers *n, cpu_set_t *ret)
{
	unsigned int left = vfs_n_cpus(n);

	CPU_ZERO(ret);
	for (size_t i = 0; i < CPU_SETSIZE && left; i++)
		if (CPU_ISSET(i, &n->cpus)) {
			CPU_SET(i, ret);
			left--;
		}
}

/* "processor\t: 3" begins a block, which an empty line ends. */
static bool block_is_shown(const char *block, const cpu_set_t *shown)
{
	const char *s = block + strlen("processor");
	uint64_t cpu;

	while (*s == ' ' || *s == '\t' || *s == ':')
		s++;
	cpu = text_read_num(s, NULL);
	return cpu < CPU_SETSIZE && CPU_ISSET(cpu, shown);
}

void gen_cpuinfo(const struct vfs_numbers *n, struct text *out)
{
	cpu_set_t shown;
	bool copy = true;

	shown_cpus(n, &shown);
	for (const char *s = n->text; *s; s = text_next_line(s)) {
		if (strncmp(s, "processor", 9) == 0 && (s[9] == '\t' || s[9] == ' '))
			copy = block_is_shown(s, &shown);
		if (copy)
			text_bytes(out, s, (size_t)(text_next_line(s) - s));
		/* What follows the blocks, as on ARM, is about the machine. */
		if (*s == '\n')
			copy = true;
	}
}

static uint64_t idle_usec(const struct vfs_numbers *n)
{
	uint64_t all = n->uptime_usec * vfs_n_cpus(n), used = n->user_usec + n->system_usec;

	return all > used ? all - used : 0;
}

/* Of @usec, in ticks, what cpu @i of @cpus has: their sum is the whole. */
static uint64_t share(uint64_t usec, unsigned int i, unsigned int cpus)
{
	uint64_t ticks = usec / USER_HZ_USEC;

	return ticks / cpus + (i < ticks % cpus);
}

static void cpu_line(struct text *out, const struct vfs_numbers *n, unsigned int i,
		     unsigned int cpus)
{
	text_num(out, share(n->user_usec, i, cpus));
	text_str(out, " 0 ");
	text_num(out, share(n->system_usec, i, cpus));
	text_str(out, " ");
	text_num(out, share(idle_usec(n), i, cpus));
	text_str(out, " 0 0 0 0 0 0\n");
}

/* A group counts none: one a millisecond of its time, and one for each process. It grows. */
static uint64_t context_switches(const struct vfs_numbers *n)
{
	return (n->user_usec + n->system_usec) / 1000 + MAX(n->last_pid, 1);
}

/*
 * Groups of cgroup2 count no time by cpu, so the sum is spread evenly: what top shows as
 * a whole is right. Interrupts are the host's.
 */
void gen_stat(const struct vfs_numbers *n, struct text *out)
{
	unsigned int cpus = vfs_n_cpus(n), nth = 0;
	cpu_set_t shown;

	shown_cpus(n, &shown);
	text_str(out, "cpu  ");
	cpu_line(out, n, 0, 1);
	for (size_t i = 0; i < CPU_SETSIZE; i++) {
		if (!CPU_ISSET(i, &shown))
			continue;
		text_str(out, "cpu");
		text_num(out, i);
		text_str(out, " ");
		cpu_line(out, n, nth++, cpus);
	}
	text_str(out, "intr 0\nctxt ");
	text_num(out, context_switches(n));
	text_str(out, "\nbtime ");
	text_num(out, n->boot_sec);
	text_str(out, "\nprocesses ");
	text_num(out, MAX(n->last_pid, 1));
	text_str(out, "\nprocs_running ");
	text_num(out, MAX(n->running, 1)); /* the reader */
	text_str(out, "\nprocs_blocked ");
	text_num(out, n->blocked);
	text_str(out, "\nsoftirq 0 0 0 0 0 0 0 0 0 0 0\n");
}

void gen_uptime(const struct vfs_numbers *n, struct text *out)
{
	text_hundredths(out, n->uptime_usec / 10000);
	text_str(out, " ");
	text_hundredths(out, idle_usec(n) / 10000);
	text_str(out, "\n");
}

void gen_cpu_list(const struct vfs_numbers *n, struct text *out)
{
	cpu_set_t shown;

	shown_cpus(n, &shown);
	cpus_list(&shown, out);
}

void gen_cpu_mask(const struct vfs_numbers *n, struct text *out)
{
	cpu_set_t shown;

	shown_cpus(n, &shown);
	cpus_mask(&shown, out);
}

/* Of /proc/interrupts and softirqs: the sandbox has none, on so many cpus. */
void gen_cpu_head(const struct vfs_numbers *n, struct text *out)
{
	cpu_set_t shown;

	shown_cpus(n, &shown);
	text_str(out, "          ");
	for (size_t i = 0; i < CPU_SETSIZE; i++) {
		if (!CPU_ISSET(i, &shown))
			continue;
		text_str(out, " CPU");
		text_num(out, i);
		text_str(out, "      ");
	}
	text_str(out, "\n");
}
