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
#include "../isolate/lsm.h"
#include "../isolate/userns.h"
#include "box.h"
#include "overlay-root.h"
#include "profile.h"

static int make_root(const struct box *b, int *ret_root)
{
	cleanup_close int at = -1;
	int tree = b->root, r;

	if (b->overlay) {
		tree = overlay_root_mount_stage(b->overlay, b->state_path,
						lsm_mount_label(b->c->mount_label, "overlay",
								b->selinux));
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
	cleanup_close int dev = dev_make_stage(b->base, b->c->process.terminal, false);
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
static int make_tmpfs(const struct box *b, const struct config_mount *m, int root)
{
	cleanup_close int tree = setup_make_mount_child(b, m, "tmpfs", root);
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

static int make(const struct box *b, const struct config_mount *m, int root)
{
	if (strcmp(m->type, "sysfs") == 0)
		return make_sysfs(m);
	return strcmp(m->destination, "/dev") == 0 ? make_dev(b) : make_tmpfs(b, m, root);
}

/*
 * What has mounts in it is never forgotten (overlay_root_refresh()): so that what the engine
 * writes there is seen, and does not stand in the way, it is in the upper layer from now on.
 */
static void copy_up_parent(int root, const char *path)
{
	cleanup_close int dir = -1;
	const size_t n = (size_t)(strrchr(path, '/') - path);
	struct stat top, st;
	char parent[4096];

	if (n == 0 || n >= sizeof parent)
		return;
	memcpy(parent, path, n);
	parent[n] = '\0';
	dir = rooted_open(root, parent, O_RDONLY | O_DIRECTORY | O_NONBLOCK);
	if (dir >= 0 && SYS(newfstatat, root, "", &top, AT_EMPTY_PATH) >= 0 &&
	    SYS(newfstatat, dir, "", &st, AT_EMPTY_PATH) >= 0 && st.st_dev == top.st_dev)
		SYS(fchmod, dir, st.st_mode & 07777);
}

static int attach(const struct box *b, size_t i, int root)
{
	const struct config_mount *m = &b->c->mounts[i];
	cleanup_close int made = -1;

	if (b->overlay && b->overlay->upper && m->destination[0] == '/')
		copy_up_parent(root, m->destination);
	if (b->trees[i] >= 0)
		return rooted_attach(root, m->destination, b->trees[i], b->is_file[i]);
	made = make(b, m, root);
	if (made >= 0 && m->tmpcopyup) {
		int r = setup_copyup_child(root, m, made);

		if (r < 0)
			return r;
	}
	return made < 0 ? made : rooted_attach(root, m->destination, made, false);
}

/* Whether a file system that init makes will hide @path. */
static bool will_be_hidden(const struct box *b, const char *path)
{
	for (size_t i = 0; i < b->c->n_mounts; i++)
		if (!b->by_stage[i] && profile_is_below(path, b->c->mounts[i].destination))
			return true;
	return false;
}

/*
 * A root that is read-only is so before init gets its copy: then that is locked, and root
 * inside cannot make it writable. Nor can init make places in it any more.
 */
static int close_root(const struct box *b, int root)
{
	struct mount_attr readonly = {.attr_set = MOUNT_ATTR_RDONLY};
	int r = 0;

	for (size_t i = 0; i < b->c->n_mounts && r >= 0; i++) {
		const struct config_mount *m = &b->c->mounts[i];
		bool hidden = false;

		for (size_t j = 0; j < i; j++)
			hidden |= !b->by_stage[j] && profile_is_below(m->destination,
								      b->c->mounts[j].destination);
		if (b->by_stage[i] || hidden)
			continue;
		r = rooted_make(root, m->destination, b->is_file[i]);
		fd_close(r);
	}
	if (r >= 0 && !will_be_hidden(b, b->c->process.cwd))
		/* Where it leads nowhere, chdir will tell. */
		fd_close(rooted_make(root, b->c->process.cwd, false));
	return r < 0 ? r : sys_mount_setattr(root, 0, &readonly);
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
	if (r < 0 || !b->c->root_readonly)
		return r;
	*ret_step = STEP_ROOT_READONLY;
	return close_root(b, root);
}
