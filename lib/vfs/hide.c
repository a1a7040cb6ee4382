/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An overlay without an upper layer over a directory of sysfs: a small tmpfs on top says
 * what is not there (whiteouts) and what is different; all the rest is the kernel's, and
 * nobody has to serve it. Directories by FUSE would need a server that knows trees, and
 * a source for each of the 40 files that a cpu has.
 */
#include "hide.h"

#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

#include "../base/fd.h"
#include "../base/macros.h"
#include "../base/num.h"
#include "../base/sys.h"
#include "../fs/mount.h"
#include "cpus.h"

#define CPU_DIR "devices/system/cpu"
#define NODE_DIR "devices/system/node"
#define MEMORY_DIR "devices/system/memory"
#define BARE (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)

/* A cpu's neighbours: NAME has the mask, NAME_list the list. */
static const char *const neighbours[] = {
	"core_cpus",	 "core_siblings", "thread_siblings", "package_cpus",
	"die_cpus",	 "cluster_cpus",  "book_siblings",   "drawer_siblings",
};

struct hide {
	const cpu_set_t *shown;
	int cpu, node;         /* the kernel's directories; node may be -1 */
	int top_cpu, top_node; /* what is to lie over them */
	bool cpus, nodes;      /* some are hidden */
	bool freq;             /* and there is cpufreq to hide */
};

static int open_dir(int at, const char *name)
{
	return SYS(openat, at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int make_dir(int at, const char *name)
{
	int r = SYS(mkdirat, at, name, 0755);

	return r < 0 && r != -EEXIST ? r : open_dir(at, name);
}

/* What an overlay takes for the absence of @name. */
static int whiteout(int at, const char *name)
{
	return SYS(mknodat, at, name, S_IFCHR, 0);
}

static int write_text(int at, const char *name, const char *text, size_t len)
{
	cleanup_close int fd = SYS(openat, at, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
	int r = fd < 0 ? fd : SYS(write, fd, text, len);

	return r < 0 ? r : (size_t)r == len ? 0 : -EIO;
}

/* "cpu12": 12 with @prefix "cpu"; -1 where there is anything else. */
static int number_behind(const char *name, const char *prefix)
{
	size_t n = strlen(prefix);
	const char *end;
	uint64_t v;

	if (strncmp(name, prefix, n) != 0 || name[n] < '0' || name[n] > '9')
		return -1;
	v = text_read_num(name + n, &end);
	return *end || v > 0xffffff ? -1 : (int)v;
}

/* For each name in @dir; the first failure ends it. */
static int for_names(int dir, struct hide *h, int (*f)(struct hide *h, const char *name))
{
	_Alignas(struct dirent64) char buf[4096];
	int n, r = SYS(lseek, dir, 0, SEEK_SET);

	while (r >= 0 && (n = SYS(getdents64, dir, buf, sizeof buf)) != 0) {
		if (n < 0)
			return n;
		for (int at = 0; at < n && r >= 0;) {
			const struct dirent64 *d = (const void *)(buf + at);

			r = f(h, d->d_name);
			at += d->d_reclen;
		}
	}
	return r < 0 ? r : 0;
}

/* ---- what is to be hidden ------------------------------------------------------- */

static bool is_hidden_cpu(const struct hide *h, int cpu)
{
	return cpu >= 0 && (cpu >= CPU_SETSIZE || !CPU_ISSET((size_t)cpu, h->shown));
}

static int look_at_cpu(struct hide *h, const char *name)
{
	h->freq |= strcmp(name, "cpufreq") == 0;
	h->cpus |= is_hidden_cpu(h, number_behind(name, "cpu"));
	return 0;
}

static int look_at_node(struct hide *h, const char *name)
{
	h->nodes |= number_behind(name, "node") > 0;
	return 0;
}

/* ---- cpus -------------------------------------------------------------------------- */

/* As far as they are shown; files that this changes nothing in stay the kernel's. */
static int write_neighbours(const struct hide *h, int from, int to, const char *name)
{
	char list_name[32] = "", text[4096];
	struct text list = {.buf = text, .size = sizeof text};
	cleanup_close int fd = -1;
	cpu_set_t all, left;
	int r;

	strncat(list_name, name, sizeof list_name - 8);
	strcat(list_name, "_list");
	fd = SYS(openat, from, list_name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	r = SYS(read, fd, text, sizeof text - 1);
	if (r < 0)
		return r;
	text[r] = '\0';
	cpus_parse_list(text, &all);
	CPU_AND(&left, &all, h->shown);
	if (CPU_EQUAL(&left, &all))
		return 0;
	cpus_list(&left, &list);
	r = write_text(to, list_name, list.buf, list.len);
	list.len = 0;
	cpus_mask(&left, &list);
	return r < 0 ? r : write_text(to, name, list.buf, list.len);
}

static int write_topology(const struct hide *h, int from_cpu, int to_cpu)
{
	cleanup_close int from = open_dir(from_cpu, "topology"), to = -1;
	int r = 0;

	if (from < 0)
		return from == -ENOENT ? 0 : from;
	to = make_dir(to_cpu, "topology");
	for (size_t i = 0; i < ARRAY_SIZE(neighbours) && r >= 0; i++)
		r = to < 0 ? to : write_neighbours(h, from, to, neighbours[i]);
	return r;
}

/* It was of node @node, and is of node0 now. */
static int move_to_node0(struct hide *h, const char *cpu, const char *node)
{
	cleanup_close int from = open_dir(h->cpu, cpu), to = -1;
	int r = from < 0 ? from : SYS(faccessat, from, node, F_OK);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	to = make_dir(h->top_cpu, cpu);
	r = to < 0 ? to : whiteout(to, node);
	if (r >= 0) /* made up nodes (numa=fake) share their cpus */
		r = SYS(symlinkat, "../../node/node0", to, "node0");
	return r == -EEXIST ? 0 : r;
}

static int hide_cpu(struct hide *h, const char *name)
{
	cleanup_close int from = -1, to = -1;
	int cpu = number_behind(name, "cpu"), r = 0;
	bool freq;

	if (strcmp(name, "cpufreq") == 0 || is_hidden_cpu(h, cpu))
		return whiteout(h->top_cpu, name);
	if (cpu < 0)
		return 0;
	from = open_dir(h->cpu, name);
	freq = from >= 0 && h->freq && SYS(faccessat, from, "cpufreq", F_OK) >= 0;
	if (from < 0 || (!freq && !h->cpus))
		return MIN(from, 0);
	to = make_dir(h->top_cpu, name);
	if (to >= 0 && freq)
		r = whiteout(to, "cpufreq");
	return to < 0 ? to : r >= 0 && h->cpus ? write_topology(h, from, to) : r;
}

/* ---- nodes ------------------------------------------------------------------------- */

/* Node0 has all that is left of the memory and of the cpus. */
static int hide_node(struct hide *h, const char *name)
{
	static const char *const lists[] = {"online", "possible", "has_cpu", "has_memory",
					    "has_normal_memory"};
	int node = number_behind(name, "node"), r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		if (h->nodes && strcmp(name, lists[i]) == 0)
			return write_text(h->top_node, name, "0\n", 2);
	if (node <= 0)
		return 0;
	for (size_t i = 0; i < CPU_SETSIZE && r >= 0; i++) {
		char cpu[16] = "cpu";

		if (!CPU_ISSET(i, h->shown))
			continue;
		num_append(cpu, sizeof cpu, i);
		r = move_to_node0(h, cpu, name);
	}
	return r < 0 ? r : whiteout(h->top_node, name);
}

static int hide_nodes_cpu(struct hide *h, const char *name)
{
	cleanup_close int to = -1;

	if (!is_hidden_cpu(h, number_behind(name, "cpu")))
		return 0;
	to = make_dir(h->top_node, "node0");
	return to < 0 ? to : whiteout(to, name);
}

static int fill_node(struct hide *h)
{
	cleanup_close int node0 = open_dir(h->node, "node0"), to = -1;
	int r = node0 < 0 ? node0 : for_names(h->node, h, hide_node);

	if (r >= 0)
		r = for_names(node0, h, hide_nodes_cpu);
	if (r < 0 || !h->nodes)
		return r;
	to = make_dir(h->top_node, "node0");
	return to < 0 ? to : write_text(to, "distance", "10\n", 3);
}

/* ---- attaching --------------------------------------------------------------------- */

static int set_layers(int fs, int top, int bottom)
{
	char layers[64] = "/proc/self/fd/";

	num_append(layers, sizeof layers, (unsigned int)top);
	strcat(layers, ":/proc/self/fd/");
	num_append(layers, sizeof layers, (unsigned int)bottom);
	return sys_fsconfig(fs, FSCONFIG_SET_STRING, "lowerdir", layers);
}

static int put_over(int top, int bottom)
{
	cleanup_close int fs = sys_fsopen("overlay"), mount = -1;
	int r = fs < 0 ? fs : sys_fsconfig(fs, FSCONFIG_SET_STRING, "source", "cisandbox");

	if (r >= 0)
		r = set_layers(fs, top, bottom);
	if (r >= 0)
		r = sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL);
	mount = r < 0 ? r : sys_fsmount(fs, BARE | MOUNT_ATTR_RDONLY);
	return mount < 0 ? mount : sys_move_mount(mount, bottom);
}

static int hide_in(struct hide *h, int tmpfs)
{
	int r = 0;

	if (h->cpus || h->freq || h->nodes)
		h->top_cpu = r = make_dir(tmpfs, "cpu");
	if (r >= 0 && (h->cpus || h->nodes) && h->node >= 0)
		h->top_node = r = make_dir(tmpfs, "node");
	if (r >= 0 && (h->cpus || h->freq))
		r = for_names(h->cpu, h, hide_cpu);
	if (r >= 0 && h->top_node >= 0)
		r = fill_node(h);
	if (r >= 0 && h->top_cpu >= 0)
		r = put_over(h->top_cpu, h->cpu);
	if (r >= 0 && h->top_node >= 0)
		r = put_over(h->top_node, h->node);
	fd_close(h->top_cpu);
	fd_close(h->top_node);
	return r;
}

/* The empty end of the tmpfs, over a directory that is empty from then on. */
static int cover(int tmpfs, int with_nothing)
{
	struct mount_attr readonly = {.attr_set = MOUNT_ATTR_RDONLY};
	cleanup_close int none = make_dir(tmpfs, "none"), tree = -1;
	int r;

	if (none < 0)
		return none;
	tree = sys_open_tree(tmpfs, "none", OPEN_TREE_CLONE);
	r = tree < 0 ? tree : sys_mount_setattr(tree, 0, &readonly);
	return r < 0 ? r : sys_move_mount(tree, with_nothing);
}

int vfs_hide_child(int sys, const cpu_set_t *shown, bool one_node)
{
	cleanup_close int cpu = open_dir(sys, CPU_DIR), node = open_dir(sys, NODE_DIR);
	cleanup_close int firmware = open_dir(sys, "firmware"), tmpfs = -1, dir = -1;
	/* Blocks of all the machine's memory, by which lsmem(1) goes. */
	cleanup_close int memory = one_node ? open_dir(sys, MEMORY_DIR) : -1;
	struct hide h = {.shown = shown, .cpu = cpu, .node = node, .top_cpu = -1, .top_node = -1};
	int r = cpu < 0 ? cpu : for_names(cpu, &h, look_at_cpu);

	if (r >= 0 && node >= 0)
		r = for_names(node, &h, look_at_node);
	h.nodes &= one_node || h.cpus;
	if (r < 0 || (firmware < 0 && memory < 0 && !h.cpus && !h.freq && !h.nodes))
		return r;
	/* Attached, since kernels before 6.15 take layers only from what is: below all. */
	tmpfs = mount_new("tmpfs", "cisandbox", "mode=755,size=64m", BARE);
	r = tmpfs < 0 ? tmpfs : sys_move_mount(tmpfs, firmware < 0 ? cpu : firmware);
	dir = r < 0 ? r : open_dir(tmpfs, ".");
	if (dir < 0)
		return dir;
	r = hide_in(&h, dir);
	if (r >= 0 && memory >= 0)
		r = cover(dir, memory);
	return r >= 0 && firmware >= 0 ? cover(dir, firmware) : r;
}
