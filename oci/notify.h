/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Readiness: what the container tells by sd_notify(3) goes on to the service manager that
 * NOTIFY_SOCKET names. As no process of ours stays, a detached container is waited for until
 * it is ready, and becomes the unit's main process then; in the foreground we stay the
 * main process and pass on whatever comes.
 */
#ifndef CIS_OCI_NOTIFY_H
#define CIS_OCI_NOTIFY_H

#include <stdbool.h>

#include "oci.h"

struct notify {
	int inside; /* where the container's messages come, or -1 */
	int host;   /* connected to the service manager */
};

/* Whether a service manager wants to hear of it. */
bool notify_is_wanted(void);
/* Before start. Also 0 when nobody wants to hear, or the container cannot tell. */
int notify_open(struct notify *n, struct call *c);
/* What has come. Whether the container is ready. */
bool notify_pass_on(struct notify *n);
/* Its main process, which does what it is told by systemd. */
void notify_main_pid(struct notify *n, int pid);
/* Until it is ready, or has ended, which is no failure: as runc. */
void notify_wait(struct notify *n, struct call *c);
void notify_close(struct notify *n);

#endif
