/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where a container lives: one group, of the same path, in every hierarchy of the host
 * (each v1 controller, named hierarchies, cgroup2). Containers come with their path from
 * an engine, and engines look for their group in any of them; so, other than for our own
 * sandboxes (group.h), all are found, from mountinfo: libcgroup knows neither named
 * hierarchies nor a cgroup2 without controllers, and costs a megabyte.
 *
 *	place.c        finding, making, joining; saved and loaded
 *	place-path.c   cgroupsPath as text; no system calls
 *	place-life.c   freeze, pids, kill, remove, out of memory
 *	place-stats.c  what was used
 *	place-sub.c    a group below it, for exec
 *	resources*.c   limits; devices*.c who may open which device
 *
 * Life without systemd: place_decide, place_make, place_apply, join or CLONE_INTO_CGROUP,
 * place_remove. With it nothing exists before the scope does, and a scope needs a
 * process: in the place of place_make comes place_start_scope, which makes all and moves
 * the process.
 */
#ifndef CIS_CGROUP_PLACE_H
#define CIS_CGROUP_PLACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "../base/error.h"

struct config_resources;
struct json;

#define PLACE_MAX 24     /* hierarchies; the kernel has 14 controllers, and names */
#define PLACE_PATH 768   /* longest path of a group */
#define PLACE_UNIT 256   /* systemd's limit for the name of a unit */
#define PLACE_PARENT "cisandbox-oci"

/* By v1 names; cgroup2 calls blkio io. */
enum place_controller {
	PLACE_CPU,
	PLACE_CPUACCT,
	PLACE_CPUSET,
	PLACE_MEMORY,
	PLACE_DEVICES,
	PLACE_FREEZER,
	PLACE_BLKIO,
	PLACE_PIDS,
	PLACE_HUGETLB,
	PLACE_NET_CLS,
	PLACE_NET_PRIO,
	PLACE_PERF_EVENT,
	PLACE_RDMA,
	PLACE_MISC,
	PLACE_CONTROLLERS,
};

struct place_group {
	char mount[160];      /* of its hierarchy */
	bool v2;
	unsigned controllers; /* bits 1 << enum place_controller; v2: enabled here */
	int dir;              /* -1: not made, or gone */
	int tasks;            /* v1: open for joining; -1 on v2 */
	bool is_sub;          /* place_enter_sub() */
};

struct place {
	struct place_group g[PLACE_MAX];
	size_t n;
	int unified;            /* index of cgroup2, or -1 */
	char path[PLACE_PATH];  /* below each mount, without a slash in front */
	char unit[PLACE_UNIT];  /* systemd's, or "" */
	char slice[PLACE_UNIT]; /* its parent */
	bool fresh;             /* made by this process: devices are denied by default */
};

void place_init(struct place *p);
void place_done(struct place *p); /* closes; removes nothing */

/*
 * Where it will be; makes nothing. @cgroups_path as in config.json: absolute: below each
 * hierarchy's root; relative: below PLACE_PARENT; NULL or "": PLACE_PARENT/@id. With
 * @systemd "SLICE:PREFIX:NAME". -EBUSY: the group exists and has processes or is frozen.
 * @r may be NULL: it is asked only whether a controller for it exists.
 */
int place_decide(struct place *p, const char *cgroups_path, const char *id, bool systemd,
		 const struct config_resources *r, struct cis_error *err);

/* Without systemd: makes all. On failure nothing of it stays. */
int place_make(struct place *p, struct cis_error *err);

/* Systemd only: the unit with @pid in it, then the groups that systemd did not make. */
int place_start_scope(struct place *p, pid_t pid, const struct config_resources *r,
		      struct cis_error *err);

/* For CLONE_INTO_CGROUP, borrowed; -1 when the host has no cgroup2 mounted. */
int place_unified_fd(const struct place *p);

/* The calling thread into the v1 groups; raw calls. CLONE_INTO_CGROUP does cgroup2. */
int place_join_child(const struct place *p);

/*
 * Changes @p, which is not saved any more, to a group that exists below it: "PATH", in all
 * hierarchies, or "cpu,memory:PATH". -ENOENT, -EINVAL.
 */
int place_enter_sub(struct place *p, const char *spec, struct cis_error *err);

/* Another process, into all. */
int place_add_pid(const struct place *p, pid_t pid, struct cis_error *err);

/* cgroup2 alone: the group and the files with which it is divided. */
int place_delegate(const struct place *p, uid_t uid, gid_t gid, struct cis_error *err);

/* Members of @obj. What no longer exists when loaded is no error: it is left out. */
void place_save(const struct place *p, struct json *obj);
int place_load(struct place *p, const struct json *obj, struct cis_error *err);

/*
 * Sets what is given in @r and leaves the rest. -EPERM is about devices alone, and then
 * all else has been set: in a user namespace nobody may restrict devices, and where
 * nobody can make them either the caller may go on. Other refusals are -EACCES.
 * -EOPNOTSUPP: this host lacks the controller, which is named.
 */
int place_apply(const struct place *p, const struct config_resources *r,
		struct cis_error *err);

int place_freeze(const struct place *p, bool frozen, struct cis_error *err);
int place_is_frozen(const struct place *p); /* 1, 0 */

/* Of the whole subtree, sorted, once each; the caller frees *ret. */
int place_pids(const struct place *p, int **ret, size_t *n, struct cis_error *err);

/*
 * To all processes of the subtree, including those that are forked meanwhile. SIGKILL
 * thaws, other signals wait in a frozen group. Does not wait for anybody's end.
 */
int place_kill(const struct place *p, int sig, struct cis_error *err);

/* With all groups below; what still runs there is killed. */
int place_remove(const struct place *p, struct cis_error *err);

/* The `data` of runc's events --stats; sizes without limit are 2^64-1 on v2. */
int place_stats(const struct place *p, struct json **ret, struct cis_error *err);

/*
 * Pollable (POLLIN): an eventfd on v1, which also fires when the group is removed; inotify
 * on v2, which also fires for other memory events. place_oom_next() tells them apart: how
 * often memory ran out since it was asked last, @seen being its memory, or -errno.
 */
int place_oom_fd(const struct place *p, struct cis_error *err);
int place_oom_next(const struct place *p, int fd, uint64_t *seen);
int place_oom_kills(const struct place *p, uint64_t *ret);

/* ---- between the place's files ------------------------------------------- */

/* "cpu"; on v2 blkio is "io". */
const char *place_controller_name(enum place_controller c, bool v2);

/* The group that has @c, or NULL. Freezer and devices of cgroup2 count, v1's first. */
const struct place_group *place_of(const struct place *p, enum place_controller c);

/* An absolute path for messages; @buf is returned. */
const char *place_where(const struct place *p, const struct place_group *g, char *buf,
			size_t size);

/*
 * Depth first over the groups below @dir, children before parents, with one descriptor
 * however deep: the container makes them. @fn gets the parent's and a name.
 */
typedef int place_visit(int parent, const char *name, void *arg);
int place_walk(int dir, place_visit *fn, void *arg);

/* Whether @dir or a group below it has processes; -errno. */
int place_populated(int dir);

/* place-path.c: -EINVAL, -ENAMETOOLONG. @path gets PLACE_PATH, the others PLACE_UNIT. */
int place_path(const char *cgroups_path, const char *id, char *path,
	       struct cis_error *err);
int place_path_systemd(const char *cgroups_path, const char *id, char *path, char *slice,
		       char *unit, struct cis_error *err);
/* "a-b.slice" -> "a.slice/a-b.slice"; "-.slice" -> "". */
int place_expand_slice(const char *slice, char *path, size_t size);

#endif
