/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What we can do, as engines ask for it (runtime-spec, features.md), and a config.json
 * to begin with. `features` is the entry ticket: without "user" and idmap containerd and
 * CRI-O give no user namespaces, without "rro" docker's read-only binds are shallow.
 */
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/sys.h"
#include "../isolate/caps.h"
#include "../isolate/lsm.h"
#include "config.h"

#define VERSION_MIN "1.0.0"
#define VERSION_MAX "1.3.0"

static struct json *strings(const char *const *list, size_t n)
{
	struct json *a = json_array_new();

	for (size_t i = 0; i < n; i++)
		json_push(a, json_string_new(list[i]));
	return a;
}
#define STRINGS(...)                                                  \
	({                                                            \
		static const char *const _l[] = {__VA_ARGS__};        \
		strings(_l, ARRAY_SIZE(_l));                          \
	})

static struct json *enabled(bool yes)
{
	struct json *o = json_object_new();

	json_set_bool(o, "enabled", yes);
	return o;
}

static struct json *mount_options(void)
{
	return STRINGS("acl", "async", "atime", "bind", "dev", "diratime", "dirsync", "exec",
		       "idmap", "iversion", "lazytime", "loud", "mand", "noacl", "noatime",
		       "nodev", "nodiratime", "noexec", "noiversion", "nolazytime", "nomand",
		       "norelatime", "nostrictatime", "nosuid", "nosymfollow", "private",
		       "ratime", "rbind", "rdev", "rdiratime", "relatime", "remount", "rexec",
		       "ridmap", "rnoatime", "rnodev", "rnodiratime", "rnoexec", "rnorelatime",
		       "rnostrictatime", "rnosuid", "rnosymfollow", "ro", "rprivate",
		       "rrelatime", "rro", "rrw", "rshared", "rslave", "rstrictatime", "rsuid",
		       "rsymfollow", "runbindable", "rw", "shared", "silent", "slave",
		       "strictatime", "suid", "symfollow", "sync", "unbindable");
}

static struct json *capabilities(void)
{
	struct json *a = json_array_new();
	uint64_t all = caps_all();

	for (int cap = 0; cap < 64; cap++)
		if ((all & 1ULL << cap) && caps_name(cap))
			json_push(a, json_string_new(caps_name(cap)));
	return a;
}

static struct json *cgroup(void)
{
	struct json *o = json_object_new();

	json_set_bool(o, "v1", true);
	json_set_bool(o, "v2", true);
	json_set_bool(o, "systemd", true);
	json_set_bool(o, "systemdUser", false);
	json_set_bool(o, "rdma", true);
	return o;
}

static bool kernel_knows(unsigned int flag)
{
	return SYS(seccomp, SECCOMP_SET_MODE_FILTER, flag, NULL) == -EFAULT;
}

static struct json *seccomp_flags(bool supported_only)
{
	static const struct {
		const char *name;
		unsigned int flag;
	} all[] = {{"SECCOMP_FILTER_FLAG_TSYNC", 1U << 0},
		   {"SECCOMP_FILTER_FLAG_LOG", 1U << 1},
		   {"SECCOMP_FILTER_FLAG_SPEC_ALLOW", 1U << 2},
		   {"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", 1U << 5}};
	struct json *a = json_array_new();

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		/* This one goes with a listener only. */
		unsigned int with = all[i].flag == 1U << 5 ? 1U << 3 : 0;

		if (!supported_only || kernel_knows(all[i].flag | with))
			json_push(a, json_string_new(all[i].name));
	}
	return a;
}

static struct json *seccomp(void)
{
	struct json *o = enabled(true);

	json_set(o, "actions",
		 STRINGS("SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "SCMP_ACT_KILL",
			 "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD", "SCMP_ACT_LOG",
			 "SCMP_ACT_NOTIFY", "SCMP_ACT_TRACE", "SCMP_ACT_TRAP"));
	json_set(o, "operators",
		 STRINGS("SCMP_CMP_EQ", "SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_LE",
			 "SCMP_CMP_LT", "SCMP_CMP_MASKED_EQ", "SCMP_CMP_NE"));
	json_set(o, "archs",
		 STRINGS("SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM", "SCMP_ARCH_MIPS",
			 "SCMP_ARCH_MIPS64", "SCMP_ARCH_MIPS64N32", "SCMP_ARCH_MIPSEL",
			 "SCMP_ARCH_MIPSEL64", "SCMP_ARCH_MIPSEL64N32", "SCMP_ARCH_PPC",
			 "SCMP_ARCH_PPC64", "SCMP_ARCH_PPC64LE", "SCMP_ARCH_RISCV64",
			 "SCMP_ARCH_S390", "SCMP_ARCH_S390X", "SCMP_ARCH_X32", "SCMP_ARCH_X86",
			 "SCMP_ARCH_X86_64"));
	json_set(o, "knownFlags", seccomp_flags(false));
	json_set(o, "supportedFlags", seccomp_flags(true));
	return o;
}

static struct json *linux_features(void)
{
	struct json *o = json_object_new(), *extensions = json_object_new(), *rdt;

	json_set(o, "namespaces", STRINGS("cgroup", "ipc", "mount", "network", "pid", "time",
					  "user", "uts"));
	json_set(o, "capabilities", capabilities());
	json_set(o, "cgroup", cgroup());
	json_set(o, "seccomp", seccomp());
	json_set(o, "apparmor", enabled(true));
	json_set(o, "selinux", enabled(true));
	rdt = enabled(true);
	json_set_bool(rdt, "schemata", true);
	json_set_bool(rdt, "monitoring", true);
	json_set(o, "intelRdt", rdt);
	json_set(o, "memoryPolicy",
		 ({
			 struct json *m = json_object_new();

			 json_set(m, "modes",
				  STRINGS("MPOL_BIND", "MPOL_DEFAULT", "MPOL_INTERLEAVE",
					  "MPOL_LOCAL", "MPOL_PREFERRED", "MPOL_PREFERRED_MANY",
					  "MPOL_WEIGHTED_INTERLEAVE"));
			 json_set(m, "flags",
				  STRINGS("MPOL_F_NUMA_BALANCING", "MPOL_F_RELATIVE_NODES",
					  "MPOL_F_STATIC_NODES"));
			 m;
		 }));
	json_set(extensions, "idmap", enabled(true));
	json_set(o, "mountExtensions", extensions);
	json_set(o, "netDevices", enabled(true));
	return o;
}

int cis_oci_features_json(char **ret, struct cis_error *err)
{
	struct json *o = json_object_new(), *annotations = json_object_new();
	const struct scmp_version *v = seccomp_version();
	char version[32];
	int r;

	snprintf(version, sizeof version, "%u.%u.%u", v->major, v->minor, v->micro);
	json_set_string(o, "ociVersionMin", VERSION_MIN);
	json_set_string(o, "ociVersionMax", VERSION_MAX);
	json_set(o, "hooks", STRINGS("prestart", "createRuntime", "createContainer",
				     "startContainer", "poststart", "poststop"));
	json_set(o, "mountOptions", mount_options());
	json_set(o, "linux", linux_features());
	json_set_string(annotations, "io.github.cisandbox.version", cis_version());
	json_set_string(annotations, "io.github.seccomp.libseccomp.version", version);
	json_set_string(annotations, "org.opencontainers.runc.checkpoint.enabled", "false");
	json_set(o, "annotations", annotations);
	r = json_write(o, JSON_PRETTY, ret);
	json_free(o);
	return r < 0 ? cis_fail(err, -r, "features") : 0;
}
