/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Root inside a sandbox without root is the user outside, and so the owner of the user's
 * groups: modes do not keep it from its own limits, nor from cgroup.kill above it. What does
 * is the mount option nsdelegate: of the group that a cgroup namespace begins with, only what
 * is made for being delegated can be written from inside. systemd mounts so; where it is
 * missing and there is a group of the user's, no sandbox is started in it.
 *
 * Rejected: asking systemd for a scope (a bus, and a library for it, in each start).
 */
#include "own.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/fd.h"
#include "../base/io.h"
#include "../base/str.h"

#define ASIDE "cisandbox.supervisors" /* whose name no sandbox's group has */

/* The mount of all of cgroup2, and whether it keeps namespaces apart. */
static bool find_mount(char ret[static 128], bool *ret_nsdelegate)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char line[4096];
	bool found = false;

	while (f && !found && fgets(line, sizeof line, f)) {
		char root[128], *options = strstr(line, " - cgroup2 ");

		if (!options || sscanf(line, "%*s %*s %*s %127s %127s", root, ret) != 2)
			continue;
		found = strcmp(root, "/") == 0;
		*ret_nsdelegate = strstr(options, "nsdelegate");
	}
	if (f)
		fclose(f);
	return found;
}

static int find_path(char **ret)
{
	cleanup_free char *text = NULL;
	const char *at;
	int r = io_read_file_at(AT_FDCWD, "/proc/self/cgroup", 65536, &text, NULL);

	if (r < 0)
		return r;
	for (at = text; at && strncmp(at, "0::/", 4) != 0; at += at != NULL)
		at = strchr(at, '\n');
	return at ? str_format(ret, "%.*s", (int)strcspn(at + 3, "\n"), at + 3) : -ENOENT;
}

static bool is_ours(const char *group)
{
	cleanup_close int dir = open(group, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return dir >= 0 && faccessat(dir, ".", W_OK, AT_EACCESS) == 0 &&
	       faccessat(dir, "cgroup.procs", W_OK, AT_EACCESS) == 0 &&
	       faccessat(dir, "cgroup.subtree_control", W_OK, AT_EACCESS) == 0;
}

static unsigned int controllers_of(const char *group)
{
	cleanup_free char *path = NULL, *text = NULL;
	char *save = NULL;
	unsigned int found = 0;

	if (str_format(&path, "%s/cgroup.controllers", group) < 0 ||
	    io_read_file_at(AT_FDCWD, path, 4096, &text, NULL) < 0)
		return 0;
	for (char *w = strtok_r(text, " \n", &save); w; w = strtok_r(NULL, " \n", &save))
		for (unsigned int c = 0; c < CTL_COUNT; c++)
			if (strcmp(w, controller_name(c)) == 0)
				found |= 1u << c;
	/* cgroup2's cpu controller always accounts too. */
	return found & 1u << CTL_CPU ? found | 1u << CTL_CPUACCT : found;
}

/* Where cgroup2 is mounted, with the group we are in; -ENOENT. */
static int find_own(char **ret, char mount[static 128], bool *ret_nsdelegate)
{
	cleanup_free char *path = NULL;
	int r = find_mount(mount, ret_nsdelegate) ? find_path(&path) : -ENOENT;

	return r < 0 ? r : str_format(ret, "%s%s", mount, strcmp(path, "/") == 0 ? "" : path);
}

/* Shortens @group by a name; false: it is where cgroup2 is mounted. */
static bool go_up(char *group, size_t mount_len)
{
	char *slash = strrchr(group + mount_len, '/');

	if (slash)
		*slash = '\0';
	return slash;
}

/* Whoever else is in a group keeps it from being divided. */
static bool has_others(const char *group)
{
	cleanup_free char *path = NULL, *text = NULL;
	char *save = NULL;

	if (str_format(&path, "%s/cgroup.procs", group) < 0 ||
	    io_read_file_at(AT_FDCWD, path, 65536, &text, NULL) < 0)
		return true;
	for (char *w = strtok_r(text, "\n", &save); w; w = strtok_r(NULL, "\n", &save))
		if (atoi(w) != getpid())
			return true;
	return false;
}

/*
 * Our own group if nobody else is in it, so that its limits are the sandbox's, too: a scope's
 * or a CI job's. Otherwise the nearest above that can be divided, whatever controllers it has:
 * a limit that cannot be held is told, one that was escaped is not. If there is none, ours;
 * that it is busy will be told. False: nothing is ours.
 */
static bool choose(char *group, size_t mount_len)
{
	cleanup_free char *above = NULL;
	const char *name = strrchr(group, '/');

	/* Where we went ourselves. */
	if (name && strcmp(name, "/" ASIDE) == 0)
		go_up(group, mount_len);
	if (!is_ours(group))
		return false;
	if (!has_others(group))
		return true;
	if (str_set(&above, group) < 0)
		return false;
	while (go_up(above, mount_len) && is_ours(above))
		if (!has_others(above)) {
			strcpy(group, above); /* which is longer */
			break;
		}
	return true;
}

int own_find(struct hierarchies *ret, struct cis_error *err)
{
	cleanup_free char *group = NULL;
	bool nsdelegate = false;
	char mount[128];

	*ret = (struct hierarchies){.unified = -1};
	if (find_own(&group, mount, &nsdelegate) < 0)
		return 0;
	if (!choose(group, strlen(mount)))
		return 0;
	if (!nsdelegate)
		return cis_fail_plain(err, EPERM,
				      "cgroups: %s is this user's, and so root's inside, who could "
				      "change it (as root: mount -o remount,nsdelegate %s)", group,
				      mount);
	if (strlen(group) >= sizeof ret->h[0].mount)
		return cis_fail_plain(err, ENAMETOOLONG, "cgroups: %s", group);
	ret->n = 1;
	ret->unified = 0;
	ret->h[0] = (struct hierarchy){.v2 = true, .controllers = controllers_of(group)};
	strcpy(ret->h[0].mount, group);
	return 0;
}

int own_step_aside(struct cis_error *err)
{
	cleanup_free char *group = NULL, *aside = NULL, *procs = NULL;
	struct hierarchies hs;
	bool nsdelegate;
	char mount[128];
	int r = own_find(&hs, err);

	if (r < 0 || !hs.n)
		return r;
	r = find_own(&group, mount, &nsdelegate);
	if (r < 0 || strcmp(group, hs.h[0].mount) != 0)
		return 0;
	r = str_format(&aside, "%s/" ASIDE, group);
	if (r >= 0)
		r = str_format(&procs, "%s/cgroup.procs", aside);
	if (r >= 0 && mkdir(aside, 0755) < 0 && errno != EEXIST)
		r = -errno;
	if (r >= 0)
		r = io_write_file_at(AT_FDCWD, procs, "0");
	return r < 0 ? cis_fail(err, -r, "cgroups: move ourselves to %s/" ASIDE, group) : 0;
}
