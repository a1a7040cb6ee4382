/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "userns.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "../base/io.h"
#include "../base/num.h"
#include "../base/str.h"
#include "../base/sys.h"

int userns_become_owner_child(uid_t base)
{
	struct __user_cap_data_struct caps[2];
	int r = sys_capget(caps);

	/* Real and saved ids stay: they keep the permitted set alive. */
	if (r >= 0)
		r = sys_setresgid((gid_t)-1, base, (gid_t)-1);
	if (r >= 0)
		r = sys_setresuid((uid_t)-1, base, (uid_t)-1);
	return r < 0 ? r : sys_capset(caps);
}

static int write_map(pid_t pid, const char *file, uid_t base, uint32_t count, const uid_t *more)
{
	char path[64] = "/proc/", map[128] = "0 ";

	num_append(path, sizeof path, (unsigned long long)pid);
	strcat(path, file);
	num_append(map, sizeof map, base);
	strcat(map, " ");
	num_append(map, sizeof map, count);
	if (more) {
		strcat(map, "\n");
		num_append(map, sizeof map, count);
		strcat(map, " ");
		num_append(map, sizeof map, *more);
		strcat(map, " 1");
	}
	return io_write_file_at(AT_FDCWD, path, map);
}

int userns_write_maps(pid_t pid, uid_t base, uint32_t count)
{
	int r = write_map(pid, "/uid_map", base, count, NULL);

	return r < 0 ? r : write_map(pid, "/gid_map", base, count, NULL);
}

int userns_write_maps_with(pid_t pid, uid_t base, uint32_t count, uid_t uid, gid_t gid)
{
	int r = write_map(pid, "/uid_map", base, count, &uid);

	return r < 0 ? r : write_map(pid, "/gid_map", base, count, &gid);
}

static int write_same_map(pid_t pid, const char *file, uint32_t count)
{
	cleanup_free char *ours = NULL, *path = NULL, *own = NULL, *map = NULL;
	unsigned int inside, outside, n;
	int r = str_format(&path, "/proc/%d/%s", pid, file);

	if (r >= 0)
		r = str_format(&own, "/proc/self/%s", file);
	if (r >= 0)
		r = io_read_file_at(AT_FDCWD, own, 65536, &ours, NULL);
	if (r >= 0)
		r = str_set(&map, "");
	for (const char *line = ours; r >= 0 && line && *line; line = strchr(line, '\n')) {
		cleanup_free char *more = NULL;

		line += *line == '\n';
		if (sscanf(line, "%u %u %u", &inside, &outside, &n) != 3 || inside >= count)
			continue;
		r = str_format(&more, "%s%u %u %u\n", map, inside, inside,
			       MIN(n, count - inside));
		if (r >= 0)
			r = str_set(&map, more);
	}
	return r < 0 ? r : io_write_file_at(AT_FDCWD, path, map);
}

int userns_write_same_maps(pid_t pid, uint32_t count)
{
	int r = write_same_map(pid, "uid_map", count);

	return r < 0 ? r : write_same_map(pid, "gid_map", count);
}

int userns_open(pid_t pid)
{
	char path[64] = "/proc/";

	num_append(path, sizeof path, (unsigned long long)pid);
	strcat(path, "/ns/user");
	return SYS(openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
}

int userns_become_root_child(void)
{
	int r = sys_setgroups(0, NULL);

	if (r >= 0)
		r = sys_setresgid(0, 0, 0);
	return r < 0 ? r : sys_setresuid(0, 0, 0);
}
