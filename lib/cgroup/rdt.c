/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rdt.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "../base/fd.h"
#include "../base/io.h"
#include "../base/json.h"
#include "../base/str.h"
#include "../base/sys.h"
#include "../container/config.h"

#define ROOT "/sys/fs/resctrl"
#define RESCTRL_MAGIC 0x7655821
#define SCHEMATA_MAX 65536

void rdt_init(struct rdt *t)
{
	*t = (struct rdt){.tasks = {-1, -1}};
}

void rdt_done(struct rdt *t)
{
	fd_close(t->tasks[0]);
	fd_close(t->tasks[1]);
	rdt_init(t);
}

int rdt_open_root(struct cis_error *err)
{
	cleanup_close int fd = open(ROOT, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct statfs fs;

	if (fd >= 0 && fstatfs(fd, &fs) == 0 && fs.f_type == RESCTRL_MAGIC)
		return steal_fd(&fd);
	cis_fail_plain(err, EOPNOTSUPP, "linux.intelRdt: there is no resctrl at " ROOT);
	cis_hint(err, fd >= 0 ? "mount -t resctrl resctrl " ROOT
			      : "neither the processor nor the kernel need have it");
	return -EOPNOTSUPP;
}

/* ---- schemata ----------------------------------------------------------------------- */

static bool is_bandwidth(const char *line)
{
	while (*line == ' ' || *line == '\t')
		line++;
	return str_starts(line, "MB:");
}

/* One line a write: the kernel tells which it does not like by refusing that. */
static int write_line(int dir, const char *line, struct cis_error *err)
{
	cleanup_free char *text = NULL;
	int r = str_format(&text, "%s\n", line);

	if (r >= 0)
		r = io_write_file_at(dir, "schemata", text);
	return r < 0 ? cis_fail(err, -r, "linux.intelRdt: write \"%s\" to schemata", line) : 0;
}

/* "L3:0=f;1=0f": every "ID=VALUE" of @line in the line of that name, zeros in front aside. */
static bool has_values(const char *line, const char *theirs)
{
	const char *p = strchr(line, ':'), *start = theirs ? strchr(theirs, ':') : NULL;

	while (p && start && *++p) {
		unsigned long long id = strtoull(p, (char **)&p, 10), value;
		bool found = false;

		if (*p++ != '=')
			return false;
		value = strtoull(p, (char **)&p, is_bandwidth(line) ? 10 : 16);
		for (const char *q = start; q && !found; q = strchr(q, ';')) {
			char *end;

			found = strtoull(q + 1, &end, 10) == id && *end == '=' &&
				strtoull(end + 1, NULL, is_bandwidth(line) ? 10 : 16) == value;
			q++;
		}
		if (!found)
			return false;
		if (*p != ';')
			break;
	}
	return p && start;
}

static bool is_set(int dir, const char *line)
{
	cleanup_free char *text = NULL;
	char *save = NULL;

	line += strspn(line, " \t");
	if (io_read_file_at(dir, "schemata", SCHEMATA_MAX, &text, NULL) < 0)
		return false;
	for (char *l = strtok_r(text, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		size_t n = strcspn(line, ":");

		l += strspn(l, " \t");
		if (strncmp(l, line, n) == 0 && l[n] == ':')
			return has_values(line, l);
	}
	return false;
}

/* @check: the class is not ours, and its lines must be these. */
static int put_line(int dir, const char *line, bool check, struct cis_error *err)
{
	if (!check)
		return write_line(dir, line, err);
	return is_set(dir, line) ? 0
				 : cis_fail_plain(err, EEXIST,
						  "linux.intelRdt.closID: the class is there and "
						  "has not \"%s\"",
						  line);
}

static int put_lines(int dir, const char *lines, bool bandwidth, bool check,
		     struct cis_error *err)
{
	cleanup_free char *text = lines ? strdup(lines) : NULL;
	char *save = NULL;
	int r = 0;

	if (lines && !text)
		return cis_fail(err, ENOMEM, "linux.intelRdt");
	/* Bandwidth has a member of its own: in that of the cache it does not count. */
	for (char *l = text ? strtok_r(text, "\n", &save) : NULL; l && r >= 0;
	     l = strtok_r(NULL, "\n", &save))
		if (bandwidth || !is_bandwidth(l))
			r = put_line(dir, l, check, err);
	return r;
}

/* The exact lines last: they may take back what the other two said. */
static int put_schemata(int dir, const struct config *c, bool check, struct cis_error *err)
{
	int r = put_lines(dir, c->rdt_l3, false, check, err);

	if (r >= 0)
		r = put_lines(dir, c->rdt_mb, true, check, err);
	for (size_t i = 0; i < c->rdt_schemata.n && r >= 0; i++)
		r = put_lines(dir, c->rdt_schemata.v[i], true, check, err);
	return r;
}

/* ---- groups --------------------------------------------------------------------------- */

static int open_clos(const struct rdt *t, int root, struct cis_error *err)
{
	int fd = openat(root, t->clos, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? cis_fail(err, errno, "linux.intelRdt: open the class %s", t->clos) : fd;
}

static int open_tasks(int dir, const char *path, int *ret, struct cis_error *err)
{
	*ret = openat(dir, path, O_WRONLY | O_CLOEXEC);
	return *ret < 0 ? cis_fail(err, errno, "linux.intelRdt: open %s", path) : 0;
}

int rdt_open(struct rdt *t, int root, const char *id, struct cis_error *err)
{
	cleanup_close int dir = open_clos(t, root, err);
	char path[512];
	int r = dir;

	if (r >= 0)
		r = open_tasks(dir, "tasks", &t->tasks[0], err);
	snprintf(path, sizeof path, "mon_groups/%s/tasks", id);
	if (r >= 0 && t->monitored)
		r = open_tasks(dir, path, &t->tasks[1], err);
	return r;
}

static int make_monitor(struct rdt *t, int dir, const char *id, struct cis_error *err)
{
	char path[512];

	snprintf(path, sizeof path, "mon_groups/%s", id);
	if (mkdirat(dir, path, 0755) < 0)
		return cis_fail(err, errno, "linux.intelRdt.enableMonitoring: make %s", path);
	t->monitored = true;
	return 0;
}

static int make_clos(struct rdt *t, int root, const struct config *c, struct cis_error *err)
{
	bool limits = c->rdt_l3 || c->rdt_mb || c->rdt_schemata.n;
	int r;

	if (c->rdt_clos && !limits) {
		if (faccessat(root, t->clos, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			return 0;
		return cis_fail_plain(err, ENOENT,
				      "linux.intelRdt.closID: there is no class %s, and "
				      "nothing is said to make it of",
				      t->clos);
	}
	if (mkdirat(root, t->clos, 0755) == 0) {
		t->made = true;
		return 0;
	}
	if (errno == EEXIST && c->rdt_clos)
		return 0;
	r = cis_fail(err, errno, "linux.intelRdt: make the class %s", t->clos);
	if (r == -ENOSPC)
		cis_hint(err, "the processor has only so many: give containers a closID in common");
	return r;
}

int rdt_make_class(struct rdt *t, int root, const struct config *c, const char *id,
		   struct cis_error *err)
{
	const char *given = c->rdt_clos ? c->rdt_clos : id;
	const char *name = strcmp(given, "/") == 0 ? "." : given;

	if ((size_t)snprintf(t->clos, sizeof t->clos, "%s", name) >= sizeof t->clos ||
	    strlen(id) >= sizeof t->clos)
		return cis_fail_plain(err, ENAMETOOLONG, "linux.intelRdt: %s is too long", name);
	t->given = true;
	return make_clos(t, root, c, err);
}

int rdt_fill_class(struct rdt *t, int root, const struct config *c, const char *id,
		   struct cis_error *err)
{
	cleanup_close int dir = open_clos(t, root, err);
	int r = dir;

	if (r >= 0)
		r = put_schemata(dir, c, !t->made, err);
	if (r >= 0 && c->rdt_monitoring)
		r = make_monitor(t, dir, id, err);
	return r < 0 ? r : rdt_open(t, root, id, err);
}

int rdt_make(struct rdt *t, int root, const struct config *c, const char *id,
	     struct cis_error *err)
{
	int r = rdt_make_class(t, root, c, id, err);

	if (r >= 0)
		r = rdt_fill_class(t, root, c, id, err);
	if (r < 0) {
		rdt_remove(t, root, id, NULL);
		t->made = t->monitored = false;
	}
	return r;
}

int rdt_join_child(const struct rdt *t)
{
	int r = 0;

	/* 0 is who writes it. The class first: its monitors take only who is in it. */
	for (size_t i = 0; i < ARRAY_SIZE(t->tasks) && r >= 0; i++)
		if (t->tasks[i] >= 0)
			r = SYS(write, t->tasks[i], "0", 1);
	return MIN(r, 0);
}

int rdt_change(const struct rdt *t, int root, const char *l3, const char *mb,
	       struct cis_error *err)
{
	cleanup_close int dir = open_clos(t, root, err);
	int r = dir < 0 ? dir : put_lines(dir, l3, false, false, err);

	return r < 0 ? r : put_lines(dir, mb, true, false, err);
}

int rdt_remove(const struct rdt *t, int root, const char *id, struct cis_error *err)
{
	char path[1024];
	int r = 0;

	snprintf(path, sizeof path, "%s/mon_groups/%s", t->clos, id);
	if (t->monitored && unlinkat(root, path, AT_REMOVEDIR) < 0 && errno != ENOENT)
		r = cis_fail(err, errno, "linux.intelRdt: remove %s", path);
	if (t->made && unlinkat(root, t->clos, AT_REMOVEDIR) < 0 && errno != ENOENT)
		r = cis_fail(err, errno, "linux.intelRdt: remove the class %s", t->clos);
	return r;
}

/* ---- saved ------------------------------------------------------------------------------ */

void rdt_save(const struct rdt *t, struct json *obj)
{
	json_set_string(obj, "class", t->clos);
	json_set_bool(obj, "made", t->made);
	json_set_bool(obj, "monitored", t->monitored);
}

static bool is_true(const struct json *obj, const char *key)
{
	const struct json *v = json_get(obj, key);

	return v && v->type == JSON_BOOL && v->boolean;
}

void rdt_load(struct rdt *t, const struct json *obj)
{
	const struct json *clos = json_get(obj, "class");

	if (!clos || clos->type != JSON_STRING)
		return;
	t->given = true;
	snprintf(t->clos, sizeof t->clos, "%s", clos->string);
	t->made = is_true(obj, "made");
	t->monitored = is_true(obj, "monitored");
}
