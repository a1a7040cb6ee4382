/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Caches: directories that jobs find as an earlier job has left them. Who may leave them
 * so for others is said when a cache is made, and never by a job.
 *
 *	caches/NAME/policy.json   writers, readers, max, created: as long as the cache is there
 *	caches/NAME/N/cache.json  created, size, files, scope, of that generation
 *	caches/NAME/N/tree/       what jobs see, read-only, under a layer of their own
 *
 * Owners are 0-based, as layers of images have them. Generation 1 is empty. A generation was last
 * used when its directory was last modified: nothing else modifies it.
 *
 * cache.c reads and writes these, cache-store.c is what people do with them, cache-publish.c
 * makes of what a job has left the next generation.
 */
#ifndef CIS_CACHE_H
#define CIS_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "../base/error.h"
#include "../base/str.h"
#include "../guard/copier.h"
#include "generations.h"
#include "settle.h"

#define CACHE_MAX_DEFAULT (10ULL << 30)
#define CACHE_ENTRIES_MAX 1000000u
#define CACHE_PATTERNS_MAX 64
#define CACHE_TREE "tree"

struct cache_policy {
	struct strv writers, readers; /* patterns; no readers: any scope */
	uint64_t max;                 /* bytes of a generation */
	int64_t created;
};

/* Of a generation. */
struct cache_info {
	int64_t created;
	uint64_t size, files;
	char *scope; /* of who published it; NULL: it is empty */
};

struct cache {
	struct generation g;
	struct cache_policy policy;
	struct cache_info info;
};
#define CACHE_CLOSED {.g = GENERATION_CLOSED}
void cache_done(struct cache *c);

/* The newest generation, locked until cache_done(). -ENOENT. */
int cache_open(const char *name, struct cache *ret, struct cis_error *err);
/* The same of one that is locked already: all but ret->g. */
int cache_read(const char *name, const struct generation *g, struct cache *ret,
	       struct cis_error *err);
/* What @scope, which may be NULL, may do. 1: write; 0: read; -EACCES, -EINVAL. */
int cache_admit(const struct cache *c, const char *name, const char *scope,
		struct cis_error *err);

/* Their files in the directory @dir, which has none. -errno. */
int cache_write_policy(int dir, const struct cache_policy *p);
int cache_write_info(int dir, const struct cache_info *i);
/* In the directory @name of @dir, which is made, a generation without content. -errno. */
int cache_write_empty(int dir, const char *name);

/* cache-publish.c */
struct cache_publisher {
	struct store store;
	struct work work;
	struct copier copier; /* pidfd -1: no helper */
	struct copier_report report; /* its, when it has ended well, and then: */
	struct settler settler;
	size_t next;          /* cache of the spec */
	int status;           /* the command's, whatever becomes of artifacts */
};
void cache_publisher_init(struct cache_publisher *p);
/* The helper at work, or -1. */
static inline int cache_publisher_helper(const struct cache_publisher *p)
{
	return p->copier.pidfd >= 0 ? p->copier.pidfd : p->settler.pidfd;
}
/* Whoever copies is killed, and what it has made goes. */
void cache_publisher_done(struct cache_publisher *p);

#endif
