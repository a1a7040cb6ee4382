/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What generators know of a sandbox, and where it is read.
 *
 * The supervisor opens the control files of the sandbox's groups and the host's /proc
 * files once, for reading; the helper preads them, and so needs nobody at each request.
 * Rejected: the helper asking the supervisor over a socket. It costs two more switches
 * an open, readers would wait for a program of the user's that does not dispatch, and
 * root on the host would take messages from the process that reads hostile bytes.
 */
#ifndef CIS_VFS_NUMBERS_H
#define CIS_VFS_NUMBERS_H

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VFS_NO_LIMIT UINT64_MAX

/* What a file's generator wants filled in. */
#define VFS_NEED_MEMORY (1u << 0)
#define VFS_NEED_CPU (1u << 1)   /* which cpus: quota and set */
#define VFS_NEED_USAGE (1u << 2) /* cpu time and uptime */
#define VFS_NEED_LOAD (1u << 3)
#define VFS_NEED_HOST (1u << 4)  /* the host's text of the file, in @text */
#define VFS_NEED_PRESSURE_CPU (1u << 5) /* in @text, of the sandbox's group */
#define VFS_NEED_PRESSURE_MEMORY (1u << 6)
#define VFS_NEED_PRESSURE_IO (1u << 7)
#define VFS_NEED_PRESSURE_IRQ (1u << 8)
#define VFS_NEED_MEMINFO (1u << 9) /* the host's, in @meminfo */
#define VFS_LONG (1u << 10) /* the text may be longer than a page */
#define VFS_STEADY (1u << 11) /* good for a second with the same cpus: to make it is dear */
#define VFS_NEED_IO (1u << 12) /* io.stat of the sandbox's group, in @io */
#define VFS_OF_ALL (1u << 13) /* covered although root inside may write it: it is the host's */

/* From memory.stat of either version; bytes. */
struct vfs_memory_stat {
	uint64_t anon, file, shmem, mapped, dirty, writeback, slab_reclaimable,
		slab_unreclaimable, kernel_stack, pagetables, active_anon, inactive_anon,
		active_file, inactive_file, unevictable;
	uint64_t pgfault, pgmajfault; /* how often */
};

struct vfs_numbers {
	uint64_t memory_limit, memory_used; /* bytes; VFS_NO_LIMIT */
	uint64_t swap_limit, swap_used;     /* swap alone, on both versions */
	struct vfs_memory_stat memory;
	const char *meminfo;                /* the host's text */

	cpu_set_t allowed;          /* those it may run on */
	cpu_set_t cpus;             /* of them, as many as its quota comes to */
	uint64_t quota, period;     /* usec; quota VFS_NO_LIMIT */
	uint64_t user_usec, system_usec;
	uint64_t uptime_usec, boot_sec; /* since the start, which was at boot_sec */

	uint32_t load[3];           /* hundredths */
	uint32_t running, blocked, tasks;
	uint32_t last_pid;          /* about as many processes have been there */

	const char *boot_id, *product_uuid;
	const char *io;             /* "8:0 rbytes=1 wbytes=2 ...", or empty */
	const char *text;           /* see VFS_NEED_HOST, VFS_NEED_PRESSURE_* */
};

/* How many cpus its quota and its set come to: a started one counts, never below 1. */
unsigned int vfs_n_cpus(const struct vfs_numbers *n);

/* The nearest limits over the sandbox: its own, and those of where its groups are made. */
enum vfs_source {
	VFS_MEMORY_LIMIT, VFS_MEMORY_LIMIT_ABOVE, VFS_MEMORY_USED, VFS_MEMORY_STAT,
	VFS_SWAP_LIMIT, VFS_SWAP_LIMIT_ABOVE, VFS_SWAP_USED,
	VFS_CPU_QUOTA, VFS_CPU_QUOTA_ABOVE, VFS_CPU_PERIOD, VFS_CPU_PERIOD_ABOVE,
	VFS_CPU_USAGE, VFS_MEMINFO,
	VFS_PRESSURE_CPU, VFS_PRESSURE_MEMORY, VFS_PRESSURE_IO, VFS_PRESSURE_IRQ,
	VFS_IO_STAT, VFS_TASKS,
	VFS_CPUSET,
	VFS_N_SOURCES
};

#define VFS_HOST_FILES_MAX 96

/* Where the groups are, as directories: of a sandbox's (group.h) or a container's (place.h). */
struct vfs_group {
	int dir; /* borrowed; -1: there is none */
	bool v2;
};
struct vfs_groups {
	struct vfs_group memory, cpu, cpuacct, cpuset, pids;
	int unified; /* cgroup2, with or without controllers */
};

struct vfs_sources {
	int fd[VFS_N_SOURCES];              /* -1: there is none */
	int host[VFS_HOST_FILES_MAX];       /* by index in the table of files */
	bool memory_v2, cpu_v2;
};

void vfs_sources_init(struct vfs_sources *s);
void vfs_sources_done(struct vfs_sources *s);
/* Opens what @g and this host have. */
void vfs_sources_open(struct vfs_sources *s, const struct vfs_groups *g);

/* Of it, what VFS_NEED_CPU takes. */
void vfs_sources_open_cpus(struct vfs_sources *s, const struct vfs_groups *g);

/* What comes from elsewhere than a file; the supervisor keeps it in memory they share. */
struct vfs_facts {
	cpu_set_t cpus;        /* it may run on, as far as no group says which */
	unsigned int turn;     /* of vfs_pick_cpus() */
	uint64_t started_usec; /* CLOCK_BOOTTIME */
	uint64_t boot_sec;
	uint32_t load[3], running, blocked, tasks, last_pid;
	char boot_id[37], product_uuid[37];
};

/*
 * The helper's: what seldom changes, or is the host's. Read again after 1 ms, since to
 * read it costs as much as all the rest of an answer; what is used is never kept.
 */
struct vfs_kept {
	uint64_t memory_read_nsec, cpu_read_nsec; /* 0: never */
	uint64_t memory_limit, swap_limit, quota, period;
	cpu_set_t allowed, cpus;
	char meminfo[8192];
};

void vfs_numbers_keep(struct vfs_kept *k, const struct vfs_sources *s,
		      const struct vfs_facts *facts, unsigned int needs);

/*
 * Helper: fills what @needs says. @file: for VFS_NEED_HOST. @scratch: for raw text; @ret
 * points into it, and into @kept.
 */
void vfs_numbers_read(struct vfs_numbers *ret, struct vfs_kept *kept,
		      const struct vfs_sources *s, const struct vfs_facts *facts,
		      unsigned int needs, size_t file, char *scratch, size_t size);

/*
 * The cpus that a sandbox of @milli thousandths of one (0: no limit) runs on, out of
 * @allowed: as many as these come to, by turns with the other sandboxes.
 */
void vfs_pick_cpus(uint64_t milli, unsigned int turn, const cpu_set_t *allowed, cpu_set_t *ret);

/* Pure parts of it. */
uint64_t vfs_parse_limit(const char *text); /* "max", "-1", a number */
void vfs_parse_cpu_max(const char *text, uint64_t *ret_quota, uint64_t *ret_period);
void vfs_parse_memory_stat(const char *text, bool v2, struct vfs_memory_stat *ret);
void vfs_parse_cpu_usage(const char *text, bool v2, uint64_t *ret_user, uint64_t *ret_system);

#endif
