/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Making a container, for who has more to say of it than an OCI command line can. */
#ifndef CIS_CONTAINER_CREATE_H
#define CIS_CONTAINER_CREATE_H

#include <cisandbox.h>
#include <stdbool.h>

/* What a handle adds. */
struct create_more {
	int bundle;        /* its directory, borrowed: in the place of how->bundle */
	const int *stdio;  /* three, above 2, borrowed; NULL: the calling process's */
	char *const *argv; /* in the place of process.args, or NULL */
	bool terminal;     /* whatever the bundle says */
	unsigned short rows, cols; /* 0: the bundle's */
};

/* As cis_oci_create(); @more may be NULL. */
int container_create(const struct cis_oci *rt, const char *id,
		     const struct cis_oci_create *how, const struct create_more *more,
		     struct cis_error *err);

#endif
