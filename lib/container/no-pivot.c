/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * --no-pivot: in an initramfs the old root cannot be pivoted away, only be covered. Nothing
 * leads to it any more, but the kernel lets a user namespace inside mount a bare procfs or
 * sysfs as long as there is one anywhere in the mount namespace: so the host's go first.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include "../base/fd.h"
#include "../base/io.h"
#include "../base/sys.h"
#include "box.h"

#define MAX_MOUNTINFO (8UL << 20)

static bool is_below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return strncmp(path, dir, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

/* "36 35 0:22 / /proc rw,nosuid shared:5 - proc proc rw": root, place, ..., type. */
static int look_at(struct strv *ret, char *line, const char *rootfs)
{
	char *type = strstr(line, " - "), *save = NULL, *root, *place;

	if (!type)
		return 0;
	type += 3;
	if (strncmp(type, "proc ", 5) != 0 && strncmp(type, "sysfs ", 6) != 0)
		return 0;
	strtok_r(line, " ", &save);
	strtok_r(NULL, " ", &save);
	strtok_r(NULL, " ", &save);
	root = strtok_r(NULL, " ", &save);
	place = strtok_r(NULL, " ", &save);
	if (!place || strcmp(root, "/") != 0 || is_below(place, rootfs))
		return 0;
	/* Blanks stand there as \040. Rather none than one that is not found. */
	if (strchr(place, '\\'))
		return -EINVAL;
	return strv_add(ret, place);
}

int no_pivot_find(struct strv *ret, const char *rootfs, struct cis_error *err)
{
	cleanup_free char *text = NULL;
	char *save = NULL;
	int r = io_read_file_at(AT_FDCWD, "/proc/self/mountinfo", MAX_MOUNTINFO, &text, NULL);

	if (r < 0)
		return cis_fail(err, -r, "read mountinfo");
	for (char *line = strtok_r(text, "\n", &save); line && r >= 0;
	     line = strtok_r(NULL, "\n", &save))
		r = look_at(ret, line, rootfs);
	return r < 0 ? cis_fail(err, -r, "--no-pivot: the host's procfs") : 0;
}

int no_pivot_hide_child(const struct strv *places)
{
	/* What is taken away here stays where the host has it. */
	int r = SYS(mount, NULL, "/", NULL, MS_SLAVE | MS_REC, NULL);

	for (size_t i = places->n; i-- > 0 && r >= 0;) {
		r = SYS(umount2, places->v[i], MNT_DETACH);
		/* One that a user namespace has locked: what is covered does not count. */
		if (r < 0)
			r = SYS(mount, "tmpfs", places->v[i], "tmpfs", 0, "size=0,nr_inodes=1");
		if (r == -ENOENT)
			r = 0;
	}
	return r;
}
