/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The image store as a place: where it is, its locks, and room to work in. What
 * is in it, and which locks mean what, is said in image.c; layers in layer.c.
 */
#ifndef CIS_IMAGE_STORE_H
#define CIS_IMAGE_STORE_H

#include <stdbool.h>

#include "../base/error.h"

/* Names in images/ that begin so are no images, and litter when nobody locks them. */
#define STORE_TEMP ".tmp-"
/* Of these, images that were replaced while sandboxes ran from them: six letters, "-", the name. */
#define STORE_OLD STORE_TEMP "old-"
#define STORE_OLD_PREFIX (sizeof STORE_OLD "XXXXXX-" - 1)

struct store {
	char *path;     /* of images/ */
	int fd, layers; /* of images/, layers/ */
};
#define STORE_CLOSED {.fd = -1, .layers = -1}

/* Only the path, for those who make nothing. */
int store_path(char **ret, struct cis_error *err);
/* Made where it is missing. */
int store_open(struct store *s, struct cis_error *err);
/* Of what has no layers: the directory @dir of the data root, with locks and sweeping alike. */
int store_open_other(struct store *s, const char *dir, struct cis_error *err);
void store_done(struct store *s);
/* An image's or layer's directory: verify found it corrupt, which only making it anew mends. */
void store_mark(int dir);
bool store_is_marked(int dir);
/* The lock under which names change. */
int store_lock(const struct store *s, struct cis_error *err);
void store_unlock(const struct store *s);
/* Under that lock: what the killed left behind goes. */
void store_sweep(const struct store *s);
/* The same by processes that nobody waits for; of a store without host ids on loan. */
void store_sweep_aside(const struct store *s);
/* Only images that were replaced and that nobody has any more; nobody waits for it either. */
void store_drop_old(const struct store *s);

/* flock() that is not interrupted; -EWOULDBLOCK with LOCK_NB. */
int store_lock_fd(int fd, int how);
/* Whether the open directory @fd still is what @name of @dirfd leads to. */
bool store_is_still(int fd, int dirfd, const char *name);
/*
 * The image @name for oneself alone: a descriptor, or -ENOENT without a message.
 * Under the lock of the store, without which the name may mean another by now.
 */
int store_seize(const struct store *s, const char *name, struct cis_error *err);
/* -EBUSY, and why. */
int store_in_use(const char *name, struct cis_error *err);

#define IMAGE_NAME_LEN 127 /* one less than the 128 of struct cis_image */
bool store_is_name(const char *name);
int store_check_name(const char *name, struct cis_error *err);
int store_no_image(const char *name, struct cis_error *err);

/* A directory in the store that goes with its maker, whatever becomes of that. */
struct work {
	const struct store *store;
	char *path;
	int fd; /* holds the lock */
};
int work_begin(struct work *w, const struct store *s, struct cis_error *err);
/* The same for who may wait for nobody: without the lock, and nothing is swept. */
int work_begin_at_once(struct work *w, const struct store *s, struct cis_error *err);
/* Removes it with all that is in it. */
int work_finish(struct work *w);
void work_done(struct work *w);
/* The same by a process that nobody waits for, if it is not empty. */
void work_leave(struct work *w);
/* By that name its maker has host ids on loan (unpack.h). */
const char *work_name(const struct work *w);

#endif
