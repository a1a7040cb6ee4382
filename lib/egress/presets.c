/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Presets: lists of rules under a name. Ours are egress/ *.json of the source, compiled in
 * as profiles are. In a directory that the admin has there may be more, and newer ones of
 * the same names; but those that deny by default cannot be replaced, only undone.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "../base/io.h"
#include "../base/json.h"
#include "egress-presets.h"
#include "ruleset.h"

/* Denied unless undone. */
static const char *const defaults[] = {"no-lan", "no-metadata", "no-doh"};

#define NAME_LONGEST 64

bool preset_is_default(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(defaults); i++)
		if (strcmp(defaults[i], name) == 0)
			return true;
	return false;
}

const char *ruleset_preset_name(size_t i)
{
	return i < ARRAY_SIZE(builtin_presets) ? builtin_presets[i].name : NULL;
}

static const char *builtin(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(builtin_presets); i++)
		if (strcmp(builtin_presets[i].name, name) == 0)
			return builtin_presets[i].text;
	return NULL;
}

/* It becomes part of a path. */
static bool is_valid(const char *name)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");

	return n > 0 && n <= NAME_LONGEST && name[n] == '\0' && name[0] != '-';
}

static int read_rules(const struct json *list, bool allow, struct strv *sources,
		      const char *source, struct rule_list *ret, struct cis_error *err)
{
	char place[RULE_PLACE_MAX];
	int index, r;

	r = json_want(list, JSON_ARRAY, err);
	if (r < 0)
		return r;
	index = ruleset_source(sources, source);
	if (index < 0)
		return cis_fail(err, -index, "%s", source);
	json_foreach (v, list) {
		struct rule rule;
		const char *text;

		snprintf(place, sizeof place, "%s:%u", source, v->line);
		r = json_want_string(v, &text, err);
		if (r >= 0)
			r = rule_parse(text, strlen(text), allow, place, &rule, err);
		if (r < 0)
			return r;
		rule.source = (unsigned int)index;
		rule.line = v->line;
		r = rule_list_add(ret, &rule);
		if (r < 0)
			return cis_fail_plain(err, -r, "%s: too many rules", place);
	}
	return 0;
}

static int read_document(const char *text, size_t len, const char *source,
			 struct strv *sources, struct rule_list *allow,
			 struct rule_list *deny, struct cis_error *err)
{
	static const char *const keys[] = {"version", "description", "allow", "deny", NULL};
	cleanup(json_freep) struct json *doc = NULL;
	const struct json *v;
	const char *description;
	int64_t version;
	int r;

	r = json_parse(text, len, JSON_COMMENTS, source, &doc, err);
	if (r >= 0)
		r = json_check_keys(doc, keys, err);
	if (r >= 0)
		r = json_need(doc, "version", &v, err);
	if (r >= 0)
		r = json_want_int(v, 1, INT32_MAX, &version, err);
	if (r >= 0)
		r = json_need(doc, "description", &v, err);
	if (r >= 0)
		r = json_want_string(v, &description, err);
	if (r < 0)
		return r;
	v = json_get(doc, "allow");
	if (v)
		r = read_rules(v, true, sources, source, allow, err);
	v = json_get(doc, "deny");
	if (v && r >= 0)
		r = read_rules(v, false, sources, source, deny, err);
	return r;
}

/* -ENOENT without an error: it is not in there. */
static int read_file(const char *dir, const char *name, char **ret_path, char **ret_text,
		     size_t *ret_len, struct cis_error *err)
{
	int r;

	if (!dir || preset_is_default(name))
		return -ENOENT;
	if (str_format(ret_path, "%s/%s.json", dir, name) < 0)
		return cis_fail(err, ENOMEM, "preset %s", name);
	r = io_read_file_at(AT_FDCWD, *ret_path, JSON_MAX_TEXT, ret_text, ret_len);
	return r < 0 && r != -ENOENT
		       ? cis_fail(err, -r, "preset %s: read %s", name, *ret_path)
		       : r;
}

int preset_read(const char *name, const char *dir, struct strv *sources,
		struct rule_list *allow, struct rule_list *deny, struct cis_error *err)
{
	cleanup_free char *path = NULL, *text = NULL, *source = NULL;
	char quoted[RULE_QUOTED_MAX];
	const char *ours;
	size_t len;
	int r;

	rule_quote(name, strlen(name), quoted);
	if (!is_valid(name))
		return cis_fail_plain(err, EINVAL,
				      "preset %s: a name has letters a to z, digits "
				      "and \"-\"",
				      quoted);
	r = read_file(dir, name, &path, &text, &len, err);
	if (r >= 0)
		return read_document(text, len, path, sources, allow, deny, err);
	if (r != -ENOENT)
		return r;
	ours = builtin(name);
	if (!ours) {
		cis_fail_plain(err, ENOENT, "there is no preset %s%s%s", quoted,
			       dir ? ", neither built in nor in " : "", dir ? dir : "");
		return cis_hint(err, "built in are github, debian and others: see "
				     "cisandbox-egress(7)");
	}
	if (str_format(&source, "preset %s", name) < 0)
		return cis_fail(err, ENOMEM, "preset %s", name);
	return read_document(ours, strlen(ours), source, sources, allow, deny, err);
}
