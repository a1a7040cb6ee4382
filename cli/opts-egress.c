/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "opts-egress.h"
#include "opts-job.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LEARN "learn="

int egress_set_net(struct front *f, const char *v)
{
	if (strcmp(v, "none") == 0)
		return cis_sandbox_set_net(f->sb, CIS_NET_NONE);
	if (strcmp(v, "egress") != 0)
		return -EINVAL;
	return cis_sandbox_set_net(f->sb, CIS_NET_EGRESS);
}

int egress_set_mode(struct front *f, const char *v)
{
	f->learn = NULL;
	if (strcmp(v, "block") == 0)
		return cis_sandbox_set_egress(f->sb, CIS_EGRESS_BLOCK);
	if (strncmp(v, LEARN, strlen(LEARN)) == 0 && v[strlen(LEARN)])
		f->learn = v + strlen(LEARN);
	else if (strcmp(v, "audit") != 0)
		return -EINVAL;
	return cis_sandbox_set_egress(f->sb, CIS_EGRESS_AUDIT);
}

static int add(struct front *f, enum cis_egress_rule kind, const char *v)
{
	struct cis_error err = {0};

	if (cis_sandbox_add_egress_rule(f->sb, kind, v, &err) >= 0)
		return 0;
	cli_error(f->verb, &err);
	return 1;
}

int egress_allow(struct front *f, const char *v)
{
	return add(f, CIS_EGRESS_ALLOW, v);
}

int egress_allow_preset(struct front *f, const char *v)
{
	return add(f, CIS_EGRESS_ALLOW_PRESET, v);
}

int egress_allow_file(struct front *f, const char *v)
{
	int r = f->only_looks ? 0 : job_before_reading(f);
	char buf[JOB_PATH_MAX];

	return f->only_looks || r ? r : add(f, CIS_EGRESS_ALLOW_FILE, job_path(f, v, buf));
}

int egress_deny(struct front *f, const char *v)
{
	return add(f, CIS_EGRESS_DENY, v);
}

int egress_undeny(struct front *f, const char *v)
{
	return add(f, CIS_EGRESS_UNDENY, v);
}

int egress_set_uplink(struct front *f, const char *v)
{
	static const char *const names[] = {[CIS_UPLINK_AUTO] = "auto", [CIS_UPLINK_VETH] = "veth",
					    [CIS_UPLINK_PASTA] = "pasta"};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (strcmp(v, names[i]) == 0)
			return cis_sandbox_set_egress_uplink(f->sb, (enum cis_uplink)i);
	return -EINVAL;
}

int egress_set_verify(struct front *f, const char *v)
{
	if (strcmp(v, "on") == 0)
		return cis_sandbox_set_egress_verify(f->sb, 1);
	return strcmp(v, "off") == 0 ? cis_sandbox_set_egress_verify(f->sb, 0) : -EINVAL;
}

static int set_limits(struct front *f)
{
	return cis_sandbox_set_egress_limits(f->sb, f->egress_rate, f->egress_bytes);
}

static int parse_limit(const char *v, uint64_t *ret)
{
	int r = cis_parse_size(v, ret);

	return r == 0 && *ret == 0 ? -EINVAL : r;
}

int egress_set_rate(struct front *f, const char *v)
{
	int r = parse_limit(v, &f->egress_rate);

	return r < 0 ? r : set_limits(f);
}

int egress_set_bytes(struct front *f, const char *v)
{
	int r = parse_limit(v, &f->egress_bytes);

	return r < 0 ? r : set_limits(f);
}

int egress_publish(struct front *f, const char *v)
{
	struct cis_error err = {0};

	if (cis_sandbox_add_publish(f->sb, v, &err) >= 0)
		return 0;
	cli_error(f->verb, &err);
	return 1;
}

int egress_set_log(struct front *f, const char *v)
{
	f->egress_log = v;
	return 0;
}

/* The name in the directory that egress_open() opened. */
static const char *name_of_learnt(const struct front *f)
{
	const char *slash = strrchr(f->learn, '/');

	return slash ? slash + 1 : f->learn;
}

/* -errno. Where files without a name cannot be, f->learnt is -1. */
static int open_learnt_in(struct front *f)
{
	const char *name = name_of_learnt(f);
	char *directory = name > f->learn ? strndup(f->learn, (size_t)(name - f->learn))
					  : strdup(".");
	struct stat st;
	int r = directory ? open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;

	free(directory);
	if (r < 0)
		return -errno;
	f->learnt_in = r;
	if (!*name)
		return -EISDIR;
	if (fstatat(f->learnt_in, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return -EEXIST;
	if (errno != ENOENT || faccessat(f->learnt_in, ".", W_OK, AT_EACCESS) < 0)
		return -errno;
	f->learnt = openat(f->learnt_in, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666);
	return f->learnt < 0 && errno != EOPNOTSUPP && errno != EISDIR ? -errno : 0;
}

static int learn_error(const struct front *f, int r)
{
	return cli_usage_error(f->verb, "--egress " LEARN "%s: %s", f->learn,
			       r == -EEXIST ? "is there already" : strerror(-r));
}

/*
 * Before the start: what a job has used cannot be asked for again. While it runs the file has no
 * name, for the job may be at home in that directory.
 */
static int open_learnt(struct front *f)
{
	int r = f->learn ? open_learnt_in(f) : 0;

	return r < 0 ? learn_error(f, r) : 0;
}

int egress_open(struct front *f)
{
	char buf[JOB_PATH_MAX];
	int fd, status = open_learnt(f);

	if (status != 0 || !f->egress_log)
		return status;
	/* Last: what a pool's sandbox has recorded by now is no word to who fails here. */
	fd = open(job_path(f, f->egress_log, buf), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0)
		return cli_usage_error(f->verb, "--egress-log %s: %s", f->egress_log,
				       strerror(errno));
	return cis_sandbox_set_egress_log(f->sb, fd);
}

static int write_learnt(const struct front *f, const char *text)
{
	const char *name = name_of_learnt(f);
	bool has_name = f->learnt < 0;
	int fd = has_name ? openat(f->learnt_in, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
				   0666)
			  : f->learnt;
	char self[32];
	int r = fd < 0 || dprintf(fd, "%s", text) < 0 ? -errno : 0;

	snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
	if (r == 0 && !has_name &&
	    linkat(AT_FDCWD, self, f->learnt_in, name, AT_SYMLINK_FOLLOW) < 0)
		r = -errno;
	if (fd >= 0 && close(fd) < 0 && r == 0)
		r = -errno;
	if (fd >= 0 && has_name && r < 0)
		unlinkat(f->learnt_in, name, 0);
	return r;
}

int egress_report(struct front *f, int status)
{
	struct cis_error err = {0};
	char *text;
	int r;

	/* Without a gate there is none; and a job can make it long to gather, for nobody. */
	if (!f->detach && cis_sandbox_egress_summary(f->sb, &text, &err) >= 0) {
		fputs(text, stderr);
		free(text);
	}
	if (!f->learn)
		return status;
	r = cis_sandbox_egress_learned(f->sb, &text, &err);
	if (r == -EBUSY) /* nobody waited for its end, and the status says why */
		return status;
	if (r < 0)
		return cli_error(f->verb, &err);
	r = write_learnt(f, text);
	free(text);
	return r < 0 ? learn_error(f, r) : status;
}
