/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The program criu, by its command line: what checkpoint.c and restore.c share. Its other
 * door, protobuf over a socket, would be a library more for what arguments say as well.
 */
#ifndef CIS_CONTAINER_CRIU_H
#define CIS_CONTAINER_CRIU_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "../base/str.h"
#include "config.h"

#define CRIU_STREAMS "descriptors.json" /* in the images: what init's streams were */
#define CRIU_STREAM_MAX 64
#define CRIU_KEEP_MAX 8

struct criu {
	struct strv argv;
	bool no_memory;           /* of one of argv */
	char *images, *work;      /* absolute */
	const char *log;          /* below work */
	int keep[CRIU_KEEP_MAX];  /* borrowed, open in criu too, under the same numbers */
	size_t n_keep;
	/* restore: in a mount namespace of its own, where the first is mounted on the second */
	const char *rootfs, *root;
	/*
	 * restore: what is done when the namespaces are there and the first process, of
	 * which it is told, is alone in them. Not 0: it goes no further.
	 */
	int (*on_init)(pid_t pid, void *arg, struct cis_error *err);
	void *arg;
};

void criu_init(struct criu *c);
void criu_done(struct criu *c);
void criu_add(struct criu *c, const char *fmt, ...) CIS_PRINTF(2, 3);
/* The options of both directions: CIS_OCI_TCP_ESTABLISHED ... @mode: NULL is "soft". */
int criu_add_common(struct criu *c, uint64_t flags, const char *mode, struct cis_error *err);
/*
 * The directories, and the options that name them and the log. @make: the images', too;
 * the working directory, which is the images' if none is given, in any case.
 */
int criu_set_paths(struct criu *c, const char *images, const char *work, const char *log,
		   bool make, struct cis_error *err);
/* Waits. The sentence of a failure has criu's own first word about it. */
int criu_run(struct criu *c, struct cis_error *err);

/* -EINVAL: what this program does not hand to criu. @verb: "checkpoint" */
int criu_check(const struct cis_oci *rt, const struct config *c, const char *verb,
	       struct cis_error *err);
/* Of @path, as criu is told of it when it is not the container's own: "extRootNetNS". */
const char *criu_namespace_key(const struct config_namespace *ns);

/*
 * criu-mounts.c: mounts that came into the container from outside, which criu is not to look
 * into. They have names in the images that the bundle knows, too.
 */
struct criu_mount {
	uint64_t id, parent;
	char *place; /* as the container sees it */
};
struct criu_mounts {
	struct criu_mount *v;
	size_t n;
};
void criu_mounts_done(struct criu_mounts *l);
int criu_mounts_read(struct criu_mounts *l, pid_t pid, struct cis_error *err);
bool criu_mounts_have(const struct criu_mounts *l, uint64_t id);
int criu_mounts_dump(struct criu *c, const struct config *config, pid_t pid,
		     const struct criu_mounts *l, struct cis_error *err);
/* Also makes the places for them below the root. */
int criu_mounts_restore(struct criu *c, const struct config *config, const char *bundle,
			struct cis_error *err);

#endif
