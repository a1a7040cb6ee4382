/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Secrets on their way into a sandbox: read once, held in memory of their own until the
 * sandbox has ended (the log is masked by them), then wiped. That memory is locked, is in no core
 * dump, and is empty in whatever we clone: init is a copy of the caller, and stands
 * among the job's processes.
 *
 * Nothing here may put a value into an error, a plan, a file, or memory of malloc's.
 */
#ifndef CIS_GUARD_SECRET_H
#define CIS_GUARD_SECRET_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "../base/error.h"

#define SECRET_PLACE "run/secrets" /* below the root inside */
#define SECRET_NAME_MAX 63
#define SECRET_MAX (1u << 20)       /* bytes of one */
#define SECRET_TOTAL_MAX (4u << 20) /* of all */
#define SECRETS_MAX 64

/* Memory for what is secret. */
struct vault {
	char *at;
	size_t room; /* whole pages */
};

/* Not locked before vault_seal(). 0 or -errno. */
int vault_make(struct vault *v, size_t room);
/*
 * In the process that will clone: from here on its children see zeros in it. Not before a
 * fork that is to have it, which would see zeros, too.
 */
int vault_seal(const struct vault *v);
/* Wiped and given back; one that was never made is accepted. */
void vault_done(struct vault *v);

struct secret {
	char name[SECRET_NAME_MAX + 1];
	struct vault vault;
	size_t len;
};

struct secrets {
	struct secret *v;
	size_t n, total;
};

/* 1 to 63 of [A-Za-z0-9_.-], the first no dot or dash: it becomes a file's name. */
bool secret_name_is_valid(const char *name);

/* Reads @fd to its end. -EINVAL: the name; -EEXIST; -E2BIG: too many, or too large. */
int secrets_add(struct secrets *s, const char *name, int fd, struct cis_error *err);
int secrets_seal(const struct secrets *s, struct cis_error *err);
void secrets_done(struct secrets *s);

/*
 * A tmpfs with a file for each, 0400 of @uid and @gid, its root 0555 of @root; read-only
 * from then on, detached. Where the kernel can, it is never swapped out. fd or -errno.
 */
int secrets_mount(const struct secrets *s, uid_t root, uid_t uid, gid_t gid,
		  struct cis_error *err);

/* Such a one for those to come, with room for all there can be, and to be written. */
int secrets_mount_empty(uid_t root, struct cis_error *err);
/* Into what was mounted: @dir is its root. */
int secrets_write(const struct secrets *s, int dir, uid_t uid, gid_t gid,
		  struct cis_error *err);

#endif
