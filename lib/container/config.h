/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A bundle's config.json (runtime-spec 1.3) as plain data. config*.c fill it and check
 * what can be checked without looking at the host; nobody changes it afterwards but
 * profile.c, which turns an engine's ordinary container into a sandbox.
 *
 * Strings are owned; NULL and 0 mean "not given" unless a has_ field says otherwise.
 */
#ifndef CIS_CONTAINER_CONFIG_H
#define CIS_CONTAINER_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "../base/error.h"
#include "../base/json.h"
#include "../base/str.h"

/* ---- process ------------------------------------------------------------- */

enum cap_set { CAPS_BOUNDING, CAPS_EFFECTIVE, CAPS_INHERITABLE, CAPS_PERMITTED, CAPS_AMBIENT,
	       CAP_SETS };

struct config_rlimit {
	int resource; /* RLIMIT_* */
	struct rlimit limit;
};

struct config_scheduler { /* struct sched_attr in the spec's words */
	bool given;
	uint32_t policy; /* SCHED_* */
	uint64_t flags;  /* SCHED_FLAG_* */
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};

struct config_process {
	bool terminal;
	unsigned short rows, cols;
	struct strv args, env;
	char *cwd;
	uid_t uid;
	gid_t gid;
	gid_t *groups; /* additionalGids */
	size_t n_groups;
	bool has_umask;
	mode_t umask;
	bool has_caps;
	uint64_t caps[CAP_SETS]; /* bits 1 << CAP_*; unknown names are left out */
	struct config_rlimit *rlimits;
	size_t n_rlimits;
	bool no_new_privs;
	char *apparmor, *selinux;
	bool has_oom_score;
	int oom_score;
	struct config_scheduler scheduler;
	bool has_ioprio;
	int ioprio;                            /* as ioprio_set(2) takes it */
	char *affinity_initial, *affinity_final; /* execCPUAffinity, "0-3,7" */
};

/* ---- mounts ---------------------------------------------------------------- */

struct config_idmap {
	uint32_t inside, host, size;
};

struct config_mount {
	char *destination; /* absolute */
	char *source;      /* of binds: absolute (relative ones are below the bundle) */
	char *type;        /* "bind" for binds, whatever the file said */
	char *data;        /* what is left for the file system: "mode=755,size=64k", or NULL */
	bool bind, recursive; /* bind, rbind */
	bool tmpcopyup;
	bool remount;
	uint64_t set, clear;         /* MOUNT_ATTR_* of this mount */
	uint64_t rec_set, rec_clear; /* of all below too: rro, rnosuid ... */
	unsigned long propagation;   /* MS_PRIVATE ... possibly | MS_REC, or 0 */
	unsigned long sb_flags;      /* MS_SYNCHRONOUS, MS_DIRSYNC, MS_MANDLOCK, MS_LAZYTIME ... */
	bool idmap, idmap_recursive; /* options idmap, ridmap, or mappings given */
	struct config_idmap *uids, *gids;
	size_t n_uids, n_gids;
};

/* ---- linux ------------------------------------------------------------------- */

struct config_namespace {
	int flag;   /* CLONE_NEW* */
	char *path; /* join this one; NULL: a new one */
};

struct config_device {
	char *path;
	mode_t mode;      /* type and permission bits */
	int64_t major, minor;
	uid_t uid;
	gid_t gid;
};

/* One line of the device cgroup. */
struct config_device_rule {
	bool allow;
	char type;            /* 'a', 'b', 'c' */
	int64_t major, minor; /* -1: any */
	bool read, write, mknod;
};

struct config_blkio_device {
	int64_t major, minor;
	uint64_t value; /* weight, or bytes or operations a second */
	uint64_t leaf;  /* leafWeight */
};

enum blkio_throttle { BLKIO_READ_BPS, BLKIO_WRITE_BPS, BLKIO_READ_IOPS, BLKIO_WRITE_IOPS,
		      BLKIO_THROTTLES };

struct config_hugepage {
	char *page_size; /* "2MB" */
	uint64_t limit;
};

struct config_rdma {
	char *device;
	bool has_handles, has_objects;
	uint32_t handles, objects;
};

struct config_pair { /* unified, sysctl, annotations, network priorities */
	char *key, *value;
};

/* has_ where 0 is a value; INT64_MIN: not given, -1: no limit. */
#define CONFIG_NONE INT64_MIN
struct config_resources {
	struct config_device_rule *devices;
	size_t n_devices;
	int64_t memory_limit, memory_reservation, memory_swap; /* CONFIG_NONE */
	int64_t memory_swappiness;                             /* CONFIG_NONE */
	bool memory_disable_oom_killer, memory_check_before_update, memory_use_hierarchy;
	uint64_t cpu_shares;        /* 0: not given */
	int64_t cpu_quota;          /* CONFIG_NONE; -1: no limit */
	uint64_t cpu_period;        /* 0: not given */
	bool has_cpu_burst;
	uint64_t cpu_burst;
	int64_t cpu_rt_runtime;     /* CONFIG_NONE */
	uint64_t cpu_rt_period;
	char *cpus, *mems;
	int64_t cpu_idle;           /* CONFIG_NONE */
	int64_t pids_limit;         /* CONFIG_NONE; <= 0: as the spec says */
	bool has_blkio_weight, has_blkio_leaf_weight;
	uint16_t blkio_weight, blkio_leaf_weight;
	struct config_blkio_device *blkio_weights;
	size_t n_blkio_weights;
	struct config_blkio_device *blkio_throttles[BLKIO_THROTTLES];
	size_t n_blkio_throttles[BLKIO_THROTTLES];
	struct config_hugepage *hugepages;
	size_t n_hugepages;
	bool has_net_class;
	uint32_t net_class;
	struct config_pair *net_priorities; /* interface, number as text */
	size_t n_net_priorities;
	struct config_rdma *rdma;
	size_t n_rdma;
	struct config_pair *unified;
	size_t n_unified;
};

/* linux.seccomp. Actions and operators are libseccomp's numbers (SCMP_ACT_*, SCMP_CMP_*). */
struct config_seccomp_arg {
	unsigned int index;
	int op; /* enum scmp_compare */
	uint64_t value, value_two;
};
struct config_seccomp_rule {
	struct strv names;
	uint32_t action;
	bool has_errno;
	unsigned int errno_ret;
	struct config_seccomp_arg *args;
	size_t n_args;
	bool added; /* by profile.c: the profile itself does not say it */
};
struct config_seccomp {
	bool given;
	uint32_t default_action;
	bool has_default_errno;
	unsigned int default_errno;
	struct strv architectures; /* "SCMP_ARCH_X86_64" */
	bool has_flags;            /* false: the choice is the runtime's */
	uint32_t flags;            /* SECCOMP_FILTER_FLAG_* */
	char *listener_path, *listener_metadata;
	struct config_seccomp_rule *rules;
	size_t n_rules;
};

struct config_hook {
	char *path;
	struct strv args, env;
	unsigned int timeout; /* seconds; 0: none */
};
enum hook_point { HOOK_PRESTART, HOOK_CREATE_RUNTIME, HOOK_CREATE_CONTAINER,
		  HOOK_START_CONTAINER, HOOK_POSTSTART, HOOK_POSTSTOP, HOOK_POINTS };
struct config_hooks {
	struct config_hook *v;
	size_t n;
};

struct config_net_device {
	char *host_name, *name; /* name inside; the same if not given */
};

struct config_time_offset {
	bool given;
	int64_t secs;
	uint32_t nanosecs;
};

struct config {
	char *version;        /* ociVersion */
	struct json *json;    /* the document itself: state and hooks need parts of it */
	bool has_process;
	struct config_process process;
	char *root_path;      /* as written; relative to the bundle */
	bool root_readonly;
	char *hostname, *domainname;
	struct config_mount *mounts;
	size_t n_mounts;
	struct config_hooks hooks[HOOK_POINTS];
	struct config_pair *annotations;
	size_t n_annotations;

	struct config_namespace *namespaces;
	size_t n_namespaces;
	struct config_idmap *uid_map, *gid_map;
	size_t n_uid_map, n_gid_map;
	struct config_time_offset monotonic, boottime;
	struct config_device *devices;
	size_t n_devices;
	struct config_net_device *net_devices;
	size_t n_net_devices;
	char *cgroups_path;
	struct config_resources resources;
	struct config_seccomp seccomp;
	struct config_pair *sysctl;
	size_t n_sysctl;
	struct strv masked_paths, readonly_paths;
	unsigned long rootfs_propagation; /* MS_* or 0 */
	char *mount_label;
	bool has_personality;
	unsigned long personality;
	bool has_mempolicy;
	int mempolicy_mode;      /* MPOL_* with MPOL_F_* */
	char *mempolicy_nodes;   /* "0-1" */
	bool has_intel_rdt;
	char *rdt_clos, *rdt_l3, *rdt_mb;
	struct strv rdt_schemata;
	bool rdt_monitoring;
};

/*
 * @bundle: borrowed descriptor of the bundle's directory. Errors: -ENOENT no config.json;
 * -EINVAL malformed, "config.json:LINE:COLUMN: PATH: what". config_done() in any case.
 */
int config_load(struct config *c, int bundle, const char *name, struct cis_error *err);
void config_done(struct config *c);

/* A process object alone (exec --process), and a bare LinuxResources (update). */
int config_load_process(struct config_process *p, const struct json *v, struct cis_error *err);
void config_process_done(struct config_process *p);
void config_resources_init(struct config_resources *r);
int config_load_resources(struct config_resources *r, const struct json *v,
			  struct cis_error *err);
void config_resources_done(struct config_resources *r);

const struct config_namespace *config_namespace(const struct config *c, int flag);
const char *config_annotation(const struct config *c, const char *key);

#endif
