/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The checks of control groups: which hierarchies are mounted, which controllers
 * they have, and what a group made on trial turns out to offer. They stand apart
 * from check.c because v1, v2 and a mix of both each want a remedy of their own.
 */
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../base/fd.h"
#include "../base/io.h"
#include "../base/process.h"
#include "../base/str.h"

#define DELEGATE "start it by systemd-run --user --scope -p Delegate=yes, or in a unit with " \
		 "Delegate=yes"

static const char *unified_mount(const struct host *h)
{
	const char *mount = h->hs.h[h->hs.unified].mount;

	return *mount ? mount : "a mount of our own";
}

static bool has_file(int dir, const char *name)
{
	return faccessat(dir, name, F_OK, 0) == 0;
}

/* The process we had in it is gone a moment before its group says so. */
static void remove_group(int root, const char *name)
{
	for (int tries = 0; tries < 200; tries++) {
		if (unlinkat(root, name, AT_REMOVEDIR) == 0 || errno != EBUSY)
			return;
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	}
}

/* Signals wait meanwhile: a directory here does not go away with us. */
void check_try_group(struct host *h)
{
	cleanup_close int root = -1, dir = -1;
	sigset_t all, old;
	char name[64];

	h->group_result = h->into_result = -ENOENT;
	if (h->hs_result < 0 || !h->hs.n)
		return;
	root = hierarchy_open(&h->hs.h[h->hs.unified]);
	snprintf(name, sizeof name, "cisandbox-check-%d", getpid());
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	h->group_result = root < 0 ? root : mkdirat(root, name, 0755) < 0 ? -errno : 0;
	if (h->group_result == 0) {
		dir = openat(root, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		h->group_kill = has_file(dir, "cgroup.kill");
		h->group_memory = has_file(dir, "memory.max");
		h->group_swap = has_file(dir, "memory.swap.max");
		h->into_result = probe_into_cgroup(dir);
		remove_group(root, name);
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

void check_cgroup(const struct host *h, struct cis_check *c)
{
	int r = MIN(h->group_result, h->into_result);

	if (h->hs_result < 0) {
		check_found(c, "cannot tell how they are mounted");
		check_lacks(c, CIS_CHECK_MISSING, "mount -t cgroup2 cgroup2 /sys/fs/cgroup");
		return;
	}
	if (!h->hs.n) {
		check_found(c, "none is this user's: no limits but those of time and disk");
		check_lacks(c, CIS_CHECK_WARNING, DELEGATE);
		return;
	}
	if (check_judge(h, c, r, CIS_CHECK_MISSING, "",
		  "in a container, a writable cgroup2 (docker: --privileged "
		  "--cgroupns=private)"))
		check_found(c, "%s, cgroup2 at %s", h->hs.mode, unified_mount(h));
	else
		check_found(c, "%s, no group in %s: %s", h->hs.mode, unified_mount(h),
		      strerror(-r));
}

static bool file_has_word(const char *dir, const char *file, const char *word)
{
	cleanup_free char *path = NULL, *text = NULL;
	char *save = NULL;

	if (str_format(&path, "%s/%s", dir, file) < 0 ||
	    io_read_file_at(AT_FDCWD, path, 1 << 20, &text, NULL) < 0)
		return false;
	for (char *w = strtok_r(text, " \n", &save); w; w = strtok_r(NULL, " \n", &save))
		if (!word || strcmp(w, word) == 0)
			return true;
	return false;
}

/*
 * A cgroup2 that is a part of a larger one hands controllers on only while no
 * process stands in its top group. The true root, which has no cgroup.type, may.
 */
static bool is_blocked(const struct hierarchy *h, const char *name)
{
	char type[160];

	snprintf(type, sizeof type, "%s/cgroup.type", h->mount);
	return h->v2 && check_exists(type) &&
	       !file_has_word(h->mount, "cgroup.subtree_control", name) &&
	       file_has_word(h->mount, "cgroup.procs", NULL);
}

/* The last column of /proc/cgroups: 1, 0, or -1 when it is not listed. */
static int is_enabled(const char *name)
{
	cleanup_free char *text = NULL;
	char *save = NULL;

	if (io_read_file_at(AT_FDCWD, "/proc/cgroups", 65536, &text, NULL) < 0)
		return -1;
	for (char *l = strtok_r(text, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		char word[64];
		int enabled;

		if (sscanf(l, "%63s %*d %*d %d", word, &enabled) == 2 &&
		    strcmp(word, name) == 0)
			return enabled;
	}
	return -1;
}

static void lacks_controller(const struct host *h, struct cis_check *c, const char *name)
{
	int enabled = is_enabled(name);

	check_found(c, "no %s controller (cgroup mode %s)", name, h->hs.mode);
	if (enabled == 0)
		check_lacks(c, CIS_CHECK_WARNING,
		      "boot with the kernel parameter cgroup_enable=%s", name);
	else if (strcmp(h->hs.mode, "unified") == 0)
		check_lacks(c, CIS_CHECK_WARNING,
		      "hand it down: Delegate=yes in the unit, or echo +%s > "
		      "cgroup.subtree_control of the groups above; or boot with "
		      "cgroup_enable=%s",
		      name, name);
	else if (enabled == 1)
		check_lacks(c, CIS_CHECK_WARNING,
		      "mkdir -p /sys/fs/cgroup/%s && mount -t cgroup -o %s %s "
		      "/sys/fs/cgroup/%s",
		      name, name, name, name);
	else
		check_lacks(c, CIS_CHECK_WARNING,
		      "a kernel with it, or boot with cgroup_enable=%s", name);
}

static void check_controller(const struct host *h, struct cis_check *c,
			     enum controller ctl)
{
	const char *name = controller_name(ctl);
	int i = h->hs_result < 0 ? -1 : hierarchy_of(&h->hs, ctl);
	const struct hierarchy *at = &h->hs.h[i < 0 ? 0 : i];

	if (h->hs_result >= 0 && process_is_rootless() && i < 0) {
		check_found(c, "no group of this user's has the %s controller", name);
		check_lacks(c, CIS_CHECK_WARNING, DELEGATE);
	} else if (h->hs_result < 0 || h->hs.n == 0) {
		check_found(c, "no control groups are mounted");
		check_lacks(c, CIS_CHECK_WARNING, "first what \"cgroup\" says");
	} else if (i < 0) {
		/* v1's word, which /proc/cgroups and mount(8) want. */
		if (ctl == CTL_IO && strcmp(h->hs.mode, "unified") != 0)
			name = "blkio";
		lacks_controller(h, c, name);
	} else if (!process_is_rootless() && is_blocked(at, name)) {
		check_found(c, "at %s, but processes in its top group hold it back", at->mount);
		check_lacks(c, CIS_CHECK_WARNING,
		      "move them into a group of their own: mkdir %.60s/init; then write "
		      "each line of cgroup.procs into %.60s/init/cgroup.procs",
		      at->mount, at->mount);
	} else if (access(at->mount, W_OK) < 0) {
		check_found(c, "at %s, which is not writable: %s", at->mount, strerror(errno));
		check_lacks(c, CIS_CHECK_WARNING,
		      "run as root, with that file system mounted rw");
	} else {
		check_found(c, "at %s (v%d)", at->mount, at->v2 ? 2 : 1);
	}
}

void check_memory(const struct host *h, struct cis_check *c)
{
	check_controller(h, c, CTL_MEMORY);
}

void check_cpu(const struct host *h, struct cis_check *c)
{
	check_controller(h, c, CTL_CPU);
}

void check_pids(const struct host *h, struct cis_check *c)
{
	check_controller(h, c, CTL_PIDS);
}

void check_io(const struct host *h, struct cis_check *c)
{
	int i = h->hs_result < 0 ? -1 : hierarchy_of(&h->hs, CTL_IO);

	check_controller(h, c, CTL_IO);
	if (c->result != CIS_CHECK_OK || h->hs.h[i].v2)
		return;
	check_found(c, "at %s (v1): for reads alone", h->hs.h[i].mount);
	check_lacks(c, CIS_CHECK_WARNING, "boot with systemd.unified_cgroup_hierarchy=1: v1 does "
		    "not know whose a buffered write is");
}

static bool has_swap(void)
{
	cleanup_free char *text = NULL;
	char *line;

	if (io_read_file_at(AT_FDCWD, "/proc/swaps", 65536, &text, NULL) < 0)
		return true;
	line = strchr(text, '\n'); /* the first is the heading */
	return line && line[1];
}

void check_swap(const struct host *h, struct cis_check *c)
{
	int i = h->hs_result < 0 ? -1 : hierarchy_of(&h->hs, CTL_MEMORY);
	char path[192];

	if (i >= 0 && !h->hs.h[i].v2) {
		snprintf(path, sizeof path, "%s/memory.memsw.limit_in_bytes",
			 h->hs.h[i].mount);
		if (check_exists(path)) {
			check_found(c, "counted");
			return;
		}
	} else if (i >= 0 && h->group_swap) {
		check_found(c, "counted");
		return;
	} else if (i >= 0 && !h->group_memory && has_swap()) {
		/* The file shows only below a group that hands memory on. */
		check_found(c, "there; whether it is counted shows in the first sandbox");
		return;
	}
	if (!has_swap()) {
		check_found(c, "none on this host");
		return;
	}
	check_found(c, "not counted: a job may take swap on top of its memory");
	check_lacks(c, CIS_CHECK_WARNING,
	      "boot with swapaccount=1 (and the memory controller), or swapoff -a");
}

void check_cgroup_kill(const struct host *h, struct cis_check *c)
{
	if (h->hs_result >= 0 && !h->hs.n) {
		check_found(c, "not needed: no groups, and the end of init ends all");
		return;
	}
	if (h->group_kill) {
		check_found(c, "there");
		return;
	}
	check_found(c, "%s",
	      h->group_result < 0 ? "cannot tell: no group could be made"
				  : "not there: processes are killed one by one");
	check_lacks(c, CIS_CHECK_WARNING, "Linux 5.14 or later; first what \"cgroup\" says");
}
