/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scratch.h"

#include <linux/loop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/statvfs.h>

#include "../base/fd.h"
#include "../base/spawn.h"
#include "../base/str.h"
#include "../base/sys.h"
#include "mount.h"

int scratch_in_memory(uint64_t bytes, uid_t base, struct cis_error *err)
{
	char options[128];
	int fd;

	/* An inode costs about 1 KiB of kernel memory: cap them with the bytes. */
	snprintf(options, sizeof options, "mode=755,size=%llu,nr_inodes=%llu,uid=%u,gid=%u",
		 (unsigned long long)bytes, (unsigned long long)MAX(bytes / 1024, 1024), base,
		 base);
	fd = mount_new("tmpfs", "cisandbox-scratch", options, MOUNT_ATTR_NODEV);
	if (fd < 0)
		return cis_fail(err, -fd, "scratch: mount tmpfs of %llu bytes",
				(unsigned long long)bytes);
	return fd;
}

/*
 * No journal: the disk never outlives its sandbox. packed_meta_blocks keeps the
 * sparse file dense, so that a fresh disk costs 0.3 MB and 5 ms.
 */
static int make_ext4(int file, struct cis_error *err)
{
	char path[32];
	char *const argv[] = {"mkfs.ext4", "-q", "-F", "-m", "0", "-b", "4096", "-O",
			      "^has_journal,^resize_inode", "-E",
			      "lazy_itable_init=1,nodiscard,packed_meta_blocks=1", path, NULL};

	snprintf(path, sizeof path, "/proc/self/fd/%d", file);
	return spawn_wait(argv, file, "e2fsprogs", err);
}

/* Direct I/O, so that the page cache does not hold every block twice. */
static int configure_loop(int loop, int file)
{
	struct loop_config config = {
		.fd = (uint32_t)file,
		.block_size = 4096,
		.info.lo_flags = LO_FLAGS_AUTOCLEAR | LO_FLAGS_DIRECT_IO,
	};

	strcpy((char *)config.info.lo_file_name, "cisandbox");
	if (ioctl(loop, LOOP_CONFIGURE, &config) == 0)
		return 0;
	if (errno != EINVAL)
		return -errno;
	/* The file system under the file has no direct I/O (tmpfs, some FUSE). */
	config.info.lo_flags &= ~(uint32_t)LO_FLAGS_DIRECT_IO;
	return ioctl(loop, LOOP_CONFIGURE, &config) < 0 ? -errno : 0;
}

/* A loop device over @file that vanishes with its last user. fd, or -errno. */
static int attach_loop(int file, char path[static 32], struct cis_error *err)
{
	cleanup_close int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);

	if (control < 0)
		return cis_fail(err, errno, "scratch: open /dev/loop-control");
	/* Somebody may take the free one before we do: then there is another. */
	for (int tries = 0; tries < 256; tries++) {
		cleanup_close int loop = -1;
		int n = ioctl(control, LOOP_CTL_GET_FREE), r;

		if (n < 0)
			return cis_fail(err, errno, "scratch: find a free loop device");
		snprintf(path, 32, "/dev/loop%d", n);
		loop = open(path, O_RDWR | O_CLOEXEC);
		if (loop < 0)
			return cis_fail(err, errno, "scratch: open %s", path);
		r = configure_loop(loop, file);
		if (r == 0)
			return steal_fd(&loop);
		if (r != -EBUSY)
			return cis_fail(err, -r, "scratch: configure %s", path);
	}
	return cis_fail_plain(err, EBUSY, "scratch: every loop device was taken by others");
}

int scratch_on_disk(uint64_t bytes, const char *dir, struct cis_error *err)
{
	cleanup_close int file = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	cleanup_close int loop = -1;
	char path[32];
	int fd, r;

	if (file < 0)
		return cis_fail(err, errno, "scratch: make an unnamed file in %s", dir);
	if (ftruncate(file, (off_t)bytes) < 0)
		return cis_fail(err, errno, "scratch: a file of %llu bytes in %s",
				(unsigned long long)bytes, dir);
	r = make_ext4(file, err);
	if (r < 0)
		return cis_wrap(err, r, "scratch: make ext4 in %s", dir);
	loop = attach_loop(file, path, err);
	if (loop < 0)
		return loop;
	/* noinit_itable: the lazy-init thread would slowly fill the sparse file. */
	fd = mount_new("ext4", path, "noinit_itable", MOUNT_ATTR_NODEV | MOUNT_ATTR_NOATIME);
	if (fd < 0)
		return cis_fail(err, -fd, "scratch: mount ext4 of %s", path);
	return fd;
}

int scratch_usage(int fd, struct scratch_usage *ret)
{
	struct statvfs st;

	if (fstatvfs(fd, &st) < 0)
		return -errno;
	*ret = (struct scratch_usage){
		.used = (uint64_t)(st.f_blocks - st.f_bfree) * st.f_frsize,
		.size = (uint64_t)st.f_blocks * st.f_frsize,
		.left = (uint64_t)st.f_bavail * st.f_frsize,
	};
	return 0;
}

int scratch_usage_of(pid_t init, struct scratch_usage *ret)
{
	char path[64];
	cleanup_close int root = -1;

	snprintf(path, sizeof path, "/proc/%d/root", init);
	root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return root < 0 ? -errno : scratch_usage(root, ret);
}
