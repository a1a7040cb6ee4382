/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Seeds: what an engine has stored, made once by a trusted job, there at once for others.
 *
 *	seeds/NAME/N/seed.json   created, size, stores, and what of them is in big/
 *	seeds/NAME/N/index/docker  small: copied to the disk of each job; an archive of what
 *	                         /var/lib/docker is to be: image/, overlay2/ ...
 *	seeds/NAME/N/big/d0      large: of all jobs the same, bound read-only into the
 *	seeds/NAME/N/big/f0 ...  copy, each over an empty directory or file of it
 *
 * Owners are 0-based, as layers of images have them. The binds have to be read-only: an
 * engine that removes an image empties its directories, and would those of all. They have
 * to be such as root inside may take away, but not make writable (child.c, take_shelved()): an
 * engine that removes an image unmounts them.
 */
#ifndef CIS_SEED_H
#define CIS_SEED_H

#include <stdbool.h>
#include <stdint.h>

#include "../base/error.h"
#include "../base/json.h"
#include "../base/macros.h"
#include "../base/str.h"
#include "generations.h"

#define SEED_BIG_MAX 1000u             /* mounts, which each container inside copies */
#define SEED_INDEX_FILES_MAX 20000u      /* files and directories that each job copies, */
#define SEED_INDEX_BYTES_MAX (64u << 20) /* and bytes of them */
#define SEED_DEPTH_MAX 16

/* A directory of the image's where an engine has its store. */
struct seed_store {
	const char *name; /* below index/ */
	const char *path; /* inside */
	/*
	 * Below that, or NULL: podman binds it onto itself, unless it is a mount, and unmounts it
	 * after each command, with all that is mounted in it.
	 */
	const char *own;
};
/* The one called so, or NULL. */
const struct seed_store *seed_store_find(const char *name);

/* Sizes, of which one may be anything that JSON can say. */
static inline uint64_t seed_sum(uint64_t a, uint64_t b)
{
	return b > INT64_MAX - MIN(a, INT64_MAX) ? INT64_MAX : a + b;
}

struct seed {
	struct generation g;
	int64_t created;
	uint64_t size;       /* bytes of big/ and index/ on the disk */
	struct strv stores;  /* names of those it has */
	struct strv at;      /* "docker/...": where big/d0, big/d1 ... go, directories; */
	uint64_t n_dirs;     /* and after so many of these big/f0 ..., files */
};
#define SEED_CLOSED {.g = GENERATION_CLOSED}
void seed_done(struct seed *s);

/* The newest of that name, locked until seed_done(). */
int seed_open(const char *name, struct seed *ret, struct cis_error *err);
int seed_read(const char *name, const struct generation *g, struct seed *ret,
	      struct cis_error *err);

/* seed.json of a new one in the directory @dir. -errno. */
int seed_write(int dir, const struct seed *s);

/* seed-index.c */
struct seed_room {
	unsigned int files; /* that may still come */
	uint64_t bytes;
};
/*
 * Packs what is below @from into the new file @name of @to. -EINVAL, with a message: it is none of
 * an engine's books; -EFBIG: there is no room for it; or without a message -errno.
 */
int seed_index_write(int from, int to, const char *name, struct seed_room *room,
		     struct cis_error *err);
/*
 * And that file of @dir into the directory @to of @scratch, which is made; all of it then
 * belongs to @owner.
 */
int seed_index_unpack(int dir, const char *name, int scratch, const char *to, uid_t owner,
		      struct cis_error *err);

/*
 * seed-copy.c: @parts of the directory @from, on the disk of a sandbox whose ids are @base.., into
 * @to; with their owners, 0-based there. Without @count ids are those of both. Waits.
 */
struct seed_copy {
	int from, to;
	const struct strv *parts;
	uid_t base;
	uint32_t count;
};
int seed_copy(const struct seed_copy *o, struct cis_error *err);

/* seed-harvest.c: what of the store called @name is kept and is there in its directory @from. */
int seed_parts(const char *name, int from, struct strv *ret);
/*
 * Of what engines left in the directories of @from, called as stores are, makes a
 * seed in the empty directory @to. *ret: all but g and created.
 */
int seed_harvest(int from, int to, struct seed *ret, struct cis_error *err);

#endif
