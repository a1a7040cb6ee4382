/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The root of a container that is a sandbox, as far as the stage builds it: with the host's
 * privilege and the sandbox's effective id, in a mount namespace of its own. Init is
 * cloned with a copy of that, and the kernel locks every flag in it.
 */
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "../base/fd.h"
#include "../base/sys.h"
#include "../fs/dev.h"
#include "../fs/mount.h"
#include "../fs/rooted.h"
#include "../isolate/userns.h"
#include "box.h"
#include "overlay-root.h"

static int make_root(const struct box *b, int *ret_root)
{
	cleanup_close int at = -1;
	int tree = b->root, r;

	if (b->overlay) {
		tree = overlay_root_mount_stage(b->overlay, b->state_path);
		if (tree < 0)
			return tree;
	}
	at = SYS(openat, AT_FDCWD, b->rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
	r = at < 0 ? at : sys_move_mount(tree, at);
	*ret_root = tree;
	return r < 0 ? r : SYS(fchdir, tree);
}

/* With real nodes: those that the config names too, owned as it says. */
static int make_dev(const struct box *b)
{
	cleanup_close int dev = dev_make_stage(b->base, b->c->process.terminal);
	int r = dev < 0 ? dev : 0;

	for (size_t i = 0; i < b->n_devices && r >= 0; i++) {
		const struct box_device *d = &b->devices[i];
		const char *name = d->path + strlen("/dev/");
		cleanup_close int dir = -1;
		char parent[256];
		const char *slash = strrchr(name, '/');

		if (strncmp(d->path, "/dev/", 5) != 0 || strlen(name) >= sizeof parent)
			continue;
		memcpy(parent, name, strlen(name) + 1);
		parent[slash ? slash - name : 0] = '\0';
		r = dir = rooted_make(dev, *parent ? parent : "/", false);
		if (r >= 0)
			r = SYS(mknodat, dir, slash ? slash + 1 : name, d->mode, d->number);
		if (r == -EEXIST)
			r = 0;
		if (r >= 0)
			r = SYS(fchownat, dir, slash ? slash + 1 : name, b->base + d->uid,
				b->base + d->gid, AT_SYMLINK_NOFOLLOW);
	}
	return r < 0 ? r : steal_fd(&dev);
}

/* The host's tmpfs, whose root is the sandbox's. */
static int make_tmpfs(const struct box *b, const struct config_mount *m)
{
	cleanup_close int tree = mount_new("tmpfs", m->source ? m->source : "tmpfs", m->data, 0);
	int r = tree < 0 ? tree : SYS(fchownat, tree, "", b->base, b->base, AT_EMPTY_PATH);

	if (r >= 0)
		r = setup_mount_attrs_child(tree, m);
	return r < 0 ? r : steal_fd(&tree);
}

/* Of a network namespace that is not the sandbox's: it may look. */
static int make_sysfs(const struct config_mount *m)
{
	struct mount_attr readonly = {.attr_set = MOUNT_ATTR_RDONLY};
	cleanup_close int tree = mount_new("sysfs", "sysfs", NULL, 0);
	int r = tree < 0 ? tree : setup_mount_attrs_child(tree, m);

	if (r >= 0)
		r = sys_mount_setattr(tree, 0, &readonly);
	return r < 0 ? r : steal_fd(&tree);
}

static int make(const struct box *b, const struct config_mount *m)
{
	if (strcmp(m->type, "sysfs") == 0)
		return make_sysfs(m);
	return strcmp(m->destination, "/dev") == 0 ? make_dev(b) : make_tmpfs(b, m);
}

static int attach(const struct box *b, size_t i, int root)
{
	const struct config_mount *m = &b->c->mounts[i];
	cleanup_close int made = -1;

	if (b->trees[i] >= 0)
		return rooted_attach(root, m->destination, b->trees[i], b->is_file[i]);
	made = make(b, m);
	if (made >= 0 && m->tmpcopyup) {
		int r = setup_copyup_child(root, m, made);

		if (r < 0)
			return r;
	}
	return made < 0 ? made : rooted_attach(root, m->destination, made, false);
}

int staged_build(struct box *b, enum box_step *ret_step, int *ret_item)
{
	int root = -1, r;

	*ret_step = STEP_ROOT;
	r = SYS(mount, NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
	if (r >= 0)
		r = userns_become_owner_child(b->base);
	umask(0);
	if (r >= 0)
		r = make_root(b, &root);
	*ret_step = r < 0 ? STEP_ROOT : STEP_MOUNT;
	for (size_t i = 0; i < b->c->n_mounts && r >= 0; i++) {
		*ret_item = (int)i;
		if (b->by_stage[i])
			r = attach(b, i, root);
	}
	return r;
}
