/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Runs a command in control groups of its own: memory 512M, one processor, 100 processes.
 * What a program that knows no control groups, such as bwrap, needs beside it to have the
 * features that `start` measures. As quick as can be: no shell, the mounts read once.
 *
 *	limits COMMAND [ARG]...
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_GROUPS 8

static struct group {
	char dir[256];
	bool v2;
} groups[MAX_GROUPS];
static size_t n_groups;

static const struct setting {
	const char *controller, *file, *value;
} settings[] = {
	{"memory", "memory.limit_in_bytes", "536870912"},
	{"cpu", "cpu.cfs_period_us", "100000"},
	{"cpu", "cpu.cfs_quota_us", "100000"},
	{"cpuacct", NULL, NULL},
	{"pids", "pids.max", "100"},
};
static const struct setting unified[] = {
	{NULL, "memory.max", "536870912"},
	{NULL, "cpu.max", "100000 100000"},
	{NULL, "pids.max", "100"},
};

static int put(const char *dir, const char *file, const char *value)
{
	char path[320];
	int fd, r;

	snprintf(path, sizeof path, "%s/%s", dir, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	r = write(fd, value, strlen(value)) < 0 ? -1 : 0;
	close(fd);
	return r;
}

static void make_group(const struct mntent *m)
{
	struct group *g = &groups[n_groups];
	bool wanted = false;

	g->v2 = strcmp(m->mnt_type, "cgroup2") == 0;
	snprintf(g->dir, sizeof g->dir, "%s/cisandbox-bench.%d", m->mnt_dir, getpid());
	for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
		wanted |= !g->v2 && hasmntopt(m, settings[i].controller);
	if (n_groups == MAX_GROUPS || (!wanted && !g->v2))
		return;
	if (mkdir(g->dir, 0755) < 0)
		err(1, "%s", g->dir);
	n_groups++;
	for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
		if (!g->v2 && settings[i].file && hasmntopt(m, settings[i].controller) &&
		    put(g->dir, settings[i].file, settings[i].value) < 0)
			err(1, "%s/%s", g->dir, settings[i].file);
	/* On a hybrid host these are not there. */
	for (size_t i = 0; i < sizeof unified / sizeof *unified; i++)
		if (g->v2 && put(g->dir, unified[i].file, unified[i].value) < 0 &&
		    errno != ENOENT)
			err(1, "%s/%s", g->dir, unified[i].file);
}

int main(int argc, char **argv)
{
	FILE *mounts = setmntent("/proc/self/mounts", "re");
	struct mntent *m;
	int status;
	pid_t pid;

	if (argc < 2 || !mounts)
		errx(2, "usage: limits COMMAND [ARG]...");
	while ((m = getmntent(mounts)))
		if (strncmp(m->mnt_type, "cgroup", 6) == 0)
			make_group(m);
	pid = vfork();
	if (pid == 0) {
		for (size_t i = 0; i < n_groups; i++)
			put(groups[i].dir, groups[i].v2 ? "cgroup.procs" : "tasks", "0");
		execvp(argv[1], argv + 1);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		err(1, "%s", argv[1]);
	for (size_t i = 0; i < n_groups; i++)
		/* The last process is gone a moment before its group says so. */
		for (int tries = 0; rmdir(groups[i].dir) < 0 && tries < 10000; tries++)
			usleep(tries < 100 ? 0 : 1000);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
