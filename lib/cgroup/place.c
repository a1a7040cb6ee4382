/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "place.h"

#include <linux/magic.h>
#include <mntent.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>

#include "../base/fd.h"
#include "../base/io.h"
#include "../base/json.h"
#include "../base/num.h"
#include "../base/str.h"
#include "../base/sys.h"
#include "resources.h"
#include "systemd.h"

static const char *const names[PLACE_CONTROLLERS] = {
	[PLACE_CPU] = "cpu",
	[PLACE_CPUACCT] = "cpuacct",
	[PLACE_CPUSET] = "cpuset",
	[PLACE_MEMORY] = "memory",
	[PLACE_DEVICES] = "devices",
	[PLACE_FREEZER] = "freezer",
	[PLACE_BLKIO] = "blkio",
	[PLACE_PIDS] = "pids",
	[PLACE_HUGETLB] = "hugetlb",
	[PLACE_NET_CLS] = "net_cls",
	[PLACE_NET_PRIO] = "net_prio",
	[PLACE_PERF_EVENT] = "perf_event",
	[PLACE_RDMA] = "rdma",
	[PLACE_MISC] = "misc",
};

/* No controllers in cgroup.controllers' sense, but always there. */
#define V2_ALWAYS ((1u << PLACE_FREEZER) | (1u << PLACE_DEVICES) | (1u << PLACE_CPUACCT))

const char *place_controller_name(enum place_controller c, bool v2)
{
	return v2 && c == PLACE_BLKIO ? "io" : names[c];
}

void place_init(struct place *p)
{
	memset(p, 0, sizeof *p);
	p->unified = -1;
	for (size_t i = 0; i < PLACE_MAX; i++)
		p->g[i].dir = p->g[i].tasks = -1;
}

void place_done(struct place *p)
{
	for (size_t i = 0; i < p->n; i++) {
		fd_close(p->g[i].dir);
		fd_close(p->g[i].tasks);
	}
	place_init(p);
}

const struct place_group *place_of(const struct place *p, enum place_controller c)
{
	for (int v2 = 0; v2 <= 1; v2++)
		for (size_t i = 0; i < p->n; i++)
			if (p->g[i].v2 == v2 && (p->g[i].controllers & (1u << c)))
				return &p->g[i];
	return NULL;
}

const char *place_where(const struct place *p, const struct place_group *g, char *buf,
			size_t size)
{
	snprintf(buf, size, "%s/%s", g->mount, p->path);
	return buf;
}

static int open_dir(int at, const char *path)
{
	int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	return fd < 0 ? -errno : fd;
}

/* ---- finding ------------------------------------------------------------- */

/* Those in @file of @dir: cgroup.controllers or cgroup.subtree_control. */
static unsigned int v2_controllers(int dir, const char *file)
{
	cleanup_free char *text = NULL;
	unsigned int found = V2_ALWAYS;
	char *save = NULL;

	if (io_read_file_at(dir, file, 4096, &text, NULL) < 0)
		return found;
	for (char *word = strtok_r(text, " \n", &save); word;
	     word = strtok_r(NULL, " \n", &save))
		for (unsigned c = 0; c < PLACE_CONTROLLERS; c++)
			if (strcmp(word, place_controller_name(c, true)) == 0)
				found |= 1u << c;
	return found;
}

/* A hierarchy mounted twice is one; a mount point below another mount is none. */
static void note_mount(struct place *p, dev_t seen[PLACE_MAX], const struct mntent *m)
{
	bool v2 = strcmp(m->mnt_type, "cgroup2") == 0;
	struct place_group *g = &p->g[p->n];
	cleanup_close int dir = -1;
	struct statfs fs;
	struct stat st;

	if ((!v2 && strcmp(m->mnt_type, "cgroup") != 0) || p->n == PLACE_MAX ||
	    strlen(m->mnt_dir) >= sizeof g->mount)
		return;
	dir = open_dir(AT_FDCWD, m->mnt_dir);
	if (dir < 0 || fstat(dir, &st) < 0 || fstatfs(dir, &fs) < 0 ||
	    fs.f_type != (v2 ? CGROUP2_SUPER_MAGIC : CGROUP_SUPER_MAGIC))
		return;
	for (size_t i = 0; i < p->n; i++)
		if (seen[i] == st.st_dev)
			return;
	snprintf(g->mount, sizeof g->mount, "%s", m->mnt_dir);
	g->v2 = v2;
	g->controllers = v2 ? v2_controllers(dir, "cgroup.controllers") : 0;
	for (unsigned c = 0; !v2 && c < PLACE_CONTROLLERS; c++)
		if (hasmntopt(m, names[c]))
			g->controllers |= 1u << c;
	if (v2)
		p->unified = (int)p->n;
	seen[p->n++] = st.st_dev;
}

static int find_hierarchies(struct place *p, struct cis_error *err)
{
	dev_t seen[PLACE_MAX];
	struct mntent entry;
	char line[4096];
	FILE *mounts = setmntent("/proc/self/mounts", "re");

	if (!mounts)
		return cis_fail(err, errno, "cgroups: open /proc/self/mounts");
	while (getmntent_r(mounts, &entry, line, sizeof line))
		note_mount(p, seen, &entry);
	endmntent(mounts);
	if (p->n > 0)
		return 0;
	return cis_fail_plain(err, EOPNOTSUPP,
			      "cgroups: no hierarchy is mounted (mount cgroup2 at "
			      "/sys/fs/cgroup)");
}

/* ---- making -------------------------------------------------------------- */

/*
 * What @dir has, for its children, if they have not: the write waits for groups that are
 * being removed. All at once first; where one does not go (cpu with real-time processes)
 * the others still should. A limit that needs it will say so.
 */
static void enable_below(int dir)
{
	unsigned int have = v2_controllers(dir, "cgroup.controllers") &
			    ~v2_controllers(dir, "cgroup.subtree_control");
	char all[256] = "", one[32];

	for (unsigned c = 0; c < PLACE_CONTROLLERS; c++)
		if (have & (1u << c)) {
			size_t used = strlen(all);

			snprintf(all + used, sizeof all - used, "%s+%s", used ? " " : "",
				 place_controller_name(c, true));
		}
	if (!*all || io_write_file_at(dir, "cgroup.subtree_control", all) == 0)
		return;
	for (unsigned c = 0; c < PLACE_CONTROLLERS; c++)
		if (have & (1u << c)) {
			snprintf(one, sizeof one, "+%s", place_controller_name(c, true));
			io_write_file_at(dir, "cgroup.subtree_control", one);
		}
}

/* v1: a cpuset begins empty, and nobody can join it like that. */
static int inherit_cpuset(int parent, int dir)
{
	static const char *const files[] = {"cpuset.cpus", "cpuset.mems"};

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		cleanup_free char *own = NULL;
		cleanup_free char *above = NULL;
		int r = io_read_file_at(dir, files[i], 65536, &own, NULL);

		if (r >= 0 && own[strspn(own, " \n")])
			continue;
		if (r >= 0)
			r = io_read_file_at(parent, files[i], 65536, &above, NULL);
		if (r >= 0)
			r = io_write_file_at(dir, files[i], above);
		if (r < 0)
			return r;
	}
	return 0;
}

static int step_down(const struct place_group *g, int *dir, const char *name)
{
	int sub, r;

	if (g->v2)
		enable_below(*dir);
	if (mkdirat(*dir, name, 0755) < 0 && errno != EEXIST)
		return -errno;
	sub = open_dir(*dir, name);
	if (sub < 0)
		return sub;
	r = g->controllers & (1u << PLACE_CPUSET) && !g->v2 ? inherit_cpuset(*dir, sub)
							    : 0;
	fd_close(*dir);
	*dir = sub;
	return r;
}

static int open_tasks(struct place_group *g)
{
	if (g->v2) {
		g->controllers = v2_controllers(g->dir, "cgroup.controllers");
		return 0;
	}
	g->tasks = openat(g->dir, "tasks", O_WRONLY | O_CLOEXEC);
	return g->tasks < 0 ? -errno : 0;
}

static int make_once(const struct place *p, struct place_group *g)
{
	cleanup_close int dir = open_dir(AT_FDCWD, g->mount);
	const char *rest = p->path;

	if (dir < 0)
		return dir;
	while (*rest) {
		size_t n = strcspn(rest, "/");
		char name[256];
		int r;

		snprintf(name, sizeof name, "%.*s", (int)n, rest);
		r = step_down(g, &dir, name);
		if (r < 0)
			return r;
		rest += n + (rest[n] == '/');
	}
	g->dir = steal_fd(&dir);
	return open_tasks(g);
}

static int make_all(struct place *p, struct cis_error *err)
{
	char where[PLACE_PATH + 192];

	for (size_t i = 0; i < p->n; i++) {
		int r = -ENOENT;

		/* ENOENT: another container's end has just removed our empty parent. */
		for (int tries = 0; r == -ENOENT && tries < 20; tries++)
			r = make_once(p, &p->g[i]);
		if (r < 0)
			return cis_fail(err, -r, "cgroups: make %s",
					place_where(p, &p->g[i], where, sizeof where));
	}
	return 0;
}

/* As runc: limits for others would hit us, and a frozen one would never start. */
static int refuse_used(const struct place *p, struct cis_error *err)
{
	struct place probe = *p;
	char where[PLACE_PATH + 192];
	int used = 0, frozen = 0;

	for (size_t i = 0; i < p->n && used <= 0 && !frozen; i++) {
		cleanup_close int root = open_dir(AT_FDCWD, p->g[i].mount);
		cleanup_close int dir = root < 0 ? -1 : open_dir(root, p->path);

		if (dir < 0)
			continue;
		probe.g[i].dir = dir;
		place_where(p, &p->g[i], where, sizeof where);
		used = place_populated(dir);
		frozen = place_is_frozen(&probe);
		probe.g[i].dir = -1;
	}
	if (used > 0)
		return cis_fail_plain(err, EBUSY,
				      "cgroups: container's cgroup is not empty: "
				      "%s has processes",
				      where);
	if (frozen)
		return cis_fail_plain(err, EBUSY,
				      "cgroups: container's cgroup unexpectedly "
				      "frozen: %s",
				      where);
	return 0;
}

static int decide(struct place *p, const char *cgroups_path, const char *id, bool systemd,
		  const struct config_resources *r, struct cis_error *err)
{
	int k = find_hierarchies(p, err);

	if (k >= 0 && systemd)
		k = place_path_systemd(cgroups_path, id, p->path, p->slice, p->unit, err);
	else if (k >= 0)
		k = place_path(cgroups_path, id, p->path, err);
	if (k >= 0 && r)
		k = resources_check(p, r, err);
	return k < 0 ? k : refuse_used(p, err);
}

int place_decide(struct place *p, const char *cgroups_path, const char *id, bool systemd,
		 const struct config_resources *r, struct cis_error *err)
{
	int k;

	place_done(p);
	k = decide(p, cgroups_path, id, systemd, r, err);
	if (k < 0)
		place_done(p);
	p->fresh = true;
	return k;
}

int place_make(struct place *p, struct cis_error *err)
{
	int r = make_all(p, err);

	if (r < 0)
		place_remove(p, NULL);
	return r;
}

int place_start_scope(struct place *p, pid_t pid, const struct config_resources *r,
		      struct cis_error *err)
{
	int k = systemd_start(p, pid, r, err);

	if (k >= 0)
		k = make_all(p, err);
	return k < 0 ? k : place_add_pid(p, pid, err);
}

/* ---- joining ------------------------------------------------------------- */

int place_unified_fd(const struct place *p)
{
	return p->unified < 0 ? -1 : p->g[p->unified].dir;
}

int place_join_child(const struct place *p)
{
	/* tasks rather than cgroup.procs: see group_join_v1_child(). */
	for (size_t i = 0; i < p->n; i++) {
		int r = p->g[i].tasks < 0 ? 0 : io_write_all(p->g[i].tasks, "0", 1);

		if (r < 0)
			return r;
	}
	return 0;
}

int place_add_pid(const struct place *p, pid_t pid, struct cis_error *err)
{
	char text[24] = "", where[PLACE_PATH + 192];

	num_append(text, sizeof text, (unsigned long long)pid);
	for (size_t i = 0; i < p->n; i++) {
		int r = p->g[i].dir < 0
				? 0
				: io_write_file_at(p->g[i].dir, "cgroup.procs", text);

		if (r < 0)
			return cis_fail(err, -r, "cgroups: move process %s into %s", text,
					place_where(p, &p->g[i], where, sizeof where));
	}
	return 0;
}

int place_delegate(const struct place *p, uid_t uid, gid_t gid, struct cis_error *err)
{
	static const char *const files[] = {".", "cgroup.procs", "cgroup.threads",
					    "cgroup.subtree_control"};
	int dir = place_unified_fd(p);

	for (size_t i = 0; dir >= 0 && i < ARRAY_SIZE(files); i++)
		if (fchownat(dir, files[i], uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
			return cis_fail(err, errno, "cgroups: delegate %s of %s",
					files[i], p->path);
	return 0;
}

/* ---- saved and loaded ---------------------------------------------------- */

void place_save(const struct place *p, struct json *obj)
{
	struct json *groups = json_array_new();

	json_set_string(obj, "path", p->path);
	json_set_string(obj, "slice", p->slice);
	json_set_string(obj, "unit", p->unit);
	for (size_t i = 0; i < p->n; i++) {
		struct json *g = json_object_new(), *list = json_array_new();

		for (unsigned c = 0; c < PLACE_CONTROLLERS; c++)
			if (p->g[i].controllers & (1u << c))
				json_push(list, json_string_new(names[c]));
		json_set_string(g, "mount", p->g[i].mount);
		json_set_bool(g, "v2", p->g[i].v2);
		json_set(g, "controllers", list);
		json_push(groups, g);
	}
	json_set(obj, "groups", groups);
}

static int load_string(const struct json *obj, const char *key, char *buf, size_t size,
		       struct cis_error *err)
{
	const char *s = NULL;
	const struct json *v;
	int r = json_need(obj, key, &v, err);

	if (r >= 0)
		r = json_want_string(v, &s, err);
	if (r >= 0 && strlen(s) >= size)
		r = json_fail(v, err, ENAMETOOLONG, "too long");
	if (r >= 0)
		memcpy(buf, s, strlen(s) + 1);
	return r;
}

static int load_controllers(const struct json *list, struct place_group *g,
			    struct cis_error *err)
{
	int r = json_want(list, JSON_ARRAY, err);
	const char *name;

	for (const struct json *v = list->first; r >= 0 && v; v = v->next) {
		r = json_want_string(v, &name, err);
		for (unsigned c = 0; r >= 0 && c < PLACE_CONTROLLERS; c++)
			if (strcmp(name, names[c]) == 0)
				g->controllers |= 1u << c;
	}
	return r;
}

static int load_group(struct place *p, const struct json *v, struct cis_error *err)
{
	cleanup_close int root = -1;
	const struct json *v2, *list;
	struct place_group *g = &p->g[p->n];
	int r = load_string(v, "mount", g->mount, sizeof g->mount, err);

	if (r >= 0)
		r = json_need(v, "v2", &v2, err);
	if (r >= 0)
		r = json_want_bool(v2, &g->v2, err);
	if (r >= 0)
		r = json_need(v, "controllers", &list, err);
	if (r >= 0)
		r = load_controllers(list, g, err);
	if (r < 0)
		return r;
	if (g->v2)
		p->unified = (int)p->n;
	p->n++;
	root = open_dir(AT_FDCWD, g->mount);
	g->dir = root < 0 ? -1 : MAX(open_dir(root, p->path), -1);
	if (g->dir >= 0 && !g->v2)
		g->tasks = openat(g->dir, "tasks", O_WRONLY | O_CLOEXEC);
	return 0;
}

int place_load(struct place *p, const struct json *obj, struct cis_error *err)
{
	const struct json *groups;
	int r;

	place_done(p);
	r = load_string(obj, "path", p->path, sizeof p->path, err);
	if (r >= 0)
		r = load_string(obj, "slice", p->slice, sizeof p->slice, err);
	if (r >= 0)
		r = load_string(obj, "unit", p->unit, sizeof p->unit, err);
	if (r >= 0)
		r = json_need(obj, "groups", &groups, err);
	if (r >= 0)
		r = json_want(groups, JSON_ARRAY, err);
	for (const struct json *v = r < 0 ? NULL : groups->first; r >= 0 && v;
	     v = v->next)
		r = p->n < PLACE_MAX ? load_group(p, v, err)
				     : json_fail(v, err, E2BIG, "too many hierarchies");
	if (r >= 0 && p->n && !*p->path)
		r = json_fail(obj, err, EINVAL, "no path of a group");
	if (r < 0)
		place_done(p);
	return r;
}
