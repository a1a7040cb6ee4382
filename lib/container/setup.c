/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The root file system of a container, by init, inside its namespaces.
 *
 * All of it is done below a descriptor of the new root, while the host's is still "/":
 * what stands in the root is hostile, so its paths are the kernel's to resolve
 * (fs/rooted.h), once, and mounts land on descriptors. /dev/null is the host's own,
 * looked at before it covers anything (CVE-2025-31133).
 */
#include <linux/magic.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>

#include "../base/fd.h"
#include "../base/io.h"
#include "../base/sys.h"
#include "../fs/copyup.h"
#include "../fs/mount.h"
#include "../fs/rooted.h"
#include "../isolate/lsm.h"
#include "../isolate/procfd.h"
#include "../vfs/cover.h"
#include "../vfs/hide.h"
#include "box.h"
#include "shown-cpus.h"
#include "sources.h"
#include "systemd-init.h"

/* ---- the root ---------------------------------------------------------------------- */

static int set_propagation(int fd, unsigned long flags)
{
	struct mount_attr attr = {.propagation = flags & ~(unsigned long)MS_REC};

	return sys_mount_setattr(fd, flags & MS_REC ? AT_RECURSIVE : 0, &attr);
}

/*
 * What the stage has built is our working directory. It is cloned once more, since its
 * flags are locked to its place, and a locked mount cannot become the root.
 */
static int enter_root(struct box *b)
{
	int r;

	b->root = sys_open_tree(AT_FDCWD, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | AT_RECURSIVE);
	if (b->root < 0)
		return b->root;
	r = SYS(move_mount, b->root, "", AT_FDCWD, ".", MOVE_MOUNT_F_EMPTY_PATH);
	return r < 0 ? r : SYS(fchdir, b->root);
}

/*
 * Where the root file system stands on the host: a place that surely exists. What is
 * attached there must not appear on the host, whose mounts may all be shared: so they
 * become slaves, whatever rootfsPropagation says of the root that stays.
 */
static int attach_root(const struct box *b)
{
	cleanup_close int at = -1;
	int r = SYS(mount, NULL, "/", NULL, MS_SLAVE | MS_REC, NULL);

	if (r < 0)
		return r;
	at = SYS(openat, AT_FDCWD, b->rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (at < 0)
		return at;
	r = sys_move_mount(b->root, at);
	return r < 0 ? r : SYS(fchdir, b->root);
}

/* ---- mounts --------------------------------------------------------------------------- */

int setup_mount_attrs_child(int fd, const struct config_mount *m)
{
	struct mount_attr one = {.attr_set = m->set, .attr_clr = m->clear};
	struct mount_attr all = {.attr_set = m->rec_set, .attr_clr = m->rec_clear};
	int r = 0;

	if (m->set || m->clear)
		r = sys_mount_setattr(fd, 0, &one);
	if (r >= 0 && (m->rec_set || m->rec_clear))
		r = sys_mount_setattr(fd, AT_RECURSIVE, &all);
	if (r >= 0 && m->propagation)
		r = set_propagation(fd, m->propagation);
	return r;
}

static int set_flag(int fs, bool wanted, const char *name)
{
	return wanted ? sys_fsconfig(fs, FSCONFIG_SET_FLAG, name, NULL) : 0;
}

/*
 * A tmpfs that is not told its mode takes that of the folder it covers, as runc has it: not
 * by an option, which would be shown.
 */
static int inherit_mode(int mount, const struct config_mount *m, int root)
{
	cleanup_close int under = -1, top = -1;
	struct stat st;
	int r;

	if (strcmp(m->type, "tmpfs") != 0 || (m->data && (strncmp(m->data, "mode=", 5) == 0 ||
							  strstr(m->data, ",mode="))))
		return 0;
	under = rooted_open(root, m->destination, O_PATH | O_DIRECTORY);
	r = under < 0 ? under : SYS(newfstatat, under, "", &st, AT_EMPTY_PATH);
	if (r < 0)
		return 0;
	top = SYS(openat, mount, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return top < 0 ? top : SYS(fchmod, top, st.st_mode & 07777);
}

int setup_mount_label_child(const struct box *b, int fs, const char *type)
{
	const char *label = lsm_mount_label(b->c->mount_label, type, b->selinux);

	return label ? sys_fsconfig(fs, FSCONFIG_SET_STRING, "context", label) : 0;
}

int setup_make_mount_child(const struct box *b, const struct config_mount *m, const char *type,
			   int root)
{
	cleanup_close int fs = sys_fsopen(type), mount = -1;
	const char *data = m->data;
	int r;

	if (fs < 0)
		return fs;
	r = sys_fsconfig(fs, FSCONFIG_SET_STRING, "source", m->source ? m->source : type);
	if (r >= 0)
		r = mount_set_options(fs, data);
	if (r >= 0)
		r = setup_mount_label_child(b, fs, type);
	if (r >= 0)
		r = set_flag(fs, m->sb_flags & MS_SYNCHRONOUS, "sync");
	if (r >= 0)
		r = set_flag(fs, m->sb_flags & MS_DIRSYNC, "dirsync");
	if (r >= 0)
		r = set_flag(fs, m->sb_flags & MS_LAZYTIME, "lazytime");
	if (r >= 0)
		r = sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL);
	mount = r < 0 ? r : sys_fsmount(fs, 0);
	r = mount < 0 ? mount : inherit_mode(mount, m, root);
	return r < 0 ? r : steal_fd(&mount);
}

static int refuse_link(int root, const char *path)
{
	int fd = sys_openat2(root, path, O_PATH | O_DIRECTORY, 0,
			     RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS);

	if (fd == -ENOENT)
		return 0;
	fd_close(fd);
	return MIN(fd, 0);
}

/* What the image has there; nothing is nothing to copy. */
int setup_copyup_child(int root, const struct config_mount *m, int mount)
{
	cleanup_close int from = rooted_open(root, m->destination, O_RDONLY | O_DIRECTORY);
	/* By what can be read and written: a mount's descriptor is O_PATH. */
	cleanup_close int to = SYS(openat, mount, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (from == -ENOENT)
		return 0;
	if (from < 0 || to < 0)
		return from < 0 ? from : to;
	return copyup_child(from, to);
}

/*
 * Below the real /proc, which hides it: a proc and a sysfs that nothing covers. The kernel
 * lets a nested user namespace mount its own only while there is one, and engines
 * mask parts of the real ones.
 */
static int make_pristine(const struct box *b, int root)
{
	static const char *const types[] = {"proc", "sysfs"};
	static const char *const places[] = {"/proc/.proc", "/proc/.sys"};
	const unsigned int bare = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
	cleanup_close int top =
		mount_new("tmpfs", "tmpfs", "mode=755,size=4k,nr_inodes=8", bare);
	int r = top < 0 ? top : rooted_attach(root, "/proc", top, false);

	/* Not sysfs of a network namespace that is another's. */
	for (size_t i = 0; i < ARRAY_SIZE(types) - b->foreign_net && r >= 0; i++) {
		cleanup_close int fs = mount_new(types[i], types[i], NULL, bare);

		r = fs < 0 ? fs : rooted_attach(root, places[i], fs, false);
	}
	return r;
}

static bool is_proc(const struct config_mount *m)
{
	return strcmp(m->type, "proc") == 0 && strcmp(m->destination, "/proc") == 0;
}

/* Below the real /proc, too, which hides all of it but what is bound from it. */
static int attach_vfs(struct box *b, int root)
{
	int r = b->vfs < 0 ? 0 : rooted_attach(root, "/proc", b->vfs, false);

	if (b->vfs < 0 || r < 0)
		return r;
	fd_close(b->vfs);
	b->vfs = rooted_open(root, "/proc", O_PATH | O_DIRECTORY);
	return MIN(b->vfs, 0);
}

/* As many cpus as it is shown now: what an update changes changes no directories. */
static int cover_sys(const struct box *b, int root)
{
	const struct config_resources *res = &b->c->resources;
	const struct shown_cpus *cpus = b->finish.cpus;
	cleanup_close int sys = rooted_open(root, "/sys", O_PATH | O_DIRECTORY);
	int r = sys < 0 ? sys
			: vfs_hide_child(sys, &cpus->shown,
					 cpus->fewer || res->memory_limit != CONFIG_NONE);

	return r < 0 ? r : vfs_cover_child(root, b->vfs, "sys/");
}

/*
 * Privileged by its engine: user namespaces in it may mount proc, and shall in spite of the
 * virtual files. Where the engine masks parts they may not, as ever.
 */
static bool is_uncovered(const struct box *b)
{
	return (b->vfs >= 0 || b->covers_again) && !b->c->masked_paths.n &&
	       !b->c->readonly_paths.n;
}

/* Before what the config has on top of them: whoever mounts a /proc/cpuinfo means it. */
static int cover(const struct box *b, const struct config_mount *m, int root)
{
	bool sys = strcmp(m->type, "sysfs") == 0 && strcmp(m->destination, "/sys") == 0;

	if (!sys && !is_proc(m))
		return 0;
	if (b->vfs < 0)
		return b->covers_again ? vfs_cover_again_child(root, sys ? "sys/" : "proc/") : 0;
	return sys ? cover_sys(b, root) : vfs_cover_child(root, b->vfs, "proc/");
}

/* A new tmpfs, and read-only: others may have their places in it, /dev/pts for one. */
static bool is_late(const struct box *b, size_t i)
{
	const struct config_mount *m = &b->c->mounts[i];

	return strcmp(m->type, "tmpfs") == 0 && !m->remount && m->set & MOUNT_ATTR_RDONLY &&
	       !(b->staged && b->by_stage[i]);
}

/* By the caller, who has the host's privilege also when there is a user namespace. */
static int have_idmapped(const struct box *b, size_t i, int tree)
{
	struct sync_msg m = {.kind = BOX_IDMAP, .index = (uint32_t)i};
	int r = sync_send_fd(b->sync[1], &m, tree);

	return r < 0 ? r : sync_recv(b->sync[1], &m, NULL, 0) > 0 ? 0 : -ECONNRESET;
}

/* Links on the way are the image's: they lead to no place of the host. */
static int bind_from_root(const struct box *b, size_t i, const char *source, int root)
{
	const struct config_mount *m = &b->c->mounts[i];
	cleanup_close int from = rooted_open(root, source, O_PATH), tree = -1;
	struct stat st;
	int r;

	if (from < 0)
		return from;
	tree = SYS(open_tree, from, "",
		   AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC |
			   (m->recursive ? AT_RECURSIVE : 0));
	r = tree < 0 ? tree : SYS(newfstatat, tree, "", &st, AT_EMPTY_PATH);
	if (r >= 0)
		r = sources_set_attrs_child(tree, m);
	if (r >= 0 && m->n_uids)
		r = have_idmapped(b, i, tree);
	return r < 0 ? r : rooted_attach(root, m->destination, tree, !S_ISDIR(st.st_mode));
}

static int mount_one(struct box *b, size_t i, int root)
{
	const struct config_mount *m = &b->c->mounts[i];
	struct config_mount now = *m;
	bool late = is_late(b, i);
	const char *from = sources_in_root(b, m);
	cleanup_close int made = -1;
	int r;

	if (late)
		now.set &= ~(uint64_t)MOUNT_ATTR_RDONLY;

	if (m->remount) {
		made = rooted_open(root, m->destination, O_PATH);
		return made < 0 ? made : setup_mount_attrs_child(made, m);
	}
	if (b->trees[i] >= 0)
		return rooted_attach(root, m->destination, b->trees[i], b->is_file[i]);
	if (from)
		return bind_from_root(b, i, from, root);
	if (strcmp(m->type, "cgroup") == 0 || strcmp(m->type, "cgroup2") == 0)
		return cgroups_mount_child(b, m, root);
	r = is_proc(m) ? attach_vfs(b, root) : 0;
	if (r >= 0 && is_proc(m) && (b->staged || is_uncovered(b)))
		r = make_pristine(b, root);
	if (r < 0)
		return r;
	made = setup_make_mount_child(b, m, m->type, root);
	r = made < 0 ? made : 0;
	/* What is masked in them is named by their own paths: CVE-2019-19921. */
	if (r >= 0 && (strcmp(m->type, "proc") == 0 || strcmp(m->type, "sysfs") == 0))
		r = refuse_link(root, m->destination);
	if (r >= 0 && m->tmpcopyup)
		r = setup_copyup_child(root, m, made);
	if (r >= 0)
		r = setup_mount_attrs_child(made, &now);
	if (r >= 0)
		r = rooted_attach(root, m->destination, made, false);
	if (r >= 0 && late)
		b->trees[i] = steal_fd(&made);
	return r;
}

/* What else was to be mounted there has its place by now. */
static int make_late_readonly(const struct box *b)
{
	struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};
	int r = 0;

	for (size_t i = 0; i < b->c->n_mounts && r >= 0; i++)
		if (is_late(b, i))
			r = sys_mount_setattr(b->trees[i], 0, &attr);
	return r;
}

/* ---- devices ------------------------------------------------------------------------ */

static int make_device(const struct box_device *d, int root)
{
	cleanup_close int dir = -1, node = -1;
	char parent[256];
	const char *slash = strrchr(d->path, '/');
	int r;

	if (d->tree >= 0)
		return rooted_attach(root, d->path, d->tree, true);
	if (!slash || (size_t)(slash - d->path) >= sizeof parent)
		return -ENAMETOOLONG;
	memcpy(parent, d->path, (size_t)(slash - d->path));
	parent[slash - d->path] = '\0';
	dir = rooted_make(root, *parent ? parent : "/", false);
	if (dir < 0)
		return dir;
	r = SYS(mknodat, dir, slash + 1, d->mode, d->number);
	if (r == -EEXIST)
		return 0;
	if (r >= 0 && (d->uid || d->gid))
		r = SYS(fchownat, dir, slash + 1, d->uid, d->gid, AT_SYMLINK_NOFOLLOW);
	return r;
}

static int make_links(int root)
{
	static const char *const links[][2] = {
		{"/proc/self/fd", "fd"},     {"/proc/self/fd/0", "stdin"},
		{"/proc/self/fd/1", "stdout"}, {"/proc/self/fd/2", "stderr"},
		{"/proc/kcore", "core"},
	};
	cleanup_close int dev = rooted_make(root, "/dev", false);
	int r;

	if (dev < 0)
		return dev;
	for (size_t i = 0; i < ARRAY_SIZE(links); i++) {
		r = SYS(symlinkat, links[i][0], dev, links[i][1]);
		if (r < 0 && r != -EEXIST)
			return r;
	}
	/* Whatever is there: the host's would be of another instance. */
	r = SYS(unlinkat, dev, "ptmx", 0);
	if (r < 0 && r != -ENOENT)
		return r;
	return SYS(symlinkat, "pts/ptmx", dev, "ptmx");
}

static int setup_dev(struct box *b, int root, enum box_step *ret_step, int *ret_item)
{
	cleanup_close int console = -1;

	*ret_step = STEP_DEVICE;
	for (size_t i = 0; i < b->n_devices && !b->staged; i++) {
		int r = make_device(&b->devices[i], root);

		*ret_item = (int)i;
		if (r < 0)
			return r;
	}
	*ret_step = STEP_DEV_LINK;
	if (b->own_dev && !b->staged) {
		int r = make_links(root);

		if (r < 0)
			return r;
	}
	if (!b->c->process.terminal)
		return 0;
	console = rooted_make(root, "/dev/console", true);
	return console < 0 ? console : 0;
}

int setup_before_hooks_child(struct box *b, int *ret_root, enum box_step *ret_step,
			     int *ret_item)
{
	int r, cwd;

	*ret_step = STEP_ROOT;
	r = b->staged ? enter_root(b) : attach_root(b);
	if (r < 0)
		return r;
	*ret_root = b->root;
	for (size_t i = 0; i < b->c->n_mounts; i++) {
		*ret_step = STEP_MOUNT;
		*ret_item = (int)i;
		if (!b->staged || !b->by_stage[i])
			r = mount_one(b, i, b->root);
		if (r >= 0) {
			*ret_step = STEP_COVER;
			r = cover(b, &b->c->mounts[i], b->root);
		}
		if (r < 0)
			return r;
	}
	if (b->systemd) {
		*ret_step = STEP_UNITS;
		r = systemd_init_units_child(b->c, b->root);
		if (r < 0)
			return r;
	}
	r = setup_dev(b, b->root, ret_step, ret_item);
	if (r < 0)
		return r;
	*ret_step = STEP_CWD_MAKE;
	cwd = rooted_make(b->root, b->c->process.cwd, false);
	fd_close(cwd);
	/* A root that is read-only: chdir will tell. */
	return 0;
}

/* ---- what is covered ------------------------------------------------------------------ */

/* A read-only copy of what is at @path, over it. What is not there needs none. */
static int make_readonly(int root, const char *path)
{
	struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};
	cleanup_close int at = rooted_open(root, path, O_PATH), tree = -1;
	int r;

	if (at < 0)
		return at == -ENOENT ? 0 : at;
	tree = SYS(open_tree, at, "",
		   AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
	if (tree < 0)
		return tree;
	r = sys_mount_setattr(tree, AT_RECURSIVE, &attr);
	return r < 0 ? r : sys_move_mount(tree, at);
}

/* The real one, or nothing: a link planted there would be bound over a secret. */
static int open_null(void)
{
	cleanup_close int fd =
		SYS(openat, AT_FDCWD, "/dev/null", O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;
	int r = fd < 0 ? fd : SYS(newfstatat, fd, "", &st, AT_EMPTY_PATH);

	if (r < 0)
		return r;
	if (!S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3))
		return -ENODEV;
	return steal_fd(&fd);
}

static int bind_over(int what, int at)
{
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC,
	};
	cleanup_close int cover = SYS(open_tree, what, "",
				      AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	int r = cover < 0 ? cover : sys_mount_setattr(cover, 0, &attr);

	return r < 0 ? r : sys_move_mount(cover, at);
}

/*
 * All masked folders share one empty file system: there can be many. It is the first one's
 * cover itself: before Linux 6.15 only what is attached can be cloned.
 */
static int cover_folder(int at, int *empty)
{
	if (*empty >= 0)
		return bind_over(*empty, at);
	*empty = mount_new("tmpfs", "tmpfs", "size=0,nr_inodes=1,mode=755",
			   MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
	return *empty < 0 ? *empty : sys_move_mount(*empty, at);
}

static int mask(int root, int null, int *empty, const char *path)
{
	cleanup_close int at = rooted_open(root, path, O_PATH);
	struct stat st;
	int r;

	if (at < 0)
		return at == -ENOENT || at == -ENOTDIR ? 0 : at;
	r = SYS(newfstatat, at, "", &st, AT_EMPTY_PATH);
	if (r < 0)
		return r;
	return S_ISDIR(st.st_mode) ? cover_folder(at, empty) : bind_over(null, at);
}

static int cover_paths(const struct box *b, int root, enum box_step *ret_step, int *ret_item)
{
	const struct strv *ro = &b->c->readonly_paths, *masked = &b->c->masked_paths;
	cleanup_close int null = -1, empty = -1;
	int r = 0;

	*ret_step = STEP_READONLY;
	for (size_t i = 0; i < ro->n && r >= 0; i++) {
		*ret_item = (int)i;
		r = make_readonly(root, ro->v[i]);
	}
	if (r < 0)
		return r;
	*ret_step = STEP_MASK;
	if (masked->n)
		null = r = open_null();
	for (size_t i = 0; i < masked->n && r >= 0; i++) {
		*ret_item = (int)i;
		r = mask(root, null, &empty, masked->v[i]);
	}
	return r;
}

/* ---- leaving the host ----------------------------------------------------------------- */

static int change_root(const struct box *b)
{
	cleanup_close int old = SYS(openat, AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r = old < 0 ? old : SYS(fchdir, b->root);

	if (r < 0)
		return r;
	if (b->flags & CIS_OCI_NO_PIVOT) {
		/* An initramfs cannot be pivoted away: cover it. */
		r = no_pivot_hide_child(&b->bare);
		if (r >= 0)
			r = SYS(mount, ".", "/", NULL, MS_MOVE, NULL);
		if (r >= 0)
			r = SYS(chroot, ".");
	} else {
		r = sys_pivot_root(".", ".");
		/*
		 * The old root is on top of ours, where "." does not lead; nothing that
		 * happens to it now may reach the host.
		 */
		if (r >= 0)
			r = SYS(fchdir, old);
		if (r >= 0)
			r = SYS(mount, NULL, ".", NULL, MS_SLAVE | MS_REC, NULL);
		if (r >= 0)
			r = SYS(umount2, ".", MNT_DETACH);
	}
	return r < 0 ? r : SYS(chdir, "/");
}

static int name_host(const struct config *c, enum box_step *ret_step)
{
	int r = 0;

	*ret_step = STEP_HOSTNAME;
	if (c->hostname)
		r = SYS(sethostname, c->hostname, strlen(c->hostname));
	if (r < 0 || !c->domainname)
		return r;
	*ret_step = STEP_DOMAINNAME;
	return SYS(setdomainname, c->domainname, strlen(c->domainname));
}

int setup_after_hooks_child(struct box *b, int root, enum box_step *ret_step, int *ret_item)
{
	const struct config *c = b->c;
	struct mount_attr readonly = {.attr_set = MOUNT_ATTR_RDONLY};
	int r = cover_paths(b, root, ret_step, ret_item);

	if (r < 0)
		return r;
	*ret_step = STEP_ROOT_READONLY;
	r = make_late_readonly(b);
	if (r >= 0 && c->root_readonly)
		r = sys_mount_setattr(root, 0, &readonly);
	if (r < 0)
		return r;
	*ret_step = STEP_PIVOT;
	r = change_root(b);
	if (r < 0)
		return r;
	*ret_step = STEP_PROPAGATION;
	if (c->rootfs_propagation)
		r = SYS(mount, NULL, "/", NULL, c->rootfs_propagation, NULL);
	if (r >= 0)
		r = name_host(c, ret_step);
	if (r < 0)
		return r;
	*ret_step = STEP_SYSCTL;
	for (size_t i = 0; i < c->n_sysctl && r >= 0; i++) {
		*ret_item = (int)i;
		r = sysctl_write_child(b->finish.procfd, c->sysctl[i].key, c->sysctl[i].value);
	}
	return r;
}
