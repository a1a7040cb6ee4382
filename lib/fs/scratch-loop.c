/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The scratch as ext4 in a sparse file without a name, behind a loop device that vanishes
 * with its last user: the kernel takes all of it back whatever dies, and there is nothing
 * to journal.
 */
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>

#include "../base/fd.h"
#include "../base/spawn.h"
#include "../base/str.h"
#include "../base/sys.h"
#include "mount.h"
#include "scratch-backend.h"

#define BLOCK 4096

static int probe(int dir, struct cis_error *err)
{
	cleanup_free char *mkfs = NULL;

	(void)dir;
	if (access("/dev/loop-control", F_OK) < 0)
		return cis_fail_plain(err, errno,
				      "no /dev/loop-control (modprobe loop; in a container, give "
				      "it /dev/loop-control and /dev/loop*)");
	if (spawn_find("mkfs.ext4", &mkfs) < 0)
		return cis_fail_plain(err, ENOENT, "no mkfs.ext4 (apt install e2fsprogs)");
	return 0;
}

/*
 * No journal: the disk never outlives its sandbox. packed_meta_blocks keeps the sparse
 * file dense, so that a fresh disk costs 0.3 MB and 5 ms.
 */
static int make_ext4(int file, uint64_t inodes, struct cis_error *err)
{
	char path[32], number[32];
	char *const argv[] = {"mkfs.ext4", "-q", "-F", "-m", "0", "-b", "4096", "-N", number,
			      "-O", "^has_journal,^resize_inode", "-E",
			      "lazy_itable_init=1,nodiscard,packed_meta_blocks=1", path, NULL};

	snprintf(path, sizeof path, "/proc/self/fd/%d", file);
	snprintf(number, sizeof number, "%llu", (unsigned long long)inodes);
	return spawn_wait(argv, file, "e2fsprogs", err);
}

/* Direct I/O, so that the page cache does not hold every block twice. */
static int configure(int loop, int file)
{
	struct loop_config config = {
		.fd = (uint32_t)file,
		.block_size = BLOCK,
		.info.lo_flags = LO_FLAGS_AUTOCLEAR | LO_FLAGS_DIRECT_IO,
	};

	snprintf((char *)config.info.lo_file_name, sizeof config.info.lo_file_name, "cisandbox");
	if (ioctl(loop, LOOP_CONFIGURE, &config) == 0)
		return 0;
	if (errno != EINVAL)
		return -errno;
	/* The file system under the file has no direct I/O (tmpfs, some FUSE). */
	config.info.lo_flags &= ~(uint32_t)LO_FLAGS_DIRECT_IO;
	return ioctl(loop, LOOP_CONFIGURE, &config) < 0 ? -errno : 0;
}

/* A loop device over @file that vanishes with its last user. fd, or -errno. */
static int attach(int file, char path[static 32], struct cis_error *err)
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
		r = configure(loop, file);
		if (r == 0)
			return steal_fd(&loop);
		if (r != -EBUSY)
			return cis_fail(err, -r, "scratch: configure %s", path);
	}
	return cis_fail_plain(err, EBUSY, "scratch: every loop device was taken by others");
}

static int make(const struct scratch_want *w, struct cis_error *err)
{
	cleanup_close int file = openat(w->dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	cleanup_close int loop = -1;
	char path[32];
	int fd, r;

	if (file < 0)
		return cis_fail(err, errno, "scratch: make an unnamed file");
	if (ftruncate(file, (off_t)(w->bytes / BLOCK * BLOCK)) < 0)
		return cis_fail(err, errno, "scratch: a file of %llu bytes",
				(unsigned long long)w->bytes);
	r = make_ext4(file, w->inodes, err);
	if (r < 0)
		return cis_wrap(err, r, "scratch: make ext4 of %llu bytes and %llu inodes",
				(unsigned long long)w->bytes, (unsigned long long)w->inodes);
	loop = attach(file, path, err);
	if (loop < 0)
		return loop;
	/*
	 * noinit_itable: the lazy-init thread would slowly fill the sparse file. nobarrier: a
	 * power cut is the disk's end, so nobody has to wait for the host's to be flushed.
	 */
	fd = mount_new("ext4", path, "noinit_itable,nobarrier",
		       MOUNT_ATTR_NODEV | MOUNT_ATTR_NOATIME);
	if (fd < 0)
		return cis_fail(err, -fd, "scratch: mount ext4 of %s", path);
	return fd;
}

const struct scratch_backend scratch_loop = {
	.name = "loop",
	.inode_bytes = 16384, /* mke2fs's own ratio */
	.probe = probe,
	.make = make,
};
