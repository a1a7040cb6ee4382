/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "numbers.h"

#include <dirent.h>
#include <string.h>
#include <time.h>

#include "../base/fd.h"
#include "../base/macros.h"
#include "../base/num.h"
#include "../base/sys.h"

#define FRESH_MSEC 10
#define LOAD_MSEC 5000
#define LOAD_BITS 11
#define LOAD_ONE (1u << LOAD_BITS)
#define PERIODS_MAX 2160 /* 3 h: after that nothing is left of what was */
#define TASKS_MAX 1024   /* looked at; a bound for the time a caller waits */
#define DEPTH_MAX 6      /* of groups */

/* ---- load -------------------------------------------------------------------- */

void load_advance(struct load *l, uint64_t active, uint64_t periods)
{
	/* e to the -5/60, -5/300 and -5/900 */
	static const uint64_t keep[] = {1884, 2014, 2037};

	active *= LOAD_ONE;
	for (uint64_t p = 0; p < MIN(periods, PERIODS_MAX); p++)
		for (size_t i = 0; i < ARRAY_SIZE(keep); i++) {
			uint64_t v = l->value[i] * keep[i] + active * (LOAD_ONE - keep[i]);

			l->value[i] = (v + (active >= l->value[i] ? LOAD_ONE - 1 : 0)) / LOAD_ONE;
		}
}

static bool is_active(int proc, const char *tid)
{
	char path[32], text[256];
	cleanup_close int fd = -1;
	const char *p;
	int n;

	memcpy(stpcpy(path, tid), "/stat", sizeof "/stat");
	fd = SYS(openat, proc, path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? fd : SYS(read, fd, text, sizeof text - 1);
	if (n <= 0)
		return false;
	text[n] = '\0';
	p = strrchr(text, ')');
	return p && p[1] == ' ' && (p[2] == 'R' || p[2] == 'D');
}

/* Those listed in cgroup.threads; numbers that a read cut in two are put together. */
static uint64_t count_in(int dir, int proc, unsigned int *looked)
{
	cleanup_close int fd = SYS(openat, dir, "cgroup.threads", O_RDONLY | O_CLOEXEC);
	char buf[1024], tid[21];
	uint64_t sum = 0;
	size_t k = 0;
	int n;

	while (fd >= 0 && (n = SYS(read, fd, buf, sizeof buf)) > 0)
		for (int i = 0; i < n; i++) {
			if (buf[i] != '\n') {
				k += k < sizeof tid - 1;
				tid[k - 1] = buf[i];
				continue;
			}
			tid[k] = '\0';
			k = 0;
			if ((*looked)++ >= TASKS_MAX)
				return sum;
			sum += is_active(proc, tid);
		}
	return sum;
}

struct entry { /* of getdents64 */
	uint64_t ino, off;
	uint16_t size;
	uint8_t type;
	char name[];
};

static uint64_t count_below(int dir, int proc, unsigned int *looked, unsigned int depth)
{
	union {
		char bytes[2048];
		struct entry align;
	} buf;
	uint64_t sum = count_in(dir, proc, looked);
	cleanup_close int list = SYS(openat, dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int n;

	while (list >= 0 && depth < DEPTH_MAX && *looked < TASKS_MAX &&
	       (n = SYS(getdents64, list, buf.bytes, sizeof buf)) > 0)
		for (int at = 0; at < n;) {
			const struct entry *e = (const void *)(buf.bytes + at);
			cleanup_close int sub = -1;

			at += e->size;
			if (e->type != DT_DIR || e->name[0] == '.')
				continue;
			sub = SYS(openat, dir, e->name,
				  O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
			if (sub >= 0)
				sum += count_below(sub, proc, looked, depth + 1);
		}
	return sum;
}

static void update_load(struct numbers *n, int proc, uint64_t now)
{
	unsigned int looked = 0;
	uint64_t periods;

	if (!n->load.sampled)
		n->load.sampled = now;
	periods = (now - n->load.sampled) / LOAD_MSEC;
	if (!periods || n->tasks < 0)
		return;
	load_advance(&n->load, count_below(n->tasks, proc, &looked, 0), periods);
	n->load.sampled += periods * LOAD_MSEC;
}

/* ---- memory and processes ------------------------------------------------------ */

static uint64_t read_number(int fd, uint64_t otherwise)
{
	char text[32];
	uint64_t v = 0;
	int n = fd < 0 ? -1 : SYS(pread64, fd, text, sizeof text, 0L);

	if (n <= 0 || text[0] < '0' || text[0] > '9') /* "max" */
		return otherwise;
	for (int i = 0; i < n && text[i] >= '0' && text[i] <= '9'; i++)
		v = v * 10 + (uint64_t)(text[i] - '0');
	return v;
}

static void update(struct numbers *n, const struct timespec *t)
{
	struct sysinfo host = {0};
	uint64_t ram, limit, used;
	long uptime = (long)(t->tv_sec - (time_t)n->offset);

	SYS(sysinfo, &host);
	ram = (uint64_t)host.totalram * host.mem_unit;
	limit = read_number(n->memory_max, ram);
	used = read_number(n->memory, 0);
	n->now = (struct sysinfo){.uptime = MAX(uptime, 0), .mem_unit = 1};
	if (limit < ram) {
		/* Swap included: there is none beside it. */
		n->now.totalram = limit;
		n->now.freeram = limit - MIN(used, limit);
	} else {
		n->now.totalram = ram;
		n->now.freeram = (uint64_t)host.freeram * host.mem_unit;
		n->now.totalswap = (uint64_t)host.totalswap * host.mem_unit;
		n->now.freeswap = (uint64_t)host.freeswap * host.mem_unit;
	}
	n->now.procs = (uint16_t)MIN(read_number(n->pids, 1), UINT16_MAX);
	for (size_t i = 0; i < ARRAY_SIZE(n->load.value); i++)
		n->now.loads[i] = n->load.value[i] << (SI_LOAD_SHIFT - LOAD_BITS);
}

void numbers_get(struct numbers *n, int proc, struct sysinfo *ret)
{
	struct timespec t;
	uint64_t now;

	clock_gettime(CLOCK_BOOTTIME, &t);
	now = (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
	if (!n->read_at || now - n->read_at >= FRESH_MSEC) {
		update_load(n, proc, now);
		update(n, &t);
		n->read_at = now;
	}
	*ret = n->now;
}

void numbers_narrow(const struct sysinfo *from, struct sysinfo32 *ret)
{
	uint64_t most = MAX(from->totalram, from->totalswap);
	unsigned int shift = 0;

	while (most >> shift > UINT32_MAX)
		shift++;
	*ret = (struct sysinfo32){
		.uptime = (int32_t)from->uptime,
		.totalram = (uint32_t)(from->totalram >> shift),
		.freeram = (uint32_t)(from->freeram >> shift),
		.totalswap = (uint32_t)(from->totalswap >> shift),
		.freeswap = (uint32_t)(from->freeswap >> shift),
		.procs = from->procs,
		.mem_unit = from->mem_unit << shift,
	};
	for (size_t i = 0; i < ARRAY_SIZE(ret->loads); i++)
		ret->loads[i] = (uint32_t)from->loads[i];
}

/* ---- the caller's ---------------------------------------------------------------- */

static int open_file(const struct group *g, enum controller c, const char *v2, const char *v1)
{
	int h = hierarchy_of(&g->hs, c);

	if (h < 0 || g->dirs[h] < 0)
		return -1;
	return openat(g->dirs[h], g->hs.h[h].v2 ? v2 : v1, O_RDONLY | O_CLOEXEC);
}

int numbers_open(struct numbers *n, const struct group *g)
{
	*n = (struct numbers){
		.memory = open_file(g, CTL_MEMORY, "memory.current", "memory.usage_in_bytes"),
		.memory_max = open_file(g, CTL_MEMORY, "memory.max", "memory.limit_in_bytes"),
		.pids = open_file(g, CTL_PIDS, "pids.current", "pids.current"),
		.tasks = openat(g->dirs[g->hs.unified], ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC),
	};
	return n->tasks < 0 ? -errno : 0;
}

void numbers_close(struct numbers *n)
{
	n->memory = fd_close(n->memory);
	n->memory_max = fd_close(n->memory_max);
	n->pids = fd_close(n->pids);
	n->tasks = fd_close(n->tasks);
}
