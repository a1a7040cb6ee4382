/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "overlay-root.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "../base/fd.h"
#include "../base/io.h"
#include "../base/num.h"
#include "../base/sys.h"
#include "../fs/mount.h"
#include "idmap.h"

#define WORK "cisandbox-work" /* beside the engine's, which is in use by its own mount */
#define MAX_MOUNTINFO (8UL << 20)

/* ---- finding ----------------------------------------------------------- */

/* mountinfo writes blanks and backslashes as \040 and \134. In place. */
static void unescape(char *s)
{
	char *to = s;

	for (; *s; s++) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' &&
		    s[3] >= '0' && s[3] <= '7') {
			*to++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 3;
		} else {
			*to++ = *s;
		}
	}
	*to = '\0';
}

static char *nth_field(char *line, unsigned int n)
{
	while (n-- && line) {
		line = strchr(line, ' ');
		line += line != NULL;
	}
	return line;
}

/*
 * "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue". Of
 * several on one place the last one is on top.
 */
static char *super_options(char *text, const char *rootfs)
{
	char *save = NULL, *found = NULL;

	for (char *line = strtok_r(text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		char *dash = strstr(line, " - "), *place = nth_field(line, 4), *options;

		if (!dash || !place || place > dash)
			continue;
		options = nth_field(dash + 3, 2);
		place[strcspn(place, " ")] = '\0';
		unescape(place);
		if (strcmp(place, rootfs) == 0)
			found = strncmp(dash + 3, "overlay ", 8) == 0 ? options : NULL;
	}
	return found;
}

/* Up to the next @end that no backslash stands before; the backslash goes. */
static char *cut(char **rest, char end)
{
	char *begin = *rest, *to = *rest, *s = *rest;

	if (!s)
		return NULL;
	for (; *s && *s != end; s++) {
		if (*s == '\\' && s[1])
			s++;
		*to++ = *s;
	}
	*rest = *s ? s + 1 : NULL;
	*to = '\0';
	return begin;
}

/* What stands for a relative path: the engine's own directory, two above the mount. */
static int resolve(const char *path, const char *home, char **ret)
{
	cleanup_free char *full = NULL;
	int r = path[0] == '/' ? str_set(&full, path) : str_format(&full, "%s/%s", home, path);

	if (r < 0)
		return r;
	*ret = realpath(full, NULL);
	return *ret ? 0 : -errno;
}

static int add_lowers(struct overlay_root *o, char *list, const char *home)
{
	int r = 0;

	while (r >= 0 && list) {
		char *path = cut(&list, ':');
		cleanup_free char *full = NULL;

		/* "::" begins layers that hold data only. */
		if (!*path)
			return -EOPNOTSUPP;
		r = resolve(path, home, &full);
		if (r >= 0)
			r = strv_add(&o->lower, full);
	}
	return r < 0 ? r : o->lower.n > OVERLAY_MAX_LAYERS ? -E2BIG : 0;
}

static int set_upper(struct overlay_root *o, const char *path, const char *home)
{
	cleanup_free char *copy = NULL;
	int r = resolve(path, home, &o->upper);

	if (r >= 0)
		r = str_set(&copy, o->upper);
	if (r >= 0)
		r = str_set(&o->below, basename(copy));
	if (r >= 0)
		r = str_set(&o->dir, dirname(copy));
	return r;
}

static int parse(struct overlay_root *o, char *options, const char *rootfs, bool upper_only)
{
	cleanup_free char *copy = strdup(rootfs);
	char *home = copy ? dirname(dirname(copy)) : NULL;
	int r = home ? 0 : -ENOMEM;

	unescape(options);
	while (r >= 0 && options) {
		/* Commas in paths are escaped, and so are their colons: those are for later. */
		size_t n = 0;

		while (options[n] && options[n] != ',')
			n += options[n] == '\\' && options[n + 1] ? 2 : 1;
		if ((strncmp(options, "lowerdir=", 9) == 0 && !upper_only) ||
		    strncmp(options, "upperdir=", 9) == 0) {
			cleanup_free char *value = strndup(options + 9, n - 9);
			char *rest = value;

			if (!value)
				return -ENOMEM;
			r = options[0] == 'l' ? add_lowers(o, value, home)
					      : set_upper(o, cut(&rest, '\0'), home);
		}
		options = options[n] ? options + n + 1 : NULL;
	}
	return r;
}

int overlay_root_find(struct overlay_root *o, const char *rootfs, bool upper_only,
		      struct cis_error *err)
{
	cleanup_free char *text = NULL;
	char *options;
	int r;

	*o = (struct overlay_root){.dir_tree = -1};
	r = io_read_file_at(AT_FDCWD, "/proc/self/mountinfo", MAX_MOUNTINFO, &text, NULL);
	if (r < 0)
		return cis_fail(err, -r, "read mountinfo");
	options = super_options(text, rootfs);
	if (!options)
		return 0;
	r = parse(o, options, rootfs, upper_only);
	if (r < 0 || (!o->lower.n && !upper_only))
		return cis_fail(err, r < 0 ? -r : EINVAL, "the layers of the overlay at %s",
				rootfs);
	return 1;
}

/* ---- taking ------------------------------------------------------------ */

static int take(const char *path, int userns, struct cis_error *err)
{
	cleanup_close int tree = sys_open_tree(AT_FDCWD, path, OPEN_TREE_CLONE);
	struct mount_attr private = {.propagation = MS_PRIVATE};
	int r = tree;

	if (r >= 0)
		r = sys_mount_setattr(tree, 0, &private);
	if (r < 0)
		return cis_fail(err, -r, "layer %s", path);
	r = idmap_by(tree, userns, false);
	if (r < 0) {
		r = cis_fail(err, -r, "id-map the layer %s", path);
		cis_hint(err, "its file system cannot be id-mapped; put the engine's data on "
			      "ext4, xfs or btrfs");
		return r;
	}
	return steal_fd(&tree);
}

int overlay_root_take(struct overlay_root *o, int userns, struct cis_error *err)
{
	cleanup_close int dir = -1;
	int r = 0;

	o->trees = calloc(o->lower.n, sizeof *o->trees);
	if (!o->trees)
		return cis_fail(err, ENOMEM, "layers");
	for (size_t i = 0; i < o->lower.n; i++)
		o->trees[i] = -1;
	for (size_t i = 0; i < o->lower.n && r >= 0; i++)
		r = o->trees[i] = take(o->lower.v[i], userns, err);
	if (r < 0 || !o->upper)
		return r;
	dir = open(o->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 || (mkdirat(dir, WORK, 0700) < 0 && errno != EEXIST))
		return cis_fail(err, errno, "make %s/" WORK, o->dir);
	r = o->dir_tree = take(o->dir, userns, err);
	return r;
}

void overlay_root_done(struct overlay_root *o)
{
	for (size_t i = 0; o->trees && i < o->lower.n; i++)
		fd_close(o->trees[i]);
	free(o->trees);
	fd_close(o->dir_tree);
	strv_done(&o->lower);
	free(o->upper);
	free(o->dir);
	free(o->below);
	*o = (struct overlay_root){.dir_tree = -1};
}

/* ---- mounting ---------------------------------------------------------- */

/* Layers are named by descriptor: short, and whatever is in their own names. */
static int add_layer(int fs, const char *key, int fd, const char *below)
{
	char path[512] = "/proc/self/fd/";

	num_append(path, sizeof path, (unsigned long long)fd);
	if (strlen(path) + 1 + strlen(below) >= sizeof path)
		return -ENAMETOOLONG;
	if (*below)
		strcat(strcat(path, "/"), below);
	return sys_fsconfig(fs, FSCONFIG_SET_STRING, key, path);
}

static int configure(const struct overlay_root *o, int fs, const char *label)
{
	int r = sys_fsconfig(fs, FSCONFIG_SET_STRING, "source", "overlay");

	if (r >= 0 && label)
		r = sys_fsconfig(fs, FSCONFIG_SET_STRING, "context", label);
	for (size_t i = 0; i < o->lower.n && r >= 0; i++)
		r = add_layer(fs, "lowerdir+", o->trees[i], "");
	if (r >= 0 && o->upper)
		r = add_layer(fs, "upperdir", o->dir_tree, o->below);
	if (r >= 0 && o->upper)
		r = add_layer(fs, "workdir", o->dir_tree, WORK);
	return r < 0 ? r : sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL);
}

/* Kernels before 6.15 take layers only from the mounter's own mount namespace. */
static int attach_layers(const struct overlay_root *o, const char *at)
{
	cleanup_close int place = SYS(openat, AT_FDCWD, at, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r = place < 0 ? place : 0;

	for (size_t i = 0; i < o->lower.n && r >= 0; i++)
		r = sys_move_mount(o->trees[i], place);
	if (r >= 0 && o->upper)
		r = sys_move_mount(o->dir_tree, place);
	return r;
}

/* @before, the path of @fd, @after */
static int append(char *to, size_t size, const char *before, int fd, const char *after)
{
	if (strlen(to) + strlen(before) + strlen("/proc/self/fd/") + 12 + strlen(after) >= size)
		return -E2BIG;
	strcat(strcat(to, before), "/proc/self/fd/");
	num_append(to, size, (unsigned long long)fd);
	strcat(to, after);
	return 0;
}

/*
 * Before 6.5 all layers are one option, which fsconfig() limits to 255 characters and
 * mount() to a page with the others.
 */
static int mount_at_once(const struct overlay_root *o, const char *at, const char *label)
{
	cleanup_close int top = -1;
	char data[4096] = "";
	int r = 0;

	for (size_t i = 0; i < o->lower.n && r >= 0; i++)
		r = append(data, sizeof data, i ? ":" : "lowerdir=", o->trees[i], "");
	if (r >= 0 && o->upper)
		r = append(data, sizeof data, ",upperdir=", o->dir_tree, "/");
	if (r >= 0 && o->upper) {
		r = strlen(data) + strlen(o->below) < sizeof data ? 0 : -E2BIG;
		if (r >= 0)
			r = append(strcat(data, o->below), sizeof data, ",workdir=",
				   o->dir_tree, "/" WORK);
	}
	if (r >= 0 && label && strlen(data) + strlen(label) + 16 < sizeof data)
		strcat(strcat(strcat(data, ",context=\""), label), "\"");
	else if (r >= 0 && label)
		r = -E2BIG;
	if (r >= 0)
		r = SYS(mount, "overlay", at, "overlay", 0, data);
	if (r >= 0)
		r = top = SYS(openat, AT_FDCWD, at, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return r < 0 ? r
		     : SYS(open_tree, top, "",
			   AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
}

int overlay_root_mount_stage(const struct overlay_root *o, const char *at,
			     const char *label)
{
	cleanup_close int fs = -1;
	int r = attach_layers(o, at);

	if (r >= 0)
		r = fs = sys_fsopen("overlay");
	if (r >= 0)
		r = configure(o, fs, label);
	/* An older kernel says so at the end only. */
	if (r == -EINVAL)
		return mount_at_once(o, at, label);
	return r < 0 ? r : sys_fsmount(fs, 0);
}

/* ---- the two of them ---------------------------------------------------- */

/* Reconfiguring a file system, even to what it is, empties its cache of names. */
static void forget_names(const char *at)
{
	cleanup_close int fs = SYS(fspick, AT_FDCWD, at, FSPICK_CLOEXEC | FSPICK_NO_AUTOMOUNT);

	if (fs >= 0)
		sys_fsconfig(fs, FSCONFIG_CMD_RECONFIGURE, NULL, NULL);
}

void overlay_root_refresh(const char *rootfs)
{
	struct statfs st;

	if (statfs(rootfs, &st) == 0 && st.f_type == OVERLAYFS_SUPER_MAGIC)
		forget_names(rootfs);
}

/* What it has made its root may be a FUSE of its own, which is not asked anything. */
void overlay_root_refresh_in(pid_t init)
{
	cleanup_free char *text = NULL;
	char path[64];

	snprintf(path, sizeof path, "/proc/%d/mountinfo", init);
	if (io_read_file_at(AT_FDCWD, path, MAX_MOUNTINFO, &text, NULL) < 0 ||
	    !super_options(text, "/"))
		return;
	snprintf(path, sizeof path, "/proc/%d/root", init);
	forget_names(path);
}
