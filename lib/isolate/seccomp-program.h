/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CIS_ISOLATE_SECCOMP_PROGRAM_H
#define CIS_ISOLATE_SECCOMP_PROGRAM_H

#include <linux/filter.h>
#include <seccomp.h>
#include <stddef.h>

/*
 * The program libseccomp has made: @ret_n instructions in one allocation. They may be more
 * than a kernel takes, so that it can be told how much too much it is. 0 or -errno.
 */
int seccomp_program(scmp_filter_ctx ctx, struct sock_filter **ret, size_t *ret_n);

#endif
