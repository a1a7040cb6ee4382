/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* /proc/meminfo and /proc/swaps. */
#include <string.h>

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

void gen_meminfo(const struct vfs_numbers *n, struct text *out)
{
	const struct vfs_memory_stat *m = &n->memory;
	uint64_t limit = n->memory_limit, used = MIN(n->memory_used, limit);
	uint64_t free, available;

	if (!is_limited(n)) {
		text_str(out, n->meminfo);
		return;
	}
	/* Neither can be had while the host itself has less. */
	free = MIN(limit - used, host_bytes(n, "MemFree:"));
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
