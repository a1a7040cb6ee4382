/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * sd_notify(3) for containers, where runc has it: /run/notify in the container is the directory
 * "notify" of the container's own, bound there at create; the socket in it is made by
 * start, whose process passes on what comes. Not the host's socket itself: systemd
 * believes only processes of the unit, and a container is in a group of its own.
 */
#ifndef CIS_CONTAINER_NOTIFY_H
#define CIS_CONTAINER_NOTIFY_H

#include "config.h"
#include "container.h"

#define NOTIFY_DIR "notify"
#define NOTIFY_NAME "notify.sock"

/* The directory, its mount and the variable; before anything is taken from @c. */
int notify_prepare(const struct container *ct, struct config *c, struct cis_error *err);
/* What of it is in the directory of a container that goes. */
void notify_remove(const struct container *ct);

#endif
