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

#include <string.h>
#include <sys/xattr.h>

#include "../base/fd.h"
#include "../base/num.h"
#include "../base/sys.h"
#include "mount.h"
#include "path.h"

#define IMAGE_DIR "image" /* on the scratch, beside the layers */

int overlay_attach_layers_stage(int image_fd, int scratch_fd, const char *at)
{
	cleanup_close int dir = SYS(openat, AT_FDCWD, at, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r = dir < 0 ? dir : sys_move_mount(scratch_fd, dir);

	if (r >= 0)
		r = path_make(scratch_fd, IMAGE_DIR, false);
	return r < 0 ? r : mount_attach(image_fd, scratch_fd, IMAGE_DIR);
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

int overlay_mount_stage(int image_fd, int scratch_fd, const char *place, unsigned int how)
{
	struct layer_path lower = layer(image_fd, "", "");
	struct layer_path upper = layer(scratch_fd, place, "/upper");
	struct layer_path work = layer(scratch_fd, place, "/work");
	cleanup_close int fs = sys_fsopen("overlay");
	int r;

	if (fs < 0)
		return fs;
	r = sys_fsconfig(fs, FSCONFIG_SET_STRING, "source", "cisandbox");
	if (r >= 0)
		r = sys_fsconfig(fs, FSCONFIG_SET_STRING, "lowerdir", lower.text);
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
	if (r < 0)
		return r;
	return sys_fsmount(fs, how & OVERLAY_NODES ? 0 : MOUNT_ATTR_NODEV);
}
