/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Compiled system call filters, kept in a directory of the runtime's own. */
#ifndef CIS_ISOLATE_SECCOMP_CACHE_H
#define CIS_ISOLATE_SECCOMP_CACHE_H

#include <linux/filter.h>
#include <stddef.h>

#define SECCOMP_CACHE_FILES 64

/*
 * The program that was stored for exactly the text @key. -ENOENT none, -EPERM somebody
 * else may have written it, -EBADMSG damaged: all three mean "compile, then store".
 * *ret is one allocation.
 */
int seccomp_cache_load(int dirfd, const char *key, size_t len, struct sock_filter **ret,
		       unsigned short *ret_n);

/* Replaces what is there, and removes the longest unused beyond SECCOMP_CACHE_FILES. */
int seccomp_cache_store(int dirfd, const char *key, size_t len,
			const struct sock_filter *f, unsigned short n);

#endif
