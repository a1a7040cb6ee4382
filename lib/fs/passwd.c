/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Not getpwnam: that reads the host's files, and fgetpwent would read a file
 * that a hostile image wrote through libc's parser with the host's root.
 */
#include "passwd.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../base/fd.h"
#include "../base/io.h"
#include "../base/str.h"
#include "path.h"

#define FILE_MAX (1 << 20)
#define FIELDS 7
#define GROUPS_MAX 256

/* The file's text, or "" when it is not a plain file that we can read. */
static int read_database(int rootfd, const char *path, char **ret)
{
	cleanup_close int fd = path_open_in(rootfd, path);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return str_set(ret, "");
	return io_read_fd(fd, FILE_MAX, ret, NULL);
}

/* Cuts "a:b:c" into fields in place; absent ones are "". */
static void split(char *line, char *fields[static FIELDS])
{
	for (size_t i = 0; i < FIELDS; i++) {
		fields[i] = line;
		line += strcspn(line, ":");
		if (*line)
			*line++ = '\0';
	}
}

/* The line whose field 0 is @key (or field 2, when @key is a number). */
static bool find(char *text, const char *key, char *fields[static FIELDS])
{
	uint64_t n;
	size_t field = str_parse_u64(key, &n) == 0 ? 2 : 0;
	char *save = NULL;

	for (char *line = strtok_r(text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		split(line, fields);
		if (strcmp(fields[field], key) == 0)
			return true;
	}
	return false;
}

static bool parse_id(const char *s, uint32_t *ret)
{
	uint64_t n;

	if (str_parse_u64(s, &n) < 0 || n >= UINT32_MAX)
		return false;
	*ret = (uint32_t)n;
	return true;
}

static int lookup_user(int rootfd, const char *name, struct passwd_entry *e, char *login,
		       size_t login_size, struct cis_error *err)
{
	cleanup_free char *text = NULL;
	char *f[FIELDS];
	int r = read_database(rootfd, "/etc/passwd", &text);

	if (r < 0)
		return cis_fail(err, -r, "user %s: read /etc/passwd of the image", name);
	snprintf(e->home, sizeof e->home, "/");
	if (find(text, name, f) && parse_id(f[2], &e->uid) && parse_id(f[3], &e->gid)) {
		snprintf(login, login_size, "%s", f[0]);
		if (f[5][0] == '/')
			snprintf(e->home, sizeof e->home, "%s", f[5]);
		return 0;
	}
	if (!parse_id(name, &e->uid))
		return cis_fail_plain(err, ENOENT,
				      "user %s: not in /etc/passwd of the image", name);
	if (e->uid == 0)
		snprintf(e->home, sizeof e->home, "/root");
	return 0;
}

static int lookup_group(int rootfd, const char *name, gid_t *ret, struct cis_error *err)
{
	cleanup_free char *text = NULL;
	char *f[FIELDS];
	int r = read_database(rootfd, "/etc/group", &text);

	if (r < 0)
		return cis_fail(err, -r, "group %s: read /etc/group of the image", name);
	if (parse_id(name, ret) || (find(text, name, f) && parse_id(f[2], ret)))
		return 0;
	return cis_fail_plain(err, ENOENT, "group %s: not in /etc/group of the image", name);
}

static bool is_member(const char *list, const char *login)
{
	size_t n = strlen(login);

	while (*list) {
		size_t len = strcspn(list, ",");

		if (len == n && strncmp(list, login, n) == 0)
			return true;
		list += len + (list[len] == ',');
	}
	return false;
}

/* As login(1): every group that lists the user. */
static int lookup_supplementary(int rootfd, const char *login, struct passwd_entry *e)
{
	cleanup_free char *text = NULL;
	char *save = NULL, *f[FIELDS];
	int r = read_database(rootfd, "/etc/group", &text);

	if (r < 0 || !*login)
		return r;
	e->groups = calloc(GROUPS_MAX, sizeof *e->groups);
	if (!e->groups)
		return -ENOMEM;
	for (char *line = strtok_r(text, "\n", &save); line && e->n_groups < GROUPS_MAX;
	     line = strtok_r(NULL, "\n", &save)) {
		split(line, f);
		if (is_member(f[3], login) && parse_id(f[2], &e->groups[e->n_groups]))
			e->n_groups++;
	}
	return 0;
}

int passwd_lookup(int rootfd, const char *user, struct passwd_entry *ret,
		  struct cis_error *err)
{
	cleanup_free char *name = strdup(user);
	char login[64] = "", *group;
	int r;

	*ret = (struct passwd_entry){0};
	if (!name)
		return cis_fail(err, ENOMEM, "user %s", user);
	group = strchr(name, ':');
	if (group)
		*group++ = '\0';
	r = lookup_user(rootfd, name, ret, login, sizeof login, err);
	if (r >= 0 && group)
		r = lookup_group(rootfd, group, &ret->gid, err);
	else if (r >= 0 && lookup_supplementary(rootfd, login, ret) < 0)
		r = cis_fail(err, ENOMEM, "user %s: groups", user);
	if (r < 0)
		passwd_entry_done(ret);
	return r;
}

void passwd_entry_done(struct passwd_entry *e)
{
	free(e->groups);
	e->groups = NULL;
}
