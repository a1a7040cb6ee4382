/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What was used, in the words of runc's events: names are those of its types/events.go.
 * Figures that a host does not have are 0 there, and here; a list is missing instead.
 */
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "../base/fd.h"
#include "../base/io.h"
#include "../base/json.h"
#include "../base/str.h"
#include "../base/sys.h"
#include "resources.h"

#define TEXT_MAX (1 << 20)

/* 2^64-1, no limit in cgroup2, is beyond JSON_INT. */
static void set_u64(struct json *obj, const char *key, uint64_t v)
{
	struct json *number;

	if (v <= INT64_MAX) {
		json_set_int(obj, key, (int64_t)v);
		return;
	}
	number = json_new(JSON_NUMBER);
	if (number && str_format(&number->string, "%llu", (unsigned long long)v) < 0) {
		json_free(number);
		number = NULL;
	}
	json_set(obj, key, number);
}

static uint64_t read_u64(const struct place_group *g, const char *file)
{
	uint64_t v = 0;

	if (g->dir >= 0)
		io_read_u64_at(g->dir, file, &v);
	return v;
}

static uint64_t read_key(const struct place_group *g, const char *file, const char *key)
{
	uint64_t v = 0;

	if (g->dir >= 0)
		io_read_key_at(g->dir, file, key, &v);
	return v;
}

static char *read_text(const struct place_group *g, const char *file)
{
	char *text = NULL;

	if (g->dir >= 0)
		io_read_file_at(g->dir, file, TEXT_MAX, &text, NULL);
	return text;
}

/* ---- pressure ------------------------------------------------------------ */

static void set_pressure_line(struct json *psi, char *line)
{
	struct json *part = json_object_new();
	char *save = NULL, *kind = strtok_r(line, " ", &save);

	for (char *word = strtok_r(NULL, " ", &save); word;
	     word = strtok_r(NULL, " ", &save)) {
		char *value = strchr(word, '=');
		struct json *number;

		if (!value)
			continue;
		*value++ = '\0';
		number = json_new(JSON_NUMBER);
		/* As the kernel spells it: "0.00" is JSON. */
		if (number && str_set(&number->string, value) < 0) {
			json_free(number);
			number = NULL;
		}
		json_set(part, word, number);
	}
	json_set(psi, kind ? kind : "some", part);
}

/* cgroup2 keeps these whichever controllers it has. */
static void set_pressure(const struct place *p, struct json *obj, const char *file)
{
	cleanup_free char *text =
		p->unified < 0 ? NULL : read_text(&p->g[p->unified], file);
	struct json *psi;
	char *save = NULL;

	/* Without PSI the file is missing, or refuses to be read. */
	if (!text || !str_starts(text, "some "))
		return;
	psi = json_object_new();
	for (char *line = strtok_r(text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save))
		set_pressure_line(psi, line);
	json_set(obj, "psi", psi);
}

/* ---- cpu ----------------------------------------------------------------- */

static void set_percpu(const struct place_group *g, struct json *usage)
{
	cleanup_free char *text = read_text(g, "cpuacct.usage_percpu");
	cleanup_free char *all = read_text(g, "cpuacct.usage_all");
	struct json *total = json_array_new(), *kernel = json_array_new(),
		    *user = json_array_new();
	char *save = NULL;
	uint64_t v, w;

	for (char *s = text ? strtok_r(text, " \n", &save) : NULL; s;
	     s = strtok_r(NULL, " \n", &save))
		if (str_parse_u64(s, &v) == 0)
			json_push(total, json_int_new((int64_t)v));
	/* "cpu user system", then a line a cpu */
	for (char *s = all ? strtok_r(all, "\n", &save) : NULL; s;
	     s = strtok_r(NULL, "\n", &save))
		if (sscanf(s, "%*u %" SCNu64 " %" SCNu64, &v, &w) == 2) {
			json_push(user, json_int_new((int64_t)v));
			json_push(kernel, json_int_new((int64_t)w));
		}
	json_set(usage, "percpu", total);
	json_set(usage, "percpu_kernel", kernel);
	json_set(usage, "percpu_user", user);
}

static struct json *cpu_stats(const struct place *p)
{
	const struct place_group *acct = place_of(p, PLACE_CPUACCT),
				 *g = place_of(p, PLACE_CPU);
	struct json *cpu = json_object_new(), *usage = json_object_new(),
		    *throttling = json_object_new();

	if (acct && !acct->v2) {
		set_u64(usage, "total", read_u64(acct, "cpuacct.usage"));
		set_percpu(acct, usage);
		set_u64(usage, "kernel", read_u64(acct, "cpuacct.usage_sys"));
		set_u64(usage, "user", read_u64(acct, "cpuacct.usage_user"));
	} else if (acct) {
		set_u64(usage, "total", read_key(acct, "cpu.stat", "usage_usec") * 1000);
		set_u64(usage, "kernel",
			read_key(acct, "cpu.stat", "system_usec") * 1000);
		set_u64(usage, "user", read_key(acct, "cpu.stat", "user_usec") * 1000);
	}
	if (g) {
		set_u64(throttling, "periods", read_key(g, "cpu.stat", "nr_periods"));
		set_u64(throttling, "throttledPeriods",
			read_key(g, "cpu.stat", "nr_throttled"));
		set_u64(throttling, "throttledTime",
			g->v2 ? read_key(g, "cpu.stat", "throttled_usec") * 1000
			      : read_key(g, "cpu.stat", "throttled_time"));
	}
	json_set(cpu, "usage", usage);
	json_set(cpu, "throttling", throttling);
	set_pressure(p, cpu, "cpu.pressure");
	return cpu;
}

static struct json *list_of(const struct place_group *g, const char *file)
{
	cleanup_free char *text = read_text(g, file);
	unsigned char bits[1024];
	struct json *list;
	size_t n;

	if (!text || resources_cpu_bits(text, bits, sizeof bits, &n) < 0 || n == 0)
		return NULL;
	list = json_array_new();
	for (size_t i = 0; i < n * 8; i++)
		if (bits[i / 8] & (1u << i % 8))
			json_push(list, json_int_new((int64_t)i));
	return list;
}

static struct json *cpuset_stats(const struct place *p)
{
	static const char *const v1_only[] = {
		"cpu_exclusive", "mem_hardwall", "mem_exclusive", "memory_migrate",
		"memory_spread_page", "memory_spread_slab", "memory_pressure",
		"sched_load_balance", "sched_relax_domain_level",
	};
	const struct place_group *g = place_of(p, PLACE_CPUSET);
	struct json *set = json_object_new(), *cpus, *mems;
	char file[64];

	for (size_t i = 0; i < ARRAY_SIZE(v1_only); i++) {
		uint64_t v = 0;

		snprintf(file, sizeof file, "cpuset.%s", v1_only[i]);
		if (g && !g->v2)
			v = read_u64(g, file);
		json_set_int(set, v1_only[i], (int64_t)v); /* the last one may be -1 */
	}
	cpus = g ? list_of(g, g->v2 ? "cpuset.cpus.effective" : "cpuset.cpus") : NULL;
	mems = g ? list_of(g, g->v2 ? "cpuset.mems.effective" : "cpuset.mems") : NULL;
	if (cpus)
		json_set(set, "cpus", cpus);
	if (mems)
		json_set(set, "mems", mems);
	return set;
}

/* ---- memory -------------------------------------------------------------- */

static struct json *entry(uint64_t usage, uint64_t limit, uint64_t max, uint64_t failcnt)
{
	struct json *e = json_object_new();

	set_u64(e, "limit", limit);
	set_u64(e, "usage", usage);
	set_u64(e, "max", max);
	set_u64(e, "failcnt", failcnt);
	return e;
}

/* @name: "memory", "memory.memsw" ... */
static struct json *entry_v1(const struct place_group *g, const char *name)
{
	static const char *const files[] = {"usage_in_bytes", "limit_in_bytes",
					    "max_usage_in_bytes", "failcnt"};
	uint64_t v[ARRAY_SIZE(files)];
	char file[64];

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		snprintf(file, sizeof file, "%s.%s", name, files[i]);
		v[i] = read_u64(g, file);
	}
	return entry(v[0], v[1], v[2], v[3]);
}

static void set_memory_v2(const struct place_group *g, struct json *memory)
{
	uint64_t usage = read_u64(g, "memory.current"), limit = read_u64(g, "memory.max");
	uint64_t swap = read_u64(g, "memory.swap.current");
	uint64_t swap_limit = read_u64(g, "memory.swap.max");

	/* v1 counts swap on top of memory. */
	if (limit == UINT64_MAX || swap_limit == UINT64_MAX)
		swap_limit = UINT64_MAX;
	else
		swap_limit += limit;
	json_set(memory, "usage", entry(usage, limit, read_u64(g, "memory.peak"),
					read_key(g, "memory.events", "max")));
	json_set(memory, "swap", entry(usage + swap, swap_limit, 0,
				       read_key(g, "memory.swap.events", "max")));
	json_set(memory, "kernel", entry(read_key(g, "memory.stat", "kernel"), 0, 0, 0));
	json_set(memory, "kernelTCP", entry(read_key(g, "memory.stat", "sock"), 0, 0, 0));
}

static struct json *raw_stats(const struct place_group *g)
{
	cleanup_free char *text = read_text(g, "memory.stat");
	struct json *raw = json_object_new();
	char *save = NULL;

	for (char *line = text ? strtok_r(text, "\n", &save) : NULL; line;
	     line = strtok_r(NULL, "\n", &save)) {
		char *value = strchr(line, ' ');
		uint64_t v;

		if (!value)
			continue;
		*value++ = '\0';
		if (str_parse_u64(value, &v) == 0)
			set_u64(raw, line, v);
	}
	return raw;
}

static struct json *memory_stats(const struct place *p)
{
	const struct place_group *g = place_of(p, PLACE_MEMORY);
	struct json *memory = json_object_new();

	if (g && g->v2) {
		set_u64(memory, "cache", read_key(g, "memory.stat", "file"));
		set_memory_v2(g, memory);
	} else if (g) {
		set_u64(memory, "cache", read_key(g, "memory.stat", "total_cache"));
		json_set(memory, "usage", entry_v1(g, "memory"));
		json_set(memory, "swap", entry_v1(g, "memory.memsw"));
		json_set(memory, "kernel", entry_v1(g, "memory.kmem"));
		json_set(memory, "kernelTCP", entry_v1(g, "memory.kmem.tcp"));
	}
	if (g)
		json_set(memory, "raw", raw_stats(g));
	set_pressure(p, memory, "memory.pressure");
	return memory;
}

static struct json *pids_stats(const struct place *p)
{
	const struct place_group *g = place_of(p, PLACE_PIDS);
	struct json *pids = json_object_new();
	uint64_t limit = g ? read_u64(g, "pids.max") : 0;

	set_u64(pids, "current", g ? read_u64(g, "pids.current") : 0);
	set_u64(pids, "limit", limit == UINT64_MAX ? 0 : limit); /* as runc */
	return pids;
}

/* ---- block devices ------------------------------------------------------- */

static void push_blkio(struct json *list, unsigned int major, unsigned int minor,
		       const char *op, uint64_t value)
{
	struct json *e = json_object_new();

	json_set_int(e, "major", major);
	json_set_int(e, "minor", minor);
	json_set_string(e, "op", op);
	set_u64(e, "value", value);
	json_push(list, e);
}

/* "254:0 Read 4096" a line, and a sum. NULL without any device. */
static struct json *blkio_v1(const struct place_group *g, const char *file)
{
	cleanup_free char *text = read_text(g, file);
	struct json *list = NULL;
	char *save = NULL;

	for (char *line = text ? strtok_r(text, "\n", &save) : NULL; line;
	     line = strtok_r(NULL, "\n", &save)) {
		unsigned int major, minor;
		uint64_t value;
		char op[24];

		if (sscanf(line, "%u:%u %23s %" SCNu64, &major, &minor, op, &value) != 4)
			continue;
		if (!list)
			list = json_array_new();
		push_blkio(list, major, minor, op, value);
	}
	return list;
}

/* Of the scheduler that does the work, which is the one that has numbers. */
static void set_blkio_v1(const struct place_group *g, struct json *blkio, const char *key,
			 const char *what)
{
	static const char *const prefixes[] = {"blkio.bfq.", "blkio.", "blkio.throttle."};
	struct json *list = NULL;
	char file[80];

	for (size_t i = 0; !list && i < ARRAY_SIZE(prefixes); i++) {
		snprintf(file, sizeof file, "%s%s_recursive", prefixes[i], what);
		list = blkio_v1(g, file);
	}
	if (list)
		json_set(blkio, key, list);
}

/* "254:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6" */
static void set_blkio_v2(const struct place_group *g, struct json *blkio)
{
	static const struct {
		const char *key, *op;
		bool bytes;
	} words[] = {{"rbytes=", "Read", true},     {"wbytes=", "Write", true},
		     {"dbytes=", "Discard", true},  {"rios=", "Read", false},
		     {"wios=", "Write", false},     {"dios=", "Discard", false}};
	cleanup_free char *text = read_text(g, "io.stat");
	struct json *bytes = json_array_new(), *ios = json_array_new();
	char *save = NULL, *inner = NULL;
	unsigned int major, minor;
	uint64_t v;

	for (char *line = text ? strtok_r(text, "\n", &save) : NULL; line;
	     line = strtok_r(NULL, "\n", &save)) {
		if (sscanf(line, "%u:%u", &major, &minor) != 2)
			continue;
		for (char *w = strtok_r(line, " ", &inner); w;
		     w = strtok_r(NULL, " ", &inner))
			for (size_t i = 0; i < ARRAY_SIZE(words); i++)
				if (str_starts(w, words[i].key) &&
				    str_parse_u64(w + strlen(words[i].key), &v) == 0)
					push_blkio(words[i].bytes ? bytes : ios, major,
						   minor, words[i].op, v);
	}
	json_set(blkio, "ioServiceBytesRecursive", bytes);
	json_set(blkio, "ioServicedRecursive", ios);
}

static struct json *blkio_stats(const struct place *p)
{
	static const struct {
		const char *key, *file;
	} tables[] = {
		{"ioServiceBytesRecursive", "io_service_bytes"},
		{"ioServicedRecursive", "io_serviced"},
		{"ioQueueRecursive", "io_queued"},
		{"ioServiceTimeRecursive", "io_service_time"},
		{"ioWaitTimeRecursive", "io_wait_time"},
		{"ioMergedRecursive", "io_merged"},
		{"ioTimeRecursive", "time"},
		{"sectorsRecursive", "sectors"},
	};
	const struct place_group *g = place_of(p, PLACE_BLKIO);
	struct json *blkio = json_object_new();

	if (g && g->v2)
		set_blkio_v2(g, blkio);
	for (size_t i = 0; g && !g->v2 && i < ARRAY_SIZE(tables); i++)
		set_blkio_v1(g, blkio, tables[i].key, tables[i].file);
	set_pressure(p, blkio, "io.pressure");
	return blkio;
}

/* ---- huge pages ---------------------------------------------------------- */

/* hugetlb.SIZE.current or hugetlb.SIZE.usage_in_bytes: that is where sizes are from. */
static void set_hugetlb(const struct place_group *g, struct json *all, const char *file)
{
	const char *size = file + strlen("hugetlb."), *end = strchr(size, '.');
	struct json *e;
	char name[32], other[96];
	uint64_t max = 0, failed = 0;

	if (!end || strcmp(end, g->v2 ? ".current" : ".usage_in_bytes") != 0 ||
	    (size_t)(end - size) >= sizeof name)
		return;
	snprintf(name, sizeof name, "%.*s", (int)(end - size), size);
	if (g->v2) {
		snprintf(other, sizeof other, "hugetlb.%s.events", name);
		failed = read_key(g, other, "max");
	} else {
		snprintf(other, sizeof other, "hugetlb.%s.max_usage_in_bytes", name);
		max = read_u64(g, other);
		snprintf(other, sizeof other, "hugetlb.%s.failcnt", name);
		failed = read_u64(g, other);
	}
	e = json_object_new();
	set_u64(e, "usage", read_u64(g, file));
	set_u64(e, "max", max);
	set_u64(e, "failcnt", failed);
	json_set(all, name, e);
}

static struct json *hugetlb_stats(const struct place *p)
{
	const struct place_group *g = place_of(p, PLACE_HUGETLB);
	struct json *all = json_object_new();
	struct dirent *e;
	int copy = -1;
	DIR *d;

	if (g && g->dir >= 0)
		copy = openat(g->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	d = copy < 0 ? NULL : fdopendir(copy);
	if (!d) {
		fd_close(copy);
		return all;
	}
	while ((e = readdir(d)))
		if (str_starts(e->d_name, "hugetlb."))
			set_hugetlb(g, all, e->d_name);
	closedir(d);
	return all;
}

int place_stats(const struct place *p, struct json **ret, struct cis_error *err)
{
	struct json *data = json_object_new();

	if (!data)
		return cis_fail(err, ENOMEM, "cgroups: figures of %s", p->path);
	json_set(data, "cpu", cpu_stats(p));
	json_set(data, "cpuset", cpuset_stats(p));
	json_set(data, "memory", memory_stats(p));
	json_set(data, "pids", pids_stats(p));
	json_set(data, "blkio", blkio_stats(p));
	json_set(data, "hugetlb", hugetlb_stats(p));
	*ret = data;
	return 0;
}
