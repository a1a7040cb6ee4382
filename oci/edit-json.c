/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* daemon.json: runtimes.NAME = {"path": PATH}, written in the manner of what is around it. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "edit.h"
#include "json.h"
#include "oci.h"

/* How members of an object stand. */
struct style {
	const char *newline;
	bool lines;      /* one on a line */
	char indent[64]; /* before each */
	char unit[16];   /* more for each level below */
};

bool is_our_path(const char *path)
{
	const char *slash = strrchr(path, '/');

	const char *name = slash ? slash + 1 : path;

	return strcmp(name, PROGRAM) == 0 || strcmp(name, PROGRAM "-docker") == 0 ||
	       strcmp(name, PROGRAM "-nested") == 0;
}

const char *newline_of(const char *text)
{
	return strstr(text, "\r\n") ? "\r\n" : "\n";
}

static bool is_blank(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!strchr(" \t\r\n", text[i]) || !text[i])
			return false;
	return true;
}

/* 0 with the object that the file is. */
static int check(const struct target *t, const char *text, size_t len, struct json *ret)
{
	struct json_error where;

	if (jtext_check(text, len, ret, &where) < 0)
		return oci_fail("%s: %s:%u:%u: %s", t->verb, t->file, where.line,
				where.column, where.what);
	if (!jtext_is(*ret, '{'))
		return oci_fail("%s: %s:1:1: not an object", t->verb, t->file);
	return 0;
}

/* The member of that name; Go takes the last of two, and any case: both are refused. */
static int member(const struct target *t, struct json object, const char *name, bool *found,
		  struct json *ret)
{
	struct json_walk w = jtext_enter(object);
	struct json key, v;

	*found = false;
	while (jtext_next(&w, &key, &v)) {
		char *text = jtext_text(key);
		bool alike = text && strcasecmp(text, name) == 0;
		bool same = alike && strcmp(text, name) == 0;

		free(text);
		if (alike && (*found || !same))
			return oci_fail(
				"%s: %s: %.*s stands there twice, or in another spelling",
				t->verb, t->file, (int)(key.end - key.at), key.at);
		if (same) {
			*found = true;
			*ret = v;
		}
	}
	return 0;
}

/* The same one level down: it has to be an object. */
static int object(const struct target *t, struct json parent, const char *name, bool *found,
		  struct json *ret)
{
	if (member(t, parent, name, found, ret))
		return EXIT_FAILED;
	if (*found && !jtext_is(*ret, '{'))
		return oci_fail("%s: %s: %s is not an object", t->verb, t->file, name);
	return 0;
}

/* From how the first member stands; false for an object without any. */
static bool measure(struct json o, struct style *s)
{
	struct json_walk w = jtext_enter(o);
	struct json key, v;
	const char *from;

	if (!jtext_next(&w, &key, &v))
		return false;
	s->lines = memchr(o.at, '\n', (size_t)(key.at - o.at)) != NULL;
	for (from = key.at; from > o.at + 1 && (from[-1] == ' ' || from[-1] == '\t'); from--)
		;
	snprintf(s->indent, sizeof s->indent, "%.*s", s->lines ? (int)(key.at - from) : 0,
		 from);
	return true;
}

/* A line end and the blanks of that level, where members stand on lines. */
static void put_line(FILE *f, const struct style *s, int level)
{
	if (!s->lines)
		return;
	fprintf(f, "%s%s", s->newline, s->indent);
	while (level-- > 0)
		fputs(s->unit, f);
}

static void put_entry(FILE *f, const struct style *s, int level, const struct target *t)
{
	jtext_put(f, t->name);
	fputs(": {", f);
	put_line(f, s, level + 1);
	fputs("\"path\": ", f);
	jtext_put(f, t->path);
	put_line(f, s, level);
	fputc('}', f);
}

static void put_runtimes(FILE *f, const struct style *s, const struct target *t)
{
	fputs("\"runtimes\": {", f);
	put_line(f, s, 1);
	put_entry(f, s, 1, t);
	put_line(f, s, 0);
	fputc('}', f);
}

/* Where one more member goes: behind the last, or @empty inside the braces. */
static const char *place(struct json o, bool *empty)
{
	struct json_walk w = jtext_enter(o);
	const char *last = NULL;
	struct json v;

	while (jtext_next(&w, NULL, &v))
		last = v.end;
	*empty = !last;
	return last ? last : o.at + 1;
}

/* The text with the entry, or with all of "runtimes", put in. */
static void put_in(FILE *f, const char *text, size_t len, struct json root,
		   const struct json *runtimes, const struct target *t)
{
	struct style s = {.newline = newline_of(text), .lines = true, .indent = "  "};
	struct json into = runtimes ? *runtimes : root;
	char outer[sizeof s.indent] = "";
	const char *from;
	bool empty;

	/* The unit is what the outermost are indented by. */
	measure(root, &s);
	snprintf(s.unit, sizeof s.unit, "%.8s", *s.indent ? s.indent : "  ");
	if (runtimes)
		snprintf(outer, sizeof outer, "%s", s.indent);
	if (runtimes && !measure(into, &s) &&
	    strlen(s.indent) + strlen(s.unit) < sizeof s.indent)
		strcat(s.indent, s.unit);
	from = place(into, &empty);
	fwrite(text, 1, (size_t)(from - text), f);
	if (!empty)
		fputs(s.lines ? "," : ", ", f);
	put_line(f, &s, 0);
	if (runtimes)
		put_entry(f, &s, 0, t);
	else
		put_runtimes(f, &s, t);
	if (empty) {
		if (s.lines)
			fprintf(f, "%s%s", s.newline, outer);
		from = into.end - 1;
	}
	fwrite(from, 1, len - (size_t)(from - text), f);
}

/* The text with ours as the default, where it names none; NULL: it does, or *ret_failed. */
static char *with_default(const char *text, const struct target *t, bool *ret_failed)
{
	struct style s = {.newline = newline_of(text), .lines = true, .indent = "  "};
	size_t len = strlen(text), made_len;
	struct json root, v;
	const char *from;
	char *made = NULL;
	bool found, empty;
	FILE *f;

	*ret_failed = check(t, text, len, &root) || member(t, root, "default-runtime", &found, &v);
	if (*ret_failed || found)
		return NULL;
	f = open_memstream(&made, &made_len);
	measure(root, &s);
	from = place(root, &empty);
	if (f) {
		fprintf(f, "%.*s%s", (int)(from - text), text, s.lines ? "," : ", ");
		put_line(f, &s, 0);
		fputs("\"default-runtime\": ", f);
		jtext_put(f, t->name);
		fputs(from, f);
	}
	*ret_failed = !f || fclose(f) != 0;
	if (*ret_failed)
		oci_fail("out of memory");
	return made;
}

/* An entry of that name is there: nothing to do, or its path to replace. */
static enum edit put_path(FILE *f, const char *text, size_t len, struct json entry,
			  const struct target *t)
{
	struct json path, other;
	bool found, typed;
	char *now;
	enum edit r;

	if (member(t, entry, "path", &found, &path) ||
	    member(t, entry, "runtimeType", &typed, &other))
		return EDIT_FAILED;
	now = found && !typed ? jtext_text(path) : NULL;
	if (now && strcmp(now, t->path) == 0) {
		r = EDIT_SAME;
	} else if (now && is_our_path(now)) {
		fwrite(text, 1, (size_t)(path.at - text), f);
		jtext_put(f, t->path);
		fwrite(path.end, 1, len - (size_t)(path.end - text), f);
		r = EDIT_DONE;
	} else {
		oci_fail("%s: %s: runtimes.%s is %s already (--name gives ours another name)",
			 t->verb, t->file, t->name, now ? now : "something else");
		r = EDIT_FAILED;
	}
	free(now);
	return r;
}

static enum edit edit(FILE *f, const char *text, size_t len, const struct target *t)
{
	struct json root, runtimes, entry;
	bool found;

	if (is_blank(text, len)) {
		text = "{}\n";
		len = strlen(text);
	}
	if (check(t, text, len, &root) || object(t, root, "runtimes", &found, &runtimes))
		return EDIT_FAILED;
	if (!found) {
		put_in(f, text, len, root, NULL, t);
		return EDIT_DONE;
	}
	if (object(t, runtimes, t->name, &found, &entry))
		return EDIT_FAILED;
	if (found)
		return put_path(f, text, len, entry, t);
	put_in(f, text, len, root, &runtimes, t);
	return EDIT_DONE;
}

enum edit edit_docker(const struct target *t, const char *text, size_t len, char **ret)
{
	char *made = NULL;
	size_t made_len;
	FILE *f = open_memstream(&made, &made_len);
	enum edit r;

	if (!f) {
		oci_fail("out of memory");
		return EDIT_FAILED;
	}
	r = edit(f, text, len, t);
	if (fclose(f) != 0 && r == EDIT_DONE) {
		oci_fail("out of memory");
		r = EDIT_FAILED;
	}
	if (r != EDIT_DONE) {
		free(made);
		made = NULL;
	}
	if (r != EDIT_FAILED && t->is_default) {
		bool failed;
		char *more = with_default(made ? made : text, t, &failed);

		if (more || failed) {
			free(made);
			made = more;
			r = failed ? EDIT_FAILED : EDIT_DONE;
		}
	}
	*ret = made;
	return r;
}

int find_docker(const struct target *t, const char *text, size_t len, char **ret)
{
	struct json root, runtimes, entry, path;
	bool found;

	if (is_blank(text, len))
		return 0;
	if (check(t, text, len, &root) || object(t, root, "runtimes", &found, &runtimes))
		return -1;
	if (!found)
		return 0;
	if (object(t, runtimes, t->name, &found, &entry))
		return -1;
	if (!found || !jtext_get(entry, "path", &path))
		return 0;
	*ret = jtext_text(path);
	return *ret ? 1 : 0;
}
