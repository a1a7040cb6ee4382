/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * /sys/fs/cgroup of a container. On a pure cgroup2 host that is one mount. On others it
 * is as the host's: a tmpfs with a directory for each hierarchy, by the name it has
 * there, and links for controllers that share one.
 */
#include <stdio.h>
#include <string.h>

#include "../base/fd.h"
#include "../base/sys.h"
#include "../fs/mount.h"
#include "../fs/rooted.h"
#include "box.h"

/* Of a hierarchy, as the kernel shows it to who has a cgroup namespace. */
static int mount_hierarchy(const struct place_group *g)
{
	cleanup_close int fs = sys_fsopen(g->v2 ? "cgroup2" : "cgroup");
	const char *name = strrchr(g->mount, '/');
	char options[64];
	int r;

	if (fs < 0)
		return fs;
	r = sys_fsconfig(fs, FSCONFIG_SET_STRING, "source", "cgroup");
	if (r >= 0 && !g->v2 && name && strlen(name) <= sizeof options) {
		memcpy(options, name + 1, strlen(name));
		/* A hierarchy without controllers has only its name. */
		r = g->controllers ? mount_set_options(fs, options)
				   : sys_fsconfig(fs, FSCONFIG_SET_STRING, "name", options);
		if (r >= 0 && !g->controllers)
			r = sys_fsconfig(fs, FSCONFIG_SET_FLAG, "none", NULL);
	}
	if (r >= 0)
		r = sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL);
	return r < 0 ? r : sys_fsmount(fs, 0);
}

static int attach_hierarchy(const struct box *b, size_t i, const struct config_mount *m,
			    int root, const char *path)
{
	cleanup_close int made = -1;
	int tree = b->groups[i], r;

	if (tree < 0)
		tree = made = mount_hierarchy(&b->place->g[i]);
	r = tree < 0 ? tree : setup_mount_attrs_child(tree, m);
	return r < 0 ? r : rooted_attach(root, path, tree, false);
}

/* "cpu" -> "cpu,cpuacct" */
static int make_links(int dir, const char *name)
{
	char part[32];
	int r = 0;

	if (!strchr(name, ','))
		return 0;
	for (const char *p = name; *p && r >= 0; p += *p == ',') {
		size_t n = strcspn(p, ",");

		if (n < sizeof part) {
			memcpy(part, p, n);
			part[n] = '\0';
			r = SYS(symlinkat, name, dir, part);
		}
		p += n;
	}
	return r;
}

static int mount_all(const struct box *b, const struct config_mount *m, int root)
{
	cleanup_close int top = mount_new("tmpfs", "cgroup", "mode=755", 0), dir = -1;
	int r = top < 0 ? top : rooted_attach(root, m->destination, top, false);

	if (r >= 0)
		r = dir = rooted_open(root, m->destination, O_PATH | O_DIRECTORY);
	for (size_t i = 0; i < b->place->n && r >= 0; i++) {
		const char *name = strrchr(b->place->g[i].mount, '/');
		char path[512] = "";

		if (!name || b->place->g[i].dir < 0 ||
		    strlen(m->destination) + strlen(name) >= sizeof path)
			continue;
		strcat(strcat(path, m->destination), name);
		r = attach_hierarchy(b, i, m, root, path);
		if (r >= 0)
			r = make_links(dir, name + 1);
	}
	/* The frame has the options of what it holds; read-only only when it is full. */
	return r < 0 ? r : setup_mount_attrs_child(dir, m);
}

int cgroups_mount_child(const struct box *b, const struct config_mount *m, int root)
{
	const struct place *p = b->place;

	if (p->unified >= 0 && (p->n == 1 || strcmp(m->type, "cgroup2") == 0))
		return attach_hierarchy(b, (size_t)p->unified, m, root, m->destination);
	return mount_all(b, m, root);
}
