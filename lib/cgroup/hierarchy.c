/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hierarchy.h"

#include <errno.h>
#include <libcgroup.h>
#include <mntent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const char *const names[CTL_COUNT] = {
	[CTL_MEMORY] = "memory",
	[CTL_CPU] = "cpu",
	[CTL_CPUACCT] = "cpuacct",
	[CTL_PIDS] = "pids",
};

const char *controller_name(enum controller c)
{
	return names[c];
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

static void note_controller(struct hierarchies *hs, const struct cgroup_mount_point *mp)
{
	for (unsigned c = 0; c < CTL_COUNT; c++) {
		struct hierarchy *h;

		if (strcmp(mp->name, names[c]) != 0 ||
		    hierarchy_of(hs, (enum controller)c) >= 0)
			continue;
		h = get_hierarchy(hs, mp->path);
		if (h)
			h->controllers |= 1u << c;
	}
}

int hierarchies_find(struct hierarchies *ret, struct cis_error *err)
{
	struct cgroup_mount_point mp;
	void *handle = NULL;
	int r;

	*ret = (struct hierarchies){.unified = -1};
	find_unified(ret);
	r = cgroup_init();
	if (r != 0 && r != ECGROUPNOTMOUNTED)
		return cis_fail_plain(err, EIO, "cgroups: %s", cgroup_strerror(r));
	if (r == 0) {
		for (r = cgroup_get_controller_begin(&handle, &mp); r == 0;
		     r = cgroup_get_controller_next(&handle, &mp))
			note_controller(ret, &mp);
		cgroup_get_controller_end(&handle);
	}
	if (ret->unified < 0)
		ret->mode = "legacy";
	else
		ret->mode = ret->n == 1 ? "unified" : "hybrid";
	/* cgroup2's cpu controller always accounts too. */
	if (ret->unified >= 0 && (ret->h[ret->unified].controllers & (1u << CTL_CPU)))
		ret->h[ret->unified].controllers |= 1u << CTL_CPUACCT;
	return 0;
}

/* What libcgroup says, with the errno behind it where there is one. */
static int fail_ecg(struct cis_error *err, int ecg, const struct hierarchy *h, const char *name)
{
	int errnum = ecg == ECGOTHER ? cgroup_get_last_errno() : EIO;

	return cis_fail_plain(err, errnum ? errnum : EIO, "cgroups: make %s/%s: %s", h->mount,
			      name,
			      ecg == ECGOTHER ? strerror(errnum) : cgroup_strerror(ecg));
}

static int fill(struct cgroup *cg, const struct hierarchy *h, const struct setting *settings,
		size_t n)
{
	for (unsigned c = 0; c < CTL_COUNT; c++) {
		struct cgroup_controller *ctl;
		int r = 0;

		if (!(h->controllers & (1u << c)) || (h->v2 && c == CTL_CPUACCT))
			continue;
		ctl = cgroup_add_controller(cg, names[c]);
		if (!ctl)
			return ECGOTHER;
		for (size_t i = 0; i < n && r == 0; i++)
			if (settings[i].controller == (enum controller)c)
				r = cgroup_add_value_string(ctl, settings[i].file,
							    settings[i].value);
		if (r != 0)
			return r;
	}
	return 0;
}

/* The unified hierarchy with no controller of ours: a directory is all it takes. */
static int make_plain(const struct hierarchy *h, const char *name, struct cis_error *err)
{
	char path[512];
	size_t base = strlen(h->mount) + 1;

	snprintf(path, sizeof path, "%s/%s/", h->mount, name);
	for (char *slash = strchr(path + base, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(path, 0755) < 0 && errno != EEXIST)
			return cis_fail(err, errno, "cgroups: make %s", path);
		*slash = '/';
	}
	return 0;
}

int hierarchy_create(const struct hierarchy *h, const char *name,
		     const struct setting *settings, size_t n, struct cis_error *err)
{
	struct cgroup *cg;
	int r;

	if (!h->controllers)
		return make_plain(h, name, err);
	cg = cgroup_new_cgroup(name);
	if (!cg)
		return cis_fail(err, ENOMEM, "cgroups: make %s", name);
	r = fill(cg, h, settings, n);
	if (r == 0)
		/* 1: no chown of every control file; they are ours already. */
		r = cgroup_create_cgroup(cg, 1);
	if (r != 0)
		r = fail_ecg(err, r, h, name);
	cgroup_free(&cg);
	return r;
}
