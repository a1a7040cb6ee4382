/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "resources.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "../base/io.h"
#include "../base/sys.h"
#include "devices.h"
#include "systemd.h"

/* ---- conversions --------------------------------------------------------- */

/* libm has both; the library does without it. Digits enough for their use. */
static double log2_of(double v)
{
	double result = 0;

	for (; v >= 2; v /= 2)
		result += 1;
	for (double bit = 0.5; bit > 1e-15; bit /= 2) {
		v *= v;
		if (v >= 2) {
			v /= 2;
			result += bit;
		}
	}
	return result;
}

static double ten_to(double x)
{
	double y = x * 2.302585092994045684, term = 1, sum = 1;

	for (int i = 1; i < 80; i++) {
		term *= y / i;
		sum += term;
	}
	return sum;
}

uint64_t resources_weight(uint64_t shares)
{
	double l, weight;
	uint64_t whole;

	if (shares <= 2)
		return shares ? 1 : 0;
	if (shares >= 262144)
		return 10000;
	/* Through (2, 1), (1024, 100), (262144, 10000), logarithms on both sides. */
	l = log2_of((double)shares);
	weight = ten_to((l * l + 125 * l) / 612 - 7.0 / 34);
	whole = (uint64_t)weight;
	return weight - (double)whole > 1e-9 ? whole + 1 : whole;
}

uint64_t resources_io_weight(uint64_t weight)
{
	weight = MAX(MIN(weight, 1000), 10);
	return 1 + (weight - 10) * 9999 / 990;
}

int resources_swap(int64_t limit, int64_t swap, uint64_t current, int64_t *ret)
{
	uint64_t memory = current;

	/* Nobody asks for limited swap beside unlimited memory by leaving it out. */
	if (!resources_given(swap)) {
		*ret = limit == -1 ? -1 : CONFIG_NONE;
		return 0;
	}
	if (swap < 0) {
		*ret = -1;
		return 0;
	}
	if (resources_given(limit))
		memory = limit < 0 ? UINT64_MAX : (uint64_t)limit;
	/* No limit of memory to take off, or more than both together. */
	if (memory > (uint64_t)swap)
		return -EINVAL;
	*ret = swap - (int64_t)memory;
	return 0;
}

static int read_number(const char **s, unsigned int max, unsigned int *ret)
{
	unsigned int v = 0, digits = 0;

	for (; **s >= '0' && **s <= '9'; (*s)++, digits++) {
		v = v * 10 + (unsigned int)(**s - '0');
		if (v > max)
			return -EINVAL;
	}
	*ret = v;
	return digits ? 0 : -EINVAL;
}

int resources_cpu_bits(const char *list, unsigned char *bits, size_t size,
		       size_t *ret_len)
{
	unsigned int max = (unsigned int)size * 8 - 1, from, to;

	memset(bits, 0, size);
	*ret_len = 0;
	for (const char *s = list + strspn(list, " \n"); *s; s += strspn(s, ", \n")) {
		if (read_number(&s, max, &from) < 0)
			return -EINVAL;
		to = from;
		if (*s == '-' && (s++, read_number(&s, max, &to) < 0 || to < from))
			return -EINVAL;
		if (*s && !strchr(", \n", *s))
			return -EINVAL;
		for (unsigned int i = from; i <= to; i++)
			bits[i / 8] |= (unsigned char)(1u << i % 8);
		*ret_len = MAX(*ret_len, (size_t)to / 8 + 1);
	}
	return 0;
}

/* ---- writing ------------------------------------------------------------- */

int resources_put(const struct place *p, const struct place_group *g, const char *file,
		  const char *value, struct cis_error *err)
{
	int r = g->dir < 0 ? -ENOENT : io_write_file_at(g->dir, file, value);
	char where[PLACE_PATH + 192];

	if (r >= 0)
		return 0;
	return cis_fail(err, r == -EPERM ? EACCES : -r,
			"cgroups: write \"%.80s\" to %s/%s", value,
			place_where(p, g, where, sizeof where), file);
}

int resources_putf(const struct place *p, const struct place_group *g,
		   struct cis_error *err, const char *file, const char *fmt, ...)
{
	char value[256];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(value, sizeof value, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof value)
		return cis_fail(err, EINVAL, "cgroups: %s of %s", file, p->path);
	return resources_put(p, g, file, value, err);
}

bool resources_has(const struct place_group *g, const char *file)
{
	return g->dir >= 0 && faccessat(g->dir, file, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

int resources_check_usage(const struct place *p, const struct place_group *g,
			  const struct config_resources *r, struct cis_error *err)
{
	const int64_t limits[] = {r->memory_swap, r->memory_limit};
	const char *const names[] = {"memory+swap", "memory"};
	uint64_t used;

	/* As good as it can be: between looking and writing it may grow. */
	if (!r->memory_check_before_update || g->dir < 0 ||
	    io_read_u64_at(g->dir, g->v2 ? "memory.current" : "memory.usage_in_bytes",
			   &used) < 0)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++)
		if (limits[i] > 0 && (uint64_t)limits[i] <= used)
			return cis_fail_plain(
				err, EBUSY,
				"cgroups: rejecting %s limit %lld <= usage %llu "
				"of %s",
				names[i], (long long)limits[i], (unsigned long long)used,
				p->path);
	return 0;
}

int resources_rdma(const struct place *p, const struct place_group *g,
		   const struct config_resources *r, struct cis_error *err)
{
	int k = 0;

	for (size_t i = 0; k >= 0 && i < r->n_rdma; i++) {
		const struct config_rdma *m = &r->rdma[i];

		if (m->has_handles)
			k = resources_putf(p, g, err, "rdma.max", "%s hca_handle=%u",
					   m->device, m->handles);
		if (k >= 0 && m->has_objects)
			k = resources_putf(p, g, err, "rdma.max", "%s hca_object=%u",
					   m->device, m->objects);
	}
	return k;
}

/* ---- which controllers --------------------------------------------------- */

static bool needs_memory(const struct config_resources *r)
{
	return r->memory_limit > 0 || r->memory_reservation > 0 || r->memory_swap > 0;
}

static bool needs_cpu(const struct config_resources *r)
{
	return r->cpu_shares || r->cpu_quota > 0 || r->cpu_period || r->cpu_burst ||
	       r->cpu_idle > 0 || resources_given(r->cpu_rt_runtime) || r->cpu_rt_period;
}

static bool needs_cpuset(const struct config_resources *r)
{
	return (r->cpus && *r->cpus) || (r->mems && *r->mems);
}

static bool needs_pids(const struct config_resources *r)
{
	return r->pids_limit > 0;
}

static bool needs_blkio(const struct config_resources *r)
{
	size_t n = r->n_blkio_weights;

	for (int i = 0; i < BLKIO_THROTTLES; i++)
		n += r->n_blkio_throttles[i];
	return n || r->blkio_weight || r->blkio_leaf_weight;
}

static bool needs_hugetlb(const struct config_resources *r)
{
	return r->n_hugepages > 0;
}

static bool needs_rdma(const struct config_resources *r)
{
	return r->n_rdma > 0;
}

static bool needs_net_cls(const struct config_resources *r)
{
	return r->has_net_class && r->net_class;
}

static bool needs_net_prio(const struct config_resources *r)
{
	return r->n_net_priorities > 0;
}

/* The order of writing; pids.max is v1's and v2's. */
static const struct part {
	enum place_controller c;
	const char *what;
	bool (*needs)(const struct config_resources *r);
	resources_fn *v1, *v2;
} parts[] = {
	{PLACE_PIDS, "pids limit", needs_pids, v1_pids, v1_pids},
	{PLACE_CPUSET, "cpuset", needs_cpuset, v1_cpuset, v1_cpuset},
	{PLACE_CPU, "cpu limit", needs_cpu, v1_cpu, v2_cpu},
	{PLACE_MEMORY, "memory limit", needs_memory, v1_memory, v2_memory},
	{PLACE_BLKIO, "blockIO limit", needs_blkio, v1_blkio, v2_blkio},
	{PLACE_HUGETLB, "hugepage limit", needs_hugetlb, v1_hugetlb, v2_hugetlb},
	{PLACE_RDMA, "rdma limit", needs_rdma, resources_rdma, resources_rdma},
	{PLACE_NET_CLS, "network class", needs_net_cls, v1_net_cls, NULL},
	{PLACE_NET_PRIO, "network priority", needs_net_prio, v1_net_prio, NULL},
};

/* The host has v1 controllers: only named hierarchies have none. */
static bool knows_v1(const struct place *p)
{
	for (size_t i = 0; i < p->n; i++)
		if (!p->g[i].v2 && p->g[i].controllers)
			return true;
	return false;
}

int resources_check(const struct place *p, const struct config_resources *r,
		    struct cis_error *err)
{
	bool v1 = knows_v1(p);

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		/* cgroup2 has nothing for networks: runtimes pass over it in silence. */
		if (!parts[i].needs(r) || place_of(p, parts[i].c) ||
		    (!v1 && !parts[i].v2))
			continue;
		return cis_fail_plain(
			err, EOPNOTSUPP,
			"cgroups: %s: this host has no %s controller for %s "
			"(mount it, or boot with it enabled)",
			parts[i].what, place_controller_name(parts[i].c, !v1), p->path);
	}
	if (r->n_unified > 0 && p->unified < 0)
		return cis_fail_plain(
			err, EOPNOTSUPP,
			"cgroups: invalid configuration: unified %s: this host has "
			"cgroup v1 alone",
			r->unified[0].key);
	return 0;
}

int place_apply(const struct place *p, const struct config_resources *r,
		struct cis_error *err)
{
	int k = resources_check(p, r, err);

	if (k >= 0 && *p->unit && !p->fresh)
		k = systemd_update(p, r, err);
	for (size_t i = 0; k >= 0 && i < ARRAY_SIZE(parts); i++) {
		const struct place_group *g = place_of(p, parts[i].c);
		resources_fn *fn = !g ? NULL : g->v2 ? parts[i].v2 : parts[i].v1;

		k = fn ? fn(p, g, r, err) : 0;
	}
	/* After the rest, which it overrules. */
	if (k >= 0 && r->n_unified > 0)
		k = v2_unified(p, &p->g[p->unified], r, err);
	if (k >= 0 && (p->fresh || r->n_devices > 0))
		k = devices_apply(p, r, err);
	return k;
}
