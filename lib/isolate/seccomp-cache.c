/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A file a filter: the key, the program, a trailer. It is named by a hash of the key, but
 * the key in it is compared byte by byte, so that two keys with one hash only push each
 * other out, and a weak hash will do. The trailer tells a file cut short: a program that
 * lost its end could still be a valid one, with other answers.
 *
 * Trust is a matter of ownership: what others could have written is not read. No locks:
 * a file appears whole, by rename, and losing a race costs one compilation.
 */
#include "seccomp-cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../base/fd.h"
#include "../base/io.h"
#include "../base/str.h"

#define HASH_DIGITS 32
#define TOUCH_AFTER 3600 /* seconds: a file in use is young, but not touched each time */

struct trailer {
	uint64_t n;
	uint64_t sum[2];
};

/* FNV-1a with two starting points. */
static void hash(const void *data, size_t len, uint64_t ret[2])
{
	const unsigned char *p = data;

	ret[0] = 0xcbf29ce484222325;
	ret[1] = 0x6c62272e07bb0142;
	for (size_t i = 0; i < len; i++) {
		ret[0] = (ret[0] ^ p[i]) * 0x100000001b3;
		ret[1] = (ret[1] ^ p[i]) * 0x100000001b3;
	}
}

static void name_file(const char *key, size_t len, char ret[HASH_DIGITS + 1])
{
	uint64_t h[2];

	hash(key, len, h);
	snprintf(ret, HASH_DIGITS + 1, "%016llx%016llx", (unsigned long long)h[0],
		 (unsigned long long)h[1]);
}

/* Nobody but this user can have written it. */
static bool is_ours(int fd, mode_t type, struct stat *ret)
{
	return fstat(fd, ret) == 0 && (ret->st_mode & S_IFMT) == type &&
	       ret->st_uid == geteuid() && (ret->st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

static int check(const char *data, size_t size, const char *key, size_t len,
		 size_t *ret_n)
{
	struct trailer t;
	uint64_t sum[2];
	size_t bytes;

	if (size < len + sizeof t || memcmp(data, key, len) != 0)
		return -EBADMSG;
	bytes = size - len - sizeof t;
	memcpy(&t, data + size - sizeof t, sizeof t);
	if (t.n == 0 || t.n > BPF_MAXINSNS || bytes != t.n * sizeof(struct sock_filter))
		return -EBADMSG;
	hash(data + len, bytes, sum);
	if (memcmp(sum, t.sum, sizeof sum) != 0)
		return -EBADMSG;
	*ret_n = (size_t)t.n;
	return 0;
}

int seccomp_cache_load(int dirfd, const char *key, size_t len, struct sock_filter **ret,
		       unsigned short *ret_n)
{
	const size_t max = len + BPF_MAXINSNS * sizeof **ret + sizeof(struct trailer);
	cleanup_free struct sock_filter *program = NULL;
	cleanup_free char *data = NULL;
	cleanup_close int fd = -1;
	char name[HASH_DIGITS + 1];
	struct stat st;
	size_t size, n;
	int r;

	if (!is_ours(dirfd, S_IFDIR, &st))
		return -EPERM;
	name_file(key, len, name);
	/* O_NONBLOCK: a fifo is no file of ours, and must not hold us up. */
	fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (!is_ours(fd, S_IFREG, &st))
		return -EPERM;
	if ((uint64_t)st.st_size > max)
		return -EBADMSG;
	r = io_read_fd(fd, max, &data, &size);
	if (r >= 0)
		r = check(data, size, key, len, &n);
	if (r < 0)
		return r;
	program = malloc(n * sizeof *program);
	if (!program)
		return -ENOMEM;
	memcpy(program, data + len, n * sizeof *program);
	if (time(NULL) - st.st_mtime > TOUCH_AFTER)
		futimens(fd, NULL);
	*ret = steal_ptr(&program);
	*ret_n = (unsigned short)n;
	return 0;
}

struct entry {
	char name[64];
	struct timespec used;
};

static int older(const void *a, const void *b)
{
	const struct timespec *x = &((const struct entry *)a)->used;
	const struct timespec *y = &((const struct entry *)b)->used;

	if (x->tv_sec != y->tv_sec)
		return x->tv_sec < y->tv_sec ? -1 : 1;
	return (x->tv_nsec > y->tv_nsec) - (x->tv_nsec < y->tv_nsec);
}

/* Our files, and those that a killed writer left: HASH and HASH.RANDOM. */
static bool is_entry(const char *name)
{
	size_t n = strspn(name, "0123456789abcdef");

	return n == HASH_DIGITS && (name[n] == '\0' || name[n] == '.') &&
	       strlen(name) < sizeof((struct entry *)0)->name;
}

static int list(int dirfd, DIR *dir, const char *except, struct entry **ret,
		size_t *ret_n)
{
	cleanup_free struct entry *all = NULL;
	struct dirent *e;
	size_t n = 0;

	while ((e = readdir(dir))) {
		struct entry *bigger;
		struct stat st;

		if (!is_entry(e->d_name) || strcmp(e->d_name, except) == 0 ||
		    fstatat(dirfd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		bigger = reallocarray(all, n + 1, sizeof *all);
		if (!bigger)
			return -ENOMEM;
		all = bigger;
		all[n].used = st.st_mtim;
		memcpy(all[n++].name, e->d_name, strlen(e->d_name) + 1);
	}
	*ret = steal_ptr(&all);
	*ret_n = n;
	return 0;
}

/* @written stays, though a coarse clock may give it the age of others. */
static void prune(int dirfd, const char *written)
{
	cleanup_free struct entry *all = NULL;
	int copy = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	size_t n = 0;

	if (!dir) {
		fd_close(copy);
		return;
	}
	if (list(dirfd, dir, written, &all, &n) >= 0 && n >= SECCOMP_CACHE_FILES) {
		qsort(all, n, sizeof *all, older);
		for (size_t i = 0; i < n - (SECCOMP_CACHE_FILES - 1); i++)
			unlinkat(dirfd, all[i].name, 0);
	}
	closedir(dir);
}

static int write_file(int dirfd, const char *name, const char *key, size_t len,
		      const struct sock_filter *f, unsigned short n)
{
	cleanup_close int fd = openat(dirfd, name,
				      O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	struct trailer t = {.n = n};
	int r;

	if (fd < 0)
		return -errno;
	hash(f, n * sizeof *f, t.sum);
	r = io_write_all(fd, key, len);
	if (r >= 0)
		r = io_write_all(fd, f, n * sizeof *f);
	return r < 0 ? r : io_write_all(fd, &t, sizeof t);
}

int seccomp_cache_store(int dirfd, const char *key, size_t len,
			const struct sock_filter *f, unsigned short n)
{
	char name[HASH_DIGITS + 1], temp[HASH_DIGITS + 18];
	uint64_t random = 0;
	struct stat st;
	int r;

	if (!is_ours(dirfd, S_IFDIR, &st))
		return -EPERM;
	name_file(key, len, name);
	if (getrandom(&random, sizeof random, GRND_NONBLOCK) < 0)
		random = (uint64_t)getpid();
	snprintf(temp, sizeof temp, "%s.%016llx", name, (unsigned long long)random);
	r = write_file(dirfd, temp, key, len, f, n);
	if (r >= 0 && renameat(dirfd, temp, dirfd, name) < 0)
		r = -errno;
	if (r < 0 && r != -EEXIST)
		unlinkat(dirfd, temp, 0);
	prune(dirfd, name);
	return r;
}
