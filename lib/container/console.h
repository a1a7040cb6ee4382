/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a container's maker gives away: descriptors over sockets, the pid file. */
#ifndef CIS_CONTAINER_CONSOLE_H
#define CIS_CONTAINER_CONSOLE_H

#include "container.h"
#include "config.h"

/* A terminal needs somebody who takes its master, and a socket a terminal. -EINVAL. */
int console_check(bool terminal, const char *socket, const int *ret, struct cis_error *err);
/* The master: over the socket at @path, or a copy of it to *ret. */
int console_give(int master, const char *path, int *ret, struct cis_error *err);
/* A pidfd of @pid. */
int pidfd_give(pid_t pid, const char *path, struct cis_error *err);
/* A seccomp listener, to the agent that config.json names, with the process state. */
int listener_give(int listener, const struct config_seccomp *s, const struct container *ct,
		  struct cis_error *err);
/* In one step: who finds it finds the pid. */
int pid_file_write(const char *path, pid_t pid, struct cis_error *err);

#endif
