/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* /proc/loadavg, diskstats, and what is short. */
#include <string.h>

#include "../base/macros.h"
#include "files.h"

/* The last number would be the newest pid: outside a pid namespace one knows who is in it. */
void gen_loadavg(const struct vfs_numbers *n, struct text *out)
{
	for (size_t i = 0; i < ARRAY_SIZE(n->load); i++) {
		text_hundredths(out, n->load[i]);
		text_str(out, " ");
	}
	text_num(out, MAX(n->running, 1)); /* the reader */
	text_str(out, "/");
	text_num(out, MAX(n->tasks, 1));
	text_str(out, " ");
	text_num(out, MAX(n->last_pid, 1));
	text_str(out, "\n");
}

void gen_empty_line(const struct vfs_numbers *n, struct text *out)
{
	(void)n;
	text_str(out, "\n");
}

/* Pages that are free, in which zone: of the machine alone. */
void gen_nothing(const struct vfs_numbers *n, struct text *out)
{
	(void)n;
	(void)out;
}

/* The kernel's own objects are the host's: slabtop(1) finds none, and no refusal. */
void gen_slabinfo(const struct vfs_numbers *n, struct text *out)
{
	(void)n;
	text_str(out, "slabinfo - version: 2.1\n"
		      "# name            <active_objs> <num_objs> <objsize> <objperslab> "
		      "<pagesperslab> : tunables <limit> <batchcount> <sharedfactor> : "
		      "slabdata <active_slabs> <num_slabs> <sharedavail>\n");
}

#define SECTOR 512

/* "rios=" in a line of io.stat */
static uint64_t io_number(const char *line, const char *key)
{
	const char *end = strchr(line, '\n'), *at = strstr(line, key);

	return at && (!end || at < end) ? text_read_num(at + strlen(key), NULL) : 0;
}

/* Its line of io.stat, "8:16 rbytes=...", or NULL. */
static const char *find_device(const char *io, uint64_t major, uint64_t minor)
{
	for (; *io; io = text_next_line(io)) {
		const char *s;

		if (text_read_num(io, &s) == major && *s == ':' &&
		    text_read_num(s + 1, NULL) == minor)
			return io;
	}
	return NULL;
}

/* Requests, merged, sectors, time: a group knows the first and the third. */
static void disk_numbers(struct text *out, const char *io, const char *ios, const char *bytes)
{
	text_str(out, " ");
	text_num(out, io_number(io, ios));
	text_str(out, " 0 ");
	text_num(out, io_number(io, bytes) / SECTOR);
	text_str(out, " 0");
}

/* The disks that the sandbox has used, and how much it did. */
void gen_diskstats(const struct vfs_numbers *n, struct text *out)
{
	for (const char *s = n->text; *s; s = text_next_line(s)) {
		const char *name;
		uint64_t major = text_read_num(s, &name), minor = text_read_num(name, &name);
		const char *io = find_device(n->io, major, minor);

		if (!io)
			continue;
		name += *name == ' ';
		text_bytes(out, s, (size_t)(name - s) + strcspn(name, " \n"));
		disk_numbers(out, io, " rios=", " rbytes=");
		disk_numbers(out, io, " wios=", " wbytes=");
		text_str(out, " 0 0 0");
		disk_numbers(out, io, " dios=", " dbytes=");
		text_str(out, " 0 0\n");
	}
}

void gen_boot_id(const struct vfs_numbers *n, struct text *out)
{
	text_str(out, n->boot_id);
	text_str(out, "\n");
}

void gen_product_uuid(const struct vfs_numbers *n, struct text *out)
{
	text_str(out, n->product_uuid);
	text_str(out, "\n");
}

void gen_copy(const struct vfs_numbers *n, struct text *out)
{
	text_str(out, n->text);
}
