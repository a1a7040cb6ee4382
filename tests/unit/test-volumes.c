/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * lib/volumes/: what is removed is what was looked at, and who copies a seed does not outlive who
 * started it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "volumes/seed.h"

static char place[] = "/tmp/cisandbox-test-volumes-XXXXXX";

static int set_up(void **state)
{
	(void)state;
	if (!mkdtemp(place) || chdir(place) < 0)
		return -1;
	return setenv("CISANDBOX_ROOT", place, 1) | mkdir("seeds", 0700) |
	       mkdir("seeds/s", 0700) | mkdir("seeds/s/1", 0700) | mkdir("seeds/s/2", 0700) |
	       mkdir("to", 0700);
}

static int tear_down(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof command, "rm -rf %s", place);
	return system(command);
}

static void test_remove(void **state)
{
	struct cis_error err = {0};

	(void)state;
	assert_int_equal(generations_remove(GENERATIONS_SEED, "s", 1, &err), -ESTALE);
	assert_int_equal(access("seeds/s/2", F_OK), 0);
	assert_int_equal(generations_remove(GENERATIONS_SEED, "s", 2, &err), 0);
	assert_int_equal(access("seeds/s", F_OK), -1);
	assert_int_equal(generations_remove(GENERATIONS_SEED, "s", 2, &err), -ENOENT);
	mkdir("seeds/s", 0700);
	assert_int_equal(generations_remove(GENERATIONS_SEED, "s", GENERATION_ANY, &err), 0);
}

/* Killed when it maps the ids of who is to be cp, and waits for that. */
static void copy_and_die(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mount_setattr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
	struct strv parts = {0};
	const struct seed_copy order = {
		.from = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC),
		.to = open("to", O_RDONLY | O_DIRECTORY | O_CLOEXEC),
		.parts = &parts,
		.base = 100000,
		.count = 65536,
	};

	if (strv_add(&parts, "seeds") == 0 &&
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0)
		seed_copy(&order, NULL);
	_exit(0);
}

static pid_t group;

static void on_alarm(int sig)
{
	(void)sig;
	kill(-group, SIGKILL);
}

static void test_orphan(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	if (geteuid() != 0)
		skip();
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	signal(SIGALRM, on_alarm);
	group = pid = fork();
	if (pid == 0) {
		setpgid(0, 0);
		copy_and_die();
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
	alarm(20); /* or for ever */
	while ((pid = waitpid(-1, &status, __WALL)) < 0 && errno == EINTR)
		;
	alarm(0);
	assert_true(pid > 0 && WIFEXITED(status));
	assert_int_equal(waitpid(-1, &status, __WALL), -1);
	assert_int_equal(access("to/seeds", F_OK), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_remove),
		cmocka_unit_test(test_orphan),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
