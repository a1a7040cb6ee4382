/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Groups on this host, and what takes them away again. After <cmocka.h>. */
#ifndef TEST_PLACE_LIVE_H
#define TEST_PLACE_LIVE_H

#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/io.h"
#include "base/str.h"
#include "cgroup/place.h"

/* As create does: decide, then make. */
static int make_place(struct place *p, const char *path, const char *id, bool systemd,
		      const struct config_resources *r, struct cis_error *err)
{
	int k = place_decide(p, path, id, systemd, r, err);

	return k < 0 || systemd ? k : place_make(p, err);
}

static char test_name[64];

struct live {
	struct place p;
	pid_t child;
};

static struct cis_error failure;

#define OK(call)                                                             \
	do {                                                                 \
		int _r = (call);                                             \
		if (_r < 0)                                                  \
			fail_msg("%s: %d: %s", #call, _r, failure.message);  \
	} while (0)

static int live_setup(void **state)
{
	struct live *l = calloc(1, sizeof *l);

	place_init(&l->p);
	l->child = -1;
	*state = l;
	return 0;
}

static int live_teardown(void **state)
{
	struct live *l = *state;

	if (l->child > 0) {
		kill(l->child, SIGKILL);
		place_freeze(&l->p, false, NULL);
		waitpid(l->child, NULL, 0);
	}
	place_remove(&l->p, NULL);
	place_done(&l->p);
	free(l);
	return 0;
}

static void need_host(void)
{
	if (geteuid() != 0 || access("/sys/fs/cgroup", W_OK) < 0)
		skip();
}

/* In all groups, cgroup2 too. */
static pid_t spawn_sleep(const struct place *p)
{
	int pipes[2];
	char c = 0;
	pid_t pid;

	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		c = (char)place_join_child(p);
		if (place_unified_fd(p) >= 0 && c == 0)
			c = (char)io_write_file_at(place_unified_fd(p), "cgroup.procs",
						   "0");
		if (write(pipes[1], &c, 1) != 1 || c != 0)
			_exit(1);
		execlp("sleep", "sleep", "600", NULL);
		_exit(127);
	}
	assert_int_equal(read(pipes[0], &c, 1), 1);
	close(pipes[0]);
	close(pipes[1]);
	assert_int_equal(c, 0);
	return pid;
}

/* Of our own and of the parent's name: others make groups at the same time. */
static size_t count_groups(void)
{
	char pattern[256];
	size_t n;
	glob_t g = {0};

	snprintf(pattern, sizeof pattern, "/sys/fs/cgroup/*/%s*", test_name);
	glob(pattern, 0, NULL, &g);
	snprintf(pattern, sizeof pattern, "/sys/fs/cgroup/*/" PLACE_PARENT "/%s*",
		 test_name);
	glob(pattern, GLOB_APPEND, NULL, &g);
	n = g.gl_pathc;
	globfree(&g);
	return n;
}

#define LIVE(test) cmocka_unit_test_setup_teardown(test, live_setup, live_teardown)

static void remove_leftovers(const char *pattern)
{
	glob_t g = {0};

	glob(pattern, GLOB_NOSORT, NULL, &g);
	for (size_t i = 0; i < g.gl_pathc; i++) {
		char deeper[4096];

		snprintf(deeper, sizeof deeper, "%s/*/", g.gl_pathv[i]);
		remove_leftovers(deeper);
		rmdir(g.gl_pathv[i]);
	}
	globfree(&g);
}

/* What a run enables in cgroup2's root for the groups below, it takes back. */
static void forget_controllers(const char *before)
{
	cleanup_free char *after = NULL;
	cleanup_close int dir = open("/sys/fs/cgroup/unified", O_RDONLY | O_DIRECTORY);
	char *save = NULL;

	if (dir < 0 || !before ||
	    io_read_file_at(dir, "cgroup.subtree_control", 4096, &after, NULL) < 0)
		return;
	for (char *c = strtok_r(after, " \n", &save); c;
	     c = strtok_r(NULL, " \n", &save)) {
		char off[64];

		snprintf(off, sizeof off, "-%s", c);
		if (!strstr(before, c))
			io_write_file_at(dir, "cgroup.subtree_control", off);
	}
}

/* In a process of its own, so that what a test leaves when it is given up is found here. */
static int run_live(int (*run)(void))
{
	cleanup_free char *before = NULL;
	char pattern[256];
	int status = 0;
	pid_t pid;

	io_read_file_at(AT_FDCWD, "/sys/fs/cgroup/unified/cgroup.subtree_control", 4096,
			&before, NULL);
	snprintf(test_name, sizeof test_name, "cisandbox-test-%d", getpid());
	pid = fork();
	if (pid == 0)
		return run();
	waitpid(pid, &status, 0);
	if (geteuid() == 0) {
		snprintf(pattern, sizeof pattern, "/sys/fs/cgroup/*/%s*", test_name);
		remove_leftovers(pattern);
		snprintf(pattern, sizeof pattern, "/sys/fs/cgroup/*/" PLACE_PARENT "/%s*",
			 test_name);
		remove_leftovers(pattern);
		remove_leftovers("/sys/fs/cgroup/*/" PLACE_PARENT);
		forget_controllers(before);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

#endif
