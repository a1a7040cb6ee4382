/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The virtual files: one const table, one generator a file. A generator is a pure
 * function of the sandbox's numbers, so the unit tests have all of them.
 *
 * What is not in the table is the kernel's own answer. A file is in it when that answer
 * would be the host's (memory, cpus, load) or a refusal that programs do not survive
 * (sysctls without a namespace of their own: each sandbox has a value, checked like the
 * kernel does, and nobody reads it but the sandbox).
 */
#ifndef CIS_VFS_FILES_H
#define CIS_VFS_FILES_H

#include <stdint.h>
#include <sys/types.h>

#include "numbers.h"
#include "../base/text.h"

#define VFS_TEXT_MAX (1u << 20) /* of one file: /proc/cpuinfo of 512 cpus is 700K */
#define VFS_VALUE_MAX 128       /* of a writable file: a few numbers */

struct vfs_file {
	const char *path; /* without the first slash; exists on the host too, or is left out */
	uint16_t mode;
	uint16_t needs;  /* VFS_NEED_* */
	void (*generate)(const struct vfs_numbers *n, struct text *out);
	/*
	 * Writable: judges @text, which somebody wrote, and puts what a read shall show
	 * into @out. @old: what it showed. How many bytes are taken, or -errno.
	 */
	int (*write)(const struct vfs_file *f, const char *old, const char *text, size_t len,
		     struct text *out);
	int64_t min, max; /* for it; @max of a string is its length */
	uint8_t values;   /* how many numbers it takes */
};

extern const struct vfs_file vfs_files[];
extern const size_t vfs_n_files;
#define VFS_FILES_MAX 96

/* gen-memory.c, gen-cpu.c, gen-system.c */
void gen_meminfo(const struct vfs_numbers *n, struct text *out);
void gen_node_meminfo(const struct vfs_numbers *n, struct text *out);
void gen_vmstat(const struct vfs_numbers *n, struct text *out);
void gen_swaps(const struct vfs_numbers *n, struct text *out);
void gen_cpuinfo(const struct vfs_numbers *n, struct text *out);
void gen_stat(const struct vfs_numbers *n, struct text *out);
void gen_uptime(const struct vfs_numbers *n, struct text *out);
void gen_cpu_list(const struct vfs_numbers *n, struct text *out);
void gen_cpu_mask(const struct vfs_numbers *n, struct text *out);
void gen_cpu_head(const struct vfs_numbers *n, struct text *out);
void gen_loadavg(const struct vfs_numbers *n, struct text *out);
void gen_empty_line(const struct vfs_numbers *n, struct text *out);
void gen_nothing(const struct vfs_numbers *n, struct text *out);
void gen_diskstats(const struct vfs_numbers *n, struct text *out);
void gen_slabinfo(const struct vfs_numbers *n, struct text *out);
void gen_boot_id(const struct vfs_numbers *n, struct text *out);
void gen_product_uuid(const struct vfs_numbers *n, struct text *out);
/* The raw text of the file's source. */
void gen_copy(const struct vfs_numbers *n, struct text *out);

/* value.c: as the kernel's proc_dointvec_minmax(), param_set_uint(), proc_dostring(). */
int value_ints(const struct vfs_file *f, const char *old, const char *text, size_t len,
	       struct text *out);
int value_parameter(const struct vfs_file *f, const char *old, const char *text, size_t len,
		    struct text *out);
int value_string(const struct vfs_file *f, const char *old, const char *text, size_t len,
		 struct text *out);

#endif
