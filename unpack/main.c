/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Started by lib/image/unpack.c as root of a user namespace of its own, whose ids are
 * nobody's on the host, with the descriptors of image/wire.h. Libraries are loaded by then;
 * so the host's files go out of sight, then all power but over owners and modes of the
 * directory, then every system call that unpacking does not need. Only then a byte of the
 * archive is read. Who has no directory can open nothing at all.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "isolate/confine.h"
#include "unpack.h"

static void put_record(char key, char *text, int n, size_t size)
{
	char head = key;

	n = n < 0 ? 0 : MIN(n, (int)size - 1);
	text[n] = '\0';
	if (io_write_all(WIRE_REPORT, &head, 1) < 0 ||
	    io_write_all(WIRE_REPORT, text, (size_t)n + 1) < 0)
		_exit(1);
}

void report(char key, const char *fmt, ...)
{
	char text[UNPACK_PATH_MAX + 256];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	put_record(key, text, n, sizeof text);
}

_Noreturn void fail(int errnum, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	report(WIRE_ERROR, "%d %s", errnum, text);
	_exit(1);
}

_Noreturn void fail_errno(int errnum, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	fail(errnum, "%s: %s", text, strerror(errnum));
}

#define CAP_BIT(cap) (1ULL << (cap))

static const uint64_t read_caps = CAP_BIT(CAP_DAC_READ_SEARCH) | CAP_BIT(CAP_DAC_OVERRIDE);
static const uint64_t write_caps = CAP_BIT(CAP_DAC_READ_SEARCH) | CAP_BIT(CAP_DAC_OVERRIDE) |
				   CAP_BIT(CAP_CHOWN) | CAP_BIT(CAP_FOWNER) |
				   CAP_BIT(CAP_FSETID) | CAP_BIT(CAP_SETFCAP);

static void confine(const struct confinement *c)
{
	int r = confine_child(c);

	if (r < 0)
		fail_errno(-r, "confine the helper");
}

static void confine_to_root(uint64_t caps)
{
	const struct confinement c = {
		.caps = caps,
		.files = 64,
		.file_size = UNPACK_BYTES_MAX,
		.filter = SECCOMP_UNPACK,
	};

	if (fchdir(WIRE_ROOT) < 0 || chroot(".") < 0)
		fail_errno(errno, "enter the directory");
	confine(&c);
}

/* @id: another for each, so that none is another's to signal or trace. */
static void confine_to_pipes(uid_t id)
{
	const struct confinement c = {.id = id, .files = WIRE_END, .filter = SECCOMP_PASS};

	confine(&c);
}

static void take_archive(bool is_layer)
{
	static struct stream stream;

	confine_to_root(write_caps);
	stream_open(&stream, WIRE_IN, is_layer);
	entries_take(&stream, is_layer);
	stream_finish(&stream);
	if (is_layer)
		listing_write(WIRE_LISTING);
}

static void take_layer(void)
{
	take_archive(true);
}

static void take_tree(void)
{
	take_archive(false);
}

static void verify(void)
{
	confine_to_root(read_caps);
	listing_compare(WIRE_LISTING);
}

static void sum(void)
{
	confine_to_pipes(UNPACK_ID_SUM);
	hash_pass(WIRE_IN, WIRE_OUT);
}

static void plain(void)
{
	confine_to_pipes(UNPACK_ID_PLAIN);
	plain_pass(WIRE_IN, WIRE_OUT);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} parts[] = {{"sum", sum},
		     {"plain", plain},
		     {"layer", take_layer},
		     {"tree", take_tree},
		     {"verify", verify}};

	prctl(PR_SET_NAME, "cis:unpack", 0, 0, 0);
	umask(0);
	/* Names in pax headers are UTF-8, and libarchive converts what is. */
	setlocale(LC_CTYPE, "C.UTF-8");
	/* A message's first text is looked for in the host's files. */
	(void)strerror(ENOENT);
	hash_load();
	for (size_t i = 0; i < ARRAY_SIZE(parts) && argc == 2; i++)
		if (strcmp(argv[1], parts[i].name) == 0) {
			parts[i].run();
			report(WIRE_DONE, "%s", "");
			_exit(0);
		}
	return 2;
}
