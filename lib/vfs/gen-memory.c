/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* /proc/meminfo, swaps, vmstat, and meminfo of node0. */
#include <string.h>
#include <sys/auxv.h>

#include "../base/macros.h"
#include "files.h"

static uint64_t host_bytes(const struct vfs_numbers *n, const char *key)
{
	return text_find_num(n->meminfo, key, 0) * 1024;
}

static uint64_t minus(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

/* As the kernel has it: "MemTotal:       16384 kB". */
static void line(struct text *out, const char *key, uint64_t bytes)
{
	size_t n = strlen(key);

	text_str(out, key);
	text_str(out, ":");
	text_num_pad(out, bytes / 1024, n < 15 ? (unsigned int)(23 - n) : 8);
	text_str(out, " kB\n");
}

/* What of the host's swap it may use, and uses. */
static uint64_t swap_total(const struct vfs_numbers *n)
{
	return MIN(host_bytes(n, "SwapTotal:"), n->swap_limit);
}

static uint64_t swap_used(const struct vfs_numbers *n)
{
	return MIN(n->swap_used, swap_total(n));
}

static bool is_limited(const struct vfs_numbers *n)
{
	return n->memory_limit < host_bytes(n, "MemTotal:");
}

/* These are about the machine, and every sandbox may know them. */
static bool is_machines(const char *line)
{
	static const char *const keys[] = {"Vmalloc", "HugePages_", "Hugepagesize:", "Hugetlb:",
					   "DirectMap"};

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (strncmp(line, keys[i], strlen(keys[i])) == 0)
			return true;
	return false;
}

static void machine(const struct vfs_numbers *n, struct text *out)
{
	for (const char *s = n->meminfo; *s; s = text_next_line(s))
		if (is_machines(s))
			text_bytes(out, s, (size_t)(text_next_line(s) - s));
}

/* No more than the host itself has. */
static uint64_t free_bytes(const struct vfs_numbers *n)
{
	return MIN(minus(n->memory_limit, n->memory_used), host_bytes(n, "MemFree:"));
}

void gen_meminfo(const struct vfs_numbers *n, struct text *out)
{
	const struct vfs_memory_stat *m = &n->memory;
	uint64_t limit = n->memory_limit, used = MIN(n->memory_used, limit);
	uint64_t free = free_bytes(n), available;

	if (!is_limited(n)) {
		text_str(out, n->meminfo);
		return;
	}
	available = MIN(limit - used + m->active_file + m->inactive_file + m->slab_reclaimable,
			MIN(limit, host_bytes(n, "MemAvailable:")));
	line(out, "MemTotal", limit);
	line(out, "MemFree", free);
	line(out, "MemAvailable", MAX(free, available));
	line(out, "Buffers", 0);
	line(out, "Cached", m->file);
	line(out, "SwapCached", 0);
	line(out, "Active", m->active_anon + m->active_file);
	line(out, "Inactive", m->inactive_anon + m->inactive_file);
	line(out, "Active(anon)", m->active_anon);
	line(out, "Inactive(anon)", m->inactive_anon);
	line(out, "Active(file)", m->active_file);
	line(out, "Inactive(file)", m->inactive_file);
	line(out, "Unevictable", m->unevictable);
	line(out, "Mlocked", m->unevictable);
	line(out, "SwapTotal", swap_total(n));
	line(out, "SwapFree", swap_total(n) - swap_used(n));
	line(out, "Dirty", m->dirty);
	line(out, "Writeback", m->writeback);
	line(out, "AnonPages", m->anon);
	line(out, "Mapped", m->mapped);
	line(out, "Shmem", m->shmem);
	line(out, "KReclaimable", m->slab_reclaimable);
	line(out, "Slab", m->slab_reclaimable + m->slab_unreclaimable);
	line(out, "SReclaimable", m->slab_reclaimable);
	line(out, "SUnreclaim", m->slab_unreclaimable);
	line(out, "KernelStack", m->kernel_stack);
	line(out, "PageTables", m->pagetables);
	line(out, "CommitLimit", limit + swap_total(n));
	line(out, "Committed_AS", minus(used, m->file));
	machine(n, out);
}

/* Whose device it is, is the host's affair. */
void gen_swaps(const struct vfs_numbers *n, struct text *out)
{
	text_str(out, "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n");
	if (!swap_total(n))
		return;
	text_str(out, "none                                    virtual\t\t");
	text_num(out, swap_total(n) / 1024);
	text_str(out, "\t\t");
	text_num(out, swap_used(n) / 1024);
	text_str(out, "\t\t-2\n");
}

static const char *const huge[] = {"HugePages_Total:", "HugePages_Free:", "HugePages_Surp:"};

static void node_line(struct text *out, const char *key, uint64_t bytes)
{
	text_str(out, "Node 0 ");
	line(out, key, bytes);
}

/* It has the kernel's columns already. */
static void copy_line(struct text *out, const char *text, const char *key)
{
	const char *s = text;

	while (*s && strncmp(s, key, strlen(key)) != 0)
		s = text_next_line(s);
	if (!*s)
		return;
	text_str(out, "Node 0 ");
	text_bytes(out, s, (size_t)(text_next_line(s) - s));
}

/* "HugePages_Total:     0", in pages */
static void node_count(struct text *out, const char *key, uint64_t count)
{
	text_str(out, "Node 0 ");
	text_str(out, key);
	text_num_pad(out, count, (unsigned int)(22 - strlen(key)));
	text_str(out, "\n");
}

/* The one node has all of it, whatever the host has. */
void gen_node_meminfo(const struct vfs_numbers *n, struct text *out)
{
	static const char *const keys[] = {
		"Active:",	 "Inactive:",	   "Active(anon):", "Inactive(anon):",
		"Active(file):", "Inactive(file):", "Unevictable:",  "Mlocked:",
		"Dirty:",	 "Writeback:",	   "Mapped:",	    "AnonPages:",
		"Shmem:",	 "KernelStack:",   "PageTables:",   "KReclaimable:",
		"Slab:",	 "SReclaimable:",  "SUnreclaim:",
	};
	char text[4096];
	struct text all = {.buf = text, .size = sizeof text - 1};
	uint64_t total, free;

	gen_meminfo(n, &all);
	text[all.len] = '\0';
	total = text_find_num(text, "MemTotal:", 0) * 1024;
	free = text_find_num(text, "MemFree:", 0) * 1024;
	node_line(out, "MemTotal", total);
	node_line(out, "MemFree", free);
	node_line(out, "MemUsed", minus(total, free));
	node_line(out, "FilePages", text_find_num(text, "Cached:", 0) * 1024);
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		copy_line(out, text, keys[i]);
	for (size_t i = 0; i < ARRAY_SIZE(huge); i++)
		node_count(out, huge[i], text_find_num(text, huge[i], 0));
}

/* ---- vmstat ------------------------------------------------------------------------- */

static const struct vmstat_key {
	const char *key;
	size_t offset; /* in struct vfs_memory_stat */
	uint64_t unit; /* 0: a page */
} vmstat_keys[] = {
#define PAGES(key, field) {key " ", offsetof(struct vfs_memory_stat, field), 0}
#define COUNT(key, field) {key " ", offsetof(struct vfs_memory_stat, field), 1}
	PAGES("nr_inactive_anon", inactive_anon),
	PAGES("nr_active_anon", active_anon),
	PAGES("nr_inactive_file", inactive_file),
	PAGES("nr_active_file", active_file),
	PAGES("nr_unevictable", unevictable),
	PAGES("nr_slab_reclaimable", slab_reclaimable),
	PAGES("nr_slab_unreclaimable", slab_unreclaimable),
	PAGES("nr_anon_pages", anon),
	PAGES("nr_mapped", mapped),
	PAGES("nr_file_pages", file),
	PAGES("nr_dirty", dirty),
	PAGES("nr_writeback", writeback),
	PAGES("nr_shmem", shmem),
	PAGES("nr_page_table_pages", pagetables),
	{"nr_kernel_stack ", offsetof(struct vfs_memory_stat, kernel_stack), 1024},
	COUNT("pgfault", pgfault),
	COUNT("pgmajfault", pgmajfault),
#undef PAGES
#undef COUNT
};

static uint64_t vmstat_number(const struct vfs_numbers *n, const char *key, uint64_t read_bytes,
			      uint64_t written_bytes)
{
	const uint64_t page = getauxval(AT_PAGESZ);

	if (strncmp(key, "nr_free_pages ", 14) == 0)
		return free_bytes(n) / page;
	if (strncmp(key, "pgpgin ", 7) == 0)
		return read_bytes / 1024;
	if (strncmp(key, "pgpgout ", 8) == 0)
		return written_bytes / 1024;
	for (size_t i = 0; i < ARRAY_SIZE(vmstat_keys); i++) {
		const struct vmstat_key *k = &vmstat_keys[i];

		if (strncmp(key, k->key, strlen(k->key)) == 0)
			return *(const uint64_t *)((const char *)&n->memory + k->offset) /
			       (k->unit ? k->unit : page);
	}
	return 0;
}

static uint64_t io_sum(const struct vfs_numbers *n, const char *key)
{
	uint64_t sum = 0;

	for (const char *s = n->io; (s = strstr(s, key)); s++)
		sum += text_read_num(s + strlen(key), NULL);
	return sum;
}

/* The lines that this kernel has; what a group does not count is 0. */
void gen_vmstat(const struct vfs_numbers *n, struct text *out)
{
	const uint64_t in = io_sum(n, " rbytes="), written = io_sum(n, " wbytes=");

	for (const char *s = n->text; *s; s = text_next_line(s)) {
		text_bytes(out, s, strcspn(s, " \n"));
		text_str(out, " ");
		text_num(out, vmstat_number(n, s, in, written));
		text_str(out, "\n");
	}
}
