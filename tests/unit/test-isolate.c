/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a container's process is given and denied: the compiled filter of a profile, run
 * by a small interpreter of classic BPF, and its cache; capabilities, schedulers, labels,
 * sysctls. What applies to a process is tried in a child that does nothing else.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/ioprio.h>
#include <linux/mempolicy.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/io.h"
#include "base/sys.h"
#include "bpf.h"
#include "container/config.h"
#include "isolate/caps.h"
#include "isolate/lsm.h"
#include "isolate/procfd.h"
#include "isolate/sched.h"
#include "isolate/seccomp-cache.h"
#include "isolate/seccomp-oci.h"
#include "isolate/subids.h"

/* ---- an interpreter, and profiles to ask it about ----------------------------- */

#define ALLOW SECCOMP_RET_ALLOW
#define ERRNO(e) (SECCOMP_RET_ERRNO | (e))

struct program {
	struct sock_filter *f;
	unsigned short n;
};

static struct program compile(const struct config_seccomp *s, int cache)
{
	struct cis_error err = {0};
	struct program p = {0};
	int r = seccomp_from_config(s, cache, &p.f, &p.n, &err);

	if (r < 0)
		fail_msg("%s", err.message);
	return p;
}

static void refused(const struct config_seccomp *s, int code, const char *word)
{
	struct cis_error err = {0};
	struct program p = {0};

	assert_int_equal(seccomp_from_config(s, -1, &p.f, &p.n, &err), -code);
	assert_int_equal(err.code, code);
	if (!strstr(err.message, word))
		fail_msg("\"%s\" lacks \"%s\"", err.message, word);
	assert_null(p.f);
}

static uint32_t ask_nr(const struct program *p, uint32_t arch, uint32_t nr, uint64_t arg0,
		       uint64_t arg1)
{
	struct seccomp_data d = {.nr = (int)nr, .arch = arch, .args = {arg0, arg1}};

	return bpf_run(p->f, p->n, &d);
}

static uint32_t ask(const struct program *p, uint32_t arch, const char *name,
		    uint64_t arg0)
{
	int nr = seccomp_syscall_resolve_name_arch(arch, name);

	if (nr < 0)
		fail_msg("no call %s", name);
	return ask_nr(p, arch == SCMP_ARCH_X32 ? AUDIT_ARCH_X86_64 : arch, (uint32_t)nr,
		      arg0, 0);
}

#define X64 AUDIT_ARCH_X86_64
#define X86 AUDIT_ARCH_I386
#define X32 SCMP_ARCH_X32
#define NAMES(...) \
	{ \
		(char *[]){__VA_ARGS__}, ARRAY_SIZE(((char *[]){__VA_ARGS__})) \
	}
#define CLONE_MASK 0x7E020000U

/* Of the shape of docker's: permitted names, some by argument, one with its own errno. */
static const struct config_seccomp_rule docker_rules[] = {
	{.names = NAMES("read", "write", "openat", "close", "fstat", "mmap", "munmap",
			"brk", "rt_sigaction", "rt_sigreturn", "ioctl", "pipe2", "dup3",
			"execve", "exit", "exit_group", "wait4", "kill", "fcntl",
			"getcwd", "chdir", "getpid", "gettid", "futex", "clock_gettime",
			"nanosleep", "stime", "socketcall", "futex_waitv", "no_such_call",
			"bind", "listen", "accept4", "connect", "sendmsg", "recvmsg",
			"prctl", "_llseek", "epoll_wait", "unlinkat"),
	 .action = SCMP_ACT_ALLOW},
	{.names = NAMES("read", "write"), .action = SCMP_ACT_ALLOW}, /* once more */
	{.names = NAMES("mount", "umount2"),
	 .action = SCMP_ACT_ERRNO(0)}, /* the default */
	{.names = NAMES("clone"),
	 .action = SCMP_ACT_ALLOW,
	 .args = &(struct config_seccomp_arg){0, SCMP_CMP_MASKED_EQ, CLONE_MASK, 0},
	 .n_args = 1},
	{.names = NAMES("clone3"),
	 .action = SCMP_ACT_ERRNO(0),
	 .has_errno = true,
	 .errno_ret = ENOSYS},
	{.names = NAMES("personality"),
	 .action = SCMP_ACT_ALLOW,
	 .args = (struct config_seccomp_arg[]){{0, SCMP_CMP_EQ, 0, 0},
					       {0, SCMP_CMP_EQ, 8, 0},
					       {0, SCMP_CMP_EQ, 0xffffffff, 0}},
	 .n_args = 3},
	{.names = NAMES("socket"),
	 .action = SCMP_ACT_ALLOW,
	 .args = &(struct config_seccomp_arg){0, SCMP_CMP_NE, 40, 0},
	 .n_args = 1},
	{.names = NAMES("getpriority"),
	 .action = SCMP_ACT_ALLOW,
	 .args = (struct config_seccomp_arg[]){{0, SCMP_CMP_LE, 2, 0},
					       {1, SCMP_CMP_GT, 9, 0}},
	 .n_args = 2},
};

static const struct config_seccomp docker = {
	.given = true,
	.default_action = SCMP_ACT_ERRNO(0),
	.architectures = NAMES("SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"),
	.rules = (struct config_seccomp_rule *)docker_rules,
	.n_rules = ARRAY_SIZE(docker_rules),
};

/* ---- filters --------------------------------------------------------------------- */

static void test_profile(void **state)
{
	static const uint32_t archs[] = {X64, X86, X32};
	struct config_seccomp s = docker;
	struct program p = compile(&s, -1);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(archs); i++) {
		assert_int_equal(ask(&p, archs[i], "read", 0), ALLOW);
		assert_int_equal(ask(&p, archs[i], "exit_group", 0), ALLOW);
		assert_int_equal(ask(&p, archs[i], "mount", 0), ERRNO(EPERM));
		assert_int_equal(ask(&p, archs[i], "swapon", 0), ERRNO(EPERM));
		assert_int_equal(ask(&p, archs[i], "clone3", 0), ERRNO(ENOSYS));
		assert_int_equal(ask(&p, archs[i], "personality", 8), ALLOW);
		assert_int_equal(ask(&p, archs[i], "personality", 9), ERRNO(EPERM));
		assert_int_equal(ask(&p, archs[i], "clone", SIGCHLD), ALLOW);
		assert_int_equal(ask(&p, archs[i], "clone", CLONE_NEWUSER), ERRNO(EPERM));
	}
	assert_int_equal(ask(&p, X86, "stime", 0), ALLOW);
	assert_int_equal(ask(&p, X64, "socket", 1), ALLOW);
	assert_int_equal(ask(&p, X64, "socket", 40), ERRNO(EPERM));
	/* 64 bits count on a machine of 64. */
	assert_int_equal(ask(&p, X64, "socket", 40 | 1ULL << 32), ALLOW);
	assert_int_equal(ask_nr(&p, X64, 140 /* getpriority */, 2, 10), ALLOW);
	assert_int_equal(ask_nr(&p, X64, 140, 2, 9), ERRNO(EPERM));
	assert_int_equal(ask_nr(&p, X64, 140, 3, 10), ERRNO(EPERM));
	assert_int_equal(ask_nr(&p, AUDIT_ARCH_ARM, 3, 0, 0), SECCOMP_RET_KILL_THREAD);
	free(p.f);
}

/* Any of several conditions on one argument is enough, as with runc. */
static void test_same_index(void **state)
{
	struct config_seccomp_arg same[] = {{1, SCMP_CMP_EQ, 5, 0},
					    {1, SCMP_CMP_EQ, 6, 0},
					    {0, SCMP_CMP_EQ, 7, 0}};
	struct config_seccomp_rule rule = {.names = NAMES("kill"),
					   .action = SCMP_ACT_TRACE(0),
					   .has_errno = true,
					   .errno_ret = 77,
					   .args = same,
					   .n_args = 3};
	struct config_seccomp s = {.default_action = SCMP_ACT_ALLOW,
				   .rules = &rule,
				   .n_rules = 1};
	struct program p = compile(&s, -1);

	(void)state;
	assert_int_equal(ask_nr(&p, X64, 62 /* kill */, 0, 5), SECCOMP_RET_TRACE | 77);
	assert_int_equal(ask_nr(&p, X64, 62, 0, 6), SECCOMP_RET_TRACE | 77);
	assert_int_equal(ask_nr(&p, X64, 62, 7, 0), SECCOMP_RET_TRACE | 77);
	assert_int_equal(ask_nr(&p, X64, 62, 0, 0), ALLOW);
	/* No list of architectures: the native one alone; and no stub, for it permits. */
	assert_int_equal(ask_nr(&p, X86, 37, 0, 0), SECCOMP_RET_KILL_THREAD);
	assert_int_equal(ask_nr(&p, X64, 1000, 0, 0), ALLOW);
	free(p.f);
}

static void test_stub(void **state)
{
	static const struct {
		uint32_t action;
		bool has_errno;
		unsigned int value;
		uint32_t known, newer; /* answers */
	} cases[] = {
		{SCMP_ACT_ERRNO(0), false, 0, ERRNO(EPERM), ERRNO(ENOSYS)},
		{SCMP_ACT_ERRNO(0), true, EACCES, ERRNO(EACCES), ERRNO(ENOSYS)},
		{SCMP_ACT_ERRNO(0), true, ENOSYS, ERRNO(ENOSYS), ERRNO(ENOSYS)},
		{SCMP_ACT_KILL, false, 0, SECCOMP_RET_KILL_THREAD, ERRNO(ENOSYS)},
		{SCMP_ACT_KILL_PROCESS, false, 0, SECCOMP_RET_KILL_PROCESS,
		 ERRNO(ENOSYS)},
		{SCMP_ACT_TRAP, false, 0, SECCOMP_RET_TRAP, ERRNO(ENOSYS)},
		{SCMP_ACT_TRACE(0), false, 0, SECCOMP_RET_TRACE | EPERM,
		 SECCOMP_RET_TRACE | EPERM},
		{SCMP_ACT_LOG, false, 0, SECCOMP_RET_LOG, SECCOMP_RET_LOG},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct config_seccomp s = docker;
		struct program p;

		s.default_action = cases[i].action;
		s.has_default_errno = cases[i].has_errno;
		s.default_errno = cases[i].value;
		p = compile(&s, -1);
		assert_int_equal(ask(&p, X64, "ptrace", 0), cases[i].known);
		assert_int_equal(ask(&p, X64, "futex_waitv", 0),
				 ALLOW); /* the newest named */
		assert_int_equal(ask_nr(&p, X64, 450, 0, 0), cases[i].newer);
		assert_int_equal(ask_nr(&p, X86, 450, 0, 0), cases[i].newer);
		assert_int_equal(ask_nr(&p, X64, 0x40000000 | 600, 0, 0), cases[i].newer);
		assert_int_equal(ask_nr(&p, X64, 0x3fffffff, 0, 0), cases[i].newer);
		assert_int_equal(ask_nr(&p, AUDIT_ARCH_ARM, 1000, 0, 0),
				 SECCOMP_RET_KILL_THREAD);
		free(p.f);
	}
}

/* Each architecture has its own newest call; x32 without being asked for is foreign. */
static void test_stub_archs(void **state)
{
	struct config_seccomp_rule rules[] = {
		{.names = NAMES("read", "write"), .action = SCMP_ACT_ALLOW},
	};
	struct config_seccomp s = {
		.default_action = SCMP_ACT_ERRNO(0),
		.architectures = NAMES("SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM",
				       "SCMP_ARCH_ARM"),
		.rules = rules,
		.n_rules = 1,
	};
	struct program p = compile(&s, -1);

	(void)state;
	assert_int_equal(ask_nr(&p, X64, 1, 0, 0), ALLOW);
	assert_int_equal(ask_nr(&p, X64, 2, 0, 0),
			 ERRNO(ENOSYS)); /* open, to whom it is new */
	assert_int_equal(ask_nr(&p, X64, 0x40000001, 0, 0), SECCOMP_RET_KILL_THREAD);
	assert_int_equal(ask(&p, AUDIT_ARCH_AARCH64, "write", 0), ALLOW); /* 64 */
	assert_int_equal(ask_nr(&p, AUDIT_ARCH_AARCH64, 62, 0, 0), ERRNO(EPERM));
	assert_int_equal(ask_nr(&p, AUDIT_ARCH_AARCH64, 65, 0, 0), ERRNO(ENOSYS));
	assert_int_equal(ask(&p, AUDIT_ARCH_ARM, "write", 0), ALLOW); /* 4 */
	assert_int_equal(ask_nr(&p, AUDIT_ARCH_ARM, 2, 0, 0), ERRNO(EPERM));
	assert_int_equal(ask_nr(&p, AUDIT_ARCH_ARM, 5, 0, 0), ERRNO(ENOSYS));
	free(p.f);

	/* x32 alone beside the native one, which no rule of it names. */
	s.architectures = (struct strv)NAMES("SCMP_ARCH_X32");
	p = compile(&s, -1);
	assert_int_equal(ask_nr(&p, X64, 0x40000001, 0, 0), ALLOW);
	assert_int_equal(ask_nr(&p, X64, 0x40000002, 0, 0), ERRNO(ENOSYS));
	assert_int_equal(ask_nr(&p, X64, 2, 0, 0), ERRNO(ENOSYS));
	free(p.f);

	/* Nothing named: nothing is known to be new. */
	s.n_rules = 0;
	p = compile(&s, -1);
	assert_int_equal(ask_nr(&p, X64, 1000, 0, 0), ERRNO(EPERM));
	free(p.f);
}

static void test_refused_profiles(void **state)
{
	struct config_seccomp_arg arg = {6, SCMP_CMP_EQ, 0, 0};
	struct config_seccomp_rule rule = {.names = NAMES("read"),
					   .action = SCMP_ACT_ALLOW};
	struct config_seccomp s = {.default_action = SCMP_ACT_ERRNO(0),
				   .rules = &rule,
				   .n_rules = 1,
				   .listener_path = "/run/agent"};

	(void)state;
	s.architectures = (struct strv)NAMES("SCMP_ARCH_Z80");
	refused(&s, EINVAL, "SCMP_ARCH_Z80");
	s.architectures = (struct strv)NAMES("x86_64");
	refused(&s, EINVAL, "x86_64");
	s.architectures = (struct strv){0};
	s.has_default_errno = true;
	s.default_errno = 65536;
	refused(&s, EINVAL, "65536");
	s.has_default_errno = false;
	rule.args = &arg;
	rule.n_args = 1;
	refused(&s, EINVAL, "index 6");
	arg = (struct config_seccomp_arg){0, 99, 0, 0};
	refused(&s, EINVAL, "operator 99");
	rule.n_args = 0;
	rule.names = (struct strv)NAMES("");
	refused(&s, EINVAL, "empty");
	rule.names = (struct strv)NAMES("read", "write");
	rule.action = SCMP_ACT_NOTIFY;
	refused(&s, EINVAL, "SCMP_ACT_NOTIFY cannot be used for the write syscall");
	rule.names = (struct strv)NAMES("read");
	s.listener_path = NULL;
	refused(&s, EINVAL, "listenerPath");
	rule.action = SCMP_ACT_ALLOW;
	s.default_action = SCMP_ACT_NOTIFY;
	refused(&s, EINVAL, "SCMP_ACT_NOTIFY cannot be used as default action");
}

static void test_notify(void **state)
{
	struct config_seccomp_rule rule = {.names = NAMES("mkdirat"),
					   .action = SCMP_ACT_NOTIFY};
	struct config_seccomp s = {.default_action = SCMP_ACT_ALLOW,
				   .rules = &rule,
				   .n_rules = 1,
				   .listener_path = "/run/agent"};
	struct program p;

	(void)state;
	if (seccomp_api_get() < 6)
		skip();
	assert_true(seccomp_wants_listener(&s));
	p = compile(&s, -1);
	assert_int_equal(ask(&p, X64, "mkdirat", 0), SECCOMP_RET_USER_NOTIF);
	assert_int_equal(ask(&p, X64, "read", 0), ALLOW);
	free(p.f);
	rule.action = SCMP_ACT_ERRNO(0);
	assert_false(seccomp_wants_listener(&s));
}

/* All that libseccomp knows at once: no rule may fail, whatever architecture has it. */
static void test_every_call(void **state)
{
	struct config_seccomp_rule rule = {.action = SCMP_ACT_ALLOW};
	struct config_seccomp s = {
		.default_action = SCMP_ACT_ERRNO(0),
		.architectures = NAMES("SCMP_ARCH_X86_64", "SCMP_ARCH_X86",
				       "SCMP_ARCH_X32"),
		.rules = &rule,
		.n_rules = 1,
	};
	static const uint32_t archs[] = {X64, X86, SCMP_ARCH_ARM, SCMP_ARCH_S390};
	struct program p;

	(void)state;
	for (size_t a = 0; a < ARRAY_SIZE(archs); a++)
		for (int nr = 0; nr < 460; nr++) {
			char *name = seccomp_syscall_resolve_num_arch(archs[a], nr);

			if (name)
				assert_int_equal(strv_add(&rule.names, name), 0);
			free(name);
		}
	assert_true(rule.names.n > 1200);
	p = compile(&s, -1);
	assert_int_equal(ask(&p, X64, "ptrace", 0), ALLOW);
	assert_int_equal(ask_nr(&p, X86, 359, 0, 0), ALLOW); /* socket */
	assert_int_equal(ask_nr(&p, X64, 1000, 0, 0), ERRNO(ENOSYS));
	free(p.f);
	strv_done(&rule.names);
}

/* ---- the cache ------------------------------------------------------------------- */

struct folder {
	char path[32];
	int fd;
};

static struct folder folder_new(void)
{
	struct folder d = {.path = "/tmp/test-isolate.XXXXXX"};

	assert_non_null(mkdtemp(d.path));
	d.fd = open(d.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(d.fd >= 0);
	return d;
}

/* How many files there are, and the name of one. */
static size_t count(const struct folder *d, char *ret_name, bool remove_all)
{
	DIR *dir = opendir(d->path);
	struct dirent *e;
	size_t n = 0;

	assert_non_null(dir);
	while ((e = readdir(dir))) {
		if (e->d_name[0] == '.')
			continue;
		n++;
		if (ret_name)
			memcpy(ret_name, e->d_name, strlen(e->d_name) + 1);
		if (remove_all)
			unlinkat(d->fd, e->d_name, 0);
	}
	closedir(dir);
	return n;
}

static void folder_free(struct folder *d)
{
	count(d, NULL, true);
	close(d->fd);
	rmdir(d->path);
}

static ino_t inode(const struct folder *d, const char *name)
{
	struct stat st;

	assert_int_equal(fstatat(d->fd, name, &st, AT_SYMLINK_NOFOLLOW), 0);
	return st.st_ino;
}

static void compile_same(const struct config_seccomp *s, int cache,
			 const struct program *want)
{
	struct program p = compile(s, cache);

	assert_int_equal(p.n, want->n);
	assert_memory_equal(p.f, want->f, p.n * sizeof *p.f);
	free(p.f);
}

static void test_cache(void **state)
{
	struct config_seccomp s = docker;
	struct program want = compile(&s, -1);
	struct folder d = folder_new();
	char name[256] = "", hit[256] = "";
	struct stat st;
	ino_t first;

	(void)state;
	compile_same(&s, d.fd, &want);
	assert_int_equal(count(&d, name, false), 1);
	assert_int_equal(strlen(name), 32);
	assert_int_equal(fstatat(d.fd, name, &st, 0), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0600);
	first = inode(&d, name);
	compile_same(&s, d.fd, &want);
	assert_int_equal(count(&d, hit, false), 1);
	assert_int_equal(inode(&d, name), first);

	s.default_errno = EACCES;
	s.has_default_errno = true;
	free(want.f);
	want = compile(&s, d.fd);
	assert_int_equal(count(&d, NULL, false), 2);
	assert_int_equal(ask(&want, X64, "ptrace", 0), ERRNO(EACCES));
	free(want.f);
	folder_free(&d);
}

/* Every way of being no good gives the right program, and a good file afterwards. */
static void test_cache_damage(void **state)
{
	struct config_seccomp s = docker;
	struct program want = compile(&s, -1);
	struct folder d = folder_new();
	char name[256] = "";
	struct stat st;

	(void)state;
	compile_same(&s, d.fd, &want);
	count(&d, name, false);
	assert_int_equal(fstatat(d.fd, name, &st, 0), 0);
	for (int way = 0; way < 9; way++) {
		cleanup_close int fd = openat(d.fd, name, O_RDWR | O_CLOEXEC);
		ino_t before = inode(&d, name);
		char c = 'X';

		assert_true(fd >= 0);
		if (way == 0) /* one instruction less */
			assert_int_equal(ftruncate(fd, st.st_size - 8), 0);
		else if (way == 1)
			assert_int_equal(ftruncate(fd, 0), 0);
		else if (way == 2)
			assert_int_equal(ftruncate(fd, st.st_size + 1), 0);
		else if (way == 3) /* the key: as if another had this hash */
			assert_int_equal(pwrite(fd, &c, 1, 3), 1);
		else if (way == 4) /* the program */
			assert_int_equal(pwrite(fd, &c, 1, st.st_size - 64), 1);
		else if (way == 5)
			assert_int_equal(fchmod(fd, 0620), 0);
		else if (way == 6)
			assert_int_equal(fchmod(fd, 0602), 0);
		else if (way == 7)
			assert_int_equal(ftruncate(fd, 4 << 20), 0);
		else if (geteuid() == 0)
			assert_int_equal(fchown(fd, 12345, 0), 0);
		else
			continue;
		compile_same(&s, d.fd, &want);
		assert_int_equal(count(&d, NULL, false), 1);
		assert_int_not_equal(inode(&d, name), before);
	}
	free(want.f);
	folder_free(&d);
}

/* A program under the right key is believed, links and fifos are not looked into. */
static void test_cache_files(void **state)
{
	static const char key[] = "key";
	struct sock_filter f = BPF_STMT(BPF_RET | BPF_K, ALLOW), *got = NULL;
	struct folder d = folder_new(), other = folder_new();
	char name[256] = "";
	unsigned short n = 0;

	(void)state;
	assert_int_equal(seccomp_cache_load(d.fd, key, 3, &got, &n), -ENOENT);
	assert_int_equal(seccomp_cache_store(d.fd, key, 3, &f, 1), 0);
	assert_int_equal(seccomp_cache_load(d.fd, key, 3, &got, &n), 0);
	assert_int_equal(n, 1);
	assert_memory_equal(got, &f, sizeof f);
	free(got);
	got = NULL;
	count(&d, name, false);

	assert_int_equal(renameat(d.fd, name, other.fd, name), 0);
	assert_int_equal(symlinkat("/etc/passwd", d.fd, name), 0);
	assert_int_equal(seccomp_cache_load(d.fd, key, 3, &got, &n), -ELOOP);
	assert_int_equal(unlinkat(d.fd, name, 0), 0);
	assert_int_equal(mkfifoat(d.fd, name, 0600), 0);
	assert_int_equal(seccomp_cache_load(d.fd, key, 3, &got, &n), -EPERM);
	assert_int_equal(seccomp_cache_store(d.fd, key, 3, &f, 1), 0);
	assert_int_equal(seccomp_cache_load(d.fd, key, 3, &got, &n), 0);
	free(got);

	/* A folder that others write to. */
	assert_int_equal(fchmod(other.fd, 0777), 0);
	assert_int_equal(seccomp_cache_load(other.fd, key, 3, &got, &n), -EPERM);
	assert_int_equal(seccomp_cache_store(other.fd, key, 3, &f, 1), -EPERM);
	folder_free(&other);
	folder_free(&d);
}

static void test_cache_prune(void **state)
{
	struct sock_filter f = BPF_STMT(BPF_RET | BPF_K, ALLOW), *got = NULL;
	struct folder d = folder_new();
	const struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
	char name[256] = "", key[16];
	unsigned short n;

	(void)state;
	assert_int_equal(seccomp_cache_store(d.fd, "first", 5, &f, 1), 0);
	count(&d, name, false);
	assert_int_equal(utimensat(d.fd, name, old, 0), 0);
	for (int i = 0; i < SECCOMP_CACHE_FILES - 1; i++) {
		snprintf(key, sizeof key, "key %d", i);
		assert_int_equal(seccomp_cache_store(d.fd, key, strlen(key), &f, 1), 0);
	}
	assert_int_equal(count(&d, NULL, false), SECCOMP_CACHE_FILES);
	/* A use makes it young again; then another one is the oldest. */
	assert_int_equal(seccomp_cache_load(d.fd, "first", 5, &got, &n), 0);
	free(got);
	for (int i = 0; i < 10; i++) {
		snprintf(key, sizeof key, "more %d", i);
		assert_int_equal(seccomp_cache_store(d.fd, key, strlen(key), &f, 1), 0);
		assert_int_equal(seccomp_cache_load(d.fd, key, strlen(key), &got, &n), 0);
		free(got);
	}
	assert_int_equal(count(&d, NULL, false), SECCOMP_CACHE_FILES);
	assert_int_equal(faccessat(d.fd, name, F_OK, 0), 0);
	folder_free(&d);
}

/* ---- in a child ------------------------------------------------------------------ */

/* What @fn returns, from a process of its own: 0, or the line it gave up in. */
static int in_child(int (*fn)(void *), void *arg)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		SYS(exit_group,
		    fn(arg)); /* before _exit() ASan does what a filter forbids */
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (!WIFEXITED(status))
		fail_msg("child ended by signal %d", WTERMSIG(status));
	return WEXITSTATUS(status);
}

#define WANT(x) \
	do { \
		if (!(x)) \
			return __LINE__ % 256 ? __LINE__ % 256 : 1; \
	} while (0)

static void good(int (*fn)(void *), void *arg)
{
	int line = in_child(fn, arg);

	if (line)
		fail_msg("child gave up in line %d (modulo 256)", line);
}

static int load(void *arg)
{
	const struct program *p = arg;

	WANT(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	WANT(seccomp_load_child(p->f, p->n,
				SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_LOG |
					SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV,
				false) == 0);
	WANT(SYS(getpid) > 0);
	WANT(SYS(getppid) == -EPERM);
	WANT(SYS(clone3, NULL, 0) == -ENOSYS);
	WANT(sys_ret(syscall(600)) == -ENOSYS);
	return 0;
}

static int load_listener(void *arg)
{
	const struct program *p = arg;
	int fd;

	WANT(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	fd = seccomp_load_child(p->f, p->n, 0, true);
	WANT(fd >= 3 && (fcntl(fd, F_GETFD) & FD_CLOEXEC));
	return 0;
}

static void test_load(void **state)
{
	struct config_seccomp s = docker;
	struct program p = compile(&s, -1);
	struct cis_error err = {0};

	(void)state;
	good(load, &p);
	good(load_listener, &p);
	free(p.f);
	assert_int_equal(seccomp_check_flags(0, &err), 0);
	assert_int_equal(seccomp_check_flags(SECCOMP_FILTER_FLAG_TSYNC |
						     SECCOMP_FILTER_FLAG_LOG |
						     SECCOMP_FILTER_FLAG_SPEC_ALLOW,
					     &err),
			 0);
	/* Linux 5.19. */
	assert_int_equal(seccomp_check_flags(1U << 5, &err), 0);
	assert_int_equal(seccomp_check_flags(1U << 30, &err), -EINVAL);
	assert_non_null(strstr(err.message, "0x40000000"));
}

/* ---- capabilities ---------------------------------------------------------------- */

#define BIT(c) (UINT64_C(1) << (c))

static void test_caps_names(void **state)
{
	const uint64_t all = caps_all();

	(void)state;
	assert_true((all & BIT(CAP_CHOWN)) && (all & BIT(CAP_AUDIT_READ)));
	assert_int_equal(all & (all + 1), 0); /* no holes */
	for (int i = 0; i < 64; i++) {
		const char *name = caps_name(i);
		char *theirs = cap_to_name(i);

		assert_non_null(theirs);
		if (name) {
			assert_int_equal(strcasecmp(name, theirs), 0);
			assert_int_equal(caps_from_name(name), i);
		} else {
			/* libcap spells what it does not know as a number. */
			assert_true(theirs[0] >= '0' && theirs[0] <= '9');
		}
		cap_free(theirs);
	}
	assert_null(caps_name(-1));
	assert_null(caps_name(64));
	assert_int_equal(caps_from_name("CAP_SYS_ADMIN"), CAP_SYS_ADMIN);
	assert_int_equal(caps_from_name("cap_sys_admin"), -EINVAL);
	assert_int_equal(caps_from_name("SYS_ADMIN"), -EINVAL);
	assert_int_equal(caps_from_name("CAP_SYS"), -EINVAL);
	assert_int_equal(caps_from_name(""), -EINVAL);
}

static int apply_caps(void *arg)
{
	const uint64_t sets[CAP_SETS] = {
		[CAPS_BOUNDING] = BIT(CAP_CHOWN) | BIT(CAP_KILL) | BIT(CAP_NET_RAW),
		[CAPS_PERMITTED] = BIT(CAP_CHOWN) | BIT(CAP_KILL),
		[CAPS_EFFECTIVE] = BIT(CAP_CHOWN),
		[CAPS_INHERITABLE] = BIT(CAP_KILL) | BIT(CAP_NET_RAW),
		[CAPS_AMBIENT] = BIT(CAP_CHOWN) | BIT(CAP_KILL) | BIT(CAP_NET_RAW) |
				 BIT(63),
	};
	const uint64_t more[CAP_SETS] = {[CAPS_PERMITTED] = BIT(CAP_CHOWN) |
							    BIT(CAP_SYS_ADMIN)};
	struct __user_cap_data_struct data[2];

	(void)arg;
	WANT(caps_limit_bounding_child(sets[CAPS_BOUNDING]) == 0);
	WANT(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == 0);
	WANT(sys_setresuid(12345, 12345, 12345) == 0);
	WANT(caps_apply_child(sets) == 0);
	for (int c = 0; c < 64 && (caps_all() & BIT(c)); c++) {
		WANT(prctl(PR_CAPBSET_READ, c) == !!(sets[CAPS_BOUNDING] & BIT(c)));
		/* Only what is permitted and inheritable. */
		WANT(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, c, 0, 0) ==
		     (c == CAP_KILL));
	}
	WANT(sys_capget(data) == 0);
	WANT(data[0].permitted == sets[CAPS_PERMITTED] && data[1].permitted == 0);
	WANT(data[0].effective == sets[CAPS_EFFECTIVE] && data[1].effective == 0);
	WANT(data[0].inheritable == sets[CAPS_INHERITABLE] && data[1].inheritable == 0);
	WANT(prctl(PR_GET_KEEPCAPS) == 0);
	WANT(caps_apply_child(more) == -EPERM);
	/* CAP_SETPCAP is gone: what is there stays, and no more can be taken away. */
	WANT(caps_limit_bounding_child(sets[CAPS_BOUNDING]) == 0);
	WANT(caps_limit_bounding_child(0) == -EPERM);
	return 0;
}

static int drop_caps(void *arg)
{
	const uint64_t none[CAP_SETS] = {0};

	(void)arg;
	WANT(caps_limit_bounding_child(0) == 0);
	WANT(caps_apply_child(none) == 0);
	WANT(sys_setresuid(12345, 12345, 12345) == -EPERM);
	return 0;
}

static void test_caps_apply(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	good(apply_caps, NULL);
	good(drop_caps, NULL);
}

/* ---- scheduling ------------------------------------------------------------------ */

static void test_list(void **state)
{
	static const struct {
		const char *text;
		int r;
		unsigned long mask[2];
	} cases[] = {
		{"0", 0, {1, 0}},
		{"0-3,7", 0, {0x8f, 0}},
		{"7,0-3", 0, {0x8f, 0}},
		{" 1 , 3-3\n", 0, {0xa, 0}},
		{",,2,", 0, {4, 0}},
		{"63-64,127", 0, {1UL << 63, 1UL | 1UL << 63}},
		{"0-127", 0, {~0UL, ~0UL}},
		{"", -EINVAL, {0, 0}},
		{" , ", -EINVAL, {0, 0}},
		{"3-1", -EINVAL, {0, 0}},
		{"1-", -EINVAL, {0, 0}},
		{"-1", -EINVAL, {0, 0}},
		{"1-2-3", -EINVAL, {0, 0}},
		{"0x1", -EINVAL, {0, 0}},
		{"1 2", -EINVAL, {0, 0}},
		{"1 - 2", -EINVAL, {0, 0}},
		{"all", -EINVAL, {0, 0}},
		{"128", -ERANGE, {0, 0}},
		{"0-128", -ERANGE, {0, 0}},
		{"99999999999999999999999999", -ERANGE, {0, 0}},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		unsigned long mask[2] = {0x55, 0x55};
		int r = sched_parse_list(cases[i].text, mask, 128);

		if (r != cases[i].r)
			fail_msg("\"%s\": %d", cases[i].text, r);
		if (r == 0)
			assert_memory_equal(mask, cases[i].mask, sizeof mask);
	}
}

static int first_cpu(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	if (sched_getaffinity(0, sizeof set, &set) < 0)
		return -1;
	for (int i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &set))
			return i;
	return -1;
}

static int schedule(void *arg)
{
	const struct config_scheduler none = {.policy = 77};
	const struct config_scheduler batch = {.given = true,
					       .policy = SCHED_BATCH,
					       .nice = 5};
	const struct config_scheduler wrong = {.given = true,
					       .policy = SCHED_FIFO,
					       .priority = 1000};
	char cpu[16];
	cpu_set_t set;
	int r;

	(void)arg;
	WANT(sched_policy_child(&none) == 0);
	WANT(sched_policy_child(&wrong) == -EINVAL);
	WANT(sched_policy_child(&batch) == 0);
	WANT(sched_getscheduler(0) == SCHED_BATCH);
	WANT(sched_ioprio_child(IOPRIO_PRIO_VALUE(IOPRIO_CLASS_BE, 6)) == 0);
	WANT(SYS(ioprio_get, IOPRIO_WHO_PROCESS, 0) ==
	     IOPRIO_PRIO_VALUE(IOPRIO_CLASS_BE, 6));
	snprintf(cpu, sizeof cpu, "%d", first_cpu());
	WANT(sched_affinity_child(cpu) == 0);
	WANT(sched_getaffinity(0, sizeof set, &set) == 0);
	WANT(CPU_COUNT(&set) == 1);
	WANT(sched_affinity_child("8191") == -EINVAL);
	WANT(sched_affinity_child("8192") == -ERANGE);
	WANT(sched_affinity_child("x") == -EINVAL);
	WANT(sched_personality_child(ADDR_NO_RANDOMIZE) == 0);
	WANT(personality(0xffffffff) == ADDR_NO_RANDOMIZE);
	r = sched_mempolicy_child(MPOL_PREFERRED, "0");
	if (r == -ENOSYS)
		return 0; /* CONFIG_NUMA */
	WANT(r == 0);
	WANT(sched_mempolicy_child(MPOL_BIND, "0-") == -EINVAL);
	WANT(sched_mempolicy_child(MPOL_BIND, "1023") == -EINVAL);
	WANT(sched_mempolicy_child(MPOL_BIND, NULL) == -EINVAL);
	WANT(sched_mempolicy_child(MPOL_DEFAULT, "") == 0);
	return 0;
}

static void test_schedule(void **state)
{
	(void)state;
	good(schedule, NULL);
}

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

/* What profile docker adds: permitted, whatever libseccomp knows, and nothing between. */
static void test_added_calls(void **state)
{
	char *plain_names[] = {"read", "mount_setattr"}, *added_names[] = {"statmount", "mount", "fsopen"};
	struct config_seccomp_rule rules[] = {
		{.names = {plain_names, 2}, .action = SCMP_ACT_ALLOW},
		{.names = {added_names, 3}, .action = SCMP_ACT_ALLOW, .added = true},
	};
	struct config_seccomp s = {.given = true, .default_action = SCMP_ACT_ERRNO(0),
				   .rules = rules, .n_rules = 2};
	struct program p = compile(&s, -1);

	(void)state;
	assert_int_equal(ask_nr(&p, X64, 0, 0, 0), SECCOMP_RET_ALLOW);
	assert_int_equal(ask_nr(&p, X64, 165, 0, 0), SECCOMP_RET_ALLOW);
	assert_int_equal(ask_nr(&p, X64, 430, 0, 0), SECCOMP_RET_ALLOW);
	assert_int_equal(ask_nr(&p, X64, 457, 0, 0), SECCOMP_RET_ALLOW);
	assert_int_equal(ask_nr(&p, X64, 428, 0, 0), ERRNO(EPERM));
	assert_int_equal(ask_nr(&p, X64, 443, 0, 0), ERRNO(ENOSYS));
	assert_int_equal(ask_nr(&p, X64, 452, 0, 0), ERRNO(ENOSYS));
	assert_int_equal(ask_nr(&p, X64, 458, 0, 0), ERRNO(ENOSYS));
	free(p.f);
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

static void test_subids(void **state)
{
	struct subids s;

	(void)state;
	subids_parse("ci:100000:65536\n", "ci", 1000, 65536, &s);
	assert_int_equal(s.n, 1);
	assert_int_equal(s.v[0].first, 100000);
	assert_int_equal(s.total, 65536);
	/* No newline at the end; by number; several; cut to what is wanted. */
	subids_parse("other:1:9\nci:100000:65536\n1000:300000:1000", "ci", 1000, 66000, &s);
	assert_int_equal(s.n, 2);
	assert_int_equal(s.v[1].first, 300000);
	assert_int_equal(s.v[1].count, 464);
	/* Names that begin or end alike are others'. */
	subids_parse("cic:1:9\nc:1:9\nxci:1:9\n10001:1:9\n:1:9\n", "ci", 1000, 65536, &s);
	assert_int_equal(s.total, 0);
	/* What is no range. */
	subids_parse("ci:1\nci:1:0\nci:1:x\nci:1:5x\nci:4294967295:1\nci:4294967290:100\n"
		     "ci:18446744073709551615:9\nci\n\n", "ci", 1000, 65536, &s);
	assert_int_equal(s.total, 0);
	/* The next line's numbers are not this line's. */
	subids_parse("ci:5:\n7\n", "ci", 1000, 65536, &s);
	assert_int_equal(s.total, 0);
	subids_parse("", "ci", 1000, 65536, &s);
	assert_int_equal(s.n, 0);
}

static void test_subids_many(void **state)
{
	char text[2048] = "";
	struct subids s;

	(void)state;
	for (int i = 0; i < 40; i++)
		snprintf(text + strlen(text), sizeof text - strlen(text), "ci:%d:10\n", 1000 * i);
	subids_parse(text, "ci", 1000, 65536, &s);
	assert_int_equal(s.n, SUBIDS_RANGES);
	assert_int_equal(s.total, 10 * SUBIDS_RANGES);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_subids),
		cmocka_unit_test(test_subids_many),
		cmocka_unit_test(test_profile),
		cmocka_unit_test(test_same_index),
		cmocka_unit_test(test_stub),
		cmocka_unit_test(test_stub_archs),
		cmocka_unit_test(test_refused_profiles),
		cmocka_unit_test(test_notify),
		cmocka_unit_test(test_every_call),
		cmocka_unit_test(test_cache),
		cmocka_unit_test(test_cache_damage),
		cmocka_unit_test(test_cache_files),
		cmocka_unit_test(test_cache_prune),
		cmocka_unit_test(test_load),
		cmocka_unit_test(test_caps_names),
		cmocka_unit_test(test_caps_apply),
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_schedule),
		cmocka_unit_test(test_procfd),
		cmocka_unit_test(test_procfd_faked),
		cmocka_unit_test(test_sysctl_write),
		cmocka_unit_test(test_sysctl_check),
		cmocka_unit_test(test_apparmor_choice),
		cmocka_unit_test(test_mount_label),
		cmocka_unit_test(test_added_calls),
		cmocka_unit_test(test_labels),
	};

	if (seccomp_arch_native() != SCMP_ARCH_X86_64)
		return 77; /* the numbers above are of x86 */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
