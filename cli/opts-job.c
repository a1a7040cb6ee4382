/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "opts-job.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int add_from(struct front *f, const char *name, int fd)
{
	struct cis_error err = {0};

	if (cis_sandbox_add_secret(f->sb, name, fd, &err) >= 0)
		return 0;
	cli_error(f->verb, &err);
	return 1;
}

const char *job_path(const struct front *f, const char *path, char buf[static JOB_PATH_MAX])
{
	static const char *const ours[] = {"/dev/fd/", "/proc/self/fd/"};

	for (size_t i = 0; f->giver && i < sizeof ours / sizeof *ours; i++) {
		size_t n = strlen(ours[i]);

		if (strncmp(path, ours[i], n) != 0)
			continue;
		n = (size_t)snprintf(buf, JOB_PATH_MAX, "/proc/self/fd/%d/fd/%s", f->giver,
				     path + n);
		return n < JOB_PATH_MAX ? buf : path;
	}
	return path;
}

int job_before_reading(struct front *f)
{
	return f->argv && !f->dry_run && cli_become_root(f->verb, f->argv) != 0;
}

/* NAME=FILE|- : the value itself never is an argument, which everybody can read. */
int job_add_secret(struct front *f, const char *v)
{
	const char *eq = strchr(v, '=');
	char name[128], buf[JOB_PATH_MAX];
	bool is_stdin;
	int fd, r;

	if (!eq || eq == v || !eq[1] || (size_t)(eq - v) >= sizeof name)
		return -EINVAL;
	is_stdin = strcmp(eq + 1, "-") == 0;
	if (is_stdin && f->stdin_is_secret) {
		cli_usage_error(f->verb, "--secret %s: standard input is another's", v);
		return 1;
	}
	f->stdin_is_secret |= is_stdin;
	if (f->only_looks)
		return 0;
	r = job_before_reading(f);
	if (r)
		return r;
	memcpy(name, v, (size_t)(eq - v));
	name[eq - v] = '\0';
	if (is_stdin)
		return add_from(f, name, 0);
	fd = open(job_path(f, eq + 1, buf), O_RDONLY | O_NOCTTY | O_CLOEXEC);
	if (fd < 0) {
		cli_usage_error(f->verb, "--secret %s: %s", v, strerror(errno));
		return 1;
	}
	r = add_from(f, name, fd);
	close(fd);
	return r;
}

int job_set_mask(struct front *f, const char *v)
{
	if (strcmp(v, "on") == 0)
		return cis_sandbox_set_mask(f->sb, 1);
	return strcmp(v, "off") == 0 ? cis_sandbox_set_mask(f->sb, 0) : -EINVAL;
}

int job_add_env_file(struct front *f, const char *v)
{
	struct cis_error err = {0};
	int r = f->only_looks ? 0 : job_before_reading(f);
	char buf[JOB_PATH_MAX];

	if (f->only_looks || r)
		return r;
	if (cis_sandbox_add_env_file(f->sb, job_path(f, v, buf), &err) >= 0)
		return 0;
	cli_error(f->verb, &err);
	return 1;
}

/* PATH[:DEST]; a path with a colon in it is not for this option. */
int job_add_artifact(struct front *f, const char *v)
{
	const char *colon = strchr(v, ':');
	char *path = colon ? strndup(v, (size_t)(colon - v)) : strdup(v);
	struct cis_error err = {0};
	int r;

	if (!path)
		return -ENOMEM;
	if (colon && !colon[1])
		r = -EINVAL;
	else if ((r = cis_sandbox_add_artifact(f->sb, path, colon ? colon + 1 : NULL, &err)) < 0)
		r = (cli_error(f->verb, &err), 1);
	free(path);
	return r;
}

int job_set_artifact_max(struct front *f, const char *v)
{
	uint64_t bytes;
	int r = cis_parse_size(v, &bytes);

	if (r < 0 || !bytes)
		return r < 0 ? r : -EINVAL;
	return cis_sandbox_set_artifact_max(f->sb, bytes);
}

/* NAME:/PATH[:ro] */
int job_add_cache(struct front *f, const char *v)
{
	const char *path = strchr(v, ':'), *end;
	struct cis_error err = {0};
	uint64_t flags = 0;
	char *name, *at;
	int r;

	if (!path || path == v || path[1] != '/')
		return -EINVAL;
	end = strchr(++path, ':');
	if (end && strcmp(end, ":ro") != 0)
		return -EINVAL;
	if (end)
		flags = CIS_CACHE_READONLY;
	name = strndup(v, (size_t)(path - 1 - v));
	at = end ? strndup(path, (size_t)(end - path)) : strdup(path);
	r = name && at ? cis_sandbox_add_cache(f->sb, name, at, flags, &err) : -ENOMEM;
	if (r < 0 && name && at)
		r = (cli_error(f->verb, &err), 1);
	free(name);
	free(at);
	return r;
}

int job_set_scope(struct front *f, const char *v)
{
	return cis_sandbox_set_scope(f->sb, v);
}

int job_check(const struct front *f)
{
	if (f->stdin_is_secret && f->interactive)
		return cli_usage_error(f->verb, "-i and --secret NAME=- both want standard input");
	return 0;
}
