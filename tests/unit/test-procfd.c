/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is written through a procfs of our own: sysctls, labels. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/io.h"
#include "bpf.h"
#include "container/config.h"
#include "isolate.h"
#include "isolate/caps.h"
#include "isolate/lsm.h"
#include "isolate/procfd.h"
#include "isolate/sched.h"

/* ---- procfs ---------------------------------------------------------------------- */

/* Whether /proc, of which the test knows what it is, reads thus. */
static bool reads(const char *path, const char *want)
{
	cleanup_free char *text = NULL;

	return io_read_file_at(AT_FDCWD, path, 4096, &text, NULL) == 0 &&
	       strcmp(text, want) == 0;
}

static int write_proc(void *arg)
{
	int *fds = arg;
	char path[64];

	WANT(sched_oom_score_child(fds[0], 700) == 0);
	WANT(reads("/proc/self/oom_score_adj", "700\n"));
	WANT(sched_oom_score_child(fds[0], 5000) == -EINVAL);
	WANT(procfd_self_child(fds[0], "comm", path, sizeof path) == 0);
	WANT(strtoul(path, NULL, 10) == (unsigned long)getpid() && strstr(path, "/comm"));
	WANT(procfd_self_child(fds[0], "comm", path, 5) == -ENAMETOOLONG);
	WANT(procfd_self_child(fds[1], "comm", path, sizeof path) == -ENOENT);
	WANT(procfd_has_child(fds[0], "self/comm")); /* a link: not a plain no */
	WANT(!procfd_has_child(fds[0], "no/such"));
	WANT(procfd_write_child(fds[0], "self/oom_score_adj", "701") == -ELOOP);
	WANT(procfd_write_child(fds[0], "thread-self/comm", "x") == -ELOOP);
	WANT(procfd_write_child(fds[0], "sys/../self/comm", "x") == -ELOOP);
	WANT(procfd_write_child(fds[0], "../etc/passwd", "x") == -EXDEV);
	WANT(procfd_write_child(fds[0], "/etc/passwd", "x") == -EXDEV);
	WANT(procfd_write_child(fds[0], "no/such", "x") == -ENOENT);
	WANT(procfd_write_child(fds[1], "file", "x") == -EXDEV); /* no procfs */
	WANT(reads("/proc/self/oom_score_adj", "700\n"));
	return 0;
}

static void test_procfd(void **state)
{
	struct folder d = folder_new();
	cleanup_close int file = openat(d.fd, "file", O_WRONLY | O_CREAT | O_CLOEXEC,
					0600);
	cleanup_close int fd = procfd_open();

	(void)state;
	assert_true(fd >= 0 && file >= 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	good(write_proc, (int[]){fd, d.fd});
	folder_free(&d);
}

/* CVE-2025-52881: the container's mounts are where a label or a sysctl should go. */
static int fake_proc(void *arg)
{
	const int *fds = arg;
	cleanup_close int plain = -1, again = -1;
	char path[64], at[80];

	WANT(unshare(CLONE_NEWNS) == 0);
	WANT(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	plain = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	WANT(procfd_self_child(plain, "oom_score_adj", path, sizeof path) == 0);
	snprintf(at, sizeof at, "/proc/%s", path);
	WANT(mount("/proc/self/comm", at, NULL, MS_BIND, NULL) == 0);
	WANT(sched_oom_score_child(plain, 600) == -EXDEV);
	WANT(sched_oom_score_child(fds[0], 600) == 0);
	again = procfd_open();
	WANT(again >= 0 && sched_oom_score_child(again, 601) == 0);
	WANT(umount2(at, MNT_DETACH) == 0);
	WANT(reads(at, "601\n"));
	return 0;
}

struct attempt {
	int procfd;
	const char *path;
	int want;
};

/* Without the right to mount, it is /proc, if that is what it should be. */
static int open_without_right(void *arg)
{
	const struct attempt *a = arg;
	const uint64_t none[CAP_SETS] = {0};
	cleanup_close int fd = -1;

	WANT(unshare(CLONE_NEWNS) == 0);
	WANT(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	if (a->path)
		WANT(mount(a->path, "/proc", NULL, MS_BIND, NULL) == 0);
	WANT(caps_apply_child(none) == 0);
	fd = procfd_open();
	if (a->want)
		WANT(fd == a->want);
	else
		WANT(fd >= 0 && sched_oom_score_child(fd, 650) == 0);
	return 0;
}

static void test_procfd_faked(void **state)
{
	cleanup_close int fd = procfd_open();

	(void)state;
	if (geteuid() != 0)
		skip();
	good(fake_proc, &fd);
	good(open_without_right, &(struct attempt){fd, NULL, 0});
	good(open_without_right, &(struct attempt){fd, "/tmp", -EXDEV});
	good(open_without_right, &(struct attempt){fd, "/proc/sys", -EXDEV});
}

/* The number is the one that the procfs knows, not the caller's own. */
static int inner(void *arg)
{
	return sched_oom_score_child(*(int *)arg, 800) == 0 && getpid() == 1 ? 0 : 1;
}

static int other_pid_namespace(void *arg)
{
	int status;
	pid_t pid;

	WANT(unshare(CLONE_NEWPID) == 0);
	pid = fork();
	if (pid == 0)
		_exit(inner(arg));
	WANT(waitpid(pid, &status, 0) == pid);
	WANT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	return 0;
}

static int set_sysctls(void *arg)
{
	int fd = *(int *)arg;

	WANT(unshare(CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS) == 0);
	WANT(sysctl_write_child(fd, "kernel.msgmax", "9999") == 0);
	WANT(reads("/proc/sys/kernel/msgmax", "9999\n"));
	WANT(sysctl_write_child(fd, "net/ipv4/ip_forward", "1") == 0);
	WANT(reads("/proc/sys/net/ipv4/ip_forward", "1\n"));
	WANT(sysctl_write_child(fd, "net.ipv4.conf.lo.rp_filter", "2") == 0);
	WANT(reads("/proc/sys/net/ipv4/conf/lo/rp_filter", "2\n"));
	WANT(sysctl_write_child(fd, "kernel.domainname", "inside") == 0);
	WANT(sysctl_write_child(fd, "net.no.such", "1") == -ENOENT);
	WANT(sysctl_write_child(fd, "net/../kernel/domainname", "1") == -EINVAL);
	WANT(sysctl_write_child(fd, "net.//.kernel.domainname", "1") == -EINVAL);
	WANT(reads("/proc/sys/kernel/domainname", "inside\n"));
	return 0;
}

static void test_sysctl_write(void **state)
{
	cleanup_close int fd = procfd_open();

	(void)state;
	if (geteuid() != 0)
		skip();
	good(other_pid_namespace, &fd);
	good(set_sysctls, &fd);
}

#define IPC 1
#define NET 2
#define UTS 4
#define USER 8

static void test_sysctl_check(void **state)
{
	static const struct {
		const char *key;
		int needs; /* -1: nothing helps */
		int code;
	} cases[] = {
		{"kernel.msgmax", IPC, EPERM},
		{"kernel.msgmnb", IPC, EPERM},
		{"kernel.msgmni", IPC, EPERM},
		{"kernel.sem", IPC, EPERM},
		{"kernel.shmall", IPC, EPERM},
		{"kernel.shmmax", IPC, EPERM},
		{"kernel.shmmni", IPC, EPERM},
		{"kernel.shm_rmid_forced", IPC, EPERM},
		{"kernel/shm_rmid_forced", IPC, EPERM},
		{"fs.mqueue.msg_max", IPC, EPERM},
		{"fs/mqueue/msg_max", IPC, EPERM},
		{"net.ipv4.ip_forward", NET, EPERM},
		{"net/ipv4/conf/eno2.100.rp_filter", NET, EPERM},
		{"net.ipv4.conf.eno2/100.rp_filter", NET, EPERM},
		{"kernel.domainname", UTS, EPERM},
		{"user.max_user_namespaces", USER, EPERM},
		{"kernel.hostname", -1, EPERM},
		{"kernel.core_pattern", -1, EPERM},
		{"kernel.msgmax.more", -1, EPERM},
		{"kernel.semi", -1, EPERM},
		{"fs.mqueue", -1, EPERM},
		{"net", -1, EPERM},
		{"netx.y", -1, EPERM},
		{"vm.swappiness", -1, EPERM},
		{"", -1, EINVAL},
		{"net.", -1, EINVAL},
		{".net.ipv4", -1, EINVAL},
		{"/net/ipv4", -1, EINVAL},
		{"net/../kernel/core_pattern", -1, EINVAL},
		{"net.//.kernel.core_pattern", -1, EINVAL},
		{"net/./x", -1, EINVAL},
		{"net./.x", -1, EINVAL},
		{"net//x", -1, EINVAL},
	};
	char longer[400];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		for (int own = 0; own < 16; own++) {
			struct cis_error err = {0};
			bool want = cases[i].needs > 0 && (own & cases[i].needs);
			int r = sysctl_check(cases[i].key, own & IPC, own & NET,
					     own & UTS, own & USER, &err);

			if (r != (want ? 0 : -cases[i].code))
				fail_msg("%s with %d: %d", cases[i].key, own, r);
			assert_true(want || strstr(err.message, "sysctl \""));
		}
	memset(longer, 'x', sizeof longer);
	memcpy(longer, "net.", 4);
	longer[sizeof longer - 1] = '\0';
	assert_int_equal(sysctl_check(longer, true, true, true, true, NULL),
			 -ENAMETOOLONG);
}

/* ---- labels ---------------------------------------------------------------------- */

static int label(void *arg)
{
	int fd = *(int *)arg;
	char longer[5000];

	WANT(lsm_apparmor_exec_child(fd, NULL) == 0);
	WANT(lsm_apparmor_exec_child(fd, "") == 0);
	WANT(lsm_apparmor_exec_child(fd, "unconfined") == 0);
	WANT(lsm_selinux_exec_child(fd, NULL) == 0);
	WANT(lsm_selinux_exec_child(fd, "") == 0);
	WANT(lsm_selinux_keycreate_child(fd, "") == 0);
	memset(longer, 'x', sizeof longer);
	longer[sizeof longer - 1] = '\0';
	WANT(lsm_apparmor_exec_child(fd, longer) == -ENAMETOOLONG);
	/* Never silently without. */
	WANT(lsm_apparmor_exec_child(fd, "no-such-profile-of-cisandbox") < 0);
	WANT(lsm_selinux_exec_child(fd, "no_such:label") < 0);
	return 0;
}

static void test_apparmor_choice(void **state)
{
	static const char loaded[] = "docker-default (enforce)\n"
				     "cisandbox-container-old (enforce)\n"
				     "cisandbox-container (complain)\n";
	static const char *const defaults[] = {"docker-default", "cri-containerd.apparmor.d",
					       "containers-default-0.50.1", "crio-default"};
	static const char *const chosen[] = {"acme", "unconfined", "docker-default2", "",
					     "my-containers-default-1"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(defaults); i++) {
		assert_string_equal(lsm_apparmor_choose(defaults[i], true), LSM_APPARMOR_OURS);
		/* Not left away: what the engine wanted is still more than nothing. */
		assert_string_equal(lsm_apparmor_choose(defaults[i], false), defaults[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(chosen); i++)
		assert_string_equal(lsm_apparmor_choose(chosen[i], true), chosen[i]);
	assert_null(lsm_apparmor_choose(NULL, true));
	assert_true(lsm_apparmor_lists(loaded, LSM_APPARMOR_OURS));
	assert_true(lsm_apparmor_lists(loaded, "docker-default"));
	assert_false(lsm_apparmor_lists(loaded, "cisandbox"));
	assert_false(lsm_apparmor_lists(loaded, "default"));
	assert_false(lsm_apparmor_lists("", "docker-default"));
}

static void test_mount_label(void **state)
{
	static const char label[] = "system_u:object_r:container_file_t:s0:c1,c2";

	(void)state;
	assert_string_equal(lsm_mount_label(label, "tmpfs", true), label);
	assert_string_equal(lsm_mount_label(label, "overlay", true), label);
	assert_null(lsm_mount_label(label, "proc", true));
	assert_null(lsm_mount_label(label, "sysfs", true));
	assert_null(lsm_mount_label(label, "bind", true));
	assert_null(lsm_mount_label(label, "tmpfs", false));
	assert_null(lsm_mount_label("", "tmpfs", true));
	assert_null(lsm_mount_label(NULL, "tmpfs", true));
}

static void test_labels(void **state)
{
	cleanup_close int fd = procfd_open();
	struct cis_error err = {0};
	char buf[64];

	(void)state;
	good(label, &fd);
	assert_int_equal(lsm_apparmor_check(NULL, &err), 0);
	assert_int_equal(lsm_apparmor_check("", &err), 0);
	assert_int_equal(lsm_apparmor_check("unconfined", &err), 0);
	assert_int_equal(lsm_selinux_check("", &err), 0);
	if (!lsm_apparmor_enabled()) {
		assert_int_equal(lsm_apparmor_check("docker-default", &err), -EOPNOTSUPP);
		assert_non_null(
			strstr(err.message, "apparmor is not enabled on this host"));
	}
	if (!lsm_selinux_enabled())
		assert_int_equal(lsm_selinux_check("a:b:c", &err), -EOPNOTSUPP);

	assert_int_equal(lsm_mount_label_option("u:r:t:s0:c1,c2", buf, sizeof buf), 0);
	assert_string_equal(buf, "context=\"u:r:t:s0:c1,c2\"");
	assert_int_equal(lsm_mount_label_option("", buf, sizeof buf), 0);
	assert_string_equal(buf, "");
	assert_int_equal(lsm_mount_label_option(NULL, buf, sizeof buf), 0);
	assert_int_equal(lsm_mount_label_option("a\",exec,b=\"", buf, sizeof buf),
			 -EINVAL);
	assert_int_equal(lsm_mount_label_option("1234567890", buf, 20), -ENAMETOOLONG);
	assert_int_equal(lsm_mount_label_option("1234567890", buf, 21), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_procfd),
		cmocka_unit_test(test_procfd_faked),
		cmocka_unit_test(test_sysctl_write),
		cmocka_unit_test(test_sysctl_check),
		cmocka_unit_test(test_apparmor_choice),
		cmocka_unit_test(test_mount_label),
		cmocka_unit_test(test_labels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
