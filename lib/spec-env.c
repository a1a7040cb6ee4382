/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A file of environment variables, read as docker reads its --env-file. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/error.h"
#include "base/io.h"
#include "spec.h"

#define FILE_MAX (1u << 20)
#define ENV_MAX (1u << 17) /* the kernel's, of one string, with its NUL */
#define BOM "\xef\xbb\xbf"

/* What of a line is wrong, or NULL. */
static const char *judge(const char *line)
{
	size_t key = strcspn(line, "=");

	if (key == 0)
		return "no name before the \"=\"";
	if (strcspn(line, " \t\v\f") < key)
		return "a blank in the name";
	if (strlen(line) >= ENV_MAX)
		return "longer than the 128K that a program can be given";
	return NULL;
}

/* Cuts it at the newline; a carriage return before that is part of it. NULL at the end. */
static char *next_line(char **rest)
{
	char *line = *rest, *end;

	if (!line || !*line)
		return NULL;
	end = strchr(line, '\n');
	*rest = end ? end + 1 : NULL;
	if (end)
		*end = '\0';
	else
		end = line + strlen(line);
	if (end > line && end[-1] == '\r')
		end[-1] = '\0';
	return line + strspn(line, " \t\v\f");
}

static int add_lines(struct strv *env, char *text, const char *path, struct cis_error *err)
{
	char *rest = text, *line;
	unsigned int n = 0;

	if (strncmp(text, BOM, strlen(BOM)) == 0)
		rest += strlen(BOM);
	while ((line = next_line(&rest))) {
		const char *wrong;

		n++;
		if (!*line || *line == '#')
			continue;
		/* Not the line itself: it may hold what nobody is to read in a log. */
		wrong = judge(line);
		if (wrong)
			return cis_fail_plain(err, EINVAL, "env file %s, line %u: %s", path, n,
					      wrong);
		if (spec_add_env(env, line) < 0)
			return cis_fail(err, ENOMEM, "env file %s", path);
	}
	return 0;
}

static int append(struct strv *env, const struct strv *more)
{
	int r = 0;

	for (size_t i = 0; i < more->n && r >= 0; i++)
		r = spec_add_env(env, more->v[i]);
	return r;
}

int spec_add_env_file(struct strv *env, const char *path, struct cis_error *err)
{
	cleanup(strv_done) struct strv lines = {0};
	cleanup_free char *text = NULL;
	size_t len;
	int r = io_read_file_at(AT_FDCWD, path, FILE_MAX, &text, &len);

	if (r < 0)
		return cis_fail(err, -r, "env file %s", path);
	if (strlen(text) != len)
		return cis_fail_plain(err, EINVAL, "env file %s: has a NUL byte", path);
	r = add_lines(&lines, text, path, err);
	if (r < 0)
		return r;
	return append(env, &lines) < 0 ? cis_fail(err, ENOMEM, "env file %s", path) : 0;
}
