/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hierarchy.h"

#include <errno.h>
#include <fcntl.h>
#include <libcgroup.h>
#include <linux/magic.h>
#include <mntent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "../base/fd.h"
#include "../base/io.h"
#include "../base/str.h"
#include "../base/process.h"
#include "../base/sys.h"
#include "own.h"

#define CACHE_NAME ".cgroups"

static const char *const names[CTL_COUNT] = {
	[CTL_MEMORY] = "memory",
	[CTL_CPU] = "cpu",
	[CTL_CPUACCT] = "cpuacct",
	[CTL_PIDS] = "pids",
	[CTL_IO] = "io",
};

const char *controller_name(enum controller c)
{
	return names[c];
}

bool hierarchy_is_optional(const struct hierarchy *h)
{
	return !h->v2 && h->controllers == 1u << CTL_IO;
}

int hierarchy_of(const struct hierarchies *hs, enum controller c)
{
	for (size_t i = 0; i < hs->n; i++)
		if (hs->h[i].controllers & (1u << c))
			return (int)i;
	return -1;
}

static struct hierarchy *get_hierarchy(struct hierarchies *hs, const char *mount)
{
	struct hierarchy *h;

	for (size_t i = 0; i < hs->n; i++)
		if (strcmp(hs->h[i].mount, mount) == 0)
			return &hs->h[i];
	if (hs->n == ARRAY_SIZE(hs->h) || strlen(mount) >= sizeof h->mount)
		return NULL;
	h = &hs->h[hs->n++];
	*h = (struct hierarchy){0};
	snprintf(h->mount, sizeof h->mount, "%s", mount);
	return h;
}

/* libcgroup lists controllers only: a cgroup2 without any is found here. */
static void find_unified(struct hierarchies *hs)
{
	struct mntent entry;
	char line[4096];
	FILE *mounts = setmntent("/proc/self/mounts", "re");

	hs->unified = -1;
	while (mounts && hs->unified < 0 && getmntent_r(mounts, &entry, line, sizeof line)) {
		struct hierarchy *h;

		if (strcmp(entry.mnt_type, "cgroup2") != 0)
			continue;
		h = get_hierarchy(hs, entry.mnt_dir);
		if (h) {
			h->v2 = true;
			hs->unified = (int)(h - hs->h);
		}
	}
	if (mounts)
		endmntent(mounts);
}

static bool is_named(enum controller c, const char *name)
{
	/* v1's word for it. */
	return strcmp(name, names[c]) == 0 || (c == CTL_IO && strcmp(name, "blkio") == 0);
}

static void note_controller(struct hierarchies *hs, const struct cgroup_mount_point *mp)
{
	for (unsigned c = 0; c < CTL_COUNT; c++) {
		struct hierarchy *h;

		if (!is_named((enum controller)c, mp->name) ||
		    hierarchy_of(hs, (enum controller)c) >= 0)
			continue;
		h = get_hierarchy(hs, mp->path);
		if (h)
			h->controllers |= 1u << c;
	}
}

static int ask_libcgroup(struct hierarchies *ret, struct cis_error *err)
{
	struct cgroup_mount_point mp;
	void *handle = NULL;
	int r;

	*ret = (struct hierarchies){.unified = -1};
	find_unified(ret);
	r = cgroup_init();
	if (r != 0 && r != ECGROUPNOTMOUNTED)
		return cis_fail_plain(err, EIO,
				      "cgroups: libcgroup cannot read the mounted hierarchies: "
				      "%s (is something mounted over /sys/fs/cgroup?)",
				      r == ECGOTHER ? strerror(cgroup_get_last_errno())
						    : cgroup_strerror(r));
	if (r == 0) {
		for (r = cgroup_get_controller_begin(&handle, &mp); r == 0;
		     r = cgroup_get_controller_next(&handle, &mp))
			note_controller(ret, &mp);
		cgroup_get_controller_end(&handle);
	}
	/* cgroup2's cpu controller always accounts too. */
	if (ret->unified >= 0 && (ret->h[ret->unified].controllers & (1u << CTL_CPU)))
		ret->h[ret->unified].controllers |= 1u << CTL_CPUACCT;
	return 0;
}

int hierarchy_open(const struct hierarchy *h)
{
	cleanup_close int fs = -1;
	int r;

	if (*h->mount) {
		r = open(h->mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		return r < 0 ? -errno : r;
	}
	fs = sys_fsopen("cgroup2");
	r = fs < 0 ? fs : sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL);
	return r < 0 ? r : sys_fsmount(fs, 0);
}

/* Pure v1: cgroup2 without controllers is still what the sandbox is rooted in. */
static void set_mode(struct hierarchies *hs)
{
	if (hs->unified < 0 && process_is_rootless()) {
		*hs = (struct hierarchies){.mode = "none"};
		return;
	}
	if (hs->unified < 0) {
		struct hierarchy *h = get_hierarchy(hs, "");

		h->v2 = true;
		hs->unified = (int)(h - hs->h);
	}
	if (!*hs->h[hs->unified].mount)
		hs->mode = "legacy";
	else
		hs->mode = hs->n == 1 ? "unified" : "hybrid";
}

/* ---- what was found, kept for the next start ---------------------------------------- */

static bool is_cgroup_mount(const struct hierarchy *h)
{
	struct statfs st;

	return statfs(h->mount, &st) == 0 &&
	       st.f_type == (h->v2 ? CGROUP2_SUPER_MAGIC : CGROUP_SUPER_MAGIC);
}

/* A line a hierarchy: version, controllers as bits, mount point. */
static bool read_cache(int dirfd, struct hierarchies *ret)
{
	cleanup_free char *text = NULL;
	char *save = NULL;

	*ret = (struct hierarchies){.unified = -1};
	if (io_read_file_at(dirfd, CACHE_NAME, 4096, &text, NULL) < 0)
		return false;
	for (char *line = strtok_r(text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		struct hierarchy *h = ret->n < ARRAY_SIZE(ret->h) ? &ret->h[ret->n] : NULL;
		int version;

		if (!h || sscanf(line, "%d %u %127s", &version, &h->controllers, h->mount) != 3)
			return false;
		h->v2 = version == 2;
		if (!is_cgroup_mount(h))
			return false;
		if (h->v2)
			ret->unified = (int)ret->n;
		ret->n++;
	}
	return ret->n > 0;
}

static void write_cache(int dirfd, const struct hierarchies *hs)
{
	char text[4096];
	size_t used = 0;
	cleanup_close int fd = -1;

	for (size_t i = 0; i < hs->n; i++)
		used += (size_t)snprintf(text + used, sizeof text - used, "%d %u %s\n",
					 hs->h[i].v2 ? 2 : 1, hs->h[i].controllers,
					 hs->h[i].mount);
	fd = openat(dirfd, CACHE_NAME ".new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || io_write_all(fd, text, used) < 0 ||
	    renameat(dirfd, CACHE_NAME ".new", dirfd, CACHE_NAME) < 0)
		unlinkat(dirfd, CACHE_NAME ".new", 0);
}

bool hierarchies_are_known(int cache_dirfd)
{
	struct hierarchies hs;

	return read_cache(cache_dirfd, &hs);
}

int hierarchies_find(struct hierarchies *ret, int cache_dirfd, unsigned int needed,
		     struct cis_error *err)
{
	int r = 0;

	if (cache_dirfd < 0 || !read_cache(cache_dirfd, ret) ||
	    (hierarchies_controllers(ret) & needed) != needed) {
		r = process_is_rootless() ? own_find(ret, err) : ask_libcgroup(ret, err);
		if (r >= 0 && ret->n && cache_dirfd >= 0)
			write_cache(cache_dirfd, ret);
	}
	set_mode(ret);
	return r;
}

unsigned int hierarchies_controllers(const struct hierarchies *hs)
{
	unsigned int all = 0;

	for (size_t i = 0; i < hs->n; i++)
		all |= hs->h[i].controllers;
	return all;
}

/* ---- making a group -------------------------------------------------------------------- */

/* What is there to be enabled for the groups below: "+memory +pids". */
static int enable_below(const struct hierarchy *h, int dir, bool with_io)
{
	char text[96] = "";

	for (unsigned c = 0; c < CTL_COUNT; c++)
		if ((h->controllers & (1u << c)) && c != CTL_CPUACCT && (c != CTL_IO || with_io)) {
			strcat(text, *text ? " +" : "+");
			strcat(text, names[c]);
		}
	return *text ? io_write_file_at(dir, "cgroup.subtree_control", text) : 0;
}

static int write_settings(const struct hierarchy *h, int dir, const struct setting *settings,
			  size_t n, struct cis_error *err)
{
	for (size_t i = 0; i < n; i++) {
		int r;

		if (!(h->controllers & (1u << settings[i].controller)))
			continue;
		r = io_write_file_at(dir, settings[i].file, settings[i].value);
		if (r < 0)
			return cis_fail(err, -r, "cgroups: write %s to %s in %s",
					settings[i].value, settings[i].file, h->mount);
	}
	return 0;
}

int hierarchy_fail_taken(const struct hierarchy *h, const char *name, struct cis_error *err)
{
	return cis_fail_plain(err, EEXIST,
			      "cgroups: %s in %s is another's, or of a sandbox whose state "
			      "somebody removed (choose another name)",
			      name, *h->mount ? h->mount : "cgroup2");
}

/* A directory of @h in which groups can have what @settings say. */
static int open_ready(const struct hierarchy *h, const struct setting *settings, size_t n,
		      struct cis_error *err)
{
	cleanup_close int root = hierarchy_open(h);
	bool with_io = false;
	int r;

	for (size_t i = 0; i < n; i++)
		with_io = with_io || settings[i].controller == CTL_IO;
	if (root < 0)
		return cis_fail(err, -root, "cgroups: open %s", *h->mount ? h->mount : "cgroup2");
	r = h->v2 ? enable_below(h, root, with_io) : 0;
	/* A user's, who may not ask the others in it to leave: nothing is to be limited. */
	if (r == -EBUSY && !n && process_is_rootless())
		r = 0;
	if (r < 0)
		cis_fail(err, -r, "cgroups: enable controllers in %s", h->mount);
	if (r == -EBUSY && process_is_rootless())
		cis_hint(err, "other processes are in it: DelegateSubgroup= in its unit, or "
			      "systemd-run --user --scope -p Delegate=yes");
	return r < 0 ? r : steal_fd(&root);
}

int hierarchy_create(const struct hierarchy *h, const char *name,
		     const struct setting *settings, size_t n, int *ret_dir,
		     struct cis_error *err)
{
	cleanup_close int root = open_ready(h, settings, n, err);

	if (root < 0)
		return root;
	if (mkdirat(root, name, 0755) < 0)
		return errno == EEXIST
			       ? hierarchy_fail_taken(h, name, err)
			       : cis_fail(err, errno, "cgroups: make %s in %s", name, h->mount);
	*ret_dir = openat(root, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*ret_dir < 0)
		return cis_fail(err, errno, "cgroups: open %s in %s", name, h->mount);
	return write_settings(h, *ret_dir, settings, n, err);
}

int hierarchy_change(const struct hierarchy *h, int dir, const struct setting *settings,
		     size_t n, struct cis_error *err)
{
	cleanup_close int root = open_ready(h, settings, n, err);

	return root < 0 ? root : write_settings(h, dir, settings, n, err);
}
