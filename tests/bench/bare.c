/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The floor that `start` measures against: the least a program can do to run a
 * command as root of a container of its own. All namespaces, 65536 ids, a root
 * with proc, sysfs and a /dev, a host name, execve, and the wait for its end. No
 * control group, no filter, no second process to supervise, no streams, no state.
 *
 *	bare [--overlay] ROOTFS COMMAND [ARG]...
 *
 * ROOTFS is bound as it is, or with --overlay covered by a tmpfs, so that it stays
 * unchanged, as our own root is.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define ID_BASE 0x7F000000U
#define ID_COUNT 65536U

static void do_mount(const char *source, const char *target, const char *type,
		     unsigned long flags, const char *options)
{
	if (mount(source, target, type, flags, options) < 0)
		err(1, "mount %s", target);
}

static void enter(const char *dir)
{
	if (chdir(dir) < 0)
		err(1, "chdir %s", dir);
}

/* The upper layer's tmpfs hides below the image's own proc: no host path is used. */
static void mount_overlay(void)
{
	do_mount("tmpfs", "proc", "tmpfs", MS_NODEV, "mode=755");
	if (mkdir("proc/upper", 0755) < 0 || mkdir("proc/work", 0755) < 0)
		err(1, "mkdir");
	do_mount("overlay", ".", "overlay", MS_NODEV,
		 "lowerdir=.,upperdir=proc/upper,workdir=proc/work,userxattr,volatile");
}

static void make_dev(void)
{
	static const char *const nodes[] = {"null",   "zero",    "full",
					    "random", "urandom", "tty"};

	do_mount("tmpfs", "dev", "tmpfs", MS_NOSUID, "mode=755");
	for (size_t i = 0; i < sizeof nodes / sizeof *nodes; i++) {
		char from[32], to[32];
		int fd;

		snprintf(from, sizeof from, "/dev/%s", nodes[i]);
		snprintf(to, sizeof to, "dev/%s", nodes[i]);
		fd = open(to, O_CREAT | O_WRONLY | O_CLOEXEC, 0666);
		if (fd < 0)
			err(1, "%s", to);
		close(fd);
		do_mount(from, to, NULL, MS_BIND, NULL);
	}
	if (mkdir("dev/pts", 0755) < 0)
		err(1, "mkdir");
	do_mount("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC,
		 "newinstance,ptmxmode=0666");
}

static void child(const char *rootfs, bool overlay, char **argv)
{
	if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		err(1, "become root");
	do_mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
	enter(rootfs);
	if (overlay)
		mount_overlay();
	else
		do_mount(".", ".", NULL, MS_BIND, NULL);
	enter(rootfs); /* onto what has just been mounted there */
	/* While the host's are still in sight: the kernel asks for that. */
	do_mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	do_mount("sysfs", "sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	make_dev();
	if (syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0)
		err(1, "pivot_root");
	enter("/");
	if (sethostname("bare", 4) < 0)
		err(1, "sethostname");
	execv(argv[0], argv);
	err(127, "%s", argv[0]);
}

static void write_map(pid_t pid, const char *name)
{
	char path[64], map[64];
	int fd, n = snprintf(map, sizeof map, "0 %u %u", ID_BASE, ID_COUNT);

	snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, map, (size_t)n) != n)
		err(1, "%s", path);
	close(fd);
}

int main(int argc, char **argv)
{
	struct clone_args args = {
		.flags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET |
			 CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP,
		.exit_signal = SIGCHLD,
	};
	bool overlay = argc > 1 && strcmp(argv[1], "--overlay") == 0;
	int go[2], status;
	char byte = 0;
	pid_t pid;

	argv += 1 + overlay;
	if (argc < 3 + overlay)
		errx(2, "usage: bare [--overlay] ROOTFS COMMAND [ARG]...");
	if (pipe2(go, O_CLOEXEC) < 0)
		err(1, "pipe");
	pid = (pid_t)syscall(SYS_clone3, &args, sizeof args);
	if (pid < 0)
		err(1, "clone3");
	if (pid == 0) {
		if (read(go[0], &byte, 1) != 1)
			_exit(1);
		child(argv[0], overlay, argv + 1);
	}
	write_map(pid, "uid_map");
	write_map(pid, "gid_map");
	if (write(go[1], &byte, 1) != 1 || waitpid(pid, &status, 0) < 0)
		err(1, "child");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
