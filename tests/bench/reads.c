/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Opens each FILE, reads it to its end and closes it, COUNT times; prints a line a
 * file: its last name, the minimum and the median in microseconds.
 *
 *	reads COUNT FILE...
 */
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static double now_usec(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static double read_once(const char *path)
{
	double begun = now_usec();
	int fd = open(path, O_RDONLY);
	char buf[16384];
	ssize_t n;

	if (fd < 0)
		err(1, "%s", path);
	while ((n = read(fd, buf, sizeof buf)) > 0)
		;
	if (n < 0)
		err(1, "read %s", path);
	close(fd);
	return now_usec() - begun;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	int count = argc > 2 ? atoi(argv[1]) : 0;
	double *all = count > 0 ? calloc((size_t)count, sizeof *all) : NULL;

	if (!all)
		errx(1, "usage: reads COUNT FILE...");
	for (int f = 2; f < argc; f++) {
		const char *name = strrchr(argv[f], '/');

		for (int i = 0; i < count; i++)
			all[i] = read_once(argv[f]);
		qsort(all, (size_t)count, sizeof *all, compare);
		printf("%s %.1f %.1f\n", name ? name + 1 : argv[f], all[0], all[count / 2]);
	}
	free(all);
	return 0;
}
