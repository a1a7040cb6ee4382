/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Id maps of the config's making: of a process, and of a mount. */
#ifndef CIS_CONTAINER_IDMAP_H
#define CIS_CONTAINER_IDMAP_H

#include <stdbool.h>

#include "config.h"

/*
 * A user namespace with these maps, of no process: a container's before it has any, or
 * what an id-mapped mount is told. It belongs to the host id of its root, so that what
 * is counted by user is counted for that one. fd or -errno.
 */
int idmap_userns(const struct config_idmap *uids, size_t n_uids,
		 const struct config_idmap *gids, size_t n_gids, struct cis_error *err);

/* Those of one that exists, into @c: the kernel tells, whether a process is in it or not. */
int idmap_read(const char *userns, struct config *c, struct cis_error *err);

/*
 * Whether it is by a host id of theirs that @fd is owned: then an engine has prepared it,
 * by chown or by an id-mapped layer, and to map it again would make it nobody's.
 */
bool idmap_is_shifted(const struct config *c, int fd);

/* A detached mount by its own mappings, or by those of a user namespace. */
int idmap_mount(int tree, const struct config_mount *m, struct cis_error *err);
int idmap_by(int tree, int userns, bool recursive);

#endif
