/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Uses the virtual files in ways that nobody does in earnest. Prints key=value lines.
 *
 *	vfs-attack mount proc    a fresh one by the new system calls, and /proc cloned
 *	vfs-attack write DIR...  writes other values to all files below that may be written
 *	vfs-attack mix BASE SECONDS  100 processes read and write a sysctl: values in there
 *	                         that nobody of them wrote
 *	vfs-attack hostile       odd system calls on them; what they say
 *	vfs-attack read SECONDS  open, read to the end, close, over and over: how many, how
 *	                         many failed, and the longest one in milliseconds
 *	vfs-attack read-until PATH   the same until there is PATH
 *	vfs-attack walk DIR      stat, read (1 MiB at most, without blocking) and readlink of all
 *	                         below: EIO and what took longer than a second
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <sys/xattr.h>
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

/* Of a pipe with something in it: 0 to read, 1 to write. */
static int pipe_end(int which)
{
	static int ends[2];

	if (!ends[0] && (pipe2(ends, O_NONBLOCK) < 0 || write(ends[1], "1234", 4) != 4))
		exit(1);
	return ends[which];
}

static void hostile(void)
{
	static char big[70000];
	int fd = open("/proc/meminfo", O_RDONLY);
	struct pollfd p = {.fd = fd, .events = POLLIN};
	char buf[64];
	void *map;
	int direct;

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
	say("utimes", futimens(fd, NULL));
	say("setxattr", fsetxattr(fd, "user.x", "y", 1, 0));
	say("security_xattr", fsetxattr(fd, "security.capability", "y", 1, 0));
	say("getxattr", fgetxattr(fd, "user.x", buf, sizeof buf));
	say("listxattr", flistxattr(fd, buf, sizeof buf));
	say("rename", rename("/proc/meminfo", "/proc/uptime"));
	say("link", link("/proc/meminfo", "/tmp/meminfo"));
	say("symlink", symlink("x", "/proc/meminfo"));
	say("mkdir_below", mkdir("/proc/meminfo/x", 0700));
	say("exec", execl("/proc/meminfo", "x", NULL));
	say("directory", open("/proc/meminfo", O_RDONLY | O_DIRECTORY));
	say("excl", open("/proc/meminfo", O_RDONLY | O_CREAT | O_EXCL, 0600));
	say("tmpfile", open("/proc/sys/vm/overcommit_memory", O_RDWR | O_TMPFILE, 0600));
	say("truncating_open", open("/proc/meminfo", O_RDONLY | O_TRUNC));
	say("sync", fsync(fd));
	say("lock", flock(fd, LOCK_SH | LOCK_NB));
	say("lease", fcntl(fd, F_SETLEASE, F_RDLCK));
	say("advise", posix_fadvise(fd, 0, 0, POSIX_FADV_WILLNEED) ? (errno = EINVAL, -1) : 0);
	say("splice", splice(fd, &(off_t){0}, pipe_end(1), NULL, 100, SPLICE_F_NONBLOCK));
	say("into_it", splice(pipe_end(0), NULL, fd, &(off_t){0}, 100, SPLICE_F_NONBLOCK));
	say("sendfile", sendfile(pipe_end(1), fd, &(off_t){0}, 100));
	say("copy_range", copy_file_range(fd, &(off_t){0}, pipe_end(1), NULL, 100, 0));
	say("watch", inotify_add_watch(inotify_init1(IN_NONBLOCK), "/proc/meminfo", IN_ALL_EVENTS));
	direct = open("/proc/meminfo", O_RDONLY | O_DIRECT);
	say("direct_open", direct);
	say("direct", read(direct, buf, 7)); /* neither its address nor its length is even */
	say("statfs", fstatfs(fd, &(struct statfs){0}));
	memset(buf, '1', sizeof buf);
	close(fd);
	fd = open("/proc/sys/kernel/panic", O_RDWR);
	say("long_number", write(fd, buf, sizeof buf));
	say("behind", pwrite(fd, "7\n", 2, 4000));
	say("empty", write(fd, "", 0));
	say("chmod_sysctl", fchmod(fd, 0777));
	say("chown_sysctl", fchown(fd, 1, 1));
	say("utimes_sysctl", futimens(fd, NULL));
	say("truncate_sysctl", ftruncate(fd, 1 << 20));
	say("allocate_sysctl", fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 9));
	say("writev", pwritev(fd, (struct iovec[]){{(char[]){"4"}, 1}, {(char[]){"2"}, 1}}, 2, 0));
	memset(buf, 0, sizeof buf);
	pread(fd, buf, 9, 0);
	printf("value=%d\n", atoi(buf));
	say("page", pwrite(fd, big, sizeof big, 0));
	memset(big, ' ', sizeof big);
	say("blank_pages", pwrite(fd, big, sizeof big, 0));
	close(fd);
	/* More open at once than the server keeps texts for. */
	for (int i = 0; i < 600; i++)
		fd = open("/proc/meminfo", O_RDONLY);
	printf("many=%d\n", fd >= 0 && read(fd, buf, sizeof buf) == sizeof buf);
}

/* Until it is there, and no longer than so. */
static void read_for(double msec, const char *until, const char *path)
{
	double end = now() + msec, longest = 0;
	long n = 0, failed = 0;
	char buf[8192];

	while (now() < end && access(until, F_OK) < 0) {
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

/* ---- a fresh proc ------------------------------------------------------------------ */

static void fresh(const char *type)
{
	int fs = (int)syscall(SYS_fsopen, type, 0), fd, mount, tree;
	char buf[16] = "";

	say("fsopen", fs);
	say("create", syscall(SYS_fsconfig, fs, 6 /* FSCONFIG_CMD_CREATE */, NULL, NULL, 0));
	mount = (int)syscall(SYS_fsmount, fs, 0, 14 /* nosuid, nodev, noexec */);
	say("fsmount", mount);
	fd = openat(mount, "meminfo", O_RDONLY);
	if (fd >= 0 && read(fd, buf, 8) == 8)
		printf("meminfo=%s\n", buf);
	fd = openat(mount, "sys/kernel/cap_last_cap", O_RDONLY);
	say("sysctl", fd);
	tree = (int)syscall(SYS_open_tree, AT_FDCWD, "/proc", 0x8001 /* clone, recursive */);
	say("open_tree", tree);
	say("moved", syscall(SYS_move_mount, mount, "", AT_FDCWD, "/proc", 4 /* empty path */));
}

/* ---- values ------------------------------------------------------------------------ */

static int tried, taken, visible;

/* A number becomes another; anything else is written back. */
static void write_other(const char *path)
{
	char old[4096], now[64] = "", other[32];
	int fd = open(path, O_RDONLY | O_NONBLOCK);
	ssize_t n = fd < 0 ? -1 : read(fd, old, sizeof old - 1);
	long v = 0;
	bool number;

	close(fd);
	old[n < 0 ? 0 : n] = '\0';
	number = n > 0 && sscanf(old, "%ld%n", &v, &(int){0}) == 1 && !strpbrk(old, " \t:");
	fd = open(path, O_WRONLY | O_NONBLOCK);
	if (fd < 0)
		return;
	tried++;
	/* Some take only what is near to what they have. */
	for (int i = 0; i < 3; i++) {
		snprintf(other, sizeof other, "%ld", i == 0 ? v + 1 : i == 1 ? v - 1 : 1);
		if (number ? pwrite(fd, other, strlen(other), 0) > 0 : pwrite(fd, old, (size_t)(n < 0 ? 0 : n), 0) > 0) {
			taken++;
			break;
		}
	}
	close(fd);
	fd = open(path, O_RDONLY | O_NONBLOCK);
	if (fd >= 0 && number && read(fd, now, sizeof now - 1) > 0 && atol(now) == atol(other))
		visible++;
	close(fd);
}

static void write_below(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	char path[4096];
	struct stat st;

	while (d && (e = readdir(d))) {
		if (e->d_name[0] == '.' ||
		    snprintf(path, sizeof path, "%s/%s", dir, e->d_name) >= (int)sizeof path)
			continue;
		/* Its own groups: to freeze and kill itself is no attack. */
		if (lstat(path, &st) < 0 || strcmp(path, "/sys/fs/cgroup") == 0)
			continue;
		if (S_ISDIR(st.st_mode))
			write_below(path);
		else if (S_ISREG(st.st_mode) && st.st_mode & 0222)
			write_other(path);
	}
	if (d)
		closedir(d);
}

/* Its values are BASE to BASE + 999. */
static int mix_one(int base, double msec, bool writes)
{
	double end = now() + msec;
	char buf[32];
	int bad = 0;

	for (int i = 0; now() < end; i = (i + 1) % 1000) {
		int fd = open("/proc/sys/kernel/panic", writes ? O_RDWR : O_RDONLY);
		int n = snprintf(buf, sizeof buf, "%d\n", base + i);

		if (fd < 0 || (writes && pwrite(fd, buf, (size_t)n, 0) != n))
			bad++;
		memset(buf, 0, sizeof buf);
		if (pread(fd, buf, sizeof buf - 1, 0) <= 0 || atoi(buf) < base || atoi(buf) > base + 999)
			bad++;
		close(fd);
	}
	return bad != 0;
}

static void mix(int base, double msec)
{
	int bad = 0, status;

	mix_one(base, 1, true);
	for (int i = 0; i < 100; i++)
		if (fork() == 0)
			_exit(mix_one(base, msec, i % 2));
	for (int i = 0; i < 100; i++)
		bad += wait(&status) < 0 || status != 0;
	printf("mixed=%d\n", bad);
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
			int why = 0;

			for (ssize_t n = 1, i = 0; n > 0 && i < 16; i++) {
				errno = 0;
				n = read(fd, buf, sizeof buf);
				why = n < 0 ? errno : 0;
			}
			close(fd);
			errno = why;
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
	const char *file = argc > 3 ? argv[3] : "/proc/meminfo";

	only_inside();
	if (argc > 2 && strcmp(argv[1], "read") == 0) {
		read_for(atof(argv[2]) * 1e3, "", file);
	} else if (argc > 2 && strcmp(argv[1], "read-until") == 0) {
		read_for(600e3, argv[2], file);
	} else if (argc > 2 && strcmp(argv[1], "walk") == 0) {
		walk(argv[2]);
		printf("seen=%d\neio=%d\nslow=%d\n", seen, eio, slow);
	} else if (argc > 2 && strcmp(argv[1], "mount") == 0) {
		fresh(argv[2]);
	} else if (argc > 2 && strcmp(argv[1], "write") == 0) {
		for (int i = 2; i < argc; i++)
			write_below(argv[i]);
		printf("tried=%d\ntaken=%d\nvisible=%d\n", tried, taken, visible);
	} else if (argc > 3 && strcmp(argv[1], "mix") == 0) {
		mix(atoi(argv[2]), atof(argv[3]) * 1e3);
	} else {
		hostile();
	}
	return 0;
}
