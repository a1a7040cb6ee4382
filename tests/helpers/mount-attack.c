/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * mount-attack NAME PATH [nested]: tries to take away what a mount forbids (read-only,
 * nodev), or the mount itself, by every call there is; also (or only, where the mount can be
 * taken away and would be gone by then) from a user namespace further inside. Prints "NAME-way=ERRNO" or "NAME-way=done".
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "only-inside.h"

/* <sys/mount.h> and <linux/mount.h> do not go together everywhere. */
#define MS_REMOUNT 32
#define MS_BIND 4096
#define MS_REC 16384
#define MS_MOVE 8192
#define MNT_DETACH 2

static const char *name, *depth = "";

static void say(const char *way, long r)
{
	printf("%s-%s%s=%s\n", name, depth, way, r < 0 ? strerrorname_np(errno) : "done");
}

static long set_attr(int dfd, const char *path, unsigned int flags, uint64_t clear)
{
	struct mount_attr attr = {.attr_clr = clear};

	return syscall(SYS_mount_setattr, dfd, path, flags, &attr, sizeof attr);
}

static void attack(const char *path)
{
	const uint64_t both = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV;
	int tree;

	say("remount_bind", syscall(SYS_mount, NULL, path, NULL, MS_REMOUNT | MS_BIND, NULL));
	say("clear_rdonly", set_attr(AT_FDCWD, path, 0, MOUNT_ATTR_RDONLY));
	say("clear_nodev", set_attr(AT_FDCWD, path, 0, MOUNT_ATTR_NODEV));
	say("clear_both_below", set_attr(AT_FDCWD, path, AT_RECURSIVE, both));
	tree = (int)syscall(SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (tree < 0) {
		say("clone", -1);
	} else {
		say("clone_clear_rdonly", set_attr(tree, "", AT_EMPTY_PATH, MOUNT_ATTR_RDONLY));
		say("clone_clear_nodev", set_attr(tree, "", AT_EMPTY_PATH, MOUNT_ATTR_NODEV));
		close(tree);
	}
	say("umount", syscall(SYS_umount2, path, 0));
	say("umount_lazy", syscall(SYS_umount2, path, MNT_DETACH));
	say("move", syscall(SYS_mount, path, "/mnt", NULL, MS_MOVE, NULL));
}

int main(int argc, char **argv)
{
	only_inside();
	if (argc < 3)
		return 2;
	name = argv[1];
	if (argc == 3)
		attack(argv[2]);
	fflush(stdout);
	if (fork() == 0) {
		depth = "nested_";
		if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
			say("unshare", -1);
		else
			attack(argv[2]);
		return 0;
	}
	wait(NULL);
	return 0;
}
