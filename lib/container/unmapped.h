/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Profile docker: what becomes of a bind whose file system cannot be id-mapped. As it is,
 * all in it would be nobody's inside, so that is only done where owners do not matter or
 * where the user says so.
 */
#ifndef CIS_CONTAINER_UNMAPPED_H
#define CIS_CONTAINER_UNMAPPED_H

#include "box.h"

/* Destinations with commas between, "/" for the root file system; or "all". */
#define UNMAPPED_ANNOTATION "io.cisandbox.idmap-optional"

enum unmapped {
	UNMAPPED_REFUSED,
	UNMAPPED_AS_IT_IS,
	UNMAPPED_OWN_SHM, /* a tmpfs of our own, of the same size */
};

struct unmapped_facts {
	const char *destination;
	const char *optional; /* the annotation, or NULL */
	uint64_t fs_type;     /* *_MAGIC */
	bool is_host_dev;     /* it is of the host's /dev */
};

enum unmapped unmapped_decide(const struct unmapped_facts *f);
bool unmapped_is_optional(const char *optional, const char *destination);

/*
 * After id-mapping b->trees[@i] failed with @errnum: what is done instead. It may change
 * that mount in @c, which is b->c.
 */
int unmapped_bind(struct box *b, struct config *c, size_t i, int errnum,
		  struct cis_error *err);

#endif
