/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The files of cgroup2, for settings that were thought out for v1. */
#include <stdio.h>
#include <string.h>

#include "../base/io.h"
#include "../base/str.h"
#include "../base/sys.h"
#include "resources.h"

/* ---- memory -------------------------------------------------------------- */

/* -1 is "max". */
static int put_max(const struct place *p, const struct place_group *g, const char *file,
		   int64_t v, struct cis_error *err)
{
	if (v < 0)
		return resources_put(p, g, file, "max", err);
	return resources_putf(p, g, err, file, "%lld", (long long)v);
}

static int put_swap(const struct place *p, const struct place_group *g,
		    const struct config_resources *r, struct cis_error *err)
{
	uint64_t now = UINT64_MAX;
	int64_t swap;
	int k;

	if (!resources_given(r->memory_limit))
		io_read_u64_at(g->dir, "memory.max", &now);
	k = resources_swap(r->memory_limit, r->memory_swap, now, &swap);
	if (k < 0)
		return cis_fail_plain(err, -k,
				      "cgroups: memory+swap limit %lld of %s: it needs a "
				      "memory limit, which must not be greater",
				      (long long)r->memory_swap, p->path);
	if (swap == CONFIG_NONE)
		return 0;
	/* Without swap accounting there is nothing to lift, and none to use. */
	if (swap <= 0 && !resources_has(g, "memory.swap.max"))
		return 0;
	return put_max(p, g, "memory.swap.max", swap, err);
}

/* Swappiness and the OOM killer's switch are v1's alone; runtimes pass over them. */
int v2_memory(const struct place *p, const struct place_group *g,
	      const struct config_resources *r, struct cis_error *err)
{
	int k = resources_check_usage(p, g, r, err);

	if (k >= 0)
		k = put_swap(p, g, r, err);
	if (k >= 0 && resources_given(r->memory_limit))
		k = put_max(p, g, "memory.max", r->memory_limit, err);
	if (k >= 0 && resources_given(r->memory_reservation))
		k = put_max(p, g, "memory.low", r->memory_reservation, err);
	return k;
}

/* ---- cpu ----------------------------------------------------------------- */

/* "QUOTA" alone keeps the period; a period alone must repeat the quota. */
static int put_quota(const struct place *p, const struct place_group *g,
		     const struct config_resources *r, struct cis_error *err)
{
	cleanup_free char *now = NULL;
	char quota[32] = "max";
	int k;

	if (r->cpu_quota > 0) {
		snprintf(quota, sizeof quota, "%lld", (long long)r->cpu_quota);
	} else if (!resources_given(r->cpu_quota)) {
		if (!r->cpu_period)
			return 0;
		k = io_read_file_at(g->dir, "cpu.max", 256, &now, NULL);
		if (k < 0)
			return cis_fail(err, -k, "cgroups: read cpu.max of %s", p->path);
		snprintf(quota, sizeof quota, "%.*s", (int)strcspn(now, " \n"), now);
	}
	if (!r->cpu_period)
		return resources_put(p, g, "cpu.max", quota, err);
	return resources_putf(p, g, err, "cpu.max", "%s %llu", quota,
			      (unsigned long long)r->cpu_period);
}

static int put_max_and_burst(const struct place *p, const struct place_group *g,
			     const struct config_resources *r, struct cis_error *err)
{
	static const char file[] = "cpu.max.burst";
	unsigned long long burst = r->cpu_burst;
	bool given = r->has_cpu_burst && (burst || resources_has(g, file));
	int k = 0;

	/* A burst above the quota of now is refused, but the next may fit: see v1. */
	if (given)
		k = resources_putf(p, g, err, file, "%llu", burst);
	given = k == -EINVAL && resources_given(r->cpu_quota);
	if (k >= 0 || given)
		k = put_quota(p, g, r, err);
	if (k >= 0 && given)
		k = resources_putf(p, g, err, file, "%llu", burst);
	return k;
}

int v2_cpu(const struct place *p, const struct place_group *g,
	   const struct config_resources *r, struct cis_error *err)
{
	bool idle = r->cpu_idle != CONFIG_NONE;
	int k = 0;

	if (resources_given(r->cpu_rt_runtime) || r->cpu_rt_period)
		return cis_fail_plain(
			err, EOPNOTSUPP,
			"cgroups: real-time cpu limit of %s: cgroup2 has none", p->path);
	/* The kernel refuses a weight for an idle group. */
	if (idle && r->cpu_idle == 0)
		k = resources_put(p, g, "cpu.idle", "0", err);
	if (k >= 0 && r->cpu_shares)
		k = resources_putf(p, g, err, "cpu.weight", "%llu",
				   (unsigned long long)resources_weight(r->cpu_shares));
	if (k >= 0)
		k = put_max_and_burst(p, g, r, err);
	if (k >= 0 && idle && r->cpu_idle != 0)
		k = resources_putf(p, g, err, "cpu.idle", "%lld", (long long)r->cpu_idle);
	return k;
}

/* ---- block devices ------------------------------------------------------- */

/* BFQ has its own file, on v1's scale; io.weight belongs to io.cost. */
static int put_weights(const struct place *p, const struct place_group *g,
		       const struct config_resources *r, struct cis_error *err)
{
	bool bfq = resources_has(g, "io.bfq.weight");
	const char *file = bfq ? "io.bfq.weight" : "io.weight";
	unsigned long long weight = r->blkio_weight;
	int k = 0;

	if (weight)
		k = resources_putf(p, g, err, file, "%llu",
				   bfq ? weight
				       : (unsigned long long)resources_io_weight(weight));
	for (size_t i = 0; k >= 0 && i < r->n_blkio_weights; i++) {
		const struct config_blkio_device *d = &r->blkio_weights[i];

		weight = bfq ? d->value : resources_io_weight(d->value);
		if (d->value)
			k = resources_putf(p, g, err, file, "%lld:%lld %llu",
					   (long long)d->major, (long long)d->minor,
					   weight);
	}
	return k;
}

int v2_blkio(const struct place *p, const struct place_group *g,
	     const struct config_resources *r, struct cis_error *err)
{
	static const char *const keys[BLKIO_THROTTLES] = {
		[BLKIO_READ_BPS] = "rbps",
		[BLKIO_WRITE_BPS] = "wbps",
		[BLKIO_READ_IOPS] = "riops",
		[BLKIO_WRITE_IOPS] = "wiops",
	};
	int k = put_weights(p, g, r, err);

	for (size_t t = 0; t < BLKIO_THROTTLES; t++)
		for (size_t i = 0; k >= 0 && i < r->n_blkio_throttles[t]; i++) {
			const struct config_blkio_device *d = &r->blkio_throttles[t][i];
			char value[32] = "max"; /* v1's 0 */

			if (d->value)
				snprintf(value, sizeof value, "%llu",
					 (unsigned long long)d->value);
			k = resources_putf(p, g, err, "io.max", "%lld:%lld %s=%s",
					   (long long)d->major, (long long)d->minor,
					   keys[t], value);
		}
	return k;
}

/* ---- the rest ------------------------------------------------------------ */

int v2_hugetlb(const struct place *p, const struct place_group *g,
	       const struct config_resources *r, struct cis_error *err)
{
	int k = 0;

	for (size_t i = 0; k >= 0 && i < r->n_hugepages; i++) {
		const struct config_hugepage *h = &r->hugepages[i];
		char file[80], rsvd[80];

		snprintf(file, sizeof file, "hugetlb.%.32s.max", h->page_size);
		snprintf(rsvd, sizeof rsvd, "hugetlb.%.32s.rsvd.max", h->page_size);
		if (strchr(h->page_size, '/') || !resources_has(g, file))
			return cis_fail_plain(err, EINVAL,
					      "cgroups: hugepage limit: this host has no "
					      "huge pages of %s", h->page_size);
		k = resources_putf(p, g, err, file, "%llu", (unsigned long long)h->limit);
		if (k >= 0 && resources_has(g, rsvd))
			k = resources_putf(p, g, err, rsvd, "%llu",
					   (unsigned long long)h->limit);
	}
	return k;
}

/* Whether cgroup2 here has the controller of which @file is. "cgroup." is core. */
static bool has_controller_of(const struct place_group *g, const char *file)
{
	size_t n = strcspn(file, ".");

	if (n == 6 && strncmp(file, "cgroup", 6) == 0)
		return true;
	for (unsigned c = 0; c < PLACE_CONTROLLERS; c++) {
		const char *name = place_controller_name(c, true);

		if (strlen(name) == n && strncmp(name, file, n) == 0)
			return g->controllers & (1u << c);
	}
	return false;
}

static int put_unified(const struct place *p, const struct place_group *g,
		       const struct config_pair *u, struct cis_error *err)
{
	int k = 0;

	if (strchr(u->key, '/') || !strchr(u->key, '.') || *u->key == '.')
		return cis_fail_plain(err, EINVAL,
				      "cgroups: invalid configuration: unified resource "
				      "%s must be of the form CONTROLLER.PARAMETER, "
				      "without slashes", u->key);
	if (!resources_has(g, u->key) && !has_controller_of(g, u->key))
		return cis_fail_plain(
			err, EOPNOTSUPP,
			"cgroups: invalid configuration: unified resource %s can't be "
			"set: controller %.*s not available",
			u->key, (int)strcspn(u->key, "."), u->key);
	/* The kernel takes one line a write. */
	for (const char *line = u->value; k >= 0 && *line;) {
		size_t n = strcspn(line, "\n");

		if (n > 0)
			k = resources_putf(p, g, err, u->key, "%.*s", (int)n, line);
		line += n + (line[n] == '\n');
	}
	return k;
}

int v2_unified(const struct place *p, const struct place_group *g,
	       const struct config_resources *r, struct cis_error *err)
{
	int k = 0;

	for (size_t i = 0; k >= 0 && i < r->n_unified; i++)
		k = put_unified(p, g, &r->unified[i], err);
	return k;
}
