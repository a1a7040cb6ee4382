/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cgroupsPath, as engines write it. Text only: nothing here looks at the host. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../base/str.h"
#include "place.h"

/*
 * Appends the components of @text to the path in @path. ".." goes up and stops at
 * the top, as in runc: nobody gets out of the hierarchy or fails because of it.
 */
static int append_clean(char *path, size_t size, const char *text)
{
	size_t len = strlen(path);

	while (*text) {
		size_t n = strcspn(text, "/");

		if (n == 2 && strncmp(text, "..", 2) == 0) {
			char *slash = strrchr(path, '/');

			len = slash ? (size_t)(slash - path) : 0;
			path[len] = '\0';
		} else if (n > 0 && !(n == 1 && *text == '.')) {
			if (n > 255 || len + n + 2 > size)
				return -ENAMETOOLONG;
			if (len > 0)
				path[len++] = '/';
			memcpy(path + len, text, n);
			len += n;
			path[len] = '\0';
		}
		text += n;
		text += strspn(text, "/");
	}
	return 0;
}

int place_path(const char *cgroups_path, const char *id, char *path,
	       struct cis_error *err)
{
	const char *text = cgroups_path && *cgroups_path ? cgroups_path : id;
	char clean[PLACE_PATH] = "";
	int r = append_clean(clean, sizeof clean, text);

	if (r >= 0 && *clean && *text != '/') {
		char copy[PLACE_PATH];

		memcpy(copy, clean, sizeof copy);
		snprintf(clean, sizeof clean, "%s", PLACE_PARENT);
		r = append_clean(clean, sizeof clean, copy);
	}
	if (r < 0)
		return cis_fail(err, -r, "cgroups: cgroupsPath %s", text);
	if (!*clean)
		return cis_fail_plain(
			err, EINVAL,
			"cgroups: cgroupsPath %s is the root of the hierarchies, "
			"which no container can have",
			text);
	memcpy(path, clean, PLACE_PATH);
	return 0;
}

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), k = strlen(end);

	return n > k && strcmp(s + n - k, end) == 0;
}

int place_expand_slice(const char *slice, char *path, size_t size)
{
	size_t stem = strlen(slice), used = 0;

	if (!ends_with(slice, ".slice") || strchr(slice, '/'))
		return -EINVAL;
	stem -= strlen(".slice");
	*path = '\0';
	if (stem == 1 && *slice == '-')
		return 0;
	if (*slice == '-' || slice[stem - 1] == '-' || strstr(slice, "--"))
		return -EINVAL;
	for (size_t i = 1; i <= stem; i++) {
		int n;

		if (i < stem && slice[i] != '-')
			continue;
		n = snprintf(path + used, size - used, "%s%.*s.slice", used ? "/" : "",
			     (int)i, slice);
		if (n < 0 || (size_t)n >= size - used)
			return -ENAMETOOLONG;
		used += (size_t)n;
	}
	return 0;
}

/* PREFIX-NAME.scope; NAME where that is a unit's name already, or without PREFIX. */
static int unit_name(char *unit, const char *prefix, const char *name)
{
	int n;

	if (ends_with(name, ".slice") || ends_with(name, ".scope"))
		n = snprintf(unit, PLACE_UNIT, "%s", name);
	else
		n = snprintf(unit, PLACE_UNIT, "%s%s%s.scope", prefix, *prefix ? "-" : "",
			     name);
	return n < 0 || n >= PLACE_UNIT ? -ENAMETOOLONG : 0;
}

static int compose(const char *slice, const char *unit, char *path, struct cis_error *err)
{
	char folder[PLACE_PATH];
	int n, r = place_expand_slice(slice, folder, sizeof folder);

	if (r < 0)
		return cis_fail_plain(err, -r, "cgroups: %s is not a systemd slice",
				      slice);
	n = snprintf(path, PLACE_PATH, "%s%s%s", folder, *folder ? "/" : "", unit);
	if (n < 0 || n >= PLACE_PATH)
		return cis_fail(err, ENAMETOOLONG, "cgroups: %s in %s", unit, slice);
	return 0;
}

int place_path_systemd(const char *cgroups_path, const char *id, char *path, char *slice,
		       char *unit, struct cis_error *err)
{
	char text[3 * PLACE_UNIT], *prefix = "cisandbox", *name = text, *parent = "";
	int r;

	if (!cgroups_path || !*cgroups_path)
		cgroups_path = NULL;
	if (strlen(cgroups_path ? cgroups_path : id) >= sizeof text)
		return cis_fail(err, ENAMETOOLONG,
				"cgroups: the name of the systemd unit");
	snprintf(text, sizeof text, "%s", cgroups_path ? cgroups_path : id);
	if (cgroups_path) {
		parent = text;
		prefix = strchr(text, ':');
		name = prefix ? strchr(prefix + 1, ':') : NULL;
		if (!name || strchr(name + 1, ':') || !name[1])
			return cis_fail_plain(
				err, EINVAL,
				"cgroups: expected cgroupsPath to be of format "
				"\"slice:prefix:name\" for systemd cgroups, got %s",
				cgroups_path);
		*prefix++ = '\0';
		*name++ = '\0';
	}
	if (strchr(name, '/') || strchr(prefix, '/'))
		return cis_fail_plain(
			err, EINVAL, "cgroups: a slash in the name of a systemd unit: %s",
			cgroups_path ? cgroups_path : id);
	if (!*parent)
		parent = "system.slice";
	if (strlen(parent) >= PLACE_UNIT)
		return cis_fail(err, ENAMETOOLONG, "cgroups: slice %s", parent);
	r = unit_name(unit, prefix, name);
	if (r < 0)
		return cis_fail(err, -r, "cgroups: unit %s", name);
	memcpy(slice, parent, strlen(parent) + 1);
	return compose(slice, unit, path, err);
}
