/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the kernel has and Debian 12's libc headers do not: the only place,
 * with config.h, where #ifdef may ask about the build machine.
 */
#ifndef CIS_BASE_COMPAT_H
#define CIS_BASE_COMPAT_H

#include <linux/openat2.h>
#include <linux/sched.h>
#include <sys/mount.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif
#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1U << 2)
#endif

#endif
