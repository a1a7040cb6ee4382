/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "numbers.h"

#include <string.h>
#include <time.h>

#include "../base/fd.h"
#include "../base/sys.h"
#include "cpus.h"
#include "files.h"

#define PERIOD_DEFAULT 100000
#define V1_USER_HZ 100
#define KEPT_NSEC 1000000

/* ---- the supervisor: descriptors --------------------------------------------- */

void vfs_sources_init(struct vfs_sources *s)
{
	for (size_t i = 0; i < VFS_N_SOURCES; i++)
		s->fd[i] = -1;
	for (size_t i = 0; i < VFS_HOST_FILES_MAX; i++)
		s->host[i] = -1;
	s->memory_v2 = s->cpu_v2 = false;
}

void vfs_sources_done(struct vfs_sources *s)
{
	for (size_t i = 0; i < VFS_N_SOURCES; i++)
		fd_close(s->fd[i]);
	for (size_t i = 0; i < VFS_HOST_FILES_MAX; i++)
		fd_close(s->host[i]);
	vfs_sources_init(s);
}

static int open_at(int dir, const char *name)
{
	int fd = dir < 0 && dir != AT_FDCWD ? -1 : openat(dir, name, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -1 : fd;
}

static void open_memory(struct vfs_sources *s, int dir)
{
	const bool v2 = s->memory_v2;

	s->fd[VFS_MEMORY_LIMIT] = open_at(dir, v2 ? "memory.max" : "memory.limit_in_bytes");
	s->fd[VFS_MEMORY_LIMIT_ABOVE] =
		open_at(dir, v2 ? "../memory.max" : "../memory.limit_in_bytes");
	s->fd[VFS_MEMORY_USED] = open_at(dir, v2 ? "memory.current" : "memory.usage_in_bytes");
	s->fd[VFS_MEMORY_STAT] = open_at(dir, "memory.stat");
	s->fd[VFS_SWAP_LIMIT] =
		open_at(dir, v2 ? "memory.swap.max" : "memory.memsw.limit_in_bytes");
	s->fd[VFS_SWAP_LIMIT_ABOVE] =
		open_at(dir, v2 ? "../memory.swap.max" : "../memory.memsw.limit_in_bytes");
	s->fd[VFS_SWAP_USED] =
		open_at(dir, v2 ? "memory.swap.current" : "memory.memsw.usage_in_bytes");
}

static void open_cpu(struct vfs_sources *s, int dir)
{
	s->fd[VFS_CPU_QUOTA] = open_at(dir, s->cpu_v2 ? "cpu.max" : "cpu.cfs_quota_us");
	s->fd[VFS_CPU_QUOTA_ABOVE] =
		open_at(dir, s->cpu_v2 ? "../cpu.max" : "../cpu.cfs_quota_us");
	if (s->cpu_v2)
		return;
	s->fd[VFS_CPU_PERIOD] = open_at(dir, "cpu.cfs_period_us");
	s->fd[VFS_CPU_PERIOD_ABOVE] = open_at(dir, "../cpu.cfs_period_us");
}

/* What the kernel makes of it, which is what its tasks may run on. */
static int open_cpuset(const struct vfs_group *g)
{
	int fd = open_at(g->dir, g->v2 ? "cpuset.cpus.effective" : "cpuset.effective_cpus");

	return fd < 0 && !g->v2 ? open_at(g->dir, "cpuset.cpus") : fd;
}

void vfs_sources_open_cpus(struct vfs_sources *s, const struct vfs_groups *g)
{
	s->cpu_v2 = g->cpu.v2;
	open_cpu(s, g->cpu.dir);
	s->fd[VFS_CPUSET] = open_cpuset(&g->cpuset);
}

void vfs_sources_open(struct vfs_sources *s, const struct vfs_groups *g)
{
	const int unified = g->unified;

	s->memory_v2 = g->memory.v2;
	open_memory(s, g->memory.dir);
	vfs_sources_open_cpus(s, g);
	/* cgroup2 counts time in every group, with or without the controller. */
	s->fd[VFS_CPU_USAGE] = g->cpuacct.dir >= 0 && !g->cpuacct.v2
				       ? open_at(g->cpuacct.dir, "cpuacct.stat")
				       : open_at(unified, "cpu.stat");
	s->fd[VFS_MEMINFO] = open_at(AT_FDCWD, "/proc/meminfo");
	s->fd[VFS_PRESSURE_CPU] = open_at(unified, "cpu.pressure");
	s->fd[VFS_PRESSURE_MEMORY] = open_at(unified, "memory.pressure");
	s->fd[VFS_PRESSURE_IO] = open_at(unified, "io.pressure");
	s->fd[VFS_PRESSURE_IRQ] = open_at(unified, "irq.pressure");
	s->fd[VFS_IO_STAT] = open_at(unified, "io.stat");
	s->fd[VFS_TASKS] = open_at(g->pids.dir, "pids.current");
	for (size_t i = 0; i < vfs_n_files && i < VFS_HOST_FILES_MAX; i++) {
		char path[128] = "/";

		if (!(vfs_files[i].needs & VFS_NEED_HOST))
			continue;
		strncat(path, vfs_files[i].path, sizeof path - 2);
		s->host[i] = open_at(AT_FDCWD, path);
	}
}

/* ---- parsing -------------------------------------------------------------------- */

uint64_t vfs_parse_limit(const char *text)
{
	return *text >= '0' && *text <= '9' ? text_read_num(text, NULL) : VFS_NO_LIMIT;
}

void vfs_parse_cpu_max(const char *text, uint64_t *ret_quota, uint64_t *ret_period)
{
	const char *blank = strchr(text, ' ');

	*ret_quota = vfs_parse_limit(text);
	*ret_period = blank ? text_read_num(blank, NULL) : 0;
}

/* v1's own names are of the group alone; "total_" has those below it too. */
static const struct stat_key {
	size_t offset;
	const char *v1, *v2;
} stat_keys[] = {
#define KEY(field, v1, v2) {offsetof(struct vfs_memory_stat, field), v1 " ", v2 " "}
	KEY(anon, "total_rss", "anon"),
	KEY(file, "total_cache", "file"),
	KEY(shmem, "total_shmem", "shmem"),
	KEY(mapped, "total_mapped_file", "file_mapped"),
	KEY(dirty, "total_dirty", "file_dirty"),
	KEY(writeback, "total_writeback", "file_writeback"),
	KEY(active_anon, "total_active_anon", "active_anon"),
	KEY(inactive_anon, "total_inactive_anon", "inactive_anon"),
	KEY(active_file, "total_active_file", "active_file"),
	KEY(inactive_file, "total_inactive_file", "inactive_file"),
	KEY(unevictable, "total_unevictable", "unevictable"),
	KEY(slab_reclaimable, "total_slab_reclaimable", "slab_reclaimable"),
	KEY(slab_unreclaimable, "total_slab_unreclaimable", "slab_unreclaimable"),
	KEY(kernel_stack, "total_kernel_stack", "kernel_stack"),
	KEY(pagetables, "total_pagetables", "pagetables"),
	KEY(pgfault, "total_pgfault", "pgfault"),
	KEY(pgmajfault, "total_pgmajfault", "pgmajfault"),
#undef KEY
};

void vfs_parse_memory_stat(const char *text, bool v2, struct vfs_memory_stat *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(stat_keys); i++) {
		const struct stat_key *k = &stat_keys[i];

		*(uint64_t *)((char *)ret + k->offset) =
			text_find_num(text, v2 ? k->v2 : k->v1, 0);
	}
}

void vfs_parse_cpu_usage(const char *text, bool v2, uint64_t *ret_user, uint64_t *ret_system)
{
	const uint64_t unit = v2 ? 1 : 1000000 / V1_USER_HZ;

	*ret_user = text_find_num(text, v2 ? "user_usec " : "user ", 0) * unit;
	*ret_system = text_find_num(text, v2 ? "system_usec " : "system ", 0) * unit;
}

void vfs_pick_cpus(uint64_t milli, unsigned int turn, const cpu_set_t *allowed, cpu_set_t *ret)
{
	const cpu_set_t from = *allowed;
	unsigned int all = (unsigned int)CPU_COUNT(&from), wanted, first, at = 0;

	*ret = from;
	wanted = (unsigned int)MIN((milli + 999) / 1000, (uint64_t)all);
	if (!milli || wanted == all)
		return;
	CPU_ZERO(ret);
	first = (unsigned int)((uint64_t)turn * wanted % all);
	for (size_t i = 0; i < CPU_SETSIZE; i++) {
		if (!CPU_ISSET(i, &from))
			continue;
		if ((at++ + all - first) % all < wanted)
			CPU_SET(i, ret);
	}
}

static unsigned int n_cpus(const cpu_set_t *cpus, uint64_t quota, uint64_t period)
{
	uint64_t set = MAX(CPU_COUNT(cpus), 1), n = set;

	if (quota != VFS_NO_LIMIT && period)
		n = quota / period + (quota % period != 0);
	return (unsigned int)MAX(MIN(set, n), 1);
}

unsigned int vfs_n_cpus(const struct vfs_numbers *n)
{
	return n_cpus(&n->cpus, n->quota, n->period);
}

/* ---- the helper: reading ----------------------------------------------------------- */

/* The whole file as a string; an empty one when it is not there. How much is used. */
static size_t slurp(int fd, char *buf, size_t size)
{
	size_t n = 0;

	while (fd >= 0 && n + 1 < size) {
		ssize_t k = pread(fd, buf + n, size - n - 1, (off_t)n);

		if (k <= 0)
			break;
		n += (size_t)k;
	}
	buf[n] = '\0';
	return n;
}

/*
 * One of those files that the kernel makes in one piece, as are all but lists: to ask
 * for what comes behind its end would make it all once more. 0: it is not there.
 */
static size_t read_piece(int fd, char *buf, size_t size)
{
	ssize_t k = fd < 0 ? -1 : pread(fd, buf, size - 1, 0);

	buf[MAX(k, 0)] = '\0';
	return (size_t)MAX(k, 0);
}

static uint64_t read_limit(int fd)
{
	char buf[64];

	return read_piece(fd, buf, sizeof buf) ? vfs_parse_limit(buf) : VFS_NO_LIMIT;
}

static uint64_t lower_limit(const struct vfs_sources *s, enum vfs_source a, enum vfs_source b)
{
	uint64_t own = read_limit(s->fd[a]), above = read_limit(s->fd[b]);

	return MIN(own, above);
}

static uint64_t minus(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

static uint64_t read_used(int fd)
{
	uint64_t v = read_limit(fd);

	return v == VFS_NO_LIMIT ? 0 : v;
}

static void read_memory(struct vfs_numbers *n, const struct vfs_sources *s, char *scratch,
			size_t size)
{
	n->memory_used = read_used(s->fd[VFS_MEMORY_USED]);
	n->swap_used = read_used(s->fd[VFS_SWAP_USED]);
	/* v1 counts memory and swap together. */
	if (!s->memory_v2 && n->swap_limit != VFS_NO_LIMIT) {
		n->swap_limit = minus(n->swap_limit, n->memory_limit);
		n->swap_used = minus(n->swap_used, n->memory_used);
	}
	read_piece(s->fd[VFS_MEMORY_STAT], scratch, size);
	vfs_parse_memory_stat(scratch, s->memory_v2, &n->memory);
}

static void read_quota(const struct vfs_sources *s, enum vfs_source quota,
		       enum vfs_source period, uint64_t *ret_quota, uint64_t *ret_period)
{
	char buf[64];

	read_piece(s->fd[quota], buf, sizeof buf);
	vfs_parse_cpu_max(buf, ret_quota, ret_period);
	if (!s->cpu_v2 && read_piece(s->fd[period], buf, sizeof buf))
		*ret_period = text_read_num(buf, NULL);
	if (!*ret_period)
		*ret_period = PERIOD_DEFAULT;
}

/* Of a container; who makes a sandbox has said it in the facts. */
static void read_cpuset(cpu_set_t *allowed, const struct vfs_sources *s)
{
	char buf[4096];
	cpu_set_t set;

	if (!read_piece(s->fd[VFS_CPUSET], buf, sizeof buf))
		return;
	cpus_parse_list(buf, &set);
	if (CPU_COUNT(&set))
		*allowed = set;
}

static void read_cpu(struct vfs_kept *n, const struct vfs_sources *s,
		     const struct vfs_facts *facts)
{
	uint64_t quota, period;

	read_quota(s, VFS_CPU_QUOTA, VFS_CPU_PERIOD, &n->quota, &n->period);
	read_quota(s, VFS_CPU_QUOTA_ABOVE, VFS_CPU_PERIOD_ABOVE, &quota, &period);
	if (quota != VFS_NO_LIMIT &&
	    (n->quota == VFS_NO_LIMIT || quota * n->period < n->quota * period)) {
		n->quota = quota;
		n->period = period;
	}
	n->allowed = facts->cpus;
	read_cpuset(&n->allowed, s);
	vfs_pick_cpus((uint64_t)n_cpus(&n->allowed, n->quota, n->period) * 1000, facts->turn,
		      &n->allowed, &n->cpus);
}

static void read_usage(struct vfs_numbers *n, const struct vfs_sources *s,
		       const struct vfs_facts *facts)
{
	struct timespec now;
	char buf[2048];
	bool v2;

	clock_gettime(CLOCK_BOOTTIME, &now);
	n->uptime_usec = minus((uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000,
			       facts->started_usec);
	n->boot_sec = facts->boot_sec;
	read_piece(s->fd[VFS_CPU_USAGE], buf, sizeof buf);
	v2 = strncmp(buf, "usage_usec", 10) == 0;
	vfs_parse_cpu_usage(buf, v2, &n->user_usec, &n->system_usec);
}

/* How many there are the group knows; who of them runs the supervisor counts now and then. */
static void read_tasks(struct vfs_numbers *n, const struct vfs_sources *s,
		       const struct vfs_facts *facts)
{
	const uint64_t now = read_limit(s->fd[VFS_TASKS]);

	n->tasks = now == VFS_NO_LIMIT ? facts->tasks : (uint32_t)now;
	n->running = MIN(facts->running, n->tasks);
	n->blocked = MIN(facts->blocked, n->tasks - n->running);
	n->last_pid = MAX(facts->last_pid, n->tasks);
}

static int text_source(const struct vfs_sources *s, unsigned int needs, size_t file)
{
	return needs & VFS_NEED_HOST	      ? s->host[file]
	       : needs & VFS_NEED_PRESSURE_CPU    ? s->fd[VFS_PRESSURE_CPU]
	       : needs & VFS_NEED_PRESSURE_MEMORY ? s->fd[VFS_PRESSURE_MEMORY]
	       : needs & VFS_NEED_PRESSURE_IO     ? s->fd[VFS_PRESSURE_IO]
	       : needs & VFS_NEED_PRESSURE_IRQ    ? s->fd[VFS_PRESSURE_IRQ]
						  : -1;
}

static bool is_old(uint64_t *read_nsec)
{
	struct timespec t;
	uint64_t now;

	clock_gettime(CLOCK_MONOTONIC, &t);
	now = (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
	if (*read_nsec && now - *read_nsec < KEPT_NSEC)
		return false;
	*read_nsec = now;
	return true;
}

void vfs_numbers_keep(struct vfs_kept *k, const struct vfs_sources *s,
		      const struct vfs_facts *facts, unsigned int needs)
{
	if ((needs & (VFS_NEED_MEMORY | VFS_NEED_MEMINFO)) && is_old(&k->memory_read_nsec)) {
		k->memory_limit = lower_limit(s, VFS_MEMORY_LIMIT, VFS_MEMORY_LIMIT_ABOVE);
		k->swap_limit = lower_limit(s, VFS_SWAP_LIMIT, VFS_SWAP_LIMIT_ABOVE);
		read_piece(s->fd[VFS_MEMINFO], k->meminfo, sizeof k->meminfo);
	}
	if ((needs & VFS_NEED_CPU) && is_old(&k->cpu_read_nsec))
		read_cpu(k, s, facts);
}

void vfs_numbers_read(struct vfs_numbers *ret, struct vfs_kept *kept,
		      const struct vfs_sources *s, const struct vfs_facts *facts,
		      unsigned int needs, size_t file, char *scratch, size_t size)
{
	size_t used;

	vfs_numbers_keep(kept, s, facts, needs);
	*ret = (struct vfs_numbers){
		.memory_limit = kept->memory_limit,
		.swap_limit = kept->swap_limit,
		.quota = kept->quota,
		.period = kept->period,
		.meminfo = kept->meminfo,
		.allowed = kept->allowed,
		.cpus = kept->cpus,
		.boot_id = facts->boot_id,
		.product_uuid = facts->product_uuid,
	};
	memcpy(ret->load, facts->load, sizeof ret->load);
	if (needs & VFS_NEED_MEMORY)
		read_memory(ret, s, scratch, size);
	if (needs & VFS_NEED_USAGE)
		read_usage(ret, s, facts);
	if (needs & VFS_NEED_LOAD)
		read_tasks(ret, s, facts);
	ret->io = scratch;
	used = 1 + read_piece(needs & VFS_NEED_IO ? s->fd[VFS_IO_STAT] : -1, scratch, size);
	ret->text = scratch + used;
	if (needs & VFS_LONG)
		slurp(text_source(s, needs, file), scratch + used, size - used);
	else
		read_piece(text_source(s, needs, file), scratch + used, size - used);
}
