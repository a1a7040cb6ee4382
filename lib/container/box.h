/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The making of one container, as its processes share it. The caller (create.c) fills
 * it before the first clone; the children (box.c, setup.c, finish.c) read their copy
 * and report a failure as (step, item, errno), of which the caller makes a sentence.
 */
#ifndef CIS_CONTAINER_BOX_H
#define CIS_CONTAINER_BOX_H

#include <linux/filter.h>
#include <stdbool.h>
#include <sys/types.h>

#include "../base/args.h"
#include "../base/str.h"
#include "../cgroup/place.h"
#include "../cgroup/rdt.h"
#include "../sync.h"
#include "config.h"

enum box_step {
	STEP_JOIN_CGROUP,
	STEP_JOIN_RDT,
	STEP_JOIN,       /* item: config.namespaces */
	STEP_UNSHARE,    /* item: CLONE_NEW* */
	STEP_OFFSETS,
	STEP_LO_UP,
	STEP_GATE,
	STEP_RLIMIT,     /* item */
	STEP_BECOME_ROOT,
	STEP_SPAWN,
	STEP_KEYRING,
	STEP_ROOT,
	STEP_MOUNT,      /* item: config.mounts */
	STEP_COVER,
	STEP_UNITS,
	STEP_DEVICE,     /* item: box.devices */
	STEP_DEV_LINK,
	STEP_CWD_MAKE,
	STEP_READONLY,   /* item: config.readonly_paths */
	STEP_MASK,       /* item: config.masked_paths */
	STEP_ROOT_READONLY,
	STEP_PIVOT,
	STEP_PROPAGATION,
	STEP_HOSTNAME,
	STEP_DOMAINNAME,
	STEP_SYSCTL,     /* item */
	STEP_CONSOLE,
	STEP_STREAMS,
	STEP_SCHEDULER,
	STEP_IOPRIO,
	STEP_AFFINITY,
	STEP_MEMPOLICY,
	STEP_PERSONALITY,
	STEP_OOM_SCORE,
	STEP_LABEL,
	STEP_NO_NEW_PRIVS,
	STEP_SECCOMP,
	STEP_CAPS,
	STEP_IDS,
	STEP_CWD,
	STEP_START_HOOK, /* item: config.hooks[HOOK_START_CONTAINER] */
	STEP_FIND,       /* the executable */
	STEP_EXEC,
	STEP_COUNT
};

/* Records over box.sync: struct sync_msg with these kinds. */
enum box_kind {
	BOX_FAILED = 100, /* index: step; status: item; value: errno */
	BOX_SCOPE,        /* stage: put me into my scope of systemd's */
	BOX_DEVICES,      /* stage: give me devices into my network namespace */
	BOX_NETWORK,      /* stage: here is my network namespace, for its gate */
	BOX_IDMAP,        /* init: id-map this tree; index: config.mounts */
	BOX_HOOKS,        /* init: the namespaces are there, the root is not left yet */
	BOX_CONSOLE,      /* init: with the terminal's master */
	BOX_LISTENER,     /* init: with the seccomp listener */
	BOX_READY,        /* init: waits for start */
	BOX_HOOK_FAILED,  /* init: index: of startContainer; status: what it ended with */
	BOX_WORDS,        /* start: with the file for what those hooks say */
	BOX_GO,           /* caller: go on */
};

/* What is executed at the end: of create or of exec. */
struct finish {
	const struct config *c;          /* for what is not the process's own */
	const struct config_process *p;
	struct strv envp;
	struct strv candidates;          /* what execve tries, in this order */
	const struct sock_filter *filter; /* NULL: none */
	unsigned short n_filter;
	uint32_t filter_flags;
	bool filter_listens;
	int procfd;                      /* the host's procfs, by a mount of our own */
	bool keep_affinity;              /* it is the sandbox's that we are in */
	const struct shown_cpus *cpus;   /* it begins on, as virtual files say; or NULL */
	bool use_affinity;               /* execCPUAffinity: exec only */
	unsigned int preserve;           /* descriptors 3.. that stay */
};

struct box_device {
	const char *path; /* below the root */
	mode_t mode;
	dev_t number;
	uid_t uid;
	gid_t gid;
	int tree;         /* bound from here instead of made, or -1 */
};

struct box {
	const struct config *c;
	const struct place *place;
	const struct rdt *rdt;
	const char *id;
	uint64_t flags;         /* CIS_OCI_NO_* */
	int joins[16];          /* by config.namespaces: open, or -1 */
	uint64_t new_namespaces; /* CLONE_NEW* */
	bool in_userns;         /* a new or a joined one */
	int userns;             /* the new one, made beforehand; or -1 */
	bool staged;            /* profile docker: the stage builds the root; staged.c */
	bool systemd;           /* the command is; then staged, too */
	const struct overlay_root *overlay; /* then, if the root is one */
	bool engine_ids;        /* its ids are the engine's, which may have prepared files */
	const char *state_path; /* a directory that surely exists */
	bool behind_gate;       /* the new network namespace is (network.h) */
	bool foreign_net;       /* the joined one is not the user namespace's */
	uid_t base;             /* host id of root inside */
	bool *by_stage;         /* by config.mounts, then */
	bool selinux;           /* mounts are labelled; lsm.h */
	const char *rootfs;     /* absolute path of the root file system */
	int root;               /* detached clone of it */
	int vfs;                /* the virtual files, detached; or -1 */
	int vfs_conn;           /* create's connection to them, or -1 */
	struct strv bare;       /* --no-pivot: where the host's procfs and sysfs are */
	int *trees;             /* by config.mounts: what is bound there, or -1 */
	bool *is_file;
	int groups[PLACE_MAX];  /* by place.g: its mount, for who has no cgroup namespace */
	bool covers_again;      /* no virtual files of its own: those that we see ourselves */
	bool bind_devices;      /* nodes cannot be made, in whose user namespace we are */
	struct box_device *devices;
	size_t n_devices;
	bool own_dev;           /* /dev is no bind: devices and links are made */
	int sync[2];            /* the caller's end; the children's */
	int listener;           /* the start socket */
	pid_t *init;            /* shared with the children: clone3 itself writes it */
	struct args_area args;
	const int *stdio;       /* what becomes 0, 1, 2; NULL: they are it already */
	struct finish finish;
};

/* Each does not return. */
void box_stage_main(struct box *b) __attribute__((noreturn));

/* setup.c: the root file system, up to where the hooks want to look at it; and after. */
int setup_before_hooks_child(struct box *b, int *ret_root, enum box_step *ret_step,
			     int *ret_item);
int setup_after_hooks_child(struct box *b, int root, enum box_step *ret_step, int *ret_item);

/* no-pivot.c. What the host's bare procfs and sysfs are is found before, by the caller. */
int no_pivot_find(struct strv *ret, const char *rootfs, struct cis_error *err);
int no_pivot_hide_child(const struct strv *places);

/* staged.c: the stage's part of it. */
int staged_build(struct box *b, enum box_step *ret_step, int *ret_item);
int setup_mount_attrs_child(int fd, const struct config_mount *m);
/* setup.c: a file system of @m's kind, detached. */
int setup_make_mount_child(const struct box *b, const struct config_mount *m, const char *type,
			   int root);
/* The mount label to the context @fs of a file system that is being made. */
int setup_mount_label_child(const struct box *b, int fs, const char *type);
int setup_copyup_child(int root, const struct config_mount *m, int mount);
/* cgroups.c: the file system of control groups at @m's destination. */
int cgroups_mount_child(const struct box *b, const struct config_mount *m, int root);

/* finish.c. First, while there is the host's privilege, which rlimits and oom_score_adj take. */
int finish_limits_child(const struct finish *f, enum box_step *ret_step, int *ret_item);
/* A terminal as its streams, the master to @sync; also as /dev/console. */
int finish_terminal_child(const struct finish *f, int sync, bool console);
/*
 * finish.c: everything that is left to be given or taken before execve. On failure
 * *ret_step says what. @sync: where a seccomp listener is sent to.
 */
int finish_child(const struct finish *f, int sync, enum box_step *ret_step, int *ret_item);
/* The executable as it will be found; -errno if it cannot be executed. */
int finish_find_child(const struct finish *f);
/*
 * hooks-child.c: those of startContainer, which are the container's own programs: run by
 * init, with no more rights than its command will have. What they say goes to a file that
 * comes over @conn. Not 0: *ret is what to answer there.
 */
int hooks_start_child(const struct finish *f, int conn, const char *state, size_t len,
		      struct sync_msg *ret);
/* The seccomp filter, if finish_child() left it: next to execve, it needs to allow less. */
int finish_filter_child(const struct finish *f);
/* Comes back only with -errno. */
int finish_exec_child(const struct finish *f);
/* Env with HOME, candidates. @root: the container's root, for passwd. */
int finish_prepare(struct finish *f, const struct config *c, const struct config_process *p,
		   int root, struct cis_error *err);
/* The seccomp filter, kept below @root. After finish_prepare(). */
int finish_compile(struct finish *f, const char *root, struct cis_error *err);
int finish_add_listen_fds(struct finish *f, unsigned int n, struct cis_error *err);
void finish_done(struct finish *f);

/* explain.c: a BOX_FAILED as a sentence with the words that engines look for. */
int box_explain(const struct config *c, const struct config_process *p,
		const struct sync_msg *m, struct cis_error *err);
/* The same for whatever else went wrong: the system's words as Go spells them. */
int box_error(int r, struct cis_error *err);

#endif
