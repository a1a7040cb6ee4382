/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "load.h"

#include <dirent.h>
#include <string.h>

#include "../base/fd.h"
#include "../base/macros.h"
#include "../base/num.h"
#include "../base/sys.h"
#include "../base/text.h"

/* A job divides its groups as it likes: what lies deeper, and what is more, is not counted. */
#define DEPTH_MAX 16
#define LOOKED_AT_MAX 8192

struct tasks {
	unsigned int all, running, blocked;
	uint64_t newest; /* as far as ids tell */
};

/* R, S, D ...: behind the name, which may hold anything. */
static char state_of(uint64_t tid)
{
	char path[48] = "/proc/", buf[512], *end;
	cleanup_close int fd = -1;
	ssize_t n;

	num_append(path, sizeof path, tid);
	strcat(path, "/stat");
	fd = SYS(openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : SYS(read, fd, buf, sizeof buf - 1);
	if (n <= 0)
		return 'X';
	buf[n] = '\0';
	end = strrchr(buf, ')');
	return end && end[1] ? end[2] : 'X';
}

/* As it is called in its own pid namespace, of the two of us the inner one; 0: unknown. */
static uint32_t inner_pid(uint64_t tid)
{
	char path[48] = "/proc/", buf[4096];
	cleanup_close int fd = -1;
	const char *line, *end;
	ssize_t n;

	num_append(path, sizeof path, tid);
	strcat(path, "/status");
	fd = SYS(openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : SYS(read, fd, buf, sizeof buf - 1);
	buf[MAX(n, 0)] = '\0';
	line = strstr(buf, "\nNSpid:\t");
	if (!line)
		return 0;
	text_read_num(line + strlen("\nNSpid:\t"), &end);
	return *end == '\t' ? (uint32_t)text_read_num(end + 1, NULL) : 0;
}

static void count(struct tasks *t, uint64_t tid)
{
	char state = t->all++ < LOOKED_AT_MAX ? state_of(tid) : 'S';

	t->newest = MAX(t->newest, tid);
	t->running += state == 'R';
	t->blocked += state == 'D';
}

static void count_group(struct tasks *t, int dir)
{
	cleanup_close int fd = SYS(openat, dir, "cgroup.threads", O_RDONLY | O_CLOEXEC);
	char buf[4096];
	uint64_t tid = 0;
	int n;

	if (fd == -ENOENT)
		fd = SYS(openat, dir, "tasks", O_RDONLY | O_CLOEXEC);
	while (fd >= 0 && (n = SYS(read, fd, buf, sizeof buf)) > 0) {
		for (int i = 0; i < n; i++) {
			if (buf[i] >= '0' && buf[i] <= '9') {
				tid = tid * 10 + (uint64_t)(buf[i] - '0');
				continue;
			}
			count(t, tid);
			tid = 0;
		}
	}
}

struct entry { /* linux_dirent64 */
	uint64_t inode, offset;
	unsigned short len;
	unsigned char type;
	char name[];
};

static void count_tree(struct tasks *t, int dir, unsigned int depth)
{
	cleanup_close int list = SYS(openat, dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_Alignas(struct entry) char buf[2048];
	int n;

	count_group(t, dir);
	if (depth == DEPTH_MAX || list < 0)
		return;
	while ((n = SYS(getdents64, list, buf, sizeof buf)) > 0) {
		for (int at = 0; at < n;) {
			const struct entry *e = (const struct entry *)(buf + at);
			cleanup_close int sub = -1;

			at += e->len;
			if (e->type != DT_DIR || e->name[0] == '.')
				continue;
			sub = SYS(openat, dir, e->name,
				  O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
			if (sub >= 0)
				count_tree(t, sub, depth + 1);
		}
	}
}

/* ---- averages ------------------------------------------------------------------------ */

#define FIXED_SHIFT 11
#define FIXED_ONE (1u << FIXED_SHIFT)

#define PERIOD_MSEC 5000
#define PERIODS_MAX 2160 /* three hours: nothing is left of what was */

bool vfs_load_is_due(struct vfs_load *l, uint64_t now_msec, uint64_t cpu_usec)
{
	bool idle = cpu_usec && cpu_usec == l->cpu_usec && !l->active;
	uint64_t periods;

	if (!l->added_msec)
		l->added_msec = now_msec;
	periods = (now_msec - l->added_msec) / PERIOD_MSEC;
	if (!periods)
		return false;
	l->added_msec += periods * PERIOD_MSEC;
	l->cpu_usec = cpu_usec;
	l->idles = idle;
	periods = MIN(periods, (uint64_t)PERIODS_MAX);
	/* Those that nobody has counted were like the one before them. */
	for (uint64_t i = idle ? 0 : 1; i < periods; i++)
		vfs_load_add(l, l->active);
	return !idle;
}

void vfs_load_add(struct vfs_load *l, unsigned int active)
{
	/* e^(-5 s / 1 min), / 5 min, / 15 min: the kernel's own */
	static const uint64_t decay[] = {1884, 2014, 2037};
	uint64_t now = (uint64_t)active * FIXED_ONE;

	l->active = active;
	for (size_t i = 0; i < ARRAY_SIZE(decay); i++) {
		uint64_t sum = l->average[i] * decay[i] + now * (FIXED_ONE - decay[i]);

		if (now >= l->average[i])
			sum += FIXED_ONE - 1;
		l->average[i] = sum / FIXED_ONE;
	}
}

uint32_t vfs_load_hundredths(const struct vfs_load *l, size_t i)
{
	return (uint32_t)((l->average[i] * 100 + FIXED_ONE / 2) / FIXED_ONE);
}

void vfs_load_note(struct vfs_load *l, uint64_t now_msec, uint64_t cpu_usec, int dir,
		   struct vfs_facts *facts)
{
	struct tasks t = {0};

	if (vfs_load_is_due(l, now_msec, cpu_usec)) {
		if (dir >= 0)
			count_tree(&t, dir, 0);
		vfs_load_add(l, t.running + t.blocked);
		facts->running = t.running;
		facts->blocked = t.blocked;
		facts->tasks = t.all;
		facts->last_pid = MAX(facts->last_pid, t.newest ? inner_pid(t.newest) : 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(facts->load); i++)
		facts->load[i] = vfs_load_hundredths(l, i);
}

static void read_text(int dir, const char *name, char *buf, size_t size)
{
	cleanup_close int fd = dir < 0 ? -1 : SYS(openat, dir, name, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : SYS(read, fd, buf, size - 1);

	buf[MAX(n, 0)] = '\0';
}

uint64_t vfs_load_cpu_usec(int dir)
{
	char buf[1024];

	/* cgroup2 counts it in every group; a controller of v1 has a file of that name, too. */
	read_text(dir, "cpu.stat", buf, sizeof buf);
	if (strncmp(buf, "usage_usec ", 11) == 0)
		return text_read_num(buf + 11, NULL);
	read_text(dir, "cpuacct.usage", buf, sizeof buf);
	return text_read_num(buf, NULL) / 1000;
}
