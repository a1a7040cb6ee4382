/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The runtime for engines inside: cisandbox-oci as one static file, of the host, at one
 * place in the sandbox. Which engine uses it, and how it is told to, is a matter of the
 * profile's services (profiles/docker.json): they find the place in the environment.
 */
#ifndef CIS_INNER_H
#define CIS_INNER_H

#include "base/error.h"

/* By that name its profile is nested: engines that pass no options need none. */
#define INNER_NAME "cisandbox-oci-nested"
#define INNER_PLACE "/usr/libexec/" INNER_NAME
#define INNER_ENV "CISANDBOX_INNER_RUNTIME"

/*
 * Where it lies on the host: beside this program, as in a build tree or below a prefix, or
 * where it was to be installed. *ret is the caller's to free. -ENOENT.
 */
int inner_find(char **ret, struct cis_error *err);

/* The same for what unpacks archives (image/unpack.h). */
#define UNPACK_PROGRAM "cisandbox-unpack"
int inner_find_helper(const char *name, char **ret, struct cis_error *err);

/* Says where this program lies, when it was executed anew without a name (rootless.c). */
#define INNER_SELF "CISANDBOX_SELF"

#endif
