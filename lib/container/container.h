/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A container as its directory ROOT/ID tells of it, which is all there is:
 *
 *	lock          flock'd while somebody changes something
 *	state.json    what was made: written once create is through
 *	config.json   a copy of the bundle's: exec and hooks need it
 *	start         a socket init listens on while it is "created"; gone when started
 *	root/         empty; restore has the root file system there, where only criu sees it
 *	notify/       if it is to tell that it is ready: notify.h
 */
#ifndef CIS_CONTAINER_CONTAINER_H
#define CIS_CONTAINER_CONTAINER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "../base/error.h"
#include "../base/json.h"
#include "../cgroup/place.h"
#include "../cgroup/rdt.h"

struct config;

enum container_status { STATUS_CREATING, STATUS_CREATED, STATUS_RUNNING, STATUS_PAUSED,
			STATUS_STOPPED };

struct container {
	char *id;
	char *path;       /* ROOT/ID */
	int dir, lock;    /* -1 when not open */
	struct json *doc; /* state.json */
	pid_t init;
	uint64_t started; /* of init: with the pid it names a process for good */
	const char *bundle, *rootfs; /* in doc */
	uid_t sandbox_root; /* 0: profile plain */
	bool systemd;       /* is its command: systemd-init.h */
	struct place place;
	struct rdt rdt;
};

void container_init(struct container *ct);
void container_done(struct container *ct);

/* Makes ROOT/ID, locked. -EEXIST. */
int container_new(struct container *ct, const struct cis_oci *rt, const char *id,
		  struct cis_error *err);
/* Opens and reads it. -ENOENT "container does not exist". @lock: exclusively, waits. */
int container_open(struct container *ct, const struct cis_oci *rt, const char *id, bool lock,
		   struct cis_error *err);
/* The document, but what is the maker's own: with init 0 as long as there is none. */
struct json *container_doc(const struct container *ct, const struct config *c, const char *bundle,
			   const char *rootfs);
int container_keep_config(const struct container *ct, int bundle, const char *name,
			  struct cis_error *err);
/* Takes over @doc, adds the place, writes state.json. */
int container_write(struct container *ct, struct json *doc_consumed, struct cis_error *err);
/*
 * The limits of its groups, which are there. @owner: who shall divide them further, or 0:
 * nobody. Devices cannot be restricted by who is root of a user namespace only; in one of its
 * own a container does without.
 */
int container_limit(const struct container *ct, const struct config *c, uid_t owner,
		    struct cis_error *err);
/* What linux.intelRdt made for it. */
int container_leave_rdt(const struct container *ct, struct cis_error *err);
/* Its directory with all in it. */
int container_remove(struct container *ct, struct cis_error *err);

enum container_status container_status(const struct container *ct);
const char *container_status_name(enum container_status status);
/* The runtime-spec's state object. */
struct json *container_state(const struct container *ct, enum container_status status);

/* A pidfd of init, checked to be that very process. -ESRCH. */
int container_pidfd(const struct container *ct);

/* Path of a socket in its directory that fits sun_path whatever ROOT is. */
#define CONTAINER_SANDBOX_ROOT "sandboxRoot" /* in doc: profile docker; its root's host id */
#define CONTAINER_SYSTEMD "systemd" /* in doc: true */
#define CONTAINER_SOCKET "start"
#define CONTAINER_CRIU_ROOT "root"
void container_socket_path(const struct container *ct, char ret[static 64]);

const char *container_root(const struct cis_oci *rt);

#endif
