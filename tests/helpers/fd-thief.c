/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fd-thief MARKER: a hostile process that looks at every other one, over and over, as
 * fast as it can, until /tmp/stop is there: at descriptors, directory, root,
 * program. MARKER is a path that exists on the host only. Prints
 *
 *	rounds=N     how often it looked at all
 *	processes=N  how many it saw
 *	before=N     how many of them before their execve (named cis:...)
 *	opened=N     descriptors of others that it could open
 *	exes=LIST    programs seen that are not of the sandbox
 *	reached=N    times it got to MARKER
 *	written=N    programs not of the sandbox that it could open for writing
 *	stolen=LIST  descriptors of others beyond 0 1 2
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "only-inside.h"

static const char *marker;
static unsigned long rounds, processes, before, opened, reached, written;
static char stolen[2048], exes[2048];
static unsigned char seen[65536];

static void note(char *list, size_t size, const char *item)
{
	if (strstr(list, item) || strlen(list) + strlen(item) + 2 > size)
		return;
	strcat(list, item);
	strcat(list, " ");
}

/* From a directory of another process's to the host: by its name, or by climbing. */
static void try_from(const char *dir)
{
	char path[1024];

	snprintf(path, sizeof path, "%s%s", dir, marker);
	reached += access(path, F_OK) == 0;
	snprintf(path, sizeof path, "%s/../../../../../../../../../..%s", dir, marker);
	reached += access(path, F_OK) == 0;
}

/*
 * The sandbox's own programs are its own to write, as soon as nobody runs them any more:
 * what was opened is told by its descriptor, the process may be another by now.
 */
static void count_written(int fd)
{
	char path[64], target[300];
	ssize_t n;

	if (fd < 0)
		return;
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	n = readlink(path, target, sizeof target - 1);
	target[n > 0 ? n : 0] = '\0';
	written += strncmp(target, "/bin/", 5) != 0;
	close(fd);
}

static void try_exe(const char *proc)
{
	char path[300], target[300];
	ssize_t n;
	int fd;

	snprintf(path, sizeof path, "%s/exe", proc);
	n = readlink(path, target, sizeof target - 1);
	if (n > 0) {
		target[n] = '\0';
		if (strncmp(target, "/bin/", 5) != 0)
			note(exes, sizeof exes, target);
	}
	count_written(open(path, O_WRONLY | O_APPEND | O_CLOEXEC));
	/* By a descriptor: it keeps the way open when the process has ended. */
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	close(open(path, O_RDONLY));
	count_written(open(path, O_WRONLY | O_CLOEXEC));
	close(fd);
}

static void try_fds(const char *proc)
{
	char path[300], target[256];
	struct dirent *e;
	DIR *dir;

	snprintf(path, sizeof path, "%s/fd", proc);
	dir = opendir(path);
	while (dir && (e = readdir(dir))) {
		int fd, n = atoi(e->d_name);
		ssize_t len;

		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof path, "%s/fd/%.20s", proc, e->d_name);
		try_from(path);
		len = readlink(path, target, sizeof target - 1);
		target[len > 0 ? len : 0] = '\0';
		if (n > 2)
			note(stolen, sizeof stolen, target);
		if (strncmp(target, "pipe:", 5) == 0)
			continue;
		fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
		if (fd >= 0) {
			opened++;
			close(fd);
		}
	}
	if (dir)
		closedir(dir);
}

static void look_at(const char *pid)
{
	char proc[64], path[128], name[32] = "";
	int fd;

	snprintf(proc, sizeof proc, "/proc/%.20s", pid);
	if (!seen[atoi(pid) & 65535]++)
		processes++;
	snprintf(path, sizeof path, "%s/comm", proc);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		if (read(fd, name, sizeof name - 1) > 0 && strncmp(name, "cis:", 4) == 0 &&
		    strcmp(pid, "1") != 0)
			before++;
		close(fd);
	}
	snprintf(path, sizeof path, "%s/cwd", proc);
	try_from(path);
	snprintf(path, sizeof path, "%s/root", proc);
	try_from(path);
	try_exe(proc);
	try_fds(proc);
}

int main(int argc, char **argv)
{
	char self[16];

	only_inside();
	marker = argc > 1 ? argv[1] : "/no/such/file";
	snprintf(self, sizeof self, "%d", getpid());
	for (; access("/tmp/stop", F_OK) != 0; rounds++) {
		DIR *dir = opendir("/proc");
		struct dirent *e;

		while (dir && (e = readdir(dir)))
			if (e->d_name[0] >= '0' && e->d_name[0] <= '9' &&
			    strcmp(e->d_name, self) != 0)
				look_at(e->d_name);
		if (dir)
			closedir(dir);
	}
	printf("rounds=%lu\nprocesses=%lu\nbefore=%lu\nopened=%lu\nexes=%s\nreached=%lu\n"
	       "written=%lu\nstolen=%s\n",
	       rounds, processes, before, opened, exes, reached, written, stolen);
	return 0;
}
