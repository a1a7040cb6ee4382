/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * config.json's resources as control files. Each controller is asked where it lives, so
 * that any mixture of v1 and cgroup2 works; resources-v1.c and resources-v2.c know the
 * files.
 */
#ifndef CIS_CGROUP_RESOURCES_H
#define CIS_CGROUP_RESOURCES_H

#include "../container/config.h"
#include "place.h"

/* A number that was given; engines write 0 for "none" too. */
static inline bool resources_given(int64_t v)
{
	return v != CONFIG_NONE && v != 0;
}

/* -EOPNOTSUPP: which limit, which controller. Makes nothing. */
int resources_check(const struct place *p, const struct config_resources *r,
		    struct cis_error *err);

/* ---- conversions; no system calls ---------------------------------------- */

/* cpu.shares 2..262144 -> cpu.weight 1..10000 so that 1024 is 100; 0 stays 0. */
uint64_t resources_weight(uint64_t shares);
/* blkio.weight 10..1000 -> io.weight 1..10000 */
uint64_t resources_io_weight(uint64_t weight);
/*
 * Memory and swap together -> swap alone. @limit: CONFIG_NONE when not given, @current
 * being what holds then (UINT64_MAX: none). *ret: -1 no limit, CONFIG_NONE leave it.
 */
int resources_swap(int64_t limit, int64_t swap, uint64_t current, int64_t *ret);

/* "0-2,7" as bytes of bits, lowest first. -EINVAL. */
int resources_cpu_bits(const char *list, unsigned char *bits, size_t size,
		       size_t *ret_len);

/* ---- between the files of this part -------------------------------------- */

/* Writes @file of @g; EPERM becomes EACCES (see place_apply). */
int resources_put(const struct place *p, const struct place_group *g, const char *file,
		  const char *value, struct cis_error *err);
int resources_putf(const struct place *p, const struct place_group *g,
		   struct cis_error *err, const char *file, const char *fmt, ...)
	CIS_PRINTF(5, 6);
bool resources_has(const struct place_group *g, const char *file);

/* checkBeforeUpdate: -EBUSY below what is used now. */
int resources_check_usage(const struct place *p, const struct place_group *g,
			  const struct config_resources *r, struct cis_error *err);

/* What is given of one controller, in one version. */
typedef int resources_fn(const struct place *p, const struct place_group *g,
			 const struct config_resources *r, struct cis_error *err);
resources_fn v1_memory, v1_cpu, v1_cpuset, v1_pids, v1_blkio, v1_hugetlb, v1_net_cls,
	v1_net_prio;
resources_fn v2_memory, v2_cpu, v2_blkio, v2_hugetlb, v2_unified;
resources_fn resources_rdma; /* the same in both */

#endif
