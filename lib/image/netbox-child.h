/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What netbox.c prepares for its children. */
#ifndef CIS_NETBOX_CHILD_H
#define CIS_NETBOX_CHILD_H

#include <stdbool.h>

#include "netbox.h"

enum netbox_step {
	NETBOX_NAMESPACES, /* make namespaces */
	NETBOX_MOUNTS,
	NETBOX_FILES,
	NETBOX_ROOT,
	NETBOX_CONFINE,
	NETBOX_EXEC,
};

/* What appears in the box: a mount, or a link. */
struct netbox_tree {
	const char *at;
	int fd; /* -1: a link */
	bool file;
	char link[64];
};
#define NETBOX_TREES_MAX 16

struct netbox_failure {
	int step, error;
};

struct netbox_birth {
	const struct netbox *box;
	const char *program;
	const char *const *argv;
	char *const *env;
	uint64_t file_max;
	struct netbox_tree trees[NETBOX_TREES_MAX];
	size_t n_trees;
	int null, out, err, life, told;
};

/* cis:netbox: waits for the program, and kills it when the caller's end of life closes. */
void netbox_keeper_main(const struct netbox_birth *b) __attribute__((noreturn));

#endif
