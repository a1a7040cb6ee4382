/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where this host keeps which controller, and the creation of groups there:
 * what libcgroup knows. Only hierarchy.c includes it; killing, freezing and
 * placing processes, which it cannot do, work on directory descriptors (group.c).
 */
#ifndef CIS_CGROUP_HIERARCHY_H
#define CIS_CGROUP_HIERARCHY_H

#include <stdbool.h>
#include <stddef.h>

#include "../base/error.h"

enum controller { CTL_MEMORY, CTL_CPU, CTL_CPUACCT, CTL_PIDS, CTL_COUNT };

struct hierarchy {
	char mount[128];       /* "/sys/fs/cgroup/memory" */
	bool v2;
	unsigned controllers;  /* bits 1 << enum controller */
};

struct hierarchies {
	struct hierarchy h[CTL_COUNT + 1];
	size_t n;
	int unified;           /* index of the cgroup2 mount, or -1 */
	const char *mode;      /* "unified", "hybrid", "legacy" */
};

const char *controller_name(enum controller c);

/* Index of the hierarchy that has @c, or -1. */
int hierarchy_of(const struct hierarchies *hs, enum controller c);

int hierarchies_find(struct hierarchies *ret, struct cis_error *err);

/* One control file and its value, for hierarchy_create(). */
struct setting {
	enum controller controller;
	const char *file;
	char value[48];
};

/*
 * Makes group @name in @h with those of @settings whose controller lives there. A
 * group that exists is taken over. On failure it may exist half made.
 */
int hierarchy_create(const struct hierarchy *h, const char *name,
		     const struct setting *settings, size_t n, struct cis_error *err);

#endif
