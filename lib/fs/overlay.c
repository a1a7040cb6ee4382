/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Why the stage mounts it and not init: only the host's root may use
 * trusted.overlay.* and id-mapped layers, so whiteouts on the scratch are those any
 * other engine reads. Why the descriptors travel as /proc/self/fd/N: fsconfig
 * takes layers by descriptor only from 6.13 on, and why they are attached first:
 * before 6.15 the kernel takes layers only from the mounter's own mount namespace.
 * drop both when baseline >= 6.15
 */
#include "overlay.h"

#include <stdbool.h>
#include <string.h>
#include <sys/xattr.h>

#include "../base/fd.h"
#include "../base/num.h"
#include "../base/process.h"
#include "../base/sys.h"
#include "mount.h"
#include "path.h"

#define IMAGE_DIR "image" /* on the scratch, beside the layers */

/* 66 of them are no ASCII, but then no sane image has more than 62 layers. */
char overlay_layer_name(size_t i)
{
	static const char plain[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

	return i < sizeof plain - 1 ? plain[i] : (char)(0xA0 + (i - (sizeof plain - 1)));
}

static int attach_one(int fd, int scratch_fd, size_t i)
{
	char name[] = IMAGE_DIR "/?";
	int r;

	name[sizeof name - 2] = overlay_layer_name(i);
	r = path_make(scratch_fd, name, false);
	return r < 0 ? r : mount_attach(fd, scratch_fd, name);
}

int overlay_attach_layers_stage(const struct overlay_lowers *image, int scratch_fd,
				const char *at)
{
	cleanup_close int dir = SYS(openat, AT_FDCWD, at, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r = dir < 0 ? dir : sys_move_mount(scratch_fd, dir);

	if (r >= 0)
		r = path_make(scratch_fd, IMAGE_DIR, false);
	if (r < 0 || image->n_more == 0)
		return r < 0 ? r : mount_attach(image->top, scratch_fd, IMAGE_DIR);
	r = attach_one(image->top, scratch_fd, 0);
	for (size_t i = 0; i < image->n_more && r >= 0; i++)
		r = attach_one(image->more[i], scratch_fd, i + 1);
	return r;
}

/* "a:b:c", for lowerdir in the directory that has them. */
static void join_names(size_t n, char ret[static 2 * OVERLAY_LAYERS_MAX])
{
	for (size_t i = 0; i < n; i++) {
		ret[2 * i] = overlay_layer_name(i);
		ret[2 * i + 1] = i + 1 < n ? ':' : '\0';
	}
}

/* By names that mean something in @dir alone. The working directory is / after that. */
static int set_lowers_child(int fs, int dir, size_t n)
{
	char names[2 * OVERLAY_LAYERS_MAX];
	int r = n > OVERLAY_LAYERS_MAX ? -E2BIG : SYS(fchdir, dir);

	if (r < 0)
		return r;
	join_names(n, names);
	return sys_fsconfig(fs, FSCONFIG_SET_STRING, "lowerdir", names);
}

struct layer_path {
	char text[96];
};

static struct layer_path layer(int fd, const char *place, const char *below)
{
	struct layer_path p = {"/proc/self/fd/"};

	num_append(p.text, sizeof p.text, (unsigned long long)fd);
	strncat(p.text, place, sizeof p.text - strlen(p.text) - 1);
	strncat(p.text, below, sizeof p.text - strlen(p.text) - 1);
	return p;
}

/*
 * The kernel mounts without them too, and then fails later, when a directory of the image is
 * replaced. So they are tried here: a tmpfs has them from 6.6 on.
 */
static int use_user_xattrs(int fs, const char *upper)
{
	int r = SYS(setxattr, upper, "user.cisandbox", "", 0, 0);

	if (r >= 0)
		r = SYS(removexattr, upper, "user.cisandbox");
	return r < 0 ? r : sys_fsconfig(fs, FSCONFIG_SET_FLAG, "userxattr", NULL);
}

static int set_image_stage(int fs, const struct overlay_lowers *image, int scratch_fd)
{
	struct layer_path lower = layer(image->top, "", "");
	cleanup_close int dir = -1;

	if (image->n_more == 0)
		return sys_fsconfig(fs, FSCONFIG_SET_STRING, "lowerdir", lower.text);
	dir = SYS(openat, scratch_fd, IMAGE_DIR, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return dir < 0 ? dir : set_lowers_child(fs, dir, image->n_more + 1);
}

int overlay_mount_stage(const struct overlay_lowers *image, int scratch_fd, const char *place,
			unsigned int how)
{
	struct layer_path upper = layer(scratch_fd, place, "/upper");
	struct layer_path work = layer(scratch_fd, place, "/work");
	cleanup_close int fs = sys_fsopen("overlay");
	int r;

	if (fs < 0)
		return fs;
	r = sys_fsconfig(fs, FSCONFIG_SET_STRING, "source", "cisandbox");
	if (r >= 0)
		r = set_image_stage(fs, image, scratch_fd);
	if (r >= 0)
		r = sys_fsconfig(fs, FSCONFIG_SET_STRING, "upperdir", upper.text);
	if (r >= 0)
		r = sys_fsconfig(fs, FSCONFIG_SET_STRING, "workdir", work.text);
	/* The scratch dies with the sandbox: waiting for its disk buys nothing. */
	if (r >= 0)
		r = sys_fsconfig(fs, FSCONFIG_SET_FLAG, "volatile", NULL);
	if (r >= 0 && how & OVERLAY_USER)
		r = use_user_xattrs(fs, upper.text);
	if (r >= 0)
		r = sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL);
	if (image->n_more)
		SYS(chdir, "/");
	if (r < 0)
		return r;
	return sys_fsmount(fs, how & OVERLAY_NODES ? 0 : MOUNT_ATTR_NODEV);
}

/* ---- a look at an image ---------------------------------------------------------- */

struct view {
	int dir;
	size_t n;
	bool user; /* marks are user.overlay.* */
};

/* Shares memory and descriptors with the caller, but not its working directory. */
static int view_main(void *arg)
{
	const struct view *v = arg;
	cleanup_close int fs = sys_fsopen("overlay");
	int r = fs < 0 ? fs : set_lowers_child(fs, v->dir, v->n);

	if (r >= 0 && v->user)
		r = sys_fsconfig(fs, FSCONFIG_SET_FLAG, "userxattr", NULL);
	if (r >= 0)
		r = sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL);
	return r < 0 ? r
		     : sys_fsmount(fs, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV |
					       MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
}

int overlay_view(int dir, size_t n)
{
	struct view v = {.dir = dir, .n = n, .user = process_is_rootless()};

	return process_run_aside(view_main, &v);
}
