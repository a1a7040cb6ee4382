/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The root of a bundle: a plain directory, copied out of an image's layers. */
#ifndef CIS_BUNDLE_TREE_H
#define CIS_BUNDLE_TREE_H

#include <stdint.h>

#include "../base/error.h"
#include "../base/str.h"

struct bundle_tree {
	int root;                   /* of the image, as plan_open_root() has it */
	const struct strv *layers;  /* of which it is made, the topmost first */
	uint32_t base, count;       /* ids 0..count-1 become base..; count 0: they stay */
	/* After each entry, with all bytes so far; may be NULL. Not 0: -ECANCELED. */
	int (*step)(void *arg, uint64_t bytes);
	void *arg;
};

/*
 * Files, directories, links and fifos with owner, mode, time, file capabilities and
 * attributes user.*, in the order of their names; devices, sockets and what is mounted are
 * left out. @dest: an empty directory into which nobody else can get.
 */
int bundle_tree_copy(const struct bundle_tree *t, int dest, struct cis_error *err);

#endif
