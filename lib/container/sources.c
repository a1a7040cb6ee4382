/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sources.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>

#include "../base/fd.h"
#include "../base/sys.h"
#include "../fs/mount.h"
#include "idmap.h"
#include "unmapped.h"

static const struct {
	const char *path;
	unsigned int major, minor;
} defaults[] = {
	{"/dev/null", 1, 3}, {"/dev/random", 1, 8}, {"/dev/full", 1, 7},
	{"/dev/tty", 5, 0},  {"/dev/zero", 1, 5},   {"/dev/urandom", 1, 9},
};

/* ---- mounts ------------------------------------------------------------------------- */

int sources_set_attrs_child(int tree, const struct config_mount *m)
{
	struct mount_attr one = {.attr_set = m->set, .attr_clr = m->clear};
	struct mount_attr all = {
		.attr_set = m->rec_set,
		.attr_clr = m->rec_clear,
		/* Without a word: what the host mounts below later shows, ours does not. */
		.propagation = m->propagation ? m->propagation & ~(unsigned long)MS_REC
					      : MS_SLAVE,
	};
	int r = sys_mount_setattr(tree, AT_RECURSIVE, &all);

	if (r >= 0 && (one.attr_set || one.attr_clr))
		r = sys_mount_setattr(tree, 0, &one);
	return r;
}

const char *sources_in_root(const struct box *b, const struct config_mount *m)
{
	size_t n = strlen(b->rootfs);

	/* What has the container's own map is mapped once that is known, not later. */
	if (!m->bind || m->remount || (m->idmap && !m->n_uids) || b->staged || !m->source ||
	    n <= 1 || strncmp(m->source, b->rootfs, n) != 0)
		return NULL;
	return m->source[n] == '/' ? m->source + n : m->source[n] ? NULL : "/";
}

static int take_bind(struct box *b, size_t i, int bundle, struct cis_error *err)
{
	const struct config_mount *m = &b->c->mounts[i];
	unsigned int flags = OPEN_TREE_CLONE | (m->recursive ? AT_RECURSIVE : 0);
	struct stat st;
	int r;

	if (!m->source)
		return cis_fail_plain(err, EINVAL, "mounts[%zu]: a bind without a source", i);
	b->trees[i] = r = sys_open_tree(bundle, m->source, flags);
	if (r >= 0 && fstat(r, &st) < 0)
		r = -errno;
	if (r < 0)
		return cis_fail(err, -r, "error mounting \"%s\" to rootfs at \"%s\"", m->source,
				m->destination);
	b->is_file[i] = !S_ISDIR(st.st_mode);
	r = sources_set_attrs_child(b->trees[i], m);
	if (r < 0)
		return cis_fail(err, -r, "error setting the options of \"%s\" at \"%s\"",
				m->source, m->destination);
	if (!m->n_uids)
		return 0;
	r = idmap_mount(b->trees[i], m, err);
	return r < 0 ? cis_wrap(err, r, "mounts[%zu]", i) : 0;
}

static int take_mounts(struct box *b, int bundle, struct cis_error *err)
{
	const struct config *c = b->c;
	int r = 0;

	b->trees = calloc(c->n_mounts + 1, sizeof *b->trees);
	b->is_file = calloc(c->n_mounts + 1, sizeof *b->is_file);
	if (!b->trees || !b->is_file)
		return cis_fail(err, ENOMEM, "mounts");
	for (size_t i = 0; i < c->n_mounts; i++)
		b->trees[i] = -1;
	b->own_dev = true;
	for (size_t i = 0; i < c->n_mounts && r >= 0; i++) {
		if (!c->mounts[i].bind || c->mounts[i].remount)
			continue;
		if (strcmp(c->mounts[i].destination, "/dev") == 0)
			b->own_dev = false;
		if (!sources_in_root(b, &c->mounts[i]))
			r = take_bind(b, i, bundle, err);
	}
	return r;
}

/* ---- devices --------------------------------------------------------------------------- */

static const char *const links_of_ours[] = {"/dev/ptmx", "/dev/pts", "/dev/console"};

static bool is_ours(const char *path)
{
	for (size_t i = 0; i < ARRAY_SIZE(links_of_ours); i++)
		if (strcmp(path, links_of_ours[i]) == 0)
			return true;
	return false;
}

static bool has_device(const struct config *c, const char *path)
{
	for (size_t i = 0; i < c->n_devices; i++)
		if (strcmp(c->devices[i].path, path) == 0)
			return true;
	return false;
}

/*
 * In a user namespace nobody can make a node that works: the host's own is bound. It
 * must be what the config says, or another device would be given.
 */
static int take_device(struct box_device *d, struct cis_error *err)
{
	struct stat st;
	int r = d->tree = sys_open_tree(AT_FDCWD, d->path, OPEN_TREE_CLONE);

	if (r >= 0 && fstat(r, &st) < 0)
		r = -errno;
	if (r < 0)
		return cis_fail(err, -r, "device %s", d->path);
	if ((st.st_mode & S_IFMT) != (d->mode & S_IFMT) ||
	    (!S_ISFIFO(st.st_mode) && st.st_rdev != d->number))
		return cis_fail_plain(err, ENODEV,
				      "device %s is another one on the host (in a user "
				      "namespace devices are bound from there)",
				      d->path);
	return 0;
}

static int take_devices(struct box *b, struct cis_error *err)
{
	const struct config *c = b->c;
	int r = 0;

	b->devices = calloc(c->n_devices + ARRAY_SIZE(defaults), sizeof *b->devices);
	if (!b->devices)
		return cis_fail(err, ENOMEM, "devices");
	for (size_t i = 0; b->own_dev && i < ARRAY_SIZE(defaults); i++)
		if (!has_device(c, defaults[i].path))
			b->devices[b->n_devices++] = (struct box_device){
				.path = defaults[i].path,
				.mode = S_IFCHR | 0666,
				.number = makedev(defaults[i].major, defaults[i].minor),
				.tree = -1,
			};
	for (size_t i = 0; b->own_dev && i < c->n_devices; i++)
		if (!is_ours(c->devices[i].path))
			b->devices[b->n_devices++] = (struct box_device){
				.path = c->devices[i].path,
				.mode = c->devices[i].mode,
				.number = makedev((unsigned int)c->devices[i].major,
						  (unsigned int)c->devices[i].minor),
				.uid = c->devices[i].uid,
				.gid = c->devices[i].gid,
				.tree = -1,
			};
	for (size_t i = 0; i < b->n_devices && r >= 0 && b->bind_devices && !b->staged; i++)
		r = take_device(&b->devices[i], err);
	return r;
}

/* ---- all ---------------------------------------------------------------------------------- */

int sources_take(struct box *b, int bundle, struct cis_error *err)
{
	struct mount_attr private = {.propagation = MS_PRIVATE};
	int r = b->root = sys_open_tree(AT_FDCWD, b->rootfs, OPEN_TREE_CLONE | AT_RECURSIVE);

	if (r >= 0)
		r = sys_mount_setattr(b->root, AT_RECURSIVE, &private);
	if (r < 0)
		return cis_fail(err, -r, "rootfs %s", b->rootfs);
	r = take_mounts(b, bundle, err);
	return r < 0 ? r : take_devices(b, err);
}

/*
 * Without a cgroup namespace whoever mounts the file system sees the host's groups: it
 * is its own that is bound (CVE-2023-25809).
 */
int sources_take_groups(struct box *b, struct cis_error *err)
{
	for (size_t i = 0; i < b->place->n; i++) {
		if (b->place->g[i].dir < 0)
			continue;
		b->groups[i] = SYS(open_tree, b->place->g[i].dir, "",
				   AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
		if (b->groups[i] < 0)
			return cis_fail(err, -b->groups[i], "clone the mount of %s",
					b->place->g[i].mount);
	}
	return 0;
}

int sources_idmap(struct box *b, struct config *c, int userns, struct cis_error *err)
{
	for (size_t i = 0; i < c->n_mounts; i++) {
		const struct config_mount *m = &c->mounts[i];
		int r;

		if (b->trees[i] < 0 || !m->idmap || m->n_uids ||
		    (b->engine_ids && idmap_is_shifted(c, b->trees[i])))
			continue;
		r = idmap_by(b->trees[i], userns, m->idmap_recursive);
		if (r < 0 && b->staged)
			r = unmapped_bind(b, c, i, -r, err);
		else if (r < 0)
			r = cis_fail(err, -r, "id-map the mount of %s at %s", m->source,
				     m->destination);
		if (r < 0)
			return r;
	}
	return 0;
}

void sources_done(struct box *b)
{
	for (size_t i = 0; b->trees && i < b->c->n_mounts; i++)
		fd_close(b->trees[i]);
	for (size_t i = 0; i < b->n_devices; i++)
		fd_close(b->devices[i].tree);
	for (size_t i = 0; i < ARRAY_SIZE(b->groups); i++)
		b->groups[i] = fd_close(b->groups[i]);
	b->root = fd_close(b->root);
	free(b->trees);
	free(b->is_file);
	free(b->devices);
	b->trees = NULL;
	b->is_file = NULL;
	b->devices = NULL;
	b->n_devices = 0;
}
