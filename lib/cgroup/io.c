/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "../base/io.h"
#include "../base/str.h"

bool io_is_limited(const struct io_limits *l)
{
	return l->most.rbps || l->most.wbps || l->most.riops || l->most.wiops;
}

static bool is_v2(const struct hierarchies *hs)
{
	int h = hierarchy_of(hs, CTL_IO);

	return h >= 0 && hs->h[h].v2;
}

/*
 * On v1 a write goes to the page cache, and from there to the device in the name of the
 * host's root group: a limit would hold for direct writes alone, which is none.
 */
int io_check(const struct hierarchies *hs, const struct io_limits *l, struct cis_error *err)
{
	if (!io_is_limited(l))
		return 0;
	if (hierarchy_of(hs, CTL_IO) < 0)
		return cis_fail_plain(err, EOPNOTSUPP,
				      "io limit: this host has no io controller (cgroup mode %s; "
				      "mount it, or boot with it enabled)", hs->mode);
	if (!is_v2(hs) && (l->most.wbps || l->most.wiops))
		return cis_fail_plain(err, EOPNOTSUPP,
				      "io limit: cgroup v1 does not know whose a buffered write "
				      "is, so only reads can be limited here (leave wbps and wiops "
				      "out, or boot with systemd.unified_cgroup_hierarchy=1)");
	return 0;
}

static void append(struct setting *s, const char *key, uint64_t most)
{
	size_t n = strlen(s->value);

	if (most)
		snprintf(s->value + n, sizeof s->value - n, " %s=%llu", key,
			 (unsigned long long)most);
}

static struct setting on_v1(const struct io_limits *l, const char *file, uint64_t most)
{
	struct setting s = {.controller = CTL_IO, .file = file};

	snprintf(s.value, sizeof s.value, "%u:%u %llu", major(l->device), minor(l->device),
		 (unsigned long long)most);
	return s;
}

size_t io_render(const struct hierarchies *hs, const struct io_limits *l, struct setting *out)
{
	size_t n = 0;

	if (!io_is_limited(l))
		return 0;
	if (is_v2(hs)) {
		out[n] = (struct setting){.controller = CTL_IO, .file = "io.max"};
		snprintf(out[n].value, sizeof out[n].value, "%u:%u", major(l->device),
			 minor(l->device));
		append(&out[n], "rbps", l->most.rbps);
		append(&out[n], "wbps", l->most.wbps);
		append(&out[n], "riops", l->most.riops);
		append(&out[n], "wiops", l->most.wiops);
		return n + 1;
	}
	if (l->most.rbps)
		out[n++] = on_v1(l, "blkio.throttle.read_bps_device", l->most.rbps);
	if (l->most.riops)
		out[n++] = on_v1(l, "blkio.throttle.read_iops_device", l->most.riops);
	return n;
}

/* A partition's entry in sysfs is a directory of its disk's. */
static int whole_disk(dev_t part, dev_t *ret)
{
	cleanup_free char *text = NULL;
	unsigned int maj, min;
	char path[80];
	int r;

	*ret = part;
	snprintf(path, sizeof path, "/sys/dev/block/%u:%u/partition", major(part), minor(part));
	if (access(path, F_OK) < 0)
		return 0;
	snprintf(path, sizeof path, "/sys/dev/block/%u:%u/../dev", major(part), minor(part));
	r = io_read_file_at(AT_FDCWD, path, 64, &text, NULL);
	if (r < 0 || sscanf(text, "%u:%u", &maj, &min) != 2)
		return r < 0 ? r : -EPROTO;
	*ret = makedev(maj, min);
	return 0;
}

int io_device_of(int fd, dev_t *ret, struct cis_error *err)
{
	struct stat st;
	int r = fstat(fd, &st) < 0 ? -errno : 0;

	/* tmpfs; btrfs, which may be on several. */
	if (r >= 0 && major(st.st_dev) == 0)
		return cis_fail_plain(err, EOPNOTSUPP,
				      "io limit: the disk is in memory or of btrfs, and so not on "
				      "one device (choose --disk-backend loop or quota)");
	if (r >= 0)
		r = whole_disk(st.st_dev, ret);
	return r < 0 ? cis_fail(err, -r, "io limit: the device under the disk") : 0;
}
