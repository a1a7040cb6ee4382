/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Parsers, paths, users, descriptors: pure or nearly pure functions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/array.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/io.h"
#include "base/num.h"
#include "base/process.h"
#include "base/record.h"
#include "base/sha256.h"
#include "base/spawn.h"
#include "base/str.h"
#include "base/sys.h"
#include "fs/passwd.h"
#include "fs/path.h"
#include "sandbox.h"
#include "spec.h"

static void test_tame(void **state)
{
	static const char *const of[][2] = {
		{"plain", "plain"},
		{"a\tb\nc\033[1m\177", "a?b?c?[1m?"},
		{"\xc2\x80x\xc2\x9f", "?x?"},
		{"\u00a0\u00e9\u20ac\u0627", "\u00a0\u00e9\u20ac\u0627"}, /* letters of any script */
		{"exe.\u202egpj\u202c", "exe.?gpj?"},
		{"\u061c\u200e\u200f\u2028\u2029\u202a\u202d", "???????"},
		{"\u2066\u2067\u2068\u2069", "????"},
		{"\u200d\u2027\u202f\u2065\u206a", "\u200d\u2027\u202f\u2065\u206a"},
		{"\U0001f600", "\U0001f600"},
		{"\xc2", "?"}, /* cut off */
		{"\xe2\x80", "??"},
		{"a\xe2z", "a?z"},
		{"\x9b" "31m \x80\x9f\xe9", "?31m ???"}, /* 8-bit terminals obey it */
		{"\xc0\x9b \xe0\x82\x9b \xed\xa0\x80 \xf4\x90\x80\x80", "?? ??? ??? ????"},
	};
	struct cis_error err;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(of); i++) {
		char text[64];

		snprintf(text, sizeof text, "%s", of[i][0]);
		str_tame(text);
		assert_string_equal(text, of[i][1]);
	}
	cis_fail_plain(&err, EINVAL, "file %s", "a\u202eb");
	cis_hint(&err, "or %s", "\xc2\x9b");
	assert_string_equal(err.message, "file a?b (or ?)");
}

static void test_sha256(void **state)
{
	char hex[SHA256_HEX];

	(void)state;
	sha256_hex("abc", 3, hex);
	assert_string_equal(
		hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	sha256_hex("", 0, hex);
	assert_string_equal(
		hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

static void test_size(void **state)
{
	static const struct {
		const char *text;
		int r;
		uint64_t value;
	} cases[] = {
		{"0", 0, 0},
		{"4096", 0, 4096},
		{"64M", 0, 64ULL << 20},
		{"64m", 0, 64ULL << 20},
		{"1.5G", 0, 3ULL << 29},
		{"10KiB", 0, 10240},
		{"2tb", 0, 2ULL << 40},
		{"0.0001k", 0, 0},
		{"18446744073709551615", 0, UINT64_MAX},
		{"18446744073709551616", -ERANGE, 0},
		{"99999999999999999999999", -ERANGE, 0},
		{"16777216T", -ERANGE, 0},
		{"12q", -EINVAL, 0},
		{"", -EINVAL, 0},
		{"-1", -EINVAL, 0},
		{"+1", -EINVAL, 0},
		{" 1", -EINVAL, 0},
		{"1 M", -EINVAL, 0},
		{"1.", -EINVAL, 0},
		{".5", -EINVAL, 0},
		{"1.5.5", -EINVAL, 0},
		{"0x10", -EINVAL, 0},
		{"MM", -EINVAL, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t v = 0;
		int r = str_parse_size(cases[i].text, &v);

		if (r != cases[i].r || (r == 0 && v != cases[i].value))
			fail_msg("\"%s\": %d, %llu", cases[i].text, r, (unsigned long long)v);
	}
}

static void test_duration_and_cpus(void **state)
{
	uint64_t v;

	(void)state;
	assert_int_equal(str_parse_duration("90", &v), 0);
	assert_int_equal(v, 90000);
	assert_int_equal(str_parse_duration("1.5s", &v), 0);
	assert_int_equal(v, 1500);
	assert_int_equal(str_parse_duration("250ms", &v), 0);
	assert_int_equal(v, 250);
	assert_int_equal(str_parse_duration("2h", &v), 0);
	assert_int_equal(v, 7200000);
	assert_int_equal(str_parse_duration("1y", &v), -EINVAL);
	assert_int_equal(str_parse_cpus("1.5", &v), 0);
	assert_int_equal(v, 1500);
	assert_int_equal(str_parse_cpus("0.001", &v), 0);
	assert_int_equal(v, 1);
	assert_int_equal(str_parse_cpus("2c", &v), -EINVAL);
	assert_int_equal(str_parse_u64("7.5", &v), -EINVAL);
}

static void test_env(void **state)
{
	struct strv env = {0};

	(void)state;
	setenv("CIS_TEST", "from caller", 1);
	unsetenv("CIS_ABSENT");
	assert_int_equal(spec_add_env(&env, "A=1"), 0);
	assert_int_equal(spec_add_env(&env, "AB=2"), 0);
	assert_int_equal(spec_add_env(&env, "A=3"), 0);
	assert_int_equal(spec_add_env(&env, "CIS_TEST"), 0);
	assert_int_equal(spec_add_env(&env, "CIS_ABSENT"), 0);
	assert_int_equal(spec_add_env(&env, "=x"), -EINVAL);
	assert_int_equal(spec_add_env(&env, ""), -EINVAL);
	assert_int_equal(env.n, 3);
	assert_string_equal(env.v[0], "A=3");
	assert_string_equal(env.v[1], "AB=2");
	assert_string_equal(env.v[2], "CIS_TEST=from caller");
	assert_null(env.v[3]);
	strv_done(&env);
}

static void test_ids_of_sandboxes(void **state)
{
	(void)state;
	assert_true(spec_id_is_valid("a"));
	assert_true(spec_id_is_valid("Job_1.x-y"));
	assert_false(spec_id_is_valid(""));
	assert_false(spec_id_is_valid(".ids"));
	assert_false(spec_id_is_valid("-x"));
	assert_false(spec_id_is_valid("a/b"));
	assert_false(spec_id_is_valid(".."));
	assert_false(spec_id_is_valid("a\nb"));
	assert_false(spec_id_is_valid(
		"0123456789012345678901234567890123456789012345678901234567890123"));
}

/* ---- paths inside a hostile root ------------------------------------------------ */

struct tree {
	char path[64];
	int fd;
};

static int make_tree(void **state)
{
	struct tree *t = calloc(1, sizeof *t);

	strcpy(t->path, "/tmp/cis-path.XXXXXX");
	assert_non_null(mkdtemp(t->path));
	t->fd = open(t->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	mkdirat(t->fd, "a", 0755);
	mkdirat(t->fd, "a/b", 0755);
	mkdirat(t->fd, "run", 0755);
	symlinkat("/run", t->fd, "var-run");
	symlinkat("../../../../etc", t->fd, "a/climb");
	symlinkat("b", t->fd, "a/rel");
	symlinkat("loop2", t->fd, "loop1");
	symlinkat("loop1", t->fd, "loop2");
	*state = t;
	return 0;
}

static int remove_tree(void **state)
{
	struct tree *t = *state;
	char command[128];

	close(t->fd);
	snprintf(command, sizeof command, "rm -rf %s", t->path);
	assert_int_equal(system(command), 0);
	free(t);
	return 0;
}

static void assert_resolves(struct tree *t, const char *path, const char *wanted)
{
	struct cis_error err = {0};
	cleanup_free char *got = NULL;
	int r = path_resolve(t->fd, path, &got, &err);

	if (r < 0)
		fail_msg("%s: %s", path, err.message);
	assert_string_equal(got, wanted);
}

static void assert_refused(struct tree *t, const char *path, int code)
{
	struct cis_error err = {0};
	cleanup_free char *got = NULL;

	assert_int_equal(path_resolve(t->fd, path, &got, &err), code);
	assert_true(err.message[0] != '\0');
}

static void test_resolve(void **state)
{
	struct tree *t = *state;

	assert_resolves(t, "/", "");
	assert_resolves(t, "/a//b/./c", "a/b/c");
	assert_resolves(t, "/a/b/../x", "a/x");
	assert_resolves(t, "/new/deep/dir", "new/deep/dir");
	assert_resolves(t, "/var-run/docker.sock", "run/docker.sock");
	assert_resolves(t, "/a/rel/x", "a/b/x");
	assert_refused(t, "/..", -EXDEV);
	assert_refused(t, "/a/../../x", -EXDEV);
	assert_refused(t, "/a/climb/passwd", -EXDEV);
	assert_refused(t, "/var-run", -EXDEV);
	assert_refused(t, "/a/rel", -EXDEV);
	assert_refused(t, "/loop1/x", -ELOOP);
}

static void test_make(void **state)
{
	struct tree *t = *state;
	struct stat st;

	assert_int_equal(path_make(t->fd, "x/y/z", false), 0);
	assert_int_equal(path_make(t->fd, "x/y/z", false), 0);
	assert_int_equal(fstatat(t->fd, "x/y/z", &st, 0), 0);
	assert_true(S_ISDIR(st.st_mode));
	assert_int_equal(path_make(t->fd, "x/f", true), 0);
	assert_int_equal(path_make(t->fd, "x/f", true), 0);
	assert_int_equal(fstatat(t->fd, "x/f", &st, 0), 0);
	assert_true(S_ISREG(st.st_mode));
	/* A link that appeared since it was resolved is not followed. */
	assert_true(path_make(t->fd, "var-run/x", false) < 0);
	assert_int_equal(fstatat(t->fd, "run/x", &st, 0), -1);
}

static void write_file(struct tree *t, const char *name, const char *text)
{
	int fd = openat(t->fd, name, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static void test_passwd(void **state)
{
	struct tree *t = *state;
	struct passwd_entry e;
	struct cis_error err;

	mkdirat(t->fd, "etc", 0755);
	write_file(t, "etc/passwd", "root:x:0:0::/root:/bin/sh\nbroken\nu:x:1000:1001::/home/u:\n"
				    "big:x:99999999999:0::/:\n");
	write_file(t, "etc/group", "g:x:5:\nh:x:6:x,u\ni:x:7:uu\n");
	assert_int_equal(passwd_lookup(t->fd, "u", &e, &err), 0);
	assert_int_equal(e.uid, 1000);
	assert_int_equal(e.gid, 1001);
	assert_string_equal(e.home, "/home/u");
	assert_int_equal(e.n_groups, 1);
	assert_int_equal(e.groups[0], 6);
	passwd_entry_done(&e);
	assert_int_equal(passwd_lookup(t->fd, "1000:g", &e, &err), 0);
	assert_int_equal(e.uid, 1000);
	assert_int_equal(e.gid, 5);
	assert_int_equal(e.n_groups, 0);
	passwd_entry_done(&e);
	assert_int_equal(passwd_lookup(t->fd, "4242", &e, &err), 0);
	assert_int_equal(e.uid, 4242);
	passwd_entry_done(&e);
	assert_int_equal(passwd_lookup(t->fd, "nosuch", &e, &err), -ENOENT);
	assert_int_equal(passwd_lookup(t->fd, "big", &e, &err), -ENOENT);
	assert_int_equal(passwd_lookup(t->fd, "u:nosuch", &e, &err), -ENOENT);
	assert_int_equal(passwd_lookup(t->fd, "4294967295", &e, &err), -ENOENT);
	/* A FIFO in its place must not stop us. */
	unlinkat(t->fd, "etc/passwd", 0);
	assert_int_equal(mkfifoat(t->fd, "etc/passwd", 0644), 0);
	assert_int_equal(passwd_lookup(t->fd, "u", &e, &err), -ENOENT);
}

/* ---- small things ------------------------------------------------------------------ */

static void test_errors(void **state)
{
	struct cis_error err = {0};
	char big[2000];

	(void)state;
	assert_int_equal(cis_fail(&err, ENOENT, "open %s", "x"), -ENOENT);
	assert_string_equal(err.message, "open x: No such file or directory");
	assert_int_equal(cis_wrap(&err, -ENOENT, "rootfs"), -ENOENT);
	assert_string_equal(err.message, "rootfs: open x: No such file or directory");
	assert_int_equal(cis_hint(&err, "make %s", "it"), -ENOENT);
	assert_non_null(strstr(err.message, " (make it)"));
	assert_int_equal(cis_fail(NULL, EPERM, "x"), -EPERM);
	memset(big, 'a', sizeof big - 1);
	big[sizeof big - 1] = '\0';
	cis_fail(&err, EIO, "%s", big);
	cis_wrap(&err, -EIO, "%s", big);
	cis_hint(&err, "%s", big);
	assert_int_equal(strlen(err.message), sizeof err.message - 1);
}

static void test_fd_list(void **state)
{
	int keep[8];
	size_t n = 0;
	static const int in[] = {9, 2, 5, -1, 7, 0, 6};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(in); i++)
		fd_keep(keep, &n, in[i]);
	assert_int_equal(n, 4);
	assert_int_equal(keep[0], 5);
	assert_int_equal(keep[1], 6);
	assert_int_equal(keep[2], 7);
	assert_int_equal(keep[3], 9);
}

static void test_numbers(void **state)
{
	char buf[8] = "x";

	(void)state;
	num_append(buf, sizeof buf, 0);
	assert_string_equal(buf, "x0");
	num_append(buf, sizeof buf, 123456789);
	assert_string_equal(buf, "x012345");
}

static void test_records(void **state)
{
	struct small {
		int a;
	} small = {1};
	struct big {
		int a, b;
	} big = {1, 2}, zero_tail = {1, 0}, out;

	(void)state;
	assert_int_equal(record_in(&out, sizeof out, &small, sizeof small), 0);
	assert_int_equal(out.a, 1);
	assert_int_equal(out.b, 0);
	assert_int_equal(record_in(&small, sizeof small, &big, sizeof big), -E2BIG);
	assert_int_equal(record_in(&small, sizeof small, &zero_tail, sizeof zero_tail), 0);
}

static int feed_hi(int fd, void *arg, struct cis_error *err)
{
	(void)err;
	return io_write_all(fd, arg, 3);
}

static void test_spawn(void **state)
{
	char *const ok[] = {"true", NULL}, *const bad[] = {"ls", "/nonexistent", NULL};
	char *const none[] = {"no-such-program", NULL}, *const cat[] = {"cat", NULL};
	struct cis_error err = {0};
	char *text = NULL;

	(void)state;
	assert_int_equal(spawn_wait(ok, -1, "coreutils", &err), 0);
	assert_int_equal(spawn_wait(bad, -1, "coreutils", &err), -EIO);
	assert_non_null(strstr(err.message, "No such file"));
	assert_int_equal(spawn_wait(none, -1, "nothing", &err), -ENOENT);
	assert_non_null(strstr(err.message, "apt install nothing"));
	assert_int_equal(spawn_filter(cat, -1, "coreutils", feed_hi, "hi\n", &text, &err), 0);
	assert_string_equal(text, "hi\n");
	free(text);
}

/* Memory and descriptors are ours, the working directory is its own. */
static int aside(void *arg)
{
	int *fd = arg;

	*fd = SYS(openat, AT_FDCWD, "/", O_PATH | O_CLOEXEC);
	return *fd < 0 ? *fd : SYS(chdir, "/proc") < 0 ? -EIO : 4711;
}

static int refused(void *arg)
{
	(void)arg;
	return SYS(openat, AT_FDCWD, "/none such", O_PATH);
}

static void test_aside(void **state)
{
	char before[4096], after[4096];
	sigset_t mask, mask_after;
	struct stat st;
	int fd = -1;

	(void)state;
	assert_non_null(getcwd(before, sizeof before));
	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	assert_int_equal(process_run_aside(aside, &fd), 4711);
	assert_int_equal(fstat(fd, &st), 0);
	assert_true(S_ISDIR(st.st_mode));
	close(fd);
	assert_non_null(getcwd(after, sizeof after));
	assert_string_equal(before, after);
	assert_int_equal(process_run_aside(refused, NULL), -ENOENT);
	pthread_sigmask(SIG_SETMASK, NULL, &mask_after);
	assert_memory_equal(&mask, &mask_after, sizeof mask);
	/* Nobody is left, and nobody is not anybody. */
	assert_int_equal(waitpid(-1, NULL, __WALL), -1);
	assert_int_equal(process_wait(0), -ECHILD);
	assert_int_equal(process_wait(-1), -ECHILD);
}

static void test_wait(void **state)
{
	struct clone_args args = {0};
	siginfo_t info = {0};
	int pidfd = -1, pid;

	(void)state;
	pid = process_clone(&args);
	if (pid == 0)
		_exit(3);
	assert_true(pid > 0);
	assert_int_equal(WEXITSTATUS(process_wait(pid)), 3);
	assert_int_equal(process_wait(pid), -ECHILD);
	args.flags = CLONE_PIDFD;
	args.pidfd = (uint64_t)(uintptr_t)&pidfd;
	pid = process_clone(&args);
	if (pid == 0)
		_exit(4);
	assert_true(pid > 0);
	assert_int_equal(process_reap(pidfd, &info), 0);
	assert_int_equal(info.si_status, 4);
	assert_int_equal(process_reap(pidfd, NULL), -ECHILD);
	close(pidfd);
}

static void test_array(void **state)
{
	size_t room = 0, n = 0;
	int *v = NULL, *bigger;

	(void)state;
	for (; n < 1000; n++) {
		bigger = array_room(v, n, &room, sizeof *v);
		assert_non_null(bigger);
		assert_true(room > n);
		v = bigger;
		v[n] = (int)n;
	}
	for (size_t i = 0; i < n; i++)
		assert_int_equal(v[i], i);
	/* More than there can be: what there is stays. */
	n = room = SIZE_MAX / 4;
	assert_null(array_room(v, n, &room, sizeof *v));
	assert_true(room == n);
	assert_int_equal(v[999], 999);
	free(v);
}

/* A log is a word about the network, until it is taken back. */
static void test_log_without_network(void **state)
{
	struct cis_error err = {0};
	struct cis_sandbox *sb;

	(void)state;
	assert_int_equal(cis_sandbox_new(&sb), 0);
	assert_int_equal(cis_sandbox_set_rootfs(sb, "/"), 0);
	assert_int_equal(cis_sandbox_set_egress_log(sb, 2), 0);
	assert_int_equal(spec_validate(&sb->spec, &err), -EINVAL);
	assert_non_null(strstr(err.message, "without a network"));
	assert_int_equal(cis_sandbox_set_egress_log(sb, -1), 0);
	assert_int_equal(spec_validate(&sb->spec, &err), 0);
	assert_int_equal(cis_sandbox_set_egress_log(sb, 2), 0);
	assert_int_equal(cis_sandbox_set_net(sb, CIS_NET_EGRESS), 0);
	assert_int_equal(spec_validate(&sb->spec, &err), 0);
	cis_sandbox_free(sb);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tame),
		cmocka_unit_test(test_sha256), cmocka_unit_test(test_size),
		cmocka_unit_test(test_duration_and_cpus),
		cmocka_unit_test(test_env),
		cmocka_unit_test(test_ids_of_sandboxes),
		cmocka_unit_test_setup_teardown(test_resolve, make_tree, remove_tree),
		cmocka_unit_test_setup_teardown(test_make, make_tree, remove_tree),
		cmocka_unit_test_setup_teardown(test_passwd, make_tree, remove_tree),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_fd_list),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_records),
		cmocka_unit_test(test_spawn),
		cmocka_unit_test(test_aside),
		cmocka_unit_test(test_array),
		cmocka_unit_test(test_wait),
		cmocka_unit_test(test_log_without_network),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
