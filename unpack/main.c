/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Started by lib/image-unpack.c as root of a user namespace of its own, whose ids are
 * nobody's on the host, with five descriptors. Libraries are loaded by then; so the
 * host's files go out of sight, then all power but over owners and modes of the
 * directory, then every system call that unpacking does not need. Only then a byte of the
 * archive is read.
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

static void confine(bool is_reader)
{
	const uint64_t read_caps = CAP_BIT(CAP_DAC_READ_SEARCH) | CAP_BIT(CAP_DAC_OVERRIDE);
	const uint64_t write_caps = read_caps | CAP_BIT(CAP_CHOWN) | CAP_BIT(CAP_FOWNER) |
				    CAP_BIT(CAP_FSETID) | CAP_BIT(CAP_SETFCAP);
	const struct confinement c = {
		.caps = is_reader ? read_caps : write_caps,
		.files = 64,
		.file_size = UNPACK_BYTES_MAX,
		.filter = SECCOMP_UNPACK,
	};
	int r;

	if (fchdir(WIRE_ROOT) < 0 || chroot(".") < 0)
		fail_errno(errno, "enter the directory");
	r = confine_child(&c);
	if (r < 0)
		fail_errno(-r, "confine the helper");
}

static struct stream stream;

int main(int argc, char **argv)
{
	const char *what = argc == 2 ? argv[1] : "";
	bool is_layer = strcmp(what, "layer") == 0, is_verify = strcmp(what, "verify") == 0;

	if (!is_layer && !is_verify && strcmp(what, "tree") != 0)
		return 2;
	prctl(PR_SET_NAME, "cis:unpack", 0, 0, 0);
	umask(0);
	/* Names in pax headers are UTF-8, and libarchive converts what is. */
	setlocale(LC_CTYPE, "C.UTF-8");
	/* A message's first text is looked for in the host's files. */
	(void)strerror(ENOENT);
	hash_load();
	confine(is_verify);

	if (is_verify) {
		listing_compare(WIRE_LISTING);
	} else {
		stream_open(&stream, WIRE_IN, is_layer);
		entries_take(&stream, is_layer);
		stream_finish(&stream);
		if (is_layer)
			listing_write(WIRE_LISTING);
	}
	report(WIRE_DONE, "%s", "");
	_exit(0);
}
