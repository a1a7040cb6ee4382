/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * config.toml of containerd and the drop-ins of CRI-O and podman. A table of ours is put
 * behind all others, where TOML lets it stand; one that is there has its path replaced.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "edit.h"
#include "oci.h"
#include "toml.h"

#define MARK "# Added by " PROGRAM " install."
#define V2 "io.containerd.grpc.v1.cri"
#define V3 "io.containerd.cri.v1.runtime"

static int parse(const struct target *t, const char *text, size_t len, struct toml *ret)
{
	struct json_error where = {0};
	int r = toml_read(text, len, ret, &where);

	if (r == 0)
		return 0;
	if (r != -ENOMEM)
		return oci_fail("%s: %s:%u:%u: %s", t->verb, t->file, where.line,
				where.column, where.what);
	return oci_fail("out of memory");
}

/*
 * Where the key's value is: 1 with *ret_item, 0 when nothing of @table is there and it may be
 * appended, -1 with the error told.
 */
static int look(const struct target *t, const struct toml *all, const char *table,
		const char *key_path, const struct toml_item **ret_item)
{
	bool taken = false;

	*ret_item = toml_find(all, key_path, false);
	if (*ret_item)
		return 1;
	for (size_t i = 0; i < all->n; i++) {
		const struct toml_item *item = &all->items[i];

		/* Within an inline value, or an array of tables: not a place for a table. */
		if ((!item->is_table || item->is_array) && toml_is_below(table, item->path))
			taken = true;
		if (toml_is_below(item->path, table))
			taken = true;
	}
	if (!taken)
		return 0;
	oci_fail("%s: %s: runtime %s cannot be put behind what is there (--name gives ours"
		 " another name, --file names another file)",
		 t->verb, t->file, t->name);
	return -1;
}

static char *splice(const char *text, struct json old, const char *path)
{
	char *made;

	if (asprintf(&made, "%.*s\"%s\"%s", (int)(old.at - text), text, path, old.end) < 0)
		return NULL;
	return made;
}

/* It is there: nothing to do, or the path to replace. */
static enum edit put_path(const struct target *t, const char *text,
			  const struct toml_item *item, char **ret)
{
	struct json old;
	char *now = toml_string(item->value, &old);
	enum edit r = EDIT_FAILED;

	if (now && strcmp(now, t->path) == 0) {
		r = EDIT_SAME;
	} else if (now && is_our_path(now)) {
		*ret = splice(text, old, t->path);
		r = *ret ? EDIT_DONE : EDIT_FAILED;
		if (!*ret)
			oci_fail("out of memory");
	} else {
		oci_fail("%s: %s: runtime %s is %s already (--name gives ours another name)",
			 t->verb, t->file, t->name, now ? now : "something else");
	}
	free(now);
	return r;
}

/* The text, with an end of line at its end, and @more, whose lines get the same ends. */
static char *append(const char *text, size_t len, const char *more)
{
	const char *newline = newline_of(text);
	char *made = NULL;
	size_t made_len;
	FILE *f = open_memstream(&made, &made_len);

	if (!f)
		return NULL;
	fwrite(text, 1, len, f);
	if (len && text[len - 1] != '\n')
		fputs(newline, f);
	if (!len && *more == '\n')
		more++;
	for (; *more; more++) {
		if (*more == '\n')
			fputs(newline, f);
		else
			fputc(*more, f);
	}
	if (fclose(f) == 0)
		return made;
	free(made);
	return NULL;
}

static enum edit edit(const struct target *t, const struct toml *all, const char *text,
		      size_t len, const char *const table[], const char *const key[],
		      const char *more, char **ret)
{
	char *table_path = toml_path(table), *key_path = toml_path(key);
	const struct toml_item *item = NULL;
	int r = table_path && key_path ? look(t, all, table_path, key_path, &item)
				       : -oci_fail("out of memory");
	enum edit done = EDIT_FAILED;

	if (r == 1) {
		done = put_path(t, text, item, ret);
	} else if (r == 0) {
		*ret = append(text, len, more);
		done = *ret ? EDIT_DONE : EDIT_FAILED;
		if (!*ret)
			oci_fail("out of memory");
	}
	free(table_path);
	free(key_path);
	return done;
}

static int find(const struct target *t, const char *text, size_t len, const char *const key[],
		char **ret)
{
	char *path = toml_path(key);
	const struct toml_item *item;
	struct toml all = {0};

	if (!path || parse(t, text, len, &all)) {
		free(path);
		return -1;
	}
	item = toml_find(&all, path, false);
	*ret = item ? toml_string(item->value, NULL) : NULL;
	toml_done(&all);
	free(path);
	return *ret != NULL;
}

/* ---- containerd ---------------------------------------------------------- */

/* The plugin that keeps the runtimes in that version of the file; NULL with it told. */
static const char *plugin_of(const struct target *t, const struct toml *all)
{
	const struct toml_item *v = toml_find(all, "version", false);

	if (!all->n)
		return V2;
	if (v && v->value.end - v->value.at == 1 && *v->value.at == '2')
		return V2;
	if (v && v->value.end - v->value.at == 1 && *v->value.at == '3')
		return V3;
	oci_fail("%s: %s: neither of version 2 nor of version 3 (containerd config migrate"
		 " brings it up)",
		 t->verb, t->file);
	return NULL;
}

/* Whether the file names any runtime, and whether runc is told to leave groups to systemd. */
static void look_at_others(const struct toml *all, const char *plugin, bool *any,
			   bool *systemd)
{
	const char *const others[] = {"plugins", plugin, "containerd", "runtimes", NULL};
	const char *const setting[] = {"plugins", plugin,    "containerd",    "runtimes",
				       "runc", "options", "SystemdCgroup", NULL};
	char *below = toml_path(others), *path = toml_path(setting);
	const struct toml_item *item = path ? toml_find(all, path, false) : NULL;
	size_t len = below ? strlen(below) : 0;

	*systemd = item && jtext_is(item->value, 't');
	*any = false;
	for (size_t i = 0; below && i < all->n; i++)
		if (toml_is_below(all->items[i].path, below) && all->items[i].path[len])
			*any = true;
	free(below);
	free(path);
}

static void put_table(FILE *f, const char *plugin, const char *name, const char *below)
{
	char quote = strcmp(plugin, V3) == 0 ? '\'' : '"';

	fprintf(f, "[plugins.%c%s%c.containerd.runtimes.%s%s]\n", quote, plugin, quote, name,
		below);
}

/*
 * containerd does not add what a file has to its own table of runtimes, but takes the
 * file's: one that names none so far has to name runc, too, or that is gone.
 */
static char *containerd_text(const struct target *t, const struct toml *all,
			     const char *plugin)
{
	char *made = NULL;
	size_t len;
	FILE *f = open_memstream(&made, &len);
	bool any, systemd;

	if (!f)
		return NULL;
	look_at_others(all, plugin, &any, &systemd);
	if (!all->n)
		fputs("\nversion = 2\n", f);
	fprintf(f, "\n%s\n", MARK);
	if (!any) {
		put_table(f, plugin, "runc", "");
		fputs("  runtime_type = \"io.containerd.runc.v2\"\n", f);
	}
	put_table(f, plugin, t->name, "");
	fputs("  runtime_type = \"io.containerd.runc.v2\"\n", f);
	put_table(f, plugin, t->name, ".options");
	fprintf(f, "  BinaryName = \"%s\"\n", t->path);
	if (systemd)
		fputs("  SystemdCgroup = true\n", f);
	if (fclose(f) == 0)
		return made;
	free(made);
	return NULL;
}

enum edit edit_containerd(const struct target *t, const char *text, size_t len, char **ret)
{
	struct toml all = {0};
	enum edit r = EDIT_FAILED;
	const char *plugin;
	char *more;

	if (parse(t, text, len, &all))
		return EDIT_FAILED;
	plugin = plugin_of(t, &all);
	more = plugin ? containerd_text(t, &all, plugin) : NULL;
	if (more) {
		const char *const table[] = {"plugins", plugin,  "containerd",
					     "runtimes", t->name, NULL};
		const char *const key[] = {"plugins", plugin, "containerd", "runtimes",
					   t->name,   "options", "BinaryName", NULL};

		r = edit(t, &all, text, len, table, key, more, ret);
	} else if (plugin) {
		oci_fail("out of memory");
	}
	free(more);
	toml_done(&all);
	return r;
}

int find_containerd(const struct target *t, const char *text, size_t len, char **ret)
{
	static const char *const plugins[] = {V2, V3};
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof plugins / sizeof *plugins; i++) {
		const char *const key[] = {"plugins", plugins[i], "containerd", "runtimes",
					   t->name,   "options",  "BinaryName", NULL};

		r = find(t, text, len, key, ret);
	}
	return r;
}

/* ---- CRI-O and podman ---------------------------------------------------- */

enum edit edit_crio(const struct target *t, const char *text, size_t len, char **ret)
{
	const char *const table[] = {"crio", "runtime", "runtimes", t->name, NULL};
	const char *const key[] = {"crio",  "runtime", "runtimes",
				   t->name, "runtime_path", NULL};
	struct toml all = {0};
	enum edit r = EDIT_FAILED;
	char *more;

	if (parse(t, text, len, &all))
		return EDIT_FAILED;
	if (asprintf(&more,
		     "\n" MARK "\n[crio.runtime.runtimes.%s]\nruntime_path = \"%s\"\n"
		     "runtime_type = \"oci\"\nruntime_root = \"/run/cisandbox-oci\"\n",
		     t->name, t->path) >= 0) {
		r = edit(t, &all, text, len, table, key, more, ret);
		free(more);
	}
	toml_done(&all);
	return r;
}

int find_crio(const struct target *t, const char *text, size_t len, char **ret)
{
	const char *const key[] = {"crio",  "runtime", "runtimes",
				   t->name, "runtime_path", NULL};

	return find(t, text, len, key, ret);
}

/* Whether containers.conf beside the directory of drop-ins has that key: ours would win. */
static bool is_chosen(const char *drop_in, const char *word)
{
	const char *slash = strrchr(drop_in, '/');
	const char *const key[] = {"engine", word, NULL};
	char path[4096], *text, *name = toml_path(key);
	struct json_error where;
	struct toml all = {0};
	size_t len;
	bool found = false;

	if (!slash || !name ||
	    (size_t)snprintf(path, sizeof path, "%.*s/../containers.conf",
			     (int)(slash - drop_in), drop_in) >= sizeof path) {
		free(name);
		return false;
	}
	if (file_read(path, &text, &len) == 0) {
		if (toml_read(text, len, &all, &where) == 0)
			found = toml_find(&all, name, false) != NULL;
		toml_done(&all);
		free(text);
	}
	free(name);
	return found;
}

/*
 * podman gives --log only to runtimes that it knows to write JSON there; without, it reads
 * stderr, which works as well. An array of a drop-in replaces the default one, which the
 * list repeats; {append=true} is not known to podman 4.
 */
enum edit edit_podman(const struct target *t, const char *text, size_t len, char **ret)
{
	const char *const table[] = {"engine", NULL};
	const char *const key[] = {"engine", "runtimes", t->name, NULL};
	struct toml all = {0};
	enum edit r = EDIT_FAILED;
	char *more, list[256] = "", chosen[128] = "";

	if (parse(t, text, len, &all))
		return EDIT_FAILED;
	if (t->is_default && !is_chosen(t->file, "runtime"))
		snprintf(chosen, sizeof chosen, "runtime = \"%s\"\n", t->name);
	if (!is_chosen(t->file, "runtime_supports_json"))
		snprintf(list, sizeof list,
			 "runtime_supports_json = [\"crun\", \"runc\", \"kata\", \"runsc\", "
			 "\"youki\", \"krun\", \"%s\"]\n",
			 t->name);
	if (asprintf(&more, "\n" MARK "\n[engine]\n%s%s\n[engine.runtimes]\n%s = [\"%s\"]\n",
		     chosen, list, t->name, t->path) >= 0) {
		r = edit(t, &all, text, len, table, key, more, ret);
		free(more);
	}
	toml_done(&all);
	return r;
}

int find_podman(const struct target *t, const char *text, size_t len, char **ret)
{
	const char *const key[] = {"engine", "runtimes", t->name, NULL};

	return find(t, text, len, key, ret);
}
