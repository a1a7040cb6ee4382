/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One more process goes into a group below the container's (exec --cgroup): the groups of
 * a place are exchanged for those. They must be there: who divides a container made them.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>

#include "../base/fd.h"
#include "../base/str.h"
#include "../base/sys.h"
#include "place.h"

/* "name=systemd" is the hierarchy without controllers whose mount ends in that. */
static bool has_name(const struct place *p, const struct place_group *g, const char *name,
		     size_t len)
{
	const char *mount = strrchr(g->mount, '/');

	for (int c = 0; c < PLACE_CONTROLLERS; c++) {
		const char *its = place_controller_name((enum place_controller)c, g->v2);

		/* cgroup2 has some of them always: v1's counts. */
		if (place_of(p, (enum place_controller)c) == g && strlen(its) == len &&
		    strncmp(its, name, len) == 0)
			return true;
	}
	return !g->v2 && !g->controllers && mount && len == strlen("name=") + strlen(mount + 1) &&
	       strncmp(name, "name=", 5) == 0 && strncmp(name + 5, mount + 1, len - 5) == 0;
}

/* @names: "cpu,memory" up to its colon; NULL: any. */
static bool is_named(const struct place *p, const struct place_group *g, const char *names)
{
	while (names && *names != ':') {
		size_t n = strcspn(names, ",:");

		if (has_name(p, g, names, n))
			return true;
		names += n + (names[n] == ',');
	}
	return !names;
}

/* Beneath, whatever dots and links say: it is the container that makes them. */
static int enter(struct place_group *g, const char *path)
{
	const uint64_t resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV;
	cleanup_close int dir = sys_openat2(g->dir, *path ? path : ".",
					    O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0, resolve);
	cleanup_close int tasks = -1;

	if (dir < 0)
		return dir;
	if (!g->v2) {
		tasks = openat(dir, "tasks", O_WRONLY | O_CLOEXEC);
		if (tasks < 0)
			return -errno;
		fd_close(g->tasks);
		g->tasks = steal_fd(&tasks);
	}
	fd_close(g->dir);
	g->dir = steal_fd(&dir);
	g->is_sub = true;
	return 0;
}

int place_enter_sub(struct place *p, const char *spec, struct cis_error *err)
{
	const char *colon = strchr(spec, ':'), *names = colon ? spec : NULL;
	const char *path = colon ? colon + 1 : spec;
	bool any = false;

	path += strspn(path, "/");
	for (size_t i = 0; i < p->n; i++) {
		struct place_group *g = &p->g[i];
		char where[PLACE_PATH + 192];
		int r;

		if (g->dir < 0 || !is_named(p, g, names))
			continue;
		if (g->is_sub)
			return cis_fail_plain(err, EINVAL,
					      "cgroups: %s: its controller was given a group "
					      "before",
					      spec);
		r = enter(g, path);
		/* Beside v1, cgroup2 has no controllers, and groups in it only for systemd. */
		if (r == -ENOENT && g->v2 && p->n > 1 && !names)
			continue;
		place_where(p, g, where, sizeof where);
		/* Both in runc's words. */
		if (r == -EXDEV || r == -ELOOP)
			return cis_fail_plain(err, EINVAL,
					      "cgroups: bad sub cgroup path %s: not below %s",
					      path, where);
		if (r < 0)
			return cis_fail(err, -r, "cgroups: adding pid to %s below %s", path,
					where);
		any = true;
	}
	return any ? 0
		   : cis_fail_plain(err, EINVAL, "cgroups: unknown controller in %s", spec);
}
