/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Compiled filters that are kept: found again, damaged, pruned. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "bpf.h"
#include "container/config.h"
#include "isolate.h"
#include "isolate/seccomp-cache.h"

/* ---- the cache ------------------------------------------------------------------- */

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

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cache),
		cmocka_unit_test(test_cache_damage),
		cmocka_unit_test(test_cache_files),
		cmocka_unit_test(test_cache_prune),
	};

	if (seccomp_arch_native() != SCMP_ARCH_X86_64)
		return 77; /* the numbers above are of x86 */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
