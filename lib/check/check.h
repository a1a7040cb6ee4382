/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Trying what the kernel gives: each probe is done by a child that makes the
 * thing for real in namespaces and detached mounts of its own, and dies. So
 * nothing is left behind, and nothing can be, whatever kills us. Shared by
 * check.c and cgroup.c (which word the report) and probe.c only.
 */
#ifndef CIS_CHECK_H
#define CIS_CHECK_H

#include <cisandbox.h>
#include <stdbool.h>
#include <stdint.h>
#include <unistd.h>

#include "../base/macros.h"
#include "../cgroup/hierarchy.h"
#include "../net/netlink.h"

/* The last 65536 ids of the default pool: lent last, so hardly ever in use. */
#define PROBE_BASE 0x7FFD0000U
#define PROBE_COUNT 65536U

/* All return 0 or -errno; -ETIMEDOUT when the kernel let a child wait for 5 s. */

/* A user namespace with id maps, and those of the CLONE_NEW* @flags with it. */
int probe_namespaces(uint64_t flags);
/* A user namespace within it, and whether one is root there. */
int probe_inner_userns(void);
/* unshare, and setting its clock; wants the host's root. */
int probe_time_namespace(void);

/* Id-maps a detached, read-only clone of the directory. */
int probe_idmap(const char *dir);
/*
 * An overlay with that below and the detached mount @scratch_fd on top, itself
 * id-mapped or (a tmpfs) owned by PROBE_BASE; and a file made in it.
 */
int probe_overlay(const char *dir, int scratch_fd, bool idmap_scratch);
/* A tmpfs with device nodes that open: the sandbox's /dev. */
int probe_dev(void);
/* A fresh instance of @type, mounted from inside as init does. */
int probe_mount_inside(const char *type);

/* A process that is born in the group (CLONE_INTO_CGROUP). */
int probe_into_cgroup(int group_fd);
/* Installs a filter that allows everything. */
int probe_seccomp(void);

/* Asked in a fresh network namespace of the sandbox's kind. */
int probe_net(enum net_request request);

/* What several checks want to know, found once. */
struct host {
	uint64_t caps; /* effective */
	bool inner;    /* our root is that of a user namespace */
	bool root;     /* nothing a launch needs is missing from @caps */
	char *data;    /* the image store, or its nearest parent that exists */
	struct hierarchies hs;
	int hs_result;
	/* A group made on trial: */
	int group_result, into_result;
	bool group_kill, group_memory, group_swap;
};

/* What is there, and, where something is missing, what to do about it. */
void check_found(struct cis_check *c, const char *fmt, ...) CIS_PRINTF(2, 3);
void check_lacks(struct cis_check *c, int result, const char *fmt, ...) CIS_PRINTF(3, 4);
/* The usual end of a probe: @good, or the errno with @remedy. */
bool check_judge(const struct host *h, struct cis_check *c, int r, int result, const char *good,
	   const char *remedy);

static inline bool check_exists(const char *path)
{
	return access(path, F_OK) == 0;
}

/* cgroup.c. The first makes the group on trial, after @hs was found. */
void check_try_group(struct host *h);
void check_cgroup(const struct host *h, struct cis_check *c);
void check_memory(const struct host *h, struct cis_check *c);
void check_cpu(const struct host *h, struct cis_check *c);
void check_io(const struct host *h, struct cis_check *c);
void check_pids(const struct host *h, struct cis_check *c);
void check_swap(const struct host *h, struct cis_check *c);
void check_cgroup_kill(const struct host *h, struct cis_check *c);

#endif
