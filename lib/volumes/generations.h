/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What has a name and changes, while sandboxes use what it was before:
 *
 *	seeds/NAME/N/         generation N; the highest is the one that is given out; what else
 *	                      is in NAME/ goes with the name
 *	seeds/.tmp-XXXXXX/    one in the making, or one that goes: see image/store.h
 *
 * A generation appears by one rename and is never changed. A lock on its directory, shared, is
 * held by whoever uses it; it is removed by who has it alone. Names change, and the
 * highest number is looked for, under the lock of the store.
 */
#ifndef CIS_GENERATIONS_H
#define CIS_GENERATIONS_H

#include <stddef.h>
#include <stdint.h>

#include "../base/error.h"
#include "../image/store.h"

/* The kinds of things, each with a directory of that name, and an "s", in the data root. */
#define GENERATIONS_SEED "seed"
#define GENERATIONS_CACHE "cache"

struct generation {
	int fd; /* its directory, and the lock */
	char *path;
	uint64_t number; /* from 1 on */
};
#define GENERATION_CLOSED {.fd = -1}
void generation_done(struct generation *g);

/*
 * The newest of @name, locked until generation_done(). Makes nothing. -EINVAL for what is no
 * name, -ENOENT.
 */
int generation_open(const char *kind, const char *name, struct generation *ret,
		    struct cis_error *err);

/* The store of that kind, made where it is missing. */
int generations_open(struct store *s, const char *kind, struct cis_error *err);

/*
 * The directory @from of @w becomes the newest of @name, if the one before it is @after; with
 * GENERATION_ANY whatever it is, and @name may be new. -ESTALE, without a message: it is another,
 * or @name is gone. Those before it go into @w, unless they are in use. *ret: its number.
 * @seen, which may be NULL, is the caller's own lock on @after: it is closed once the name is
 * taken, and not before, or @name could by then be another of that number.
 */
int generation_publish(const struct work *w, const char *from, const char *kind,
		       const char *name, uint64_t after, struct generation *seen,
		       uint64_t *ret, struct cis_error *err);
#define GENERATION_ANY 0u
/* The same under the lock of the store, when all in @w has been written out. */
int generation_put(const struct work *w, const char *from, const char *name, uint64_t after,
		   struct generation *seen, uint64_t *ret, struct cis_error *err);

/* A sandbox starts with it. Its directory is modified by nothing else: the time is its mtime. */
void generation_note_use(const struct generation *g);
int64_t generation_used(const struct generation *g);

/*
 * All of @name: -EBUSY while one is in use. -ESTALE, without a message: the newest is not @newest;
 * GENERATION_ANY: whatever it is.
 */
int generations_remove(const char *kind, const char *name, uint64_t newest,
		       struct cis_error *err);
/* Those that are neither the newest nor in use, of all names. *ret: how many. */
int generations_prune(const char *kind, uint64_t *ret, struct cis_error *err);

/*
 * Fills @entry for a name from its newest generation. 1: it is not to be listed; negative, and
 * *err: it cannot be read. g->fd is -errno if it cannot be opened, which *err explains then;
 * -ENOENT: there is none.
 */
typedef int generations_look(const char *name, const struct generation *g, void *entry,
			     struct cis_error *err);
/* What a list is of: each begins with its name, and has room for why it cannot be read. */
struct generations_entry {
	size_t size, error_at;
	generations_look *look;
};
#define GENERATIONS_NAME_LEN 128
#define GENERATIONS_ERROR_LEN 496
/*
 * *ret, to be freed: one for each name, sorted by it; one that nobody can use does not hide the
 * others, and has its name and why alone. Makes no store. Returns how many these are.
 */
int generations_list(const char *kind, const struct generations_entry *e, void **ret,
		     size_t *ret_n, struct cis_error *err);

#endif
