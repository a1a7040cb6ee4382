/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * CVE-2019-5736. A container's processes are clones of ours until they execute something,
 * and what they execute may be "/proc/self/exe": this very program, which root
 * inside can then write to. So we are executed from a mount of our own that is read-only
 * and in nobody's mount namespace; where the kernel has none of that, from a sealed copy.
 */
#include "seal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "../base/fd.h"
#include "../base/sys.h"

#define SELF "/proc/self/exe"
#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static bool is_sealed(void)
{
	cleanup_close int self = open(SELF, O_RDONLY | O_CLOEXEC);
	struct statvfs st;
	int seals;

	if (self < 0)
		return false;
	if (fstatvfs(self, &st) == 0 && st.f_flag & ST_RDONLY)
		return true;
	seals = fcntl(self, F_GET_SEALS);
	return seals >= 0 && (seals & SEALS) == SEALS;
}

/* Whatever has that name by now is executed only if it is the same file. */
static int clone_by_path(void)
{
	cleanup_close int tree = -1;
	struct stat self, there;
	char path[4096];
	ssize_t n = readlink(SELF, path, sizeof path - 1);

	if (n < 0)
		return -errno;
	path[n] = '\0';
	tree = sys_open_tree(AT_FDCWD, path, OPEN_TREE_CLONE);
	if (tree < 0)
		return tree;
	if (stat(SELF, &self) < 0 || fstat(tree, &there) < 0)
		return -errno;
	return self.st_dev == there.st_dev && self.st_ino == there.st_ino ? steal_fd(&tree)
									   : -ESTALE;
}

static int clone_mount(void)
{
	struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};
	cleanup_close int tree = sys_open_tree(AT_FDCWD, SELF, OPEN_TREE_CLONE);
	int r;

	/* Who has just made a mount namespace runs from a mount of the former. */
	if (tree == -EINVAL)
		tree = clone_by_path();
	r = tree < 0 ? tree : sys_mount_setattr(tree, 0, &attr);
	return r < 0 ? r : steal_fd(&tree);
}

static int copy_to_memory(void)
{
	cleanup_close int self = open(SELF, O_RDONLY | O_CLOEXEC);
	cleanup_close int copy = memfd_create("cisandbox-oci", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	ssize_t n;

	if (self < 0 || copy < 0)
		return -errno;
	do
		n = sendfile(copy, self, NULL, 1 << 26);
	while (n > 0);
	if (n < 0 || fcntl(copy, F_ADD_SEALS, SEALS) < 0)
		return -errno;
	return steal_fd(&copy);
}

int seal_execute(char *const argv[], struct cis_error *err)
{
	cleanup_close int fd = clone_mount();

	if (fd < 0)
		fd = copy_to_memory();
	if (fd < 0)
		return cis_fail(err, -fd, "make a copy of this program that cannot be changed");
	execveat(fd, "", argv, environ, AT_EMPTY_PATH);
	return cis_fail(err, errno, "execute a copy of this program that cannot be changed");
}

int cis_oci_seal(char *const argv[], struct cis_error *err)
{
	return is_sealed() ? 0 : seal_execute(argv, err);
}
