/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where this host keeps which controller, as libcgroup finds it, and the
 * creation of groups there. libcgroup reads and clears so much that it costs 0.6 ms and
 * a megabyte of dirty memory, and as much again to create groups: more than a whole
 * sandbox may take. So it is asked once; its answer is kept in the state root, checked
 * against the mounts at each use, and groups are made on directory descriptors.
 */
#ifndef CIS_CGROUP_HIERARCHY_H
#define CIS_CGROUP_HIERARCHY_H

#include <stdbool.h>
#include <stddef.h>

#include "../base/error.h"

enum controller { CTL_MEMORY, CTL_CPU, CTL_CPUACCT, CTL_PIDS, CTL_IO, CTL_COUNT };

struct hierarchy {
	char mount[128];       /* "/sys/fs/cgroup/memory"; "" for a cgroup2 of our own */
	bool v2;
	unsigned controllers;  /* bits 1 << enum controller */
};

/* Without root: what was delegated to the user (own.h), or nothing: then n is 0. */
struct hierarchies {
	struct hierarchy h[CTL_COUNT + 1];
	size_t n;
	int unified;           /* index of cgroup2 */
	const char *mode;      /* "unified", "hybrid", "legacy"; "none": no groups for us */
};

/*
 * The root of a hierarchy. Every kernel has cgroup2; where the host has not
 * mounted it, this is a mount that only its descriptor knows. fd or -errno.
 */
int hierarchy_open(const struct hierarchy *h);

const char *controller_name(enum controller c);

/* Whether a group there is made only if somebody asks for its controller: one of io alone. */
bool hierarchy_is_optional(const struct hierarchy *h);

/* Index of the hierarchy that has @c, or -1. */
int hierarchy_of(const struct hierarchies *hs, enum controller c);

/*
 * @cache_dirfd: where a former answer is kept, or -1. @needed: controllers (bits) whose
 * absence from it is reason enough to look again.
 */
int hierarchies_find(struct hierarchies *ret, int cache_dirfd, unsigned int needed,
		     struct cis_error *err);

/* Whether @cache_dirfd holds an answer that is still true. */
bool hierarchies_are_known(int cache_dirfd);

/* Bits of all controllers that there are. */
unsigned int hierarchies_controllers(const struct hierarchies *hs);

/* One control file and its value, for hierarchy_create(). */
struct setting {
	enum controller controller;
	const char *file;
	char value[128];
};

/* -EEXIST, for who finds @name in @h. */
int hierarchy_fail_taken(const struct hierarchy *h, const char *name, struct cis_error *err);

/*
 * Makes @name in @h with those of @settings whose controller lives there; io is enabled for
 * it only if one of them is io's. -EEXIST: somebody else has. On any other failure it may
 * exist half made. *ret_dir: the group.
 */
int hierarchy_create(const struct hierarchy *h, const char *name,
		     const struct setting *settings, size_t n, int *ret_dir,
		     struct cis_error *err);
/* The same settings for the group @dir, which has been made. */
int hierarchy_change(const struct hierarchy *h, int dir, const struct setting *settings,
		     size_t n, struct cis_error *err);

#endif
