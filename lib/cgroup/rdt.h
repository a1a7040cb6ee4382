/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Shares of cache and memory bandwidth (Intel RDT and its like): linux.intelRdt. A class is a
 * directory of the file system resctrl, a container's own or one that an administrator made;
 * a directory of its mon_groups counts what one container takes. @root is a borrowed
 * descriptor of that file system, or, in tests, of a directory that looks like it.
 */
#ifndef CIS_CGROUP_RDT_H
#define CIS_CGROUP_RDT_H

#include <stdbool.h>

#include "../base/error.h"

struct config;
struct json;

struct rdt {
	bool given;
	char clos[256];  /* the class's directory; "." is everybody's */
	bool made;       /* by us, and to be removed with the container */
	bool monitored;
	int tasks[2];    /* of the class, of the group that counts; or -1 */
};

void rdt_init(struct rdt *t);
void rdt_done(struct rdt *t); /* closes; removes nothing */

/* The descriptor; -EOPNOTSUPP: this host has none, or it is not mounted. */
int rdt_open_root(struct cis_error *err);

/* The class and what it may have. On failure nothing of it stays. */
int rdt_make(struct rdt *t, int root, const struct config *c, const char *id,
	     struct cis_error *err);
/* Its halves: the kernel puts files into what the first has made. */
int rdt_make_class(struct rdt *t, int root, const struct config *c, const char *id,
		   struct cis_error *err);
int rdt_fill_class(struct rdt *t, int root, const struct config *c, const char *id,
		   struct cis_error *err);
/* For one more process of container @id: only opens. */
int rdt_open(struct rdt *t, int root, const char *id, struct cis_error *err);
/* The calling thread; raw calls. */
int rdt_join_child(const struct rdt *t);
/* NULL: as it is. */
int rdt_change(const struct rdt *t, int root, const char *l3, const char *mb,
	       struct cis_error *err);
int rdt_remove(const struct rdt *t, int root, const char *id, struct cis_error *err);

/* Members of @obj. */
void rdt_save(const struct rdt *t, struct json *obj);
void rdt_load(struct rdt *t, const struct json *obj);

#endif
