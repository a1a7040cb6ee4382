/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Three kinds of bundle, none of which gives the host away under any runtime:
 *
 *	no user namespace   what podman gives a container by default, and no more, since under
 *	                    runc root inside is the host's. cisandbox-oci makes a sandbox of
 *	                    it, with ids of its own choice (annotation io.cisandbox.profile).
 *	with ids            the same in a user namespace
 *	ids, and engines    all rights inside: capabilities, mounts, groups. Nothing of /proc
 *	                    is covered, or the kernel lets no container inside mount its own.
 *
 * Engines without ids get the first; cisandbox-oci gives them the rest by itself.
 */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "../base/json.h"
#include "../container/keeper.h"
#include "../container/profile.h"
#include "../isolate/caps.h"
#include "../isolate/seccomp-export.h"

/* The oldest that says all we do: crun 1.8 refuses those that are newer than itself. */
#define OCI_VERSION "1.0.2"
#define CPU_PERIOD 100000

bool bundle_has_engines(const struct spec *s)
{
	return s->n_services || s->scratch_dirs.n;
}

static bool is_open(const struct bundle_config *c)
{
	return c->uids.n && bundle_has_engines(c->spec);
}

static struct json *list_new(const char *const words[])
{
	struct json *list = json_array_new();

	for (; *words; words++)
		json_push(list, json_string_new(*words));
	return list;
}

/* Numbers beyond int64 are as valid in rlimits as others. */
static struct json *u64_new(uint64_t n)
{
	char text[24];
	struct json *v;

	if (n <= INT64_MAX)
		return json_int_new((int64_t)n);
	snprintf(text, sizeof text, "%" PRIu64, n);
	v = json_string_new(text);
	if (v)
		v->type = JSON_NUMBER;
	return v;
}

/* ---- process ------------------------------------------------------------------------ */

static struct json *user_new(const struct plan_exec *e)
{
	struct json *user = json_object_new();

	json_set_int(user, "uid", e->uid);
	json_set_int(user, "gid", e->gid);
	if (e->n_groups) {
		struct json *groups = json_array_new();

		for (size_t i = 0; i < e->n_groups; i++)
			json_push(groups, json_int_new(e->groups[i]));
		json_set(user, "additionalGids", groups);
	}
	return user;
}

/* Podman's: docker's without AUDIT_WRITE, MKNOD and NET_RAW. */
static struct json *caps_new(bool all)
{
	static const char *const few[] = {
		"CAP_CHOWN",  "CAP_DAC_OVERRIDE",     "CAP_FOWNER",  "CAP_FSETID",
		"CAP_KILL",   "CAP_NET_BIND_SERVICE", "CAP_SETFCAP", "CAP_SETGID",
		"CAP_SETPCAP", "CAP_SETUID",	      "CAP_SYS_CHROOT", NULL};
	struct json *list;

	if (!all)
		return list_new(few);
	list = json_array_new();
	for (int cap = 0; caps_name(cap); cap++)
		json_push(list, json_string_new(caps_name(cap)));
	return list;
}

static struct json *capabilities_new(bool all)
{
	static const char *const sets[] = {"bounding", "effective", "permitted"};
	struct json *caps = json_object_new();

	for (size_t i = 0; i < ARRAY_SIZE(sets); i++)
		json_set(caps, sets[i], caps_new(all));
	return caps;
}

/* Of one resource given twice the last counts, and runtimes want it once. */
static bool is_given_again(const struct spec *s, size_t i)
{
	for (size_t j = i + 1; j < s->n_ulimits; j++)
		if (s->ulimits[j].resource == s->ulimits[i].resource)
			return true;
	return false;
}

static struct json *rlimits_new(const struct spec *s)
{
	struct json *list = json_array_new();

	for (size_t i = 0; i < s->n_ulimits; i++) {
		struct json *one;
		char type[32] = "RLIMIT_";

		if (is_given_again(s, i))
			continue;
		for (const char *p = spec_ulimit_name(s->ulimits[i].resource); *p; p++)
			type[strlen(type)] = (char)(*p - 'a' + 'A');
		one = json_object_new();
		json_set_string(one, "type", type);
		json_set(one, "hard", u64_new(s->ulimits[i].limit.rlim_max));
		json_set(one, "soft", u64_new(s->ulimits[i].limit.rlim_cur));
		json_push(list, one);
	}
	return list;
}

static struct json *process_new(const struct bundle_config *c)
{
	const struct spec *s = c->spec;
	struct json *process = json_object_new();

	json_set_bool(process, "terminal", s->tty);
	json_set(process, "user", user_new(c->exec));
	json_set_strv(process, "args", &c->exec->argv);
	json_set_strv(process, "env", &c->exec->envp);
	json_set_string(process, "cwd", c->exec->cwd);
	json_set(process, "capabilities", capabilities_new(is_open(c)));
	if (s->n_ulimits)
		json_set(process, "rlimits", rlimits_new(s));
	json_set_bool(process, "noNewPrivileges", s->flags & CIS_NO_NEW_PRIVS);
	return process;
}

/* ---- mounts --------------------------------------------------------------------------- */

/* @options: with commas between. */
static void add_mount(struct json *mounts, const char *to, const char *type, const char *source,
		      const char *options)
{
	struct json *m = json_object_new(), *list = json_array_new();

	json_set_string(m, "destination", to);
	json_set_string(m, "type", type);
	json_set_string(m, "source", source);
	while (*options) {
		size_t n = strcspn(options, ",");
		cleanup_free char *one = strndup(options, n);

		json_push(list, one ? json_string_new(one) : NULL);
		options += n + (options[n] == ',');
	}
	json_set(m, "options", list);
	json_push(mounts, m);
}

static struct json *mounts_new(const struct bundle_config *c)
{
	const struct spec *s = c->spec;
	struct json *mounts = json_array_new();
	bool open = is_open(c);

	add_mount(mounts, "/proc", "proc", "proc", "nosuid,noexec,nodev");
	add_mount(mounts, "/dev", "tmpfs", "tmpfs", "nosuid,strictatime,mode=755,size=65536k");
	add_mount(mounts, "/dev/pts", "devpts", "devpts",
		  "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5");
	add_mount(mounts, "/dev/shm", "tmpfs", "shm", "nosuid,noexec,nodev,mode=1777,size=65536k");
	add_mount(mounts, "/dev/mqueue", "mqueue", "mqueue", "nosuid,noexec,nodev");
	add_mount(mounts, "/sys", "sysfs", "sysfs",
		  open ? "nosuid,noexec,nodev,rw" : "nosuid,noexec,nodev,ro");
	add_mount(mounts, "/sys/fs/cgroup", "cgroup", "cgroup",
		  open ? "nosuid,noexec,nodev,relatime,rw" : "nosuid,noexec,nodev,relatime,ro");
	for (size_t i = 0; i < s->n_binds; i++)
		add_mount(mounts, s->binds[i].target, "bind", c->sources->v[i],
			  s->binds[i].readonly ? "bind,rprivate,nodev,ro"
					       : "bind,rprivate,nodev,rw");
	return mounts;
}

/* ---- linux ------------------------------------------------------------------------------ */

static struct json *maps_new(const struct bundle_maps *maps)
{
	struct json *list = json_array_new();

	for (size_t i = 0; i < maps->n; i++) {
		struct json *m = json_object_new();

		json_set_int(m, "containerID", maps->v[i].inside);
		json_set_int(m, "hostID", maps->v[i].outside);
		json_set_int(m, "size", maps->v[i].count);
		json_push(list, m);
	}
	return list;
}

static struct json *namespaces_new(bool user)
{
	static const char *const types[] = {"pid", "network", "ipc", "uts", "mount", "cgroup",
					    "user"};
	struct json *list = json_array_new();

	for (size_t i = 0; i < ARRAY_SIZE(types) - !user; i++) {
		struct json *ns = json_object_new();

		json_set_string(ns, "type", types[i]);
		json_push(list, ns);
	}
	return list;
}

static struct json *no_devices_new(void)
{
	struct json *list = json_array_new(), *all = json_object_new();

	/* Runtimes add those that every container has. */
	json_set_bool(all, "allow", false);
	json_set_string(all, "access", "rwm");
	json_push(list, all);
	return list;
}

static struct json *resources_new(const struct spec *s)
{
	struct json *resources = json_object_new(), *part;

	json_set(resources, "devices", no_devices_new());
	if (s->memory) {
		part = json_object_new();
		json_set(part, "limit", u64_new(s->memory));
		json_set(part, "swap", u64_new(s->memory)); /* both together */
		json_set(resources, "memory", part);
	}
	if (s->cpus_milli) {
		part = json_object_new();
		json_set(part, "quota", u64_new(s->cpus_milli * (CPU_PERIOD / 1000)));
		json_set_int(part, "period", CPU_PERIOD);
		json_set(resources, "cpu", part);
	}
	if (s->pids) {
		part = json_object_new();
		json_set(part, "limit", u64_new(s->pids));
		json_set(resources, "pids", part);
	}
	return resources;
}

/* What tells of the host, and what its root may change. */
static void cover_paths(struct json *linux_)
{
	static const char *const masked[] = {
		"/proc/acpi",	     "/proc/asound",	  "/proc/interrupts", "/proc/kcore",
		"/proc/keys",	     "/proc/latency_stats", "/proc/sched_debug", "/proc/scsi",
		"/proc/timer_list",  "/proc/timer_stats", "/sys/devices/virtual/powercap",
		"/sys/firmware",     NULL};
	static const char *const readonly[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
					       "/proc/sysrq-trigger", NULL};

	json_set(linux_, "maskedPaths", list_new(masked));
	json_set(linux_, "readonlyPaths", list_new(readonly));
}

static struct json *linux_new(const struct bundle_config *c)
{
	struct json *linux_ = json_object_new();

	json_set(linux_, "namespaces", namespaces_new(c->uids.n));
	if (c->uids.n) {
		json_set(linux_, "uidMappings", maps_new(&c->uids));
		json_set(linux_, "gidMappings", maps_new(&c->gids));
	}
	json_set(linux_, "resources", resources_new(c->spec));
	json_set(linux_, "seccomp", seccomp_export(c->spec->flags, is_open(c)));
	if (!is_open(c))
		cover_paths(linux_);
	return linux_;
}

/* ---- annotations --------------------------------------------------------------------------- */

static void annotate(struct json *annotations, const char *pair)
{
	const char *eq = strchr(pair, '=');
	cleanup_free char *key = eq ? strndup(pair, (size_t)(eq - pair)) : strdup(pair);

	json_set(annotations, key ? key : "", key ? json_string_new(eq ? eq + 1 : "") : NULL);
}

/* The image's first: what we say, and then the user, is stronger. */
static struct json *annotations_new(const struct bundle_config *c)
{
	struct json *annotations = json_object_new();
	const struct spec *s = c->spec;

	for (size_t i = 0; i < c->annotations->n; i++)
		annotate(annotations, c->annotations->v[i]);
	json_set_string(annotations, PROFILE_ANNOTATION, "docker");
	if (!bundle_has_engines(s))
		json_set_string(annotations, CAPABILITIES_ANNOTATION, "engine");
	if (s->vfs != CIS_VFS_AUTO)
		json_set_string(annotations, VFS_ANNOTATION, s->vfs == CIS_VFS_ON ? "on" : "off");
	for (size_t i = 0; i < s->labels.n; i++)
		annotate(annotations, s->labels.v[i]);
	return annotations;
}

int bundle_config_write(const struct bundle_config *c, char **ret)
{
	cleanup(json_freep) struct json *doc = json_object_new();
	struct json *root = json_object_new();

	json_set_string(root, "path", "rootfs");
	json_set_bool(root, "readonly", false);
	json_set_string(doc, "ociVersion", OCI_VERSION);
	json_set(doc, "process", process_new(c));
	json_set(doc, "root", root);
	/* Without one runtimes show the host's. */
	json_set_string(doc, "hostname", c->spec->hostname ? c->spec->hostname : "cisandbox");
	json_set(doc, "mounts", mounts_new(c));
	json_set(doc, "annotations", annotations_new(c));
	json_set(doc, "linux", linux_new(c));
	return doc ? json_write(doc, JSON_PRETTY, ret) : -ENOMEM;
}
