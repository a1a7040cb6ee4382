/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pool.h"

#include <cisandbox.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/io.h"
#include "base/json.h"
#include "spec.h"

#define CONFIG_MAX (1u << 20)

/* ---- one pool on disk --------------------------------------------------------------- */

static int check_name(const char *name, struct cis_error *err)
{
	return spec_id_is_valid(name) ? 0
				      : cis_fail_plain(err, EINVAL, "\"%s\" cannot be the name of "
						       "a pool", name);
}

static int no_pool(const char *name, struct cis_error *err)
{
	return cis_fail_plain(err, ENOENT, "no pool has the name %s (cisandbox pool start makes "
			      "one)", name);
}

/* Its directory. */
static int open_pool(const char *name, bool make, struct cis_error *err)
{
	cleanup_close int pools = state_open_pools(err);
	int fd, r = pools < 0 ? pools : check_name(name, err);

	if (r < 0)
		return r;
	if (make && mkdirat(pools, name, 0700) < 0 && errno != EEXIST)
		return cis_fail(err, errno, "pool %s", name);
	fd = openat(pools, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? no_pool(name, err) : cis_fail(err, errno, "pool %s", name);
	return fd;
}

int cis_pool_save(const char *name, unsigned int size, const char *directory,
		  char *const options[], struct cis_error *err)
{
	cleanup(json_freep) struct json *doc = json_object_new();
	cleanup_free char *text = NULL;
	cleanup_close int dir = -1, fd = -1;
	struct json *words;
	int r;

	if (!size || size > CIS_POOL_SIZE_MAX)
		return cis_fail_plain(err, EINVAL, "a pool has 1 to %u sandboxes",
				      CIS_POOL_SIZE_MAX);
	words = json_array_new();
	for (size_t i = 0; options[i]; i++)
		json_push(words, json_string_new(options[i]));
	json_set_int(doc, "size", size);
	json_set_string(doc, "directory", directory);
	json_set(doc, "options", words);
	r = json_write(doc, JSON_PRETTY, &text);
	if (r < 0)
		return cis_fail(err, -r, "pool %s", name);
	r = dir = open_pool(name, true, err);
	if (r < 0)
		return r;
	fd = openat(dir, "pool.json.new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	r = fd < 0 ? -errno : io_write_all(fd, text, strlen(text));
	if (r >= 0 && renameat(dir, "pool.json.new", dir, "pool.json") < 0)
		r = -errno;
	return r < 0 ? cis_fail(err, -r, "pool %s", name) : 0;
}

/* All words in one allocation: the pointers first. */
static char **in_one(const struct strv *words)
{
	size_t size = (words->n + 1) * sizeof(char *);
	char **ret, *at;

	for (size_t i = 0; i < words->n; i++)
		size += strlen(words->v[i]) + 1;
	ret = malloc(size);
	if (!ret)
		return NULL;
	at = (char *)(ret + words->n + 1);
	for (size_t i = 0; i < words->n; i++) {
		ret[i] = at;
		at = stpcpy(at, words->v[i]) + 1;
	}
	ret[words->n] = NULL;
	return ret;
}

static int parse(const struct json *doc, unsigned int *ret_size, struct strv *ret_words,
		 struct cis_error *err)
{
	const struct json *v;
	int64_t size;
	const char *directory;
	int r = json_need(doc, "size", &v, err);

	if (r >= 0)
		r = json_want_int(v, 1, CIS_POOL_SIZE_MAX, &size, err);
	if (r >= 0)
		r = json_need(doc, "options", &v, err);
	if (r >= 0)
		r = json_want_strv(v, ret_words, err);
	if (r >= 0)
		r = json_need(doc, "directory", &v, err);
	if (r >= 0)
		r = json_want_string(v, &directory, err);
	if (r < 0)
		return r;
	*ret_size = (unsigned int)size;
	return strv_add(ret_words, directory) < 0 ? cis_fail(err, ENOMEM, "pool") : 0;
}

int cis_pool_load(const char *name, unsigned int *ret_size, char ***ret_options,
		  char **ret_directory, struct cis_error *err)
{
	cleanup(json_freep) struct json *doc = NULL;
	cleanup(strv_done) struct strv words = {0};
	cleanup_close int dir = open_pool(name, false, err);
	cleanup_free char *text = NULL;
	size_t len;
	int r = dir;

	if (r >= 0 && (r = io_read_file_at(dir, "pool.json", CONFIG_MAX, &text, &len)) < 0)
		r = r == -ENOENT ? no_pool(name, err) : cis_fail(err, -r, "pool %s", name);
	if (r >= 0)
		r = json_parse(text, len, 0, "pool.json", &doc, err);
	if (r >= 0)
		r = parse(doc, ret_size, &words, err);
	if (r < 0)
		return r;
	/* The directory is the last of them; it is the caller's now. */
	*ret_directory = words.v[--words.n];
	words.v[words.n] = NULL;
	*ret_options = in_one(&words);
	if (*ret_options)
		return 0;
	str_freep(ret_directory);
	return cis_fail(err, ENOMEM, "pool %s", name);
}

int cis_pool_remove(const char *name, struct cis_error *err)
{
	cleanup_close int pools = state_open_pools(err);
	cleanup_close int dir = -1;
	int r = pools;

	if (r >= 0)
		r = dir = open_pool(name, false, err);
	if (r < 0)
		return r;
	unlinkat(dir, "pool.json", 0);
	unlinkat(dir, "pool.json.new", 0);
	unlinkat(dir, "lock", 0);
	if (unlinkat(pools, name, AT_REMOVEDIR) < 0)
		return cis_fail(err, errno, "pool %s", name);
	return 0;
}

int cis_pool_lock(const char *name, struct cis_error *err)
{
	for (;;) {
		cleanup_close int dir = open_pool(name, false, err);
		cleanup_close int fd = -1;
		struct stat ours, there;

		if (dir < 0)
			return dir;
		fd = openat(dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		if (fd < 0 || flock(fd, LOCK_EX) < 0)
			return cis_fail(err, errno, "lock pool %s", name);
		/* Stopped meanwhile: then whoever asks again finds none. */
		if (fstat(fd, &ours) == 0 && fstatat(dir, "lock", &there, 0) == 0 &&
		    ours.st_ino == there.st_ino)
			return steal_fd(&fd);
	}
}

int cis_pool_list(char ***ret, struct cis_error *err)
{
	cleanup(strv_done) struct strv names = {0};
	int fd = state_open_pools(err), r = 0;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (fd < 0)
		return fd;
	while (dir && r >= 0 && (e = readdir(dir)))
		if (spec_id_is_valid(e->d_name))
			r = strv_add(&names, e->d_name);
	if (dir)
		closedir(dir);
	*ret = r < 0 ? NULL : in_one(&names);
	return *ret ? 0 : cis_fail(err, ENOMEM, "list the pools");
}
