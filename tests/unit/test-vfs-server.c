/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Virtual files: the protocol and its server, and requests that no kernel sends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/macros.h"
#include "vfs.h"
#include "vfs/files.h"
#include "vfs/server.h"
#include "vfs/wire.h"

/* ---- the protocol and the server ------------------------------------------------------------ */

static struct server *server;
static struct vfs_shared *shared;
static struct vfs_sources sources;

static int set_up(void **state)
{
	(void)state;
	server = calloc(1, sizeof *server);
	shared = calloc(1, sizeof *shared);
	vfs_sources_init(&sources);
	shared->facts.cpus = cpus(0, 2);
	memcpy(shared->facts.boot_id, "the-boot-id", 12);
	server_init(server, &sources, shared, 1000);
	return server && shared ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	vfs_sources_done(&sources);
	free(server);
	free(shared);
	return 0;
}

static uint64_t node_of(const char *path)
{
	for (size_t i = 0; i < vfs_n_files; i++)
		if (strcmp(vfs_files[i].path, path) == 0)
			return i + 2;
	fail_msg("no %s", path);
	return 0;
}

/* A request into @buf; its length. */
static size_t request(char *buf, uint32_t opcode, uint64_t node, const void *arg, size_t n,
		      const void *more, size_t n_more)
{
	struct fuse_in_header h = {.opcode = opcode, .nodeid = node, .unique = 42,
				   .len = (uint32_t)(sizeof h + n + n_more)};

	memcpy(buf, &h, sizeof h);
	memcpy(buf + sizeof h, arg, n);
	if (n_more)
		memcpy(buf + sizeof h + n, more, n_more);
	return h.len;
}

static struct wire_answer ask(uint32_t opcode, uint64_t node, const void *arg, size_t n,
			      const void *more, size_t n_more)
{
	_Alignas(16) static char buf[WIRE_REQUEST_SIZE];
	struct wire_request q;
	struct wire_answer a;

	assert_int_equal(wire_parse(buf, request(buf, opcode, node, arg, n, more, n_more), &q), 1);
	assert_int_equal(q.unique, 42);
	server_answer(server, &q, &a);
	return a;
}

static uint64_t open_file(uint64_t node, uint32_t flags, int wanted)
{
	struct fuse_open_in in = {.flags = flags};
	struct wire_answer a = ask(FUSE_OPEN, node, &in, sizeof in, NULL, 0);

	assert_int_equal(a.header.error, wanted);
	return a.open.fh;
}

static struct wire_answer read_file(uint64_t node, uint64_t fh, uint64_t at, uint32_t size)
{
	struct fuse_read_in in = {.fh = fh, .offset = at, .size = size,
				  .read_flags = FUSE_READ_LOCKOWNER};

	return ask(FUSE_READ, node, &in, sizeof in, NULL, 0);
}

/* Bytes taken, or the error. */
static int write_some(uint64_t node, const char *text, uint64_t at, uint32_t flags)
{
	struct fuse_write_in in = {.offset = at, .size = (uint32_t)strlen(text), .flags = flags};
	struct wire_answer a = ask(FUSE_WRITE, node, &in, sizeof in, text, strlen(text));

	return a.header.error ? a.header.error : (int)a.write.size;
}

/* Without an owner of locks, which tells it from a read(2). */
static int read_by_cache(uint64_t node, uint64_t fh)
{
	struct fuse_read_in in = {.fh = fh, .size = 4096};

	return ask(FUSE_READ, node, &in, sizeof in, NULL, 0).header.error;
}

static int write_file(uint64_t node, const char *text, uint64_t at)
{
	return MIN(write_some(node, text, at, 0), 0);
}

static void is_text(const struct wire_answer *a, const char *wanted)
{
	assert_int_equal(a->header.error, 0);
	assert_int_equal(a->len, strlen(wanted));
	assert_memory_equal(a->data ? a->data : "", wanted, a->len);
}

static void test_read(void **state)
{
	uint64_t node = node_of("proc/sys/kernel/random/boot_id"), fh;
	struct wire_answer a;

	(void)state;
	fh = open_file(node, O_RDONLY, 0);
	memcpy(shared->facts.boot_id, "another-one", 12);
	a = read_file(node, fh, 0, 4096); /* made when it was opened */
	is_text(&a, "the-boot-id\n");
	a = read_file(node, fh, 4, 4);
	is_text(&a, "boot");
	a = read_file(node, fh, 12, 4096);
	is_text(&a, "");
	a = read_file(node, fh, 0, 4096); /* from the start again */
	is_text(&a, "another-one\n");
	a = read_file(node, fh, UINT64_MAX, 4096);
	is_text(&a, "");
	assert_int_equal(read_by_cache(node, fh), -EINVAL);
	a = read_file(node, fh, INT64_MAX, UINT32_MAX);
	is_text(&a, "");
	/* A handle of a helper that is dead, or of nobody. */
	a = read_file(node, 0xdeadbeef00ULL, 0, 4096);
	is_text(&a, "another-one\n");
	a = read_file(node_of("proc/diskstats"), fh, 0, 4096);
	is_text(&a, "");
	memcpy(shared->facts.product_uuid, "an-id", 6);
	node = node_of("sys/devices/virtual/dmi/id/product_uuid");
	assert_int_equal(ask(FUSE_GETATTR, node, "", 0, NULL, 0).attr.attr.mode, S_IFREG | 0400);
	a = read_file(node, open_file(node, O_RDONLY, 0), 0, 4096);
	is_text(&a, "an-id\n");
	node = node_of("proc/sys/kernel/random/boot_id");
	assert_int_equal(open_file(node, O_WRONLY, -EACCES), 0);
	assert_int_equal(open_file(node, O_RDWR, -EACCES), 0);
}

static void test_many_open(void **state)
{
	uint64_t node = node_of("proc/sys/kernel/random/boot_id"), fh[2 * SERVER_SLOTS];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(fh); i++)
		fh[i] = open_file(node, O_RDONLY, 0);
	for (size_t i = 0; i < ARRAY_SIZE(fh); i++) {
		struct fuse_release_in in = {.fh = fh[i]};
		struct wire_answer a = read_file(node, fh[i], 0, 4096);

		assert_int_equal(a.len, 12);
		ask(FUSE_RELEASE, node, &in, sizeof in, NULL, 0);
	}
	assert_int_not_equal(open_file(node, O_RDONLY, 0), 0);
}

static void test_write(void **state)
{
	uint64_t node = node_of("proc/sys/vm/overcommit_memory"), fh;
	struct wire_answer a;

	(void)state;
	sources.host[node - 2] = file_of("0\n");
	fh = open_file(node, O_RDWR, 0);
	a = read_file(node, fh, 0, 10);
	is_text(&a, "0\n");
	assert_int_equal(write_file(node, "2\n", 0), 0);
	a = read_file(node, fh, 0, 10);
	is_text(&a, "2\n");
	assert_int_equal(write_file(node, "7\n", 0), -EINVAL);
	assert_int_equal(write_some(node, "2 1\n", 0, 0), 2); /* as much as it takes */
	assert_int_equal(write_some(node, "1\n", 4096, O_APPEND), 2);
	a = read_file(node, fh, 0, 10);
	is_text(&a, "1\n");
	assert_int_equal(write_some(node, "2\n", 0, 0), 2);
	assert_int_equal(write_file(node, "1\n", 5), 0); /* no effect */
	a = read_file(node, fh, 0, 10);
	is_text(&a, "2\n");
	assert_int_equal(write_file(node_of("proc/meminfo"), "2\n", 0), -EACCES);
	/* Written before the first read of that descriptor, by whomever. */
	fh = open_file(node, O_RDWR, 0);
	assert_int_equal(write_file(node, "0\n", 0), 0);
	a = read_file(node, fh, 0, 10);
	is_text(&a, "0\n");
	assert_int_equal(write_file(node, "2\n", 0), 0);
	/* A helper that takes over knows it. */
	memset(server, 0, sizeof *server);
	server_init(server, &sources, shared, 1000);
	a = read_file(node, fh, 0, 10);
	is_text(&a, "2\n");
}

static void test_rest(void **state)
{
	uint64_t meminfo = node_of("proc/meminfo"), sysctl = node_of("proc/sys/kernel/panic");
	struct fuse_setattr_in mode = {.valid = FATTR_MODE}, size = {.valid = FATTR_SIZE};
	struct fuse_init_in init = {.major = 7, .minor = 40, .flags = ~0u};
	struct fuse_read_in list = {.size = 1000};
	struct wire_answer a;

	(void)state;
	assert_int_equal(ask(FUSE_SETATTR, sysctl, &mode, sizeof mode, NULL, 0).header.error, -EPERM);
	assert_int_equal(ask(FUSE_SETATTR, sysctl, &size, sizeof size, NULL, 0).header.error, 0);
	assert_int_equal(ask(FUSE_SETATTR, meminfo, &size, sizeof size, NULL, 0).header.error, -EACCES);
	assert_int_equal(ask(FUSE_LOOKUP, 1, "0", 2, NULL, 0).entry.nodeid, 2);
	assert_int_equal(ask(FUSE_LOOKUP, 1, "9999", 5, NULL, 0).header.error, -ENOENT);
	assert_int_equal(ask(FUSE_LOOKUP, 1, "..", 3, NULL, 0).header.error, -ENOENT);
	assert_int_equal(ask(FUSE_LOOKUP, 1, "", 1, NULL, 0).header.error, -ENOENT);
	assert_int_equal(ask(FUSE_LOOKUP, 2, "0", 2, NULL, 0).header.error, -ENOENT);
	assert_int_equal(ask(FUSE_GETATTR, 2 + vfs_n_files, "", 0, NULL, 0).header.error, -ENOENT);
	assert_int_equal(ask(FUSE_GETATTR, UINT64_MAX, "", 0, NULL, 0).header.error, -ENOENT);
	assert_int_equal(ask(FUSE_POLL, 2, "", 0, NULL, 0).header.error, -ENOSYS);
	assert_int_equal(ask(FUSE_MKDIR, 1, "", 0, NULL, 0).header.error, -EPERM);
	a = ask(FUSE_READDIRPLUS, 1, &list, sizeof list, NULL, 0);
	assert_int_equal(a.len, 6 * 160); /* as many as there is room for */
	list.offset = vfs_n_files - 1;
	assert_int_equal(ask(FUSE_READDIRPLUS, 1, &list, sizeof list, NULL, 0).len, 160);
	list.offset = vfs_n_files;
	assert_int_equal(ask(FUSE_READDIRPLUS, 1, &list, sizeof list, NULL, 0).len, 0);
	list.offset = UINT64_MAX;
	assert_int_equal(ask(FUSE_READDIRPLUS, 1, &list, sizeof list, NULL, 0).len, 0);
	/* All at once; and how long a file is only who asks for it is told. */
	list = (struct fuse_read_in){.size = 16384};
	a = ask(FUSE_READDIRPLUS, 1, &list, sizeof list, NULL, 0);
	assert_int_equal(a.len, vfs_n_files * 160);
	for (size_t i = 0; i < vfs_n_files; i++) {
		const struct fuse_direntplus *d = (const void *)((const char *)a.data + i * 160);

		assert_int_equal(d->entry_out.nodeid, i + 2);
		assert_true(d->entry_out.entry_valid > 0);
		if (vfs_files[i].needs & VFS_LONG)
			assert_int_equal(d->entry_out.attr_valid, 0);
		else
			assert_true(d->entry_out.attr_valid > 0);
	}
	a = ask(FUSE_INIT, 0, &init, sizeof init, NULL, 0);
	assert_int_equal(a.init.major, 7);
	assert_int_equal(a.init.max_write, WIRE_WRITE_MAX);
}

static void test_parse_bad(void **state)
{
	_Alignas(16) char buf[256] = "";
	struct fuse_write_in in = {.size = 100};
	struct wire_request q;
	size_t n = request(buf, FUSE_READ, 2, "", 0, NULL, 0);

	(void)state;
	assert_int_equal(wire_parse(buf, n, &q), -EINVAL); /* no arguments */
	assert_int_equal(wire_parse(buf, n - 1, &q), -EBADMSG);
	assert_int_equal(wire_parse(buf, 0, &q), -EBADMSG);
	assert_int_equal(wire_parse(buf, n + 1, &q), -EBADMSG); /* another length than it says */
	n = request(buf, FUSE_WRITE, 2, &in, sizeof in, "abc", 3);
	assert_int_equal(wire_parse(buf, n, &q), -EINVAL);
	n = request(buf, FUSE_LOOKUP, 1, "abc", 3, NULL, 0);
	assert_int_equal(wire_parse(buf, n, &q), -EINVAL); /* no end */
	n = request(buf, FUSE_LOOKUP, 1, "", 0, NULL, 0);
	assert_int_equal(wire_parse(buf, n, &q), -EINVAL);
	n = request(buf, FUSE_FORGET, 1, "", 0, NULL, 0);
	assert_int_equal(wire_parse(buf, n, &q), 0);
}

/*
 * Requests with bits turned, of exactly their length in memory (the sanitizers of
 * build-dev see what is read beyond): whatever comes is answered within its bounds.
 */
static void test_mutations(void **state)
{
	static const uint32_t opcodes[] = {FUSE_LOOKUP, FUSE_GETATTR, FUSE_SETATTR, FUSE_OPEN,
					   FUSE_READ,   FUSE_WRITE,   FUSE_RELEASE, FUSE_INIT,
					   FUSE_STATFS, FUSE_OPENDIR, FUSE_READDIRPLUS, FUSE_IOCTL};
	const int rounds = 500000;
	unsigned int answered = 0;

	(void)state;
	srandom(1);
	for (int i = 0; i < rounds; i++) {
		size_t n = sizeof(struct fuse_in_header) + (size_t)random() % 160;
		char *buf = malloc(n); /* of exactly so many, for the sanitizer */
		struct fuse_in_header *h = (void *)buf;
		struct wire_request q;
		struct wire_answer a;
		struct iovec iov[2];
		int n_iov, r;

		for (size_t k = 0; k < n; k++)
			buf[k] = random() % 4 ? 0 : (char)random();
		h->len = (uint32_t)n;
		h->opcode = random() % 8 ? opcodes[(size_t)random() % ARRAY_SIZE(opcodes)]
					 : (uint32_t)random() % 64;
		h->nodeid = random() % 8 ? (uint64_t)random() % (vfs_n_files + 4)
					 : (uint64_t)random() << 32;
		if (h->opcode == FUSE_LOOKUP)
			buf[n - 1] = '\0';
		if (h->opcode == FUSE_WRITE && n >= sizeof *h + sizeof(struct fuse_write_in))
			((struct fuse_write_in *)(void *)(h + 1))->size =
				(uint32_t)(n - sizeof *h - sizeof(struct fuse_write_in));
		if (random() % 4 == 0)
			buf[(size_t)random() % n] ^= (char)(1 << random() % 8);
		r = wire_parse(buf, n, &q);
		if (r > 0) {
			server_answer(server, &q, &a);
			wire_finish(&a, q.unique, iov, &n_iov);
			assert_true(a.header.error <= 0 && a.header.error > -4096);
			assert_true(a.header.error == 0 || a.len == 0);
			if (a.data)
				assert_true(a.len <= q.read->size);
			answered++;
		}
		free(buf);
	}
	assert_true(answered > (unsigned int)rounds / 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_read, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_many_open, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_write, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_rest, set_up, tear_down),
		cmocka_unit_test(test_parse_bad),
		cmocka_unit_test_setup_teardown(test_mutations, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
