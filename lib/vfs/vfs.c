/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vfs.h"

#include <errno.h>
#include <linux/sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>

#include "../base/clock.h"
#include "../base/fd.h"
#include "../base/process.h"
#include "../base/sys.h"
#include "../fs/mount.h"

#define DEVICE "/dev/fuse"
#define QUICK_MSEC 100
/*
 * So many die at once before the next has to wait. Then 1 ms each time: one read may meet all
 * of these, and a hundred must not add up to a second. From there on doubled, up to 200 ms.
 */
#define FREE_DEATHS 4
#define DELAY_MSEC 1
#define CHEAP_DEATHS 120
#define DELAY_MAX_MSEC 200

void vfs_init(struct vfs *v)
{
	*v = (struct vfs){.pidfd = -1, .helper.conn = -1};
	vfs_sources_init(&v->sources);
}

void vfs_drop(struct vfs *v)
{
	if (v->pidfd >= 0)
		sys_pidfd_send_signal(v->pidfd, SIGKILL);
	/* The last descriptor of the connection ends all waiting. */
	v->helper.conn = fd_close(v->helper.conn);
}

void vfs_done(struct vfs *v)
{
	siginfo_t info;

	vfs_drop(v);
	if (v->pidfd >= 0)
		process_reap(v->pidfd, &info);
	fd_close(v->pidfd);
	vfs_sources_done(&v->sources);
	if (v->helper.shared)
		munmap(v->helper.shared, sizeof *v->helper.shared);
	vfs_init(v);
}

bool vfs_is_on(const struct vfs *v)
{
	return v->helper.conn >= 0;
}

int vfs_probe(void)
{
	cleanup_close int fd = open(DEVICE, O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : 0;
}

/* ---- making it --------------------------------------------------------------------- */

static int make_uuid(char ret[static 37])
{
	unsigned char b[16];

	if (getrandom(b, sizeof b, 0) != sizeof b)
		return -EIO;
	b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
	b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
	for (size_t i = 0, at = 0; i < sizeof b; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			ret[at++] = '-';
		at += (size_t)snprintf(ret + at, 37 - at, "%02x", b[i]);
	}
	return 0;
}

static int fill_facts(struct vfs_facts *f, const cpu_set_t *cpus)
{
	struct timespec boot;
	int r = make_uuid(f->boot_id);

	clock_gettime(CLOCK_BOOTTIME, &boot);
	f->started_usec = (uint64_t)boot.tv_sec * 1000000 + (uint64_t)boot.tv_nsec / 1000;
	f->boot_sec = (uint64_t)time(NULL);
	f->cpus = *cpus;
	return r < 0 ? r : make_uuid(f->product_uuid);
}

static int make_shared(struct vfs *v, const cpu_set_t *cpus)
{
	void *map = mmap(NULL, sizeof *v->helper.shared, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (map == MAP_FAILED)
		return -errno;
	v->helper.shared = map;
	return fill_facts(&v->helper.shared->facts, cpus);
}

int vfs_make(struct vfs *v, uid_t base, uid_t id, const cpu_set_t *cpus, const char *without,
	     int *ret_mount, struct cis_error *err)
{
	char options[160];
	int r;

	v->helper.conn = open(DEVICE, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (v->helper.conn < 0) {
		cis_fail(err, errno, "virtual files: open " DEVICE);
		return cis_hint(err, "load the module with \"modprobe fuse\", or say %s", without);
	}
	v->helper.owner = base;
	v->helper.id = id;
	v->helper.sources = &v->sources;
	r = make_shared(v, cpus);
	if (r < 0)
		return cis_fail(err, -r, "virtual files");
	snprintf(options, sizeof options,
		 "fd=%d,rootmode=40555,user_id=%u,group_id=%u,allow_other,default_permissions,"
		 "subtype=cisandbox",
		 v->helper.conn, base, base);
	r = mount_new("fuse", "cisandbox", options,
		      MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	if (r < 0)
		return cis_fail(err, -r, "virtual files: make the file system");
	*ret_mount = r;
	return 0;
}

void vfs_connect(struct vfs *v, const struct vfs_groups *g)
{
	vfs_sources_open(&v->sources, g);
}

/* ---- helpers ------------------------------------------------------------------------- */

int vfs_spawn(struct vfs *v)
{
	struct clone_args args = {
		.flags = CLONE_PIDFD,
		.pidfd = (uint64_t)(uintptr_t)&v->pidfd,
	};
	int r = process_clone(&args);

	if (r == 0)
		helper_main(&v->helper);
	if (r < 0)
		v->pidfd = -1;
	v->spawned_msec = now_msec();
	return r < 0 ? r : 0;
}

unsigned int vfs_bury(struct vfs *v, int *ret_status)
{
	siginfo_t info = {0};
	unsigned int over;

	process_reap(v->pidfd, &info);
	v->pidfd = fd_close(v->pidfd);
	*ret_status = info.si_code == CLD_EXITED ? info.si_status << 8 : info.si_status;
	/* Somebody killed it: the request it was at is not to blame, however often. */
	if (info.si_code == CLD_KILLED && info.si_status == SIGKILL && v->helper.shared)
		v->helper.shared->taken_over = 0;
	v->quick_deaths = now_msec() - v->spawned_msec < QUICK_MSEC ? v->quick_deaths + 1 : 0;
	if (v->quick_deaths < FREE_DEATHS)
		return 0;
	over = v->quick_deaths < CHEAP_DEATHS ? 0 : MIN(v->quick_deaths - CHEAP_DEATHS, 10u);
	return MIN((unsigned int)DELAY_MSEC << over, (unsigned int)DELAY_MAX_MSEC);
}
