/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A container as a unit of systemd's, which then knows that the group is not its own
 * (Delegate) and does not take its limits back. libsystemd is loaded when it is wanted:
 * the command has no link to it. A static command cannot load it and has
 * systemd-none.c, which says so.
 */
#ifndef CIS_CGROUP_SYSTEMD_H
#define CIS_CGROUP_SYSTEMD_H

#include "place.h"

/* Makes p->unit below p->slice with @pid in it; returns when systemd is done. */
int systemd_start(const struct place *p, pid_t pid, const struct config_resources *r,
		  struct cis_error *err);

/* The limits, as far as systemd knows them. */
int systemd_update(const struct place *p, const struct config_resources *r,
		   struct cis_error *err);

/* Stops the unit, if it is there, and waits. */
int systemd_stop(const struct place *p, struct cis_error *err);

#endif
