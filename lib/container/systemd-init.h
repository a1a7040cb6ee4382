/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * systemd as the command of a sandbox (profile docker). It finds its way in containers by
 * itself, but for three things: a /run that is fresh at each start and can be written to
 * whatever the root is; that it is in a container; and that having every capability
 * inside is not having the host's kernel, which its units take for the same.
 */
#ifndef CIS_CONTAINER_SYSTEMD_INIT_H
#define CIS_CONTAINER_SYSTEMD_INIT_H

#include "config.h"

#define SYSTEMD_ANNOTATION "io.cisandbox.systemd"

/*
 * 1: the command is systemd: the annotation says so, or it has its name or init's and
 * leads to its program below @rootfs. 0: it is not. -EINVAL: a strange annotation.
 */
int systemd_init_find(const struct config *c, const char *rootfs, struct cis_error *err);

/* What it needs, into the config: mounts and environment. What is there stays. */
int systemd_init_apply(struct config *c, struct cis_error *err);

/* Into /run, if that is a fresh tmpfs: which units cannot work. Raw calls only. */
int systemd_init_units_child(const struct config *c, int root);

/* What an engine stops any container by has another meaning to systemd: to halt it. */
int systemd_init_signal(int sig);

#endif
