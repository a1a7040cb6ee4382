/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The root file system as it is before the start: opened, and looked into for where the user may
 * have something appear.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "fs/overlay.h"
#include "fs/path.h"
#include "image/image.h"
#include "plan.h"

int plan_open_root(struct plan *p, struct cis_error *err)
{
	const struct spec *s = p->spec;
	cleanup_close int names = -1;
	int fd, r;

	if (s->image)
		r = image_open(s->image, &p->layers, &p->image, err);
	else
		r = strv_add(&p->layers, s->rootfs);
	p->image_is_tree = r == 1;
	if (r >= 0 && p->image >= 0)
		r = image_config_read(p->image, s->image, &p->config, err);
	if (r < 0)
		return r;
	if (p->layers.n > 1) {
		names = openat(p->image, "l", O_PATH | O_DIRECTORY | O_CLOEXEC);
		fd = names < 0 ? -errno : overlay_view(names, p->layers.n);
		return fd < 0 ? cis_fail(err, -fd, "look into the image \"%s\"", s->image) : fd;
	}
	fd = openat(p->image_is_tree ? p->image : AT_FDCWD,
		    p->image_is_tree ? "rootfs" : p->layers.v[0],
		    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return cis_fail(err, errno, "rootfs %s", p->layers.v[0]);
	return fd;
}

void plan_close_image(struct plan *p)
{
	if (p->image >= 0)
		image_close(p->image, p->spec->image);
	p->image = -1;
}

bool plan_target_is_in(const char *target, const char *dir)
{
	size_t n = strlen(dir);

	return strncmp(target, dir, n) == 0 && (target[n] == '/' || !target[n]);
}

bool plan_target_is_inits(const char *target)
{
	return plan_target_is_in(target, "run") || plan_target_is_in(target, "dev/shm");
}

/* What init mounts there would hide it; and what is below /dev is made in what /dev is. */
static const char *find_own(const char *target)
{
	static const char *const own[] = {"proc", "sys", "dev/pts", "dev/mqueue"};

	for (size_t i = 0; i < ARRAY_SIZE(own); i++)
		if (plan_target_is_in(target, own[i]))
			return own[i];
	return strcmp(target, "dev") == 0 ? target : NULL;
}

/* Of /run and /dev the image's are not what the job sees. */
int plan_check_kind(int rootfd, const char *path, const char *target, bool file,
		    struct cis_error *err)
{
	struct stat st;

	if (plan_target_is_in(target, "dev") || plan_target_is_inits(target) ||
	    fstatat(rootfd, target, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode) == file)
		return 0;
	if (file)
		return cis_fail_plain(err, EISDIR,
				      "%s is a directory in the image, and this is a file", path);
	return cis_fail_plain(err, ENOTDIR,
			      "%s is a file in the image, and this is a directory", path);
}

int plan_find_target(int rootfd, const char *path, char **ret, struct cis_error *err)
{
	cleanup_free char *target = NULL;
	const char *own;
	int r = path_resolve(rootfd, path, &target, err);

	if (r < 0)
		return r;
	if (!*target)
		return cis_fail_plain(err, EINVAL, "%s is the root itself", path);
	own = find_own(target);
	if (own)
		return cis_fail_plain(err, EINVAL, "%s: the sandbox has a /%s of its own there",
				      path, own);
	*ret = steal_ptr(&target);
	return 0;
}
