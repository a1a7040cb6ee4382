/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Profiles to compile, and children to try them in. After <cmocka.h>. */
#ifndef TEST_ISOLATE_H
#define TEST_ISOLATE_H

#include <dirent.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sys.h"
#include "bpf.h"
#include "container/config.h"
#include "isolate/seccomp-oci.h"

#define ALLOW SECCOMP_RET_ALLOW
#define ERRNO(e) (SECCOMP_RET_ERRNO | (e))

struct program {
	struct sock_filter *f;
	unsigned short n;
};

static inline struct program compile(const struct config_seccomp *s, int cache)
{
	struct cis_error err = {0};
	struct program p = {0};
	int r = seccomp_from_config(s, cache, &p.f, &p.n, &err);

	if (r < 0)
		fail_msg("%s", err.message);
	return p;
}

static inline uint32_t ask_nr(const struct program *p, uint32_t arch, uint32_t nr, uint64_t arg0,
			      uint64_t arg1)
{
	struct seccomp_data d = {.nr = (int)nr, .arch = arch, .args = {arg0, arg1}};

	return bpf_run(p->f, p->n, &d);
}

static inline uint32_t ask(const struct program *p, uint32_t arch, const char *name,
			   uint64_t arg0)
{
	int nr = seccomp_syscall_resolve_name_arch(arch, name);

	if (nr < 0)
		fail_msg("no call %s", name);
	return ask_nr(p, arch == SCMP_ARCH_X32 ? AUDIT_ARCH_X86_64 : arch, (uint32_t)nr,
		      arg0, 0);
}

#define X64 AUDIT_ARCH_X86_64

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

struct folder {
	char path[32];
	int fd;
};

static inline struct folder folder_new(void)
{
	struct folder d = {.path = "/tmp/test-isolate.XXXXXX"};

	assert_non_null(mkdtemp(d.path));
	d.fd = open(d.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(d.fd >= 0);
	return d;
}

/* How many files there are, and the name of one. */
static inline size_t count(const struct folder *d, char *ret_name, bool remove_all)
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

static inline void folder_free(struct folder *d)
{
	count(d, NULL, true);
	close(d->fd);
	rmdir(d->path);
}

/* What @fn returns, from a process of its own: 0, or the line it gave up in. */
static inline int in_child(int (*fn)(void *), void *arg)
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

static inline void good(int (*fn)(void *), void *arg)
{
	int line = in_child(fn, arg);

	if (line)
		fail_msg("child gave up in line %d (modulo 256)", line);
}

#endif
