/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Writing to /proc when others may have a say in what /proc is. A container's mounts can
 * put a link, or another file of procfs, where a label or a sysctl is to be written
 * (CVE-2025-52881): so we hold a procfs nobody else can mount on, walk it without
 * following anything, and look whether what we opened is procfs.
 */
#ifndef CIS_ISOLATE_PROCFD_H
#define CIS_ISOLATE_PROCFD_H

#include <stdbool.h>
#include <stddef.h>

#include "../base/error.h"

/*
 * The root of a procfs of the caller's pid namespace, or -errno. A mount of its own that
 * is in no namespace where the kernel lets us; else /proc, after a look at it. Raw calls.
 */
int procfd_open(void);

/* "PID/@file", PID being the caller's number in that procfs. -ENOENT: not in there. */
int procfd_self_child(int procfd, const char *file, char *buf, size_t n);

/* Only a plain "no such file" is a no. */
bool procfd_has_child(int procfd, const char *path);

/* Writes @value in one go. -EXDEV, -ELOOP: something is mounted there, or is a link. */
int procfd_write_child(int procfd, const char *path, const char *value);

/*
 * Sysctls are spelt as for sysctl(8): "net.ipv4.ip_forward", "net/ipv4/ip_forward",
 * "net.ipv4.conf.eth0/1.rp_filter". -EINVAL: parts that are empty, "." or "..".
 */
int sysctl_write_child(int procfd, const char *key, const char *value);

/* May a container with these namespaces of its own set it? -EINVAL, -EPERM. */
int sysctl_check(const char *key, bool own_ipc, bool own_net, bool own_uts, bool own_user,
		 struct cis_error *err);

#endif
