/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * /proc/{cpuinfo,stat,uptime}, /sys/devices/system/cpu/{online,possible,present}, the
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

static void cpu_line(struct text *out, uint64_t user, uint64_t system, uint64_t idle)
{
	text_num(out, user / USER_HZ_USEC);
	text_str(out, " 0 ");
	text_num(out, system / USER_HZ_USEC);
	text_str(out, " ");
	text_num(out, idle / USER_HZ_USEC);
	text_str(out, " 0 0 0 0 0 0\n");
}

/*
 * Groups of cgroup2 count no time by cpu, so the sum is spread evenly: what top shows as
 * a whole is right. Interrupts and context switches are the host's.
 */
void gen_stat(const struct vfs_numbers *n, struct text *out)
{
	unsigned int cpus = vfs_n_cpus(n);
	cpu_set_t shown;

	shown_cpus(n, &shown);
	text_str(out, "cpu  ");
	cpu_line(out, n->user_usec, n->system_usec, idle_usec(n));
	for (size_t i = 0; i < CPU_SETSIZE; i++) {
		if (!CPU_ISSET(i, &shown))
			continue;
		text_str(out, "cpu");
		text_num(out, i);
		text_str(out, " ");
		cpu_line(out, n->user_usec / cpus, n->system_usec / cpus, idle_usec(n) / cpus);
	}
	text_str(out, "intr 0\nctxt 0\nbtime ");
	text_num(out, n->boot_sec);
	text_str(out, "\nprocesses ");
	text_num(out, n->tasks);
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
