/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The archive that seeds keep engines' books in: what is written is what is unpacked; and what is
 * nearly right is refused, or makes nothing but files, directories and links in the one directory
 * that is its place. The same in each run; CIS_FUZZ_ROUNDS makes it longer, CIS_FUZZ_SEED another.
 */
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/io.h"
#include "image/tree.h"
#include "volumes/seed.h"

#define ROUNDS 1000
#define ROOM 65536

static char place[] = "/tmp/cisandbox-test-seed-fuzz-XXXXXX";
static int dir; /* in it "scratch", where archives are unpacked, and "out", where links lead */

static void put(const char *name, const char *bytes, size_t n)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(io_write_all(fd, bytes, n), 0);
	close(fd);
}

/* ---- archives ------------------------------------------------------------------------------ */

struct archive {
	size_t n;
	char bytes[ROOM];
};

static void pad(struct archive *a)
{
	while (a->n % 4)
		a->bytes[a->n++] = '\0';
}

static void add_bytes(struct archive *a, unsigned int mode, const char *name, size_t name_size,
		      const char *data, size_t size, size_t said)
{
	assert_true(a->n + 128 + name_size + size < ROOM);
	a->n += (size_t)sprintf(a->bytes + a->n,
				"070701%08x%08x%08x%08x%08x%08x%08zx%08x%08x%08x%08x%08zx%08x", 0,
				mode, 0, 0, 1, 0, said, 0, 0, 0, 0, name_size, 0);
	memcpy(a->bytes + a->n, name, name_size);
	a->n += name_size;
	pad(a);
	memcpy(a->bytes + a->n, data, size);
	a->n += size;
	pad(a);
}

static void add(struct archive *a, unsigned int mode, const char *name, const char *data)
{
	add_bytes(a, mode, name, strlen(name) + 1, data, strlen(data), strlen(data));
}

static void end(struct archive *a)
{
	add(a, 0, "TRAILER!!!", "");
}

static void add_usual(struct archive *a)
{
	add(a, S_IFDIR | 0711, "image", "");
	add(a, S_IFREG | 0600, "image/repositories.json", "{\"Repositories\":{}}");
	add(a, S_IFDIR | 0755, "image/deep", "");
	add(a, S_IFDIR | 0700, "image/deep/er", "");
	add(a, S_IFREG | 0644, "image/deep/er/file", "");
	add(a, S_IFDIR | 0755, "overlay2", "");
	add(a, S_IFLNK | 0777, "overlay2/link", "../image/deep");
	add(a, S_IFREG | 0640, "overlay2/after", "1234567");
}

/* Whatever a program of ours did wrong would be a file there. */
static int n_out(void)
{
	cleanup_close int fd = openat(dir, "out", O_RDONLY | O_DIRECTORY);
	cleanup(dir_closep) DIR *list = tree_list(fd);
	int n = 0;

	assert_non_null(list);
	while (readdir(list))
		n++;
	return n;
}

static bool odd;
static int look(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)path;
	(void)type;
	(void)at;
	odd = odd || !(S_ISREG(st->st_mode) || S_ISDIR(st->st_mode) || S_ISLNK(st->st_mode)) ||
	      st->st_mode & (S_ISUID | S_ISGID) || st->st_uid != getuid();
	return 0;
}

/* What must hold of any archive. */
static int unpack_file(void)
{
	struct cis_error err = {0};
	char path[64];
	int r, scratch, before = n_out();

	tree_remove(dir, "scratch");
	assert_int_equal(mkdirat(dir, "scratch", 0700), 0);
	scratch = tree_open_dir(dir, "scratch");
	assert_true(scratch >= 0);
	r = seed_index_unpack(dir, "archive", scratch, "dirs/1", 0, &err);
	close(scratch);
	assert_true(r <= 0 && r > -4096);
	assert_true(r == 0 || *err.message);
	assert_int_equal(n_out(), before);
	snprintf(path, sizeof path, "%s/scratch", place);
	odd = false;
	nftw(path, look, 16, FTW_PHYS);
	assert_false(odd);
	return r;
}

static int unpack(const struct archive *a)
{
	put("archive", a->bytes, a->n);
	return unpack_file();
}

/* ---- what it is for ------------------------------------------------------------------------- */

static void check_file(const char *path, const char *want, mode_t mode)
{
	cleanup_free char *text = NULL;
	struct stat st;

	assert_int_equal(fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(st.st_mode & 07777, mode);
	if (!want)
		return;
	assert_int_equal(io_read_file_at(dir, path, ROOM, &text, NULL), 0);
	assert_string_equal(text, want);
}

static void check_usual(void)
{
	char target[64] = "";

	check_file("scratch/dirs/1/image", NULL, 0711);
	check_file("scratch/dirs/1/image/repositories.json", "{\"Repositories\":{}}", 0600);
	check_file("scratch/dirs/1/image/deep/er", NULL, 0700);
	check_file("scratch/dirs/1/image/deep/er/file", "", 0644);
	check_file("scratch/dirs/1/overlay2/after", "1234567", 0640);
	assert_true(readlinkat(dir, "scratch/dirs/1/overlay2/link", target, sizeof target) > 0);
	assert_string_equal(target, "../image/deep");
}

static void test_usual(void **state)
{
	struct seed_room room = {100, ROOM};
	struct cis_error err = {0};
	struct archive a = {0};
	int from;

	(void)state;
	add_usual(&a);
	end(&a);
	assert_int_equal(unpack(&a), 0);
	check_usual();
	/* And what we make of that ourselves. */
	from = openat(dir, "scratch/dirs/1", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(from >= 0);
	unlinkat(dir, "archive", 0);
	assert_int_equal(seed_index_write(from, dir, "archive", &room, &err), 0);
	assert_int_equal(room.files, 100 - 8);
	close(from);
	assert_int_equal(unpack_file(), 0);
	check_usual();
}

/* ---- what is none ---------------------------------------------------------------------------- */

static void test_cut(void **state)
{
	struct archive whole = {0}, a;

	(void)state;
	add_usual(&whole);
	end(&whole);
	for (a = whole, a.n = 0; a.n < whole.n - 3; a.n++)
		assert_true(unpack(&a) < 0);
}

static void test_sizes(void **state)
{
	static const size_t sizes[] = {8, 0x7fffffff, 0x80000000, 0xfffffff0, 0xfffffffc, 0xffffffff};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct archive a = {0};

		add_bytes(&a, S_IFREG | 0600, "file", 5, "four", 4, sizes[i]);
		assert_true(unpack(&a) < 0);
		a = (struct archive){0};
		add(&a, S_IFREG | 0600, "file", "four");
		end(&a);
		snprintf(a.bytes + 6 + 8 * 11, 9, "%08zx", sizes[i]); /* of the name */
		a.bytes[6 + 8 * 12] = '0';
		assert_true(unpack(&a) < 0);
	}
}

static void test_names(void **state)
{
	static const char *const names[] = {
		"", "/", "..", ".", "../out/x", "/out/x", "a/../../out/x", "./a", "a/", "a//b", "a/.",
		"a/..", "not/there", "TRAILER!!!/x"};
	static const unsigned int modes[] = {S_IFREG | 0600, S_IFDIR | 0700, S_IFLNK | 0777};
	char longest[5000];

	(void)state;
	memset(longest, 'n', sizeof longest);
	longest[sizeof longest - 1] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(names) * ARRAY_SIZE(modes); i++) {
		struct archive a = {0};

		add(&a, S_IFDIR | 0700, "a", "");
		add(&a, modes[i % ARRAY_SIZE(modes)], names[i / ARRAY_SIZE(modes)], "target");
		end(&a);
		assert_true(unpack(&a) < 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		struct archive a = {0};

		add(&a, modes[i], longest, "target");
		end(&a);
		assert_true(unpack(&a) < 0);
		longest[300] = '\0';
		a = (struct archive){0};
		add_bytes(&a, modes[i], "n\0m", 4, "target", 6, 6);
		end(&a);
		assert_true(unpack(&a) < 0);
	}
}

/* Of what follows the first entry none may be made anywhere. */
static void test_links_out(void **state)
{
	static const unsigned int modes[] = {S_IFREG | 0600, S_IFDIR | 0700, S_IFLNK | 0777};
	char absolute[64];

	(void)state;
	snprintf(absolute, sizeof absolute, "%s/out", place);
	for (size_t i = 0; i < 2 * ARRAY_SIZE(modes); i++) {
		struct archive a = {0};

		add(&a, S_IFLNK | 0777, "link", i % 2 ? absolute : "../../../out");
		add(&a, modes[i / 2], "link/made", "target");
		end(&a);
		assert_true(unpack(&a) < 0);
		/* And with the link itself as what is to be made. */
		a = (struct archive){0};
		add(&a, S_IFLNK | 0777, "link", i % 2 ? "../../../out/new" : "../../../out");
		add(&a, modes[i / 2], "link", "target");
		end(&a);
		assert_true(unpack(&a) < 0);
	}
}

static void test_twice(void **state)
{
	static const unsigned int modes[] = {S_IFREG | 0600, S_IFDIR | 0700, S_IFLNK | 0777};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(modes) * ARRAY_SIZE(modes); i++) {
		struct archive a = {0};

		add(&a, modes[i / ARRAY_SIZE(modes)], "twice", "target");
		add(&a, modes[i % ARRAY_SIZE(modes)], "twice", "target");
		end(&a);
		assert_true(unpack(&a) < 0);
	}
}

static void test_kinds(void **state)
{
	static const unsigned int modes[] = {0, S_IFCHR | 0666, S_IFBLK, S_IFIFO | 0600, S_IFSOCK,
					     S_IFMT};
	struct archive a = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		a = (struct archive){0};
		add(&a, modes[i], "odd", "");
		end(&a);
		assert_true(unpack(&a) < 0);
	}
	/* Set-id bits are no engine's; the file is. */
	a = (struct archive){0};
	add(&a, S_IFREG | 06755, "file", "x");
	end(&a);
	assert_int_equal(unpack(&a), 0);
	check_file("scratch/dirs/1/file", "x", 0755);
}

/* ---- what is nearly right ------------------------------------------------------------------- */

static uint64_t random_state = 88172645463325252ULL;

static size_t below(size_t n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return n ? (size_t)(random_state >> 11) % n : 0;
}

static void change(struct archive *a)
{
	static const char marks[] = "0123456789abcdefABCDEF/.\0\xff";
	size_t at = below(a->n), k;

	switch (below(4)) {
	case 0:
		a->bytes[at] = marks[below(sizeof marks - 1)];
		break;
	case 1:
		a->bytes[at] = (char)(a->bytes[at] ^ 1 << below(8));
		break;
	case 2:
		k = below(MIN(a->n - at, (size_t)200));
		memmove(a->bytes + at, a->bytes + at + k, a->n - at - k);
		a->n -= k;
		break;
	default:
		k = below(MIN(a->n - at, (size_t)200));
		memmove(a->bytes + at + k, a->bytes + at, a->n - at);
		a->n += k;
	}
}

static void test_changed(void **state)
{
	const char *rounds = getenv("CIS_FUZZ_ROUNDS"), *wanted = getenv("CIS_FUZZ_SEED");
	size_t n = rounds ? strtoul(rounds, NULL, 10) : ROUNDS, taken = 0;
	char absolute[64];

	(void)state;
	if (wanted)
		random_state ^= strtoull(wanted, NULL, 10) * 0x9e3779b97f4a7c15ULL;
	snprintf(absolute, sizeof absolute, "%s/out", place);
	for (size_t i = 0; i < n; i++) {
		struct archive a = {0};

		add_usual(&a);
		add(&a, S_IFLNK | 0777, "abs", absolute);
		add(&a, S_IFLNK | 0777, "rel", "../../../out");
		add(&a, S_IFDIR | 0755, "dir", "");
		add(&a, S_IFREG | 0755, "dir/x", "abs");
		end(&a);
		for (size_t k = below(4) + 1; k > 0; k--)
			change(&a);
		taken += unpack(&a) == 0;
	}
	/* Or it is not near enough. */
	assert_true(taken > n / 100);
	assert_true(taken < n);
}

static int set_up(void **state)
{
	(void)state;
	umask(022);
	if (!mkdtemp(place))
		return -1;
	dir = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dir < 0 || mkdirat(dir, "out", 0700) < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
	(void)state;
	close(dir);
	tree_remove(AT_FDCWD, place);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_usual),	  cmocka_unit_test(test_cut),
		cmocka_unit_test(test_sizes),	  cmocka_unit_test(test_names),
		cmocka_unit_test(test_links_out), cmocka_unit_test(test_twice),
		cmocka_unit_test(test_kinds),	  cmocka_unit_test(test_changed),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
