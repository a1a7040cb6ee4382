/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cisandbox-oci update: a LinuxResources object, from a file or made of options. */
#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "oci.h"

enum form { SIZE, NUMBER, LIST }; /* a list is any text */

/* By section, and so that a section is in one piece. */
static const struct {
	const char *option;
	size_t offset;
	const char *section, *member;
	enum form form;
} limits[] = {
	{"memory", offsetof(struct options, memory), "memory", "limit", SIZE},
	{"memory-reservation", offsetof(struct options, memory_reservation), "memory",
	 "reservation", SIZE},
	{"memory-swap", offsetof(struct options, memory_swap), "memory", "swap", SIZE},
	{"cpu-period", offsetof(struct options, cpu_period), "cpu", "period", NUMBER},
	{"cpu-quota", offsetof(struct options, cpu_quota), "cpu", "quota", NUMBER},
	{"cpu-burst", offsetof(struct options, cpu_burst), "cpu", "burst", NUMBER},
	{"cpu-share", offsetof(struct options, cpu_share), "cpu", "shares", NUMBER},
	{"cpu-rt-period", offsetof(struct options, cpu_rt_period), "cpu", "realtimePeriod",
	 NUMBER},
	{"cpu-rt-runtime", offsetof(struct options, cpu_rt_runtime), "cpu", "realtimeRuntime",
	 NUMBER},
	{"cpu-idle", offsetof(struct options, cpu_idle), "cpu", "idle", NUMBER},
	{"cpuset-cpus", offsetof(struct options, cpuset_cpus), "cpu", "cpus", LIST},
	{"cpuset-mems", offsetof(struct options, cpuset_mems), "cpu", "mems", LIST},
	{"blkio-weight", offsetof(struct options, blkio_weight), "blockIO", "weight", NUMBER},
	{"pids-limit", offsetof(struct options, pids_limit), "pids", "limit", NUMBER},
	{"l3-cache-schema", offsetof(struct options, l3_cache), "intelRdt", "l3CacheSchema",
	 LIST},
	{"mem-bw-schema", offsetof(struct options, mem_bw), "intelRdt", "memBwSchema", LIST},
};

#define N_LIMITS (sizeof limits / sizeof *limits)

static const char *given(const struct call *c, size_t i)
{
	return *(const char *const *)((const char *)&c->o + limits[i].offset);
}

/* "64M", and as Go's units have it "64MB", "64MiB", "64mb". */
static bool read_size(const char *text, long long *ret)
{
	char copy[32];
	size_t len = strlen(text);
	uint64_t bytes;

	if (strcmp(text, "-1") == 0) {
		*ret = -1;
		return true;
	}
	if (len >= sizeof copy)
		return false;
	memcpy(copy, text, len + 1);
	if (len > 2 && tolower((unsigned char)copy[len - 1]) == 'b' &&
	    isalpha((unsigned char)copy[len - 2])) {
		len--;
		if (len > 2 && tolower((unsigned char)copy[len - 1]) == 'i')
			len--;
		copy[len] = '\0';
	}
	if (cis_parse_size(copy, &bytes) < 0 || bytes > INT64_MAX)
		return false;
	*ret = (long long)bytes;
	return true;
}

static bool read_number(const char *text, long long *ret)
{
	*ret = parse_number(text + (*text == '-'), INT64_MAX);
	if (*ret < 0)
		return false;
	*ret = *text == '-' ? -*ret : *ret;
	return true;
}

static int put_limit(FILE *f, size_t i, const char *text)
{
	static const char *const names[] = {"SIZE", "NUMBER", "LIST"};
	long long n;

	fprintf(f, "\"%s\":", limits[i].member);
	if (limits[i].form == LIST) {
		jtext_put(f, text);
		return 0;
	}
	if (limits[i].form == SIZE ? !read_size(text, &n) : !read_number(text, &n))
		return oci_fail_usage("update", "--%s %s: not of the form %s",
				      limits[i].option, text, names[limits[i].form]);
	fprintf(f, "%lld", n);
	return 0;
}

static int put_limits(FILE *f, const struct call *c)
{
	const char *section = NULL;

	fputc('{', f);
	for (size_t i = 0; i < N_LIMITS; i++) {
		const char *text = given(c, i);
		bool same = section && strcmp(section, limits[i].section) == 0;

		if (!text)
			continue;
		if (same)
			fputc(',', f);
		else
			fprintf(f, "%s\"%s\":{", section ? "}," : "", limits[i].section);
		section = limits[i].section;
		if (put_limit(f, i, text))
			return EXIT_FAILED;
	}
	fputs(section ? "}}" : "}", f);
	return 0;
}

static int from_options(const struct call *c, char **ret)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	int status = f ? put_limits(f, c) : oci_fail("out of memory");

	if (f && fclose(f) != 0 && status == 0)
		status = oci_fail("out of memory");
	if (status)
		free(text);
	else
		*ret = text;
	return status;
}

static int from_file(const char *path, char **ret)
{
	struct json_error where;
	struct json v;
	char *text;
	size_t len;
	int r = file_read(path, &text, &len);

	if (r < 0)
		return oci_fail("update: --resources %s: %s", path, errno_text(-r));
	r = 0;
	if (jtext_check(text, len, &v, &where) < 0)
		r = oci_fail("update: --resources %s:%u:%u: %s", path, where.line,
			     where.column, where.what);
	else if (!jtext_is(v, '{'))
		r = oci_fail("update: --resources %s: not an object", path);
	if (r)
		free(text);
	else
		*ret = text;
	return r;
}

int verb_update(struct call *c)
{
	struct cis_error err = {0};
	char *text = NULL;
	int status;

	for (size_t i = 0; c->o.resources && i < N_LIMITS; i++)
		if (given(c, i))
			return oci_fail_usage("update", "--resources goes without --%s",
					      limits[i].option);
	status = c->o.resources ? from_file(c->o.resources, &text) : from_options(c, &text);
	if (status)
		return status;
	if (cis_oci_update(&c->rt, c->argv[0], text, &err) < 0)
		status = oci_fail_err(&err);
	free(text);
	return status;
}
