/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A file system that keeps everybody waiting: mute-fuse DIR mounts it there, says fuse=0 and
 * goes on in the background. It has files "file", "file1" ... of a page, which open;
 * reading them and looking for any other name is never answered.
 *
 *	mute-fuse DIR          errno of the mount as fuse=N
 *	mute-fuse map FILE     errno of sysinfo(2) into a shared mapping of it, as mapped=N
 *	mute-fuse touch FILE   mknod(2) with its path in such a mapping, as touched=N
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

#include "only-inside.h"

static int err_of(long r)
{
	return r < 0 ? errno : 0;
}

static void answer(int fd, uint64_t unique, int error, void *data, size_t n)
{
	struct fuse_out_header h = {
		.len = (uint32_t)(sizeof h + n), .error = error, .unique = unique};
	struct iovec v[2] = {{&h, sizeof h}, {data, n}};

	if (writev(fd, v, 2) < 0)
		perror("mute-fuse: answer");
}

static struct fuse_attr attr_of(uint64_t node)
{
	return (struct fuse_attr){.ino = node,
				  .size = 4096,
				  .nlink = 1,
				  .mode = node == 1 ? S_IFDIR | 0777 : S_IFREG | 0666};
}

static void serve(int fd)
{
	static char buf[1 << 17];
	const struct fuse_in_header *in = (const void *)buf;

	while (read(fd, buf, sizeof buf) > 0) {
		struct fuse_init_out init = {.major = FUSE_KERNEL_VERSION,
					     .minor = FUSE_KERNEL_MINOR_VERSION,
					     .max_write = 4096};
		struct fuse_attr_out attr = {.attr_valid = 100, .attr = attr_of(in->nodeid)};
		uint64_t node = 2 + strtoull(buf + sizeof *in + 4, NULL, 10);
		struct fuse_entry_out entry = {.nodeid = node, .attr = attr_of(node)};
		struct fuse_open_out opened = {0};
		struct fuse_statfs_out statfs = {.st.namelen = 255};

		if (in->opcode == FUSE_INIT)
			answer(fd, in->unique, 0, &init, sizeof init);
		else if (in->opcode == FUSE_GETATTR)
			answer(fd, in->unique, 0, &attr, sizeof attr);
		else if (in->opcode == FUSE_LOOKUP && strncmp(buf + sizeof *in, "file", 4) == 0)
			answer(fd, in->unique, 0, &entry, sizeof entry);
		else if (in->opcode == FUSE_OPEN)
			answer(fd, in->unique, 0, &opened, sizeof opened);
		else if (in->opcode == FUSE_STATFS)
			answer(fd, in->unique, 0, &statfs, sizeof statfs);
		else if (in->opcode != FUSE_LOOKUP && in->opcode != FUSE_READ &&
			 in->opcode != FUSE_FORGET && in->opcode != FUSE_BATCH_FORGET)
			answer(fd, in->unique, -ENOSYS, NULL, 0);
	}
}

static void *map(const char *file)
{
	return mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, open(file, O_RDWR), 0);
}

int main(int argc, char **argv)
{
	char options[128];
	int fd, r;

	only_inside();
	if (argc == 3 && strcmp(argv[1], "map") == 0) {
		printf("mapped=%d\n", err_of(syscall(SYS_sysinfo, map(argv[2]))));
		return 0;
	}
	if (argc == 3 && strcmp(argv[1], "touch") == 0) {
		printf("touched=%d\n", err_of(syscall(SYS_mknodat, AT_FDCWD, map(argv[2]),
						      S_IFCHR | 0600, makedev(1, 3))));
		return 0;
	}
	if (argc != 2)
		return 2;
	fd = open("/dev/fuse", O_RDWR);
	snprintf(options, sizeof options, "fd=%d,rootmode=40777,user_id=0,group_id=0,allow_other",
		 fd);
	r = mount("mute", argv[1], "fuse", 0, options);
	printf("fuse=%d\n", err_of(r));
	fflush(stdout);
	if (r < 0 || fork() != 0)
		return r < 0;
	for (int i = 0; i < 3; i++)
		close(i);
	serve(fd);
	return 0;
}
