/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The system call filter that a config.json asks for (linux.seccomp). Ours, for
 * sandboxes, is in seccomp.h.
 */
#ifndef CIS_ISOLATE_SECCOMP_OCI_H
#define CIS_ISOLATE_SECCOMP_OCI_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stdint.h>

#include "../base/error.h"

struct config_seccomp;

/*
 * The program. @cache_dirfd: a directory of ours where it is looked for and kept, or -1;
 * trouble with it is no error. *ret is one allocation. -EINVAL: what libseccomp or runc
 * would not take; -E2BIG: more than 4096 instructions.
 */
int seccomp_from_config(const struct config_seccomp *s, int cache_dirfd,
			struct sock_filter **ret, unsigned short *ret_n,
			struct cis_error *err);

/* Some rule notifies: seccomp_load_child() has to return a listener. */
bool seccomp_wants_listener(const struct config_seccomp *s);

/*
 * Where the config names none, as runc and crun have it: no mitigation of speculative store
 * bypass on account of the filter alone, which is what Linux does by default since 5.16.
 */
uint32_t seccomp_default_flags(void);

/* -EINVAL, naming it, if the kernel lacks one of SECCOMP_FILTER_FLAG_*. Sets nothing. */
int seccomp_check_flags(uint32_t flags, struct cis_error *err);

/*
 * Loads it into the calling thread, which has no_new_privs or CAP_SYS_ADMIN. Returns the
 * listener (close-on-exec) if one is wanted, else 0, or -errno. Raw call.
 */
int seccomp_load_child(const struct sock_filter *f, unsigned short n, uint32_t flags,
		       bool wants_listener);

#endif
