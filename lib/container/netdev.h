/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* linux.netDevices: devices of the host's that become the container's. */
#ifndef CIS_CONTAINER_NETDEV_H
#define CIS_CONTAINER_NETDEV_H

#include <sys/types.h>

#include "config.h"

/* Whether they are there, before anything is made. */
int netdev_check(const struct config *c, struct cis_error *err);
/* Into the network namespace of @pid. Nobody gives them back: as runc. */
int netdev_give(const struct config *c, pid_t pid, struct cis_error *err);

#endif
