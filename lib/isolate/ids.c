/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ids.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "../base/fd.h"
#include "../base/io.h"
#include "../base/str.h"

#define POOL_FIRST 0x70000000ULL
#define MAX_OWNERS (1UL << 20)
#define POOL_END 0x7FFD0000ULL
#define HELPERS_FIRST POOL_END /* 65536 more, one for each range of the pool */
#define RANGE_MIN 65536

struct range {
	uint64_t first, end;
};

struct ranges {
	struct range *v;
	size_t n;
};

static void ranges_done(struct ranges *r)
{
	free(r->v);
}

static int ranges_add(struct ranges *r, uint64_t first, uint64_t count)
{
	struct range *bigger = reallocarray(r->v, r->n + 1, sizeof *bigger);

	if (!bigger)
		return -ENOMEM;
	r->v = bigger;
	r->v[r->n++] = (struct range){first, first + count};
	return 0;
}

static const struct range *overlapping(const struct ranges *r, uint64_t first, uint64_t end)
{
	for (size_t i = 0; i < r->n; i++)
		if (first < r->v[i].end && r->v[i].first < end)
			return &r->v[i];
	return NULL;
}

/* "name:first:count" lines: ours into *own, everybody else's into *others. */
static int read_subids(const char *path, struct ranges *own, struct ranges *others)
{
	cleanup_free char *text = NULL;
	char *save = NULL;
	int r = io_read_file_at(AT_FDCWD, path, 1 << 20, &text, NULL);

	if (r == -ENOENT)
		return 0;
	for (char *line = r < 0 ? NULL : strtok_r(text, "\n", &save); line && r >= 0;
	     line = strtok_r(NULL, "\n", &save)) {
		unsigned long long first, count;
		char name[64];

		if (sscanf(line, "%63[^:]:%llu:%llu", name, &first, &count) != 3)
			continue;
		r = ranges_add(strcmp(name, "cisandbox") == 0 ? own : others, first, count);
	}
	return r;
}

/* Ranges lent out; a name that is not of our form is not ours. */
static int read_lent(int dirfd, struct ranges *lent)
{
	int r = 0, copy = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *e;

	if (!dir)
		return -errno;
	while (r >= 0 && (e = readdir(dir))) {
		unsigned long long base, count;

		if (sscanf(e->d_name, "%llu+%llu", &base, &count) == 2)
			r = ranges_add(lent, base, count);
	}
	closedir(dir);
	return r;
}

/* The first gap of @count ids in @pool that nothing in @taken touches. */
static int find_gap(const struct range *pool, const struct ranges *taken, uint64_t count,
		    uint64_t *ret)
{
	uint64_t at = pool->first;

	while (at + count <= pool->end) {
		const struct range *t = overlapping(taken, at, at + count);

		if (!t) {
			*ret = at;
			return 0;
		}
		at = t->end;
	}
	return -ENOSPC;
}

/* Whole or not at all: whoever is killed leaves no range without an owner. Under the lock. */
static int write_owners(int dirfd, const char *name, const char *owners)
{
	cleanup_close int fd =
		openat(dirfd, ".new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int r = fd < 0 ? -errno : io_write_all(fd, owners, strlen(owners));

	if (r >= 0 && renameat(dirfd, ".new", dirfd, name) < 0)
		r = -errno;
	return r;
}

static int lend(int dirfd, const char *sandbox_id, uint64_t base, uint64_t count)
{
	char name[64];

	snprintf(name, sizeof name, "%llu+%llu", (unsigned long long)base,
		 (unsigned long long)count);
	return write_owners(dirfd, name, sandbox_id);
}

static int pick(int dirfd, uint32_t count, struct range *pool, uint64_t *ret)
{
	cleanup(ranges_done) struct ranges own = {0}, taken = {0};
	int r = read_subids("/etc/subuid", &own, &taken);

	if (r >= 0)
		r = read_subids("/etc/subgid", &own, &taken);
	if (r >= 0)
		r = read_lent(dirfd, &taken);
	if (r < 0)
		return r;
	*pool = own.n ? own.v[0] : (struct range){POOL_FIRST, POOL_END};
	return find_gap(pool, &taken, count, ret);
}

int ids_check_not_ours(uint64_t base, uint64_t count, struct cis_error *err)
{
	cleanup(ranges_done) struct ranges own = {0}, others = {0};
	const struct range *hit;
	int r = read_subids("/etc/subuid", &own, &others);

	if (r >= 0)
		r = read_subids("/etc/subgid", &own, &others);
	if (r >= 0 && !own.n)
		r = ranges_add(&own, POOL_FIRST, HELPERS_FIRST + 65536 - POOL_FIRST);
	if (r < 0)
		return cis_fail(err, -r, "ids: read /etc/subuid and /etc/subgid");
	hit = overlapping(&own, base, base + count);
	if (!hit)
		return 0;
	return cis_fail_plain(err, EBUSY,
			      "ids %llu to %llu: those from %llu to %llu are lent to sandboxes",
			      (unsigned long long)base, (unsigned long long)(base + count - 1),
			      (unsigned long long)hit->first, (unsigned long long)(hit->end - 1));
}

int ids_alloc(int dirfd, const char *sandbox_id, uint32_t count, uint32_t *ret_base,
	      struct cis_error *err)
{
	cleanup_close int lock = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct range pool = {0};
	uint64_t base;
	int r;

	if (lock < 0 || flock(lock, LOCK_EX) < 0)
		return cis_fail(err, errno, "ids: lock the table of id ranges");
	r = pick(dirfd, count, &pool, &base);
	if (r == -ENOSPC) {
		cis_fail_plain(err, ENOSPC,
			       "ids: no free range of %u ids among %llu-%llu", count,
			       (unsigned long long)pool.first,
			       (unsigned long long)pool.end - 1);
		return cis_hint(err, "end other sandboxes, ask for fewer ids, or give the "
				     "name \"cisandbox\" a larger range in /etc/subuid "
				     "and /etc/subgid");
	}
	if (r >= 0)
		r = lend(dirfd, sandbox_id, base, count);
	if (r < 0)
		return cis_fail(err, -r, "ids: take a range of %u ids", count);
	*ret_base = (uint32_t)base;
	return 0;
}

bool ids_are_lent(int dirfd, uint32_t base, uint32_t count)
{
	char name[64];

	snprintf(name, sizeof name, "%u+%u", base, count);
	return faccessat(dirfd, name, F_OK, 0) == 0;
}

int ids_share(int dirfd, const char *sandbox_id, uint32_t base, uint32_t count,
	      struct cis_error *err)
{
	cleanup_close int lock = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_free char *before = NULL, *owners = NULL;
	char name[64];
	int r;

	if (lock < 0 || flock(lock, LOCK_EX) < 0)
		return cis_fail(err, errno, "ids: lock the table of id ranges");
	snprintf(name, sizeof name, "%u+%u", base, count);
	r = io_read_file_at(dirfd, name, MAX_OWNERS, &before, NULL);
	if (r >= 0)
		r = str_format(&owners, "%s\n%s", before, sandbox_id);
	if (r >= 0)
		r = write_owners(dirfd, name, owners);
	return r < 0 ? cis_fail(err, -r, "ids: share the range of %u ids from %u", count, base)
		     : 0;
}

/* What is left of @owners, a line each, without @sandbox_id. False: it was not there. */
static bool strike_out(char *owners, const char *sandbox_id)
{
	size_t n = strlen(sandbox_id);
	bool found = false;

	for (char *line = owners; line;) {
		char *next = strchr(line, '\n');
		size_t len = next ? (size_t)(next - line) : strlen(line);

		if (len != n || strncmp(line, sandbox_id, n) != 0) {
			line = next ? next + 1 : NULL;
			continue;
		}
		found = true;
		if (next)
			memmove(line, next + 1, strlen(next + 1) + 1);
		else
			line[line > owners ? -1 : 0] = '\0';
		line = next ? line : NULL;
	}
	return found;
}

static void give_back(int dirfd, const char *name, const char *sandbox_id)
{
	cleanup_free char *owners = NULL;

	if (io_read_file_at(dirfd, name, MAX_OWNERS, &owners, NULL) < 0 ||
	    !strike_out(owners, sandbox_id))
		return;
	if (!*owners) {
		unlinkat(dirfd, name, 0);
		return;
	}
	write_owners(dirfd, name, owners);
}

uint32_t ids_of_helper(uint32_t base, uint32_t count)
{
	/* Root of a user namespace: that of the user's which is in no sandbox (rootless.c). */
	if (base == 0)
		return count;
	if (base < POOL_FIRST || base >= POOL_END)
		return base + count - 1;
	return (uint32_t)(HELPERS_FIRST + (base - POOL_FIRST) / RANGE_MIN);
}

void ids_release(int dirfd, const char *sandbox_id)
{
	int copy = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *e;

	if (dir)
		flock(copy, LOCK_EX);
	while (dir && (e = readdir(dir)))
		if (strchr(e->d_name, '+'))
			give_back(dirfd, e->d_name, sandbox_id);
	if (dir)
		closedir(dir);
}
