/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "group.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "../base/fd.h"
#include "../base/io.h"
#include "../base/process.h"
#include "../base/str.h"
#include "../base/sys.h"
#include "place.h"

#define CPU_PERIOD_USEC 100000ULL

void group_init(struct group *g)
{
	memset(g, 0, sizeof *g);
	g->leaf = -1;
	for (size_t i = 0; i < ARRAY_SIZE(g->dirs); i++)
		g->dirs[i] = g->tasks[i] = -1;
}

void group_done(struct group *g)
{
	for (size_t i = 0; i < ARRAY_SIZE(g->dirs); i++) {
		fd_close(g->dirs[i]);
		fd_close(g->tasks[i]);
	}
	fd_close(g->leaf);
	group_init(g);
}

/* ---- limits ------------------------------------------------------------- */

static int need(const struct hierarchies *hs, enum controller c, const char *option,
		struct cis_error *err)
{
	if (hierarchy_of(hs, c) >= 0)
		return 0;
	return cis_fail_plain(err, EOPNOTSUPP,
			      "%s: this host has no %s controller (cgroup mode %s; mount it, "
			      "or boot with it enabled)",
			      option, controller_name(c), hs->mode);
}

int group_check_limits(const struct hierarchies *hs, const struct group_limits *l,
		       struct cis_error *err)
{
	int r = 0;

	if (l->memory)
		r = need(hs, CTL_MEMORY, "memory limit", err);
	if (r >= 0 && l->cpus_milli)
		r = need(hs, CTL_CPU, "cpu limit", err);
	if (r >= 0 && l->pids)
		r = need(hs, CTL_PIDS, "pids limit", err);
	return r < 0 ? r : io_check(hs, &l->io, err);
}

static bool is_v2(const struct hierarchies *hs, enum controller c)
{
	return hs->h[hierarchy_of(hs, c)].v2;
}

static struct setting number(enum controller c, const char *file, uint64_t value)
{
	struct setting s = {.controller = c, .file = file};

	snprintf(s.value, sizeof s.value, "%llu", (unsigned long long)value);
	return s;
}

#define SETTINGS (4 + IO_SETTINGS)
/* At most so many; the caller's array has room. */
static size_t render(const struct hierarchies *hs, const struct group_limits *l,
		     struct setting *out)
{
	uint64_t quota = l->cpus_milli * CPU_PERIOD_USEC / 1000;
	size_t n = 0;

	if (l->memory)
		out[n++] = number(CTL_MEMORY,
				  is_v2(hs, CTL_MEMORY) ? "memory.max"
							: "memory.limit_in_bytes",
				  l->memory);
	if (l->pids)
		out[n++] = number(CTL_PIDS, "pids.max", l->pids);
	if (l->cpus_milli && is_v2(hs, CTL_CPU)) {
		out[n] = (struct setting){.controller = CTL_CPU, .file = "cpu.max"};
		snprintf(out[n].value, sizeof out[n].value, "%llu %llu",
			 (unsigned long long)quota, CPU_PERIOD_USEC);
		n++;
	} else if (l->cpus_milli) {
		out[n++] = number(CTL_CPU, "cpu.cfs_period_us", CPU_PERIOD_USEC);
		out[n++] = number(CTL_CPU, "cpu.cfs_quota_us", quota);
	}
	return n + io_render(hs, &l->io, out + n);
}

/* Memory is memory: swap does not come on top. Absent without swap accounting. */
static int forbid_swap(const struct group *g, const struct group_limits *l)
{
	int h = hierarchy_of(&g->hs, CTL_MEMORY), r;
	char value[32];

	if (!l->memory)
		return 0;
	snprintf(value, sizeof value, "%llu", (unsigned long long)l->memory);
	if (g->hs.h[h].v2)
		r = io_write_file_at(g->dirs[h], "memory.swap.max", "0");
	else
		r = io_write_file_at(g->dirs[h], "memory.memsw.limit_in_bytes", value);
	return r == -ENOENT ? 0 : r;
}

/* ---- making and finding --------------------------------------------------- */

static int open_tasks(struct group *g)
{
	for (size_t i = 0; i < g->hs.n; i++) {
		if (g->hs.h[i].v2 || g->dirs[i] < 0)
			continue;
		g->tasks[i] = openat(g->dirs[i], "tasks", O_WRONLY | O_CLOEXEC);
		if (g->tasks[i] < 0)
			return -errno;
	}
	return 0;
}

static int open_dirs(struct group *g)
{
	for (size_t i = 0; i < g->hs.n; i++) {
		cleanup_close int root = hierarchy_open(&g->hs.h[i]);

		if (root < 0)
			return root;
		g->dirs[i] = openat(root, g->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (g->dirs[i] < 0 && (errno != ENOENT || !hierarchy_is_optional(&g->hs.h[i])))
			return -errno;
	}
	return open_tasks(g);
}

static int give(int dir, uid_t owner)
{
	static const char *const files[] = {".", "cgroup.procs", "cgroup.threads",
					    "cgroup.subtree_control"};

	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		if (fchownat(dir, files[i], owner, owner, AT_SYMLINK_NOFOLLOW) < 0)
			return -errno;
	return 0;
}

static int open_leaf(struct group *g)
{
	g->leaf = openat(g->dirs[g->hs.unified], GROUP_LEAF,
			 O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return g->leaf < 0 ? -errno : 0;
}

static int delegate(struct group *g, uid_t owner)
{
	int top = g->dirs[g->hs.unified], r = give(top, owner);

	if (r >= 0 && mkdirat(top, GROUP_LEAF, 0755) < 0 && errno != EEXIST)
		r = -errno;
	if (r >= 0)
		r = open_leaf(g);
	return r < 0 ? r : give(g->leaf, owner);
}

static int find(struct group *g, const char *name, int cache_dirfd, unsigned int needed,
		struct cis_error *err)
{
	int r = hierarchies_find(&g->hs, cache_dirfd, needed, err);

	if (r < 0)
		return r;
	snprintf(g->name, sizeof g->name, GROUP_PREFIX "%s", name);
	return 0;
}

static int refuse_taken(const struct group *g, struct cis_error *err)
{
	for (size_t i = 0; i < g->hs.n; i++) {
		cleanup_close int root = hierarchy_open(&g->hs.h[i]);

		if (root >= 0 && faccessat(root, g->name, F_OK, 0) == 0)
			return hierarchy_fail_taken(&g->hs.h[i], g->name, err);
	}
	return 0;
}

int group_choose(struct group *g, const char *name, const struct group_limits *l,
		 int cache_dirfd, struct cis_error *err)
{
	unsigned int needed = (l->memory ? 1u << CTL_MEMORY : 0) |
			      (l->cpus_milli ? 1u << CTL_CPU : 0) |
			      (l->pids ? 1u << CTL_PIDS : 0) |
			      (io_is_limited(&l->io) ? 1u << CTL_IO : 0);
	int r = find(g, name, cache_dirfd, needed, err);

	if (r >= 0)
		r = group_check_limits(&g->hs, l, err);
	if (r >= 0)
		r = refuse_taken(g, err);
	if (r < 0)
		group_done(g);
	return r;
}

static int create_all(struct group *g, const struct group_limits *l, struct cis_error *err)
{
	struct setting settings[SETTINGS];
	size_t n = render(&g->hs, l, settings);

	for (size_t i = 0; i < g->hs.n; i++) {
		int r;

		if (hierarchy_is_optional(&g->hs.h[i]) && !io_is_limited(&l->io))
			continue;
		r = hierarchy_create(&g->hs.h[i], g->name, settings, n, &g->dirs[i], err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Only what is ours, of a name that somebody else has as well. */
static void take_back(struct group *g)
{
	for (size_t i = 0; i < g->hs.n; i++) {
		cleanup_close int root = g->dirs[i] < 0 ? -1 : hierarchy_open(&g->hs.h[i]);

		if (root >= 0)
			unlinkat(root, g->name, AT_REMOVEDIR);
	}
	group_done(g);
}

int group_create(struct group *g, const struct group_limits *l, uid_t owner,
		 struct cis_error *err)
{
	int r;

	if (!g->hs.n)
		return 0;
	r = create_all(g, l, err);
	if (r == -EEXIST)
		take_back(g);
	if (r < 0)
		return r;
	r = open_tasks(g);
	if (r < 0)
		return cis_fail(err, -r, "cgroups: open %s", g->name);
	r = forbid_swap(g, l);
	if (r < 0)
		return cis_fail(err, -r, "cgroups: limit swap of %s", g->name);
	r = delegate(g, owner);
	if (r < 0)
		return cis_fail(err, -r, "cgroups: delegate %s", g->name);
	return 0;
}

/* On v1 memory and swap together cannot be less than memory alone, at any moment. */
static int make_room(const struct group *g, const struct group_limits *l)
{
	int h = hierarchy_of(&g->hs, CTL_MEMORY);
	uint64_t now = 0;

	if (!l->memory || h < 0 || g->hs.h[h].v2 ||
	    io_read_u64_at(g->dirs[h], "memory.memsw.limit_in_bytes", &now) < 0 ||
	    now >= l->memory)
		return 0;
	return forbid_swap(g, l);
}

int group_limit(struct group *g, const struct group_limits *l, struct cis_error *err)
{
	struct setting settings[SETTINGS];
	size_t n;
	int r = group_check_limits(&g->hs, l, err);

	if (r < 0 || !g->hs.n)
		return r;
	r = make_room(g, l);
	if (r < 0)
		return cis_fail(err, -r, "cgroups: limit swap of %s", g->name);
	n = render(&g->hs, l, settings);
	for (size_t i = 0; i < g->hs.n; i++) {
		if (g->dirs[i] < 0 && io_is_limited(&l->io))
			return cis_fail_plain(err, EOPNOTSUPP, "io limit: not on what runs "
					      "already (cgroup mode %s)", g->hs.mode);
		if (g->dirs[i] < 0)
			continue;
		r = hierarchy_change(&g->hs.h[i], g->dirs[i], settings, n, err);
		if (r < 0)
			return r;
	}
	r = forbid_swap(g, l);
	return r < 0 ? cis_fail(err, -r, "cgroups: limit swap of %s", g->name) : 0;
}

int group_open(struct group *g, const char *name, int cache_dirfd, struct cis_error *err)
{
	int r;

	/* Of what is a user's the sandbox's own directory says where, or there is none. */
	if (process_is_rootless() && !hierarchies_are_known(cache_dirfd))
		return 0;
	r = find(g, name, cache_dirfd, 0, err);
	if (r < 0)
		return r;
	r = open_dirs(g);
	if (r >= 0)
		r = open_leaf(g);
	return r < 0 ? cis_fail(err, -r, "cgroups: open %s", g->name) : 0;
}

int group_join_v1_child(const struct group *g)
{
	/*
	 * "0" into tasks: the writing thread moves itself, which needs no lock over
	 * all processes of the host; the same by cgroup.procs costs milliseconds.
	 */
	for (size_t i = 0; i < g->hs.n; i++) {
		int r = g->tasks[i] < 0 ? 0 : io_write_all(g->tasks[i], "0", 1);

		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- figures -------------------------------------------------------------- */

static int dir_of(const struct group *g, enum controller c, bool *ret_v2)
{
	int h = hierarchy_of(&g->hs, c);

	*ret_v2 = h >= 0 && g->hs.h[h].v2;
	return h < 0 ? -1 : g->dirs[h];
}

uint64_t group_cpu_usec(const struct group *g)
{
	uint64_t n = 0;
	bool v2;
	int dir = dir_of(g, CTL_CPUACCT, &v2);

	if (dir < 0)
		return 0;
	if (v2)
		return io_read_key_at(dir, "cpu.stat", "usage_usec", &n) < 0 ? 0 : n;
	return io_read_u64_at(dir, "cpuacct.usage", &n) < 0 ? 0 : n / 1000;
}

void group_stat(const struct group *g, struct group_stat *ret)
{
	bool v2;
	int dir;

	memset(ret, 0, sizeof *ret);
	dir = dir_of(g, CTL_MEMORY, &v2);
	if (dir >= 0 && v2) {
		io_read_u64_at(dir, "memory.current", &ret->memory);
		io_read_u64_at(dir, "memory.peak", &ret->memory_peak);
		io_read_key_at(dir, "memory.events", "oom_kill", &ret->oom_kills);
	} else if (dir >= 0) {
		io_read_u64_at(dir, "memory.usage_in_bytes", &ret->memory);
		io_read_u64_at(dir, "memory.max_usage_in_bytes", &ret->memory_peak);
		io_read_key_at(dir, "memory.oom_control", "oom_kill", &ret->oom_kills);
	}
	ret->cpu_usec = group_cpu_usec(g);
	dir = dir_of(g, CTL_PIDS, &v2);
	if (dir >= 0) {
		io_read_u64_at(dir, "pids.current", &ret->pids);
		io_read_key_at(dir, "pids.events", "max", &ret->pids_refused);
	}
}

/* ---- ending ---------------------------------------------------------------- */

/* Signals what is in cgroup.procs; returns how many there were, or -errno. */
static int signal_procs(int dir)
{
	cleanup_free char *text = NULL;
	char *save = NULL;
	int n = 0, r = io_read_file_at(dir, "cgroup.procs", 4 << 20, &text, NULL);

	if (r < 0)
		return r == -ENODEV ? 0 : r;
	for (char *pid = strtok_r(text, "\n", &save); pid; pid = strtok_r(NULL, "\n", &save)) {
		/* 0: a process of another pid namespace, which cannot be ours. */
		if (atoi(pid) > 0) {
			kill(atoi(pid), SIGKILL);
			n++;
		}
	}
	return n;
}

static int kill_one(int parent, const char *name, void *arg)
{
	cleanup_close int dir =
		openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	int *alive = arg;

	*alive += dir < 0 ? 0 : MAX(signal_procs(dir), 0);
	return 0;
}

static int remove_one(int parent, const char *name, void *arg)
{
	(void)arg;
	unlinkat(parent, name, AT_REMOVEDIR);
	return 0;
}

static void nap(unsigned int usec)
{
	nanosleep(&(struct timespec){.tv_nsec = usec * 1000L}, NULL);
}

#define FREEZE_MSEC 10000

/* The core of cgroup2 does it: no controller, and so on hybrid hosts too. */
int group_freeze(const struct group *g)
{
	int dir = g->hs.n ? g->dirs[g->hs.unified] : -1;
	uint64_t frozen = 0;
	int r = dir < 0 ? -EOPNOTSUPP : io_write_file_at(dir, "cgroup.freeze", "1");

	for (unsigned int msec = 0; r >= 0 && !frozen; msec++) {
		if (msec > FREEZE_MSEC)
			return -ETIMEDOUT;
		nap(msec ? 1000 : 200);
		r = io_read_key_at(dir, "cgroup.events", "frozen", &frozen);
	}
	return r;
}

int group_thaw(const struct group *g)
{
	return io_write_file_at(g->dirs[g->hs.unified], "cgroup.freeze", "0");
}

int group_kill(const struct group *g)
{
	for (unsigned int round = 0; round < 1000; round++) {
		int alive = 0;

		for (size_t i = 0; i < g->hs.n; i++) {
			if (g->dirs[i] < 0)
				continue;
			/* Atomic where it exists (5.14): a fork cannot slip through. */
			io_write_file_at(g->dirs[i], "cgroup.kill", "1");
			place_walk(g->dirs[i], kill_one, &alive);
			alive += MAX(signal_procs(g->dirs[i]), 0);
		}
		if (!alive)
			return 0;
		nap(5000);
	}
	return -EBUSY;
}

/* One group with all below it. The last process is gone a moment before it says so. */
static int remove_in(const struct group *g, size_t i, int root)
{
	int r = -EBUSY;

	if (g->hs.h[i].v2 && g->dirs[i] >= 0)
		unlinkat(g->dirs[i], GROUP_LEAF, AT_REMOVEDIR);
	for (int tries = 0; tries < 400; tries++) {
		r = unlinkat(root, g->name, AT_REMOVEDIR) < 0 ? -errno : 0;
		if (r == 0 || r == -ENOENT)
			return 0;
		if (g->dirs[i] >= 0)
			place_walk(g->dirs[i], remove_one, NULL);
		/* The kernel has killed all that were inside; this is for the rest. */
		if (tries == 10)
			group_kill(g);
		if (tries > 1)
			nap(5000);
	}
	return r;
}

int group_remove(const struct group *g)
{
	int result = 0;

	for (size_t i = 0; i < g->hs.n; i++) {
		cleanup_close int root = hierarchy_open(&g->hs.h[i]);
		int r = root < 0 ? root : remove_in(g, i, root);

		if (r < 0)
			result = r;
	}
	return result;
}
