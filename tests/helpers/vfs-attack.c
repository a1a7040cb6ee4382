/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Uses the virtual files in ways that nobody does in earnest. Prints key=value lines.
 *
 *	vfs-attack hostile       odd system calls on them; what they say
 *	vfs-attack read SECONDS  open, read to the end, close, over and over: how many, how
 *	                         many failed, and the longest one in milliseconds
 *	vfs-attack walk DIR      stat, read (a little, without blocking) and readlink of all
 *	                         below: EIO and what took longer than a second
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "only-inside.h"

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void say(const char *key, long r)
{
	printf("%s=%s\n", key, r < 0 ? strerror(errno) : "done");
}

static void hostile(void)
{
	int fd = open("/proc/meminfo", O_RDONLY);
	struct pollfd p = {.fd = fd, .events = POLLIN};
	char buf[64];
	void *map;

	say("huge", pread(fd, buf, sizeof buf, 0x7fffffffffffff00));
	say("negative", pread(fd, buf, sizeof buf, -1));
	say("seek", lseek(fd, -5, SEEK_SET));
	map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	say("mmap_shared", map == MAP_FAILED ? -1 : 0);
	printf("poll=%d\n", poll(&p, 1, 1000));
	say("chmod", fchmod(fd, 0777));
	say("chown", fchown(fd, 1, 1));
	say("truncate", truncate("/proc/meminfo", 0));
	say("unlink", unlink("/proc/meminfo"));
	say("write", open("/proc/meminfo", O_WRONLY));
	say("ioctl", ioctl(fd, FIONREAD, buf));
	say("fallocate", fallocate(fd, 0, 0, 4096));
	memset(buf, '1', sizeof buf);
	close(fd);
	fd = open("/proc/sys/kernel/panic", O_RDWR);
	say("long_number", write(fd, buf, sizeof buf));
	say("behind", pwrite(fd, "7\n", 2, 4000));
	say("empty", write(fd, "", 0));
	say("chmod_sysctl", fchmod(fd, 0777));
	close(fd);
	/* More open at once than the server keeps texts for. */
	for (int i = 0; i < 600; i++)
		fd = open("/proc/meminfo", O_RDONLY);
	printf("many=%d\n", fd >= 0 && read(fd, buf, sizeof buf) == sizeof buf);
}

static void read_for(double msec, const char *path)
{
	double end = now() + msec, longest = 0;
	long n = 0, failed = 0;
	char buf[8192];

	while (now() < end) {
		double begun = now();
		int fd = open(path, O_RDONLY);
		ssize_t k = fd < 0 ? -1 : 1, sum = 0;

		while (fd >= 0 && (k = read(fd, buf, sizeof buf)) > 0)
			sum += k;
		if (k < 0 || !sum)
			failed++;
		close(fd);
		n++;
		if (now() - begun > longest)
			longest = now() - begun;
	}
	printf("reads=%ld failed=%ld longest=%.0f\n", n, failed, longest);
}

static int eio, slow, seen;

static void look(const char *path)
{
	double begun = now();
	char buf[65536];
	struct stat st;
	int fd;

	seen++;
	errno = 0;
	lstat(path, &st);
	if (errno != EIO && S_ISLNK(st.st_mode) && readlink(path, buf, sizeof buf) < 0 && errno == EIO)
		printf("# readlink %s: EIO\n", path);
	if (errno != EIO && S_ISREG(st.st_mode)) {
		fd = open(path, O_RDONLY | O_NONBLOCK);
		if (fd >= 0) {
			errno = 0;
			if (read(fd, buf, sizeof buf) >= 0)
				errno = 0;
			close(fd);
		}
	}
	if (errno == EIO) {
		eio++;
		printf("# EIO %s\n", path);
	}
	if (now() - begun > 1000) {
		slow++;
		printf("# %.0f ms %s\n", now() - begun, path);
	}
}

static void walk(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	char path[4096];

	while (d && (e = readdir(d))) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (snprintf(path, sizeof path, "%s/%s", dir, e->d_name) >= (int)sizeof path)
			continue;
		look(path);
		/* Threads are what their processes are. */
		if (e->d_type == DT_DIR && strcmp(e->d_name, "task") != 0)
			walk(path);
	}
	if (d)
		closedir(d);
}

int main(int argc, char **argv)
{
	only_inside();
	if (argc > 2 && strcmp(argv[1], "read") == 0) {
		read_for(atof(argv[2]) * 1e3, argc > 3 ? argv[3] : "/proc/meminfo");
	} else if (argc > 2 && strcmp(argv[1], "walk") == 0) {
		walk(argv[2]);
		printf("seen=%d\neio=%d\nslow=%d\n", seen, eio, slow);
	} else {
		hostile();
	}
	return 0;
}
