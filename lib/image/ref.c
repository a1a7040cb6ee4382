/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The grammar is github.com/distribution/reference's. What comes out goes into skopeo's argv
 * behind "docker://", and so has no blanks, no option's dash and nothing else of surprise in it.
 */
#include "ref.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "../base/str.h"

#define REPO_MAX 255
#define TAG_MAX 128
#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

void image_ref_done(struct image_ref *ref)
{
	free(ref->repo);
	free(ref->tag);
	*ref = (struct image_ref){0};
}

/* @text[0..n) is of these only. */
static bool is_of(const char *text, size_t n, const char *all)
{
	return n > 0 && strspn(text, all) >= n;
}

/* "host", "host:5000", "[::1]:5000". */
static bool is_host(const char *s, size_t n)
{
	const char *colon = memrchr(s, ':', n);
	size_t port = colon ? (size_t)(s + n - colon - 1) : 0;

	if (s[0] == '[') {
		const char *end = memchr(s, ']', n);
		size_t k = end ? (size_t)(end - s) : 0;

		return k > 1 && is_of(s + 1, k - 1, DIGITS "abcdefABCDEF:.") &&
		       (k + 1 == n || (end[1] == ':' && is_of(end + 2, n - k - 2, DIGITS)));
	}
	if (colon && !is_of(colon + 1, port, DIGITS))
		return false;
	n = colon ? (size_t)(colon - s) : n;
	return is_of(s, n, LOWER UPPER DIGITS ".-") && !strchr(".-", s[0]) &&
	       !strchr(".-", s[n - 1]);
}

/* Between letters and digits one ".", one or two "_", or any number of "-". */
static bool is_component(const char *s, size_t n)
{
	for (size_t i = 0; i < n;) {
		size_t k = strspn(s + i, LOWER DIGITS), gap;

		if (k == 0)
			return false;
		i += k;
		if (i >= n)
			return i == n;
		gap = strspn(s + i, s[i] == '.' ? "." : s[i] == '_' ? "_" : "-");
		if (gap == 0 || (s[i] == '.' && gap > 1) || (s[i] == '_' && gap > 2))
			return false;
		i += gap;
	}
	return false;
}

static bool is_path(const char *s, size_t n)
{
	for (;;) {
		const char *slash = memchr(s, '/', n);
		size_t k = slash ? (size_t)(slash - s) : n;
		/* is_component() looks no further than its text, strspn() does. */
		char one[REPO_MAX + 1];

		if (k > REPO_MAX)
			return false;
		memcpy(one, s, k);
		one[k] = '\0';
		if (!is_component(one, k))
			return false;
		if (!slash)
			return true;
		s += k + 1;
		n -= k + 1;
	}
}

/* As docker tells hosts from the first part of a path. */
static size_t host_length(const char *s, size_t n)
{
	const char *slash = memchr(s, '/', n);
	size_t k = slash ? (size_t)(slash - s) : 0;

	if (k == 0)
		return 0;
	if (memchr(s, '.', k) || memchr(s, ':', k) ||
	    (k == 9 && strncmp(s, "localhost", 9) == 0))
		return k;
	return 0;
}

static int set_repo(struct image_ref *ref, const char *s, size_t n)
{
	size_t host = host_length(s, n);
	bool hub = host == 0 || (host == 9 && strncasecmp(s, "docker.io", 9) == 0) ||
		   (host == 15 && strncasecmp(s, "index.docker.io", 15) == 0);
	const char *path = host ? s + host + 1 : s;
	size_t len = n - (size_t)(path - s);

	if (n > REPO_MAX || (host && !is_host(s, host)) || !is_path(path, len))
		return -EINVAL;
	if (!hub) {
		int r = str_format(&ref->repo, "%.*s", (int)n, s);

		/* One host has one name, or a policy's prefix were got round by capitals. */
		for (size_t i = 0; r == 0 && i < host; i++)
			ref->repo[i] = (char)tolower((unsigned char)ref->repo[i]);
		return r;
	}
	return str_format(&ref->repo, "docker.io/%s%.*s",
			  memchr(path, '/', len) ? "" : "library/", (int)len, path);
}

static bool is_tag(const char *s)
{
	size_t n = strlen(s);

	return n <= TAG_MAX && is_of(s, n, LOWER UPPER DIGITS "_.-") && !strchr(".-", s[0]);
}

/* "repo[:tag]", @n long, the digest being off. */
static int set_repo_and_tag(struct image_ref *ref, const char *s, size_t n)
{
	const char *slash = memrchr(s, '/', n);
	const char *from = slash ? slash : s;
	const char *colon = memchr(from, ':', n - (size_t)(from - s));
	int r = set_repo(ref, s, colon ? (size_t)(colon - s) : n);

	if (r == 0 && colon)
		r = str_format(&ref->tag, "%.*s", (int)(s + n - colon - 1), colon + 1);
	else if (r == 0 && !*ref->digest)
		r = str_set(&ref->tag, "latest");
	if (r == 0 && ref->tag && !is_tag(ref->tag))
		r = -EINVAL;
	return r;
}

static int set_digest(struct image_ref *ref, const char *s)
{
	if (!str_starts(s, "sha256:"))
		return -EINVAL;
	s += strlen("sha256:");
	if (strlen(s) != UNPACK_HEX - 1 || strspn(s, DIGITS "abcdef") != UNPACK_HEX - 1)
		return -EINVAL;
	memcpy(ref->digest, s, UNPACK_HEX);
	return 0;
}

/* What docker would show of it, with what a name of ours cannot have as "-". */
static void set_name(struct image_ref *ref)
{
	const char *repo = ref->repo;
	char text[REPO_MAX + TAG_MAX + 40];

	if (str_starts(repo, "docker.io/"))
		repo += strlen("docker.io/");
	if (str_starts(repo, "library/"))
		repo += strlen("library/");
	if (ref->tag && strcmp(ref->tag, "latest") == 0)
		snprintf(text, sizeof text, "%s", repo);
	else if (ref->tag)
		snprintf(text, sizeof text, "%s-%s", repo, ref->tag);
	else
		snprintf(text, sizeof text, "%s-%.12s", repo, ref->digest);
	for (char *c = text; *c; c++)
		*c = strchr(LOWER DIGITS "._-", *c) ? *c
		     : isupper((unsigned char)*c)   ? (char)tolower((unsigned char)*c)
						    : '-';
	if (store_is_name(text))
		memcpy(ref->name, text, strlen(text) + 1);
}

int image_ref_parse(const char *text, struct image_ref *ret, struct cis_error *err)
{
	cleanup(image_ref_done) struct image_ref ref = {0};
	const char *s = str_starts(text, "docker://") ? text + strlen("docker://") : text;
	const char *at = strchr(s, '@');
	int r = at ? set_digest(&ref, at + 1) : 0;

	if (r == 0)
		r = set_repo_and_tag(&ref, s, at ? (size_t)(at - s) : strlen(s));
	if (r == -EINVAL)
		return cis_fail_plain(
			err, EINVAL,
			"\"%.200s\": not [HOST[:PORT]/]PATH[:TAG][@sha256:DIGEST]", text);
	if (r < 0)
		return cis_fail(err, -r, "%.200s", text);
	set_name(&ref);
	*ret = ref;
	ref = (struct image_ref){0};
	return 0;
}

int image_ref_format(const struct image_ref *ref, char **ret)
{
	if (ref->tag)
		return str_format(ret, "%s:%s", ref->repo, ref->tag);
	return str_format(ret, "%s@sha256:%s", ref->repo, ref->digest);
}
