/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * linux.resources, which is also what `update --resources` is given. That one fills in
 * some members only, hence the care about what was not given.
 *
 * A memory limit, a quota or a weight of 0 is read as not given: containerd, docker and
 * the kubelet write 0 for it, and runc has always read it so. Nobody wants the limit.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "config-read.h"

#define AT(member) offsetof(struct config_resources, member)

/* -1: no limit; 0: not given. */
static int want_limit(void *to, const struct json *v, struct cis_error *err)
{
	int64_t value = 0;
	int r = json_want_int(v, -1, INT64_MAX, &value, err);

	*(int64_t *)to = value ? value : CONFIG_NONE;
	return r;
}

/* ---- devices --------------------------------------------------------------------- */

static int want_type(void *to, const struct json *v, struct cis_error *err)
{
	static const struct config_name names[] = {
		{"", 'a'},
		{"a", 'a'},
		{"b", 'b'},
		{"c", 'c'},
	};
	int64_t value = 0;
	int r = config_want_name(names, ARRAY_SIZE(names), "a type of device (a, b or c)",
				 v, &value, err);

	*(char *)to = (char)value;
	return r;
}

/* The numbers of a device, or -1 for all there are. */
static int want_any_major(void *to, const struct json *v, struct cis_error *err)
{
	return v->type == JSON_INT && v->integer == -1 ? json_want_int(v, -1, -1, to, err)
						       : config_want_major(to, v, err);
}

static int want_any_minor(void *to, const struct json *v, struct cis_error *err)
{
	return v->type == JSON_INT && v->integer == -1 ? json_want_int(v, -1, -1, to, err)
						       : config_want_minor(to, v, err);
}

static int read_access(void *to, const struct json *v, struct cis_error *err)
{
	struct config_device_rule *d = to;
	const char *s;
	int r = json_want_string(v, &s, err);

	if (r < 0 || !*s)
		return r;
	/* runc passes over what it does not know; "rwa" is seen. */
	if (s[strspn(s, "rwma")] || !strpbrk(s, "rwm"))
		return config_refuse(v, err, "a way of access (some of r, w and m)");
	d->read = strchr(s, 'r');
	d->write = strchr(s, 'w');
	d->mknod = strchr(s, 'm');
	return 0;
}

#define RULE_AT(member) offsetof(struct config_device_rule, member)
static int read_rule(void *to, const struct json *v, struct cis_error *err)
{
	static const struct config_field fields[] = {
		{"allow", config_want_bool, RULE_AT(allow), .required = true},
		{"type", want_type, RULE_AT(type)},
		{"major", want_any_major, RULE_AT(major)},
		{"minor", want_any_minor, RULE_AT(minor)},
		{"access", read_access},
	};
	struct config_device_rule *d = to;

	/* All devices, any access: what is not said does not narrow it. */
	*d = (struct config_device_rule){
		.type = 'a',
		.major = -1,
		.minor = -1,
		.read = true,
		.write = true,
		.mknod = true,
	};
	return config_read_fields(d, fields, ARRAY_SIZE(fields), v, err);
}

static int read_rules(void *to, const struct json *v, struct cis_error *err)
{
	struct config_resources *res = to;

	return CONFIG_READ_ITEMS(res->devices, res->n_devices, v, JSON_ARRAY, read_rule,
				 err);
}

/* ---- memory, cpu, processes ------------------------------------------------------ */

static int want_swappiness(void *to, const struct json *v, struct cis_error *err)
{
	return json_want_int(v, 0, 200, to, err);
}

/* Kernels have none any more; -1 and 0 included, what they meant is lost to nobody. */
static int want_obsolete(void *to, const struct json *v, struct cis_error *err)
{
	int64_t ignored;

	(void)to;
	return json_want_int(v, -1, INT64_MAX, &ignored, err);
}

static int read_memory(void *to, const struct json *v, struct cis_error *err)
{
	static const struct config_field fields[] = {
		{"limit", want_limit, AT(memory_limit)},
		{"reservation", want_limit, AT(memory_reservation)},
		{"swap", want_limit, AT(memory_swap)},
		{"kernel", want_obsolete},
		{"kernelTCP", want_obsolete},
		{"swappiness", want_swappiness, AT(memory_swappiness)},
		{"disableOOMKiller", config_want_bool, AT(memory_disable_oom_killer)},
		{"useHierarchy", config_want_bool, AT(memory_use_hierarchy)},
		{"checkBeforeUpdate", config_want_bool, AT(memory_check_before_update)},
	};

	return config_read_fields(to, fields, ARRAY_SIZE(fields), v, err);
}

static int want_idle(void *to, const struct json *v, struct cis_error *err)
{
	return json_want_int(v, 0, 1, to, err);
}

static int read_cpu(void *to, const struct json *v, struct cis_error *err)
{
	static const struct config_field fields[] = {
		{"shares", config_want_u64, AT(cpu_shares)},
		{"quota", want_limit, AT(cpu_quota)},
		{"burst", config_want_u64, AT(cpu_burst), .has = AT(has_cpu_burst)},
		{"period", config_want_u64, AT(cpu_period)},
		{"realtimeRuntime", want_limit, AT(cpu_rt_runtime)},
		{"realtimePeriod", config_want_u64, AT(cpu_rt_period)},
		{"cpus", config_want_text, AT(cpus)},
		{"mems", config_want_text, AT(mems)},
		{"idle", want_idle, AT(cpu_idle)},
	};

	return config_read_fields(to, fields, ARRAY_SIZE(fields), v, err);
}

static int read_pids(void *to, const struct json *v, struct cis_error *err)
{
	static const struct config_field fields[] = {
		{"limit", config_want_i64, AT(pids_limit)},
	};

	return config_read_fields(to, fields, ARRAY_SIZE(fields), v, err);
}

/* ---- block i/o ------------------------------------------------------------------- */

#define BLK_AT(member) offsetof(struct config_blkio_device, member)

static int want_weight(void *to, const struct json *v, struct cis_error *err)
{
	uint16_t value = 0;
	int r = config_want_u16(&value, v, err);

	*(uint64_t *)to = value;
	return r;
}

static int read_weight_device(void *to, const struct json *v, struct cis_error *err)
{
	static const struct config_field fields[] = {
		{"major", config_want_major, BLK_AT(major), .required = true},
		{"minor", config_want_minor, BLK_AT(minor), .required = true},
		{"weight", want_weight, BLK_AT(value)},
		{"leafWeight", want_weight, BLK_AT(leaf)},
	};
	int r = config_read_fields(to, fields, ARRAY_SIZE(fields), v, err);

	if (r >= 0 && !config_get(v, "weight") && !config_get(v, "leafWeight"))
		r = json_fail(v, err, EINVAL, "neither weight nor leafWeight");
	return r;
}

static int read_throttle_device(void *to, const struct json *v, struct cis_error *err)
{
	static const struct config_field fields[] = {
		{"major", config_want_major, BLK_AT(major), .required = true},
		{"minor", config_want_minor, BLK_AT(minor), .required = true},
		{"rate", config_want_u64, BLK_AT(value), .required = true},
	};

	return config_read_fields(to, fields, ARRAY_SIZE(fields), v, err);
}

static int read_weights(void *to, const struct json *v, struct cis_error *err)
{
	struct config_resources *res = to;

	return CONFIG_READ_ITEMS(res->blkio_weights, res->n_blkio_weights, v, JSON_ARRAY,
				 read_weight_device, err);
}

static int read_block_io(void *to, const struct json *v, struct cis_error *err)
{
	static const char *const throttles[BLKIO_THROTTLES] = {
		[BLKIO_READ_BPS] = "throttleReadBpsDevice",
		[BLKIO_WRITE_BPS] = "throttleWriteBpsDevice",
		[BLKIO_READ_IOPS] = "throttleReadIOPSDevice",
		[BLKIO_WRITE_IOPS] = "throttleWriteIOPSDevice",
	};
	static const struct config_field fields[] = {
		{"weight", config_want_u16, AT(blkio_weight)},
		{"leafWeight", config_want_u16, AT(blkio_leaf_weight)},
		{"weightDevice", read_weights},
	};
	struct config_resources *res = to;
	int r = config_read_fields(res, fields, ARRAY_SIZE(fields), v, err);

	res->has_blkio_weight = res->blkio_weight;
	res->has_blkio_leaf_weight = res->blkio_leaf_weight;
	for (size_t i = 0; i < BLKIO_THROTTLES && r >= 0; i++) {
		const struct json *list = config_get(v, throttles[i]);

		if (list)
			r = CONFIG_READ_ITEMS(res->blkio_throttles[i],
					      res->n_blkio_throttles[i], list, JSON_ARRAY,
					      read_throttle_device, err);
	}
	return r;
}

/* ---- huge pages, network, rdma, unified ------------------------------------------ */

/* "2MB": it becomes part of the name of a file. */
static int want_page_size(void *to, const struct json *v, struct cis_error *err)
{
	int r = config_want_string(to, v, err);
	const char *s = r < 0 ? "" : v->string;

	s += strspn(s, "0123456789");
	if (r >= 0 &&
	    (s == v->string || !*s || !strchr("KMG", *s) || strcmp(s + 1, "B") != 0))
		r = config_refuse(v, err, "a size like 64KB, 2MB or 1GB");
	return r;
}

static int read_hugepage(void *to, const struct json *v, struct cis_error *err)
{
	static const struct config_field fields[] = {
		{"pageSize", want_page_size, offsetof(struct config_hugepage, page_size),
		 .required = true},
		{"limit", config_want_u64, offsetof(struct config_hugepage, limit),
		 .required = true},
	};

	return config_read_fields(to, fields, ARRAY_SIZE(fields), v, err);
}

static int read_hugepages(void *to, const struct json *v, struct cis_error *err)
{
	struct config_resources *res = to;

	return CONFIG_READ_ITEMS(res->hugepages, res->n_hugepages, v, JSON_ARRAY,
				 read_hugepage, err);
}

static int want_interface(void *to, const struct json *v, struct cis_error *err)
{
	int r = config_want_string(to, v, err);

	if (r >= 0 && !config_is_interface(v->string))
		r = config_refuse(v, err, "the name of a network device");
	return r;
}

static int want_digits(void *to, const struct json *v, struct cis_error *err)
{
	uint32_t value = 0;
	int r = config_want_u32(&value, v, err);

	if (r >= 0 && str_format(to, "%" PRIu32, value) < 0)
		r = json_fail(v, err, ENOMEM, "no memory");
	return r;
}

static int read_priority(void *to, const struct json *v, struct cis_error *err)
{
	static const struct config_field fields[] = {
		{"name", want_interface, offsetof(struct config_pair, key),
		 .required = true},
		{"priority", want_digits, offsetof(struct config_pair, value),
		 .required = true},
	};

	return config_read_fields(to, fields, ARRAY_SIZE(fields), v, err);
}

static int read_priorities(void *to, const struct json *v, struct cis_error *err)
{
	struct config_resources *res = to;

	return CONFIG_READ_ITEMS(res->net_priorities, res->n_net_priorities, v,
				 JSON_ARRAY, read_priority, err);
}

static int read_network(void *to, const struct json *v, struct cis_error *err)
{
	static const struct config_field fields[] = {
		{"classID", config_want_u32, AT(net_class), .has = AT(has_net_class)},
		{"priorities", read_priorities},
	};

	return config_read_fields(to, fields, ARRAY_SIZE(fields), v, err);
}

#define RDMA_AT(member) offsetof(struct config_rdma, member)
static int read_rdma_device(void *to, const struct json *v, struct cis_error *err)
{
	static const struct config_field fields[] = {
		{"hcaHandles", config_want_u32, RDMA_AT(handles),
		 .has = RDMA_AT(has_handles)},
		{"hcaObjects", config_want_u32, RDMA_AT(objects),
		 .has = RDMA_AT(has_objects)},
	};
	struct config_rdma *d = to;
	int r = config_read_fields(d, fields, ARRAY_SIZE(fields), v, err);

	if (r < 0)
		return r;
	/* A line of rdma.max is "mlx4_0 hca_handle=2 hca_object=2000". */
	if (!*v->key || strpbrk(v->key, " \t\n/="))
		return config_refuse_key(v, err, "the name of an rdma device");
	if (!d->has_handles && !d->has_objects)
		return json_fail(v, err, EINVAL, "neither hcaHandles nor hcaObjects");
	return str_set(&d->device, v->key) < 0 ? json_fail(v, err, ENOMEM, "no memory")
					       : 0;
}

static int read_rdma(void *to, const struct json *v, struct cis_error *err)
{
	struct config_resources *res = to;

	return CONFIG_READ_ITEMS(res->rdma, res->n_rdma, v, JSON_OBJECT, read_rdma_device,
				 err);
}

static int read_file(void *to, const struct json *v, struct cis_error *err)
{
	int r = config_want_pair(to, v, err);

	if (r >= 0 && (strchr(v->key, '/') || strcmp(v->key, ".") == 0 ||
		       strcmp(v->key, "..") == 0))
		r = config_refuse_key(v, err, "the name of a file in a cgroup");
	return r;
}

static int read_unified(void *to, const struct json *v, struct cis_error *err)
{
	struct config_resources *res = to;

	return CONFIG_READ_ITEMS(res->unified, res->n_unified, v, JSON_OBJECT, read_file,
				 err);
}

/* ---- resources ------------------------------------------------------------------- */

int config_read_resources(void *to, const struct json *v, struct cis_error *err)
{
	static const struct config_field fields[] = {
		{"devices", read_rules},    {"memory", read_memory},
		{"cpu", read_cpu},	    {"pids", read_pids},
		{"blockIO", read_block_io}, {"hugepageLimits", read_hugepages},
		{"network", read_network},  {"rdma", read_rdma},
		{"unified", read_unified},
	};

	return config_read_fields(to, fields, ARRAY_SIZE(fields), v, err);
}

void config_resources_init(struct config_resources *r)
{
	*r = (struct config_resources){
		.memory_limit = CONFIG_NONE,
		.memory_reservation = CONFIG_NONE,
		.memory_swap = CONFIG_NONE,
		.memory_swappiness = CONFIG_NONE,
		.cpu_quota = CONFIG_NONE,
		.cpu_rt_runtime = CONFIG_NONE,
		.cpu_idle = CONFIG_NONE,
		.pids_limit = CONFIG_NONE,
	};
}

int config_load_resources(struct config_resources *r, const struct json *v,
			  struct cis_error *err)
{
	config_resources_init(r);
	return config_read_resources(r, v, err);
}

void config_resources_done(struct config_resources *r)
{
	for (size_t i = 0; i < r->n_hugepages; i++)
		free(r->hugepages[i].page_size);
	for (size_t i = 0; i < r->n_rdma; i++)
		free(r->rdma[i].device);
	for (size_t i = 0; i < BLKIO_THROTTLES; i++)
		free(r->blkio_throttles[i]);
	free(r->devices);
	free(r->cpus);
	free(r->mems);
	free(r->blkio_weights);
	free(r->hugepages);
	free(r->rdma);
	config_pairs_done(r->net_priorities, r->n_net_priorities);
	config_pairs_done(r->unified, r->n_unified);
	config_resources_init(r);
}
