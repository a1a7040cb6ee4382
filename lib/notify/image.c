/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The driver that reads what the job has written is the host kernel's. What can be done
 * about that is done here: it gets bytes that nobody can change, no way to write, no
 * option of the job's, and nothing of it counts as a device or set-user-id program. What
 * cannot be done: to keep a bug of the driver from the job.
 */
#include "image.h"

#include <linux/loop.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#include "../base/fd.h"
#include "../base/macros.h"
#include "../base/num.h"
#include "../base/sys.h"
#include "../fs/mount.h"
#include "traps.h"

static const struct type {
	const char *name;
	uint64_t trap;
	const char *options;
} types[] = {
	{"squashfs", CIS_TRAP_MOUNT_SQUASHFS, "ro"},
	/* noload: a journal would be replayed, and could name another device. */
	{"ext4", CIS_TRAP_MOUNT_EXT4, "ro,noload,errors=continue"},
};

uint64_t image_trap(const char *type)
{
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (strcmp(types[i].name, type) == 0)
			return types[i].trap;
	return 0;
}

static const struct type *type_of(uint64_t trap)
{
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (types[i].trap == trap)
			return &types[i];
	return NULL;
}

/* ---- what is shown to the driver ------------------------------------------------- */

#define SUPER 1024 /* where ext4's is; from there: */
#define EXT4_MAGIC 0x38
#define EXT4_ERRORS 0x3c
#define EXT4_INCOMPAT 0x60
#define EXT4_OPTIONS 0x200
#define EXT4_ERRORS_CONTINUE 1
#define EXT4_ERRORS_RO 2
#define EXT4_IS_JOURNAL 0x8

static unsigned int le16(const unsigned char *p)
{
	return p[0] | (unsigned int)p[1] << 8;
}

int image_judge(uint64_t trap, const unsigned char head[static IMAGE_HEAD])
{
	const unsigned char *s = head + SUPER;

	if (trap == CIS_TRAP_MOUNT_SQUASHFS)
		return memcmp(head, "hsqs", 4) == 0 ? 0 : -EINVAL;
	if (trap != CIS_TRAP_MOUNT_EXT4)
		return -EPERM;
	if (le16(s + EXT4_MAGIC) != 0xef53)
		return -EINVAL;
	/* errors=panic would be overruled by our options; nothing should depend on that. */
	if (le16(s + EXT4_ERRORS) > EXT4_ERRORS_RO || s[EXT4_OPTIONS] != '\0' ||
	    s[EXT4_INCOMPAT] & EXT4_IS_JOURNAL)
		return -EPERM;
	return 0;
}

/* An unnamed file on the host, since the job can change its own under the driver. */
static int copy_of(const struct mounter *m, int from, uint64_t trap)
{
	cleanup_close int to = -1;
	unsigned char head[IMAGE_HEAD];
	struct stat st;
	uint64_t left;
	int r;

	if (fstat(from, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size < IMAGE_HEAD)
		return -EINVAL;
	if ((uint64_t)st.st_size > IMAGE_BYTES_MAX)
		return -EFBIG;
	to = SYS(openat, m->copies, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (to < 0)
		return to;
	for (left = (uint64_t)st.st_size; left; left -= (uint64_t)r) {
		off_t at = st.st_size - (off_t)left;

		r = SYS(sendfile, to, from, &at, left);
		if (r <= 0)
			return r < 0 ? r : -EINVAL; /* cut off meanwhile */
	}
	if (SYS(pread64, to, head, sizeof head, 0L) != sizeof head)
		return -EIO;
	r = image_judge(trap, head);
	return r < 0 ? r : steal_fd(&to);
}

/* ---- the device -------------------------------------------------------------------- */

#define LOOP "/dev/loop"
#define LOOP_NAME "cisandbox-image" /* in losetup */

static void loop_path(char path[static 32], int n)
{
	memcpy(path, LOOP, sizeof LOOP);
	num_append(path, 32, (unsigned int)n);
}

/* Read-only because it is opened so; gone with its last user. Its number in *ret. */
static int attach_loop(int file, int *ret)
{
	struct loop_config config = {
		.fd = (uint32_t)file,
		.info.lo_flags = LO_FLAGS_AUTOCLEAR | LO_FLAGS_READ_ONLY,
	};
	cleanup_close int control = SYS(openat, AT_FDCWD, "/dev/loop-control", O_RDWR | O_CLOEXEC);

	if (control < 0)
		return control;
	memcpy(config.info.lo_file_name, LOOP_NAME, sizeof LOOP_NAME);
	/* Somebody may take the free one before we do: then there is another. */
	for (int tries = 0; tries < 64; tries++) {
		cleanup_close int loop = -1;
		char path[32];
		int r;

		*ret = SYS(ioctl, control, LOOP_CTL_GET_FREE);
		if (*ret < 0)
			return *ret;
		loop_path(path, *ret);
		loop = SYS(openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
		if (loop < 0)
			return loop;
		r = SYS(ioctl, loop, LOOP_CONFIGURE, &config);
		if (r >= 0)
			return steal_fd(&loop);
		if (r != -EBUSY)
			return r;
	}
	return -EBUSY;
}

static bool is_alive(const struct image *i)
{
	struct loop_info64 info;
	char path[32];
	cleanup_close int loop = -1;

	loop_path(path, i->loop);
	loop = SYS(openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
	return loop >= 0 && SYS(ioctl, loop, LOOP_GET_STATUS64, &info) >= 0 &&
	       info.lo_device == i->dev && info.lo_inode == i->ino;
}

/* A place in the table; NULL: there are as many as may be. */
static struct image *place_for_one(struct image_table *t)
{
	for (size_t i = 0; i < IMAGES_MAX; i++) {
		if (t->is_used[i] && is_alive(&t->v[i]))
			continue;
		t->is_used[i] = true;
		return &t->v[i];
	}
	return NULL;
}

/* ---- the mount ----------------------------------------------------------------------- */

static int mount_loop(const struct mounter *m, const struct type *type, int number)
{
	cleanup_close int mnt = -1;
	char path[32];
	int r;

	loop_path(path, number);
	mnt = mount_new(type->name, path, type->options,
			MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
	if (mnt < 0)
		return mnt;
	r = mount_idmap(mnt, m->userns);
	return r < 0 ? r : steal_fd(&mnt);
}

/*
 * The copy of a mount namespace that another user namespace owns has all flags locked;
 * and a clone of a mount in it keeps the locks. From setns() on this has no power but in
 * the sandbox, whatever it was given as a place to attach at.
 */
static int attach_child(const struct mounter *m, int mnt, const int fds[static N_MOUNT_FDS])
{
	cleanup_close int at = SYS(openat, AT_FDCWD, IMAGE_PLACE, O_PATH | O_DIRECTORY | O_CLOEXEC);
	cleanup_close int locked = -1;
	int r = at < 0 ? at : sys_move_mount(mnt, at);

	if (r >= 0)
		r = SYS(setns, m->userns, CLONE_NEWUSER);
	if (r >= 0)
		r = SYS(unshare, CLONE_NEWNS);
	if (r >= 0)
		r = locked = sys_open_tree(AT_FDCWD, IMAGE_PLACE, OPEN_TREE_CLONE);
	if (r >= 0)
		r = SYS(setns, fds[MOUNT_WHERE], CLONE_NEWNS);
	return r < 0 ? r : sys_move_mount(locked, fds[MOUNT_TARGET]);
}

static int attach(const struct mounter *m, int mnt, const int fds[static N_MOUNT_FDS])
{
	struct clone_args args = {.flags = CLONE_NEWNS, .exit_signal = SIGCHLD};
	int status = 0, r = sys_clone3(&args);

	if (r == 0)
		SYS(exit_group, -attach_child(m, mnt, fds));
	if (r < 0)
		return r;
	r = SYS(wait4, r, &status, __WALL, NULL);
	if (r < 0 || !WIFEXITED(status))
		return r < 0 ? r : -EPERM;
	return -WEXITSTATUS(status);
}

static int mount_copy(const struct mounter *m, const struct type *type, struct image *i, int file,
		      uint64_t id, const int fds[static N_MOUNT_FDS])
{
	cleanup_close int loop = -1, mnt = -1;
	struct loop_info64 info;
	int r = loop = attach_loop(file, &i->loop);

	if (r >= 0)
		r = SYS(ioctl, loop, LOOP_GET_STATUS64, &info);
	if (r < 0)
		return r;
	i->dev = info.lo_device;
	i->ino = info.lo_inode;
	r = mnt = mount_loop(m, type, i->loop);
	/* Whoever asks may be gone by now, or have been told that it failed. */
	if (r >= 0)
		r = SYS(ioctl, m->listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id);
	return r < 0 ? r : attach(m, mnt, fds);
}

int image_mount(const struct mounter *m, struct image_table *t, const struct mount_request *q,
		const int fds[static N_MOUNT_FDS])
{
	const struct type *type = type_of(q->trap);
	struct image *i = place_for_one(t);
	cleanup_close int file = -1;
	int r;

	if (!type)
		return -EPERM;
	if (!i)
		return -EMFILE;
	file = r = copy_of(m, fds[MOUNT_IMAGE], q->trap);
	if (r >= 0)
		r = mount_copy(m, type, i, file, q->id, fds);
	if (r < 0)
		t->is_used[i - t->v] = false;
	return r;
}
