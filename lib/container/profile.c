/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "profile.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../base/fd.h"
#include "../base/sys.h"
#include "../fs/rooted.h"
#include "../isolate/caps.h"
#include "../isolate/ids.h"
#include "../isolate/lsm.h"
#include "../state.h"

int profile_of(const struct cis_oci *rt, const struct config *c, struct cis_error *err)
{
	static const char *const names[] = {
		[PROFILE_PLAIN] = "plain",
		[PROFILE_NESTED] = "nested",
		[PROFILE_DOCKER] = "docker",
	};
	const char *name = rt && rt->profile ? rt->profile
					     : config_annotation(c, PROFILE_ANNOTATION);

	if (!name)
		return PROFILE_PLAIN;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(name, names[i]) == 0)
			return (int)i;
	return cis_fail_plain(err, EINVAL,
			      "no profile \"%s\" (there are plain, nested and docker)", name);
}

/* ---- what is refused -------------------------------------------------------------------- */

static bool allows_every_device(const struct config *c)
{
	for (size_t i = 0; i < c->resources.n_devices; i++) {
		const struct config_device_rule *d = &c->resources.devices[i];

		if (d->allow && d->type == 'a' && d->major < 0 && d->minor < 0 && d->mknod)
			return true;
	}
	return false;
}

int profile_check(const struct config *c, struct cis_error *err)
{
	static const struct {
		int flag;
		const char *name;
	} own[] = {{CLONE_NEWPID, "pid"}, {CLONE_NEWNET, "network"}, {CLONE_NEWIPC, "ipc"},
		   {CLONE_NEWUTS, "uts"}};

	if (allows_every_device(c))
		return cis_fail_plain(err, EPERM,
				      "--privileged would give the host away: leave it out (in "
				      "this runtime root has all rights inside without it)");
	for (size_t i = 0; i < ARRAY_SIZE(own); i++)
		if (!config_namespace(c, own[i].flag))
			return cis_fail_plain(err, EPERM,
					      "a sandbox does not share the host's %s namespace",
					      own[i].name);
	return 0;
}

/* ---- namespaces and ids ------------------------------------------------------------------ */

static int add_namespace(struct config *c, int flag)
{
	struct config_namespace *bigger;

	if (config_namespace(c, flag))
		return 0;
	bigger = reallocarray(c->namespaces, c->n_namespaces + 1, sizeof *bigger);
	if (!bigger)
		return -ENOMEM;
	c->namespaces = bigger;
	c->namespaces[c->n_namespaces++] = (struct config_namespace){.flag = flag};
	return 0;
}

static int set_map(struct config_idmap **map, size_t *n, uint32_t base)
{
	*map = calloc(1, sizeof **map);
	if (!*map)
		return -ENOMEM;
	**map = (struct config_idmap){.inside = 0, .host = base, .size = PROFILE_IDS};
	*n = 1;
	return 0;
}

/* Its own, or with @base those of the sandbox whose user namespace it joins. */
static int take_ids(struct config *c, const char *owner, uint32_t base, struct cis_error *err)
{
	cleanup_close int dir = -1;
	int r;

	if (!base && config_namespace(c, CLONE_NEWUSER))
		return 0;
	dir = r = state_open_ids(err);
	if (r >= 0)
		r = base ? ids_share(dir, owner, base, PROFILE_IDS, err)
			 : ids_alloc(dir, owner, PROFILE_IDS, &base, err);
	if (r < 0)
		return r;
	r = add_namespace(c, CLONE_NEWUSER);
	if (r >= 0)
		r = set_map(&c->uid_map, &c->n_uid_map, base);
	if (r >= 0)
		r = set_map(&c->gid_map, &c->n_gid_map, base);
	return r < 0 ? cis_fail(err, -r, "profile docker") : 0;
}

void profile_release(const char *owner)
{
	cleanup_close int dir = state_open_ids(NULL);

	if (dir >= 0)
		ids_release(dir, owner);
}

/* ---- the filter --------------------------------------------------------------------------- */

/*
 * What runc, mount(8) and systemd call, and engines' profiles give only to who has
 * CAP_SYS_ADMIN over the host. Here it is over the sandbox's own namespaces.
 */
static const char *const nesting[] = {
	"chroot",	"clone",	  "clone3",    "fsconfig", "fsmount",	 "fsopen",
	"fspick",	"keyctl",	  "mount",     "mount_setattr", "move_mount", "open_tree",
	"open_tree_attr", "pivot_root",	  "setdomainname", "sethostname", "setns", "umount",
	"umount2",	"unshare",	  "add_key",   "request_key", "personality", "statmount",
	"listmount",	"name_to_handle_at",
};

static bool is_nesting(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(nesting); i++)
		if (strcmp(name, nesting[i]) == 0)
			return true;
	return false;
}

static int action_of(const struct config_seccomp_rule *rule)
{
	return (int)(rule->action & SECCOMP_RET_ACTION_FULL);
}

/* Engines only permit and refuse: who kills, or asks an agent, means that call. */
static bool is_engines(const struct config_seccomp_rule *rule)
{
	return action_of(rule) == (int)SCMP_ACT_ALLOW || action_of(rule) == (int)SCMP_ACT_ERRNO(0);
}

static void strike_out(struct strv *names)
{
	size_t kept = 0;

	for (size_t i = 0; i < names->n; i++) {
		if (is_nesting(names->v[i]))
			free(names->v[i]);
		else
			names->v[kept++] = names->v[i];
	}
	names->n = kept;
	if (names->v)
		names->v[kept] = NULL;
}

static bool is_named(const struct config_seccomp *s, const char *name)
{
	for (size_t i = 0; i < s->n_rules; i++)
		for (size_t j = 0; j < s->rules[i].names.n; j++)
			if (strcmp(s->rules[i].names.v[j], name) == 0)
				return true;
	return false;
}

/*
 * The engine's own profile, but for these. One that permits what it does not name needs no
 * widening, and what it refuses, somebody meant. In one that refuses, engines have rules for
 * these by what the container may on the host: they are taken back.
 */
static int widen_filter(struct config_seccomp *s)
{
	struct config_seccomp_rule *bigger, added = {.action = SCMP_ACT_ALLOW, .added = true};
	int r = 0;

	if (!s->given || s->default_action == SCMP_ACT_ALLOW || s->default_action == SCMP_ACT_LOG)
		return 0;
	for (size_t i = 0; i < s->n_rules; i++)
		if (is_engines(&s->rules[i]))
			strike_out(&s->rules[i].names);
	for (size_t i = 0; i < ARRAY_SIZE(nesting) && r >= 0; i++)
		if (!is_named(s, nesting[i]))
			r = strv_add(&added.names, nesting[i]);
	bigger = r < 0 ? NULL : reallocarray(s->rules, s->n_rules + 1, sizeof *bigger);
	if (!bigger) {
		strv_done(&added.names);
		return -ENOMEM;
	}
	s->rules = bigger;
	s->rules[s->n_rules++] = added;
	return 0;
}

/* All there are, unless the engine shall decide. */
static int set_caps(const struct config *c, struct config_process *p, struct cis_error *err)
{
	const char *whose = config_annotation(c, CAPABILITIES_ANNOTATION);

	if (whose && strcmp(whose, "engine") == 0)
		return 0;
	if (whose && strcmp(whose, "all") != 0)
		return cis_fail_plain(err, EINVAL,
				      "annotation " CAPABILITIES_ANNOTATION
				      "=%s: must be all or engine", whose);
	p->has_caps = true;
	p->caps[CAPS_BOUNDING] = p->caps[CAPS_EFFECTIVE] = p->caps[CAPS_PERMITTED] = caps_all();
	p->caps[CAPS_INHERITABLE] = p->caps[CAPS_AMBIENT] = 0;
	return 0;
}

static int set_label(struct config_process *p)
{
	const char *chosen;

	if (!p->apparmor)
		return 0;
	chosen = lsm_apparmor_choose(p->apparmor, lsm_apparmor_is_loaded(LSM_APPARMOR_OURS));
	return chosen == p->apparmor ? 0 : str_set(&p->apparmor, chosen);
}

int profile_apply_process(struct config *c, struct config_process *p, struct cis_error *err)
{
	int r = widen_filter(&c->seccomp);

	/* A sandbox does without the speed that seccomp_default_flags() buys. */
	c->seccomp.has_flags = true;
	if (r >= 0)
		r = set_label(p);
	return r < 0 ? cis_fail(err, -r, "profile docker") : set_caps(c, p, err);
}

/* ---- mounts and devices ------------------------------------------------------------------- */

bool profile_is_below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return strncmp(path, dir, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

/* "-v /sys/fs/cgroup:/sys/fs/cgroup:ro": it wants to see groups, and has its own. */
static int keep_own_groups(struct config_mount *m)
{
	if (!m->bind || !m->source || strcmp(m->destination, "/sys/fs/cgroup") != 0 ||
	    !profile_is_below(m->source, "/sys/fs/cgroup"))
		return 0;
	m->bind = m->recursive = m->idmap = m->idmap_recursive = false;
	m->set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
	m->clear = m->rec_set = m->rec_clear = 0;
	m->propagation = 0;
	return str_set(&m->source, "cgroup") < 0 ? -ENOMEM : str_set(&m->type, "cgroup2");
}

/* For engines inside, where the engine outside gives none, as ctr does: not into a mount. */
static int add_groups(struct config *c)
{
	struct config_mount m = {
		.set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
	}, *bigger;
	bool has_sysfs = false;
	int r;

	for (size_t i = 0; i < c->n_mounts; i++) {
		if (profile_is_below(c->mounts[i].destination, "/sys/fs/cgroup"))
			return 0;
		has_sysfs |= strcmp(c->mounts[i].type, "sysfs") == 0 &&
			     strcmp(c->mounts[i].destination, "/sys") == 0;
	}
	if (!has_sysfs)
		return 0;
	bigger = reallocarray(c->mounts, c->n_mounts + 1, sizeof *bigger);
	if (!bigger)
		return -ENOMEM;
	c->mounts = bigger;
	r = str_set(&m.destination, "/sys/fs/cgroup");
	if (r >= 0)
		r = str_set(&m.type, "cgroup2");
	if (r >= 0)
		r = str_set(&m.source, "cgroup");
	c->mounts[c->n_mounts++] = m;
	return r;
}

static int change_mounts(struct config *c)
{
	for (size_t i = 0; i < c->n_mounts; i++) {
		struct config_mount *m = &c->mounts[i];

		if (keep_own_groups(m) < 0)
			return -ENOMEM;
		if (strcmp(m->type, "sysfs") == 0 || strncmp(m->type, "cgroup", 6) == 0)
			m->set &= ~(uint64_t)MOUNT_ATTR_RDONLY;
		/* v1 cannot be delegated: what is inside has its own view of cgroup2. */
		if (strcmp(m->type, "cgroup") == 0)
			str_set(&m->type, "cgroup2");
		if (m->bind && !m->n_uids)
			m->idmap = m->idmap_recursive = true;
	}
	if (add_groups(c) < 0)
		return -ENOMEM;
	/* /proc/sys and the like are the sandbox's own, or refused by who owns them. */
	strv_done(&c->readonly_paths);
	return 0;
}

static int allow_device(struct config_resources *r, int64_t major, int64_t minor)
{
	struct config_device_rule *bigger =
		reallocarray(r->devices, r->n_devices + 1, sizeof *bigger);

	if (!bigger)
		return -ENOMEM;
	r->devices = bigger;
	r->devices[r->n_devices++] = (struct config_device_rule){
		.allow = true, .type = 'c', .major = major, .minor = minor,
		.read = true, .write = true, .mknod = true};
	return 0;
}

/* Engines give it all groups there are: the kernel takes only those that are mapped. */
static int limit_ping_groups(struct config *c)
{
	for (size_t i = 0; i < c->n_sysctl; i++)
		if (strcmp(c->sysctl[i].key, "net/ipv4/ping_group_range") == 0)
			return str_set(&c->sysctl[i].value, "0 65535");
	return 0;
}

int profile_apply(struct config *c, const char *owner, uint32_t base, struct cis_error *err)
{
	int r = take_ids(c, owner, base, err);

	if (r < 0)
		return r;
	r = add_namespace(c, CLONE_NEWCGROUP);
	if (r >= 0)
		r = allow_device(&c->resources, 10, 229); /* fuse */
	if (r >= 0)
		r = allow_device(&c->resources, 10, 200); /* net/tun */
	if (r >= 0)
		r = limit_ping_groups(c);
	if (r >= 0)
		r = change_mounts(c);
	if (r < 0)
		return cis_fail(err, -r, "profile docker");
	return profile_apply_process(c, &c->process, err);
}

/* ---- who attaches what --------------------------------------------------------------------- */

/*
 * What the stage attaches is locked when init's mount namespace is copied from its own:
 * root inside cannot make a read-only volume writable. proc and the like can only be
 * made by init; so what lies on top of them is init's too, and must not be read-only.
 */
int profile_divide(struct box *b, struct cis_error *err)
{
	const struct config *c = b->c;

	b->by_stage = calloc(c->n_mounts + 1, sizeof *b->by_stage);
	if (!b->by_stage)
		return cis_fail(err, ENOMEM, "profile docker");
	for (size_t i = 0; i < c->n_mounts; i++) {
		const struct config_mount *m = &c->mounts[i];
		/* sysfs is made by who has rights over the network namespace. */
		bool stage = m->bind || strcmp(m->type, "tmpfs") == 0 ||
			     (b->foreign_net && strcmp(m->type, "sysfs") == 0);

		if (strcmp(m->type, "overlay") == 0) {
			cis_fail_plain(err, EOPNOTSUPP, "%s: an overlay cannot be id-mapped",
				       m->destination);
			return cis_hint(err, "give the volume without an overlay (podman: "
					     "not with :O)");
		}
		for (size_t j = 0; j < i && stage; j++)
			stage = b->by_stage[j] || !profile_is_below(m->destination,
								    c->mounts[j].destination);
		b->by_stage[i] = stage;
		if (m->bind && !stage && m->set & MOUNT_ATTR_RDONLY)
			return cis_fail_plain(err, EPERM,
					      "%s is mounted below a file system that is made "
					      "inside: it could not be kept read-only",
					      m->destination);
	}
	return 0;
}
