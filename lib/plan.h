/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The plan: a spec turned into a flat array of ops, each done by one process.
 * Building it decides everything and makes nothing; printing it is --dry-run;
 * the golden tests compare that text. launch.c says who runs what, and when.
 */
#ifndef CIS_PLAN_H
#define CIS_PLAN_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/str.h"
#include "image/config.h"
#include "spec.h"
#include "volumes/cache.h"
#include "volumes/seed.h"

/* Who performs an op; see the table in launch.c. */
enum op_who { BY_CALLER, BY_FOUNDER, BY_STAGE, BY_INIT };

enum op_kind {
	/* caller, on the host; each is journalled before it is made (prepare.c) */
	OP_STATE,       /* the state directory, its lock and its journal */
	OP_IDS,         /* value: how many; flags: OP_IDS_OURS */
	OP_SECRETS,     /* slot: gets the tmpfs with them; before anything is cloned */
	OP_FOUND,       /* the founder, cloned */
	OP_CLONE_TREE,  /* source: host path; slot: gets a detached copy of the mount */
	OP_SCRATCH,     /* value: bytes; flags: enum cis_disk; slot */
	OP_SEED_INDEX,  /* source: below the seed; target: directory on the scratch for it */
	OP_MAP,         /* the ids, into the founder's user namespace */
	OP_CGROUP,      /* the groups, their limits, the delegation; flags: OP_NODES */
	OP_VFS,         /* slot: gets the file system with the virtual files */
	OP_PUBLISH,     /* value: index into spec.egress.published; listens on the host */
	OP_GATE,        /* who makes the gate's namespaces and rules, cloned */
	OP_GATE_BUILD,  /* then its links, to the founder's network and the host:
			 * launch.c, once the stage is under way */
	/* founder, while the caller goes on */
	OP_USERNS,      /* its end is what OP_MAP waits for */
	OP_NETNS,       /* after OP_MAP: network, ipc and uts namespaces */
	OP_HOSTNAME,    /* text */
	OP_LINK_UP,     /* text: which */
	/* stage, with the host's privilege, in a mount namespace of its own */
	OP_JOIN,        /* the v1 groups */
	OP_RLIMIT,      /* value: index into spec.ulimits */
	OP_CPUS,        /* value: thousandths of a cpu; affinity to as many as that comes to */
	OP_CLOCK,       /* a time namespace whose uptime starts now */
	OP_OWNER,       /* the effective id of the sandbox's root, all capabilities */
	OP_IDMAP,       /* slot */
	OP_ATTACH_LAYERS, /* scratch and image, in the stage's own namespace */
	OP_MKDIR,       /* slot, target: on the scratch, parents too; value: mode; uid, gid */
	OP_FILE,        /* slot, target, text: a small file of root's, 0644 */
	OP_SHELVE,      /* slot at target on the scratch, where init finds it; text: where it is to
			 * take it, NULL: more than one place; flags: OP_TARGET_FILE */
	OP_CACHE,       /* slot, which is attached, under directories of the scratch, source; value:
			 * the slot that gets the overlay; flags: OP_OVERLAY_USER */
	OP_OVERLAY,     /* source: where on the scratch; slot: gets the root; flags: OP_NODES,
			 * OP_OVERLAY_USER */
	OP_KEEP,        /* slot: a clone of it, with nothing attached, goes to the caller; flags:
			 * OP_TREE_READONLY: what is inside is read-only from then on */
	OP_DEV,         /* slot: gets the tmpfs with its nodes; flags: OP_DEV_* */
	OP_DEV_BIND,    /* target: /dev in the new root; the host's nodes over its empty files */
	OP_ATTACH,      /* slot at target in the new root; flags: OP_TARGET_FILE */
	OP_BIND_SCRATCH, /* source: directory on the scratch, at target */
	OP_SPAWN,       /* into the founder's namespaces, and init into the rest */
	/* init */
	OP_ENTER_ROOT,  /* the root that the stage built becomes the working directory */
	OP_MOUNT,       /* text: type; options; target; value: MOUNT_ATTR_* */
	OP_TAKE,        /* source: on the scratch; at target; slot: what it is; flags:
			 * OP_TARGET_FILE */
	OP_COVER,       /* parts of /proc and /sys by virtual files */
	OP_PIVOT,
	OP_TRAP,        /* the filter for all that follows; its listener goes to the caller */
	OP_TTY,         /* a terminal; its master goes to the caller */
};

#define OP_TREE_READONLY 1u
#define OP_TREE_OF_IMAGE 2u /* that of the plan's image, whatever is at source by now */
#define OP_TARGET_FILE 1u
#define OP_DEV_CONSOLE 1u
#define OP_DEV_EMPTY 2u     /* files for nodes to be bound over: only the host's root makes any */
#define OP_IDS_OURS 1u      /* those of our own namespace, one to one */
#define OP_NODES 1u /* device nodes count, and the groups say which may be opened */
#define OP_OVERLAY_USER 2u  /* its marks are user.overlay.*: trusted.* is the host's */

/*
 * Descriptors that ops hand on; binds follow from SLOT_BIND, then layers below the image's top,
 * then caches, then the overlays over these.
 */
enum slot {
	SLOT_NONE, SLOT_IMAGE, SLOT_SCRATCH, SLOT_ROOT, SLOT_DEV, SLOT_VFS, SLOT_INNER,
	SLOT_SECRETS, SLOT_SEED, SLOT_BIND
};

struct op {
	uint8_t kind, who;
	uint16_t slot;
	uint32_t flags;
	uint64_t value;
	uint32_t uid, gid; /* inside */
	const char *source, *target, *text, *options;
};

/* One program to execute inside: the payload, or a service before it. */
struct plan_exec {
	const char *name;
	struct strv argv, envp;
	struct strv candidates; /* what execve tries, in this order */
	char *cwd;
	uid_t uid;
	gid_t gid;
	gid_t *groups;
	size_t n_groups;
	bool tty;  /* has a terminal */
	char *log; /* NULL: the sandbox's stdio */
	char *ready_unix;
	char *ready_request; /* NULL: accepting is enough */
	uint64_t timeout_ms;
};

struct plan {
	const struct spec *spec; /* borrowed: outlives the plan */
	struct op *ops;
	size_t n_ops;
	bool rootless;      /* we are root of a user namespace, or nobody (rootless.h) */
	bool has_vfs;       /* virtual files, asked for or by default */
	enum cis_disk disk; /* what the scratch is made of: never CIS_DISK_AUTO */
	struct policy *policy; /* what may be reached; who builds the gate takes it over */
	unsigned int fault; /* index of an op that is to fail (fault.h) */
	struct strv strings; /* everything ops point to */
	int *fds;            /* by slot, -1 while empty */
	size_t n_fds;

	struct plan_exec payload;
	struct plan_exec *services;
	size_t n_services;
	const struct sock_filter *filter; /* static, or this one */
	struct sock_filter *trap_filter;
	unsigned short n_filter;
	const char *secrets_at; /* path inside; NULL: there are none */
	int image;           /* its directory, locked (image.h); -1: none */
	bool image_is_tree;
	struct strv layers; /* host paths of the read-only root's, the topmost first */
	struct image_config config; /* the image's own wishes */
	struct seed seed;  /* g.fd is -1 without one; held until plan_done() */
	struct cache *caches; /* one for each of the spec; held until plan_done() */
	bool *cache_writes;   /* what it leaves in each may be published */
	size_t n_caches;
	char *inner_path;  /* and of the runtime for engines inside; NULL: none */
};
/* What plan_done() may be called for; all zeroes are not. */
#define PLAN_EMPTY {.image = -1, .seed = SEED_CLOSED}

/*
 * Fills *p. Opens and reads the root file system (users, symbolic links under
 * mount points), makes nothing. On failure *p still needs plan_done().
 */
int plan_build(struct plan *p, const struct spec *spec, char *const argv[],
	       struct cis_error *err);
void plan_done(struct plan *p);
/* Before that: nobody runs from it any more. */
void plan_close_image(struct plan *p);

/* Where layer @i of the root is, 0 being the topmost. */
static inline unsigned int plan_layer_slot(const struct plan *p, size_t i)
{
	return i == 0 ? SLOT_IMAGE
		      : SLOT_BIND + (unsigned int)(p->spec->n_binds + i - 1);
}
static inline unsigned int plan_cache_slot(const struct plan *p, size_t i)
{
	return plan_layer_slot(p, p->layers.n) + (unsigned int)i;
}

/* What the job sees of cache @i. In the caller: a clone of it, if the job may publish. */
static inline unsigned int plan_cache_root_slot(const struct plan *p, size_t i)
{
	return plan_cache_slot(p, p->n_caches) + (unsigned int)i;
}
/* Of cache @i, what the job writes, on the scratch. */
#define PLAN_CACHE_UPPER "caches/%zu/upper"

void plan_exec_done(struct plan_exec *e);

/*
 * A descriptor of the root file system, to look at, and p->layers and p->config filled. Of p
 * only the spec need be set.
 */
int plan_open_root(struct plan *p, struct cis_error *err);

/*
 * plan-root.c: *ret: @path as path_resolve() has it. Not the root, nor where the sandbox's own
 * mounts would hide it.
 */
int plan_find_target(int rootfd, const char *path, char **ret, struct cis_error *err);
/* That @target, found for @path, is none of the other kind in the image: -EISDIR, -ENOTDIR. */
int plan_check_kind(int rootfd, const char *path, const char *target, bool file,
		    struct cis_error *err);
/* Is it @dir, or below? Is it where init mounts, so that the stage cannot attach it? */
bool plan_target_is_in(const char *target, const char *dir);
bool plan_target_is_inits(const char *target);

/* plan-cache.c: p->caches, held until plan_done(). */
int plan_open_caches(struct plan *p, struct cis_error *err);

/* plan-seed.c: opens that of the spec, if it has one. */
int plan_open_seed(struct plan *p, struct cis_error *err);
/* What is in it for the store at @path has large parts below that directory of it; or NULL. */
const char *plan_seed_own(const struct plan *p, const char *path);

/* The payload part alone: @rootfd is that, or, for enter(), the root of the live sandbox. */
int plan_payload(struct plan *p, const struct spec *spec, char *const argv[], int rootfd,
		 struct cis_error *err);

/*
 * The same when init has been held: the filter is there already, and p->config stands for the
 * image's wishes. The payload that *p has must be empty.
 */
int plan_late_payload(struct plan *p, const struct spec *spec, char *const argv[], int rootfd,
		      struct cis_error *err);
int plan_services(struct plan *p, struct cis_error *err);

/* What they come to; *ret is the caller's. */
int plan_rules(const struct ruleset *rules, struct policy **ret, struct cis_error *err);

/* All ops as text, a line each. */
int plan_print(const struct plan *p, char **ret);

/* "mount proc on /proc": what an op does, for error messages. */
void plan_describe(const struct plan *p, const struct op *op, char *buf, size_t n);

#endif
