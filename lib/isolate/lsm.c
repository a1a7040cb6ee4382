/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lsm.h"

#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/statfs.h>

#include "../base/io.h"
#include "../base/str.h"
#include "../base/sys.h"
#include "procfd.h"

#define SELINUX_FS "/sys/fs/selinux"
#define MAX_PROFILES (4UL << 20)
#define MAX_VALUE 4096 /* a page: what the kernel takes at once */
#ifndef ST_RDONLY
#define ST_RDONLY 1
#endif

static bool is_given(const char *s)
{
	return s && *s;
}

bool lsm_apparmor_enabled(void)
{
	cleanup_free char *enabled = NULL;

	/* The second stays Y in a container, where securityfs is not to be seen. */
	return access("/sys/kernel/security/apparmor", F_OK) == 0 &&
	       io_read_file_at(AT_FDCWD, "/sys/module/apparmor/parameters/enabled", 64,
			       &enabled, NULL) == 0 &&
	       enabled[0] == 'Y';
}

bool lsm_selinux_enabled(void)
{
	cleanup_free char *current = NULL;
	struct statfs fs;

	if (statfs(SELINUX_FS, &fs) < 0 || fs.f_type != SELINUX_MAGIC ||
	    (fs.f_flags & ST_RDONLY))
		return false;
	/* "kernel": no policy is loaded. */
	return io_read_file_at(AT_FDCWD, "/proc/self/attr/current", MAX_VALUE, &current,
			       NULL) < 0 ||
	       strcmp(current, "kernel") != 0;
}

int lsm_apparmor_check(const char *profile, struct cis_error *err)
{
	if (!is_given(profile) || strcmp(profile, "unconfined") == 0 ||
	    lsm_apparmor_enabled())
		return 0;
	return cis_fail_plain(err, EOPNOTSUPP,
			      "apparmor profile \"%s\": apparmor is not enabled on this "
			      "host", profile);
}

int lsm_selinux_check(const char *label, struct cis_error *err)
{
	if (!is_given(label) || lsm_selinux_enabled())
		return 0;
	return cis_fail_plain(err, EOPNOTSUPP,
			      "selinux label \"%s\": selinux is not enabled on this host",
			      label);
}

static bool is_engines_default(const char *profile)
{
	static const char *const names[] = {"docker-default", "cri-containerd.apparmor.d",
					    "crio-default"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(profile, names[i]) == 0)
			return true;
	/* podman's and buildah's, with the version at the end */
	return str_starts(profile, "containers-default-");
}

const char *lsm_apparmor_choose(const char *wanted, bool ours_is_loaded)
{
	return ours_is_loaded && is_given(wanted) && is_engines_default(wanted)
		       ? LSM_APPARMOR_OURS
		       : wanted;
}

bool lsm_apparmor_lists(const char *profiles, const char *name)
{
	const size_t n = strlen(name);

	while (*profiles) {
		if (strncmp(profiles, name, n) == 0 && strncmp(profiles + n, " (", 2) == 0)
			return true;
		profiles += strcspn(profiles, "\n");
		profiles += *profiles == '\n';
	}
	return false;
}

bool lsm_apparmor_is_loaded(const char *name)
{
	cleanup_free char *profiles = NULL;

	return io_read_file_at(AT_FDCWD, "/sys/kernel/security/apparmor/profiles",
			       MAX_PROFILES, &profiles, NULL) >= 0 &&
	       lsm_apparmor_lists(profiles, name);
}

const char *lsm_mount_label(const char *label, const char *type, bool selinux_is_enabled)
{
	/* Of these the policy knows the label of each file, or the kernel takes none. */
	static const char *const without[] = {"proc", "sysfs", "cgroup", "cgroup2", "mqueue",
					      "bind"};

	for (size_t i = 0; i < ARRAY_SIZE(without); i++)
		if (strcmp(type, without[i]) == 0)
			return NULL;
	return selinux_is_enabled && is_given(label) ? label : NULL;
}

static int write_attr(int procfd, const char *attr, const char *value)
{
	char path[64];
	int r = procfd_self_child(procfd, attr, path, sizeof path);

	return r < 0 ? r : procfd_write_child(procfd, path, value);
}

int lsm_apparmor_exec_child(int procfd, const char *profile)
{
	static const char verb[] = "exec ";
	char value[MAX_VALUE], path[64];
	size_t len;
	int r;

	if (!is_given(profile))
		return 0;
	len = strlen(profile);
	if (len + sizeof verb > sizeof value)
		return -ENAMETOOLONG;
	memcpy(value, verb, sizeof verb - 1);
	memcpy(value + sizeof verb - 1, profile, len + 1);
	r = procfd_self_child(procfd, "attr/apparmor/exec", path, sizeof path);
	/*
	 * Before Linux 5.8 there was one set of files for all modules. It is looked for
	 * first, since ENOENT of the write means that there is no such profile.
	 */
	if (r >= 0 && !procfd_has_child(procfd, path))
		r = procfd_self_child(procfd, "attr/exec", path, sizeof path);
	if (r >= 0)
		r = procfd_write_child(procfd, path, value);
	/* Without AppArmor everybody is unconfined. */
	if ((r == -ENOENT || r == -EINVAL) && strcmp(profile, "unconfined") == 0)
		r = 0;
	return r;
}

int lsm_selinux_exec_child(int procfd, const char *label)
{
	return is_given(label) ? write_attr(procfd, "attr/exec", label) : 0;
}

int lsm_selinux_keycreate_child(int procfd, const char *label)
{
	int r = is_given(label) ? write_attr(procfd, "attr/keycreate", label) : 0;

	return r == -ENOENT ? 0 : r;
}

int lsm_mount_label_option(const char *label, char *buf, size_t n)
{
	int len;

	if (n > 0)
		buf[0] = '\0';
	if (!is_given(label))
		return 0;
	/* It would end the quotes, and begin options of its own. */
	if (strpbrk(label, "\"\\\n"))
		return -EINVAL;
	len = snprintf(buf, n, "context=\"%s\"", label);
	return (size_t)len < n ? 0 : -ENAMETOOLONG;
}
