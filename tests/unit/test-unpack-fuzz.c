/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cisandbox-unpack with archives that are nearly right, the same in each run: tars made by
 * libarchive and by GNU tar, their blocks changed (and their sums set right again, or nothing
 * of it would be looked at), then compressed, then changed again. Each is unpacked in a process
 * of its own. What must hold: it ends by itself, with a reason or with a tree that is as its
 * listing says; and nothing is read out of bounds, in a build with sanitizers.
 * CIS_FUZZ_ROUNDS makes it longer, CIS_FUZZ_SEED another.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#undef fail

#include "../../unpack/unpack.h"
#include "base/io.h"
#include "image/tree.h"

#define ROUNDS 600
#define SEEDS_MAX 16
#define SIZE_MAX_OF_SEED (1 << 20)

/* What a child ends with. A sanitizer's own is none of these. */
enum { ENDS_WELL = 0, ENDS_REFUSING = 3, ENDS_DIFFERING = 4 };

const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "exitcode=99:detect_leaks=0";
}

const char *__ubsan_default_options(void);
const char *__ubsan_default_options(void)
{
	return "halt_on_error=1:exitcode=99:print_stacktrace=1";
}

/* ---- what main.c has of the program -------------------------------------------------- */

static bool compares;

void report(char key, const char *fmt, ...)
{
	(void)key;
	(void)fmt;
}

_Noreturn void fail(int errnum, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	if (errnum <= 0 || errnum > 4095 || !*text)
		_exit(ENDS_DIFFERING);
	if (getenv("CIS_FUZZ_TELL"))
		fprintf(stderr, "%s\n", text);
	_exit(compares ? ENDS_DIFFERING : ENDS_REFUSING);
}

_Noreturn void fail_errno(int errnum, const char *fmt, ...)
{
	(void)fmt;
	fail(errnum ? errnum : EIO, "%s", strerror(errnum));
}

/* ---- bytes to begin with ---------------------------------------------------------------- */

struct bytes {
	unsigned char *at;
	size_t n;
};

static struct bytes seeds[SEEDS_MAX];
static size_t n_seeds;

static void add_seed(unsigned char *at, size_t n)
{
	assert_true(n_seeds < SEEDS_MAX && n > 0 && n < SIZE_MAX_OF_SEED);
	seeds[n_seeds++] = (struct bytes){at, n};
}

static void add_entry(struct archive *a, const char *name, unsigned int type, const char *link,
		      const char *content)
{
	struct archive_entry *e = archive_entry_new();

	archive_entry_set_pathname(e, name);
	archive_entry_set_filetype(e, type);
	archive_entry_set_perm(e, type == AE_IFDIR ? 0755 : 0644);
	archive_entry_set_mtime(e, 1000000000, 123456789);
	archive_entry_set_uid(e, 1000);
	if (type == AE_IFLNK)
		archive_entry_set_symlink(e, link);
	else if (link)
		archive_entry_set_hardlink(e, link);
	if (content && !link) {
		archive_entry_set_size(e, (la_int64_t)strlen(content));
		archive_entry_xattr_add_entry(e, "user.kept", "yes", 3);
		archive_entry_xattr_add_entry(e, "trusted.not", "no", 2);
	}
	if (archive_write_header(a, e) == ARCHIVE_OK && content && !link)
		archive_write_data(a, content, strlen(content));
	archive_entry_free(e);
}

static void add_by_libarchive(int format)
{
	unsigned char *at = malloc(SIZE_MAX_OF_SEED);
	struct archive *a = archive_write_new();
	char longest[400];
	size_t n = 0;

	memset(longest, 'l', sizeof longest - 1);
	longest[sizeof longest - 1] = '\0';
	longest[200] = '/';
	assert_non_null(at);
	assert_int_equal(archive_write_set_format(a, format), ARCHIVE_OK);
	assert_int_equal(archive_write_open_memory(a, at, SIZE_MAX_OF_SEED, &n), ARCHIVE_OK);
	add_entry(a, "./", AE_IFDIR, NULL, NULL);
	add_entry(a, "etc/", AE_IFDIR, NULL, NULL);
	add_entry(a, "etc/passwd", AE_IFREG, NULL, "root:x:0:0::/:/bin/sh\n");
	add_entry(a, "etc/link", AE_IFLNK, "../../passwd", NULL);
	add_entry(a, "etc/hard", AE_IFREG, "etc/passwd", NULL);
	add_entry(a, "etc/below", AE_IFREG, "not/here", NULL);
	add_entry(a, "implied/deep/file", AE_IFREG, NULL, "x");
	add_entry(a, "etc/.wh.gone", AE_IFREG, NULL, NULL);
	add_entry(a, "implied/.wh..wh..opq", AE_IFREG, NULL, NULL);
	add_entry(a, "dev/null", AE_IFCHR, NULL, NULL);
	add_entry(a, "dev/fifo", AE_IFIFO, NULL, NULL);
	add_entry(a, "etc/passwd", AE_IFREG, NULL, "twice\n");
	add_entry(a, "gone", AE_IFDIR, NULL, NULL);
	add_entry(a, longest, AE_IFREG, NULL, "long");
	add_entry(a, "n\xc3\xbc", AE_IFREG, NULL, "n");
	assert_int_equal(archive_write_free(a), ARCHIVE_OK);
	add_seed(at, n);
}

/* Sparse files, which only GNU tar writes in its three ways; and names that are no text. */
static void add_by_tar(const char *how)
{
	unsigned char *at = malloc(SIZE_MAX_OF_SEED);
	char command[512];
	FILE *tar;
	size_t n;

	snprintf(command, sizeof command,
		 "cd tree && LC_ALL=C tar -c -S %s --sort=name --mtime=@1 .", how);
	tar = popen(command, "r");
	assert_non_null(tar);
	assert_non_null(at);
	n = fread(at, 1, SIZE_MAX_OF_SEED, tar);
	assert_int_equal(pclose(tar), 0);
	add_seed(at, n);
}

static void make_seeds(void)
{
	assert_int_equal(system("mkdir -p tree/a/b && cd tree && truncate -s 1M a/sparse && "
				"printf x | dd of=a/sparse bs=1 seek=500000 conv=notrunc status=none && "
				"truncate -s 64K a/hole && ln a/sparse a/b/hard && ln -s a b-link && "
				"printf raw >\"$(printf 'a/r\\377w')\" && mkfifo fifo"),
			 0);
	add_by_libarchive(ARCHIVE_FORMAT_TAR_PAX_INTERCHANGE);
	add_by_libarchive(ARCHIVE_FORMAT_TAR_USTAR);
	add_by_libarchive(ARCHIVE_FORMAT_TAR_GNUTAR);
	add_by_tar("--format=gnu");
	add_by_tar("--format=posix --sparse-version=0.0");
	add_by_tar("--format=posix --sparse-version=0.1");
	add_by_tar("--format=posix --sparse-version=1.0");
	add_by_tar("--format=oldgnu");
}

/* ---- and what is done to them ----------------------------------------------------------- */

static uint64_t random_state;

static size_t below(size_t n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return n ? (size_t)(random_state >> 11) % n : 0;
}

static void set_sum(unsigned char *block)
{
	unsigned int sum = 0;

	memset(block + 148, ' ', 8);
	for (int i = 0; i < 512; i++)
		sum += block[i];
	snprintf((char *)block + 148, 8, "%06o", sum & 0777777);
}

static void change_header(unsigned char *block)
{
	/* Name, mode, owners, size, time, type, link, magic, and what GNU tar and ustar add. */
	static const struct {
		unsigned short at, n;
	} fields[] = {{0, 100}, {100, 8},  {108, 8}, {116, 8},	{124, 12}, {136, 12}, {156, 1},
		      {157, 100}, {257, 8}, {329, 8}, {345, 155}, {386, 96}, {482, 1}, {483, 12}};
	static const char types[] = "01234567xgLKSVMDA";
	static const char *const names[] = {"..", "/", "a/../..", ".wh.", ".wh..", ".wh..wh..opq",
					    "etc/.wh.passwd", "", ".", "etc/passwd/x"};
	static const char *const numbers[] = {"00000000000", "77777777777", "\x80\0\0\0\0\0\0\0\0\0\x01",
					      "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
					      "           ", "-0000000001", "00000002000"};
	size_t f = below(ARRAY_SIZE(fields));
	unsigned char *at = block + fields[f].at;

	if (fields[f].n == 1 && f == 6)
		*at = (unsigned char)types[below(sizeof types - 1)];
	else if (fields[f].n >= 100 && below(2))
		snprintf((char *)at, fields[f].n, "%s", names[below(ARRAY_SIZE(names))]);
	else if (fields[f].n == 12 && below(2))
		memcpy(at, numbers[below(ARRAY_SIZE(numbers))], 11);
	else
		at[below(fields[f].n)] = (unsigned char)below(256);
	if (below(16))
		set_sum(block);
}

static void change_bytes(unsigned char *at, size_t n)
{
	static const char words[] = "0\n=/.9 :\xff\0" "A";

	for (size_t i = below(4) + 1; i > 0 && n > 0; i--) {
		unsigned char *p = at + below(n);

		*p = below(2) ? (unsigned char)words[below(sizeof words - 1)]
			      : (unsigned char)(*p ^ 1 << below(8));
	}
}

/* Blocks of 512 are what a tar is made of: changed, left out, doubled, swapped, cut. */
static void change_tar(struct bytes *b)
{
	for (size_t i = below(3) + 1; i > 0 && b->n >= 1024; i--) {
		size_t blocks = b->n / 512, to = below(blocks), from = below(blocks);

		switch (below(8)) {
		case 0:
			memmove(b->at + to * 512, b->at + to * 512 + 512, b->n - to * 512 - 512);
			b->n -= 512;
			break;
		case 1:
			memcpy(b->at + to * 512, b->at + (from == to ? 0 : from) * 512,
			       to ? 512 : 0);
			break;
		case 2:
			b->n = below(10) ? b->n : below(b->n) + 1;
			break;
		case 3:
			change_bytes(b->at + to * 512, 512);
			break;
		default: /* a block that is a header, if one is found soon */
			for (size_t k = 0; k < 64 && memcmp(b->at + to * 512 + 257, "ustar", 5); k++)
				to = below(blocks);
			change_header(b->at + to * 512);
		}
	}
}

static void compress_it(struct bytes *b)
{
	static const int filters[] = {ARCHIVE_FILTER_GZIP, ARCHIVE_FILTER_ZSTD, ARCHIVE_FILTER_XZ,
				      ARCHIVE_FILTER_BZIP2};
	unsigned char *at = malloc(2 * SIZE_MAX_OF_SEED);
	struct archive *a = archive_write_new();
	struct archive_entry *e = archive_entry_new();
	size_t n = 0;

	archive_write_set_format_raw(a);
	archive_write_add_filter(a, filters[below(10) < 8 ? below(2) : below(4)]);
	assert_int_equal(archive_write_open_memory(a, at, 2 * SIZE_MAX_OF_SEED, &n), ARCHIVE_OK);
	archive_entry_set_filetype(e, AE_IFREG);
	assert_int_equal(archive_write_header(a, e), ARCHIVE_OK);
	assert_int_equal(archive_write_data(a, b->at, b->n), (la_ssize_t)b->n);
	archive_entry_free(e);
	assert_int_equal(archive_write_free(a), ARCHIVE_OK);
	free(b->at);
	*b = (struct bytes){at, n};
}

static struct bytes next_input(void)
{
	const struct bytes *seed = &seeds[below(n_seeds)];
	struct bytes b = {malloc(seed->n), seed->n};

	assert_non_null(b.at);
	memcpy(b.at, seed->at, seed->n);
	if (below(8))
		change_tar(&b);
	if (below(3) == 0) {
		compress_it(&b);
		if (below(2))
			change_bytes(b.at, below(2) ? b.n : MIN(b.n, (size_t)64));
	}
	return b;
}

/* ---- one of them ------------------------------------------------------------------------- */

static int memory(const char *name)
{
	int fd = memfd_create(name, 0);

	assert_true(fd >= 0);
	return fd;
}

static void put_at(int fd, int number)
{
	if (dup2(fd, number) < 0)
		_exit(98);
}

static struct stream stream;

static _Noreturn void be_unpacker(int in, int listing, bool is_layer)
{
	int plain = memory("plain"), root = open("root", O_RDONLY | O_DIRECTORY);
	int go = open("/dev/zero", O_RDONLY);

	/* Out of the way of the numbers that are given. */
	in = fcntl(in, F_DUPFD, 20);
	plain = fcntl(plain, F_DUPFD, 20);
	listing = fcntl(listing, F_DUPFD, 20);
	root = fcntl(root, F_DUPFD, 20);
	go = fcntl(go, F_DUPFD, 20);
	put_at(root, WIRE_ROOT);
	put_at(listing, WIRE_LISTING);
	put_at(go, WIRE_GO);
	alarm(60);
	umask(0);
	if (fchdir(WIRE_ROOT) < 0 || chroot(".") < 0)
		_exit(98);
	plain_pass(in, plain);
	lseek(plain, 0, SEEK_SET);
	stream_open(&stream, plain, is_layer);
	entries_take(&stream, is_layer);
	stream_finish(&stream);
	compares = true; /* from here nothing may go wrong */
	listing_write(WIRE_LISTING);
	lseek(WIRE_LISTING, 0, SEEK_SET);
	listing_compare(WIRE_LISTING);
	_exit(ENDS_WELL);
}

static int unpack_one(const struct bytes *b, bool is_layer)
{
	int in = memory("in"), listing = memory("listing"), status;
	pid_t pid;

	assert_int_equal(io_write_all(in, b->at, b->n), 0);
	lseek(in, 0, SEEK_SET);
	assert_int_equal(mkdir("root", 0755), 0);
	fflush(NULL);
	pid = fork();
	if (pid == 0)
		be_unpacker(in, listing, is_layer);
	assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
	assert_int_equal(tree_remove(AT_FDCWD, "root"), 0);
	close(in);
	close(listing);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

/* What failed, for who wants to see it again. */
static void keep(const struct bytes *b, size_t round)
{
	char name[64];
	int fd;

	snprintf(name, sizeof name, "/tmp/unpack-fuzz-%zu", round);
	fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || io_write_all(fd, b->at, b->n) < 0)
		print_message("cannot write %s\n", name);
	close(fd);
}

static size_t number_of(const char *variable, size_t otherwise)
{
	const char *text = getenv(variable);

	return text ? (size_t)strtoul(text, NULL, 10) : otherwise;
}

static void test_mutated(void **state)
{
	size_t rounds = number_of("CIS_FUZZ_ROUNDS", ROUNDS), taken = 0;

	(void)state;
	if (geteuid() != 0)
		skip();
	random_state = 88172645463325252ULL ^ number_of("CIS_FUZZ_SEED", 0) << 20;
	for (size_t i = 0; i < rounds; i++) {
		struct bytes b = next_input();
		int end = unpack_one(&b, i % 4 != 0);

		if (end != ENDS_WELL && end != ENDS_REFUSING) {
			keep(&b, i);
			print_error("round %zu ended with %d: /tmp/unpack-fuzz-%zu\n", i, end, i);
			assert_int_equal(end, ENDS_WELL);
		}
		taken += end == ENDS_WELL;
		free(b.at);
	}
	/* Or it looks at nothing. */
	assert_in_range(taken, rounds / 20, rounds * 19 / 20);
	print_message("%zu of %zu taken\n", taken, rounds);
}

static void test_seeds(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	for (size_t i = 0; i < n_seeds; i++)
		assert_int_equal(unpack_one(&seeds[i], true), ENDS_WELL);
}

/* On a tmpfs of its own, which is gone with the process. */
static int set_up(void **state)
{
	(void)state;
	if (geteuid() != 0)
		return 0;
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", "/mnt", "tmpfs", 0, "size=512m,mode=755") < 0 || chdir("/mnt") < 0)
		return -1;
	hash_load();
	make_seeds();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_seeds),
		cmocka_unit_test(test_mutated),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
