/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * init-attack PID: tries to get at another process by every door the kernel
 * has, and prints "door=ERRNO", or "door=done" for one that opened.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "only-inside.h"

static void say(const char *door, long r)
{
	printf("%s=%s\n", door, r < 0 ? strerrorname_np(errno) : "done");
}

/* A file that opens but gives nothing is shut too. */
static void try_read(pid_t pid, const char *file)
{
	char path[64], buf[64];
	int fd;

	snprintf(path, sizeof path, "/proc/%d/%s", pid, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	say(file, fd < 0 ? -1 : read(fd, buf, sizeof buf));
	if (fd >= 0)
		close(fd);
}

static void try_list(pid_t pid, const char *file)
{
	char path[64];
	DIR *dir;

	snprintf(path, sizeof path, "/proc/%d/%s", pid, file);
	dir = opendir(path);
	say(file, dir && (errno = 0, readdir(dir)) ? 0 : -1);
	if (dir)
		closedir(dir);
}

static void try_link(pid_t pid, const char *file)
{
	char path[64], buf[256];

	snprintf(path, sizeof path, "/proc/%d/%s", pid, file);
	say(file, readlink(path, buf, sizeof buf));
}

static void try_fds(pid_t pid)
{
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0), best = -1;

	if (pidfd < 0) {
		say("pidfd_open", -1);
		return;
	}
	for (int fd = 0; fd < 64; fd++) {
		int got = (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);

		if (got >= 0)
			best = got;
		else if (errno == EBADF)
			errno = EPERM;
	}
	say("pidfd_getfd", best);
	close(pidfd);
}

static void try_memory(pid_t pid)
{
	char buf[64] = "", path[64];
	struct iovec local = {buf, sizeof buf}, remote = {(void *)0x400000, sizeof buf};
	int fd;

	say("process_vm_readv", process_vm_readv(pid, &local, 1, &remote, 1, 0));
	snprintf(path, sizeof path, "/proc/%d/mem", pid);
	fd = open(path, O_RDWR | O_CLOEXEC);
	say("mem_write", fd);
	if (fd >= 0)
		close(fd);
}

static void try_ptrace(pid_t pid)
{
	long r = ptrace(PTRACE_SEIZE, pid, NULL, NULL);

	say("ptrace_seize", r);
	if (r == 0)
		ptrace(PTRACE_DETACH, pid, NULL, NULL);
	r = ptrace(PTRACE_ATTACH, pid, NULL, NULL);
	say("ptrace_attach", r);
	if (r == 0) {
		waitpid(pid, NULL, __WALL);
		ptrace(PTRACE_DETACH, pid, NULL, NULL);
	}
}

int main(int argc, char **argv)
{
	static const char *const files[] = {"mem",	"environ", "maps", "smaps", "auxv",
					    "syscall", "stack",   "io",   "pagemap"};
	static const char *const lists[] = {"fd", "map_files", "root/", "cwd/"};
	static const char *const links[] = {"exe", "root", "cwd", "fd/0", "fd/3"};
	pid_t pid = argc > 1 ? atoi(argv[1]) : 1;

	only_inside();
	for (size_t i = 0; i < sizeof files / sizeof *files; i++)
		try_read(pid, files[i]);
	for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
		try_list(pid, lists[i]);
	for (size_t i = 0; i < sizeof links / sizeof *links; i++)
		try_link(pid, links[i]);
	try_memory(pid);
	try_fds(pid);
	say("kcmp", syscall(SYS_kcmp, getpid(), pid, KCMP_FILES, 0, 0));
	try_ptrace(pid);
	return 0;
}
