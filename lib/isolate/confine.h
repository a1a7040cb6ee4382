/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The last thing a helper of ours does before it meets what it is there for. */
#ifndef CIS_ISOLATE_CONFINE_H
#define CIS_ISOLATE_CONFINE_H

#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "seccomp.h"

struct confinement {
	uid_t id;         /* of user and group; no others */
	uint64_t caps;    /* 1 << CAP_*: what is left of them, of a root's */
	rlim_t files;     /* descriptors above that number cannot be made; or CONFINE_FILES_ALL */
	rlim_t file_size; /* of what it may write to */
	enum seccomp_helper filter;
};

/* As many as we may have: of who carries streams. */
#define CONFINE_FILES_ALL RLIM_INFINITY

/*
 * In a cloned child, by raw calls. No process can be made but by the host's root, none traces
 * it.
 */
int confine_child(const struct confinement *c);

/*
 * The part of it that is left to who goes on making processes of others' ids: capabilities
 * are those of @caps (1 << CAP_*), none is to be had any more, and nobody traces it.
 */
int confine_caps_child(uint64_t caps);

#endif
