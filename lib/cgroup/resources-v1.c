/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The files of cgroup v1, in the orders that its kernel code accepts. */
#include <stdio.h>
#include <string.h>

#include "../base/io.h"
#include "../base/str.h"
#include "../base/sys.h"
#include "resources.h"

/* ---- memory -------------------------------------------------------------- */

#define LIMIT "memory.limit_in_bytes"
#define MEMSW "memory.memsw.limit_in_bytes"

static int put_limit(const struct place *p, const struct place_group *g, int64_t v,
		     struct cis_error *err)
{
	uint64_t used = 0, peak = 0;
	int k = resources_putf(p, g, err, LIMIT, "%lld", (long long)v);

	if (k != -EBUSY)
		return k;
	io_read_u64_at(g->dir, "memory.usage_in_bytes", &used);
	io_read_u64_at(g->dir, "memory.max_usage_in_bytes", &peak);
	return cis_hint(err, "current usage: %llu, peak usage: %llu",
			(unsigned long long)used, (unsigned long long)peak);
}

static int put_swap(const struct place *p, const struct place_group *g, int64_t v,
		    struct cis_error *err)
{
	int k;

	/* Nothing to lift where swap is not counted. */
	if (v < 0 && !resources_has(g, MEMSW))
		return 0;
	k = resources_putf(p, g, err, MEMSW, "%lld", (long long)v);
	if (k == -ENOENT)
		return cis_hint(
			err, "the kernel does not count swap: boot with swapaccount=1");
	return k;
}

/* Memory may never exceed memory and swap, not even between two writes. */
static int put_both(const struct place *p, const struct place_group *g, int64_t limit,
		    int64_t swap, struct cis_error *err)
{
	uint64_t now = 0;
	int k = 0;

	if (limit == -1 && !resources_given(swap))
		swap = -1;
	if (resources_given(limit) && resources_given(swap)) {
		io_read_u64_at(g->dir, LIMIT, &now);
		if (swap < 0 || now < (uint64_t)swap) {
			k = put_swap(p, g, swap, err);
			swap = CONFIG_NONE;
		}
	}
	if (k >= 0 && resources_given(limit))
		k = put_limit(p, g, limit, err);
	if (k >= 0 && resources_given(swap))
		k = put_swap(p, g, swap, err);
	return k;
}

int v1_memory(const struct place *p, const struct place_group *g,
	      const struct config_resources *r, struct cis_error *err)
{
	int k = resources_check_usage(p, g, r, err);

	if (k >= 0)
		k = put_both(p, g, r->memory_limit, r->memory_swap, err);
	if (k >= 0 && resources_given(r->memory_reservation))
		k = resources_putf(p, g, err, "memory.soft_limit_in_bytes", "%lld",
				   (long long)r->memory_reservation);
	if (k >= 0 && r->memory_swappiness >= 0)
		k = resources_putf(p, g, err, "memory.swappiness", "%lld",
				   (long long)r->memory_swappiness);
	if (k >= 0 && r->memory_disable_oom_killer)
		k = resources_put(p, g, "memory.oom_control", "1", err);
	return k;
}

/* ---- cpu ----------------------------------------------------------------- */

/*
 * Period and burst are checked against the quota that is there and not against the one
 * that comes next; so what is refused before the quota is tried again after it.
 */
static int put_around(const struct place *p, const struct place_group *g,
		      const char *const files[3], char values[3][32],
		      struct cis_error *err)
{
	bool again[2] = {false, false};
	int k = 0;

	for (size_t i = 0; k >= 0 && i < 2; i++) {
		if (!*values[i])
			continue;
		k = resources_put(p, g, files[i], values[i], err);
		again[i] = k == -EINVAL && *values[2];
		if (again[i])
			k = 0;
	}
	if (k >= 0 && *values[2])
		k = resources_put(p, g, files[2], values[2], err);
	for (size_t i = 0; k >= 0 && i < 2; i++)
		if (again[i])
			k = resources_put(p, g, files[i], values[i], err);
	return k;
}

static int put_shares(const struct place *p, const struct place_group *g,
		      const struct config_resources *r, struct cis_error *err)
{
	bool idle = r->cpu_idle != CONFIG_NONE;
	int k = 0;

	/* The kernel refuses shares for an idle group. */
	if (idle && r->cpu_idle == 0)
		k = resources_put(p, g, "cpu.idle", "0", err);
	if (k >= 0 && r->cpu_shares)
		k = resources_putf(p, g, err, "cpu.shares", "%llu",
				   (unsigned long long)r->cpu_shares);
	if (k >= 0 && idle && r->cpu_idle != 0)
		k = resources_putf(p, g, err, "cpu.idle", "%lld", (long long)r->cpu_idle);
	return k;
}

int v1_cpu(const struct place *p, const struct place_group *g,
	   const struct config_resources *r, struct cis_error *err)
{
	static const char *const fair[] = {"cpu.cfs_period_us", "cpu.cfs_burst_us",
					   "cpu.cfs_quota_us"};
	static const char *const rt[] = {"cpu.rt_period_us", "", "cpu.rt_runtime_us"};
	char fairs[3][32] = {"", "", ""}, rts[3][32] = {"", "", ""};
	int k = put_shares(p, g, r, err);

	if (r->cpu_period)
		snprintf(fairs[0], sizeof fairs[0], "%llu",
			 (unsigned long long)r->cpu_period);
	if (r->has_cpu_burst && (r->cpu_burst || resources_has(g, fair[1])))
		snprintf(fairs[1], sizeof fairs[1], "%llu",
			 (unsigned long long)r->cpu_burst);
	if (resources_given(r->cpu_quota))
		snprintf(fairs[2], sizeof fairs[2], "%lld", (long long)r->cpu_quota);
	if (r->cpu_rt_period)
		snprintf(rts[0], sizeof rts[0], "%llu",
			 (unsigned long long)r->cpu_rt_period);
	if (resources_given(r->cpu_rt_runtime))
		snprintf(rts[2], sizeof rts[2], "%lld", (long long)r->cpu_rt_runtime);
	if (k >= 0)
		k = put_around(p, g, rt, rts, err);
	return k < 0 ? k : put_around(p, g, fair, fairs, err);
}

/* cgroup2's files have the same names. */
int v1_cpuset(const struct place *p, const struct place_group *g,
	      const struct config_resources *r, struct cis_error *err)
{
	int k = 0;

	if (r->cpus && *r->cpus)
		k = resources_put(p, g, "cpuset.cpus", r->cpus, err);
	if (k >= 0 && r->mems && *r->mems)
		k = resources_put(p, g, "cpuset.mems", r->mems, err);
	return k;
}

int v1_pids(const struct place *p, const struct place_group *g,
	    const struct config_resources *r, struct cis_error *err)
{
	if (r->pids_limit == CONFIG_NONE)
		return 0;
	if (r->pids_limit <= 0)
		return resources_put(p, g, "pids.max", "max", err);
	return resources_putf(p, g, err, "pids.max", "%lld", (long long)r->pids_limit);
}

/* ---- block devices ------------------------------------------------------- */

static int put_device(const struct place *p, const struct place_group *g,
		      const char *file, const struct config_blkio_device *d,
		      uint64_t value, struct cis_error *err)
{
	return resources_putf(p, g, err, file, "%lld:%lld %llu", (long long)d->major,
			      (long long)d->minor, (unsigned long long)value);
}

static int put_weights(const struct place *p, const struct place_group *g,
		       const struct config_resources *r, struct cis_error *err)
{
	/* CFQ's until Linux 5.0, BFQ's since. */
	bool bfq = !resources_has(g, "blkio.weight");
	const char *file = bfq ? "blkio.bfq.weight" : "blkio.weight";
	const char *device = bfq ? "blkio.bfq.weight_device" : "blkio.weight_device";
	int k = 0;

	if (r->blkio_weight)
		k = resources_putf(p, g, err, file, "%u", r->blkio_weight);
	if (k >= 0 && r->blkio_leaf_weight)
		k = resources_putf(p, g, err, "blkio.leaf_weight", "%u",
				   r->blkio_leaf_weight);
	for (size_t i = 0; k >= 0 && i < r->n_blkio_weights; i++) {
		const struct config_blkio_device *d = &r->blkio_weights[i];

		if (d->value)
			k = put_device(p, g, device, d, d->value, err);
		if (k >= 0 && d->leaf)
			k = put_device(p, g, "blkio.leaf_weight_device", d, d->leaf, err);
	}
	return k;
}

int v1_blkio(const struct place *p, const struct place_group *g,
	     const struct config_resources *r, struct cis_error *err)
{
	static const char *const files[BLKIO_THROTTLES] = {
		[BLKIO_READ_BPS] = "blkio.throttle.read_bps_device",
		[BLKIO_WRITE_BPS] = "blkio.throttle.write_bps_device",
		[BLKIO_READ_IOPS] = "blkio.throttle.read_iops_device",
		[BLKIO_WRITE_IOPS] = "blkio.throttle.write_iops_device",
	};
	int k = put_weights(p, g, r, err);

	for (size_t t = 0; t < BLKIO_THROTTLES; t++)
		for (size_t i = 0; k >= 0 && i < r->n_blkio_throttles[t]; i++) {
			const struct config_blkio_device *d = &r->blkio_throttles[t][i];

			k = put_device(p, g, files[t], d, d->value, err);
		}
	return k;
}

/* ---- the rest ------------------------------------------------------------ */

int v1_hugetlb(const struct place *p, const struct place_group *g,
	       const struct config_resources *r, struct cis_error *err)
{
	int k = 0;

	for (size_t i = 0; k >= 0 && i < r->n_hugepages; i++) {
		const struct config_hugepage *h = &r->hugepages[i];
		char file[96], rsvd[96];

		snprintf(file, sizeof file, "hugetlb.%.32s.limit_in_bytes", h->page_size);
		snprintf(rsvd, sizeof rsvd, "hugetlb.%.32s.rsvd.limit_in_bytes",
			 h->page_size);
		if (strchr(h->page_size, '/') || !resources_has(g, file))
			return cis_fail_plain(err, EINVAL,
					      "cgroups: hugepage limit: this host has no "
					      "huge pages of %s", h->page_size);
		k = resources_putf(p, g, err, file, "%llu", (unsigned long long)h->limit);
		/* What is reserved is not what is touched; since Linux 5.7. */
		if (k >= 0 && resources_has(g, rsvd))
			k = resources_putf(p, g, err, rsvd, "%llu",
					   (unsigned long long)h->limit);
	}
	return k;
}

int v1_net_cls(const struct place *p, const struct place_group *g,
	       const struct config_resources *r, struct cis_error *err)
{
	if (!r->has_net_class || !r->net_class)
		return 0;
	return resources_putf(p, g, err, "net_cls.classid", "%u", r->net_class);
}

int v1_net_prio(const struct place *p, const struct place_group *g,
		const struct config_resources *r, struct cis_error *err)
{
	int k = 0;

	for (size_t i = 0; k >= 0 && i < r->n_net_priorities; i++)
		k = resources_putf(p, g, err, "net_prio.ifpriomap", "%s %s",
				   r->net_priorities[i].key, r->net_priorities[i].value);
	return k;
}
