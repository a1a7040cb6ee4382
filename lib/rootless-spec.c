/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysinfo.h>

#include "base/fd.h"
#include "base/io.h"
#include "base/process.h"
#include "base/str.h"
#include "base/sys.h"
#include "cgroup/hierarchy.h"
#include "fs/scratch.h"
#include "notify/traps.h"
#include "rootless.h"

/* In words, and who holds it; the disk is a tmpfs, and needs nobody. */
static const struct {
	const char *name;
	enum controller controller;
} limits[] = {
	[LIMIT_MEMORY] = {"memory", CTL_MEMORY},
	[LIMIT_CPUS] = {"cpu", CTL_CPU},
	[LIMIT_PIDS] = {"pids", CTL_PIDS},
};

/* Half of the memory, which is what the kernel gives a tmpfs that says nothing. */
static uint64_t disk_max(void)
{
	struct sysinfo info;

	if (sysinfo(&info) < 0)
		return SPEC_DISK_IN_MEMORY;
	return MAX((uint64_t)info.totalram * info.mem_unit / 2, SPEC_DISK_IN_MEMORY);
}

static int fit_disk(struct spec *s, struct cis_error *err)
{
	const uint64_t max = disk_max();

	if (s->disk_kind != CIS_DISK_AUTO && s->disk_kind != CIS_DISK_TMPFS)
		return cis_fail_plain(err, EOPNOTSUPP,
				      "disk back end %s: without root there is only tmpfs "
				      "(use sudo)",
				      scratch_name(s->disk_kind));
	s->disk_kind = CIS_DISK_TMPFS;
	if (s->disk <= max)
		return 0;
	if (s->builtin & 1u << LIMIT_DISK) {
		s->disk = max;
		s->unheld |= 1u << LIMIT_DISK;
		return 0;
	}
	return cis_fail_plain(err, EOPNOTSUPP,
			      "disk of %llu bytes: without root it is in memory, and at most half "
			      "of that, %lluM (loop devices are root's; use sudo for more)",
			      (unsigned long long)s->disk, (unsigned long long)max >> 20);
}

static int fit_limits(struct spec *s, struct cis_error *err)
{
	struct hierarchies hs;
	int r = hierarchies_find(&hs, -1, 0, err);

	for (unsigned int i = 0; i < ARRAY_SIZE(limits) && r >= 0; i++) {
		const char *controller = controller_name(limits[i].controller);
		uint64_t *value = spec_limit(s, i);

		if (!*value || hierarchy_of(&hs, limits[i].controller) >= 0)
			continue;
		if (!(s->builtin & 1u << i))
			return cis_fail_plain(err, EOPNOTSUPP,
					      "%s limit: this user has no control group with the "
					      "%s controller (systemd-run --user --scope -p "
					      "Delegate=yes gives one; or use sudo)",
					      limits[i].name, controller);
		*value = 0;
		s->unheld |= 1u << i;
	}
	if (r >= 0 && !hs.n && s->n_services)
		s->unheld |= 1u << UNHELD_GROUPS;
	return r;
}

/* A namespace that somebody else made may have less. */
static int check_ids(const struct spec *s, struct cis_error *err)
{
	cleanup_free char *text = NULL;
	unsigned int inside, outside, count;
	int r = io_read_file_at(AT_FDCWD, "/proc/self/uid_map", 65536, &text, NULL);
	uint64_t n = 0;

	if (r < 0)
		return cis_fail(err, -r, "read our id map");
	for (const char *line = text; line && *line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (sscanf(line, "%u %u %u", &inside, &outside, &count) == 3 && inside == n)
			n += count;
	}
	if (s->ids > SPEC_IDS_UNIT)
		return cis_fail_plain(err, ERANGE, "%llu ids: without root a sandbox has %llu",
				      (unsigned long long)s->ids, SPEC_IDS_UNIT);
	if (n > SPEC_IDS_UNIT)
		return 0;
	return cis_fail_plain(err, ERANGE,
			      "ids: this user namespace has %llu from 0 on, and %llu are needed "
			      "(cisandbox makes one that has, when a user starts it)",
			      (unsigned long long)n, SPEC_IDS_UNIT + 1);
}

int rootless_fit(struct spec *s, struct cis_error *err)
{
	int r;

	if (!process_is_rootless())
		return 0;
	if (s->flags & TRAPS)
		return cis_fail_plain(err, EOPNOTSUPP,
				      "--trap: its helper has the host's privilege, which there is "
				      "not without root (use sudo)");
	r = check_ids(s, err);
	if (r >= 0)
		r = fit_disk(s, err);
	return r < 0 ? r : fit_limits(s, err);
}

bool rootless_say_unheld(const struct spec *s, char *buf, size_t n)
{
	static const char *const words[] = {
		[LIMIT_MEMORY] = "memory limit",
		[LIMIT_CPUS] = "cpu limit",
		[LIMIT_PIDS] = "pids limit",
		[LIMIT_DISK] = "disk size (it is half of the memory)",
		[UNHELD_GROUPS] = "control groups, which containers of engines inside want",
	};
	const char *between = "";
	size_t k;

	if (!s->unheld)
		return false;
	k = (size_t)snprintf(buf, n, "without root, of what the profile has, there is no ");
	for (unsigned int i = 0; i < ARRAY_SIZE(words) && k < n; i++)
		if (s->unheld & 1u << i) {
			k += (size_t)snprintf(buf + k, n - k, "%s%s", between, words[i]);
			between = ", ";
		}
	return true;
}
