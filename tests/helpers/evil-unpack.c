/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A cisandbox-unpack of which one part was taken over by what it read: to be installed in
 * its place, with the honest one beside it as "honest". Which part, and to what end, is the
 * link "evil" there:
 *
 *	plain   hands on the tar "other" instead of what it was given
 *	layer   makes a file of its own and says that its digests are the right ones
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../../lib/image/wire.h"

static char here[PATH_MAX];

static const char *beside(const char *name)
{
	static char path[PATH_MAX + 32];

	snprintf(path, sizeof path, "%s/%s", here, name);
	return path;
}

static void say(char key, const char *text)
{
	char record[256];
	int n = snprintf(record, sizeof record, "%c%s", key, text);

	if (write(WIRE_REPORT, record, (size_t)n + 1) < 0)
		_exit(1);
}

static void drain(int in)
{
	char waste[65536];

	while (read(in, waste, sizeof waste) > 0)
		;
}

static void be_plain(void)
{
	int fd = open(beside("other"), O_RDONLY);
	char buf[65536];
	ssize_t n;

	while ((n = read(fd, buf, sizeof buf)) > 0)
		if (write(WIRE_OUT, buf, (size_t)n) != n)
			_exit(1);
	drain(WIRE_IN);
}

static void be_layer(void)
{
	char wanted[128] = "";
	int fd = open(beside("wanted"), O_RDONLY);

	if (read(fd, wanted, 64) != 64)
		_exit(1);
	fd = openat(WIRE_ROOT, "evil", O_WRONLY | O_CREAT, 0755);
	if (write(fd, "evil", 4) != 4)
		_exit(1);
	drain(WIRE_IN);
	say(WIRE_LIST, wanted);
	say(WIRE_SUM, wanted);
}

int main(int argc, char **argv)
{
	ssize_t n = readlink("/proc/self/exe", here, sizeof here - 1);
	char part[16] = "";

	if (argc != 2 || n < 0 || !strrchr(here, '/'))
		return 2;
	*strrchr(here, '/') = '\0';
	if (readlink(beside("evil"), part, sizeof part - 1) < 0 || strcmp(part, argv[1]) != 0) {
		execv(beside("honest"), argv);
		return 2;
	}
	if (strcmp(part, "plain") == 0)
		be_plain();
	else
		be_layer();
	say(WIRE_DONE, "");
	return 0;
}
