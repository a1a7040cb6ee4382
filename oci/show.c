/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The verbs that print: state list ps events features spec. Engines read stdout, some of them
 * stderr along with it: a verb that succeeds says nothing else.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "json.h"
#include "oci.h"

extern char **environ;

int verb_state(struct call *c)
{
	struct cis_error err = {0};
	char *text = NULL;
	int r = cis_oci_state_json(&c->rt, c->argv[0], &text, &err);

	return print_json(r, text, &err);
}

int verb_features(struct call *c)
{
	struct cis_error err = {0};
	char *text = NULL;
	int r = cis_oci_features_json(&text, &err);

	(void)c;
	return print_json(r, text, &err);
}

/* 0: a table, 1: JSON, or -1 with the error told. */
static int format_of(const struct call *c)
{
	if (!c->o.format || strcmp(c->o.format, "table") == 0)
		return 0;
	if (strcmp(c->o.format, "json") == 0)
		return 1;
	oci_fail_usage(c->command->name, "--format %s: neither table nor json", c->o.format);
	return -1;
}

/* ---- list ---------------------------------------------------------------- */

#define N_COLUMNS 6

static const struct {
	const char *title, *member;
} columns[N_COLUMNS] = {
	{"ID", "id"}, {"PID", "pid"}, {"STATUS", "status"},
	{"BUNDLE", "bundle"}, {"CREATED", "created"}, {"OWNER", "owner"},
};

/* To be freed; NULL is out of memory. */
static char *cell(struct json state, size_t column)
{
	struct json v;
	char *text = NULL;

	if (!jtext_get(state, columns[column].member, &v))
		return strdup("");
	if (jtext_is(v, '"'))
		text = jtext_text(v);
	return text ? text : strndup(v.at, (size_t)(v.end - v.at));
}

/* Prints the rows, or with @width only measures them. */
static int rows(struct json states, size_t *width)
{
	struct json_walk w = jtext_enter(states);
	struct json state;

	while (jtext_next(&w, NULL, &state)) {
		for (size_t i = 0; i < N_COLUMNS; i++) {
			char *text = cell(state, i);

			if (!text)
				return oci_fail("out of memory");
			if (width[N_COLUMNS] && i + 1 < N_COLUMNS)
				printf("%-*s", (int)width[i], text);
			else if (width[N_COLUMNS])
				printf("%s\n", text);
			else if (strlen(text) + 3 > width[i])
				width[i] = strlen(text) + 3;
			free(text);
		}
	}
	return 0;
}

static int print_table(struct json states)
{
	/* As runc's tabwriter has them; the last says that it is time to print. */
	size_t width[N_COLUMNS + 1] = {12, 12, 12, 12, 12, 12, 0};

	if (rows(states, width))
		return EXIT_FAILED;
	width[N_COLUMNS] = 1;
	for (size_t i = 0; i + 1 < N_COLUMNS; i++)
		printf("%-*s", (int)width[i], columns[i].title);
	printf("%s\n", columns[N_COLUMNS - 1].title);
	return rows(states, width);
}

static int print_ids(struct json states)
{
	struct json_walk w = jtext_enter(states);
	struct json state;

	while (jtext_next(&w, NULL, &state)) {
		char *id = cell(state, 0);

		if (!id)
			return oci_fail("out of memory");
		printf("%s\n", id);
		free(id);
	}
	return 0;
}

int verb_list(struct call *c)
{
	struct cis_error err = {0};
	struct json_error where;
	struct json states;
	char *text = NULL;
	int format = format_of(c), r;

	if (format < 0)
		return EXIT_FAILED;
	if (c->root_given && access(c->rt.root, R_OK | X_OK) < 0)
		return oci_fail("open %s: %s", c->rt.root, errno_text(errno));
	r = cis_oci_list_json(&c->rt, &text, &err);
	if (r < 0 || (format == 1 && !c->o.quiet))
		return print_json(r, text, &err);
	if (jtext_check(text, strlen(text), &states, &where) < 0)
		r = oci_fail("list: %u:%u: %s", where.line, where.column, where.what);
	else
		r = c->o.quiet ? print_ids(states) : print_table(states);
	free(text);
	return r ? r : finish_output();
}

/* ---- ps ------------------------------------------------------------------ */

static int by_number(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return (x > y) - (x < y);
}

static int print_pids(const int *pids, size_t n)
{
	putchar('[');
	for (size_t i = 0; i < n; i++)
		printf("%s%d", i ? "," : "", pids[i]);
	printf("]\n");
	return finish_output();
}

/* The field of that index, from 0; NULL when the line has fewer. */
static const char *field(const char *line, int index, size_t *ret_len)
{
	for (;; index--) {
		line += strspn(line, " \t\n");
		*ret_len = strcspn(line, " \t\n");
		if (index == 0 || *ret_len == 0)
			return *ret_len ? line : NULL;
		line += *ret_len;
	}
}

static int pid_column(const char *header)
{
	const char *name;
	size_t len;

	for (int i = 0; (name = field(header, i, &len)); i++)
		if (len == 3 && memcmp(name, "PID", 3) == 0)
			return i;
	return -1;
}

/* The header and the lines of those pids. */
static int filter(FILE *f, const int *pids, size_t n)
{
	char *line = NULL;
	size_t size = 0, len;
	int column = -1;

	while (getline(&line, &size, f) > 0) {
		bool header = column < 0;
		const char *text;
		int pid;

		if (header && (column = pid_column(line)) < 0)
			break;
		text = field(line, column, &len);
		pid = text ? atoi(text) : 0;
		if (header || bsearch(&pid, pids, n, sizeof pid, by_number))
			fputs(line, stdout);
	}
	free(line);
	return column;
}

static int spawn_ps(char *const argv[], int out, pid_t *ret)
{
	posix_spawn_file_actions_t actions;
	int r = posix_spawn_file_actions_init(&actions);

	if (r == 0) {
		r = posix_spawn_file_actions_adddup2(&actions, out, 1);
		if (r == 0)
			r = posix_spawnp(ret, "ps", &actions, NULL, argv, environ);
		posix_spawn_file_actions_destroy(&actions);
	}
	return r;
}

/* The words behind the id are ps's own; argv[0], the id, gives its place to the name. */
static int print_ps(struct call *c, const int *pids, size_t n)
{
	char name[] = "ps", all[] = "-ef", *standard[] = {name, all, NULL};
	char **argv = c->argc > 1 ? c->argv : standard;
	int pipe_fd[2], status = 0, column, r;
	pid_t pid;
	FILE *f;

	argv[0] = name;
	if (pipe2(pipe_fd, O_CLOEXEC) < 0)
		return oci_fail("ps: %s", errno_text(errno));
	r = spawn_ps(argv, pipe_fd[1], &pid);
	close(pipe_fd[1]);
	f = r == 0 ? fdopen(pipe_fd[0], "r") : NULL;
	if (!f) {
		close(pipe_fd[0]);
		return oci_fail("exec ps: %s", errno_text(r ? r : errno));
	}
	column = filter(f, pids, n);
	fclose(f);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (column >= 0 && status == 0)
		return finish_output();
	return oci_fail(status ? "ps failed" : "couldn't find PID field in ps output");
}

int verb_ps(struct call *c)
{
	struct cis_error err = {0};
	int *pids = NULL, format = format_of(c), status;
	size_t n = 0;

	if (format < 0)
		return EXIT_FAILED;
	if (cis_oci_pids(&c->rt, c->argv[0], &pids, &n, &err) < 0)
		return oci_fail_err(&err);
	if (n)
		qsort(pids, n, sizeof *pids, by_number);
	status = format == 1 ? print_pids(pids, n) : print_ps(c, pids, n);
	free(pids);
	return status;
}

/* ---- events -------------------------------------------------------------- */

/* 0 or -errno. */
static int print_stats(struct call *c, struct cis_error *err)
{
	char *text = NULL;
	int r = cis_oci_stats_json(&c->rt, c->argv[0], &text, err);

	if (r < 0)
		return r;
	fputs("{\"type\":\"stats\",\"id\":", stdout);
	jtext_put(stdout, c->argv[0]);
	fputs(",\"data\":", stdout);
	jtext_put_compact(stdout, text);
	fputs("}\n", stdout);
	free(text);
	return 0;
}

/* A container may end while it is watched: that is no failure. */
static bool has_ended(struct call *c)
{
	struct json status;
	char *text = NULL;
	bool ended;

	if (cis_oci_state_json(&c->rt, c->argv[0], &text, NULL) < 0)
		return true;
	ended = jtext_get((struct json){text, text + strlen(text)}, "status", &status) &&
		jtext_equal(status, "stopped");
	free(text);
	return ended;
}

static int print_ooms(struct call *c, struct cis_oci_watch *w)
{
	int n = cis_oci_watch_oom(w);

	for (int i = 0; i < n; i++) {
		fputs("{\"type\":\"oom\",\"id\":", stdout);
		jtext_put(stdout, c->argv[0]);
		fputs("}\n", stdout);
	}
	if (n < 0)
		return oci_fail("events: watch the memory of %s: %s", c->argv[0],
				errno_text(-n));
	return n ? finish_output() : 0;
}

static int64_t now_msec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Up to the next figures. *ret_ended: there will be none. */
static int wait_for_next(struct call *c, struct cis_oci_watch *w, uint64_t msec,
			 bool *ret_ended)
{
	struct pollfd p = {.fd = cis_oci_watch_fd(w), .events = POLLIN};
	int64_t until = now_msec() + (int64_t)msec, left = (int64_t)msec;
	int status = 0;

	while (status == 0 && left > 0) {
		if (poll(&p, 1, left < INT_MAX ? (int)left : INT_MAX) < 0 && errno != EINTR)
			return oci_fail("poll: %s", errno_text(errno));
		/* What it died of comes first. */
		status = print_ooms(c, w);
		*ret_ended = has_ended(c);
		left = *ret_ended ? 0 : until - now_msec();
	}
	return status;
}

static int watch(struct call *c, uint64_t msec)
{
	struct cis_error err = {0};
	struct cis_oci_watch *w = NULL;
	bool ended = false;
	int status = 0;

	/* First, so that nothing happens between it and the first figures. */
	if (cis_oci_watch_new(&c->rt, c->argv[0], &w, &err) < 0)
		return oci_fail_err(&err);
	while (status == 0 && !ended) {
		if (print_stats(c, &err) >= 0) {
			status = finish_output();
		} else if (!has_ended(c)) {
			status = oci_fail_err(&err);
		}
		if (status == 0)
			status = wait_for_next(c, w, msec, &ended);
	}
	cis_oci_watch_free(w);
	return status;
}

int verb_events(struct call *c)
{
	struct cis_error err = {0};
	uint64_t msec = 5000;

	if (c->o.interval && (cis_parse_duration(c->o.interval, &msec) < 0 || msec == 0))
		return oci_fail_usage("events", "--interval %s: not of the form DURATION",
				      c->o.interval);
	if (!c->o.stats)
		return watch(c, msec);
	return print_stats(c, &err) < 0 ? oci_fail_err(&err) : finish_output();
}

/* ---- spec ---------------------------------------------------------------- */

static int write_all(int fd, const char *text)
{
	size_t left = strlen(text);

	while (left) {
		ssize_t n = write(fd, text, left);

		if (n < 0 && errno != EINTR)
			return -1;
		text += n > 0 ? n : 0;
		left -= n > 0 ? (size_t)n : 0;
	}
	return 0;
}

int verb_spec(struct call *c)
{
	const char *dir = c->o.bundle ? c->o.bundle : ".";
	struct cis_error err = {0};
	char *text = NULL;
	int at, fd, status = 0;

	at = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (at < 0)
		return oci_fail("open %s: %s", dir, errno_text(errno));
	if (cis_oci_spec_json(c->o.spec_rootless, &text, &err) < 0) {
		close(at);
		return oci_fail_err(&err);
	}
	fd = openat(at, "config.json", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd < 0 && errno == EEXIST)
		status = oci_fail("File config.json exists. Remove it first");
	else if (fd < 0 || write_all(fd, text) < 0 || close(fd) < 0)
		status = oci_fail("write config.json: %s", errno_text(errno));
	close(at);
	free(text);
	return status;
}
