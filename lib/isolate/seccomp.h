/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The default system call filter. It is a fence around what a user namespace
 * does not fence: parts of the kernel that are global, rarely needed, or have
 * a history. Everything an engine needs stays: mounts, namespaces, keys of netfilter.
 */
#ifndef CIS_ISOLATE_SECCOMP_H
#define CIS_ISOLATE_SECCOMP_H

#include <linux/filter.h>
#include <stdint.h>

#include "../base/error.h"

/* That for a set of CIS_ALLOW_* (other bits are ignored); NULL if there were none. */
const struct sock_filter *seccomp_filter(uint64_t flags, unsigned short *ret_n);

/* Payload: the last thing before execve. Raw call. */
int seccomp_install_child(const struct sock_filter *filter, unsigned short n);

/* Those of our own helpers: what they do not need kills them. */
enum seccomp_helper {
	SECCOMP_VFS,
	SECCOMP_KEEPER,
	SECCOMP_NAMES,
	SECCOMP_INBOUND,
	SECCOMP_ARTIFACT,
	SECCOMP_UNPACK,
	SECCOMP_PASS,
	SECCOMP_NOTIFY,
	SECCOMP_PATHS,
	SECCOMP_MOUNTER,
	SECCOMP_HELPERS
};
const struct sock_filter *seccomp_helper_filter(enum seccomp_helper helper,
						unsigned short *ret_n);

/* seccomp-compile.c, -helpers.c, at build time and in tests. *ret is one allocation. */
int seccomp_compile(uint64_t flags, struct sock_filter **ret, unsigned short *ret_n,
		    struct cis_error *err);
int seccomp_compile_helper(enum seccomp_helper helper, struct sock_filter **ret,
			   unsigned short *ret_n, struct cis_error *err);

#endif
