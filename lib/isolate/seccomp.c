/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "seccomp.h"

#include <linux/seccomp.h>

#include "../base/sys.h"
#include "filters.h" /* made at build time by tools/compile-filter.c */

#define FLAGS (CIS_ALLOW_BPF | CIS_ALLOW_PERF | CIS_ALLOW_IO_URING)

const struct sock_filter *seccomp_filter(uint64_t flags, unsigned short *ret_n)
{
	for (size_t i = 0; i < ARRAY_SIZE(filters); i++)
		if (filters[i].flags == (flags & FLAGS)) {
			*ret_n = filters[i].n;
			return filters[i].program;
		}
	return NULL;
}

const struct sock_filter *seccomp_helper_filter(enum seccomp_helper helper,
						unsigned short *ret_n)
{
	*ret_n = helpers[helper].n;
	return helpers[helper].program;
}

int seccomp_install_child(const struct sock_filter *filter, unsigned short n)
{
	struct sock_fprog program = {.len = n, .filter = (struct sock_filter *)filter};

	return SYS(seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}
