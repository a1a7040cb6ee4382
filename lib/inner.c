/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "inner.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/process.h"
#include "base/str.h"

/* Below the directory of this program: of an installation, of a build. */
static const char *const beside[] = {"../libexec/cisandbox", "../oci", "../unpack"};

static bool is_program(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 0111) == 0111;
}

/* 1: found there. */
static int look_in(const char *dir, const char *name, char **ret)
{
	cleanup_free char *path = NULL;
	int r = str_format(&path, "%s/%s", dir, name);

	if (r < 0 || !is_program(path))
		return MIN(r, 0);
	*ret = realpath(path, NULL);
	return *ret ? 1 : -errno;
}

/* Who was executed anew has no name of its own: of nobody else is a variable believed. */
static void find_self(char *ret, size_t size)
{
	const char *told = process_is_rootless() ? secure_getenv(INNER_SELF) : NULL;
	ssize_t n = told ? snprintf(ret, size, "%s", told)
			 : readlink("/proc/self/exe", ret, size - 1);

	ret[n < 0 || (size_t)n >= size ? 0 : n] = '\0';
	*(strrchr(ret, '/') ? strrchr(ret, '/') : ret) = '\0';
}

/* 1: found. */
static int find(const char *name, char **ret, struct cis_error *err)
{
	char self[4096];
	int r = 0;

	find_self(self, sizeof self);
	for (size_t i = 0; i < ARRAY_SIZE(beside) && *self && r == 0; i++) {
		cleanup_free char *dir = NULL;

		r = str_format(&dir, "%s/%s", self, beside[i]);
		if (r == 0)
			r = look_in(dir, name, ret);
	}
	if (r == 0)
		r = look_in(INNER_DIR, name, ret);
	return r < 0 ? cis_fail(err, -r, "look for %s", name) : r;
}

int inner_find(char **ret, struct cis_error *err)
{
	int r = find(INNER_NAME, ret, err);

	if (r != 0)
		return MIN(r, 0);
	return cis_fail_plain(err, ENOENT,
			      "inner runtime: no " INNER_NAME " in " INNER_DIR
			      " (a build without static libraries has none; "
			      "--inner-runtime=image does without)");
}

int inner_find_helper(const char *name, char **ret, struct cis_error *err)
{
	int r = find(name, ret, err);

	if (r != 0)
		return MIN(r, 0);
	return cis_fail_plain(err, ENOENT, "no %s in " INNER_DIR, name);
}
