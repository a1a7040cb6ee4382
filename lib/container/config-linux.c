/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * config.json's linux, without resources and seccomp, which have files of their own.
 * At the end is what two members must agree on, where the answer does not depend on the
 * host: whatever would be the host's, because a namespace is missing, is refused.
 */
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>

#include <linux/mempolicy.h>
#include <sys/personality.h>

#include "../base/compat.h"
#include "config-read.h"

#define AT(member) offsetof(struct config, member)

static int read_uid_map(void *to, const struct json *v, struct cis_error *err)
{
	struct config *c = to;

	return config_read_idmaps(&c->uid_map, &c->n_uid_map, v, err);
}

static int read_gid_map(void *to, const struct json *v, struct cis_error *err)
{
	struct config *c = to;

	return config_read_idmaps(&c->gid_map, &c->n_gid_map, v, err);
}

/* ---- namespaces ------------------------------------------------------------------ */

static int want_namespace(void *to, const struct json *v, struct cis_error *err)
{
	static const struct config_name names[] = {
		{"pid", CLONE_NEWPID},	 {"network", CLONE_NEWNET},
		{"mount", CLONE_NEWNS},	 {"ipc", CLONE_NEWIPC},
		{"uts", CLONE_NEWUTS},	 {"user", CLONE_NEWUSER},
		{"time", CLONE_NEWTIME}, {"cgroup", CLONE_NEWCGROUP},
	};
	int64_t value = 0;
	int r = config_want_name(names, ARRAY_SIZE(names), "a namespace", v, &value, err);

	*(int *)to = (int)value;
	return r;
}

/* Go leaves an empty path away or writes "": both mean a new namespace. */
static int want_optional_path(void *to, const struct json *v, struct cis_error *err)
{
	int r = config_want_text(to, v, err);

	return r >= 0 && v->n ? config_want_path(to, v, err) : r;
}

static int read_namespace(void *to, const struct json *v, struct cis_error *err)
{
	static const struct config_field fields[] = {
		{"type", want_namespace, offsetof(struct config_namespace, flag),
		 .required = true},
		{"path", want_optional_path, offsetof(struct config_namespace, path)},
	};

	return config_read_fields(to, fields, ARRAY_SIZE(fields), v, err);
}

static int read_namespaces(void *to, const struct json *v, struct cis_error *err)
{
	struct config *c = to;
	int r = CONFIG_READ_ITEMS(c->namespaces, c->n_namespaces, v, JSON_ARRAY,
				  read_namespace, err);
	const struct json *it = v->first;

	for (size_t i = 0; r >= 0 && i < c->n_namespaces; i++, it = it->next)
		for (size_t j = 0; j < i; j++)
			if (c->namespaces[j].flag == c->namespaces[i].flag)
				return json_fail(json_get(it, "type"), err, EINVAL,
						 "it stands in namespaces[%zu] already",
						 j);
	return r;
}

static int want_nanosecs(void *to, const struct json *v, struct cis_error *err)
{
	int64_t value = 0;
	int r = json_want_int(v, 0, 999999999, &value, err);

	*(uint32_t *)to = (uint32_t)value;
	return r;
}

static int read_offset(void *to, const struct json *v, struct cis_error *err)
{
	static const struct config_field fields[] = {
		{"secs", config_want_i64, offsetof(struct config_time_offset, secs)},
		{"nanosecs", want_nanosecs,
		 offsetof(struct config_time_offset, nanosecs)},
	};
	struct config_time_offset *o = to;

	o->given = true;
	return config_read_fields(o, fields, ARRAY_SIZE(fields), v, err);
}

static int read_offsets(void *to, const struct json *v, struct cis_error *err)
{
	static const char *const clocks[] = {"monotonic", "boottime", NULL};
	static const struct config_field fields[] = {
		{"monotonic", read_offset, AT(monotonic)},
		{"boottime", read_offset, AT(boottime)},
	};
	int r = json_check_keys(v, clocks, err);

	return r < 0 ? r : config_read_fields(to, fields, ARRAY_SIZE(fields), v, err);
}

/* ---- devices --------------------------------------------------------------------- */

static int want_device_type(void *to, const struct json *v, struct cis_error *err)
{
	static const struct config_name names[] = {
		{"c", S_IFCHR},
		{"u", S_IFCHR},
		{"b", S_IFBLK},
		{"p", S_IFIFO},
	};
	int64_t value = 0;
	int r = config_want_name(names, ARRAY_SIZE(names),
				 "a type of device (c, b, u or p)", v, &value, err);

	*(mode_t *)to = (mode_t)value;
	return r;
}

/* podman writes the whole st_mode, docker the permissions alone. */
static int want_file_mode(void *to, const struct json *v, struct cis_error *err)
{
	uint32_t value = 0;
	int r = config_want_u32(&value, v, err);

	*(mode_t *)to = value & 07777;
	return r;
}

#define DEV_AT(member) offsetof(struct config_device, member)
static int read_device(void *to, const struct json *v, struct cis_error *err)
{
	struct config_device *d = to;
	mode_t permissions = 0666;
	const struct json *mode;
	static const struct config_field always[] = {
		{"type", want_device_type, DEV_AT(mode), .required = true},
		{"path", config_want_path, DEV_AT(path), .required = true},
		{"uid", config_want_u32, DEV_AT(uid)},
		{"gid", config_want_u32, DEV_AT(gid)},
	};
	static const struct config_field numbers[] = {
		{"major", config_want_major, DEV_AT(major), .required = true},
		{"minor", config_want_minor, DEV_AT(minor), .required = true},
	};
	int r = config_read_fields(d, always, ARRAY_SIZE(always), v, err);

	if (r >= 0 && !S_ISFIFO(d->mode))
		r = config_read_fields(d, numbers, ARRAY_SIZE(numbers), v, err);
	/* mknod would want what ends so to be a directory. */
	for (size_t n = r < 0 ? 0 : strlen(d->path); n > 1 && d->path[n - 1] == '/'; n--)
		d->path[n - 1] = '\0';
	mode = r < 0 ? NULL : config_get(v, "fileMode");
	if (mode)
		r = want_file_mode(&permissions, mode, err);
	d->mode |= permissions;
	return r;
}

static int read_devices(void *to, const struct json *v, struct cis_error *err)
{
	struct config *c = to;

	return CONFIG_READ_ITEMS(c->devices, c->n_devices, v, JSON_ARRAY, read_device,
				 err);
}

static int want_interface(void *to, const struct json *v, struct cis_error *err)
{
	int r = config_want_text(to, v, err);

	if (r >= 0 && v->n && !config_is_interface(v->string))
		r = config_refuse(v, err, "the name of a network device");
	return r;
}

static int read_net_device(void *to, const struct json *v, struct cis_error *err)
{
	static const struct config_field fields[] = {
		{"name", want_interface, offsetof(struct config_net_device, name)},
	};
	struct config_net_device *d = to;
	int r;

	if (!config_is_interface(v->key))
		return config_refuse_key(v, err, "the name of a network device");
	r = config_read_fields(d, fields, ARRAY_SIZE(fields), v, err);
	if (r >= 0 && (str_set(&d->host_name, v->key) < 0 ||
		       (!d->name && str_set(&d->name, v->key) < 0)))
		r = json_fail(v, err, ENOMEM, "no memory");
	return r;
}

static int read_net_devices(void *to, const struct json *v, struct cis_error *err)
{
	struct config *c = to;

	return CONFIG_READ_ITEMS(c->net_devices, c->n_net_devices, v, JSON_OBJECT,
				 read_net_device, err);
}

/* ---- sysctl ---------------------------------------------------------------------- */

/*
 * sysctl(8) takes net.ipv4.conf.eth0/100.forwarding and net/ipv4/conf/eth0.100/forwarding
 * for the same: the first separator decides which of the two it is. Here, the path.
 */
static void make_path(char *key)
{
	char *first = key + strcspn(key, "./");

	if (*first != '.')
		return;
	for (char *p = first; *p; p++)
		*p = *p == '.' ? '/' : *p == '/' ? '.' : *p;
}

static bool stays_below(const char *path)
{
	while (*path) {
		size_t n = strcspn(path, "/");

		if (n == 0 || strncmp(path, "..", MAX(n, (size_t)2)) == 0 ||
		    (n == 1 && *path == '.'))
			return false;
		path += n;
		if (*path && !*++path)
			return false;
	}
	return true;
}

static int read_sysctl(void *to, const struct json *v, struct cis_error *err)
{
	struct config_pair *p = to;
	int r = config_want_pair(p, v, err);

	if (r < 0)
		return r;
	make_path(p->key);
	return stays_below(p->key) ? 0
				   : config_refuse_key(v, err, "the name of a sysctl");
}

static int read_sysctls(void *to, const struct json *v, struct cis_error *err)
{
	struct config *c = to;

	return CONFIG_READ_ITEMS(c->sysctl, c->n_sysctl, v, JSON_OBJECT, read_sysctl,
				 err);
}

/* The namespace that @path belongs to; 0: to none, and a change would be the host's. */
static int sysctl_namespace(const char *path)
{
	static const struct config_name names[] = {
		{"kernel/msgmax", CLONE_NEWIPC},
		{"kernel/msgmnb", CLONE_NEWIPC},
		{"kernel/msgmni", CLONE_NEWIPC},
		{"kernel/sem", CLONE_NEWIPC},
		{"kernel/shmall", CLONE_NEWIPC},
		{"kernel/shmmax", CLONE_NEWIPC},
		{"kernel/shmmni", CLONE_NEWIPC},
		{"kernel/shm_rmid_forced", CLONE_NEWIPC},
		{"kernel/domainname", CLONE_NEWUTS},
	};
	static const struct config_name folders[] = {
		{"fs/mqueue/", CLONE_NEWIPC},
		{"net/", CLONE_NEWNET},
		{"user/", CLONE_NEWUSER},
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(path, names[i].name) == 0)
			return (int)names[i].value;
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
		if (str_starts(path, folders[i].name))
			return (int)folders[i].value;
	return 0;
}

static int check_sysctl(const struct config *c, const struct config_pair *p,
			const struct json *v, struct cis_error *err)
{
	int flag = sysctl_namespace(p->key);

	if (strcmp(p->key, "kernel/hostname") == 0)
		return json_fail_key(v, err, EINVAL,
				     "the member \"hostname\" is for that");
	if (!flag)
		return json_fail_key(v, err, EINVAL,
				     "it is the host's: no namespace has one of its own");
	if (!config_namespace(c, flag))
		return json_fail_key(v, err, EINVAL,
				     "it would be the host's: its namespace is not in "
				     "linux.namespaces");
	return 0;
}

/* ---- the rest -------------------------------------------------------------------- */

static int want_propagation(void *to, const struct json *v, struct cis_error *err)
{
	static const struct config_name names[] = {
		{"", 0},
		{"shared", MS_SHARED},
		{"rshared", MS_SHARED | MS_REC},
		{"slave", MS_SLAVE},
		{"rslave", MS_SLAVE | MS_REC},
		{"private", MS_PRIVATE},
		{"rprivate", MS_PRIVATE | MS_REC},
		{"unbindable", MS_UNBINDABLE},
		{"runbindable", MS_UNBINDABLE | MS_REC},
	};
	int64_t value = 0;
	int r = config_want_name(names, ARRAY_SIZE(names), "a propagation", v, &value,
				 err);

	*(unsigned long *)to = (unsigned long)value;
	return r;
}

static int want_domain(void *to, const struct json *v, struct cis_error *err)
{
	static const struct config_name names[] = {
		{"LINUX", PER_LINUX},
		{"LINUX32", PER_LINUX32},
	};
	int64_t value = 0;
	int r = config_want_name(names, ARRAY_SIZE(names), "a personality", v, &value,
				 err);

	*(unsigned long *)to = (unsigned long)value;
	return r;
}

/* The specification reserves them and names none. */
static int refuse_flags(void *to, const struct json *v, struct cis_error *err)
{
	int r = json_want(v, JSON_ARRAY, err);

	(void)to;
	return r >= 0 && v->n ? json_fail(v, err, EINVAL, "there are no such flags") : r;
}

static int read_personality(void *to, const struct json *v, struct cis_error *err)
{
	static const struct config_field fields[] = {
		{"domain", want_domain, AT(personality), .required = true},
		{"flags", refuse_flags},
	};

	return config_read_fields(to, fields, ARRAY_SIZE(fields), v, err);
}

static int want_policy(void *to, const struct json *v, struct cis_error *err)
{
	static const struct config_name names[] = {
		{"MPOL_DEFAULT", MPOL_DEFAULT},
		{"MPOL_PREFERRED", MPOL_PREFERRED},
		{"MPOL_BIND", MPOL_BIND},
		{"MPOL_INTERLEAVE", MPOL_INTERLEAVE},
		{"MPOL_LOCAL", MPOL_LOCAL},
		{"MPOL_PREFERRED_MANY", MPOL_PREFERRED_MANY},
		/* Linux 6.9: Debian 12's headers do not have it. */
		{"MPOL_WEIGHTED_INTERLEAVE", 6},
	};
	int64_t value = 0;
	int r = config_want_name(names, ARRAY_SIZE(names), "a memory policy", v, &value,
				 err);

	*(int *)to = (int)value;
	return r;
}

static int want_policy_flags(void *to, const struct json *v, struct cis_error *err)
{
	static const struct config_name names[] = {
		{"MPOL_F_STATIC_NODES", MPOL_F_STATIC_NODES},
		{"MPOL_F_RELATIVE_NODES", MPOL_F_RELATIVE_NODES},
		{"MPOL_F_NUMA_BALANCING", MPOL_F_NUMA_BALANCING},
	};
	uint64_t flags = 0;
	int r = config_want_flags(names, ARRAY_SIZE(names), "a flag of memory policies",
				  v, &flags, err);

	*(int *)to |= (int)flags;
	return r;
}

static int read_mempolicy(void *to, const struct json *v, struct cis_error *err)
{
	/* In this order: the flags are added to the mode. */
	static const struct config_field fields[] = {
		{"mode", want_policy, AT(mempolicy_mode), .required = true},
		{"flags", want_policy_flags, AT(mempolicy_mode)},
		{"nodes", config_want_list, AT(mempolicy_nodes)},
	};
	struct config *c = to;
	int r = config_read_fields(to, fields, ARRAY_SIZE(fields), v, err);
	int mode = c->mempolicy_mode & ~MPOL_MODE_FLAGS;
	bool without = mode == MPOL_DEFAULT || mode == MPOL_LOCAL;

	if (r < 0)
		return r;
	if (without && c->mempolicy_nodes)
		return json_fail(json_get(v, "nodes"), err, EINVAL,
				 "this policy is not about nodes");
	if (!without && mode != MPOL_PREFERRED && !c->mempolicy_nodes)
		return json_fail(v, err, EINVAL, "this policy needs nodes");
	return 0;
}

/* It becomes a folder of /sys/fs/resctrl, or is that itself: everybody's class. */
static int want_clos(void *to, const struct json *v, struct cis_error *err)
{
	int r = config_want_text(to, v, err);

	if (r >= 0 && strcmp(v->string, "/") == 0)
		return 0;
	if (r >= 0 && (strchr(v->string, '/') || strcmp(v->string, ".") == 0 ||
		       strcmp(v->string, "..") == 0))
		r = config_refuse(v, err, "the name of a class");
	return r;
}

static int read_rdt(void *to, const struct json *v, struct cis_error *err)
{
	static const struct config_field fields[] = {
		{"closID", want_clos, AT(rdt_clos)},
		{"l3CacheSchema", config_want_text, AT(rdt_l3)},
		{"memBwSchema", config_want_text, AT(rdt_mb)},
		{"schemata", config_want_strv, AT(rdt_schemata)},
		{"enableMonitoring", config_want_bool, AT(rdt_monitoring)},
	};

	return config_read_fields(to, fields, ARRAY_SIZE(fields), v, err);
}

int config_read_linux(void *to, const struct json *v, struct cis_error *err)
{
	static const struct config_field fields[] = {
		{"namespaces", read_namespaces},
		{"uidMappings", read_uid_map},
		{"gidMappings", read_gid_map},
		{"timeOffsets", read_offsets},
		{"devices", read_devices},
		{"netDevices", read_net_devices},
		{"cgroupsPath", config_want_text, AT(cgroups_path)},
		{"resources", config_read_resources, AT(resources)},
		{"seccomp", config_read_seccomp, AT(seccomp)},
		{"sysctl", read_sysctls},
		{"maskedPaths", config_want_paths, AT(masked_paths)},
		{"readonlyPaths", config_want_paths, AT(readonly_paths)},
		{"rootfsPropagation", want_propagation, AT(rootfs_propagation)},
		{"mountLabel", config_want_text, AT(mount_label)},
		{"personality", read_personality, .has = AT(has_personality)},
		{"memoryPolicy", read_mempolicy, .has = AT(has_mempolicy)},
		{"intelRdt", read_rdt, .has = AT(has_intel_rdt)},
	};

	return config_read_fields(to, fields, ARRAY_SIZE(fields), v, err);
}

/* ---- what must agree ------------------------------------------------------------- */

static int check_user(const struct config *c, const struct json *v, struct cis_error *err)
{
	const struct config_namespace *ns = config_namespace(c, CLONE_NEWUSER);
	const char *given = c->n_uid_map ? "uidMappings" : "gidMappings";

	if (!ns && (c->n_uid_map || c->n_gid_map))
		return json_fail(json_get(v, given), err, EINVAL,
				 "there is no user namespace in linux.namespaces");
	if (ns && !ns->path && (!c->n_uid_map || !c->n_gid_map))
		return json_fail(
			json_get(v, "namespaces"), err, EINVAL,
			"a new user namespace needs uidMappings and gidMappings");
	return 0;
}

static int check_time(const struct config *c, const struct json *v, struct cis_error *err)
{
	const struct config_namespace *ns = config_namespace(c, CLONE_NEWTIME);

	if (!c->monotonic.given && !c->boottime.given)
		return 0;
	if (!ns)
		return json_fail(json_get(v, "timeOffsets"), err, EINVAL,
				 "there is no time namespace in linux.namespaces");
	if (ns->path)
		return json_fail(
			json_get(v, "timeOffsets"), err, EINVAL,
			"the clocks of a namespace that exists cannot be changed");
	return 0;
}

/* Whoever asks for an id-mapped mount without saying how means the container's map. */
static int check_mounts(const struct config *c, struct cis_error *err)
{
	const struct json *list = json_get(c->json, "mounts"),
			  *it = list ? list->first : NULL;
	bool user = config_namespace(c, CLONE_NEWUSER);

	for (size_t i = 0; i < c->n_mounts; i++, it = it->next)
		if (c->mounts[i].idmap && !c->mounts[i].n_uids && !user)
			return json_fail(it, err, EINVAL,
					 "idmap needs uidMappings, or a user namespace");
	return 0;
}

int config_check_linux(const struct config *c, struct cis_error *err)
{
	const struct json *v = json_get(c->json, "linux"), *it;
	int r = check_user(c, v, err);

	if (r >= 0)
		r = check_time(c, v, err);
	if (r >= 0)
		r = check_mounts(c, err);
	if (r >= 0 && c->n_net_devices && !config_namespace(c, CLONE_NEWNET))
		r = json_fail(json_get(v, "netDevices"), err, EINVAL,
			      "there is no network namespace in linux.namespaces");
	it = c->n_sysctl ? json_get(v, "sysctl")->first : NULL;
	for (size_t i = 0; i < c->n_sysctl && r >= 0; i++, it = it->next)
		r = check_sysctl(c, &c->sysctl[i], it, err);
	return r;
}

void config_linux_done(struct config *c)
{
	for (size_t i = 0; i < c->n_namespaces; i++)
		free(c->namespaces[i].path);
	for (size_t i = 0; i < c->n_devices; i++)
		free(c->devices[i].path);
	for (size_t i = 0; i < c->n_net_devices; i++) {
		free(c->net_devices[i].host_name);
		free(c->net_devices[i].name);
	}
	free(c->namespaces);
	free(c->devices);
	free(c->net_devices);
	free(c->uid_map);
	free(c->gid_map);
	free(c->cgroups_path);
	config_pairs_done(c->sysctl, c->n_sysctl);
	strv_done(&c->masked_paths);
	strv_done(&c->readonly_paths);
	free(c->mount_label);
	free(c->mempolicy_nodes);
	free(c->rdt_clos);
	free(c->rdt_l3);
	free(c->rdt_mb);
	strv_done(&c->rdt_schemata);
}
