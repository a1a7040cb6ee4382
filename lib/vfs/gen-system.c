/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* /proc/loadavg and what is short. */
#include "../base/macros.h"
#include "files.h"

/* The last number would be the newest pid, which nobody outside a pid namespace knows. */
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
	text_num(out, MAX(n->tasks, 1));
	text_str(out, "\n");
}

void gen_nothing(const struct vfs_numbers *n, struct text *out)
{
	(void)n;
	(void)out;
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
