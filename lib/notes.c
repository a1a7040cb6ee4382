/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a start that did not fail has to say all the same. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/process.h"
#include "rootless.h"
#include "supervise.h"

void note_no_vfs(struct cis_sandbox *sb)
{
	char text[160];
	int r = -vfs_probe();

	snprintf(text, sizeof text,
		 "/proc and /sys show the host's numbers: /dev/fuse: %s (%s, or --vfs=off to "
		 "say so)",
		 strerror(r), r == EACCES && process_is_rootless()
				      ? "chmod 666 /dev/fuse, as udev does"
				      : "\"modprobe fuse\"");
	supervise_post(sb, CIS_EVENT_VFS, (uint64_t)r, "vfs.off", text);
}

void note_no_inner(struct cis_sandbox *sb)
{
	supervise_post(sb, CIS_EVENT_INNER, ENOENT, "inner.off",
	     "containers inside see the limits of their engine's runtime: there is no static "
	     "cisandbox-oci for them (--inner-runtime=image to say so)");
}

void note_not_masked(struct cis_sandbox *sb)
{
	char text[200] = "not masked, being shorter than 4 bytes or longer than 64K:";

	for (size_t i = 0; i < sb->spec.secrets.n; i++) {
		size_t k = strlen(text);

		if (sb->not_masked >> i & 1)
			snprintf(text + k, sizeof text - k, " %s", sb->spec.secrets.v[i].name);
	}
	supervise_post(sb, CIS_EVENT_SECRET, sb->not_masked, "secret.not_masked", text);
}

void note_unheld(struct cis_sandbox *sb)
{
	char text[200];

	if (rootless_say_unheld(&sb->spec, text, sizeof text))
		supervise_post(sb, CIS_EVENT_UNHELD, sb->spec.unheld, "limits.unheld", text);
}
