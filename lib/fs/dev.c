/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Real nodes on a host-made tmpfs, not binds over empty files: readdir shows
 * character devices, which podman --device and others go by, and it is one
 * mount instead of eight. The list is what the kernel gives to anybody: none
 * of them reaches hardware or another sandbox's data.
 */
#include "dev.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "../base/fd.h"
#include "../base/num.h"
#include "../base/sys.h"
#include "mount.h"

static const struct node {
	const char *name;
	unsigned int major, minor;
} nodes[] = {
	{"null", 1, 3},   {"zero", 1, 5}, {"full", 1, 7},      {"random", 1, 8},
	{"urandom", 1, 9}, {"tty", 5, 0},  {"fuse", 10, 229}, {"net/tun", 10, 200},
};

static const struct link {
	const char *name, *to;
} links[] = {
	{"ptmx", "pts/ptmx"},
	{"fd", "/proc/self/fd"},
	{"stdin", "/proc/self/fd/0"},
	{"stdout", "/proc/self/fd/1"},
	{"stderr", "/proc/self/fd/2"},
	{"core", "/proc/kcore"},
};

static const char *const dirs[] = {"pts", "shm", "mqueue", "net"};

#define N_NEEDED 6 /* of these */

static int populate(int dev, bool console, bool empty)
{
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(dirs) && r >= 0; i++)
		r = SYS(mkdirat, dev, dirs[i], 0755);
	for (size_t i = 0; i < ARRAY_SIZE(nodes) && r >= 0 && !empty; i++)
		r = SYS(mknodat, dev, nodes[i].name, S_IFCHR | 0666,
			makedev(nodes[i].major, nodes[i].minor));
	for (size_t i = 0; i < ARRAY_SIZE(links) && r >= 0; i++)
		r = SYS(symlinkat, links[i].to, dev, links[i].name);
	if (console && r >= 0)
		r = SYS(mknodat, dev, "console", S_IFREG | 0600, 0);
	return r;
}

int dev_make_stage(uid_t base, bool console, bool empty)
{
	char options[96] = "mode=755,size=64k,nr_inodes=256,uid=";
	cleanup_close int dev = -1;
	mode_t mask = umask(0);
	int r;

	num_append(options, sizeof options, base);
	strcat(options, ",gid=");
	num_append(options, sizeof options, base);
	dev = mount_new("tmpfs", "cisandbox-dev", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
	r = dev < 0 ? dev : populate(dev, console, empty);
	umask(mask);
	return r < 0 ? r : steal_fd(&dev);
}

/* Detached; -ENODEV when the host has something else there, or nothing. */
static int clone_node(const struct node *node)
{
	struct mount_attr attr = {.attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC,
				  .propagation = MS_PRIVATE};
	char path[32] = "/dev/";
	cleanup_close int tree = -1;
	struct stat st;
	int r;

	strcat(path, node->name);
	tree = sys_open_tree(AT_FDCWD, path, OPEN_TREE_CLONE);
	if (tree < 0)
		return tree == -ENOENT ? -ENODEV : tree;
	if (fstat(tree, &st) < 0 || !S_ISCHR(st.st_mode) ||
	    st.st_rdev != makedev(node->major, node->minor))
		return -ENODEV;
	r = sys_mount_setattr(tree, 0, &attr);
	return r < 0 ? r : steal_fd(&tree);
}

int dev_bind_stage(int root, const char *target)
{
	cleanup_close int dev = sys_openat2(root, target, O_PATH | O_DIRECTORY, 0,
					    RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
	int r = dev < 0 ? dev : 0;

	for (size_t i = 0; i < ARRAY_SIZE(nodes) && r >= 0; i++) {
		cleanup_close int tree = clone_node(&nodes[i]);

		if (tree == -ENODEV && i >= N_NEEDED)
			continue;
		r = tree < 0 ? tree
			     : SYS(mknodat, dev, nodes[i].name, S_IFREG | 0666, 0);
		if (r >= 0)
			r = mount_attach(tree, dev, nodes[i].name);
	}
	return r;
}
