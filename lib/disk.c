/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/spawn.h"
#include "base/str.h"
#include "fs/scratch-place.h"

/* Of what it takes the kernel longer to drop than us to start a process. */
#define MUCH (32ULL << 20)
#define MANY 5000

uint64_t disk_size(const struct spec *s)
{
	return s->disk ? s->disk : SPEC_DISK_DEFAULT;
}

int disk_open_dir(struct cis_error *err)
{
	cleanup_free char *path = NULL;
	int fd;

	if (str_format(&path, "%s/scratch", state_data_root()) < 0)
		return cis_fail(err, ENOMEM, "scratch");
	while ((fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0 && path[1]) {
		char *slash = strrchr(path, '/');

		if (errno != ENOENT)
			break;
		slash[slash == path] = '\0';
	}
	return fd < 0 ? cis_fail(err, errno, "scratch: open %s", path) : fd;
}

int disk_choose(const struct spec *s, enum cis_disk *ret, struct cis_error *err)
{
	cleanup_close int dir = -1;

	*ret = s->disk_kind;
	if (*ret == CIS_DISK_AUTO && disk_size(s) <= SPEC_DISK_IN_MEMORY)
		*ret = CIS_DISK_TMPFS;
	if (*ret == CIS_DISK_TMPFS && (s->io.rbps || s->io.wbps || s->io.riops || s->io.wiops))
		return cis_fail_plain(err, EOPNOTSUPP,
				      "io limit: the disk is in memory (choose --disk-backend loop "
				      "or quota; above 512M it is one of these)");
	if (*ret == CIS_DISK_TMPFS)
		return 0;
	dir = disk_open_dir(err);
	if (dir < 0)
		return dir;
	return *ret == CIS_DISK_AUTO ? scratch_choose(dir, ret, err)
				     : scratch_probe(*ret, dir, err);
}

int disk_make(struct state *st, const struct spec *s, enum cis_disk kind, uid_t base,
	      struct cis_error *err)
{
	cleanup_close int dir = -1;
	struct scratch_want want = {
		.bytes = disk_size(s),
		.inodes = s->disk_inodes,
		.base = base,
		.dir = -1,
		.name = st->born,
	};
	int r = 0;

	if (scratch_is_named(kind)) {
		r = state_claim_disk(st, err);
		want.dir = st->place;
	} else if (kind != CIS_DISK_TMPFS) {
		r = want.dir = dir = state_open_scratch(err);
	}
	return r < 0 ? r : scratch_make(kind, &want, err);
}

int disk_usage_of(const struct state *st, pid_t init, struct scratch_usage *ret)
{
	cleanup_free char *place = NULL;
	cleanup_close int dir = -1, fd = -1;

	if (state_disk_place(st, &place) >= 0 && place)
		dir = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir >= 0)
		fd = openat(dir, st->born, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? scratch_usage_of(init, ret) : scratch_usage(fd, ret);
}

static bool holds_much(int mount)
{
	struct scratch_usage usage;

	return scratch_usage(mount, &usage) >= 0 &&
	       (usage.used >= MUCH || usage.inodes >= MANY);
}

int disk_hold(pid_t init, int mount)
{
	char path[64];

	if (!holds_much(mount))
		return -1;
	snprintf(path, sizeof path, "/proc/%d/root", init);
	return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/*
 * What is dirty is written before a file system goes, and all that is cached of it freed:
 * 100,000 files take most of a second, data as long as the host's disk does. A device's
 * takes longer than to start a process even when nobody has written to it. The other
 * process ends when it reads the end of a pipe, after we have closed ours.
 */
void disk_let_go(enum cis_disk kind, int *mount, int *held)
{
	char *const argv[] = {"cat", NULL};
	cleanup_close int rd = -1, wr = -1;
	int ends[2];

	if (*held < 0 && (kind == CIS_DISK_LOOP || holds_much(*mount))) {
		*held = *mount;
		*mount = -1;
	}
	if (*held >= 0 && pipe2(ends, O_CLOEXEC) == 0) {
		rd = ends[0];
		wr = ends[1];
		spawn_detached(argv, *held, rd, NULL); /* or it is for us */
	}
	*held = fd_close(*held);
	*mount = fd_close(*mount);
}

int disk_sweep(bool wait, struct cis_error *err)
{
	cleanup_free char *path = NULL;
	cleanup_close int dir = -1;

	if (str_format(&path, "%s/scratch", state_data_root()) < 0)
		return cis_fail(err, ENOMEM, "scratch");
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return errno == ENOENT ? 0 : cis_fail(err, errno, "scratch: open %s", path);
	return scratch_sweep(dir, wait, err);
}

uint64_t disk_host_left(void)
{
	cleanup_close int dir = disk_open_dir(NULL);

	return dir < 0 ? UINT64_MAX : scratch_left(dir);
}
