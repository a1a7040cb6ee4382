/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the host has differs from machine to machine, so these tests are about the
 * report, not about its verdicts; and about what the probes leave behind.
 */
#include <cisandbox.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/io.h"
#include "base/json.h"
#include "base/str.h"

static struct cis_check *run_check(size_t *n)
{
	struct cis_error err = {0};
	struct cis_check *list = NULL;

	if (cis_check(&list, n, &err) < 0)
		fail_msg("%s", err.message);
	return list;
}

static const struct cis_check *find_check(const struct cis_check *list, size_t n,
					  const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(list[i].name, name) == 0)
			return &list[i];
	return NULL;
}

/* NULL, or what is wrong with one entry. */
static const char *judge(const struct cis_check *c)
{
	if (!c->name[0] || !c->needed[0] || !c->found[0])
		return "is incomplete";
	if (c->result < CIS_CHECK_OK || c->result > CIS_CHECK_WARNING)
		return "has no result";
	if ((c->result == CIS_CHECK_OK) != !c->remedy[0])
		return "has a remedy without need, or none";
	if (strlen(c->remedy) == sizeof c->remedy - 1)
		return "has a remedy that was cut off";
	if (strpbrk(c->found, "\n\t") || strpbrk(c->remedy, "\n\t"))
		return "is not one line";
	return NULL;
}

static void test_list(void **state)
{
	cleanup_free struct cis_check *list = NULL;
	size_t n = 0;

	(void)state;
	list = run_check(&n);
	assert_true(n > 20);
	for (size_t i = 0; i < n; i++) {
		if (judge(&list[i]))
			fail_msg("%s %s", list[i].name, judge(&list[i]));
		assert_ptr_equal(find_check(list, n, list[i].name), &list[i]);
	}
}

static void test_json(void **state)
{
	static const char *const keys[] = {"name",   "result", "found",
					   "needed", "remedy", NULL};
	cleanup(json_freep) struct json *doc = NULL;
	cleanup_free char *text = NULL;
	struct cis_error err = {0};

	(void)state;
	assert_int_equal(cis_check_json(&text, &err), 0);
	if (json_parse(text, strlen(text), 0, "check", &doc, &err) < 0)
		fail_msg("%s", err.message);
	assert_int_equal(doc->type, JSON_ARRAY);
	assert_true(doc->n > 20);
	json_foreach(o, doc) {
		const char *result = NULL;

		assert_int_equal(json_check_keys(o, keys, &err), 0);
		assert_int_equal(o->n, 5);
		assert_int_equal(json_want_string(json_get(o, "result"), &result, &err),
				 0);
		assert_true(strcmp(result, "ok") == 0 || strcmp(result, "missing") == 0 ||
			    strcmp(result, "warning") == 0);
	}
}

/* ---- nothing is left ---------------------------------------------------------- */

/* All loop devices that have a file behind them. */
static void append_loops(char *buf, size_t size)
{
	DIR *dir = opendir("/sys/block");
	struct dirent *e;

	while (dir && (e = readdir(dir))) {
		char path[512];
		size_t used = strlen(buf);

		snprintf(path, sizeof path, "/sys/block/%s/loop", e->d_name);
		if (access(path, F_OK) == 0)
			snprintf(buf + used, size - used, " %s", e->d_name);
	}
	if (dir)
		closedir(dir);
}

static unsigned int count_entries(const char *path, const char *prefix)
{
	DIR *dir = opendir(path);
	struct dirent *e;
	unsigned int n = 0;

	while (dir && (e = readdir(dir)))
		n += strncmp(e->d_name, prefix, strlen(prefix)) == 0;
	if (dir)
		closedir(dir);
	return n;
}

struct traces {
	char *mounts;
	char loops[512];
	unsigned int fds, groups;
};

static void take_traces(struct traces *t)
{
	*t = (struct traces){0};
	assert_int_equal(io_read_file_at(AT_FDCWD, "/proc/self/mountinfo", 4 << 20,
					 &t->mounts, NULL),
			 0);
	append_loops(t->loops, sizeof t->loops);
	t->fds = count_entries("/proc/self/fd", "");
	t->groups = count_entries("/sys/fs/cgroup", "cisandbox-check") +
		    count_entries("/sys/fs/cgroup/unified", "cisandbox-check");
}

static void test_leaves_nothing(void **state)
{
	cleanup_free struct cis_check *list = NULL;
	struct traces before, after;
	size_t n = 0;

	(void)state;
	take_traces(&before);
	list = run_check(&n);
	take_traces(&after);
	/* Other tests may have loop devices and groups at the same moment. */
	for (int i = 0; i < 40; i++) {
		if (strcmp(after.loops, before.loops) == 0 && after.groups == 0)
			break;
		usleep(50000);
		free(after.mounts);
		take_traces(&after);
	}
	assert_string_equal(after.mounts, before.mounts);
	assert_string_equal(after.loops, before.loops);
	assert_int_equal(after.fds, before.fds);
	assert_int_equal(after.groups, 0);
	assert_int_equal(waitpid(-1, NULL, WNOHANG | __WALL), -1);
	assert_int_equal(errno, ECHILD);
	free(before.mounts);
	free(after.mounts);
}

static volatile sig_atomic_t children;

static void count_child(int sig)
{
	(void)sig;
	children = children + 1;
}

/* Probes are raw clones without a signal; only mkfs.ext4 is an ordinary child. */
static void test_foreign_signals(void **state)
{
	struct sigaction sa = {.sa_handler = count_child}, old;
	cleanup_free struct cis_check *list = NULL;
	sigset_t mask, now;
	size_t n = 0;

	(void)state;
	sigemptyset(&mask);
	sigaddset(&mask, SIGALRM);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	sigaction(SIGCHLD, &sa, &old);
	list = run_check(&n);
	sigaction(SIGCHLD, &old, NULL);
	sigprocmask(SIG_UNBLOCK, &mask, &now);
	assert_true(sigismember(&now, SIGALRM));
	assert_false(sigismember(&now, SIGTERM));
	assert_true(children <= 1);
}

/* ---- without privilege ---------------------------------------------------------- */

static const char *judge_unprivileged(void)
{
	cleanup_free struct cis_check *list = NULL;
	const struct cis_check *c;
	size_t n = 0;

	if (setgroups(0, NULL) < 0 || setresgid(65534, 65534, 65534) < 0 ||
	    setresuid(65534, 65534, 65534) < 0)
		return "cannot become nobody";
	/* As after an execve: otherwise /proc/self is not its own. */
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	if (cis_check(&list, &n, NULL) < 0)
		return "failed";
	c = find_check(list, n, "privilege");
	if (!c || c->result != CIS_CHECK_MISSING)
		return "privilege is not missing";
	c = find_check(list, n, "idmap");
	if (!c || c->result != CIS_CHECK_MISSING)
		return "idmap is not missing";
	for (size_t i = 0; i < n; i++)
		if (judge(&list[i]))
			return judge(&list[i]);
	return NULL;
}

static void test_unprivileged(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	if (geteuid() != 0)
		skip();
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		const char *wrong = judge_unprivileged();

		if (wrong)
			fprintf(stderr, "as nobody: %s\n", wrong);
		_exit(wrong ? 1 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_leaves_nothing),
		cmocka_unit_test(test_foreign_signals),
		cmocka_unit_test(test_unprivileged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
